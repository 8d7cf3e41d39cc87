//! The bytes of a [`Packet`], layer by layer. It does not fragment.

use super::checksum::{self, v6};
use super::{Extension, Packet, Transport};
use std::net::IpAddr;

/// Ethernet header and VLAN tags.
pub(super) fn link(packet: &Packet<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&packet.dst_mac);
    out.extend_from_slice(&packet.src_mac);
    for tag in packet.tags.iter().filter(|t| t.tpid != 0) {
        out.extend_from_slice(&tag.tpid.to_be_bytes());
        out.extend_from_slice(&tag.tci.to_be_bytes());
    }
    out.extend_from_slice(&packet.ethertype().to_be_bytes());
}

/// IP header and all that follows.
pub(super) fn network(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let length = transport_len(packet);
    match (packet.src.ip(), packet.dst.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => {
            let flags = if packet.dont_fragment { 0x4000 } else { 0 };
            ipv4(packet, length, flags, out);
        }
        _ => {
            let chain: usize = packet.extensions.iter().map(extension_len).sum();
            ipv6(packet, length + chain, first_header(packet), out);
            extensions(packet.extensions, packet.proto(), out);
        }
    }
    transport(packet, out);
}

/// Bytes of transport header and payload.
pub(super) fn transport_len(packet: &Packet<'_>) -> usize {
    packet.payload.len()
        + match packet.transport {
            Transport::Udp => 8,
            Transport::Tcp { options, .. } => 20 + options.len(),
            Transport::Other(_) => 0,
        }
}

/// The protocol number in the IPv6 header itself.
pub(super) fn first_header(packet: &Packet<'_>) -> u8 {
    packet.extensions.first().map_or_else(|| packet.proto(), |(kind, _)| *kind)
}

/// An IPv4 header with `flags` as its flags and fragment offset.
pub(super) fn ipv4(packet: &Packet<'_>, payload: usize, flags: u16, out: &mut Vec<u8>) {
    let start = out.len();
    let words = 5 + packet.options.len() / 4;
    let total = (words * 4 + payload) as u16;
    out.extend_from_slice(&[0x40 | words as u8, packet.tos]);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&(packet.ip_id as u16).to_be_bytes());
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(&[packet.ttl, packet.proto(), 0, 0]);
    for ip in [packet.src.ip(), packet.dst.ip()] {
        if let IpAddr::V4(ip) = ip {
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(packet.options);
    let sum = checksum::finish(checksum::add(0, &out[start..]));
    out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
}

/// The fixed IPv6 header.
pub(super) fn ipv6(packet: &Packet<'_>, payload: usize, next: u8, out: &mut Vec<u8>) {
    let first = 0x6000_0000 | (u32::from(packet.tos) << 20);
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&(payload as u16).to_be_bytes());
    out.extend_from_slice(&[next, packet.ttl]);
    out.extend_from_slice(&v6(packet.src.ip()));
    out.extend_from_slice(&v6(packet.dst.ip()));
}

/// A chain of extension headers that ends in `proto`.
pub(super) fn extensions(chain: &[Extension<'_>], proto: u8, out: &mut Vec<u8>) {
    for (at, extension) in chain.iter().enumerate() {
        let next = chain.get(at + 1).map_or(proto, |(kind, _)| *kind);
        let length = extension_len(extension);
        let end = out.len() + length;
        // The authentication header counts in words of four bytes, less two (RFC 4302).
        let units = if extension.0 == 51 { length / 4 - 2 } else { length / 8 - 1 };
        out.extend_from_slice(&[next, units as u8]);
        out.extend_from_slice(extension.1);
        out.resize(end, 0);
    }
}

/// Bytes of one extension header, padding included.
pub(super) fn extension_len(extension: &Extension<'_>) -> usize {
    (2 + extension.1.len()).next_multiple_of(8)
}

/// Transport header and payload.
pub(super) fn transport(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let sum_at = match packet.transport {
        Transport::Udp => {
            ports(packet, out);
            out.extend_from_slice(&((8 + packet.payload.len()) as u16).to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            6
        }
        Transport::Tcp { seq, ack, flags, options } => {
            ports(packet, out);
            out.extend_from_slice(&seq.to_be_bytes());
            out.extend_from_slice(&ack.to_be_bytes());
            let words = (5 + options.len() / 4) as u8;
            out.extend_from_slice(&[words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
            out.extend_from_slice(options);
            16
        }
        Transport::Other(_) => {
            out.extend_from_slice(packet.payload);
            return;
        }
    };
    out.extend_from_slice(packet.payload);
    if packet.zero_checksum {
        return;
    }
    let (src, dst) = (packet.src.ip(), packet.dst.ip());
    let pseudo = checksum::pseudo(src, dst, packet.proto(), out.len() - start);
    let mut sum = checksum::finish(checksum::add(pseudo, &out[start..]));
    if sum == 0 && packet.transport == Transport::Udp {
        sum = 0xffff; // 0 means "no checksum" (RFC 768)
    }
    out[start + sum_at..start + sum_at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn ports(packet: &Packet<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&packet.src.port().to_be_bytes());
    out.extend_from_slice(&packet.dst.port().to_be_bytes());
}
