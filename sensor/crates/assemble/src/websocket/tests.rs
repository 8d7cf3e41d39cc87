//! Connections as browsers and servers make them, cut anywhere, and hostile ones.

use proptest::prelude::*;

use super::*;
use crate::framer::Framer;

const INVITE: &[u8] =
    b"INVITE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n";
const MASK: [u8; 4] = [0xa5, 0x5a, 0, 0xff];
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

/// A frame, with the shortest length field that holds its length.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(masked | length as u8),
        length @ 126..65_536 => {
            out.push(masked | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(masked | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    let mask = mask.unwrap_or_default();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(0x81, Some(MASK), payload)
}

#[derive(Debug)]
struct Run {
    framer: Framer,
    messages: Vec<Vec<u8>>,
    counters: Counters,
    garbage: u64,
}

impl Run {
    fn new(in_step: bool) -> Self {
        let (messages, counters) = (Vec::new(), Counters::default());
        Self { framer: Framer::new(in_step), messages, counters, garbage: 0 }
    }

    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        let messages = &mut self.messages;
        self.framer.push(bytes, &mut |message: &[u8]| messages.push(message.to_vec()));
        self.count();
        self
    }

    fn gap(&mut self) -> &mut Self {
        self.framer.gap(&mut |_: &[u8]| {});
        self.count();
        self
    }

    fn count(&mut self) {
        let (sip, websocket) = self.framer.take_counters();
        self.counters.add(&websocket);
        self.garbage += sip.garbage_bytes;
    }
}

/// An upgrade, messages whole and in pieces, and pings between the pieces.
fn conversation() -> Vec<u8> {
    [
        UPGRADE,
        &text(INVITE),
        &frame(0x02, Some(MASK), &INVITE[..20]),
        &frame(0x89, Some(MASK), b"ping"),
        &frame(0x00, Some([1, 2, 3, 4]), &INVITE[20..33]),
        &frame(0x80, None, &INVITE[33..]),
        &frame(0x8a, Some(MASK), b""),
        &text(OK),
        &frame(0x88, Some(MASK), &1000_u16.to_be_bytes()),
    ]
    .concat()
}

#[test]
fn messages_of_a_whole_connection() {
    let mut run = Run::new(true);
    run.push(&conversation());
    assert_eq!(run.messages, [INVITE, INVITE, OK]);
    let expected = Counters { upgrades: 1, messages: 3, control: 3, ..Counters::default() };
    assert_eq!((run.counters, run.garbage), (expected, 0));
    assert_eq!(run.framer.held(), 0);
    let mut answers = Run::new(true);
    answers.push(SWITCHING).push(&frame(0x81, None, OK));
    assert_eq!(answers.messages, [OK]);
}

#[test]
fn long_messages_have_long_lengths_and_lose_what_is_beyond_the_limit() {
    let mut long = INVITE.to_vec();
    long.resize(70_000, b'x');
    let mut run = Run::new(true);
    run.push(UPGRADE).push(&text(&long[..1000])).push(&text(&long));
    assert_eq!(run.messages, [&long[..1000], &long[..]]);
    let huge = vec![b'y'; MESSAGE_MAX + 1];
    run.push(&text(&huge)).push(&text(OK));
    assert_eq!(run.messages[2].len(), MESSAGE_MAX);
    assert_eq!((run.messages[3].as_slice(), run.counters.oversized), (OK, 1));
    // In pieces without end: bounded.
    run.push(&frame(0x01, None, INVITE));
    for _ in 0..10 {
        run.push(&frame(0x00, None, &huge));
        assert!(run.framer.held() <= MESSAGE_MAX);
    }
    run.push(&frame(0x80, None, b"")).push(&text(OK));
    assert_eq!((run.messages.len(), run.counters.oversized), (6, 2));
}

#[test]
fn a_connection_is_recognised_in_its_middle() {
    let mut run = Run::new(false);
    let tail = &text(INVITE)[30..];
    run.push(tail).push(&text(OK)).push(&text(INVITE));
    assert_eq!(run.messages, [OK, INVITE]);
    assert_eq!((run.counters.midstream, run.counters.resyncs), (1, 0));
    assert_eq!(run.garbage, tail.len() as u64);
    // The end of one frame and a whole one in one segment.
    let mut run = Run::new(false);
    run.push(&[tail, &frame(0x82, None, OK)].concat());
    assert_eq!((run.messages.len(), run.garbage), (1, tail.len() as u64));
}

#[test]
fn a_gap_costs_the_message_that_it_touches() {
    let mut run = Run::new(true);
    let whole = text(INVITE);
    run.push(UPGRADE).push(&whole[..40]).gap();
    run.push(&[&whole[60..], &text(OK)].concat()).push(&text(INVITE));
    assert_eq!(run.messages, [OK, INVITE]);
    assert_eq!((run.counters.broken, run.counters.resyncs), (1, 1));
    assert_eq!(run.counters.skipped_bytes, whole.len() as u64 - 60);
}

#[test]
fn what_is_not_read_is_counted() {
    let mut run = Run::new(true);
    run.push(UPGRADE);
    // Compressed, whole and in pieces.
    run.push(&frame(0xc1, Some(MASK), b"\x01\x02"));
    run.push(&frame(0x41, Some(MASK), b"\x01")).push(&frame(0x80, Some(MASK), b"\x02"));
    // A continuation of nothing; a message that another one cuts off.
    run.push(&frame(0x80, None, b"rest")).push(&frame(0x01, None, INVITE)).push(&text(OK));
    assert_eq!(run.messages, [OK]);
    assert_eq!((run.counters.compressed, run.counters.broken), (2, 2));
    // No frame at all, and one again.
    run.push(b"\xff\xff\xff nonsense").push(&text(OK));
    assert_eq!((run.messages.len(), run.counters.resyncs), (2, 1));
}

#[test]
fn a_refused_upgrade_is_asked_for_again() {
    let mut client = Run::new(true);
    client.push(UPGRADE).push(UPGRADE).push(&text(INVITE));
    assert_eq!((client.messages.len(), client.counters.upgrades), (1, 2));
    let mut server = Run::new(true);
    let refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
    server.push(refusal).push(SWITCHING).push(&frame(0x81, None, OK));
    assert_eq!(server.messages, [OK]);
}

#[test]
fn http_and_plain_sip_are_no_websocket() {
    let mut run = Run::new(true);
    run.push(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").push(INVITE).push(b"G").push(b"ARBAGE\r\n");
    run.push(OK);
    assert_eq!(run.messages, [INVITE, OK]);
    assert_eq!(run.counters, Counters::default());
    assert!(run.garbage > 30);
    assert_eq!(run.framer.held(), 0);
}

proptest! {
    /// However the connection is cut into segments: the same messages.
    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(1_usize..40, 1..60)) {
        let bytes = conversation();
        let mut run = Run::new(true);
        let (mut at, mut turn) = (0, 0);
        while at < bytes.len() {
            let end = (at + cuts[turn % cuts.len()]).min(bytes.len());
            run.push(&bytes[at..end]);
            (at, turn) = (end, turn + 1);
        }
        prop_assert_eq!(run.messages, [INVITE, INVITE, OK]);
        prop_assert_eq!((run.counters.control, run.garbage), (3, 0));
    }

    /// Whatever comes: no panic, little memory.
    #[test]
    fn hostile_bytes_are_survived(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                (any::<u8>(), 0_usize..400).prop_map(|(first, length)| {
                    frame(first, Some(MASK), &INVITE.repeat(6)[..length])
                }),
                Just(UPGRADE.to_vec()),
                Just(text(INVITE)),
            ],
            0..40,
        ),
        in_step: bool,
        gaps: u64,
    ) {
        let mut run = Run::new(in_step);
        for (turn, part) in parts.iter().enumerate() {
            run.push(part);
            if gaps >> (turn % 64) & 7 == 7 {
                run.gap();
            }
            prop_assert!(run.framer.held() <= 2 * MESSAGE_MAX);
        }
    }
}
