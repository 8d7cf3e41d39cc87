//! On the PBX itself: both directions are recorded, and nothing is taken from the host.

mod any;
mod bare;
mod refused;
mod untouched;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use ringtap_testkit::traffic::{Memory, Plan, Truth, generate};
use serde_json::Value;

use crate::compare::{assert_same, expected};
use crate::interfaces::is_upward;
use crate::lab::{FAR, Lab, NEAR};
use crate::run::{endless, while_sending};
use crate::sender::{Lane, send_all};
use crate::sensor::{Files, Sensor, interface, number};

const HOST: &str = "10.55.0.2";
const PEER: &str = "10.55.0.1";
const LIMIT: Duration = Duration::from_secs(10);

fn calls(seed: u64, frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed,
        calls: 12,
        concurrent: 12,
        ramp_ms: 300,
        ring_ms: (50, 150),
        talk_ms: 800,
        rtcp_ms: 200,
        ..Plan::default()
    };
    generate(&plan, frames).expect("the plan is sound")
}

/// What comes to the host, and what it sends itself.
pub(crate) fn both_ways(frames: &Memory) -> [Lane<'_>; 2] {
    let (to, from) = frames.iter().partition(|(_, frame)| is_upward(frame));
    [
        Lane { frames: to, ..Lane::default() },
        Lane { frames: from, by_host: true, ..Lane::default() },
    ]
}

fn sockets(ledger: &Value, key: &str) -> u64 {
    number(&interface(ledger)["sockets"][key])
}

fn is_recorded_whole(how: &str, more: &[&str], said: &str) {
    let Some(lab) = Lab::new() else { return };
    let mut frames = Memory::default();
    let truth = calls(31, &mut frames);
    let files = Files::new(&lab, how);
    let options = [&["--capture", how, "-O", "mode=host"], more].concat();
    let sensor = Sensor::start(&lab, &files, &options);
    assert!(sensor.messages().contains(said), "{}", sensor.messages());
    let lanes = both_ways(&frames);
    let sent = lanes[1].frames.len() as u64;
    assert!(sent > 100 && truth.totals.frames - sent > 100);
    send_all(&lab, &lanes);
    let ledger = sensor.settled(truth.totals.frames);
    let verdicts = &interface(&ledger)["verdicts"];
    let counts = ["sip_udp", "rtp", "rtcp"].map(|key| number(&verdicts[key]));
    assert_eq!(counts, [truth.totals.sip, truth.totals.rtp, truth.totals.rtcp], "{verdicts:#}");
    assert_eq!(sockets(&ledger, "received"), truth.totals.frames);
    assert_eq!(sockets(&ledger, "outgoing"), sent);
    assert_eq!(number(&ledger["user"]["dispositions"]["duplicate"]), 0);
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert_same(&files.calls(), &expected(&truth));
}

#[test]
fn a_hosts_calls_are_recorded_whole_by_tcx() {
    is_recorded_whole("auto", &[], "TCX");
}

#[test]
fn a_hosts_calls_are_recorded_whole_by_several_workers() {
    is_recorded_whole("tcx", &["-O", "workers=3"], "3 in all");
}

#[test]
fn a_hosts_calls_are_recorded_whole_by_packet_sockets() {
    is_recorded_whole("packet", &[], "both directions, filtered in the kernel");
}

#[test]
fn the_end_is_orderly_while_traffic_goes_on() {
    let Some(lab) = Lab::new() else { return };
    let mut frames = Memory::default();
    let truth = endless(&mut frames);
    for how in ["tcx", "packet"] {
        let files = Files::new(&lab, how);
        let mut sensor = Sensor::start(&lab, &files, &["--capture", how, "-O", "mode=host"]);
        while_sending(&lab, &frames, || {
            sensor.status_with("RTP of all calls", |ledger| {
                number(&ledger["user"]["events"]["streams"]) >= 10
            });
            assert_eq!(sensor.end("TERM"), Some(0));
        });
        let messages = sensor.messages();
        assert!(messages.contains("Ledger: balances"), "{messages}");
        assert_eq!(files.calls().len(), truth.calls.len());
    }
}

/// The packets of a call as they were sent, VLAN tags included, which the kernel takes out.
fn tags_stay(how: &str) {
    let Some(lab) = Lab::new() else { return };
    let plan = Plan { calls: 1, ring_ms: (20, 20), talk_ms: 300, ..Plan::default() };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).expect("the plan is sound");
    let tagged = frames.iter().map(|(at, frame)| {
        let mut tagged = frame.to_vec();
        tagged.splice(12..12, [0x81, 0, 0x60, 42]);
        (at, is_upward(frame), tagged)
    });
    let tagged: Vec<_> = tagged.collect();
    let lane = |upward: bool| Lane {
        frames: tagged.iter().filter(|f| f.1 == upward).map(|f| (f.0, &f.2[..])).collect(),
        by_host: !upward,
        ..Lane::default()
    };
    let files = Files::new(&lab, how);
    let sensor = Sensor::start(&lab, &files, &["--capture", how, "-O", "mode=host"]);
    send_all(&lab, &[lane(true), lane(false)]);
    sensor.settled(truth.totals.frames);
    sensor.finish();
    let output = lab.folder().join("call.pcap");
    let (file, spool) = (output.to_string_lossy(), files.spool.to_string_lossy());
    let id = &truth.calls[0].call_id;
    let asked = files.ask(&["pcap", id, "-o", &file, "--spool", &spool]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let mut got = packets(&std::fs::read(&output).expect("a file"));
    let mut sent: Vec<_> = tagged.into_iter().map(|(_, _, frame)| frame).collect();
    got.sort();
    sent.sort();
    assert!(got == sent, "other packets than those sent: {} of {}", got.len(), sent.len());
}

/// The frames of a classic capture file.
fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let (mut all, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let length = word(at + 8) as usize;
        all.push(file[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    all
}

#[test]
fn a_vlan_tag_is_not_lost_by_tcx() {
    tags_stay("tcx");
}

#[test]
fn a_vlan_tag_is_not_lost_by_packet_sockets() {
    tags_stay("packet");
}

/// What the host's own stack hands down: segments longer than any frame, in pieces of memory,
/// without checksums.
#[test]
fn what_the_hosts_stack_sends_is_read_whole() {
    let Some(lab) = Lab::new() else { return };
    lab.near.address(NEAR, &format!("{PEER}/24")).expect("ip can do it");
    lab.far.address(FAR, &format!("{HOST}/24")).expect("ip can do it");
    for how in ["tcx", "packet"] {
        let files = Files::new(&lab, how);
        let options = ["--capture", how, "-O", "mode=host", "-O", "sip-message=yes"];
        let sensor = Sensor::start(&lab, &files, &options);
        let listener = lab.near.run(|| TcpListener::bind((PEER, 5060))).unwrap().unwrap();
        let connect = || TcpStream::connect((PEER, 5060));
        let mut session = lab.far.run(connect).unwrap().unwrap();
        let body = "x".repeat(60_000);
        let message = format!(
            "MESSAGE sip:b@{PEER} SIP/2.0\r\nVia: SIP/2.0/TCP {HOST};branch=z9hG4bK1\r\n\
             From: <sip:a@{HOST}>;tag=1\r\nTo: <sip:b@{PEER}>\r\nCall-ID: long-{how}\r\n\
             CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        session.write_all(message.as_bytes()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let mut heard = vec![0; message.len()];
        peer.read_exact(&mut heard).unwrap();
        assert!(heard == message.as_bytes());
        let ledger = sensor.status_with("the message", |ledger| {
            ledger["balanced"] == true && number(&ledger["user"]["events"]["sip_messages"]) == 1
        });
        let segments = number(&ledger["user"]["dispositions"]["sip_tcp"]);
        let bytes = number(&ledger["user"]["bytes"]);
        println!("{how}: {segments} segments, {bytes} bytes");
        assert!(bytes > 60_000 && segments < 45, "not as the stack hands them down: {ledger:#}");
        sensor.finish();
    }
}
