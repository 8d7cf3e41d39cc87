//! Real captures against two oracles: tshark, and the records that VoIPmonitor made of them.
//!
//! Every difference must stand in `docs/oracles.md`, with who is right and why, and everything
//! that stands there must be a difference. The captures are no part of the project: without
//! them, or without tshark, a test says so and ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
#[path = "../support/mod.rs"]
mod support;

mod differences;
mod original;
mod outside;
mod tshark;

use std::path::{Path, PathBuf};

use differences::Differences;
use serde_json::Value;
use support::{real_captures, run};

/// What one replay may take: address space in KiB.
const MEMORY_MAX_KIB: u64 = 3 << 20;

/// The capture files, in order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            ["pcap", "pcapng", "cap"].contains(&extension)
        })
        .collect();
    files.sort();
    assert!(files.len() > 50, "only {} captures", files.len());
    files
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// What a replay makes of a file, within a minute and the limit of memory: its records, and its
/// calls' messages out of the store.
#[derive(Debug)]
struct Replayed {
    records: Vec<Value>,
    /// Call-ID and status of every response that a call's ladder has.
    responses: Vec<(String, u64)>,
}

fn replayed(path: &Path) -> Replayed {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("calls.sqlite");
    let script = format!("ulimit -v {MEMORY_MAX_KIB}; exec timeout --signal=KILL 60 \"$@\"");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script, "sh", support::RINGTAP, "replay", "--format", "json"]);
    command.arg("--store").arg(format!("sqlite:{}", store.display())).arg(path);
    command.env("RINGTAP_LOG", "warn");
    let said = run(&mut command);
    assert!(said.code == 0 || said.code == 1, "{}: {said:?}", path.display());
    assert!(!said.err.contains("panicked"), "{}: {}", path.display(), said.err);
    let responses = if said.code == 0 { responses(&store) } else { Vec::new() };
    Replayed { records: said.records(), responses }
}

fn responses(store: &Path) -> Vec<(String, u64)> {
    let store = rusqlite::Connection::open(store).unwrap();
    let mut asked = store
        .prepare("SELECT callid, steps FROM ringtap_ladder JOIN ringtap_cdr USING (cdr_ID)")
        .unwrap();
    let rows = asked.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut responses = Vec::new();
    for row in rows {
        let (call_id, steps): (String, _) = row.unwrap();
        // A line each: time, source, destination, text.
        let texts = steps.lines().filter_map(|line| line.split('\t').nth(3));
        let statuses = texts.filter_map(|text| text.split(' ').next()?.parse().ok());
        responses.extend(statuses.map(|status| (call_id.clone(), status)));
    }
    responses
}

#[test]
fn calls_and_streams_are_those_of_tshark() {
    let Some(folder) = real_captures() else { return };
    if !tshark::is_here() {
        println!("skipped: there is no tshark");
        return;
    }
    let mut differences = Differences::of_section("tshark");
    for (name, ours, said) in side_by_side(&files(&folder), tshark::ask) {
        tshark::calls(&said, &name, &ours, &mut differences);
        tshark::streams(&said, &name, &ours.records, &mut differences);
    }
    differences.check();
}

#[test]
fn records_are_those_of_the_original() {
    let Some(folder) = real_captures() else { return };
    let mut differences = Differences::of_section("original");
    for (name, ours, ()) in side_by_side(&files(&folder), |_| ()) {
        original::calls(&folder.join("expected"), &name, &ours.records, &mut differences);
        original::streams(&folder.join("expected"), &name, &ours.records, &mut differences);
        outside::records(&folder.join("expected"), &name, &ours.records, &mut differences);
    }
    differences.check();
}

/// The 49 messages of RFC 4475, a datagram each: every one of them comes to a table of calls, and
/// those that break a rule are known by it.
#[test]
fn every_message_of_rfc_4475_arrives() {
    let Some(folder) = real_captures() else { return };
    let path = folder.join("ersip__rfc4475_torture_udp.pcap");
    let (said, ledger) = support::replay(&[&path], 2);
    said.well();
    let events = &ledger["user"]["events"];
    let counts = ["sip_messages", "sip_malformed", "sip_late"].map(|event| &events[event]);
    assert_eq!(counts, [49, 23, 0]);
}

/// Of each file, its name, what a replay makes of it and what somebody else says of it; two
/// files at a time, in their order.
fn side_by_side<T: Send>(
    files: &[PathBuf],
    ask: impl Fn(&Path) -> T + Sync,
) -> Vec<(String, Replayed, T)> {
    let both = |path: &PathBuf| (name_of(path), replayed(path), ask(path));
    let (first, second) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| second.iter().map(both).collect::<Vec<_>>());
        let mut all: Vec<_> = first.iter().map(both).collect();
        all.extend(other.join().unwrap());
        all
    })
}
