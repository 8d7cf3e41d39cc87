//! Quality against the truth of the generator and against tshark: loss from none to a fifth,
//! bursts, jitter, reordering, duplicates, wraps, one source for all; and whose loss it was.
//!
//! Each capture is replayed by 1, 2 and 4 workers, whose output must be equal to the byte.
//! Where there is no tshark, only the generator judges.

use std::fs::File;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use crate::support::{capture, replay};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::pcap;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};
use ringtap_testkit::traffic::{self, Loss, Memory, Plan, Shares, StreamTruth, Truth};
use serde_json::Value;

const MS: u64 = 1_000_000;

/// One line of `tshark -z rtp,streams`.
#[derive(Debug)]
struct Line {
    source: (String, u64),
    ssrc: u64,
    packets: u64,
    jitter_avg: f64,
    jitter_max: f64,
}

fn tshark(path: &Path) -> Option<Vec<Line>> {
    let output =
        match Command::new("tshark").arg("-r").arg(path).args(["-q", "-z", "rtp,streams"]).output()
        {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("skipped: no tshark");
                return None;
            }
            Err(error) => panic!("tshark: {error}"),
        };
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter(|line| line.contains("0x"));
    let line = |row: &str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let percent = words.iter().position(|word| word.starts_with('(')).unwrap();
        let number = |at: usize| words[at].parse::<f64>().unwrap();
        Line {
            source: (words[2].into(), words[3].parse().unwrap()),
            ssrc: u64::from_str_radix(&words[6][2..], 16).unwrap(),
            packets: words[percent - 2].parse().unwrap(),
            jitter_avg: number(percent + 5),
            jitter_max: number(percent + 6),
        }
    };
    Some(rows.map(line).collect())
}

/// Records of a file, the same for 1, 2 and 4 workers.
#[track_caller]
fn records(path: &Path) -> Vec<Value> {
    let one = replay(&[path], 1).0.well();
    for workers in [2, 4] {
        assert_eq!(replay(&[path], workers).0.well().out, one.out, "{workers} workers");
    }
    one.records()
}

fn streams(records: &[Value]) -> impl Iterator<Item = &Value> {
    records.iter().flat_map(|record| record["streams"].as_array().unwrap())
}

fn count(stream: &Value, key: &str) -> u64 {
    stream[key].as_u64().unwrap_or_else(|| panic!("{key} in {stream:#}"))
}

fn truths(truth: &Truth) -> impl Iterator<Item = &StreamTruth> {
    truth.calls.iter().flat_map(|call| &call.streams).filter(|stream| stream.received > 0)
}

fn plan(seed: u64) -> Plan {
    let shares = Shares { ipv6: 0.3, pcma: 0.4, early_media: 0.2, ..Shares::default() };
    Plan { seed, calls: 10, concurrent: 5, talk_ms: 4000, rtcp_ms: 1000, shares, ..Plan::default() }
}

/// Counts equal the truth, jitter is tshark's within one per cent.
#[track_caller]
fn check(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traffic.pcap");
    let options = pcap::Options { nanos: true, ..pcap::Options::default() };
    let truth = capture(&path, plan, options);
    let records = records(&path);
    let lines = tshark(&path);
    let mut found = 0;
    for stream in streams(&records) {
        found += 1;
        let source = |s: &&StreamTruth| {
            stream["saddr"] == s.src.ip().to_string()
                && stream["sport"] == s.src.port()
                && stream["ssrc"] == s.ssrc
        };
        let truth = truths(&truth).find(source).expect("a stream that was made");
        let counts = ["received", "lost", "reordered", "duplicate"].map(|key| count(stream, key));
        let wanted = [truth.received, truth.lost_inside, truth.reordered, truth.duplicate];
        assert_eq!(counts, wanted, "{stream:#}");
        let parts = ["lost_sensor", "lost_mirror", "lost_network"].map(|key| count(stream, key));
        assert_eq!(parts, [0, 0, truth.lost_inside], "loss of single streams is the network's");
        let Some(lines) = &lines else { continue };
        let source = (truth.src.ip().to_string(), u64::from(truth.src.port()));
        let same = |line: &&Line| line.source == source && line.ssrc == u64::from(truth.ssrc);
        let line = lines.iter().find(same).expect("tshark knows the stream");
        assert_eq!(line.packets, truth.received + truth.duplicate, "{line:?}");
        for (key, theirs) in
            [("jitter_ms_avg", line.jitter_avg), ("jitter_ms_max", line.jitter_max)]
        {
            let ours = stream[key].as_f64().unwrap();
            // Both print three digits.
            assert!((ours - theirs).abs() <= 0.01 * theirs + 0.0011, "{key} {ours} {line:?}");
        }
    }
    assert_eq!(found, truths(&truth).count());
}

#[test]
fn loss_from_none_to_a_fifth() {
    for (seed, share) in (20..).zip([0.0, 0.001, 0.01, 0.05, 0.2]) {
        check(&Plan { loss: Loss::Independent(share), ..plan(seed) });
        check(&Plan { loss: Loss::Independent(share), jitter_ms: 4.0, ..plan(seed) });
    }
}

#[test]
fn loss_in_bursts() {
    for (seed, burst) in (30..).zip([2.0, 5.0, 12.0]) {
        check(&Plan { loss: Loss::Burst { share: 0.05, burst }, ..plan(seed) });
    }
}

#[test]
fn jitter_and_reordering_and_duplicates() {
    for (seed, jitter_ms) in (40..).zip([0.5, 3.0, 15.0]) {
        check(&Plan { jitter_ms, ..plan(seed) });
    }
    // Where jitter is large, packets lie so close that tshark's last ones differ from ours.
    check(&Plan { reorder: 0.05, reorder_depth: 1, ..plan(44) });
    let quiet = Plan { mirror: 0.0, ..plan(45) };
    check(&Plan { duplicates: 0.02, ..quiet });
}

#[test]
fn wraps_and_one_source_for_all() {
    let rough = Plan { loss: Loss::Independent(0.02), jitter_ms: 2.0, wrap: true, ..plan(50) };
    check(&rough);
    check(&Plan { ssrc_reuse: true, ..rough });
}

/// The sending address and port of an RTP frame (IPv4 without tags), if it is one.
fn rtp(frame: &[u8]) -> Option<(IpAddr, u16)> {
    let header = frame.get(42..54)?;
    let is_rtp = frame[12..14] == [8, 0] && frame[23] == 17 && header[0] >> 6 == 2;
    let is_rtcp = (200..=207).contains(&header[1]);
    let port = u16::from_be_bytes([frame[34], frame[35]]);
    let address = [frame[26], frame[27], frame[28], frame[29]];
    (is_rtp && !is_rtcp).then(|| (address.into(), port))
}

/// Traffic of 12 calls at once, without the RTP that `gone` takes away; what it took, by
/// sender.
fn mutilated(path: &Path, plan: &Plan, gone: impl Fn(u64, u16) -> bool) -> Vec<(IpAddr, u16)> {
    let mut frames = Memory::default();
    traffic::generate(plan, &mut frames).unwrap();
    let options = pcap::Options { nanos: true, ..pcap::Options::default() };
    let mut writer = pcap::Writer::new(File::create(path).unwrap(), options).unwrap();
    let mut taken = Vec::new();
    for (ts_ns, frame) in frames.iter() {
        match rtp(frame) {
            Some(from) if gone(ts_ns - plan.start_ns, from.1) => taken.push(from),
            _ => writer.frame(ts_ns, frame).unwrap(),
        }
    }
    writer.finish().unwrap();
    taken
}

fn crowd(seed: u64) -> Plan {
    Plan {
        seed,
        calls: 12,
        concurrent: 12,
        ramp_ms: 500,
        talk_ms: 9000,
        ring_ms: (300, 500),
        ..Plan::default()
    }
}

#[test]
fn what_all_streams_lose_at_once_is_the_mirrors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outages.pcap");
    let outages = [(4000, 4007), (5000, 5130), (6500, 6900)];
    let in_outage = |at_ns: u64, _| {
        outages.iter().any(|(from, until)| (from * MS..until * MS).contains(&at_ns))
    };
    let plan = Plan { loss: Loss::Independent(0.01), ..crowd(60) };
    let taken = mutilated(&path, &plan, in_outage);
    let records = records(&path);
    let (mut mirror, mut network) = (0, 0);
    for stream in streams(&records) {
        let from =
            (stream["saddr"].as_str().unwrap().parse().unwrap(), count(stream, "sport") as u16);
        let gone = taken.iter().filter(|one| **one == from).count() as u64;
        let blamed = count(stream, "lost_mirror");
        // The outage of 7 ms hits a third of the streams only: too few to be sure. At the edge of
        // an outage a packet may have been lost on the way as well.
        assert!(blamed + 1 >= gone.saturating_sub(1) && blamed <= gone + 2, "{gone} {stream:#}");
        assert_eq!(count(stream, "lost_network") + blamed, count(stream, "lost"));
        let evidence = stream["loss_evidence"].as_array().unwrap();
        assert!((2..=4).contains(&evidence.len()), "{evidence:?}");
        for one in evidence {
            assert_eq!(one["cause"], "mirror");
            assert!(one["seen"].as_u64() >= Some(12) && one["of"] == 24, "{one}");
        }
        mirror += blamed;
        network += count(stream, "lost_network");
    }
    assert!(mirror > 24 * 24 && network > 24, "{mirror} {network}");
}

#[test]
fn what_a_few_streams_lose_at_once_is_the_networks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trunk.pcap");
    // Every fourth sender loses 200 ms.
    let gone = |at_ns: u64, port: u16| {
        (5000 * MS..5200 * MS).contains(&at_ns) && (port / 2).is_multiple_of(4)
    };
    let taken = mutilated(&path, &crowd(61), gone);
    assert!(!taken.is_empty());
    for stream in streams(&records(&path)) {
        assert_eq!((count(stream, "lost_mirror"), count(stream, "lost_sensor")), (0, 0));
    }
}

#[test]
fn digits_are_no_jitter_though_tshark_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digits.pcap");
    let shares = Shares { dtmf: 1.0, ..Shares::default() };
    capture(&path, &Plan { shares, ..plan(70) }, pcap::Options::default());
    let records = records(&path);
    let lines = tshark(&path);
    for stream in streams(&records) {
        // Packets are sent and come 20 ms apart: nothing varies.
        assert!(stream["jitter_ms_max"].as_f64() < Some(0.01), "{stream:#}");
        let source = (stream["saddr"].as_str().unwrap().to_owned(), count(stream, "sport"));
        let line = lines.iter().flatten().find(|line| line.source == source);
        if stream["side"] == "caller"
            && let Some(line) = line
        {
            assert!(line.jitter_max > 1.0, "{line:?}");
        }
    }
}

#[test]
fn each_payload_has_its_clock() {
    let folder = tempfile::tempdir().unwrap();
    let clocks = [
        (9, "G722/8000", 8000),
        (97, "opus/48000/2", 48_000),
        (98, "AMR-WB/16000", 16_000),
        (18, "G729/8000", 8000),
        (99, "H264/90000", 90_000),
    ];
    for (payload_type, rtpmap, rate) in clocks {
        let path = folder.path().join("clock.pcap");
        let mut writer =
            pcap::Writer::new(File::create(&path).unwrap(), pcap::Options::default()).unwrap();
        let start_ns = Plan::default().start_ns;
        let (src, dst) = (([10, 0, 0, 1], 10_000).into(), ([10, 0, 0, 2], 20_000).into());
        let dialog = Dialog::new(1, ([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
        let (a, b) = (Media::new(src, payload_type, rtpmap), Media::new(dst, payload_type, rtpmap));
        let invite = Message::request(Side::Caller, Method::Invite, 1).media(&a);
        let ok = Message::response(Side::Called, 200, Method::Invite, 1).media(&b);
        for (at_ms, message) in [(0, invite), (10, ok)] {
            let (from, to) = dialog.way(message.from);
            let frame = Packet::udp(from, to, dialog.text(&message).as_bytes()).build();
            writer.frame(start_ns + at_ms * MS, &frame).unwrap();
        }
        for number in 0..500u32 {
            let mut payload = Vec::new();
            let timestamp = number * (rate / 50);
            let seq = number as u16;
            Rtp { payload_type, marker: false, seq, timestamp, ssrc: 7 }.write(&mut payload);
            payload.resize(60, 0x55);
            let late_us = u64::from(number * number % 13) * 700;
            let at_ns = start_ns + 100 * MS + u64::from(number) * 20 * MS + late_us * 1000;
            writer.frame(at_ns, &Packet::udp(src, dst, &payload).build()).unwrap();
        }
        writer.finish().unwrap();
        let records = records(&path);
        let stream = streams(&records).next().expect(rtpmap);
        assert_eq!(count(stream, "clock_rate"), u64::from(rate), "{rtpmap}");
        assert_eq!(stream["codec"], rtpmap.split('/').next().unwrap());
        assert_eq!(count(stream, "rtp_ptime"), 20);
        let Some(lines) = tshark(&path) else { continue };
        let [line] = &lines[..] else { panic!("{lines:?}") };
        for (key, theirs) in
            [("jitter_ms_avg", line.jitter_avg), ("jitter_ms_max", line.jitter_max)]
        {
            let ours = stream[key].as_f64().unwrap();
            assert!((ours - theirs).abs() <= 0.01 * theirs + 0.0011, "{rtpmap} {ours} {line:?}");
        }
    }
}
