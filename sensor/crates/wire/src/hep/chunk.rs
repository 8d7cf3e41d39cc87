//! Version 3: chunks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CHUNK_LEN, HEADER_LEN, Message, Reject};
use crate::read;

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whose type it is; 0: everybody's.
    pub vendor: u16,
    /// Its type.
    pub kind: u16,
    /// What it says.
    pub body: &'a [u8],
}

/// Goes through the chunks of one message. After an error it yields nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// Begins at a message's first byte.
    ///
    /// # Errors
    /// The message's header is no such header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Reject> {
        let len = usize::from(read::u16(bytes, 4).ok_or(Reject::Short)?);
        let rest = bytes.get(HEADER_LEN..len).ok_or(Reject::Length)?;
        Ok(Self { rest })
    }

    fn step(&mut self) -> Option<Chunk<'a>> {
        let all = core::mem::take(&mut self.rest);
        let (vendor, kind) = (read::u16(all, 0)?, read::u16(all, 2)?);
        let len = usize::from(read::u16(all, 4)?);
        let (chunk, rest) = all.split_at_checked(len)?;
        let body = chunk.get(CHUNK_LEN..)?;
        self.rest = rest;
        Some(Chunk { vendor, kind, body })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.step().ok_or(Reject::Chunk))
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Message<'_>, Reject> {
    let mut message = Message { version: 3, ..Message::default() };
    for chunk in Chunks::new(bytes)? {
        let chunk = chunk?;
        match message.put(&chunk) {
            Put::Taken => {}
            Put::Unknown => message.unknown = message.unknown.saturating_add(1),
            Put::Misshapen => message.misshapen = message.misshapen.saturating_add(1),
        }
    }
    Ok(message)
}

/// What became of a chunk.
enum Put {
    Taken,
    Unknown,
    Misshapen,
}

/// A body that must have a type's length.
fn fixed<const N: usize, T>(body: &[u8], of: impl Fn([u8; N]) -> T) -> Option<T> {
    body.try_into().ok().map(of)
}

fn u8(body: &[u8]) -> Option<u8> {
    fixed(body, u8::from_be_bytes)
}

fn u16(body: &[u8]) -> Option<u16> {
    fixed(body, u16::from_be_bytes)
}

fn u32(body: &[u8]) -> Option<u32> {
    fixed(body, u32::from_be_bytes)
}

fn v4(body: &[u8]) -> Option<IpAddr> {
    fixed(body, |octets: [u8; 4]| Ipv4Addr::from(octets).into())
}

fn v6(body: &[u8]) -> Option<IpAddr> {
    fixed(body, |octets: [u8; 16]| Ipv6Addr::from(octets).into())
}

/// Puts a value where it belongs; the last of several counts.
fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Put {
    if value.is_none() {
        return Put::Misshapen;
    }
    *slot = value;
    Put::Taken
}

impl<'a> Message<'a> {
    fn put(&mut self, chunk: &Chunk<'a>) -> Put {
        let body = chunk.body;
        if chunk.vendor != 0 {
            return Put::Unknown;
        }
        match chunk.kind {
            1 => set(&mut self.family, u8(body)),
            2 => set(&mut self.protocol, u8(body)),
            3 => set(&mut self.src, v4(body)),
            4 => set(&mut self.dst, v4(body)),
            5 => set(&mut self.src, v6(body)),
            6 => set(&mut self.dst, v6(body)),
            7 => port(&mut self.sport, body),
            8 => port(&mut self.dport, body),
            9 => set(&mut self.seconds, u32(body)),
            10 => set(&mut self.micros, u32(body)),
            11 => set(&mut self.kind, u8(body)),
            12 => set(&mut self.agent, u32(body)),
            13 => set(&mut self.keep_alive_s, u16(body)),
            14 => set(&mut self.auth, Some(body)),
            15 => set(&mut self.payload, Some(body)),
            16 => set(&mut self.compressed, Some(body)),
            17 => set(&mut self.correlation, Some(body)),
            18 => set(&mut self.vlan, u16(body)),
            19 => set(&mut self.group, Some(body)),
            20 => set(&mut self.src_mac, fixed(body, |mac| mac)),
            21 => set(&mut self.dst_mac, fixed(body, |mac| mac)),
            22 => set(&mut self.ethertype, u16(body)),
            23 => set(&mut self.tcp_flags, u8(body)),
            24 => set(&mut self.tos, u8(body)),
            32 => set(&mut self.mos, u16(body)),
            33 => set(&mut self.r_factor, u16(body)),
            34 => set(&mut self.place, Some(body)),
            35 => set(&mut self.jitter, u32(body)),
            36 => set(&mut self.transaction, Some(body)),
            37 => set(&mut self.json_keys, Some(body)),
            38 => set(&mut self.tags, Some(body)),
            39 => set(&mut self.tag_type, u16(body)),
            _ => Put::Unknown,
        }
    }
}

fn port(slot: &mut u16, body: &[u8]) -> Put {
    let Some(port) = u16(body) else { return Put::Misshapen };
    *slot = port;
    Put::Taken
}
