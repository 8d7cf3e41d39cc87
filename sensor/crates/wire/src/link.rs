//! From a captured frame's link type to its walked headers.
//!
//! Finds the network layer behind each link header; the walk from there on, through tunnels too,
//! is the shared one.

use ringtap_common::classify::Ports;
use ringtap_common::peel::{Peeled, peel};
use ringtap_common::walk::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Headers, Layer, Stop};

use crate::read;

/// How the first bytes of a frame are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Ethernet II.
    Ethernet,
    /// IPv4 or IPv6 without a link header.
    RawIp,
    /// Linux cooked capture v1: 16 bytes, the EtherType is the last field.
    Sll,
    /// Linux cooked capture v2: 20 bytes, the EtherType is the first field.
    Sll2,
    /// BSD loopback: the address family in four bytes of either byte order.
    Null,
}

const SLL_PROTOCOL: usize = 14;
const SLL_LEN: usize = 16;
const SLL2_PROTOCOL: usize = 0;
const SLL2_LEN: usize = 20;
const NULL_LEN: usize = 4;

/// Walks a frame to its UDP or TCP payload, tunnels unopened. Offsets count from the start of the
/// frame.
///
/// # Errors
/// The reason why the walk ended before.
pub fn headers(kind: LinkKind, frame: &[u8]) -> Result<Headers, Stop> {
    walk::walk_layer(&frame, layer(kind, frame)?)
}

/// Walks a frame to the UDP or TCP payload inside of all its tunnels, `depth_max` at most.
///
/// # Errors
/// The reason why the walk ended before.
#[inline(always)]
pub fn innermost<P: Ports>(
    kind: LinkKind,
    frame: &[u8],
    ports: &P,
    depth_max: u8,
) -> Result<Peeled, Stop> {
    peel(&frame, layer(kind, frame)?, ports, depth_max)
}

/// The header to walk from.
#[inline(always)]
fn layer(kind: LinkKind, frame: &[u8]) -> Result<Layer, Stop> {
    if kind == LinkKind::Ethernet {
        return Ok(Layer::ethernet(0));
    }
    network(kind, frame).map(|(ethertype, at)| Layer { ethertype, at })
}

/// The EtherType of the network layer and where it begins.
///
/// # Errors
/// `Truncated` when the link header is not whole, `NotIp` for another family. An Ethernet frame
/// answers with its outermost EtherType, which may be that of a VLAN tag.
pub fn network(kind: LinkKind, frame: &[u8]) -> Result<(u16, usize), Stop> {
    let (ethertype, at) = match kind {
        LinkKind::Ethernet => (read::u16(frame, 12), 14),
        LinkKind::RawIp => (Some(by_version(frame)?), 0),
        LinkKind::Sll => (read::u16(frame, SLL_PROTOCOL), SLL_LEN),
        LinkKind::Sll2 => (read::u16(frame, SLL2_PROTOCOL), SLL2_LEN),
        LinkKind::Null => (Some(by_family(frame)?), NULL_LEN),
    };
    match ethertype {
        Some(ethertype) if frame.len() >= at => Ok((ethertype, at)),
        _ => Err(Stop::Truncated),
    }
}

fn by_version(frame: &[u8]) -> Result<u16, Stop> {
    match read::u8(frame, 0).ok_or(Stop::Truncated)? >> 4 {
        4 => Ok(ETHERTYPE_IPV4),
        6 => Ok(ETHERTYPE_IPV6),
        _ => Err(Stop::NotIp),
    }
}

fn by_family(frame: &[u8]) -> Result<u16, Stop> {
    let family: [u8; 4] = read::bytes(frame, 0).ok_or(Stop::Truncated)?;
    // The capturing host wrote it in its own byte order; a family is below 256 in either.
    let ([0, 0, 0, low] | [low, 0, 0, 0]) = family else {
        return Err(Stop::NotIp);
    };
    match low {
        2 => Ok(ETHERTYPE_IPV4),
        // IPv6 has a number of its own on Linux, NetBSD, FreeBSD and Darwin.
        10 | 24 | 28 | 30 => Ok(ETHERTYPE_IPV6),
        _ => Err(Stop::NotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [LinkKind; 5] =
        [LinkKind::Ethernet, LinkKind::RawIp, LinkKind::Sll, LinkKind::Sll2, LinkKind::Null];

    fn ip_udp() -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip.extend([0x13, 0xc4, 0x13, 0xc5, 0, 12, 0, 0, 1, 2, 3, 4]);
        ip
    }

    fn behind(header: &[u8]) -> Vec<u8> {
        [header, &ip_udp()].concat()
    }

    #[test]
    fn every_link_leads_to_the_same_datagram() {
        let mut sll = [0u8; 16];
        sll[14] = 8;
        let mut sll2 = [0u8; 20];
        sll2[0] = 8;
        let mut ethernet = [0u8; 14];
        ethernet[12] = 8;
        let cases: [(LinkKind, Vec<u8>, u16); 6] = [
            (LinkKind::Ethernet, behind(&ethernet), 14),
            (LinkKind::RawIp, behind(&[]), 0),
            (LinkKind::Sll, behind(&sll), 16),
            (LinkKind::Sll2, behind(&sll2), 20),
            (LinkKind::Null, behind(&[2, 0, 0, 0]), 4),
            (LinkKind::Null, behind(&[0, 0, 0, 2]), 4),
        ];
        for (kind, frame, l3) in cases {
            let headers = headers(kind, &frame).unwrap();
            assert_eq!((headers.sport, headers.dport), (5060, 5061), "{kind:?}");
            assert_eq!((headers.l3, headers.payload), (l3, l3 + 28), "{kind:?}");
            assert_eq!(headers.payload_len, 4, "{kind:?}");
        }
    }

    #[test]
    fn short_and_foreign_frames_have_reasons() {
        assert_eq!(network(LinkKind::Null, &[2, 0, 0]), Err(Stop::Truncated));
        assert_eq!(network(LinkKind::Null, &[7, 0, 0, 0]), Err(Stop::NotIp));
        assert_eq!(network(LinkKind::Null, &[2, 0, 1, 0]), Err(Stop::NotIp));
        assert_eq!(network(LinkKind::Sll, &[0; 15]), Err(Stop::Truncated));
        assert_eq!(network(LinkKind::RawIp, &[0x50]), Err(Stop::NotIp));
        assert_eq!(network(LinkKind::RawIp, &[]), Err(Stop::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_give_headers_inside_the_frame(kind in 0usize..5, frame: Vec<u8>) {
            if let Ok(headers) = headers(KINDS[kind], &frame) {
                let end = usize::from(headers.payload) + headers.payload_len as usize;
                prop_assert!(end <= frame.len());
            }
        }
    }
}
