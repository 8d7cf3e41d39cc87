//! What the bytes look like, and that a receiver's sums come out.

use super::checksum::{add, finish, pseudo};
use super::{Packet, TCP_ACK, TPID_SERVICE};
use std::net::SocketAddr;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn ipv4_udp_has_the_offsets_and_sums_of_its_rfcs() {
    let frame = Packet::udp(addr("10.0.0.1:5060"), addr("10.0.0.2:5062"), b"hello")
        .ip_id(0x1234)
        .tos(0xb8)
        .ttl(9)
        .build();
    assert_eq!(frame.len(), 14 + 20 + 8 + 5);
    assert_eq!(frame[12..14], [8, 0]);
    assert_eq!(frame[14..24], [0x45, 0xb8, 0, 33, 0x12, 0x34, 0, 0, 9, 17]);
    assert_eq!(finish(add(0, &frame[14..34])), 0, "header sum");
    assert_eq!(frame[34..40], [0x13, 0xc4, 0x13, 0xc6, 0, 13]);
    let sum = pseudo(addr("10.0.0.1:0").ip(), addr("10.0.0.2:0").ip(), 17, 13);
    assert_eq!(finish(add(sum, &frame[34..])), 0, "transport sum");
}

#[test]
fn tags_stand_outermost_first() {
    let frame = Packet::udp(addr("10.0.0.1:1"), addr("10.0.0.2:2"), b"")
        .tag(TPID_SERVICE, 100)
        .vlan(7)
        .build();
    assert_eq!(frame[12..22], [0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 8, 0]);
}

#[test]
fn ipv6_extension_headers_chain_and_pad() {
    let chain = [(0u8, &[1u8, 4, 0, 0, 0, 0][..]), (60, &[1u8, 2][..])];
    let packet = Packet::udp(addr("[fd00::1]:1"), addr("[fd00::2]:2"), b"xy").extensions(&chain);
    let frame = packet.build();
    assert_eq!(frame[12..14], [0x86, 0xdd]);
    assert_eq!(frame[18..20], [0, 26], "payload length");
    assert_eq!(frame[20], 0, "hop-by-hop first");
    assert_eq!(frame[54..56], [60, 0]);
    assert_eq!(frame[62..64], [17, 0]);
    let sum = pseudo(packet.src.ip(), packet.dst.ip(), 17, 10);
    assert_eq!(finish(add(sum, &frame[70..])), 0);
}

#[test]
fn tcp_sum_covers_an_odd_payload() {
    let packet = Packet::tcp(addr("10.0.0.1:1"), addr("10.0.0.2:2"), 7, 9, TCP_ACK, b"odd");
    let frame = packet.build();
    let sum = pseudo(packet.src.ip(), packet.dst.ip(), 6, 23);
    assert_eq!(finish(add(sum, &frame[34..])), 0);
    assert_eq!(frame[46..48], [0x50, TCP_ACK]);
}

#[test]
fn fragments_join_to_the_whole_datagram() {
    let payload: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
    for (src, dst, head) in [
        (addr("10.0.0.1:5060"), addr("10.0.0.2:5060"), 34),
        (addr("[fd00::1]:5060"), addr("[fd00::2]:5060"), 62),
    ] {
        let packet = Packet::udp(src, dst, &payload).ip_id(77);
        let parts = packet.fragments(1500);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|p| p.len() <= 1514));
        let joined: Vec<u8> = parts.iter().flat_map(|p| p[head..].to_vec()).collect();
        let whole = packet.build();
        assert_eq!(joined, whole[whole.len() - 3008..]);
    }
    let small = Packet::udp(addr("10.0.0.1:1"), addr("10.0.0.2:2"), b"small");
    assert_eq!(small.fragments(1500), [small.build()]);
}
