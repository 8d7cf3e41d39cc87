//! IPFIX (RFC 7011) as Oracle's session border controllers send it: SIP and call quality in sets
//! of a fixed meaning, without templates.
//!
//! | set | body |
//! |---|---|
//! | 256 | a handshake, to be answered by the same bytes as set 257 |
//! | 258, 259 | SIP over UDP, received and sent: an IP packet ([`Sip::udp`]) |
//! | 260, 261 | SIP over TCP, received and sent: a message ([`Sip::tcp`]) |
//! | 266, 267 | RTP and what else comes to media ports, received and sent |
//! | 268 | quality of a call's media ([`Qos`]) |
//!
//! A message is a header of 16 bytes (version 10, whole length, export time, sequence, domain)
//! and sets (id, length with its own 4 bytes, body). It knows templates by their set ids only:
//! other exporters' data is recognised, not read.

mod qos;
mod sip;
#[cfg(test)]
mod tests;

use crate::read;

pub use qos::{Direction, Flow, Qos};
pub use sip::Sip;

/// The version number of IPFIX.
pub const VERSION: u16 = 10;

/// Bytes in front of the first set.
pub const HEADER_LEN: usize = 16;

/// Bytes in front of a set's body.
pub const SET_LEN: usize = 4;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Fewer bytes than there must be.
    Short,
    /// Not version 10.
    Version,
    /// The whole length is shorter than its own header, or longer than the bytes there are.
    Length,
    /// A set is shorter than its own header, or runs beyond the message.
    Set,
    /// A field of variable length runs beyond its set.
    Field,
    /// Neither IPv4 nor IPv6.
    Family,
    /// An IP packet that is no UDP.
    Protocol,
    /// A piece of an IP packet.
    Fragment,
}

/// What a set is, as its id tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 256.
    Handshake,
    /// 257: ours, which nobody sends to us.
    Answer,
    /// 258 and 259.
    SipUdp,
    /// 260 and 261.
    SipTcp,
    /// 266 and 267.
    Rtp,
    /// 268.
    Qos,
    /// 2: templates (RFC 7011 §3.4.1).
    Template,
    /// 3: templates of options (RFC 7011 §3.4.2).
    OptionsTemplate,
    /// Data of a template that is not known.
    Unknown,
    /// 0, 1, and 4 to 255: they stand for nothing in IPFIX.
    Reserved,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// When it was sent: UNIX time, s.
    pub export_s: u32,
    /// Number of data records before this message.
    pub sequence: u32,
    /// Number of the observation domain.
    pub domain: u32,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a header. What stands behind the message's end is not looked at.
    ///
    /// # Errors
    /// The reason why it is no message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        let len = frame(bytes)?.ok_or(Reject::Short)?;
        let mut fields = Cursor { rest: bytes.get(4..len).ok_or(Reject::Length)? };
        Ok(Self {
            export_s: fields.u32()?,
            sequence: fields.u32()?,
            domain: fields.u32()?,
            body: fields.rest,
        })
    }

    /// Its sets.
    #[must_use]
    pub fn sets(&self) -> Sets<'a> {
        Sets { rest: self.body }
    }

    /// A message with the same header and this one set, under another id: what answers a
    /// handshake. The set is one of this message's.
    pub fn answer(&self, set: &Set<'a>, id: u16) -> impl Iterator<Item = u8> + use<'a> {
        let set_len = SET_LEN.saturating_add(set.body.len());
        let len = HEADER_LEN.saturating_add(set_len);
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        let head = [VERSION.to_be_bytes(), short(len)];
        let words = [self.export_s, self.sequence, self.domain].map(u32::to_be_bytes);
        let start = [id.to_be_bytes(), short(set_len)];
        let numbers = words.into_iter().flatten();
        let head = head.into_iter().flatten().chain(numbers).chain(start.into_iter().flatten());
        head.chain(set.body.iter().copied())
    }
}

/// One set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// What it is.
    pub id: u16,
    /// What is in it.
    pub body: &'a [u8],
}

impl Set<'_> {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.id {
            2 => Kind::Template,
            3 => Kind::OptionsTemplate,
            256 => Kind::Handshake,
            257 => Kind::Answer,
            258 | 259 => Kind::SipUdp,
            260 | 261 => Kind::SipTcp,
            266 | 267 => Kind::Rtp,
            268 => Kind::Qos,
            0..=255 => Kind::Reserved,
            _ => Kind::Unknown,
        }
    }
}

/// Goes through the sets of one message. After an error it yields nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'a> {
    rest: &'a [u8],
}

impl<'a> Sets<'a> {
    fn step(&mut self) -> Option<Set<'a>> {
        let all = core::mem::take(&mut self.rest);
        let (id, len) = (read::u16(all, 0)?, usize::from(read::u16(all, 2)?));
        let (set, rest) = all.split_at_checked(len)?;
        let body = set.get(SET_LEN..)?;
        self.rest = rest;
        Some(Set { id, body })
    }
}

impl<'a> Iterator for Sets<'a> {
    type Item = Result<Set<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.step().ok_or(Reject::Set))
    }
}

/// Length of the message that a stream goes on with; `None`: too few bytes to tell.
///
/// # Errors
/// No message begins here.
pub fn frame(stream: &[u8]) -> Result<Option<usize>, Reject> {
    let begin = stream.get(..2).unwrap_or(stream);
    if !VERSION.to_be_bytes().starts_with(begin) {
        return Err(Reject::Version);
    }
    match read::u16(stream, 2).map(usize::from) {
        None => Ok(None),
        Some(len) if len < HEADER_LEN => Err(Reject::Length),
        Some(len) => Ok(Some(len)),
    }
}

/// UNIX time, ns. `None`: it is no time.
fn unix_ns((seconds, micros): (u32, u32)) -> Option<u64> {
    let ns = u64::from(seconds) * 1_000_000_000 + u64::from(micros) * 1000;
    (seconds > 0 && micros < 1_000_000).then_some(ns)
}

/// Takes fields off the front.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Reject> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Reject::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reject> {
        self.take(N)?.try_into().map_err(|_| Reject::Short)
    }

    fn u8(&mut self) -> Result<u8, Reject> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Reject> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Reject> {
        self.array().map(u32::from_be_bytes)
    }

    /// A field of variable length (RFC 7011 §7): a byte of length, or 255 and two.
    fn variable(&mut self) -> Result<&'a [u8], Reject> {
        let len = match self.u8()? {
            255 => usize::from(self.u16()?),
            len => usize::from(len),
        };
        self.take(len).map_err(|_| Reject::Field)
    }
}
