//! Packets out of the spool without what they came wrapped in: every one as an Ethernet frame,
//! so that a file has one link type whatever the mirrors were.
//!
//! A packet that stood on no Ethernet of its own gets a header with empty addresses.

use std::io::{self, Write};
use std::path::PathBuf;

use ringtap_capture::Link;
use ringtap_common::peel::{Peeled, TOLD};
use ringtap_common::walk::{
    ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, PROTO_UDP,
};
use ringtap_spool::SpoolError;
use ringtap_spool::read::{Asked, Exported, Format, Output, Packet, packets_in_slices};

use crate::plant::SharedPorts;
use crate::worker::decode::Opening;

/// Bytes of the addresses of an Ethernet header.
const ADDRESSES_LEN: usize = 12;

/// Writes all packets that are asked for, in the order of their time stamps.
pub(super) fn export(
    roots: &[PathBuf],
    asked: Asked<'_>,
    out: &mut dyn Write,
    format: Format,
    opening: &Opening<SharedPorts>,
) -> Result<Exported, SpoolError> {
    let mut output =
        Output::begin(out, format, &[Link::Ethernet.dlt()]).map_err(SpoolError::Output)?;
    let mut bytes = Vec::new();
    let done = packets_in_slices(roots, asked, &mut |packet: &Packet<'_>| -> io::Result<()> {
        let wire_len = unwrap(packet, opening, &mut bytes);
        let link = Link::Ethernet.dlt();
        output.packet(0, &Packet { link, wire_len, bytes: &bytes, ..*packet })
    })?;
    output.finish().map_err(SpoolError::Output)?;
    Ok(done)
}

/// Writes the innermost packet over what `out` held, as an Ethernet frame. Gives its length on the
/// wire. What cannot be read stays as it is.
fn unwrap(packet: &Packet<'_>, opening: &Opening<SharedPorts>, out: &mut Vec<u8>) -> u32 {
    out.clear();
    let Some((at, front)) = inside(packet, opening) else {
        out.extend_from_slice(packet.bytes);
        return packet.wire_len;
    };
    front.write(out);
    let header = out.len() as u32;
    out.extend_from_slice(packet.bytes.get(at..).unwrap_or_default());
    packet.wire_len.saturating_sub(at as u32).saturating_add(header)
}

/// What is missing in front of what stays.
enum Front {
    /// Nothing.
    Whole,
    /// An Ethernet header for IP of that version.
    Ethernet(u8),
    /// All headers: those that a recording has told.
    All(Headers),
}

impl Front {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Whole => {}
            Self::Ethernet(version) => {
                out.resize(ADDRESSES_LEN, 0);
                let ethertype = if *version == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
                out.extend_from_slice(&ethertype.to_be_bytes());
            }
            Self::All(headers) => {
                Self::Ethernet(headers.version).write(out);
                write_datagram(headers, out);
            }
        }
    }
}

/// IP and UDP headers, the checksum of UDP left out.
fn write_datagram(h: &Headers, out: &mut Vec<u8>) {
    const UDP_LEN: u16 = 8;
    const IPV4_LEN: u16 = 20;
    let udp_len = UDP_LEN.saturating_add(u16::try_from(h.payload_len).unwrap_or(u16::MAX));
    if h.version == 4 {
        let start = out.len();
        out.extend_from_slice(&[0x45, h.tos]);
        out.extend_from_slice(&udp_len.saturating_add(IPV4_LEN).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, 64, PROTO_UDP, 0, 0]);
        for ip in [h.src, h.dst] {
            out.extend_from_slice(&ip[12..]);
        }
        let words = out.get(start..).unwrap_or_default().chunks(2);
        let sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let sum = !((folded & 0xffff) + (folded >> 16)) as u16;
        if let Some(place) = out.get_mut(start + 10..start + 12) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    } else {
        out.extend_from_slice(&[0x60 | h.tos >> 4, h.tos << 4, 0, 0]);
        out.extend_from_slice(&udp_len.to_be_bytes());
        out.extend_from_slice(&[PROTO_UDP, 64]);
        out.extend_from_slice(&h.src);
        out.extend_from_slice(&h.dst);
    }
    for number in [h.sport, h.dport, udp_len, 0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Where that begins which stays, and what is missing in front of it.
fn inside(packet: &Packet<'_>, opening: &Opening<SharedPorts>) -> Option<(usize, Front)> {
    let link = Link::from_dlt(packet.link)?;
    let Peeled { headers, layer, .. } = opening.read(link, packet.bytes).ok()?;
    Some(match layer.ethertype {
        ETHERTYPE_ETHERNET => (layer.at, Front::Whole),
        TOLD => (layer.at, Front::All(headers)),
        _ => (usize::from(headers.l3), Front::Ethernet(headers.version)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::plant::opening;
    use ringtap_testkit::packet::Packet as Datagram;
    use ringtap_testkit::packet::tunnel::Wrap;

    #[test]
    fn every_tunnel_is_taken_away_and_nothing_else() {
        let mut config = Config::default();
        config.set("udp_port_vxlan", "4789,4790,8472", "-O").unwrap();
        config.set("audiocodes", "yes", "-O").unwrap();
        let opening = opening(&config);
        let (a, b) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
        let plain = Datagram::udp(a, b, b"BYE").macs([0; 6], [0; 6]).build();
        let mut out = Vec::new();
        let mut unwrapped = |link: Link, bytes: &[u8], cut: u32| {
            let wire_len = bytes.len() as u32 + cut;
            let packet = Packet { ts_ns: 1, link: link.dlt(), wire_len, bytes };
            let wire_len = unwrap(&packet, &opening, &mut out);
            assert_eq!(wire_len as usize, out.len() + cut as usize);
            out.clone()
        };
        for wrap in Wrap::ALL {
            assert_eq!(unwrapped(Link::Ethernet, &wrap.wrap(&plain), 0), plain, "{}", wrap.label());
        }
        let tagged = Datagram::udp(a, b, b"BYE").vlan(7).build();
        assert_eq!(unwrapped(Link::Ethernet, &tagged, 5), tagged);
        assert_eq!(unwrapped(Link::Ethernet, &Wrap::Vxlan.wrap(&tagged), 0), tagged);
        assert_eq!(unwrapped(Link::RawIp, &plain[14..], 0), plain);
        let cooked = [&[0; 14], &[8, 0][..], &Wrap::Geneve.wrap(&plain)[14..]].concat();
        assert_eq!(unwrapped(Link::Sll, &cooked, 0), plain);
        assert_eq!(unwrapped(Link::Ethernet, &plain[..30], 0), plain[..30]);
        // Of a recording's payload all headers are made: media from 192.0.2.5 to the device.
        let mut recording = vec![0; 28];
        (recording[0], recording[18]) = (9, 9);
        recording[17] = 1;
        recording.extend([192, 0, 2, 5, 0x4e, 0x20, 0x75, 0x30, 0xb8]);
        recording.extend(b"payload");
        let (device, recorder) = (([10, 0, 0, 7], 50_925).into(), ([10, 0, 0, 2], 925).into());
        let frame = Datagram::udp(device, recorder, &recording).build();
        let ends = (([192, 0, 2, 5], 20_000).into(), ([10, 0, 0, 7], 30_000).into());
        let mut wanted = Datagram::udp(ends.0, ends.1, b"payload").macs([0; 6], [0; 6]).tos(0xb8);
        (wanted.dont_fragment, wanted.zero_checksum) = (true, true);
        assert_eq!(unwrapped(Link::Ethernet, &frame, 0), wanted.build());
    }
}
