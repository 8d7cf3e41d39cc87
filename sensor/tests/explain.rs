//! `ringtap replay --explain`: what is said of generated captures, whole, cut, filtered and
//! broken.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::pcap;
use ringtap_testkit::traffic::{Memory, Plan, Shares, generate};
use serde_json::Value;
use support::{Said, ringtap, run};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A capture of the frames that `keep` makes of the plan's.
    fn capture(
        &self,
        plan: &Plan,
        options: pcap::Options,
        keep: impl Fn(u64, &[u8]) -> Option<(u64, Vec<u8>)>,
    ) -> PathBuf {
        let mut frames = Memory::default();
        generate(plan, &mut frames).unwrap();
        let path = self.path("capture.pcap");
        let mut writer = pcap::Writer::new(File::create(&path).unwrap(), options).unwrap();
        for (ts, frame) in frames.iter().filter_map(|(ts, frame)| keep(ts, frame)) {
            writer.frame(ts, &frame).unwrap();
        }
        writer.finish().unwrap();
        path
    }
}

fn plan() -> Plan {
    Plan { calls: 6, concurrent: 3, talk_ms: 2500, rtcp_ms: 500, ..Plan::default() }
}

fn all(ts: u64, frame: &[u8]) -> Option<(u64, Vec<u8>)> {
    Some((ts, frame.to_vec()))
}

/// IPv4 without VLAN.
fn port(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

fn is_sip(frame: &[u8]) -> bool {
    port(frame, 34) == 5060 || port(frame, 36) == 5060
}

fn explain(path: &Path, options: &[&str]) -> Said {
    let mut command = ringtap();
    command.args(["replay", "--explain", "--format", "json"]).args(options);
    run(command.arg(path))
}

/// The finding about this that has these words.
#[track_caller]
fn one(said: &Said, about: &str, words: &str) -> Value {
    let all = said.records();
    let about = format!("capture {about}");
    let hit = all.iter().find(|one| {
        one["about"] == about.as_str() && one["what"].as_str().unwrap().contains(words)
    });
    hit.unwrap_or_else(|| panic!("no {about:?} with {words:?} in {}", said.out)).clone()
}

#[track_caller]
fn state(said: &Said, about: &str, words: &str) -> String {
    one(said, about, words)["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_good_capture_is_described_and_nothing_is_stored() {
    let place = Place::new();
    let path = place.capture(&plan(), pcap::Options::default(), all);
    let said = explain(&path, &[]).well();
    for one in said.records() {
        assert!(one["state"] == "ok" || one["state"] == "note", "{one}");
    }
    one(&said, "records", "6 calls, 6 of them answered, with 12 streams; 0 streams");
    one(&said, "rtp", "12 streams");
    one(&said, "directions", "both");
    // The same whatever the number of workers, and by standard input.
    assert_eq!(explain(&path, &["--workers", "1"]).out, said.out);
    let mut command = ringtap();
    command.args(["replay", "--explain", "--format", "json", "-"]);
    let piped = run(command.stdin(File::open(&path).unwrap()));
    assert_eq!(piped.out, said.out);
    let lines = run(ringtap().args(["replay", "--explain"]).arg(&path)).well();
    assert_eq!(lines.out.lines().count(), said.out.lines().count());
    assert!(lines.out.starts_with("ok       capture frames"), "{}", lines.out);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
}

#[test]
fn what_the_configuration_leaves_out_is_named() {
    let place = Place::new();
    let path = place.capture(&plan(), pcap::Options::default(), all);
    let said = explain(&path, &["-O", "sipport=5070", "-O", "media_ports=1024-1030"]);
    assert_eq!(said.code, 0);
    let sip = one(&said, "sip elsewhere", "on UDP port 5060");
    assert_eq!(sip["do"], "set `sipport = 5070,5060`");
    one(&said, "rtp elsewhere", "12 streams of RTP");
    one(&said, "records", "0 calls");
    let path = place.capture(&plan(), pcap::Options::default(), |ts, frame| {
        Some((ts, Wrap::VxlanOther.wrap(frame)))
    });
    let said = explain(&path, &[]);
    assert_eq!(state(&said, "tunnel", "to port 8472 look like VXLAN"), "warning");
    let said = explain(&path, &["-O", "udp_port_vxlan=8472"]);
    assert_eq!(state(&said, "tunnel", "out of VXLAN"), "ok");
    one(&said, "records", "6 calls");
}

#[test]
fn captures_that_lack_something_say_what() {
    let place = Place::new();
    let whole = pcap::Options::default;
    let media =
        place.capture(&plan(), whole(), |ts, frame| (!is_sip(frame)).then(|| (ts, frame.to_vec())));
    let said = explain(&media, &[]);
    assert_eq!(state(&said, "sip", "no SIP"), "warning");
    assert_eq!(state(&said, "records", "12 streams without a call"), "warning");
    let sip =
        place.capture(&plan(), whole(), |ts, frame| is_sip(frame).then(|| (ts, frame.to_vec())));
    let said = explain(&sip, &[]);
    assert_eq!(state(&said, "records", "6 answered calls without any RTP"), "warning");
    let more = Plan { calls: 10, ..plan() };
    let half = place.capture(&more, whole(), |ts, frame| {
        (frame[26..30] < frame[30..34]).then(|| (ts, frame.to_vec()))
    });
    let said = explain(&half, &[]);
    assert_eq!(state(&said, "directions", "one direction of SIP"), "warning");
    assert_eq!(state(&said, "directions", "none of 10 streams"), "warning");
    let short = pcap::Options { snaplen: 200, ..whole() };
    let cut = place.capture(&plan(), short, all);
    let said = explain(&cut, &[]);
    assert_eq!(one(&said, "length", "at 200 bytes")["state"], "warning");
}

#[test]
fn copies_and_jumps_of_the_clock_are_told() {
    let place = Place::new();
    let doubled = Plan { mirror: 0.5, ..plan() };
    let path = place.capture(&doubled, pcap::Options::default(), all);
    let said = explain(&path, &[]);
    assert_eq!(state(&said, "copies", "are copies"), "note");
    let said = explain(&path, &["-O", "deduplicate=no"]);
    assert_eq!(state(&said, "copies", "are copies"), "warning");
    let start = Plan::default().start_ns;
    let jump = |ts: u64, frame: &[u8]| {
        let late = if ts > start + 2_000_000_000 { 86_400_000_000_000 } else { 0 };
        Some((ts + late, frame.to_vec()))
    };
    let plan = Plan { shares: Shares::default(), ..plan() };
    let said = explain(&place.capture(&plan, pcap::Options::default(), jump), &[]);
    assert_eq!(state(&said, "clock", "1 jumps of its clock"), "warning");
}

#[test]
fn broken_files_are_findings_or_one_line() {
    let place = Place::new();
    let path = place.capture(&plan(), pcap::Options::default(), all);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 7);
    fs::write(&path, &bytes).unwrap();
    let said = explain(&path, &[]);
    assert_eq!((said.code, state(&said, "file", "damaged").as_str()), (0, "warning"));
    let step = bytes.len() / 60;
    for at in (24..bytes.len()).step_by(step.max(1)) {
        let mut broken = bytes.clone();
        broken[at..].iter_mut().step_by(97).for_each(|byte| *byte ^= 0xa5);
        fs::write(&path, &broken).unwrap();
        let said = explain(&path, &[]);
        assert!(said.code < 2 && !said.err.contains("panicked"), "{at}: {said:?}");
        assert!(!said.records().is_empty());
    }
    fs::write(&path, &bytes[..24]).unwrap();
    let said = explain(&path, &[]);
    assert_eq!((said.code, state(&said, "frames", "no frame").as_str()), (1, "problem"));
    fs::write(&path, b"no capture at all").unwrap();
    explain(&path, &[]).one_line_with("not a pcap");
}

#[test]
fn what_explaining_cannot_do_is_wrong_usage() {
    let place = Place::new();
    let path = place.capture(&plan(), pcap::Options::default(), all);
    for other in [&["--store", "sqlite:x"][..], &["--spool", "x"], &["--quiet"], &["--intervals"]] {
        let said = run(ringtap().args(["replay", "--explain"]).args(other).arg(&path));
        assert_eq!(said.code, 2, "{said:?}");
    }
    let mut csv = ringtap();
    run(csv.args(["replay", "--explain", "--format", "csv"]).arg(&path)).one_line_with("CSV");
}
