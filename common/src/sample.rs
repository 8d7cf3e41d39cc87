//! Frames for this crate's tests, written byte by byte so that no encoder shares our mistakes.

use std::vec::Vec;

/// Destination MAC, source MAC, and EtherType.
pub(crate) fn ethernet(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(rest);
    frame
}

/// The inside of a VLAN tag: the tag's control field, the next EtherType, the rest.
pub(crate) fn vlan(id: u16, ethertype: u16, rest: &[u8]) -> Vec<u8> {
    let mut tag = Vec::from((0x6000 | id).to_be_bytes());
    tag.extend(ethertype.to_be_bytes());
    tag.extend(rest);
    tag
}

/// 10.0.0.1 to 10.0.0.2, TTL 64, ToS 0xb8, no options; `piece` is the fragment field.
pub(crate) fn ipv4(id: u16, piece: u16, proto: u8, rest: &[u8]) -> Vec<u8> {
    let mut ip = Vec::from([0x45, 0xb8]);
    ip.extend((20 + rest.len() as u16).to_be_bytes());
    ip.extend(id.to_be_bytes());
    ip.extend(piece.to_be_bytes());
    ip.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    ip.extend(rest);
    ip
}

/// fd00::1 to fd00::2, hop limit 64.
pub(crate) fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut ip = Vec::from([0x6b, 0x80, 0, 0]);
    ip.extend((rest.len() as u16).to_be_bytes());
    ip.extend([next, 64]);
    for last in [1, 2] {
        ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    ip.extend(rest);
    ip
}

/// An IPv6 extension header of `units` × 8 + 8 bytes.
pub(crate) fn extension(next: u8, units: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = Vec::from([next, units]);
    header.resize(8 + usize::from(units) * 8, 0);
    header.extend(rest);
    header
}

/// An IPv6 fragment header.
pub(crate) fn fragment(next: u8, piece: u16, id: u32, rest: &[u8]) -> Vec<u8> {
    let mut header = Vec::from([next, 0]);
    header.extend(piece.to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(rest);
    header
}

/// A UDP datagram.
pub(crate) fn udp(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut udp = Vec::from(sport.to_be_bytes());
    udp.extend(dport.to_be_bytes());
    udp.extend((8 + payload.len() as u16).to_be_bytes());
    udp.extend([0xab, 0xcd]);
    udp.extend(payload);
    udp
}

/// A TCP segment with `options` × 4 bytes of options.
pub(crate) fn tcp(sport: u16, dport: u16, flags: u8, options: u8, payload: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::from(sport.to_be_bytes());
    tcp.extend(dport.to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 2, (5 + options) << 4, flags, 1, 0, 0xab, 0xcd, 0, 0]);
    tcp.resize(20 + usize::from(options) * 4, 1);
    tcp.extend(payload);
    tcp
}

/// An RTP packet of PCMU with 160 bytes of audio.
pub(crate) fn rtp(sequence: u16) -> Vec<u8> {
    let mut rtp = Vec::from([0x80, 0]);
    rtp.extend(sequence.to_be_bytes());
    rtp.extend([0, 0, 1, 0, 0xca, 0xfe, 0xba, 0xbe]);
    rtp.extend((0..160u8).map(|i| i ^ sequence as u8));
    rtp
}

/// The whole frame of an RTP packet.
pub(crate) fn rtp_frame(ip_id: u16, sequence: u16) -> Vec<u8> {
    ethernet(0x0800, &ipv4(ip_id, 0x4000, 17, &udp(20_000, 30_000, &rtp(sequence))))
}
