//! A worker in steady state asks for no memory: a million packets of a thousand streams, whose
//! calls are known, with the spool on.
//!
//! Only the worker's thread is looked at; the spool's own thread may do as it likes. What calls
//! and streams cost when they begin and end is not the matter here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::net::SocketAddr;
use std::path::Path;

use ringtap::config::Config;
use ringtap::ledger::Disposition;
use ringtap::plant::reader::{TICK_NS, Tick};
use ringtap::plant::{Kind, Stations, options};
use ringtap_capture::{Frame, Link};
use ringtap_cdr::Record;
use ringtap_testkit::alloc::{CountingAllocator, measure};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CALLS: u16 = 500;
/// Ticks until everything has its place: table, chunks, intervals.
const WARM_UP: u64 = 300;
/// Ticks that are measured: 1,000 streams send one packet in each.
const MEASURED: u64 = 1000;
const START_NS: u64 = 1_767_225_600_000_000_000;
/// Ethernet, IPv4 and UDP headers.
const RTP_AT: usize = 42;

fn addr(side: u8, call: u16, port: u16) -> SocketAddr {
    let [high, low] = call.to_be_bytes();
    SocketAddr::from(([10, side, high, low], port))
}

/// INVITE and 200 of every call.
fn signalling() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for call in 0..CALLS {
        let dialog = Dialog::new(u64::from(call), addr(1, call, 5060), addr(2, call, 5060));
        let caller = Media::new(addr(1, call, 10_000), 0, "PCMU/8000");
        let called = Media::new(addr(2, call, 10_000), 0, "PCMU/8000");
        let invite = Message::request(Side::Caller, Method::Invite, 1).media(&caller);
        let ok = Message::response(Side::Called, 200, Method::Invite, 1).media(&called);
        for message in [invite, ok] {
            let (src, dst) = dialog.way(message.from);
            frames.push(Packet::udp(src, dst, dialog.text(&message).as_bytes()).build());
        }
    }
    frames
}

/// One packet of every stream; [`advance`] makes it the next.
fn media() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for (call, (from, to)) in (0..CALLS).flat_map(|call| [(call, (1, 2)), (call, (2, 1))]) {
        let ssrc = u32::from(call) << 8 | u32::from(from);
        let mut payload = Vec::new();
        let rtp = Rtp { payload_type: 0, marker: false, seq: 0, timestamp: 0, ssrc };
        rtp.write(&mut payload);
        payload.resize(172, 0x7e);
        let (src, dst) = (addr(from, call, 10_000), addr(to, call, 10_000));
        frames.push(Packet::udp(src, dst, &payload).build());
    }
    frames
}

fn advance(frames: &mut [Vec<u8>], tick: u64) {
    for frame in frames {
        frame[RTP_AT + 2..RTP_AT + 4].copy_from_slice(&(tick as u16).to_be_bytes());
        let timestamp = (tick as u32).wrapping_mul(160);
        frame[RTP_AT + 4..RTP_AT + 8].copy_from_slice(&timestamp.to_be_bytes());
    }
}

/// The frames of one tick, evenly spread over it.
fn frames<'a>(bytes: &'a [Vec<u8>], tick: &Tick) -> impl Iterator<Item = Frame<'a>> {
    let start_ns = tick.clock_ns - TICK_NS;
    let (number, step_ns) = (tick.number, TICK_NS / bytes.len() as u64);
    (0u64..).zip(bytes).map(move |(index, bytes)| Frame {
        ts: start_ns + index * step_ns,
        clock: start_ns + index * step_ns,
        order: number * 10_000 + index,
        origin: 0,
        link: Link::Ethernet,
        wire_len: bytes.len() as u32,
        bytes,
    })
}

fn tick(number: u64) -> Tick {
    Tick { number, clock_ns: START_NS + number * TICK_NS }
}

fn stations(folder: &Path) -> Stations {
    let mut config = Config::default();
    options::save_all(&mut config, folder);
    Stations::build(&config, &[1], Kind::Files).unwrap()
}

#[test]
fn a_million_packets_of_a_thousand_streams_ask_for_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut stations = stations(&folder.path().join("spool"));
    let mut worker = stations.workers.remove(0);
    let (signalling, mut media) = (signalling(), media());
    assert_eq!(media.len(), 1000);
    worker.tick(tick(1), frames(&signalling, &tick(1)));
    for number in 2..=WARM_UP {
        advance(&mut media, number);
        worker.tick(tick(number), frames(&media, &tick(number)));
    }
    let before = worker.tally().of(Disposition::Rtp);

    let ((), counts) = measure(|| {
        for number in WARM_UP + 1..=WARM_UP + MEASURED {
            advance(&mut media, number);
            worker.tick(tick(number), frames(&media, &tick(number)));
        }
    });
    assert_eq!(worker.tally().of(Disposition::Rtp) - before, 1_000_000);
    assert_eq!((counts.allocations, counts.reallocations), (0, 0), "{counts:?}");

    // That it was real work: every packet is in a record and in the spool.
    worker.finish();
    drop(worker);
    let sent = WARM_UP - 1 + MEASURED;
    let mut calls = 0;
    for made in stations.records.try_iter() {
        let Record::Call(call) = made.record else { panic!("a stream that no call claimed") };
        calls += 1;
        let received: Vec<u64> = call.streams.iter().map(|stream| stream.received).collect();
        assert_eq!(received, [sent, sent]);
    }
    assert_eq!(calls, CALLS);
    let spool = stations.spool.take().unwrap().seal().unwrap();
    assert_eq!(spool.stored, 1000 * sent + 2 * u64::from(CALLS));
    assert_eq!(spool.offered, spool.stored);
}
