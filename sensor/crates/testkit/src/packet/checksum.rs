//! The Internet checksum (RFC 1071), and the pseudo-headers of UDP and TCP.

use std::net::IpAddr;

/// Adds `bytes` to a running sum. All parts but the last must have an even length.
#[inline]
#[must_use]
pub fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let four: [u8; 4] = word.try_into().unwrap_or_default();
        sum += u64::from(u32::from_be_bytes(four));
    }
    let mut last = [0u8; 4];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

/// Folds a sum into the value of a checksum field.
#[inline]
#[must_use]
pub fn finish(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The sum of a pseudo-header (RFC 768, RFC 8200 section 8.1).
#[inline]
#[must_use]
pub fn pseudo(src: IpAddr, dst: IpAddr, proto: u8, length: usize) -> u64 {
    let sum = match (src, dst) {
        (IpAddr::V4(a), IpAddr::V4(b)) => add(add(0, &a.octets()), &b.octets()),
        (a, b) => add(add(0, &v6(a)), &v6(b)),
    };
    sum + u64::from(proto) + length as u64
}

pub(super) fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
