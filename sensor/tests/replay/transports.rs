//! However SIP travels, the records are the same: TCP in any segmentation, WebSocket, fragments;
//! in `tunnels`, the same of everything.
//!
//! The truth of the generator is compared elsewhere; here one capture is compared with another
//! whose SIP was carried otherwise.

mod tunnels;

use std::path::Path;

use crate::support::{number, replay};
use ringtap_testkit::packet::{Packet, TCP_ACK, TCP_SYN};
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::traffic::{self, Carrier, Carry, FrameSink, Plan, Shares, websocket_frame};
use serde_json::Value;

fn plan() -> Plan {
    let shares = Shares {
        busy: 0.1,
        cancelled: 0.1,
        rejected: 0.1,
        auth: 0.3,
        reinvite: 0.3,
        early_media: 0.3,
        called_hangs_up: 0.4,
        ipv6: 0.4,
        ..Shares::default()
    };
    Plan { seed: 31, calls: 12, concurrent: 6, talk_ms: 1000, shares, ..Plan::default() }
}

/// The plan's traffic in a file, its SIP carried like this.
fn capture(path: &Path, how: Option<Carry>) {
    let options = Options { nanos: true, ..Options::default() };
    let mut file = Writer::new(std::fs::File::create(path).unwrap(), options).unwrap();
    match how {
        None => traffic::generate(&plan(), &mut file).unwrap(),
        Some(how) => traffic::generate(&plan(), &mut Carrier::new(&mut file, how)).unwrap(),
    };
    file.finish().unwrap();
}

#[test]
fn the_way_of_sip_does_not_show_in_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("udp.pcap");
    capture(&path, None);
    let (udp, ledger) = replay(&[&path], 2);
    let udp = udp.well();
    let messages = number(&ledger, "/user/events/sip_messages");
    assert_eq!(udp.records().len() as u64, plan().calls);
    for how in [
        Carry::Tcp,
        Carry::TcpMidstream,
        Carry::TcpShuffled,
        Carry::WebSocket,
        Carry::WebSocketPieces,
        Carry::WebSocketMidstream,
        Carry::Fragments,
    ] {
        let path = folder.path().join(format!("{how:?}.pcap"));
        capture(&path, Some(how));
        for workers in [1, 2, 4] {
            let (said, ledger) = replay(&[&path], workers);
            let said = said.well();
            same(&said.records(), &udp.records(), &format!("{how:?}, {workers} workers"));
            assert_eq!(ledger["balanced"], true);
            let event = |name: &str| number(&ledger, &format!("/user/events/{name}"));
            assert_eq!(event("sip_messages"), messages, "{how:?}");
            assert_eq!((event("tcp_holes"), event("tcp_unreadable")), (0, 0), "{how:?}");
            let seen = (event("websocket_messages"), event("tcp_midstream") > 0);
            let expected = match how {
                Carry::WebSocket | Carry::WebSocketPieces => (messages, false),
                Carry::WebSocketMidstream => (messages, true),
                Carry::TcpMidstream => (0, true),
                _ => (0, false),
            };
            assert_eq!(seen, expected, "{how:?}");
        }
    }
}

/// Equal records, but for the flags, which name the transport; shows the columns that differ.
#[track_caller]
fn same(got: &[Value], wanted: &[Value], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (got, wanted) in got.iter().zip(wanted) {
        let (got, wanted) = (got.as_object().unwrap(), wanted.as_object().unwrap());
        for (key, wanted) in wanted.iter().filter(|(key, _)| *key != "flags") {
            assert_eq!(got.get(key), Some(wanted), "{what}: {key} of {}", got["callid"]);
        }
    }
}

/// A connection of one direction, byte by byte under the test's control.
struct Connection<'a> {
    sink: &'a mut dyn FrameSink,
    ts_ns: u64,
    seq: u32,
}

impl Connection<'_> {
    fn send(&mut self, flags: u8, bytes: &[u8]) -> &mut Self {
        let (src, dst) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
        let packet = Packet::tcp(src, dst, self.seq, 1, flags, bytes).ip_id(self.seq);
        self.sink.frame(self.ts_ns, &packet.build()).unwrap();
        self.ts_ns += 10_000_000;
        self.skip(bytes.len() + usize::from(flags & TCP_SYN != 0))
    }

    fn skip(&mut self, bytes: usize) -> &mut Self {
        self.seq += bytes as u32;
        self
    }
}

fn invite(call_id: &str, more: &str) -> Vec<u8> {
    format!(
        "INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{call_id}\r\n\
         From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\n{more}\r\n"
    )
    .into_bytes()
}

fn replayed(make: impl FnOnce(&mut Connection<'_>)) -> (Vec<String>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.pcap");
    let file = std::fs::File::create(&path).unwrap();
    let mut file = Writer::new(file, Options::default()).unwrap();
    make(&mut Connection { sink: &mut file, ts_ns: 1_700_000_000_000_000_000, seq: 1000 });
    file.finish().unwrap();
    let (said, ledger) = replay(&[&path], 1);
    assert_eq!(ledger["balanced"], true);
    let mut ids: Vec<String> = said
        .well()
        .records()
        .iter()
        .map(|record| record["callid"].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    (ids, ledger["user"]["events"].clone())
}

#[test]
fn a_lost_segment_costs_the_messages_it_touches() {
    let (ids, events) = replayed(|connection| {
        let (first, second) = (invite("one", "l: 0\r\n"), invite("two", "l: 0\r\n"));
        connection.send(TCP_SYN, b"").send(TCP_ACK, &first[..50]).skip(first.len() - 50 + 700);
        connection.send(TCP_ACK, b"the end of a lost one\r\n").send(TCP_ACK, &second);
    });
    assert_eq!(ids, ["two"]);
    assert_eq!((&events["tcp_holes"], &events["tcp_resyncs"]), (&1.into(), &1.into()));
}

#[test]
fn wrong_lengths_cost_no_message() {
    let (ids, events) = replayed(|connection| {
        connection.send(TCP_SYN, b"");
        // Too much, none, several messages in a segment, and a body that never comes.
        connection.send(TCP_ACK, &[invite("much", "l: 70\r\n"), b"short".to_vec()].concat());
        connection.send(TCP_ACK, &[invite("none", ""), invite("more", "l: 0\r\n")].concat());
        connection.send(TCP_ACK, &invite("last", "Content-Length: 500\r\n"));
    });
    assert_eq!(ids, ["last", "more", "much", "none"]);
    assert_eq!((&events["tcp_cut"], &events["tcp_no_length"]), (&2.into(), &1.into()));
}

#[test]
fn what_cannot_be_read_of_a_websocket_is_counted() {
    let (ids, events) = replayed(|connection| {
        let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        connection.send(TCP_SYN, b"").send(TCP_ACK, upgrade);
        connection.send(TCP_ACK, &websocket_frame(0xc1, Some([1; 4]), b"deflated"));
        connection.send(TCP_ACK, &websocket_frame(0x81, Some([1; 4]), b"{\"chat\":1}"));
        connection.send(TCP_ACK, &websocket_frame(0x81, Some([1; 4]), &invite("a", "")));
    });
    assert_eq!(ids, ["a"]);
    let counted =
        ["compressed", "messages", "upgrades"].map(|name| &events[&*format!("websocket_{name}")]);
    assert_eq!(counted, [&Value::from(1), &2.into(), &1.into()]);
    assert_eq!(events["tcp_unreadable"], 1);
}
