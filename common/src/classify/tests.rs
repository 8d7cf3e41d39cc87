//! Each class by a real first line or header, near misses, and any bytes at all.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::maps::PortSets;
use crate::sample::{ethernet, ipv4, rtp, tcp, udp};
use crate::walk::walk_ethernet;

fn class_of<P: Ports>(sport: u16, dport: u16, payload: &[u8], ports: &P) -> Class {
    let frame = ethernet(0x0800, &ipv4(1, 0, 17, &udp(sport, dport, payload)));
    let c = frame.as_slice();
    classify(&c, &walk_ethernet(&c).unwrap(), ports)
}

fn media(payload: &[u8]) -> Class {
    class_of(20_000, 30_000, payload, &PortSets::default())
}

fn stun(len: u16, body: usize) -> Vec<u8> {
    let mut message = Vec::from([0, 1]);
    message.extend(len.to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.resize(20 + body, 7);
    message
}

fn rtcp(packet_type: u8, words: u16, len: usize) -> Vec<u8> {
    let mut packet = Vec::from([0x81, packet_type]);
    packet.extend(words.to_be_bytes());
    packet.resize(len, 9);
    packet
}

#[test]
fn sip_is_known_by_either_port() {
    let ports = PortSets::default();
    assert_eq!(class_of(5060, 9, b"anything", &ports), Class::Sip);
    assert_eq!(class_of(9, 5060, b"", &ports), Class::Sip);
    assert_eq!(class_of(5061, 5062, b"INVITE sip:a SIP/2.0", &ports), Class::Other);
}

#[test]
fn udp_and_tcp_have_ports_of_their_own() {
    let mut ports = PortSets::EMPTY;
    ports.sip_tcp.insert(5080);
    let frame = ethernet(0x0800, &ipv4(1, 0, 6, &tcp(5080, 1024, 2, 0, b"")));
    let c = frame.as_slice();
    let h = walk_ethernet(&c).unwrap();
    assert_eq!(classify(&c, &h, &ports), Class::Sip);
    assert_eq!(classify(&c, &h, &DefaultPorts), Class::Other);
    assert_eq!(class_of(5080, 1024, b"x", &ports), Class::Other);
}

#[test]
fn media_by_first_bytes() {
    assert_eq!(media(&rtp(1)), Class::Rtp);
    assert_eq!(media(&rtcp(200, 6, 28)), Class::Rtcp);
    assert_eq!(media(&rtcp(192, 1, 8)), Class::Rtcp);
    assert_eq!(media(&rtcp(223, 1, 8)), Class::Rtcp);
    assert_eq!(media(&stun(0, 0)), Class::Stun);
    assert_eq!(media(&stun(8, 8)), Class::Stun);
    assert_eq!(media(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), Class::Dtls);
}

#[test]
fn near_misses() {
    assert_eq!(media(&rtp(1)[..11]), Class::Other);
    assert_eq!(media(&rtp(1)[..12]), Class::Rtp);
    // Version 1; RTCP longer than the datagram; STUN without cookie, or odd, or cut; not DTLS.
    assert_eq!(media(&[0x40; 40]), Class::Other);
    assert_eq!(media(&rtcp(200, 7, 28)), Class::Other);
    assert_eq!(media(&[0; 20]), Class::Other);
    assert_eq!(media(&stun(2, 2)), Class::Other);
    assert_eq!(media(&stun(8, 4)), Class::Other);
    assert_eq!(media(&[22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), Class::Other);
    assert_eq!(media(b""), Class::Other);
}

#[test]
fn rtp_lists_must_fit() {
    let mut packet = rtp(1);
    packet.truncate(20);
    packet[0] = 0x82;
    assert_eq!(media(&packet), Class::Rtp);
    packet[0] = 0x83;
    assert_eq!(media(&packet), Class::Other);
    // A header extension of one word behind the fixed header.
    packet[0] = 0x90;
    packet[12..16].copy_from_slice(&[0xbe, 0xde, 0, 1]);
    assert_eq!(media(&packet), Class::Rtp);
    packet[15] = 2;
    assert_eq!(media(&packet), Class::Other);
    packet.truncate(14);
    assert_eq!(media(&packet), Class::Other);
}

#[test]
fn media_ports() {
    let ports = PortSets::default();
    assert_eq!(class_of(53, 30_000, &rtp(1), &ports), Class::Other);
    assert_eq!(class_of(1024, 1024, &rtp(1), &ports), Class::Rtp);
    let mut narrow = PortSets::EMPTY;
    narrow.media.insert_range(10_000, 19_999);
    narrow.media.insert(500);
    assert_eq!(class_of(10_000, 40_000, &rtp(1), &narrow), Class::Rtp);
    assert_eq!(class_of(40_000, 19_999, &rtp(1), &narrow), Class::Rtp);
    assert_eq!(class_of(40_000, 20_000, &rtp(1), &narrow), Class::Other);
    assert_eq!(class_of(10_000, 53, &rtp(1), &narrow), Class::Other);
    assert_eq!(class_of(10_000, 500, &rtp(1), &narrow), Class::Rtp);
}

#[test]
fn later_fragments_are_not_looked_into() {
    let frame = ethernet(0x0800, &ipv4(1, 5, 17, &rtp(1)));
    let c = frame.as_slice();
    assert_eq!(classify(&c, &walk_ethernet(&c).unwrap(), &DefaultPorts), Class::Other);
}

proptest! {
    #[test]
    fn any_payload(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
        let class = media(&payload);
        match payload.first() {
            Some(128..=191) => assert!(matches!(class, Class::Rtp | Class::Rtcp | Class::Other)),
            Some(0..=3) => assert!(matches!(class, Class::Stun | Class::Other)),
            Some(20..=63) => assert!(matches!(class, Class::Dtls | Class::Other)),
            _ => assert_eq!(class, Class::Other),
        }
    }
}
