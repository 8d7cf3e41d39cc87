//! HEP, in which capture agents send what they see: versions 1, 2 and 3 (also called EEP).
//!
//! | version | header | then |
//! |---|---|---|
//! | 1 | version, length, family, protocol (a byte each), ports | two addresses, payload |
//! | 2 | the same | two addresses, seconds, microseconds, agent (16 bits), 2 bytes, payload |
//! | 3 | `HEP3`, whole length (16 bits) | chunks: vendor, type, length (16 bits each), body |
//!
//! Lengths of version 3 count their own header. Chunks of vendors, of unknown types, and those
//! whose body has another length than their type wants are skipped and counted. It unpacks
//! nothing: compressed and JSON payloads are given as they are.

mod chunk;
mod early;
#[cfg(test)]
mod tests;

use core::net::IpAddr;

use crate::read;

pub use chunk::{Chunk, Chunks};

/// The first bytes of version 3.
pub const MAGIC: [u8; 4] = *b"HEP3";

/// Bytes in front of the first chunk.
pub const HEADER_LEN: usize = 6;

/// Bytes in front of a chunk's body.
pub const CHUNK_LEN: usize = 6;

/// What a payload is: chunk type 11.
pub mod kind {
    /// SIP.
    pub const SIP: u8 = 1;
    /// RTP.
    pub const RTP: u8 = 4;
    /// RTCP, as it was on the wire or told in JSON.
    pub const RTCP: u8 = 5;
    /// Figures of a stream in JSON: a whole report.
    pub const QOS: u8 = 34;
    /// Figures of a stream in JSON: a short report.
    pub const QOS_SHORT: u8 = 35;
    /// SIP in JSON.
    pub const SIP_JSON: u8 = 50;
    /// RTCP in JSON.
    pub const RTCP_JSON: u8 = 59;
    /// A line of a log.
    pub const LOG: u8 = 100;
}

/// Why bytes are not a HEP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Fewer bytes than a header has.
    Short,
    /// None of the three versions begins like this.
    Version,
    /// The whole length is shorter than its own header, or longer than the bytes there are.
    Length,
    /// A chunk is shorter than its own header, or runs beyond the message.
    Chunk,
    /// Versions 1 and 2: neither IPv4 nor IPv6.
    Family,
}

/// One message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// Number of the address family, as the agent's system has it.
    pub family: Option<u8>,
    /// Number of the IP protocol.
    pub protocol: Option<u8>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// UNIX time, s,
    pub seconds: Option<u32>,
    /// and µs.
    pub micros: Option<u32>,
    /// What the payload is, see [`kind`]. Versions 1 and 2 carry SIP.
    pub kind: Option<u8>,
    /// Number of the agent.
    pub agent: Option<u32>,
    /// Seconds between two signs of life.
    pub keep_alive_s: Option<u16>,
    /// The key by which an agent says who it is.
    pub auth: Option<&'a [u8]>,
    /// The payload,
    pub payload: Option<&'a [u8]>,
    /// or the payload compressed.
    pub compressed: Option<&'a [u8]>,
    /// What messages of one call have in common.
    pub correlation: Option<&'a [u8]>,
    /// VLAN id.
    pub vlan: Option<u16>,
    /// Name of a group, or of the agent.
    pub group: Option<&'a [u8]>,
    /// Source MAC address.
    pub src_mac: Option<[u8; 6]>,
    /// Destination MAC address.
    pub dst_mac: Option<[u8; 6]>,
    /// EtherType.
    pub ethertype: Option<u16>,
    /// TCP flags.
    pub tcp_flags: Option<u8>,
    /// Type of service.
    pub tos: Option<u8>,
    /// MOS, times 100.
    pub mos: Option<u16>,
    /// R factor, times 100.
    pub r_factor: Option<u16>,
    /// A place.
    pub place: Option<&'a [u8]>,
    /// Jitter.
    pub jitter: Option<u32>,
    /// Kind of transaction: a call, a registration.
    pub transaction: Option<&'a [u8]>,
    /// Keys of a JSON payload.
    pub json_keys: Option<&'a [u8]>,
    /// Tags.
    pub tags: Option<&'a [u8]>,
    /// What the tags are.
    pub tag_type: Option<u16>,
    /// Chunks of vendors and of unknown types.
    pub unknown: u16,
    /// Chunks whose body has a wrong length.
    pub misshapen: u16,
}

impl<'a> Message<'a> {
    /// Reads one message. What stands behind its end is not looked at.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        match bytes.first() {
            None => Err(Reject::Short),
            Some(1 | 2) => early::parse(bytes),
            Some(_) if bytes.get(..4) == Some(&MAGIC) => chunk::parse(bytes),
            Some(_) if bytes.len() < 4 && MAGIC.starts_with(bytes) => Err(Reject::Short),
            Some(_) => Err(Reject::Version),
        }
    }

    /// When the payload was seen: UNIX time, ns. `None`: not told, or it is no time.
    #[must_use]
    pub fn unix_ns(&self) -> Option<u64> {
        let (seconds, micros) = (self.seconds.filter(|s| *s > 0)?, self.micros.unwrap_or(0));
        let ns = u64::from(seconds) * 1_000_000_000 + u64::from(micros) * 1000;
        (micros < 1_000_000).then_some(ns)
    }
}

/// Length of the message that a stream goes on with; `None`: too few bytes to tell. Only
/// version 3 says its length.
///
/// # Errors
/// No message begins here.
pub fn frame(stream: &[u8]) -> Result<Option<usize>, Reject> {
    let begin = stream.get(..4).unwrap_or(stream);
    if !MAGIC.starts_with(begin) {
        return Err(Reject::Version);
    }
    match read::u16(stream, 4).map(usize::from) {
        None => Ok(None),
        Some(len) if len < HEADER_LEN => Err(Reject::Length),
        Some(len) => Ok(Some(len)),
    }
}
