//! Packets out of the spool without what they came wrapped in: every one as an Ethernet frame,
//! so that a file has one link type whatever the mirrors were.
//!
//! A packet that stood on no Ethernet of its own gets a header with empty addresses.

use std::io::{self, Write};
use std::path::Path;

use ringtap_capture::Link;
use ringtap_common::peel::Peeled;
use ringtap_common::walk::{ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use ringtap_spool::SpoolError;
use ringtap_spool::read::{Exported, Format, Output, Packet, Wanted, packets};

use crate::plant::SharedPorts;
use crate::worker::decode::Opening;

/// Bytes of the addresses of an Ethernet header.
const ADDRESSES_LEN: usize = 12;

/// Writes all packets that are wanted, in the order of their time stamps.
pub(super) fn export(
    root: &Path,
    wanted: &[Wanted],
    out: &mut dyn Write,
    format: Format,
    opening: &Opening<SharedPorts>,
) -> Result<Exported, SpoolError> {
    let mut output =
        Output::begin(out, format, &[Link::Ethernet.dlt()]).map_err(SpoolError::Output)?;
    let mut bytes = Vec::new();
    let done = packets(root, wanted, &mut |packet: &Packet<'_>| -> io::Result<()> {
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
    let Some((at, ethertype)) = inside(packet, opening) else {
        out.extend_from_slice(packet.bytes);
        return packet.wire_len;
    };
    if let Some(ethertype) = ethertype {
        out.resize(ADDRESSES_LEN, 0);
        out.extend_from_slice(&ethertype.to_be_bytes());
    }
    let header = out.len() as u32;
    out.extend_from_slice(packet.bytes.get(at..).unwrap_or_default());
    packet.wire_len.saturating_sub(at as u32).saturating_add(header)
}

/// Where the frame begins that stays, and the EtherType if it has no Ethernet header.
fn inside(packet: &Packet<'_>, opening: &Opening<SharedPorts>) -> Option<(usize, Option<u16>)> {
    let link = Link::from_dlt(packet.link)?;
    let Peeled { headers, layer, .. } = opening.read(link, packet.bytes).ok()?;
    if layer.ethertype == ETHERTYPE_ETHERNET {
        return Some((layer.at, None));
    }
    let ethertype = if headers.version == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    Some((usize::from(headers.l3), Some(ethertype)))
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
    }
}
