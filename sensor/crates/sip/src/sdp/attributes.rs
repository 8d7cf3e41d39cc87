//! What single attribute lines say: payload maps, the static payload table, ICE candidates.
//!
//! Knows no sections.

use core::net::SocketAddr;

use super::address;
use crate::text::{Text, number, split, split_or_all, words};

/// One RTP payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codec<'a> {
    /// The payload type number.
    pub payload_type: u8,
    /// Encoding name as sent; empty for a dynamic type without a map.
    pub name: Text<'a>,
    /// RTP clock rate in Hz; 0 where it is not known.
    pub clock_rate: u32,
    /// Channels; 1 where nothing is said.
    pub channels: u8,
}

/// `a=rtpmap` for one payload type.
pub(crate) fn rtpmap(value: &[u8], payload_type: u8) -> Option<Codec<'_>> {
    let (pt, rest) = split(value.trim_ascii(), b' ')?;
    if number(pt)? != u64::from(payload_type) {
        return None;
    }
    let (name, rest) = split_or_all(rest.trim_ascii(), b'/');
    let (rate, channels) = split_or_all(rest, b'/');
    let clock_rate = number(rate).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let channels = number(channels).and_then(|n| u8::try_from(n).ok()).unwrap_or(1).max(1);
    Some(Codec { payload_type, name: Text::new(name), clock_rate, channels })
}

/// The static assignments of RFC 3551 §6.
pub fn static_codec(payload_type: u8) -> Option<Codec<'static>> {
    let (name, clock_rate, channels) = match payload_type {
        0 => ("PCMU", 8000, 1),
        3 => ("GSM", 8000, 1),
        4 => ("G723", 8000, 1),
        5 => ("DVI4", 8000, 1),
        6 => ("DVI4", 16_000, 1),
        7 => ("LPC", 8000, 1),
        8 => ("PCMA", 8000, 1),
        9 => ("G722", 8000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        12 => ("QCELP", 8000, 1),
        13 => ("CN", 8000, 1),
        14 => ("MPA", 90_000, 1),
        15 => ("G728", 8000, 1),
        16 => ("DVI4", 11_025, 1),
        17 => ("DVI4", 22_050, 1),
        18 => ("G729", 8000, 1),
        25 => ("CelB", 90_000, 1),
        26 => ("JPEG", 90_000, 1),
        28 => ("nv", 90_000, 1),
        31 => ("H261", 90_000, 1),
        32 => ("MPV", 90_000, 1),
        33 => ("MP2T", 90_000, 1),
        34 => ("H263", 90_000, 1),
        _ => return None,
    };
    Some(Codec { payload_type, name: Text::new(name.as_bytes()), clock_rate, channels })
}

/// How an ICE candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An interface's own address.
    Host,
    /// As a STUN server sees it.
    ServerReflexive,
    /// As the peer sees it.
    PeerReflexive,
    /// On a TURN server.
    Relay,
}

/// One ICE candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// Over UDP.
    pub udp: bool,
    /// Where it listens.
    pub endpoint: SocketAddr,
    /// How it was found.
    pub kind: CandidateKind,
}

/// `a=candidate`: foundation, component, transport, priority, address, port, `typ`, kind.
pub(crate) fn candidate(value: &[u8]) -> Option<Candidate> {
    let mut fields = words(value).skip(1);
    let component = u16::try_from(number(fields.next()?)?).ok()?;
    let udp = fields.next()?.eq_ignore_ascii_case(b"udp");
    let place = fields.nth(1)?;
    let port = u16::try_from(number(fields.next()?)?).ok()?;
    let kind = match fields.nth(1)? {
        b"host" => CandidateKind::Host,
        b"srflx" => CandidateKind::ServerReflexive,
        b"prflx" => CandidateKind::PeerReflexive,
        b"relay" => CandidateKind::Relay,
        _ => return None,
    };
    Some(Candidate { component, udp, endpoint: SocketAddr::new(address(place)?, port), kind })
}
