//! Files of every kind, whole and broken: the same calls from each, and one clear line about
//! what cannot be read.
//!
//! The real captures are used where they lie; they are no part of the project.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{capture, number, real_captures, replay, ringtap, run};
use ringtap_testkit::pcap::{Kind, Options};
use ringtap_testkit::traffic::{Loss, Plan};
use serde_json::Value;

/// More resident memory than this no file may take.
const RSS_MAX_KIB: u64 = 400 * 1024;

fn plan() -> Plan {
    let loss = Loss::Independent(0.02);
    Plan { seed: 21, calls: 6, concurrent: 3, talk_ms: 2000, loss, ..Plan::default() }
}

/// Records without what depends on the resolution of the file's stamps.
fn essence(records: &[Value]) -> Vec<String> {
    let stream =
        |s: &Value| format!("{} {} {} {}", s["ssrc"], s["received"], s["lost"], s["sport"]);
    let essence = |r: &Value| {
        let streams: Vec<String> = r["streams"].as_array().unwrap().iter().map(stream).collect();
        format!("{} {} {} {streams:?}", r["callid"], r["lastSIPresponseNum"], r["bye"])
    };
    records.iter().map(essence).collect()
}

#[test]
fn the_same_calls_from_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = None;
    for kind in [Kind::Pcap, Kind::Pcapng] {
        for (nanos, big_endian) in [(false, false), (false, true), (true, false), (true, true)] {
            let options = Options { kind, nanos, big_endian, ..Options::default() };
            let path = folder.path().join(format!("{kind:?}-{nanos}-{big_endian}"));
            let truth = capture(&path, &plan(), options);
            let (said, ledger) = replay(&[&path], 2);
            let said = said.well();
            assert_eq!(said.err, "");
            assert_eq!(number(&ledger, "/file_frames"), truth.totals.frames);
            let records = said.records();
            assert_eq!(records.len() as u64, truth.totals.calls);
            let essence = essence(&records);
            assert_eq!(*first.get_or_insert_with(|| essence.clone()), essence, "{options:?}");
        }
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.pcapng");
    capture(&path, &plan(), Options { kind: Kind::Pcapng, ..Options::default() });
    let (named, _) = replay(&[&path], 1);
    let mut command = ringtap();
    command.args(["replay", "--format", "json", "-"]).stdin(File::open(&path).unwrap());
    assert_eq!(run(&mut command).well().out, named.well().out);
}

#[test]
fn a_cut_file_gives_the_calls_up_to_the_cut_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [(Kind::Pcap, "cut.pcap"), (Kind::Pcapng, "cut.pcapng")] {
        let path = folder.path().join(name);
        let truth = capture(&path, &plan(), Options { kind, ..Options::default() });
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2 + 3]).unwrap();
        let (said, ledger) = replay(&[&path], 2);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(said.err.contains(name), "{}", said.err);
        assert_eq!(ledger["balanced"], true);
        let frames = number(&ledger, "/file_frames");
        assert!(frames > truth.totals.frames / 4 && frames < truth.totals.frames * 3 / 4);
        let records = said.records();
        let ended = |r: &&Value| r["bye"] == 3;
        let whole = records.iter().filter(ended).count();
        assert!(whole > 0 && whole < truth.calls.len(), "{whole} calls before the cut");
        for record in records.iter().filter(ended) {
            let id = record["callid"].as_str().unwrap();
            let call = truth.calls.iter().find(|call| call.call_id == id).unwrap();
            let received: Vec<u64> = call.streams.iter().map(|s| s.received).collect();
            let mut found: Vec<u64> = record["streams"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["received"].as_u64().unwrap())
                .collect();
            found.sort_unstable();
            let mut received = received;
            received.sort_unstable();
            assert_eq!(found, received, "{id}");
        }
    }
}

#[test]
fn what_is_no_capture_gets_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let garbage: Vec<u8> =
        (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for path in [
        file("garbage.pcap", &garbage),
        file("empty.pcap", b""),
        file("short.pcap", &[0xd4, 0xc3, 0xb2]),
        file("text.pcapng", b"this is not a capture file\n"),
        folder.path().join("absent.pcap"),
        folder.path().to_owned(),
    ] {
        for workers in [1, 3] {
            let (said, _) = replay(&[&path], workers);
            said.one_line_with(path.file_name().unwrap().to_str().unwrap());
            assert_eq!(said.out, "");
        }
    }
}

#[test]
fn a_bad_file_after_a_good_one_keeps_the_good_ones_calls() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pcap");
    let truth = capture(&good, &plan(), Options::default());
    let bad = folder.path().join("bad.pcap");
    fs::write(&bad, b"no").unwrap();
    let (said, _) = replay(&[&good, &bad], 2);
    said.one_line_with("bad.pcap");
    assert_eq!(said.records().len(), truth.calls.len());
}

#[test]
fn files_in_a_row_are_one_capture() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.pcap");
    let truth = capture(&whole, &plan(), Options::default());
    let (expected, _) = replay(&[&whole], 1);
    // Cut between two frames, with the header before the second part.
    let bytes = fs::read(&whole).unwrap();
    let mut at = 24;
    while at < bytes.len() / 2 {
        at += 16 + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    let parts = [folder.path().join("1.pcap"), folder.path().join("2.pcap")];
    fs::write(&parts[0], &bytes[..at]).unwrap();
    fs::write(&parts[1], [&bytes[..24], &bytes[at..]].concat()).unwrap();
    let files: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
    for workers in [1, 4] {
        let (said, ledger) = replay(&files, workers);
        assert_eq!(number(&ledger, "/file_frames"), truth.totals.frames);
        assert_eq!(said.well().out, expected.out, "{workers} workers");
    }
}

/// Loads so small that workers are done with them before the reader turns to the next.
#[test]
fn many_small_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.pcap");
    let plan = Plan { calls: 1, talk_ms: 200, ..plan() };
    let truth = capture(&path, &plan, Options::default());
    let files = [path.as_path(); 60];
    let (said, ledger) = replay(&files, 4);
    said.well();
    assert_eq!(number(&ledger, "/file_frames"), 60 * truth.totals.frames);
    assert_eq!(ledger["balanced"], true);
}

#[test]
fn ports_used_again_by_the_next_file_an_hour_later() {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("1.pcap"), folder.path().join("2.pcap")];
    let plan = Plan { calls: 1, concurrent: 1, ssrc_reuse: true, reuse_ports: true, ..plan() };
    let first = capture(&files[0], &plan, Options::default());
    let start_ns = plan.start_ns + 3_000_000_000_000;
    let second = capture(&files[1], &Plan { seed: 22, start_ns, ..plan }, Options::default());
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let (one, _) = replay(&paths, 1);
    let (four, _) = replay(&paths, 4);
    assert_eq!(one.out, four.out);
    let records = one.well().records();
    let truths = [first, second];
    assert_eq!(records.len(), 2);
    for (record, truth) in records.iter().zip(&truths) {
        assert_eq!(record["callid"], truth.calls[0].call_id.as_str());
        assert_eq!(record["bye"], 3);
        let received: u64 = record["streams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["received"].as_u64().unwrap())
            .sum();
        assert_eq!(received, truth.calls[0].streams.iter().map(|s| s.received).sum::<u64>());
    }
}

/// Every real capture: no crash, little memory, and the same from one worker as from four.
#[test]
fn real_captures_do_no_harm() {
    let Some(folder) = real_captures() else { return };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            ["pcap", "pcapng", "cap", "dmp"].contains(&extension)
        })
        .collect();
    files.sort();
    assert!(files.len() > 50, "only {} captures", files.len());
    for path in &files {
        let (one, ledger) = replay(&[path], 1);
        assert!(one.code == 0 || one.code == 1, "{}: {one:?}", path.display());
        assert!(!one.err.contains("panicked"), "{}: {}", path.display(), one.err);
        if one.code == 1 {
            assert_eq!(one.err.lines().count(), 1, "{}: {}", path.display(), one.err);
        } else {
            assert_eq!(ledger["balanced"], true, "{}", path.display());
        }
        let (four, other) = replay(&[path], 4);
        assert_eq!(one.out, four.out, "{}", path.display());
        assert_eq!(one.err, four.err, "{}", path.display());
        assert_eq!(ledger["user"]["dispositions"], other["user"]["dispositions"]);
    }
    // Together they are one long and strange capture.
    let peak = peak_kib(&files);
    assert!(peak < RSS_MAX_KIB, "{peak} KiB");
}

/// Most resident memory of one replay of all these files.
#[expect(unsafe_code, reason = "the standard library does not tell a child's peak of memory")]
fn peak_kib(files: &[PathBuf]) -> u64 {
    let mut command = ringtap();
    command.args(["replay", "--quiet", "--workers", "4"]).args(files);
    // The peak is that of the hungriest child so far, which can only be too much.
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    // SAFETY: all zeros is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a live `rusage`, which the call fills.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    assert_eq!(done, 0);
    u64::try_from(usage.ru_maxrss).unwrap()
}

/// Each message of RFC 4475 is a record, and what is wrong with it is said.
#[test]
fn torture_messages_are_records() {
    let Some(folder) = real_captures() else { return };
    let (said, ledger) = replay(&[&folder.join("ersip__rfc4475_torture_udp.pcap")], 2);
    let records = said.well().records();
    let count = |kind: &str| records.iter().filter(|r| r["type"] == kind).count();
    let faulty = records.iter().filter(|r| r["malformed"].is_string()).count() as u64;
    assert_eq!(records.len(), 49);
    assert_eq!((count("register"), count("message")), (9, 1));
    assert_eq!(faulty, number(&ledger, "/user/events/sip_malformed"));
    assert!(faulty >= 17, "{faulty}");
    let told: u64 = ["call", "register", "message", "sip"]
        .iter()
        .map(|kind| number(&ledger, &format!("/user/events/{kind}_records")))
        .sum();
    assert_eq!(told, 49);
}

fn stream_line(stream: &Value) -> String {
    let keys = ["saddr", "sport", "daddr", "dport", "codec", "received", "lost"];
    keys.map(|key| stream[key].to_string()).join(" ")
}

/// A registration or a request outside of calls.
fn outside_line(record: &Value) -> String {
    let keys: &[&str] = match record["type"].as_str() {
        Some("register") => {
            &["type", "state_name", "counter", "to_num", "contact_num", "expires", "response"]
        }
        Some("message") => &["type", "caller", "called", "lastSIPresponse", "content_length"],
        _ => &["type", "method", "number_src", "number_dst", "response"],
    };
    let columns: Vec<String> = keys.iter().map(|key| record[*key].to_string()).collect();
    format!("  {}", columns.join(" "))
}

/// What is known of a few of them, as read by a person.
#[test]
fn well_known_captures_keep_their_records() {
    let Some(folder) = real_captures() else { return };
    let keys =
        ["callid", "caller", "called", "sipcallerip", "lastSIPresponseNum", "bye", "whohanged"];
    let mut lines = Vec::new();
    for name in [
        "PcapPlusPlus__sip_reqs.pcap",
        "nDPI__pcap_sip.pcap",
        "ipfixprobe__inputs_sip.pcap",
        "nDPI__sip_hello.pcapng",
    ] {
        let (said, _) = replay(&[&folder.join(name)], 2);
        lines.push(name.to_owned());
        for record in said.well().records() {
            match record["type"].as_str() {
                Some("call") => {}
                Some("stream") => {
                    lines.push(format!("  stream {}", stream_line(&record)));
                    continue;
                }
                _ => {
                    lines.push(outside_line(&record));
                    continue;
                }
            }
            let columns: Vec<String> = keys.iter().map(|key| record[*key].to_string()).collect();
            lines.push(format!("  call {}", columns.join(" ")));
            for stream in record["streams"].as_array().into_iter().flatten() {
                lines.push(format!("    {}", stream_line(stream)));
            }
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}
