//! Frames with known offsets, every reason to stop, and any bytes at all.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::sample::{ethernet, extension, fragment, ipv4, ipv6, rtp_frame, tcp, udp, vlan};

fn walk(frame: &[u8]) -> Result<Headers, Stop> {
    walk_ethernet(&frame)
}

#[test]
fn udp_over_ipv4() {
    let h = walk(&rtp_frame(77, 1)).unwrap();
    assert_eq!((h.l3, h.l4, h.payload, h.payload_len), (14, 34, 42, 172));
    assert_eq!((h.sport, h.dport, h.proto, h.version), (20_000, 30_000, 17, 4));
    assert_eq!((h.ip_id, h.ttl, h.tos, h.vlan, h.flags), (77, 64, 0xb8, 0, 0));
    assert_eq!(h.src, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
    assert_eq!(h.dst[12..], [10, 0, 0, 2]);
    assert_eq!((h.fragment, h.fragment_offset), (Fragment::Whole, 0));
}

#[test]
fn the_outermost_vlan_counts() {
    let ip = ipv4(1, 0, 17, &udp(1, 2, b"x"));
    let frame = ethernet(0x88a8, &vlan(7, 0x8100, &vlan(8, 0x9100, &vlan(9, 0x0800, &ip))));
    let h = walk(&frame).unwrap();
    assert_eq!((h.vlan, h.l3, h.payload, h.payload_len), (7, 26, 54, 1));
    let mut deep = vlan(1, 0x0800, &ip);
    for _ in 1..VLAN_DEPTH_MAX {
        deep = vlan(1, 0x8100, &deep);
    }
    assert!(walk(&ethernet(0x8100, &deep)).is_ok());
    assert_eq!(walk(&ethernet(0x8100, &vlan(1, 0x8100, &deep))), Err(Stop::TooDeep));
}

#[test]
fn options_and_padding_are_stepped_over() {
    let mut ip = ipv4(1, 0, 17, &udp(5, 6, b"abc"));
    ip.splice(20..20, [1; 8]);
    ip[0] = 0x47;
    ip[3] += 8;
    let mut frame = ethernet(0x0800, &ip);
    frame.resize(60, 0);
    let h = walk(&frame).unwrap();
    assert_eq!((h.l4, h.payload, h.payload_len), (42, 50, 3));
}

#[test]
fn tcp_with_options() {
    let h = walk(&ethernet(0x0800, &ipv4(1, 0, 6, &tcp(5060, 9, 0x18, 3, b"REGISTER")))).unwrap();
    assert_eq!((h.sport, h.dport, h.proto, h.flags), (5060, 9, 6, 0x18));
    assert_eq!((h.l4, h.payload, h.payload_len), (34, 66, 8));
}

#[test]
fn ipv6_extensions() {
    let plain = walk(&ethernet(0x86dd, &ipv6(17, &udp(1, 2, b"abcd")))).unwrap();
    assert_eq!((plain.l4, plain.payload_len, plain.ip_id, plain.tos), (54, 4, 0, 0xb8));
    assert_eq!(plain.src[15], 1);
    // Hop-by-hop, destination options, authentication (in 4-byte units), UDP.
    let mut auth = Vec::from([17, 4]);
    auth.resize(24, 0);
    auth.extend(udp(1, 2, b"abcd"));
    let frame = ethernet(0x86dd, &ipv6(0, &extension(60, 1, &extension(51, 0, &auth))));
    let h = walk(&frame).unwrap();
    assert_eq!((h.l4, h.proto, h.payload_len), (54 + 16 + 8 + 24, 17, 4));
}

#[test]
fn too_many_extensions() {
    let mut rest = udp(1, 2, b"abcd");
    let mut next = 17;
    for _ in 0..EXTENSIONS_MAX {
        rest = extension(next, 0, &rest);
        next = 60;
    }
    assert!(walk(&ethernet(0x86dd, &ipv6(60, &rest))).is_ok());
    rest = extension(60, 0, &rest);
    assert_eq!(walk(&ethernet(0x86dd, &ipv6(60, &rest))), Err(Stop::TooDeep));
}

#[test]
fn fragments_of_ipv4() {
    let first = walk(&ethernet(0x0800, &ipv4(9, 0x2000, 17, &udp(1, 2, b"abcdefgh")))).unwrap();
    assert_eq!((first.fragment, first.sport, first.ip_id), (Fragment::First, 1, 9));
    let later = walk(&ethernet(0x0800, &ipv4(9, 0x2002, 17, b"abcdefgh"))).unwrap();
    assert_eq!((later.fragment, later.fragment_offset), (Fragment::Later, 16));
    assert_eq!((later.sport, later.payload, later.payload_len), (0, 34, 8));
    let last = walk(&ethernet(0x0800, &ipv4(9, 0x0003, 17, b"x"))).unwrap();
    assert_eq!((last.fragment, last.fragment_offset), (Fragment::Later, 24));
    assert_eq!(walk(&ethernet(0x0800, &ipv4(9, 0x2002, 1, b"icmp"))), Err(Stop::OtherProto));
}

#[test]
fn fragments_of_ipv6() {
    let piece =
        |piece, rest: &[u8]| ethernet(0x86dd, &ipv6(44, &fragment(17, piece, 70_000, rest)));
    let first = walk(&piece(1, &udp(1, 2, b"abcd"))).unwrap();
    assert_eq!((first.fragment, first.ip_id, first.dport), (Fragment::First, 70_000, 2));
    let later = walk(&piece(16 | 1, b"more")).unwrap();
    assert_eq!((later.fragment, later.fragment_offset, later.dport), (Fragment::Later, 16, 0));
    // One that is whole all the same (RFC 6946).
    let whole = walk(&piece(0, &udp(1, 2, b"abcd"))).unwrap();
    assert_eq!((whole.fragment, whole.ip_id), (Fragment::Whole, 70_000));
    let twice = ipv6(44, &fragment(44, 1, 1, &fragment(17, 1, 1, b"12345678")));
    assert_eq!(walk(&ethernet(0x86dd, &twice)), Err(Stop::BadIp));
}

#[test]
fn lengths_that_lie() {
    let set = |at: usize, value: u16| {
        let mut frame = rtp_frame(1, 1);
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
        walk(&frame)
    };
    assert_eq!(set(16, 19), Err(Stop::BadIp));
    assert_eq!(set(16, 24), Err(Stop::BadUdp));
    // A frame that was cut: what is there counts.
    assert_eq!(set(16, 9999).unwrap().payload_len, 172);
    assert_eq!(set(16, 0).unwrap().payload_len, 172);
    assert_eq!(set(16, 20 + 8 + 100).unwrap().payload_len, 100);
    assert_eq!(set(38, 7), Err(Stop::BadUdp));
    assert_eq!(set(38, 8).unwrap().payload_len, 0);
    assert_eq!(set(38, 0).unwrap().payload_len, 172);
    assert_eq!(set(38, 9999).unwrap().payload_len, 172);
    let mut tcp = ethernet(0x0800, &ipv4(1, 0, 6, &tcp(1, 2, 0, 0, b"abcd")));
    tcp[46] = 0x40;
    assert_eq!(walk(&tcp), Err(Stop::BadTcp));
    tcp[46] = 0xf0;
    assert_eq!(walk(&tcp), Err(Stop::BadTcp));
}

#[test]
fn not_for_us() {
    assert_eq!(walk(&ethernet(0x0806, &[0; 46])), Err(Stop::NotIp));
    assert_eq!(walk(&ethernet(0x0800, &ipv6(17, &[0; 20]))), Err(Stop::BadIp));
    assert_eq!(walk(&ethernet(0x86dd, &ipv4(0, 0, 17, &[0; 40]))), Err(Stop::BadIp));
    assert_eq!(walk(&ethernet(0x0800, &ipv4(0, 0, 1, &[0; 40]))), Err(Stop::OtherProto));
    assert_eq!(walk(&ethernet(0x86dd, &ipv6(59, &[]))), Err(Stop::OtherProto));
    assert_eq!(walk_network(&[0u8; 64].as_slice(), 0x0800, 70_000), Err(Stop::TooDeep));
}

#[test]
fn every_cut_is_a_stop_or_a_shorter_payload() {
    let tagged = ethernet(
        0x8100,
        &vlan(3, 0x86dd, &ipv6(0, &extension(6, 1, &tcp(5060, 1, 2, 2, b"hello")))),
    );
    for frame in [rtp_frame(1, 1), tagged] {
        let whole = walk(&frame).unwrap();
        for len in 0..frame.len() {
            match walk(&frame[..len]) {
                Err(stop) => {
                    assert_eq!(stop, Stop::Truncated, "{len}");
                    assert!(len < usize::from(whole.payload));
                }
                Ok(h) => assert_eq!(usize::from(h.payload) + h.payload_len as usize, len),
            }
        }
    }
}

/// What holds for any headers of any frame.
fn assert_sound(h: &Headers, frame: &[u8]) {
    assert!(h.l3 <= h.l4 && h.l4 <= h.payload);
    assert!(usize::from(h.payload) + h.payload_len as usize <= frame.len());
    assert!(h.version == 4 || h.version == 6);
    assert_eq!(h.fragment == Fragment::Later, h.fragment_offset != 0);
    assert!(h.vlan < 4096);
    if h.fragment != Fragment::Later {
        assert!(h.proto == PROTO_UDP || h.proto == PROTO_TCP || is_tunnel(h.proto));
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(h) = walk(&bytes) {
            assert_sound(&h, &bytes);
        }
        for ethertype in [ETHERTYPE_IPV4, ETHERTYPE_IPV6] {
            for at in [0, 1, 16] {
                if let Ok(h) = walk_network(&bytes.as_slice(), ethertype, at) {
                    assert_sound(&h, &bytes);
                }
            }
        }
    }

    #[test]
    fn any_change_of_a_frame(
        kind in 0..4,
        changes in proptest::collection::vec((0..120usize, any::<u8>()), 0..6),
        cut in 0..300usize,
    ) {
        let mut frame = match kind {
            0 => rtp_frame(1, 1),
            1 => ethernet(0x8100, &vlan(1, 0x0800, &ipv4(1, 0, 6, &tcp(1, 2, 3, 4, b"payload")))),
            2 => ethernet(0x86dd, &ipv6(0, &extension(43, 1, &extension(17, 0, &udp(1, 2, b"x"))))),
            _ => {
                let piece = fragment(17, 1, 2, &udp(1, 2, b"y"));
                ethernet(0x86dd, &ipv6(60, &extension(44, 0, &piece)))
            }
        };
        for (at, value) in changes {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(cut);
        if let Ok(h) = walk(&frame) {
            assert_sound(&h, &frame);
        }
    }
}
