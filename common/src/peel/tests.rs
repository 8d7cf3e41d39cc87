//! Every encapsulation by itself and in every other, cut, damaged, and what only looks like one.

use std::vec::Vec;
use std::{println, vec};

use proptest::prelude::*;
use ringtap_testkit::packet::tunnel::{AUDIOCODES_PORT, VXLAN_OTHER_PORT, Wrap};
use ringtap_testkit::packet::{Packet, TCP_ACK};

use super::*;
use crate::classify::{Class, classify};
use crate::maps::PortSets;
use crate::walk::{Fragment, walk_ethernet};

fn ports() -> PortSets {
    let mut ports = PortSets::default();
    ports.insert_tunnel(VXLAN_OTHER_PORT, Kind::Vxlan);
    ports.insert_tunnel(AUDIOCODES_PORT, Kind::AudioCodes);
    ports
}

fn peeled(frame: &[u8]) -> Result<Peeled, Stop> {
    peel(&frame, Layer::ethernet(0), &ports(), DEPTH)
}

fn inner_frames() -> Vec<Vec<u8>> {
    let rtp = [&[0x80, 0, 0, 1][..], &[7; 168]].concat();
    let [a, b] = ["10.0.0.1:20000", "10.0.0.2:5060"].map(|text| text.parse().unwrap());
    let [a6, b6] = ["[fd00::1]:20000", "[fd00::2]:30000"].map(|text| text.parse().unwrap());
    let later = Packet::udp(a, b, &[9; 3000]).ip_id(5).fragments(1500).remove(1);
    vec![
        Packet::udp(a, b, b"OPTIONS sip:b SIP/2.0\r\n\r\n").ip_id(9).build(),
        Packet::udp(a6, b6, &rtp).vlan(77).build(),
        Packet::tcp(a, b, 1, 2, TCP_ACK, b"BYE").build(),
        later,
    ]
}

/// The headers must be the plain frame's, further in.
#[track_caller]
fn same(plain: &[u8], wrapped: &[u8], what: &str) -> Peeled {
    let wanted = walk_ethernet(&plain).unwrap();
    let found = peeled(wrapped).unwrap_or_else(|stop| panic!("{what}: {stop:?}"));
    let offset = (wrapped.len() - plain.len()) as i32;
    let further = |at: u16| (i32::from(at) + offset) as u16;
    let vlan = found.headers.vlan;
    let expected = Headers {
        l3: further(wanted.l3),
        l4: further(wanted.l4),
        payload: further(wanted.payload),
        vlan,
        ..wanted
    };
    assert_eq!(found.headers, expected, "{what}");
    found
}

#[test]
fn every_tunnel_leads_to_the_packet_in_it() {
    for wrap in Wrap::ALL {
        for plain in inner_frames() {
            let found = same(&plain, &wrap.wrap(&plain), wrap.label());
            let tunnel = found.tunnel.unwrap();
            assert_eq!(tunnel.id, wrap.id(), "{}", wrap.label());
            let outer = [tunnel.src, tunnel.dst].map(|ip| ip[12..].to_vec());
            match wrap {
                _ if wrap.is_on_ethernet() => assert_eq!(outer, [[0; 4], [0; 4]]),
                Wrap::InIpv6 | Wrap::GreIpv6 => assert_eq!(outer, [[0, 0, 0, 1], [0, 0, 0, 2]]),
                _ => assert_eq!(outer, [[192, 0, 2, 1], [192, 0, 2, 2]], "{}", wrap.label()),
            }
        }
    }
}

#[test]
fn tunnels_in_tunnels_down_to_the_depth_that_is_allowed() {
    let plain = &inner_frames()[0];
    let mut pairs = 0;
    for outer in Wrap::ALL {
        for inner in Wrap::ALL {
            if outer.carries_only_ip() && inner.is_on_ethernet() {
                continue;
            }
            let wrapped = outer.wrap(&inner.wrap(plain));
            same(plain, &wrapped, &std::format!("{} in {}", inner.label(), outer.label()));
            pairs += 1;
        }
    }
    println!("{pairs} pairs");
    let mut frame = plain.clone();
    for depth in 1..=DEPTH + 1 {
        frame = Wrap::GreEthernet.wrap(&frame);
        let found = peel(&frame.as_slice(), Layer::ethernet(0), &ports(), DEPTH);
        assert_eq!(found.map(|_| ()), if depth <= DEPTH { Ok(()) } else { Err(Stop::TooDeep) });
    }
}

#[test]
fn a_vlan_outside_holds_for_a_packet_without_one() {
    let frames = inner_frames();
    let outer = Wrap::PppoeVlan.wrap(&frames[0]);
    assert_eq!(peeled(&outer).unwrap().headers.vlan, 3);
    let own = Wrap::Vxlan.wrap(&frames[1]);
    assert_eq!(peeled(&own).unwrap().headers.vlan, 77);
}

#[test]
fn a_frame_cut_anywhere_is_a_stop_or_a_shorter_packet() {
    for wrap in Wrap::ALL {
        let whole = wrap.wrap(&inner_frames()[0]);
        let payload = usize::from(peeled(&whole).unwrap().headers.payload);
        for length in 0..whole.len() {
            let Ok(found) = peeled(&whole[..length]) else { continue };
            let h = found.headers;
            let end = usize::from(h.payload) + h.payload_len as usize;
            assert!(end <= length, "{}: {length}", wrap.label());
            // What is cut inside of the tunnel is the outer datagram, and no inner one.
            assert!(length >= payload || h.dport != 5060, "{}: {length}", wrap.label());
        }
    }
}

#[test]
fn what_only_has_the_port_is_what_it_is() {
    let rtp = [&[0x80, 0, 0, 1][..], &[7; 168]].concat();
    for port in [1701, 4754, 4789, 4790, 6081, 6635, 7932, 37_008] {
        let (from, to) = (([10, 0, 0, 1], 20_000), ([10, 0, 0, 2], port));
        let frame = Packet::udp(from.into(), to.into(), &rtp).build();
        let found = peeled(&frame).unwrap();
        assert_eq!((found.tunnel, found.headers.dport), (None, port), "{port}");
        let class = classify(&frame.as_slice(), &found.headers, &ports());
        assert_eq!(class, Class::Rtp, "{port}");
    }
    let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let gre = Packet::ip(a, b, 47, &[0, 0, 0x12, 0x34, 1, 2, 3, 4]).build();
    assert_eq!(peeled(&gre), Err(Stop::NotIp));
    let routed = Packet::ip(a, b, 47, &[0x40, 0, 8, 0, 1, 2, 3, 4]).build();
    assert_eq!(peeled(&routed), Err(Stop::OtherProto));
}

#[test]
fn pieces_of_a_tunnels_packet_wait_for_their_whole() {
    let big = Wrap::Vxlan.wrap(
        &Packet::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 5060).into(), &[b'x'; 1450])
            .build(),
    );
    let (src, dst) = (([192, 0, 2, 1], 40_001).into(), ([192, 0, 2, 2], 4789).into());
    for piece in Packet::udp(src, dst, &big[42..]).ip_id(7).fragments(1500) {
        let found = peeled(&piece).unwrap();
        assert_eq!(found.tunnel, None);
        assert_ne!(found.headers.fragment, Fragment::Whole);
    }
    let gre = Packet::ip(src.ip(), dst.ip(), 47, &[0; 3000]).ip_id(8).fragments(1500);
    assert!(gre.iter().all(|piece| peeled(piece).is_ok()));
}

proptest! {
    #[test]
    fn damage_is_borne(number in 0..Wrap::ALL.len(), which in 0..4_usize,
                       damage in prop::collection::vec((0..120_usize, any::<u8>()), 0..6)) {
        let mut frame = Wrap::ALL[number].wrap(&inner_frames()[which]);
        for (at, byte) in damage {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(found) = peeled(&frame) {
            let end = usize::from(found.headers.payload) + found.headers.payload_len as usize;
            prop_assert!(end <= frame.len());
        }
    }
}
