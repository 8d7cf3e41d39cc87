//! Streams of messages, cut anywhere.

use proptest::prelude::*;

use super::*;

const INVITE: &[u8] =
    b"INVITE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl : 0\r\n\r\n";
const LONELY: &[u8] = b"BYE sip:b@example.com SIP/2.0\nCall-ID: 1\n\n";

fn frame(framer: &mut SipFramer, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for piece in pieces {
        framer.push(piece, &mut |message| messages.push(message.to_vec()));
    }
    messages
}

#[track_caller]
fn check(in_step: bool, pieces: &[&[u8]], expected: &[&[u8]]) -> Counters {
    let mut framer = SipFramer::new(in_step);
    assert_eq!(frame(&mut framer, pieces), expected);
    framer.counters()
}

#[test]
fn messages_are_cut_by_their_length() {
    check(true, &[INVITE], &[INVITE]);
    check(true, &[&[INVITE, OK, INVITE].concat()], &[INVITE, OK, INVITE]);
    let counters = check(true, &[&[LONELY, OK].concat()], &[LONELY, OK]);
    assert_eq!((counters.no_length, counters.garbage_bytes), (1, 0));
}

#[test]
fn keepalives_are_stepped_over_and_counted() {
    let counters = check(true, &[b"\r\n\r\n", INVITE, b"\r\n", b"\r\n\r\n", OK], &[INVITE, OK]);
    assert_eq!((counters.keepalive_bytes, counters.resyncs), (10, 0));
}

#[test]
fn garbage_costs_what_it_touches() {
    let noise = b"c: 1\r\n\r\nv=0\r\n\x16\x03\x01 SIP/2.0\r\n";
    let counters = check(false, &[&[noise, OK, INVITE].concat()], &[OK, INVITE]);
    assert_eq!((counters.garbage_bytes, counters.resyncs), (noise.len() as u64, 0));
    // A length that promises too little: the rest of the body is garbage.
    let short = b"INVITE sip:b@example.com SIP/2.0\r\nContent-Length: 2\r\n\r\n";
    let counters = check(true, &[short, b"v=0\r\n", OK], &[&[&short[..], b"v="].concat(), OK]);
    assert_eq!((counters.garbage_bytes, counters.resyncs), (3, 1));
}

#[test]
fn a_gap_costs_what_it_touches() {
    let mut framer = SipFramer::new(true);
    assert!(frame(&mut framer, &[&INVITE[..40]]).is_empty());
    framer.gap(&mut |_: &[u8]| {});
    assert_eq!(framer.held(), 0);
    // The rest of a body may look like a start line, but not after half a line.
    let rest = [b" INVITE sip:x SIP/2.0\r\n", OK].concat();
    assert_eq!(frame(&mut framer, &[&rest]), [OK]);
    assert_eq!(framer.counters().resyncs, 1);
}

#[test]
fn a_message_too_long_loses_its_end_only() {
    let head = b"MESSAGE sip:b@example.com SIP/2.0\r\nContent-Length: 200000\r\n\r\n";
    let body = vec![b'x'; 200_000];
    let mut framer = SipFramer::new(true);
    let messages = frame(&mut framer, &[head, &body[..140_000], &body[140_000..], OK]);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].len(), MESSAGE_MAX);
    assert_eq!(messages[1], OK);
    let counters = framer.counters();
    assert_eq!((counters.oversized, counters.garbage_bytes), (1, 0));
}

#[test]
fn headers_without_end_are_given_up() {
    let mut framer = SipFramer::new(true);
    let mut messages = frame(&mut framer, &[b"INVITE sip:b@example.com SIP/2.0\r\n"]);
    for _ in 0..40_000 {
        messages.extend(frame(&mut framer, &[b"X: y\r\n"]));
        assert!(framer.held() < MESSAGE_MAX);
    }
    messages.extend(frame(&mut framer, &[OK]));
    assert_eq!(messages, [OK]);
    assert_eq!(framer.counters().oversized, 1);
}

/// A length that promises too much.
const GREEDY: &[u8] = b"MESSAGE sip:b@example.com SIP/2.0\r\nContent-Length: 900\r\n\r\nshort";

#[test]
fn a_message_that_never_ends_is_handed_out_when_nothing_more_can_come() {
    for gap in [true, false] {
        let mut framer = SipFramer::new(true);
        assert!(frame(&mut framer, &[GREEDY]).is_empty());
        let mut messages = Vec::new();
        let mut emit = |message: &[u8]| messages.push(message.to_vec());
        if gap {
            framer.gap(&mut emit);
        } else {
            framer.restart(&mut emit);
        }
        assert_eq!(messages, [GREEDY]);
        assert_eq!((framer.counters().cut, framer.held()), (1, 0));
        assert_eq!(frame(&mut framer, &[b"rest\r\n", OK]), [OK]);
    }
}

#[test]
fn long_messages_leave_no_memory_behind() {
    let mut framer = SipFramer::new(true);
    let head = b"MESSAGE sip:b@example.com SIP/2.0\r\nContent-Length: 100000\r\n\r\n";
    let body = vec![b'x'; 100_000];
    assert_eq!(frame(&mut framer, &[head, &body[..50_000], &body[50_000..], b"SIP"]).len(), 1);
    assert!(framer.held.capacity() <= KEPT_MAX, "{}", framer.held.capacity());
}

#[test]
fn start_lines_are_known_from_others() {
    for (text, expected) in [
        (&b"INVITE sip:b SIP/2.0\r\n"[..], Line::Start),
        (b"invite sip:b sip/2.0\n", Line::Start),
        (b"SIP/2.0 100 Trying\r\n", Line::Start),
        (b"SIP/2.0 1xx Trying\r\n", Line::Other),
        (b"Via: SIP/2.0/UDP 1.2.3.4\r\n", Line::Other),
        (b"Via: x SIP/2.0\r\n", Line::Other),
        (b"INVITE SIP/2.0\r\n", Line::Other),
        (b"INVI", Line::Unfinished),
        (b"SIP/2.0 2", Line::Unfinished),
        (b"Via: ", Line::Other),
        (b"\x16\x03\x01", Line::Other),
        (b" SIP/2.0", Line::Other),
    ] {
        assert_eq!(line(text), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn the_last_readable_length_counts() {
    for (head, expected) in [
        (&b"A b SIP/2.0\r\nContent-Length: 7\r\n\r\n"[..], Some(7)),
        (b"A b SIP/2.0\r\nCONTENT-LENGTH :  7 \r\n\r\n", Some(7)),
        (b"A b SIP/2.0\r\nl:7\r\nl: 9\r\n\r\n", Some(9)),
        (b"A b SIP/2.0\r\nl:7\r\nl: x\r\n\r\n", Some(7)),
        (b"A b SIP/2.0\r\nl: 99999999999\r\n\r\n", None),
        (b"A b SIP/2.0\r\nl: -1\r\nSubject: l\r\n\r\n", None),
    ] {
        assert_eq!(content_length(head), expected, "{}", head.escape_ascii());
    }
}

proptest! {
    /// However a stream is cut, the same messages come out.
    #[test]
    fn cuts_do_not_matter(
        kinds in prop::collection::vec(0_usize..4, 0..12),
        cuts in prop::collection::vec(1_usize..90, 1..40),
        in_step in any::<bool>(),
    ) {
        let parts = [INVITE, OK, LONELY, b"\r\n\r\n"];
        let stream: Vec<u8> = kinds.iter().flat_map(|kind| parts[*kind]).copied().collect();
        let expected: Vec<&[u8]> =
            kinds.iter().filter(|kind| **kind < 3).map(|kind| parts[*kind]).collect();
        let mut framer = SipFramer::new(in_step);
        let (mut rest, mut messages, mut turn) = (&stream[..], Vec::new(), 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
            messages.extend(frame(&mut framer, &[now]));
            rest = later;
            turn += 1;
        }
        prop_assert_eq!(messages, expected);
        prop_assert_eq!(framer.held(), 0);
    }

    /// Any bytes: no panic, bounded, every byte accounted for, and the cuts do not matter.
    #[test]
    fn any_bytes_are_survived(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(INVITE.to_vec()), Just(OK.to_vec()), Just(b"\r\n".to_vec()),
                Just(b"Content-Length: 40\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..60),
            ],
            0..20,
        ),
    ) {
        let mut framer = SipFramer::new(true);
        let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let messages = frame(&mut framer, &slices);
        let counters = framer.counters();
        let total: usize = pieces.iter().map(Vec::len).sum();
        let used: usize = messages.iter().map(Vec::len).sum();
        let counted = counters.keepalive_bytes + counters.garbage_bytes;
        prop_assert_eq!(total, used + counted as usize + framer.held());
        let mut whole = SipFramer::new(true);
        let stream = pieces.concat();
        prop_assert_eq!(frame(&mut whole, &[&stream]), messages);
        prop_assert_eq!(whole.counters(), counters);
    }
}
