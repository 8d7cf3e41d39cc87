//! Fragments cut here, put together there.

use proptest::prelude::*;
use ringtap_common::walk::{Headers, walk_ethernet};

use super::packet::{checksum, put};
use super::*;

const MS: u64 = 1_000_000;

/// An Ethernet frame with an IPv4 fragment.
fn ipv4(id: u16, start: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((20 + data.len() as u16).to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend(((start / 8) as u16 | if more { 0x2000 } else { 0 }).to_be_bytes());
    frame.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = checksum(&frame[14..34]);
    put(&mut frame[14..], 10, sum);
    frame.extend(data);
    frame
}

/// An Ethernet frame with an IPv6 fragment behind a hop-by-hop header.
fn ipv6(id: u32, start: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend((16 + data.len() as u16).to_be_bytes());
    frame.extend([0, 64]);
    frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    frame.extend([17, 0]);
    frame.extend((start as u16 | u16::from(more)).to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend(data);
    frame
}

/// A UDP datagram of `length` bytes with its header.
fn udp(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x13, 0xc4, 0x13, 0xc4];
    bytes.extend((length as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend((8..length).map(|n| (n * 7 % 251) as u8));
    bytes
}

type Cut = fn(usize, bool, &[u8]) -> Vec<u8>;

/// The datagram's fragments of `size` bytes each.
fn cut(datagram: &[u8], size: usize, frame: Cut) -> Vec<Vec<u8>> {
    let count = datagram.len().div_ceil(size);
    datagram
        .chunks(size)
        .enumerate()
        .map(|(n, data)| frame(n * size, n + 1 < count, data))
        .collect()
}

fn walked(frame: &[u8]) -> Headers {
    walk_ethernet(&frame).expect("a frame of these tests")
}

fn push<'a>(table: &'a mut Fragments<u64>, frame: &[u8], clock: u64) -> Outcome<'a, u64> {
    table.push(&walked(frame), frame, clock, clock)
}

#[track_caller]
fn whole(outcome: &Outcome<'_, u64>, datagram: &[u8], tag: u64) {
    let Outcome::Whole(whole) = outcome else { panic!("not whole: {outcome:?}") };
    let headers = walked(whole.frame);
    let start = usize::from(headers.l4);
    assert_eq!(headers.fragment, Fragment::Whole);
    assert_eq!(headers.sport, 5060);
    assert_eq!(&whole.frame[start..], datagram);
    assert_eq!(whole.tag, tag);
    assert_eq!(whole.l3, 14);
    if headers.version == 4 {
        assert_eq!(checksum(&whole.packet()[..20]), 0);
    }
}

#[test]
fn either_version_in_any_order_gives_the_datagram_back() {
    let datagram = udp(3000);
    for frame in [(|s, m, d| ipv4(7, s, m, d)) as Cut, |s, m, d| ipv6(7, s, m, d)] {
        let frames = cut(&datagram, 1480, frame);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut table = Fragments::new(Options::default());
            assert!(matches!(push(&mut table, &frames[order[0]], 1), Outcome::Held));
            assert!(matches!(push(&mut table, &frames[order[1]], 2), Outcome::Held));
            whole(&push(&mut table, &frames[order[2]], 3), &datagram, 1);
            assert_eq!(table.counters().whole, 1);
        }
    }
}

#[test]
fn copies_are_known_while_gathering_and_for_the_window() {
    let datagram = udp(2000);
    let frames = cut(&datagram, 1480, |s, m, d| ipv4(7, s, m, d));
    let mut table = Fragments::new(Options::default());
    assert!(matches!(push(&mut table, &frames[0], 0), Outcome::Held));
    assert!(matches!(push(&mut table, &frames[0], 1), Outcome::Duplicate));
    whole(&push(&mut table, &frames[1], 2), &datagram, 0);
    assert!(matches!(push(&mut table, &frames[1], 3), Outcome::Duplicate));
    assert!(matches!(push(&mut table, &frames[0], 20 * MS), Outcome::Duplicate));
    // Outside of the window it is a packet of its own.
    assert!(matches!(push(&mut table, &frames[0], 30 * MS), Outcome::Held));
    whole(&push(&mut table, &frames[1], 31 * MS), &datagram, 30 * MS);
    assert_eq!(table.counters().duplicates, 3);
}

#[test]
fn an_identification_used_again_at_once_is_another_packet() {
    let (first, second) = (udp(2000), udp(2400));
    let mut table = Fragments::new(Options::default());
    for (clock, datagram) in [(0, &first), (1, &second)] {
        let frames = cut(datagram, 1480, |s, m, d| ipv4(7, s, m, d));
        let mut other = frames[1].clone();
        other[34] ^= 1;
        let pushed = push(&mut table, if clock == 0 { &frames[1] } else { &other }, clock);
        assert!(matches!(pushed, Outcome::Held), "{pushed:?}");
        assert!(matches!(push(&mut table, &frames[0], clock), Outcome::Whole(_)));
    }
    assert_eq!(table.counters().whole, 2);
}

#[test]
fn overlaps_spoil_the_packet_or_the_first_one_wins() {
    let datagram = udp(32);
    let mut liar = datagram[8..24].to_vec();
    liar.fill(0xee);
    let frames = [
        ipv4(7, 0, true, &datagram[..16]),
        ipv4(7, 8, true, &liar),
        ipv4(7, 24, false, &datagram[24..]),
    ];
    let mut table = Fragments::new(Options::default());
    push(&mut table, &frames[0], 0);
    let spoilt = push(&mut table, &frames[1], 0);
    assert!(matches!(spoilt, Outcome::Rejected(Reason::Overlap)));
    let late = push(&mut table, &frames[2], 0);
    assert!(matches!(late, Outcome::Rejected(Reason::Overlap)));
    let counters = table.counters();
    assert_eq!((counters.poisoned, counters.lost_pieces, counters.rejected), (1, 1, 2));

    let mut table = Fragments::new(Options { overlap: Overlap::FirstWins, ..Options::default() });
    push(&mut table, &frames[0], 0);
    push(&mut table, &frames[1], 0);
    let mut mixed = datagram.clone();
    mixed[16..24].fill(0xee);
    whole(&push(&mut table, &frames[2], 0), &mixed, 0);
}

#[test]
fn impossible_fragments_are_refused_with_their_reason() {
    let mut table = Fragments::new(Options::default());
    let frame = ipv4(1, 0, true, &udp(12));
    assert!(matches!(push(&mut table, &frame, 0), Outcome::Rejected(Reason::BadLength)));
    let frame = ipv4(2, 0, true, &udp(64));
    let cut_short = &frame[..frame.len() - 8];
    assert!(matches!(push(&mut table, cut_short, 0), Outcome::Rejected(Reason::Truncated)));
    let frame = ipv4(3, 65_528, false, &[0; 16]);
    assert!(matches!(push(&mut table, &frame, 0), Outcome::Rejected(Reason::TooLong)));
    let frame = ipv4(4, 0, false, &udp(64));
    assert!(matches!(push(&mut table, &frame, 0), Outcome::Rejected(Reason::NotAFragment)));
    push(&mut table, &ipv4(5, 64, false, &[0; 8]), 0);
    let beyond = push(&mut table, &ipv4(5, 72, false, &[0; 8]), 0);
    assert!(matches!(beyond, Outcome::Rejected(Reason::Overlap)));
    // 65,535 bytes of data leave no room for the IP header.
    let datagram = udp(65_535);
    let frames = cut(&datagram, 1024, |s, m, d| ipv4(6, s, m, d));
    let last = frames.len() - 1;
    for frame in &frames[..last] {
        assert!(matches!(push(&mut table, frame, 0), Outcome::Held));
    }
    let end = push(&mut table, &frames[last], 0);
    assert!(matches!(end, Outcome::Rejected(Reason::TooLong)));
    assert_eq!(table.counters().lost_pieces, last as u64 + 1);
}

#[test]
fn what_never_completes_is_given_up_in_time() {
    let mut table = Fragments::new(Options::default());
    let frames = cut(&udp(2000), 1480, |s, m, d| ipv4(7, s, m, d));
    push(&mut table, &frames[0], 0);
    table.expire(GATHER_NS);
    assert_eq!(table.len(), 1);
    table.expire(GATHER_NS + 1);
    assert!(table.is_empty());
    let counters = table.counters();
    assert_eq!((counters.expired, counters.lost_pieces), (1, 1));
    assert_eq!(table.bytes, 0);
}

#[test]
fn packets_and_bytes_are_bounded() {
    let mut table = Fragments::new(Options::default());
    for n in 0..10_000_u32 {
        // A few bytes at the far end of the packet: as much memory as one fragment can take.
        let frame = ipv6(n, 65_000, true, &[0; 8]);
        assert!(matches!(push(&mut table, &frame, u64::from(n)), Outcome::Held));
        assert!(table.bytes <= BYTES_MAX && table.len() <= PACKETS_MAX);
    }
    assert!(table.len() > 200);
    assert_eq!(table.counters().evicted, 10_000 - table.len() as u64);
    let mut table = Fragments::new(Options::default());
    for n in 0..10_000_u32 {
        push(&mut table, &ipv6(n, 0, true, &udp(16)), u64::from(n));
    }
    assert_eq!(table.len(), PACKETS_MAX);
    assert!(table.order.len() <= 2 * PACKETS_MAX + 1);
    table.finish();
    assert_eq!((table.len(), table.bytes), (0, 0));
    assert_eq!(table.counters().lost_pieces, 10_000);
}

#[test]
fn finished_packets_do_not_fill_the_queues() {
    let mut table = Fragments::new(Options::default());
    for n in 0..50_000_u64 {
        let frames = cut(&udp(32), 16, |s, m, d| ipv4(9, s, m, d));
        let mut frames = frames;
        let id = (n as u16).to_be_bytes();
        for frame in &mut frames {
            frame[18..20].copy_from_slice(&id);
            push(&mut table, frame, n * 1000);
        }
        assert!(table.order.len() <= 2 * PACKETS_MAX + 1);
        assert!(table.done.len() <= 2 * PACKETS_MAX + 1);
    }
    assert_eq!(table.counters().whole, 50_000);
}

proptest! {
    /// Any cuts, any order, any copies in between: the datagram comes back once.
    #[test]
    fn any_order_gives_the_datagram_back(
        length in 24_usize..4000,
        units in 1_usize..64,
        order in any::<u64>(),
        copies in any::<u64>(),
        six in any::<bool>(),
    ) {
        let datagram = udp(length);
        let size = (units * 8).max(length.div_ceil(PIECES_MAX).next_multiple_of(8));
        prop_assume!(length > size);
        let frame: Cut = if six { |s, m, d| ipv6(7, s, m, d) } else { |s, m, d| ipv4(7, s, m, d) };
        let mut frames = cut(&datagram, size, frame);
        let mut random = order | 1;
        for n in (1..frames.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            frames.swap(n, (random >> 33) as usize % (n + 1));
        }
        let mut table = Fragments::new(Options::default());
        let mut wholes = 0;
        for (n, frame) in frames.iter().enumerate() {
            let outcome = push(&mut table, frame, 0);
            if matches!(outcome, Outcome::Whole(_)) {
                whole(&outcome, &datagram, 0);
                wholes += 1;
            }
            if copies >> (n % 64) & 1 == 1 {
                let copy = push(&mut table, frame, 0);
                prop_assert!(matches!(copy, Outcome::Duplicate), "{copy:?}");
            }
        }
        prop_assert_eq!(wholes, 1);
    }

    /// Whatever comes: no panic, bounds hold, and every fragment is accounted for.
    #[test]
    fn hostile_fragments_are_survived(
        pieces in prop::collection::vec(
            (0_u16..4, 0_usize..40, any::<bool>(), 1_usize..40, any::<bool>(), 0_u64..3),
            0..200,
        ),
        first_wins in any::<bool>(),
        broken in prop::collection::vec((any::<u16>(), any::<u8>()), 0..4),
    ) {
        let overlap = if first_wins { Overlap::FirstWins } else { Overlap::Reject };
        let mut table = Fragments::new(Options { overlap, ..Options::default() });
        let (mut clock, mut pushed, mut completed) = (0, 0, 0);
        for (id, start, more, length, six, step) in pieces {
            let data: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut frame = if six {
                ipv6(u32::from(id), start * 8, more, &data)
            } else {
                ipv4(id, start * 8, more, &data)
            };
            for (at, value) in &broken {
                let at = usize::from(*at) % (frame.len() * 8);
                if let Some(byte) = frame.get_mut(at) {
                    *byte = *value;
                }
            }
            let Ok(headers) = walk_ethernet(&frame.as_slice()) else { continue };
            clock += step * 1_000 * MS;
            pushed += 1;
            if let Outcome::Whole(whole) = table.push(&headers, &frame, 0, clock) {
                completed += whole.pieces;
            }
            prop_assert!(table.bytes <= BYTES_MAX);
        }
        table.finish();
        let counters = table.counters();
        prop_assert_eq!(table.bytes, 0);
        prop_assert_eq!(counters.pieces, pushed);
        let ends = completed + counters.duplicates + counters.rejected + counters.lost_pieces;
        prop_assert_eq!(pushed, ends);
    }
}
