//! One worker, or two by turns, driven by hand: what belongs to whom, and when.
//!
//! Whole captures are replayed in the crate's `tests` folder.

mod limits;
mod live;

use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam::channel::{Receiver, bounded, unbounded};
use ringtap_capture::{Frame, Link};
use ringtap_cdr::record::AfterCall;
use ringtap_cdr::{CallRecord, Record};
use ringtap_testkit::packet::Packet as Datagram;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};

use super::endpoints::endpoint;
use super::exchange::{Exchange, Progress};
use super::record::Recorder;
use super::shard::Shard;
use super::streams::Streams;
use super::upstream::Upstream;
use super::{Pace, Parts, Worker};
use crate::config::Config;
use crate::ledger::{Disposition, Event, Published};
use crate::plant::reader::Tick;
use crate::plant::{SharedPorts, opening, options};
use crate::worker::decode::Decoder;
use crate::writer::Made;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const START: u64 = 1_767_225_600 * SECOND;

/// Workers whose time is told by the test; `ring` notes fit between two of them.
struct Bench {
    workers: Vec<Worker<SharedPorts>>,
    records: Receiver<Made>,
    tick: u64,
}

impl Bench {
    fn new(count: usize, ring: usize, pace: fn() -> Pace) -> Self {
        let mut config = Config::default();
        config.set("custom_headers_cdr", "CSeq", "test").unwrap();
        let [of_calls, of_messages] = options::custom_headers(&config);
        let patient = matches!(pace(), Pace::Files { .. });
        let (made, records) = unbounded();
        let progress = Arc::new(Progress::new(count));
        let worker = |exchange| {
            Worker::new(Parts {
                decoder: Decoder::new(opening(&config), None),
                spread: None,
                streams: Streams::new(options::streams(&config, count, 0)),
                shard: Shard::new(
                    ringtap_call::Calls::new(options::calls(&config))
                        .keeping(of_calls.clone(), of_messages.clone()),
                    Recorder::new(
                        1,
                        0,
                        options::side_tables(&Config::default()),
                        made.clone(),
                        patient,
                    ),
                    0,
                ),
                spool: None,
                exchange,
                progress: Arc::clone(&progress),
                published: Arc::new(Published::default()),
                pace: pace(),
                realm: 0,
            })
        };
        let workers = Exchange::mesh(count, ring, patient).into_iter().map(worker).collect();
        Self { workers, records, tick: 0 }
    }

    fn files() -> Self {
        Self::new(1, 64, Pace::files)
    }

    /// One tick of a single worker that ends at `at`.
    fn tick(&mut self, at: u64, frames: &[Vec<u8>]) {
        self.tick += 1;
        let tick = Tick { number: self.tick, clock_ns: at };
        self.workers[0].tick(tick, frames.iter().map(|bytes| frame(at, bytes)));
    }

    /// Empty ticks until what was said has been heard.
    fn settle(&mut self, at: u64) {
        (0..6).for_each(|_| self.tick(at, &[]));
    }

    /// One live round of every worker; the frames are the first worker's.
    fn round(&mut self, at: u64, frames: &[Vec<u8>]) {
        self.workers[0].frames(frames.iter().map(|bytes| frame(at, bytes)));
        for worker in &mut self.workers {
            worker.round(at + 1, at + 1);
        }
    }

    fn made(&self) -> Vec<Record> {
        self.records.try_iter().map(|made| made.record).collect()
    }

    fn calls(&self) -> Vec<CallRecord> {
        let call = |record| match record {
            Record::Call(call) => *call,
            other => panic!("no call: {other:?}"),
        };
        self.made().into_iter().map(call).collect()
    }

    fn of(&self, what: Disposition) -> u64 {
        self.workers.iter().map(|worker| worker.tally().of(what)).sum()
    }
}

fn frame(at: u64, bytes: &[u8]) -> Frame<'_> {
    let wire_len = bytes.len() as u32;
    Frame { ts: at, clock: at, order: at, origin: 0, link: Link::Ethernet, wire_len, bytes }
}

fn addr(side: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, side], port))
}

/// Packet `n` of the stream from the caller to the called side, and of the given source.
fn rtp(n: u16, ssrc: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let timestamp = u32::from(n) * 160;
    Rtp { payload_type: 0, marker: false, seq: n, timestamp, ssrc }.write(&mut payload);
    payload.resize(172, 0x55);
    Datagram::udp(addr(1, 4000), addr(2, 4000), &payload).build()
}

fn dialog(n: u64) -> Dialog {
    Dialog::new(n, addr(1, 5060), addr(2, 5060))
}

fn sip(dialog: &Dialog, message: &Message<'_>) -> Vec<u8> {
    let (src, dst) = dialog.way(message.from);
    Datagram::udp(src, dst, dialog.text(message).as_bytes()).build()
}

fn invite(n: u64) -> Vec<u8> {
    let media = Media::new(addr(1, 4000), 0, "PCMU/8000");
    sip(&dialog(n), &Message::request(Side::Caller, Method::Invite, 1).media(&media))
}

fn ok(n: u64) -> Vec<u8> {
    let media = Media::new(addr(2, 4000), 0, "PCMU/8000");
    sip(&dialog(n), &Message::response(Side::Called, 200, Method::Invite, 1).media(&media))
}

fn bye(n: u64) -> [Vec<u8>; 2] {
    let bye = Message::request(Side::Caller, Method::Bye, 2);
    [sip(&dialog(n), &bye), sip(&dialog(n), &Message::response(Side::Called, 200, Method::Bye, 2))]
}

#[test]
fn two_packets_are_no_stream_and_three_are_one() {
    for (packets, records) in [(2u16, 0), (3, 1)] {
        let mut bench = Bench::files();
        for n in 0..packets {
            bench.tick(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
        }
        bench.workers[0].finish();
        let made = bench.made();
        assert_eq!(made.len(), records);
        if let Some(Record::Stream(lone)) = made.first() {
            assert_eq!((lone.stream.received, lone.stream.lost), (3, 0), "from the first on");
        }
        let unconfirmed = u64::from(packets) - 3 * records as u64;
        assert_eq!(bench.of(Disposition::RtpUnconfirmed), unconfirmed);
        assert_eq!(bench.workers[0].tally().in_flight(), 0);
    }
}

#[test]
fn rtp_that_begins_shortly_after_its_call_stands_alone_and_names_it() {
    // The call is closed half a second after its BYE was answered.
    for (after_ms, named) in [(1000, true), (10_480, true), (10_500, false), (60_000, false)] {
        let mut bench = Bench::files();
        bench.tick(START, &[invite(1), ok(1)]);
        bench.tick(START + 1000 * MS, &bye(1));
        for n in 0..10u16 {
            let at = START + (1000 + after_ms + u64::from(n) * 20) * MS;
            bench.tick(at, &[rtp(n, 7)]);
        }
        bench.workers[0].finish();
        let made = bench.made();
        let [Record::Call(call), Record::Stream(lone)] = &made[..] else { panic!("{made:#?}") };
        assert_eq!((call.streams.len(), lone.stream.received), (0, 10));
        let named = named.then(|| AfterCall {
            call_key: call.call_key,
            instance: call.instance,
            callid: call.callid.clone(),
        });
        assert_eq!(lone.after, named, "{after_ms} ms");
    }
}

#[test]
fn rtp_before_its_sdp_is_the_calls_and_older_rtp_is_not() {
    for (early_ms, streams) in [(9_000, 1), (15_000, 2)] {
        let mut bench = Bench::files();
        let packets = (early_ms / 20) as u16;
        for n in 0..packets {
            bench.tick(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
        }
        let claimed = START + early_ms * MS;
        bench.tick(claimed, &[invite(1), ok(1)]);
        for n in packets..packets + 50 {
            bench.tick(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
        }
        bench.workers[0].finish();
        let made = bench.made();
        let received = |record: &Record| match record {
            Record::Call(call) => call.streams.iter().map(|s| s.received).sum::<u64>(),
            Record::Stream(lone) => lone.stream.received,
            Record::Vq(_) => 0,
            other => panic!("neither call nor stream: {other:?}"),
        };
        assert_eq!(made.len(), streams, "{made:#?}");
        let all: u64 = made.iter().map(received).sum();
        assert_eq!(all, u64::from(packets) + 50, "no packet is in no record");
    }
}

#[test]
fn a_second_call_on_the_same_ports_cuts_the_stream_where_it_paused() {
    let mut bench = Bench::files();
    bench.tick(START, &[invite(1), ok(1)]);
    bench.settle(START);
    for n in 0..50 {
        bench.tick(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
    }
    let again = START + 1300 * MS;
    bench.tick(again, &[invite(2), ok(2)]);
    for n in 50..80 {
        bench.tick(again + u64::from(n - 49) * 20 * MS, &[rtp(n, 7)]);
    }
    bench.workers[0].finish();
    let mut calls = bench.calls();
    calls.sort_by_key(|call| call.calldate_us);
    let received: Vec<Vec<u64>> =
        calls.iter().map(|c| c.streams.iter().map(|s| s.received).collect()).collect();
    assert_eq!(received, [[50], [30]]);
    assert!(calls.iter().all(|call| call.streams[0].exact && call.streams[0].lost == 0));
    assert!(calls.iter().all(|call| call.streams[0].multi_call), "both were open");
    assert_eq!(bench.workers[0].tally().events_of(Event::InexactSplits), 0);
}

#[test]
fn rtp_after_the_end_is_counted_and_in_no_record() {
    let mut bench = Bench::files();
    bench.tick(START, &[invite(1), ok(1)]);
    bench.settle(START);
    for n in 0..50 {
        bench.tick(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
    }
    bench.tick(START + SECOND, &bye(1));
    bench.tick(START + 2 * SECOND, &[]);
    bench.settle(START + 2 * SECOND);
    for n in 50..60 {
        bench.tick(START + 2 * SECOND + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
    }
    bench.workers[0].finish();
    let calls = bench.calls();
    assert_eq!((calls.len(), calls[0].bye), (1, 3));
    assert_eq!((calls[0].streams[0].received, calls[0].streams[0].multi_call), (50, false));
    assert_eq!((bench.of(Disposition::Rtp), bench.of(Disposition::RtpAfterEnd)), (50, 10));
}

#[test]
fn endpoints_are_told_upstream_once_and_taken_back_at_the_end() {
    let mut bench = Bench::files();
    let (sender, news) = bounded(64);
    bench.workers[0].tell_upstream(sender);
    bench.tick(START, &[invite(1), ok(1), ok(1)]);
    bench.settle(START);
    let places = [addr(1, 4000), addr(1, 4001), addr(2, 4000), addr(2, 4001)].map(endpoint);
    let learned: Vec<Upstream> = news.try_iter().collect();
    assert_eq!(learned, places.map(Upstream::Learn));
    bench.tick(START + SECOND, &bye(1));
    bench.tick(START + 2 * SECOND, &[]);
    bench.settle(START + 2 * SECOND);
    let forgotten: Vec<Upstream> = news.try_iter().collect();
    assert_eq!(forgotten, places.map(Upstream::Forget));
}

#[test]
fn an_idle_worker_neither_holds_calls_up_nor_ends_them() {
    // Two live workers; the second never sees a frame, and calls live at both.
    let mut bench = Bench::new(2, 64, Pace::live);
    let calls = 8;
    for n in 0..calls {
        bench.round(START + n * MS, &[invite(n), ok(n)]);
    }
    for second in 1..200 {
        bench.round(START + second * SECOND, &[]);
    }
    assert_eq!(bench.made().len(), 0, "nobody has hung up, and 200 s are no timeout");
    for n in 0..calls {
        bench.round(START + 200 * SECOND + n * MS, &bye(n));
    }
    for step in 1..10 {
        bench.round(START + 200 * SECOND + step * 200 * MS, &[]);
    }
    let ended = bench.calls();
    assert_eq!(ended.len() as u64, calls);
    assert!(ended.iter().all(|call| call.bye == 3));
}

#[test]
fn a_full_ring_loses_messages_live_and_counts_them() {
    let mut bench = Bench::new(2, 1, Pace::live);
    let frames: Vec<Vec<u8>> = (0..40).map(invite).collect();
    // The second worker does not come to empty its ring.
    bench.workers[0].frames(frames.iter().map(|bytes| frame(START, bytes)));
    bench.workers[0].publish();
    let lost = bench.workers[0].tally().events_of(Event::SipRingFull);
    assert!(lost > 0 && lost < 40, "{lost}");
    bench.round(START + SECOND, &[]);
    let handled: u64 = bench.workers.iter().map(|w| w.tally().events_of(Event::SipMessages)).sum();
    assert_eq!(handled + lost, 40);
    assert_eq!(bench.of(Disposition::SipUdp), 40);
}

#[test]
fn a_record_says_what_the_signalling_said() {
    let mut bench = Bench::files();
    bench.tick(START, &[invite(1)]);
    bench.tick(START + 2 * SECOND, &[ok(1)]);
    let [hang_up, confirmed] = bye(1);
    bench.tick(START + 5 * SECOND, &[hang_up]);
    bench.tick(START + 5 * SECOND + 40 * MS, &[confirmed]);
    bench.workers[0].finish();
    let calls = bench.calls();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    let dialog = &call.dialog;
    assert_eq!((dialog.srd_us, dialog.setup_time_us), (Some(2_000_000), Some(2_000_000)));
    assert_eq!((dialog.sdd_us, dialog.sdt_us), (Some(40_000), Some(3_000_000)));
    assert_eq!((call.post_bye_delay_us, call.bye), (Some(40_000), 3));
    // Both sides named telephone-event, audio was announced, all over UDP.
    assert_eq!(call.flags, Some(1 << 8 | 1 << 9 | 1 << 12 | 1 << 32));
    assert_eq!(dialog.marks, "unacknowledged");
    let tables = &dialog.side_tables;
    let sdp: Vec<_> = tables.sdp.iter().map(|one| one.addr).collect();
    assert_eq!(sdp, [addr(1, 4000), addr(2, 4000)]);
    // By default, the history is of BYE, and responses are not kept.
    let told: Vec<_> =
        tables.history.iter().map(|told| (told.since_us, told.text.as_str())).collect();
    assert_eq!((told, tables.responses.len()), (vec![(5_000_000, "BYE")], 0));
}

#[test]
fn what_is_missing_while_the_sockets_dropped_is_the_sensors() {
    let mut bench = Bench::files();
    bench.tick(START, &[invite(1), ok(1)]);
    for n in 10..300 {
        let at = START + u64::from(n) * 20 * MS;
        // Packets 100 to 104 and 200 are missing; the sockets dropped 40 frames around the first.
        let frames: &[Vec<u8>] =
            if (100..105).contains(&n) || n == 200 { &[] } else { &[rtp(n, 7)] };
        bench.tick(at, frames);
        if n == 110 {
            let ago = |packets: u64| at - packets * 20 * MS;
            bench.workers[0].dropped(ago(12), ago(7), 40);
        }
    }
    bench.workers[0].finish();
    let call = &bench.calls()[0];
    let stream = &call.streams[0];
    let quality = &stream.quality;
    assert_eq!((stream.lost, quality.lost_sensor, quality.lost_mirror), (6, 5, 0));
    assert_eq!(quality.lost_network(stream.lost), 1);
    let [evidence] = quality.evidence[..] else { panic!("{quality:?}") };
    assert_eq!((evidence.lost, evidence.seen), (5, 40));
    assert_eq!(evidence.ts_us, (START + 105 * 20 * MS) / 1000);
}
