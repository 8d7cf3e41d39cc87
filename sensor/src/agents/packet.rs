//! The packet that an agent saw, built again: IP and UDP headers around its payload.
//!
//! SIP over TCP has a UDP header too: an agent sends whole messages, there is nothing to put
//! together, and whoever reads the packet later has it whole.

use std::net::IpAddr;

use ringtap_wire::flow::FlowKey;

/// Longest payload: a UDP datagram over IPv4 holds no more.
pub(crate) const PAYLOAD_MAX: usize = 65_507;

const UDP: u8 = 17;
const TTL: u8 = 64;

fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// From where to where.
pub(crate) fn flow(src: (IpAddr, u16), dst: (IpAddr, u16)) -> FlowKey {
    FlowKey { src: mapped(src.0), dst: mapped(dst.0), sport: src.1, dport: dst.1 }
}

/// Builds the packet. A payload longer than [`PAYLOAD_MAX`] is cut.
pub(crate) fn build(flow: &FlowKey, tos: u8, payload: &[u8]) -> Box<[u8]> {
    let payload = payload.get(..PAYLOAD_MAX).unwrap_or(payload);
    let len = (payload.len() + 8) as u16;
    let ports = [flow.sport.to_be_bytes(), flow.dport.to_be_bytes()].concat();
    let udp = [&ports, &len.to_be_bytes()[..], &[0, 0]].concat();
    let is_v4 = |ip: &[u8; 16]| ip.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let ip =
        if is_v4(&flow.src) && is_v4(&flow.dst) { v4(flow, tos, len) } else { v6(flow, tos, len) };
    let mut packet = [&ip, &udp, payload].concat();
    let pseudo = [&flow.src[..], &flow.dst, &[0, UDP], &len.to_be_bytes()];
    let parts = pseudo.into_iter().chain([&udp[..], payload]);
    let sum = match sum(parts.flat_map(words)) {
        0 => 0xffff,
        sum => sum,
    };
    put(&mut packet, ip.len() + 6, sum);
    packet.into()
}

fn v4(flow: &FlowKey, tos: u8, len: u16) -> Vec<u8> {
    let whole = len.saturating_add(20).to_be_bytes();
    let mut ip = vec![0x45, tos, whole[0], whole[1], 0, 0, 0x40, 0, TTL, UDP, 0, 0];
    ip.extend(flow.src.iter().skip(12));
    ip.extend(flow.dst.iter().skip(12));
    let sum = sum(words(&ip));
    put(&mut ip, 10, sum);
    ip
}

fn v6(flow: &FlowKey, tos: u8, len: u16) -> Vec<u8> {
    let len = len.to_be_bytes();
    let mut ip = vec![0x60 | tos >> 4, tos << 4, 0, 0, len[0], len[1], UDP, TTL];
    ip.extend(flow.src);
    ip.extend(flow.dst);
    ip
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// 16-bit words; an odd byte at the end is the high one.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u64::from(high) << 8 | u64::from(low),
        [high] => u64::from(high) << 8,
        _ => 0,
    })
}

/// RFC 1071. The mapped prefixes of two IPv4 addresses add up to zero.
fn sum(words: impl Iterator<Item = u64>) -> u16 {
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtap_common::walk::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, walk_network};

    fn flow_of(src: &str, dst: &str) -> FlowKey {
        flow((src.parse().unwrap(), 0), (dst.parse().unwrap(), 5060))
    }

    #[test]
    fn the_walk_finds_what_was_put_in_and_checksums_are_true() {
        for (src, dst, version, ethertype) in [
            ("10.0.0.1", "10.0.0.2", 4, ETHERTYPE_IPV4),
            ("2001:db8::1", "2001:db8::2", 6, ETHERTYPE_IPV6),
            ("10.0.0.1", "2001:db8::2", 6, ETHERTYPE_IPV6),
        ] {
            let flow = flow_of(src, dst);
            for len in [0, 1, 500, PAYLOAD_MAX] {
                let payload = vec![b'x'; len];
                let packet = build(&flow, 0xb8, &payload);
                let headers = walk_network(&&*packet, ethertype, 0).unwrap();
                assert_eq!(FlowKey::from_headers(&headers), flow);
                assert_eq!((headers.version, headers.tos), (version, 0xb8));
                let at = usize::from(headers.payload);
                assert_eq!(&packet[at..at + headers.payload_len as usize], payload);
                let l4 = &packet[usize::from(headers.l4)..];
                let len = (l4.len() as u16).to_be_bytes();
                let all = [&flow.src[..], &flow.dst, &[0, UDP], &len, l4];
                assert_eq!(sum(all.into_iter().flat_map(words)), 0, "{src} {}", payload.len());
                if version == 4 {
                    assert_eq!(sum(words(&packet[..20])), 0);
                }
            }
        }
    }
}
