//! Versions 1 and 2: a structure of C, sent as it lies in the agent's memory.
//!
//! The header's own length field counts the time of version 2 with some agents and not with
//! others, so the version decides. The time stands in the agent's byte order, which nobody tells:
//! the one is taken in which it is a time.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Message, Reject, kind};
use crate::read;

const HEADER_LEN: usize = 8;
/// Two 32-bit numbers, one of 16 bits, and as much filling.
const TIME_LEN: usize = 12;
/// The first second of this century's second year: an earlier one is no time of a message.
const SECONDS_MIN: u32 = 978_307_200;

/// `AF_INET` everywhere.
const INET: u8 = 2;
/// `AF_INET6` of Linux, FreeBSD and macOS.
const INET6: [u8; 3] = [10, 28, 30];

pub(super) fn parse(bytes: &[u8]) -> Result<Message<'_>, Reject> {
    let [version, len, family, protocol] = read::bytes(bytes, 0).ok_or(Reject::Short)?;
    let (src, dst, mut at) = if family == INET {
        (v4(bytes, HEADER_LEN), v4(bytes, HEADER_LEN + 4), HEADER_LEN + 8)
    } else if INET6.contains(&family) {
        (v6(bytes, HEADER_LEN), v6(bytes, HEADER_LEN + 16), HEADER_LEN + 32)
    } else {
        return Err(Reject::Family);
    };
    let time = (version == 2).then(|| read::bytes(bytes, at));
    // A length that cannot be true is one of something else that begins with 1 or 2.
    let usual = usize::from(len) == at || usize::from(len) == at + TIME_LEN;
    if !usual {
        return Err(Reject::Length);
    }
    let mut message = Message {
        version,
        family: Some(family),
        protocol: Some(protocol),
        src,
        dst,
        sport: read::u16(bytes, 4).ok_or(Reject::Short)?,
        dport: read::u16(bytes, 6).ok_or(Reject::Short)?,
        kind: Some(kind::SIP),
        ..Message::default()
    };
    if let Some(time) = time {
        let time: [u8; TIME_LEN] = time.ok_or(Reject::Short)?;
        (message.seconds, message.micros, message.agent) = told(time);
        at += TIME_LEN;
    }
    message.payload = Some(bytes.get(at..).ok_or(Reject::Short)?);
    Ok(message)
}

/// Seconds, microseconds and agent.
fn told(time: [u8; TIME_LEN]) -> (Option<u32>, Option<u32>, Option<u32>) {
    let [a, b, c, d, e, f, g, h, agent @ .., _, _] = time;
    let (seconds, micros) = ([a, b, c, d], [e, f, g, h]);
    let is_time = |(s, us): &(u32, u32)| *s >= SECONDS_MIN && *us < 1_000_000;
    let little = (u32::from_le_bytes(seconds), u32::from_le_bytes(micros));
    let big = (u32::from_be_bytes(seconds), u32::from_be_bytes(micros));
    if is_time(&little) {
        (Some(little.0), Some(little.1), Some(u16::from_le_bytes(agent).into()))
    } else if is_time(&big) {
        (Some(big.0), Some(big.1), Some(u16::from_be_bytes(agent).into()))
    } else {
        (None, None, Some(u16::from_le_bytes(agent).into()))
    }
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    read::bytes::<4>(bytes, at).map(|octets| Ipv4Addr::from(octets).into())
}

fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    read::bytes::<16>(bytes, at).map(|octets| Ipv6Addr::from(octets).into())
}
