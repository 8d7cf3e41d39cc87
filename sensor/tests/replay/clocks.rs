//! Clocks that jump, and times in which nothing comes: a frame hours ahead or behind expires
//! nobody's call, a capture whose clock was set while it ran gives the same calls, what comes after
//! a gap of hours counts from its first packet, and a call that is given up in a gap ends where its
//! media did.

use std::fs::File;
use std::path::Path;

use crate::support::{number, replay};
use ringtap_testkit::pcap;
use ringtap_testkit::traffic::{self, FrameSink, Memory, Plan, Shares};
use serde_json::Value;

const HOUR_NS: i64 = 3_600_000_000_000;

/// The same traffic, each frame's time changed by what `shift` says of its number; ARP frames of
/// a wrong clock in between where `stray` says so.
fn write(
    path: &Path,
    frames: &Memory,
    shift: impl Fn(usize) -> i64,
    stray: impl Fn(usize) -> Option<i64>,
) {
    let mut writer =
        pcap::Writer::new(File::create(path).unwrap(), pcap::Options::default()).unwrap();
    let mut arp = [0u8; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    for (number, (ts_ns, bytes)) in frames.iter().enumerate() {
        if let Some(off) = stray(number) {
            writer.frame(ts_ns.saturating_add_signed(off), &arp).unwrap();
        }
        writer.frame(ts_ns.saturating_add_signed(shift(number)), bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn traffic(seed: u64) -> Memory {
    let plan = Plan { calls: 6, concurrent: 6, seed, ..Plan::default() };
    let mut frames = Memory::default();
    traffic::generate(&plan, &mut frames).unwrap();
    frames
}

/// What must not depend on a clock: how calls ended, and what their streams counted.
fn outcome(records: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = records
        .iter()
        .map(|r| {
            let mut streams: Vec<String> = r["streams"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| format!("{}>{} {} {}", s["sport"], s["dport"], s["received"], s["lost"]))
                .collect();
            streams.sort();
            let end = (&r["bye"], &r["whohanged"], &r["lastSIPresponseNum"]);
            format!("{} {end:?} {streams:?}", r["callid"])
        })
        .collect();
    all.sort();
    all
}

/// Of every stream, whoever claimed it: what it counted, its times and its jitter.
fn streams(records: &[Value]) -> Vec<String> {
    let of_call = |record: &Value| record["streams"].as_array().cloned();
    let streams = records.iter().flat_map(|r| of_call(r).unwrap_or_else(|| vec![r.clone()]));
    let keys = ["first", "last", "ssrc", "sport", "received", "lost", "stray", "jitter_ms_max"];
    let mut all: Vec<String> =
        streams.map(|s| keys.map(|key| s[key].to_string()).join(" ")).collect();
    all.sort();
    all
}

#[test]
fn single_frames_of_a_wrong_clock_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.pcap"), folder.path().join("bad.pcap"));
    let frames = traffic(5);
    write(&good, &frames, |_| 0, |_| None);
    let wrong = |number: usize| match number % 200 {
        50 => Some(10 * HOUR_NS),
        150 => Some(-10 * HOUR_NS),
        _ => None,
    };
    write(&bad, &frames, |_| 0, wrong);
    let (expected, _) = replay(&[&good], 1);
    let expected = expected.well().records();
    for workers in [1, 4] {
        let (said, ledger) = replay(&[&bad], workers);
        let records = said.well().records();
        assert_eq!(records.len(), 6);
        assert_eq!(outcome(&records), outcome(&expected));
        assert!(number(&ledger, "/user/dispositions/not_ip") > 10, "the strays were there");
    }
}

#[test]
fn a_clock_set_back_or_ahead_on_the_way_keeps_the_calls() {
    let folder = tempfile::tempdir().unwrap();
    let (good, set) = (folder.path().join("good.pcap"), folder.path().join("set.pcap"));
    let frames = traffic(5);
    write(&good, &frames, |_| 0, |_| None);
    let (expected, _) = replay(&[&good], 1);
    let expected = outcome(&expected.well().records());
    let half = frames.len() / 2;
    for step in [-HOUR_NS / 2, 90 * 1_000_000_000] {
        write(&set, &frames, |number| if number < half { 0 } else { step }, |_| None);
        for workers in [1, 4] {
            let (said, _) = replay(&[&set], workers);
            assert_eq!(outcome(&said.well().records()), expected, "step {step} ns");
        }
    }
}

/// Two captures in one file, hours apart: the first packets of the second belong to it, although
/// at first nobody can know that their time is true.
#[test]
fn files_glued_together_give_the_records_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (earlier, later) = (traffic(5), traffic(6));
    write(&file("first"), &earlier, |_| 0, |_| None);
    // Whole calls, and media alone: then the packets that are held are those of a stream.
    for kept in [&(|_: &[u8]| true) as &dyn Fn(&[u8]) -> bool, &|bytes| bytes.len() == 214] {
        let (mut second, mut glued) = (Memory::default(), Memory::default());
        for (ts_ns, bytes) in earlier.iter() {
            glued.frame(ts_ns, bytes).unwrap();
        }
        for (ts_ns, bytes) in later.iter().filter(|(_, bytes)| kept(bytes)) {
            second.frame(ts_ns + 10 * HOUR_NS as u64, bytes).unwrap();
            glued.frame(ts_ns + 10 * HOUR_NS as u64, bytes).unwrap();
        }
        write(&file("second"), &second, |_| 0, |_| None);
        write(&file("glued"), &glued, |_| 0, |_| None);
        let streams = |name, workers| streams(&replay(&[&file(name)], workers).0.well().records());
        let mut expected = [streams("first", 1), streams("second", 1)].concat();
        expected.sort();
        for workers in [1, 2, 4] {
            assert_eq!(streams("glued", workers), expected, "{workers} workers");
        }
    }
}

/// A call without BYE ends with its last packet, whether its timeout came in a gap of the file or
/// the file ended before.
#[test]
fn a_call_without_bye_ends_with_its_last_packet() {
    let folder = tempfile::tempdir().unwrap();
    let (brief, long) = (folder.path().join("brief.pcap"), folder.path().join("long.pcap"));
    let shares = Shares { abandoned: 1.0, ..Plan::default().shares };
    let plan =
        Plan { calls: 1, concurrent: 1, talk_ms: 2700, rtcp_ms: 0, shares, ..Plan::default() };
    let mut frames = Memory::default();
    traffic::generate(&plan, &mut frames).unwrap();
    write(&brief, &frames, |_| 0, |_| None);
    let (last_ns, _) = frames.iter().last().unwrap();
    frames.frame(last_ns + HOUR_NS as u64, &[0; 60]).unwrap();
    write(&long, &frames, |_| 0, |_| None);
    for (file, bye) in [(&brief, 1), (&long, 104)] {
        let (said, _) = replay(&[file], 2);
        let records = said.well().records();
        let call = records.iter().find(|record| record["type"] == "call").unwrap();
        let streams = call["streams"].as_array().unwrap();
        let last = streams.iter().map(|stream| stream["last"].as_str().unwrap()).max().unwrap();
        assert_eq!(call["callend"], last, "{call:#}");
        assert_eq!(call["bye"], bye);
    }
}
