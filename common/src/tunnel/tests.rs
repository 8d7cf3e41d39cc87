//! Headers that are no tunnel's, and the choices that their writers have.

use super::*;
use crate::maps::PortSets;
use crate::walk::walk_ethernet;
use ringtap_testkit::packet::Packet;

fn at_port(dport: u16, payload: &[u8]) -> Option<Inner> {
    let (src, dst) = (([10, 0, 0, 1], 9), ([10, 0, 0, 2], dport));
    let frame = Packet::udp(src.into(), dst.into(), payload).build();
    let headers = walk_ethernet(&frame.as_slice()).unwrap();
    enter(&frame.as_slice(), &headers, &PortSets::default())
}

#[test]
fn kinds_have_numbers_and_names_of_their_own() {
    for (number, kind) in (0..).zip(Kind::ALL) {
        assert_eq!(Kind::from_number(number), Some(kind));
        assert_eq!(Kind::ALL.iter().filter(|other| other.label() == kind.label()).count(), 1);
    }
    assert_eq!(Kind::from_number(200), None);
}

#[test]
fn flags_that_say_no() {
    // VXLAN without a number and without a protocol; a protocol that does not exist.
    assert_eq!(at_port(4789, &[0; 60]), None);
    assert_eq!(at_port(4790, &[0x0c, 0, 0, 9, 0, 0, 1, 0]), None);
    // Geneve of another version, and a control packet.
    assert_eq!(at_port(6081, &[0x40, 0, 0x65, 0x58, 0, 0, 1, 0]), None);
    assert_eq!(at_port(6081, &[0, 0x80, 0x65, 0x58, 0, 0, 1, 0]), None);
    // TZSP of another version, of another link, and a keep-alive.
    for header in [[2, 0, 0, 1, 1], [1, 0, 0, 18, 1], [1, 4, 0, 1, 1]] {
        assert_eq!(at_port(37_008, &header), None);
    }
    // L2TP: a control message, version 1, PPP's own negotiation, session 0 of version 3.
    assert_eq!(at_port(1701, &[0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(at_port(1701, &[0, 1, 0, 1, 0, 1, 0, 0x21]), None);
    assert_eq!(at_port(1701, &[0, 2, 0, 1, 0, 1, 0xc0, 0x21, 1, 1]), None);
    assert_eq!(at_port(1701, &[0, 3, 0, 0, 0, 0, 0, 0, 1, 2]), None);
    // PPPoE that is no data; NSH whose length is shorter than itself.
    let shim_of = |ethertype, bytes: &[u8]| shim(&bytes, Layer { ethertype, at: 0 });
    assert_eq!(shim_of(ETHERTYPE_PPPOE, &[0x11, 9, 0, 1, 0, 2, 0, 0x21]), None);
    assert_eq!(shim_of(ETHERTYPE_NSH, &[0, 1, 1, 1, 0, 0, 0, 0, 0]), None);
    assert_eq!(shim_of(ETHERTYPE_IPV4, &[0x45; 40]), None);
}

#[test]
fn tags_without_an_end_are_left() {
    assert_eq!(at_port(37_008, &[1, 0, 0, 1, 0, 0, 0]), None);
    assert_eq!(at_port(37_008, &[1, 0, 0, 1, 10, 200, 1]), None);
    let mut paddings = [0; 200];
    paddings[..4].copy_from_slice(&[1, 0, 0, 1]);
    assert_eq!(at_port(37_008, &paddings), None);
    // No label says that it is the last.
    let frame = [0_u8; 200];
    assert_eq!(shim(&frame.as_slice(), Layer { ethertype: 0x8847, at: 0 }), None);
}

#[test]
fn ppp_in_every_dress() {
    let read = |bytes: &[u8]| l2tp::ppp(&bytes, 0);
    for (bytes, length) in
        [(&[0xff, 3, 0, 0x21][..], 4), (&[0, 0x21], 2), (&[0x21], 1), (&[0xff, 3, 0x21], 3)]
    {
        assert_eq!(read(bytes), Some((ETHERTYPE_IPV4, length)), "{bytes:?}");
    }
    assert_eq!(read(&[0, 0x57]), Some((ETHERTYPE_IPV6, 2)));
    assert_eq!(read(&[0, 0x31, 0, 1]), Some((ETHERTYPE_ETHERNET, 4)));
    assert_eq!(read(&[0xc0, 0x21]), None);
    assert_eq!(read(&[0xff, 3]), None);
    assert_eq!(read(&[]), None);
}
