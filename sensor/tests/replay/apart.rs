//! What is told apart: streams that share addresses, ports or a source, by flow, source, call and
//! realm. Each has its own numbers, so that what one loses is not another's.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::{replay, ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::pcap;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};
use serde_json::Value;

const MS: u64 = 1_000_000;
const START: u64 = 1_767_225_600_000 * MS;
/// Packets of a stream, unless it loses some.
const PACKETS: u16 = 200;

fn host(last: u8, port: u16) -> SocketAddr {
    ([10, 1, 0, last], port).into()
}

/// Frames with their times in ms; they are sorted when they are written.
#[derive(Default)]
struct Script(Vec<(u64, Vec<u8>)>);

impl Script {
    fn udp(&mut self, at_ms: u64, (src, dst): (SocketAddr, SocketAddr), payload: &[u8]) {
        self.0.push((at_ms, Packet::udp(src, dst, payload).build()));
    }

    /// A call of 4.5 s between two media endpoints.
    fn call(&mut self, number: u64, at_ms: u64, [from, to]: [SocketAddr; 2]) {
        let dialog = Dialog::new(number, host(1, 5060), host(2, 5060));
        let [a, b] = [from, to].map(|at| Media::new(at, 0, "PCMU/8000"));
        for (after_ms, message) in [
            (0, Message::request(Side::Caller, Method::Invite, 1).media(&a)),
            (50, Message::response(Side::Called, 200, Method::Invite, 1).media(&b)),
            (60, Message::request(Side::Caller, Method::Ack, 1)),
            (4500, Message::request(Side::Caller, Method::Bye, 2)),
            (4510, Message::response(Side::Called, 200, Method::Bye, 2)),
        ] {
            let text = dialog.text(&message);
            self.udp(at_ms + after_ms, dialog.way(message.from), text.as_bytes());
        }
    }

    /// Four seconds of a source on a flow, from a number on, without every `gone`-th packet.
    fn rtp(&mut self, at_ms: u64, way: (SocketAddr, SocketAddr), ssrc: u32, from: u16, gone: u16) {
        for n in (0..PACKETS).filter(|n| gone == 0 || n % gone != gone / 2) {
            let mut payload = Vec::new();
            let timestamp = u32::from(from) * 1000 + u32::from(n) * 160;
            let seq = from.wrapping_add(n);
            Rtp { payload_type: 0, marker: false, seq, timestamp, ssrc }.write(&mut payload);
            payload.resize(172, 0x7e);
            self.udp(at_ms + u64::from(n) * 20, way, &payload);
        }
    }

    fn write(mut self, path: &Path) {
        self.0.sort_by_key(|(at_ms, _)| *at_ms);
        let file = File::create(path).unwrap();
        let mut writer = pcap::Writer::new(file, pcap::Options::default()).unwrap();
        for (at_ms, frame) in &self.0 {
            writer.frame(START + at_ms * MS, frame).unwrap();
        }
        writer.finish().unwrap();
    }

    /// The calls' streams, the same whoever works on them: call, source, source port, and received,
    /// lost and duplicate packets.
    fn streams(self) -> Vec<(String, u64, u64, [u64; 3])> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("apart.pcap");
        self.write(&path);
        let one = replay(&[&path], 1).0.well();
        assert_eq!(replay(&[&path], 4).0.well().out, one.out, "4 workers");
        let mut all: Vec<_> = one.records().iter().flat_map(streams_of).collect();
        all.sort();
        all
    }
}

fn streams_of(record: &Value) -> Vec<(String, u64, u64, [u64; 3])> {
    assert_eq!(record["type"], "call", "every stream has a call: {record:#}");
    let call = record["caller"].as_str().unwrap();
    let streams = record["streams"].as_array().unwrap().iter().map(|stream| {
        let number = |key: &str| stream[key].as_u64().unwrap();
        let counts = ["received", "lost", "duplicate"].map(number);
        (call.to_owned(), number("ssrc"), number("sport"), counts)
    });
    streams.collect()
}

/// The number of a call's caller.
fn caller(number: u64) -> String {
    Dialog::new(number, host(1, 5060), host(2, 5060)).caller.clone()
}

#[test]
fn sources_on_one_flow_are_streams_of_their_own() {
    let mut script = Script::default();
    let (a, b) = (host(1, 10_000), host(2, 20_000));
    script.call(1, 0, [a, b]);
    // Their numbers overlap: taken for one stream, they would be duplicates and repair each other.
    script.rtp(100, (a, b), 1, 500, 0);
    script.rtp(105, (a, b), 2, 500, 10);
    let of = |ssrc, counts| (caller(1), ssrc, 10_000, counts);
    assert_eq!(script.streams(), [of(1, [200, 0, 0]), of(2, [180, 20, 0])]);
}

#[test]
fn one_source_in_two_calls_at_once_is_two_streams() {
    // A collision of sources (RFC 3550 §8.2), and equal ports on one of the two hosts.
    let mut script = Script::default();
    let (a, b, c) = (host(1, 10_000), host(2, 20_000), host(3, 20_000));
    script.call(1, 0, [a, b]);
    script.call(2, 10, [host(1, 10_002), c]);
    script.rtp(100, (a, b), 7, 500, 0);
    script.rtp(105, (host(1, 10_002), c), 7, 500, 10);
    // The same source the other way as well.
    script.rtp(107, (b, a), 7, 500, 20);
    let mut expected = [
        (caller(1), 7, 10_000, [200, 0, 0]),
        (caller(1), 7, 20_000, [190, 10, 0]),
        (caller(2), 7, 10_002, [180, 20, 0]),
    ];
    expected.sort();
    assert_eq!(script.streams(), expected);
}

#[test]
fn the_next_call_on_the_same_ports_with_the_same_source_is_another_stream() {
    let mut script = Script::default();
    let (a, b) = (host(1, 10_000), host(2, 20_000));
    for (number, at_ms, from, gone) in [(1, 0, 500, 0), (2, 4600, 40_000, 10)] {
        script.call(number, at_ms, [a, b]);
        script.rtp(at_ms + 100, (a, b), 7, from, gone);
    }
    let mut expected = [(caller(1), 7, 10_000, [200, 0, 0]), (caller(2), 7, 10_000, [180, 20, 0])];
    expected.sort();
    assert_eq!(script.streams(), expected);
}

/// Two sensors in two realms, with networks that use the same addresses, and one store.
#[test]
fn equal_calls_in_different_realms_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("calls.db").display());
    let (a, b) = (host(1, 10_000), host(2, 20_000));
    for (realm, gone) in [("realm=1", 0), ("realm=2", 10)] {
        let path = folder.path().join("realm.pcap");
        let mut script = Script::default();
        script.call(1, 0, [a, b]);
        script.rtp(100, (a, b), 7, 500, gone);
        script.write(&path);
        let words = ["replay", "--quiet", "--store", &store, "-O", realm];
        run(ringtap().args(words).arg(&path)).well();
    }
    let listed = run(ringtap().args(["calls", "--format", "json", "--store", &store])).well();
    let mut all: Vec<_> = listed.records().iter().flat_map(streams_of).collect();
    all.sort();
    let of = |counts| (caller(1), 7, 10_000, counts);
    assert_eq!(all, [of([180, 20, 0]), of([200, 0, 0])]);
}
