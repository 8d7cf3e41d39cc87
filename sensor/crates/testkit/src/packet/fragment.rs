//! One packet as several IP fragments. The transport checksum covers the whole packet, as a
//! real sender's does. It does not overlap, reorder or lose fragments: tests do that.

use super::{Packet, write};

/// Ethernet frames with at most `mtu` bytes of IP each.
pub(super) fn split(packet: &Packet<'_>, mtu: usize) -> Vec<Vec<u8>> {
    let mut body = Vec::new();
    write::transport(packet, &mut body);
    let chain: usize = packet.extensions.iter().map(write::extension_len).sum();
    let head = if packet.src.is_ipv4() { 20 + packet.options.len() } else { 40 + chain };
    if head + body.len() <= mtu {
        return vec![packet.build()];
    }
    let head = if packet.src.is_ipv4() { head } else { head + 8 };
    let piece = (mtu.saturating_sub(head) / 8 * 8).max(8);
    let count = body.len().div_ceil(piece);
    let parts = body.chunks(piece).enumerate();
    parts.map(|(at, part)| one(packet, part, at * piece, at + 1 < count)).collect()
}

fn one(packet: &Packet<'_>, part: &[u8], offset: usize, more: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len() + 128);
    write::link(packet, &mut out);
    if packet.src.is_ipv4() {
        let flags = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        write::ipv4(packet, part.len(), flags, &mut out);
    } else {
        const FRAGMENT: u8 = 44;
        let chain: usize = packet.extensions.iter().map(write::extension_len).sum();
        let next = packet.extensions.first().map_or(FRAGMENT, |(kind, _)| *kind);
        write::ipv6(packet, chain + 8 + part.len(), next, &mut out);
        write::extensions(packet.extensions, FRAGMENT, &mut out);
        out.extend_from_slice(&[packet.proto(), 0]);
        out.extend_from_slice(&(offset as u16 | u16::from(more)).to_be_bytes());
        out.extend_from_slice(&packet.ip_id.to_be_bytes());
    }
    out.extend_from_slice(part);
    out
}
