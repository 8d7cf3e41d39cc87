//! What copies may differ in, what packets must differ in, and the window between them.

use core::sync::atomic::AtomicU64;
use proptest::prelude::*;
use std::collections::HashSet;
use std::vec::Vec;

use super::*;
use crate::sample::{ethernet, extension, fragment, ipv4, ipv6, rtp, rtp_frame, tcp, udp, vlan};
use crate::walk::walk_ethernet;

const SEED: Seed = Seed::new(42);
const MS: u64 = 1_000_000;

fn print(frame: &[u8]) -> Fingerprint {
    fingerprint(&frame, &walk_ethernet(&frame).unwrap(), &SEED).unwrap()
}

fn key(frame: &[u8]) -> u64 {
    print(frame).key
}

#[test]
fn a_copy_may_differ_in_what_the_way_rewrites() {
    let inner = ipv4(5, 0, 17, &udp(20_000, 30_000, &rtp(1)));
    let original = key(&ethernet(0x0800, &inner));
    assert_eq!(original, key(&ethernet(0x8100, &vlan(12, 0x0800, &inner))));
    let mut routed = ethernet(0x0800, &inner);
    routed[0] ^= 0xff; // MAC
    routed[15] = 0; // type of service
    routed[22] -= 1; // time to live
    routed[24] ^= 0x55; // IP checksum
    routed[40] ^= 0x55; // UDP checksum
    routed[18] ^= 1; // IP id: compared by itself
    assert_eq!(original, key(&routed));
    let mut padded = ethernet(0x0800, &inner);
    padded.extend([0; 9]);
    assert_eq!(original, key(&padded));
}

#[test]
fn every_byte_of_the_rest_counts() {
    for len in [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 160, 1472] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let frame = ethernet(0x0800, &ipv4(5, 0, 17, &udp(20_000, 30_000, &payload)));
        let mut keys = HashSet::from([key(&frame)]);
        let addresses_and_ports = 26..38;
        let mut changed = 0;
        for at in addresses_and_ports.chain(42..frame.len()) {
            let mut other = frame.clone();
            other[at] ^= 0x80;
            keys.insert(key(&other));
            changed += 1;
        }
        assert_eq!(keys.len(), changed + 1, "{len}");
    }
}

#[test]
fn lengths_and_zeros_are_told_apart() {
    let mut keys = HashSet::new();
    for len in 0..200 {
        let frame = ethernet(0x0800, &ipv4(5, 0, 17, &udp(1, 2, &std::vec![0; len])));
        assert!(keys.insert(key(&frame)), "{len}");
    }
}

#[test]
fn tcp_segments_differ_by_sequence_but_not_checksum() {
    let segment = |at: usize| {
        let mut tcp = tcp(5060, 6000, 0x10, 3, b"");
        if let Some(byte) = tcp.get_mut(at) {
            *byte ^= 1;
        }
        key(&ethernet(0x0800, &ipv4(5, 0, 6, &tcp)))
    };
    let original = segment(99);
    for at in [4, 7, 8, 13, 14, 20, 31] {
        assert_ne!(original, segment(at), "{at}");
    }
    assert_eq!(original, segment(16));
    assert_eq!(original, segment(17));
}

#[test]
fn ipv6_is_compared_without_its_extensions() {
    let udp = udp(20_000, 30_000, &rtp(1));
    let plain = print(&ethernet(0x86dd, &ipv6(17, &udp)));
    assert_eq!(plain.ip_id, 0);
    let mut routed = ethernet(0x86dd, &ipv6(17, &udp));
    routed[21] -= 1;
    assert_eq!(plain, print(&routed));
    assert_eq!(plain, print(&ethernet(0x86dd, &ipv6(60, &extension(17, 0, &udp)))));
}

#[test]
fn fragments_are_not_compared() {
    for frame in [
        ethernet(0x0800, &ipv4(5, 0x2000, 17, &udp(1, 2, b"abcdefgh"))),
        ethernet(0x0800, &ipv4(5, 3, 17, b"abcdefgh")),
        ethernet(0x86dd, &ipv6(44, &fragment(17, 1, 9, &udp(1, 2, b"abcdefgh")))),
    ] {
        let c = frame.as_slice();
        assert_eq!(fingerprint(&c, &walk_ethernet(&c).unwrap(), &SEED), None);
    }
}

#[test]
fn another_seed_gives_another_key() {
    let frame = rtp_frame(1, 1);
    let c = frame.as_slice();
    let h = walk_ethernet(&c).unwrap();
    let other = fingerprint(&c, &h, &Seed::new(43)).unwrap();
    assert_ne!(other.key, print(&frame).key);
}

#[test]
fn packets_that_hardly_differ_do_not_collide() {
    let mut keys = HashSet::new();
    let mut frame = rtp_frame(1, 1);
    for i in 0..300_000u32 {
        // What differs between packets of one stream: sequence, timestamp and little audio.
        frame[44..46].copy_from_slice(&(i as u16).to_be_bytes());
        frame[46..50].copy_from_slice(&(i * 160).to_be_bytes());
        assert!(keys.insert(key(&frame)), "{i}");
    }
    // Each bit of a key is set about as often as not.
    for bit in 0..64 {
        let set = keys.iter().filter(|k| *k >> bit & 1 == 1).count();
        assert!((145_000..155_000).contains(&set), "bit {bit}: {set}");
    }
}

#[test]
fn a_chosen_difference_is_not_cancelled_by_a_later_word() {
    // The classical attack on multiply-and-rotate hashes: flip the highest bit of a word and undo
    // its effect in the next word of the same lane. No constant pattern may work for any seed.
    let undo = [1u64 << 63, 1 << 31, 1 << 63 | 1 << 31, 1, 1 << 32];
    let payload = |a: u64, b: u64| {
        let mut bytes = [0x5a; 64];
        bytes[0..8].copy_from_slice(&(0x1111_2222_3333_4444 ^ a).to_le_bytes());
        bytes[16..24].copy_from_slice(&(0x5555_6666_7777_8888 ^ b).to_le_bytes());
        ethernet(0x0800, &ipv4(5, 0, 17, &udp(1, 2, &bytes)))
    };
    for random in 0..200 {
        let seed = Seed::new(random);
        let key =
            |frame: &[u8]| fingerprint(&frame, &walk_ethernet(&frame).unwrap(), &seed).unwrap().key;
        let original = key(&payload(0, 0));
        for a in undo {
            for b in undo {
                assert_ne!(original, key(&payload(a, b)), "{random} {a:x} {b:x}");
            }
        }
    }
}

fn slots(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn table() -> Table<Vec<AtomicU64>> {
    Table::new(slots(1024), 20 * MS, false).unwrap()
}

fn with_id(ip_id: u32) -> Fingerprint {
    Fingerprint { key: 0x1234_5678_9abc_def0, ip_id }
}

#[test]
fn ip_ids_decide_between_copy_and_retransmission() {
    for (first, second, copy) in
        [(0, 0, true), (0, 7, true), (7, 0, true), (7, 7, true), (7, 8, false)]
    {
        let table = table();
        assert!(!table.is_duplicate(&with_id(first), 5 * MS));
        assert_eq!(table.is_duplicate(&with_id(second), 6 * MS), copy, "{first} {second}");
    }
}

#[test]
fn the_window_counts_from_the_first_copy() {
    let table = table();
    let start = 3_000 * MS;
    assert!(!table.is_duplicate(&with_id(0), start));
    assert!(table.is_duplicate(&with_id(0), start + 15 * MS));
    assert!(table.is_duplicate(&with_id(0), start + 20 * MS));
    assert!(!table.is_duplicate(&with_id(0), start + 21 * MS));
    // SIP's first retransmission, and its further ones.
    for ms in [521, 1_521, 3_521] {
        assert!(!table.is_duplicate(&with_id(0), start + ms * MS), "{ms}");
    }
}

#[test]
fn another_packet_on_the_same_place_pushes_none_out_within_the_window() {
    for shared in [false, true] {
        let table = Table::new(slots(1024), 20 * MS, shared).unwrap();
        let print = |tag: u64| Fingerprint { key: tag << 32 | 77, ip_id: 0 };
        let at = |ms: u64| 100_000 * MS + ms * MS;
        assert!(!table.is_duplicate(&print(1), at(0)));
        assert!(!table.is_duplicate(&print(2), at(5)));
        assert!(table.is_duplicate(&print(1), at(6)) && table.is_duplicate(&print(2), at(6)));
        // A third one pushes the second out, also by a clock that is a little behind.
        assert!(!table.is_duplicate(&print(3), at(4)));
        assert!(table.is_duplicate(&print(1), at(7)) && table.is_duplicate(&print(3), at(7)));
        assert!(!table.is_duplicate(&print(2), at(8)));
        // What is out of the window goes first.
        assert!(!table.is_duplicate(&print(4), at(30)) && table.is_duplicate(&print(2), at(25)));
    }
}

#[test]
fn clocks_of_two_processors_may_differ() {
    let window = Window::new(20 * MS);
    let (old, new) = (Slot::new(&with_id(0), 1000 * MS), Slot::new(&with_id(0), 999 * MS));
    assert!(window.is_duplicate(old, new));
    assert!(!window.is_duplicate(old, old.aged(900 * MS)));
    assert!(
        window
            .is_duplicate(Slot::new(&with_id(0), 0xffff << TICK_SHIFT), Slot::new(&with_id(0), 0))
    );
}

#[test]
fn an_empty_slot_is_nobodys_copy() {
    let window = Window::new(WINDOW_NS_MAX);
    let zero = Fingerprint { key: 0, ip_id: 0 };
    assert!(!window.is_duplicate(Slot(0), Slot::new(&zero, 0)));
    assert!(window.is_duplicate(Slot::new(&zero, 0), Slot::new(&zero, 0)));
}

#[test]
fn a_zero_or_huge_window_is_sound() {
    let slot = |ns| Slot::new(&with_id(0), ns);
    assert!(!Window::new(0).is_duplicate(slot(0), slot(MS)));
    let widest = Window::new(u64::MAX);
    assert!(widest.is_duplicate(slot(0), slot(WINDOW_NS_MAX)));
    assert!(!widest.is_duplicate(slot(0), slot(WINDOW_NS_MAX * 2)));
}

#[test]
fn tables_have_sizes_that_can_be_masked() {
    assert!(Table::new(slots(1000), MS, false).is_none());
    assert!(Table::new(slots(8), MS, false).is_none());
    assert!(Table::new(slots(16), MS, true).is_some());
}

#[test]
fn wide_ids_stay_non_zero() {
    assert_eq!(short_id(0), 0);
    assert_ne!(short_id(0x0001_0001), 0);
    assert_eq!(short_id(77), 77);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let c = bytes.as_slice();
        if let Ok(h) = walk_ethernet(&c) {
            let first = fingerprint(&c, &h, &SEED);
            assert_eq!(first.is_some(), h.fragment == Fragment::Whole);
            assert_eq!(first, fingerprint(&c, &h, &SEED));
        }
    }

    #[test]
    fn headers_that_do_not_belong_to_the_frame(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        cut in 0..64usize,
    ) {
        let frame = ethernet(0x0800, &ipv4(1, 0, 17, &udp(1, 2, &bytes)));
        let h = walk_ethernet(&frame.as_slice()).unwrap();
        let shorter = &frame[..frame.len().saturating_sub(cut)];
        assert_eq!(fingerprint(&shorter, &h, &SEED).is_some(), cut == 0 || bytes.is_empty());
    }
}
