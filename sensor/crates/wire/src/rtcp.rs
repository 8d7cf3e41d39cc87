//! RTCP compound packets: RFC 3550 §6 and the extended reports of RFC 3611.
//!
//! Yields each packet of a datagram as a view. Reduced-size RTCP (RFC 5506) is taken too, so no
//! order of packets is demanded. Keeps no state and computes no statistics.

pub mod report;
pub mod source;
pub mod xr;

use crate::read;

pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use source::{App, Bye, Sdes};
pub use xr::ExtendedReport;

/// Bytes of the header that all packets share.
pub const HEADER_LEN: usize = 4;

/// Why bytes are not an RTCP packet. Reading of the datagram ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Fewer bytes than a header has.
    Short,
    /// The version is not 2.
    Version,
    /// The length field runs beyond the end.
    Length,
    /// The body is shorter than its type and count need.
    Body,
    /// The padding count cannot be true.
    Padding,
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// Type 200.
    Sender(SenderReport<'a>),
    /// Type 201.
    Receiver(ReceiverReport<'a>),
    /// Type 202.
    Sdes(Sdes<'a>),
    /// Type 203.
    Bye(Bye<'a>),
    /// Type 204.
    App(App<'a>),
    /// Type 207.
    Extended(ExtendedReport<'a>),
    /// Feedback and all else: type, the five-bit count field, the body after the header.
    Other(u8, u8, &'a [u8]),
}

/// Goes through the packets of one datagram.
///
/// After an error it yields nothing more: without a true length there is no next packet. Bytes
/// behind the last whole packet, such as the index and tag of SRTCP, are an error too.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Begins at the start of a datagram's payload.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn step(&mut self) -> Result<Packet<'a>, Reject> {
        let all = core::mem::take(&mut self.rest);
        let [first, kind, high, low] = read::bytes(all, 0).ok_or(Reject::Short)?;
        if first >> 6 != 2 {
            return Err(Reject::Version);
        }
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let (packet, rest) = all.split_at_checked(len).ok_or(Reject::Length)?;
        let mut body = packet.get(HEADER_LEN..).ok_or(Reject::Short)?;
        if first & 0x20 != 0 {
            let count = usize::from(body.last().copied().ok_or(Reject::Padding)?);
            let kept = body.len().checked_sub(count).ok_or(Reject::Padding)?;
            if count == 0 {
                return Err(Reject::Padding);
            }
            body = body.get(..kept).ok_or(Reject::Padding)?;
        }
        self.rest = rest;
        packet_of(kind, first & 0x1f, body)
    }
}

fn packet_of(kind: u8, count: u8, body: &[u8]) -> Result<Packet<'_>, Reject> {
    Ok(match kind {
        200 => Packet::Sender(SenderReport::parse(count, body)?),
        201 => Packet::Receiver(ReceiverReport::parse(count, body)?),
        202 => Packet::Sdes(Sdes::parse(count, body)),
        203 => Packet::Bye(Bye::parse(count, body)?),
        204 => Packet::App(App::parse(count, body)?),
        207 => Packet::Extended(ExtendedReport::parse(body)?),
        _ => Packet::Other(kind, count, body),
    })
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.rest = &[];
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests;
