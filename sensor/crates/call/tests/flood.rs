//! Floods of requests outside of calls: what they take is bounded, what finds no room is counted,
//! and a repetition asks for no memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;

use ringtap_call::{Calls, Event, Meta, Options};
use ringtap_sip::Message;
use ringtap_testkit::alloc::{CountingAllocator, live_bytes, measure, peak_bytes, reset_peak};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const REQUESTS: u32 = 200_000;
const ROOM: usize = 1000;

fn meta(clock_ns: u64) -> Meta {
    let src: SocketAddr = ([10, 0, 0, 1], 5060).into();
    let dst: SocketAddr = ([10, 0, 0, 2], 5060).into();
    Meta {
        ts_ns: clock_ns,
        clock_ns,
        src,
        dst,
        origin: 0,
        vlan: 0,
        tunnel: None,
        tcp: false,
        dscp: 0,
    }
}

fn request(method: &str, n: u32) -> String {
    format!(
        "{method} sip:{n}@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{n}\r\n\
         From: <sip:{n}@a.example>;tag=t{n}\r\nTo: <sip:{n}@b.example>\r\n\
         Call-ID: flood-{n}\r\nCSeq: 1 {method}\r\nContact: <sip:{n}@10.0.0.1>\r\n\
         User-Agent: {}\r\nContent-Length: 0\r\n\r\n",
        "flood ".repeat(100),
    )
}

/// Gives a flood of requests, a tenth of a millisecond apart, to a table with little room.
fn flood(method: &str) {
    let options = Options { transactions_max: ROOM, registrations_max: ROOM, ..Options::default() };
    let (mut calls, mut events) = (Calls::new(options), Vec::new());
    let before = live_bytes();
    reset_peak();
    let mut told = 0;
    for n in 0..REQUESTS {
        let text = request(method, n);
        let now_ns = u64::from(n) * 100_000;
        calls.handle(&meta(now_ns), &Message::parse(text.as_bytes()).unwrap(), &mut events);
        told += events.drain(..).count() as u64;
        let (open, users) = calls.live_outside();
        assert!(open <= ROOM && users <= ROOM);
    }
    calls.flush(&mut events);
    told += events.len() as u64;
    // A few KiB for each that is open, and the memory for stragglers.
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    let counters = calls.outside_counters();
    assert_eq!(counters.messages, u64::from(REQUESTS));
    assert_eq!(counters.in_transaction + counters.refused, u64::from(REQUESTS));
    assert!(counters.refused > 0);
    assert_eq!(told, counters.begun, "each that found room is told");
}

// One test: the peak of memory is that of the process.
#[test]
fn floods_are_bounded_and_repetitions_cost_no_memory() {
    flood("OPTIONS");
    flood("REGISTER");

    let mut calls = Calls::new(Options::default());
    let mut events: Vec<Event> = Vec::new();
    let text = request("OPTIONS", 7);
    calls.handle(&meta(0), &Message::parse(text.as_bytes()).unwrap(), &mut events);
    let ((), counts) = measure(|| {
        for n in 1..10_000 {
            let message = Message::parse(text.as_bytes()).unwrap();
            calls.handle(&meta(n * 1000), &message, &mut events);
        }
    });
    assert!(counts.is_zero(), "{counts:?}");
    calls.flush(&mut events);
    let [Event::Transaction(one)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(one.repetitions, 9_999);
}
