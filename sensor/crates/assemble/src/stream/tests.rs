//! Segments in any order, with holes, copies and lies.

use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;
const INVITE: &[u8] =
    b"INVITE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n";

fn flow(number: u32) -> Flow {
    let mut src = [0; 16];
    src[12..].copy_from_slice(&number.to_be_bytes());
    Flow { src, dst: [1; 16], sport: 40_000, dport: 5060 }
}

fn segment(seq: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
    Segment { flow: flow(1), seq, flags, payload }
}

fn push(streams: &mut Streams, segment: &Segment<'_>, clock: u64) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    streams.push(segment, clock, &mut |_, message| messages.push(message.to_vec()));
    messages
}

fn expire(streams: &mut Streams, clock: u64) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    streams.expire(clock, &mut |_, message| messages.push(message.to_vec()));
    messages
}

/// A table that has seen the handshake of flow 1; the next byte is `seq`.
fn open(seq: u32) -> Streams {
    let mut streams = Streams::new(0);
    assert!(push(&mut streams, &segment(seq.wrapping_sub(1), SYN, b""), 0).is_empty());
    streams
}

#[test]
fn a_message_over_several_segments_comes_out_once_even_where_numbers_wrap() {
    for start in [1000, u32::MAX - 10] {
        let mut streams = open(start);
        let second = start.wrapping_add(30);
        assert!(push(&mut streams, &segment(start, 16, &INVITE[..30]), 1).is_empty());
        // A retransmission that brings a little more than the first.
        assert!(push(&mut streams, &segment(start, 16, &INVITE[..32]), 2).is_empty());
        let rest = [&INVITE[30..], OK].concat();
        assert_eq!(push(&mut streams, &segment(second, 16, &rest), 3), [INVITE, OK]);
        assert!(push(&mut streams, &segment(start, 16, INVITE), 4).is_empty());
        let counters = streams.counters();
        assert_eq!((counters.retransmissions, counters.framing.messages), (1, 2));
        assert_eq!((counters.flows, counters.midstream, counters.jumps), (1, 0, 0));
    }
}

#[test]
fn segments_ahead_of_their_time_wait() {
    let mut streams = open(1);
    assert!(push(&mut streams, &segment(61, 16, &INVITE[60..]), 1).is_empty());
    assert!(push(&mut streams, &segment(31, 16, &INVITE[30..60]), 1).is_empty());
    assert!(push(&mut streams, &segment(31, 16, &INVITE[30..60]), 1).is_empty());
    assert_eq!(push(&mut streams, &segment(1, 16, &INVITE[..30]), 2), [INVITE]);
    let counters = streams.counters();
    assert_eq!((counters.reordered, counters.retransmissions, counters.holes), (2, 1, 0));
    assert_eq!(streams.bytes, 0);
}

#[test]
fn a_hole_is_stepped_over_in_time_and_costs_one_message() {
    let mut streams = open(1);
    assert!(push(&mut streams, &segment(1, 16, &INVITE[..30]), 0).is_empty());
    let after = [&INVITE[50..], OK].concat();
    assert!(push(&mut streams, &segment(51, 16, &after), 5).is_empty());
    assert!(expire(&mut streams, 4 + HOLE_NS).is_empty());
    assert_eq!(expire(&mut streams, 5 + HOLE_NS), [OK]);
    let counters = streams.counters();
    assert_eq!((counters.holes, counters.hole_bytes), (1, 20));
    assert!(streams.holes.is_empty());
}

#[test]
fn a_second_hole_has_its_own_time() {
    let mut streams = open(1);
    push(&mut streams, &segment(11, 16, &INVITE[10..20]), 0);
    push(&mut streams, &segment(41, 16, &INVITE[40..]), S / 2);
    // The first hole is filled, the second opens then.
    push(&mut streams, &segment(1, 16, &INVITE[..10]), S * 3 / 4);
    assert!(expire(&mut streams, S).is_empty());
    assert_eq!(streams.counters().holes, 0);
    assert_eq!(push(&mut streams, &segment(21, 16, &INVITE[20..40]), S * 3 / 2), [INVITE]);
}

#[test]
fn a_flow_can_be_joined_in_the_middle() {
    let mut streams = Streams::new(0);
    let bytes = [&INVITE[40..], OK].concat();
    assert_eq!(push(&mut streams, &segment(77, 16, &bytes), 0), [OK]);
    let counters = streams.counters();
    assert_eq!((counters.midstream, counters.framing.resyncs), (1, 0));
    // Acknowledgements alone begin nothing.
    let other = Segment { flow: flow(2), seq: 5, flags: 16, payload: b"" };
    assert!(push(&mut streams, &other, 0).is_empty());
    assert_eq!(streams.len(), 1);
}

#[test]
fn a_flow_ends_with_its_last_byte_and_may_begin_again() {
    let mut streams = open(1);
    let half = INVITE.len() as u32 / 2;
    let (first, second) = INVITE.split_at(half as usize);
    // The end overtakes the rest.
    assert!(push(&mut streams, &segment(1 + half, 16 | FIN, second), 0).is_empty());
    assert_eq!(streams.len(), 1);
    assert_eq!(push(&mut streams, &segment(1, 16, first), 0), [INVITE]);
    // Copies of the last segment bring nothing again.
    assert!(push(&mut streams, &segment(1, 16, INVITE), 0).is_empty());
    assert_eq!(streams.counters().retransmissions, 1);
    assert!(push(&mut streams, &segment(9_000_000, SYN, b""), 1).is_empty());
    assert_eq!(push(&mut streams, &segment(9_000_001, 16, OK), 1), [OK]);
    push(&mut streams, &segment(9_000_100, RST, b""), 2);
    assert!(push(&mut streams, &segment(9_000_101, 16, OK), 2).is_empty());
    expire(&mut streams, 2 + LINGER_NS);
    assert_eq!(streams.len(), 1);
    expire(&mut streams, 3 + LINGER_NS);
    assert!(streams.is_empty());
    assert_eq!(streams.counters().framing.messages, 2);
}

#[test]
fn ports_used_again_without_an_end_are_a_new_life() {
    let mut streams = open(1);
    assert!(push(&mut streams, &segment(1, 16, &INVITE[..30]), 0).is_empty());
    assert!(push(&mut streams, &segment(500, SYN, b""), 1).is_empty());
    assert_eq!(push(&mut streams, &segment(501, 16, OK), 1), [OK]);
    // Without a SYN, what comes first may be the rest of a line.
    let late = segment(3_000_000_000, 16, OK);
    assert!(push(&mut streams, &late, 1).is_empty());
    assert_eq!(push(&mut streams, &segment(3_000_000_000 + OK.len() as u32, 16, OK), 1), [OK]);
    assert_eq!(streams.counters().jumps, 2);
}

#[test]
fn what_waits_in_a_flow_is_bounded() {
    let mut streams = open(1);
    let big = vec![b'x'; 60_000];
    for n in 0..200_u32 {
        push(&mut streams, &segment(1000 + n * 70_000 % JUMP_MAX, 16, &big), 0);
        let state = streams.slots[0].as_ref().unwrap();
        assert!(state.direction.bytes() <= WAITING_BYTES_MAX + 70_000);
        assert_eq!(streams.bytes, state.direction.bytes());
    }
    assert!(streams.counters().holes > 0);
}

#[test]
fn flows_and_bytes_are_bounded_and_the_silent_go_first() {
    let mut streams = Streams::new(0);
    let text = vec![b'x'; 4000];
    for n in 0..40_000 {
        let payload = &text[..];
        let headers = b"INVITE sip:b@example.com SIP/2.0\r\nX: ";
        push(&mut streams, &Segment { flow: flow(n), seq: 1, flags: 16, payload: headers }, 1);
        let seq = 1 + headers.len() as u32;
        push(&mut streams, &Segment { flow: flow(n), seq, flags: 16, payload }, u64::from(n));
        // The first one is never silent.
        let live = Segment { flow: flow(0), seq: 2, flags: 16, payload: b"N" };
        push(&mut streams, &live, u64::from(n) + 1);
        assert!(streams.bytes <= BYTES_MAX && streams.len() <= FLOWS_MAX);
        assert!(streams.idle.len() <= 2 * FLOWS_MAX + 1);
    }
    assert!(streams.index.contains_key(&flow(0)));
    let counters = streams.counters();
    assert_eq!(counters.evicted, 40_000 - streams.len() as u64);
    let mut streams = Streams::new(0);
    for n in 0..20_000 {
        push(&mut streams, &Segment { flow: flow(n), seq: 1, flags: SYN, payload: b"" }, 0);
    }
    assert_eq!(streams.len(), FLOWS_MAX);
    expire(&mut streams, IDLE_NS);
    assert_eq!(streams.len(), FLOWS_MAX);
    expire(&mut streams, IDLE_NS + 1);
    assert_eq!((streams.len(), streams.counters().idle), (0, FLOWS_MAX as u64));
}

#[test]
fn many_short_connections_leave_no_queues_behind() {
    let mut streams = Streams::new(0);
    for n in 0..100_000_u32 {
        let end = Segment { flow: flow(n), seq: 9, flags: FIN, payload: OK };
        assert_eq!(push(&mut streams, &end, u64::from(n)), [OK]);
        let hole = Segment { flow: flow(n % 7), seq: 1_000 + n, flags: 16, payload: b"x" };
        push(&mut streams, &hole, u64::from(n));
        for queue in [&streams.idle, &streams.holes, &streams.closed] {
            assert!(queue.len() <= 2 * FLOWS_MAX + 1);
        }
    }
    assert_eq!(streams.len(), FLOWS_MAX);
}

#[test]
fn the_end_of_a_capture_hands_out_what_waits() {
    let mut streams = open(1);
    push(&mut streams, &segment(100, 16, &[b"x\r\n", OK].concat()), 0);
    let mut messages = Vec::new();
    streams.finish(&mut |_: &Flow, message: &[u8]| messages.push(message.to_vec()));
    assert_eq!(messages, [OK]);
    assert_eq!((streams.len(), streams.bytes), (0, 0));
}

proptest! {
    /// Segments of a stream, shuffled within reach, repeated and overlapping: same messages.
    #[test]
    fn order_and_copies_do_not_matter(
        cuts in prop::collection::vec(1_usize..60, 1..20),
        start in any::<u32>(),
        order in any::<u64>(),
        copies in any::<u64>(),
        back in 0_usize..20,
    ) {
        let stream = [INVITE, OK, b"\r\n\r\n", INVITE, OK].concat();
        let mut pieces = Vec::new();
        let (mut at, mut turn) = (0, 0);
        while at < stream.len() {
            let end = (at + cuts[turn % cuts.len()].max(12)).min(stream.len());
            pieces.push((at.saturating_sub(back), end));
            if copies >> (turn % 64) & 1 == 1 {
                pieces.push((at, end));
            }
            at = end;
            turn += 1;
        }
        // Fisher and Yates, within what may wait.
        let mut random = order | 1;
        for n in (1..pieces.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = (random >> 33) as usize % (n + 1);
            if n - other < WAITING_MAX / 2 {
                pieces.swap(n, other);
            }
        }
        prop_assume!(pieces.len() <= WAITING_MAX);
        let mut streams = open(start);
        let mut messages = Vec::new();
        for (from, to) in pieces {
            let seq = start.wrapping_add(from as u32);
            messages.extend(push(&mut streams, &segment(seq, 16, &stream[from..to]), 1));
        }
        prop_assert_eq!(messages, [INVITE, OK, INVITE, OK]);
        prop_assert_eq!(streams.bytes, 0);
        prop_assert_eq!(streams.counters().holes, 0);
    }

    /// Whatever comes: no panic, and the sums stay right.
    #[test]
    fn hostile_segments_are_survived(
        segments in prop::collection::vec(
            (0_u32..3, prop_oneof![0_u32..400, any::<u32>()], any::<u8>(), 0_usize..80, 0..S),
            0..100,
        ),
    ) {
        let stream = [INVITE, OK, INVITE, OK, INVITE].concat();
        let mut streams = Streams::new(7);
        let mut clock = 0;
        for (number, seq, flags, length, step) in segments {
            clock += step;
            let from = seq as usize % stream.len();
            let payload = &stream[from..(from + length).min(stream.len())];
            let segment = Segment { flow: flow(number), seq, flags, payload };
            push(&mut streams, &segment, clock);
            expire(&mut streams, clock);
            let held: usize = streams.slots.iter().flatten().map(|s| s.direction.bytes()).sum();
            prop_assert_eq!(streams.bytes, held);
            let queued = streams.slots.iter().flatten().filter(|s| s.hole_queued).count();
            let holes = streams.slots.iter().flatten().map(|s| s.direction.hole_since_ns());
            prop_assert!(holes.flatten().count() <= queued && queued <= streams.holes.len());
        }
        streams.finish(&mut |_: &Flow, _: &[u8]| {});
        prop_assert_eq!(streams.bytes, 0);
    }
}
