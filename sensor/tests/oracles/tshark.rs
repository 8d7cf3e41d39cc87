//! What tshark says of a capture: calls, their messages and responses, and RTP streams.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Replayed;
use crate::differences::Differences;

/// Stands between values of one field.
const BETWEEN: char = '\u{1}';

/// Whether it can be run.
pub(crate) fn is_here() -> bool {
    Command::new("tshark").arg("-v").output().is_ok()
}

/// What tshark says of a file: a line a SIP frame, and a line an RTP stream.
#[derive(Debug)]
pub(crate) struct Said {
    sip: String,
    streams: String,
}

/// Asks tshark, which looks for RTP where signalling names it and by its own guess.
pub(crate) fn ask(path: &Path) -> Said {
    let between = format!("aggregator={BETWEEN}");
    let output = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(["--enable-heuristic", "rtp_udp", "-z", "rtp,streams"])
        .args(["-Y", "sip", "-T", "fields", "-E", &between, "-e", "sip.Call-ID"])
        .args(["-e", "sip.Method", "-e", "sip.Status-Code"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (sip, streams) = text.split_once("\n====").unwrap_or_default();
    let (sip, streams) =
        if text.starts_with("====") { ("", text.as_ref()) } else { (sip, streams) };
    Said { sip: sip.to_owned(), streams: streams.to_owned() }
}

/// What is known of one Call-ID.
#[derive(Debug, Default)]
struct Call {
    invited: bool,
    /// How often each status came.
    statuses: BTreeMap<u64, u64>,
}

fn calls_of(sip: &str) -> BTreeMap<String, Call> {
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for line in sip.lines() {
        let mut cells = line.split('\t').map(|cell| cell.split(BETWEEN).collect::<Vec<_>>());
        let mut next = || cells.next().unwrap_or_default();
        let (ids, methods, statuses) = (next(), next(), next());
        // A frame can hold several messages, each with a Call-ID of its own.
        for (at, id) in ids.iter().enumerate() {
            let call = calls.entry((*id).to_owned()).or_default();
            call.invited |= methods.get(at) == Some(&"INVITE");
            if let Some(status) = statuses.get(at).and_then(|status| status.parse().ok()) {
                *call.statuses.entry(status).or_default() += 1;
            }
        }
    }
    calls
}

/// The same Call-IDs with an INVITE, and for each the same responses.
pub(crate) fn calls(said: &Said, name: &str, ours: &Replayed, differences: &mut Differences) {
    let theirs = calls_of(&said.sip);
    let mut recorded: BTreeMap<String, &Value> = BTreeMap::new();
    for record in ours.records.iter().filter(|record| record["type"] == "call") {
        let id = record["callid"].as_str().unwrap_or_default().to_owned();
        let twice = recorded.insert(id.clone(), record).is_some();
        differences.compare(name, &format!("records of {id}"), "1", if twice { "2" } else { "1" });
    }
    let ids: BTreeSet<&String> = theirs.keys().chain(recorded.keys()).collect();
    for id in ids {
        let (their, our) = (theirs.get(id), recorded.get(id));
        let call = |is: bool| if is { "call" } else { "no call" };
        let invited = their.is_some_and(|call| call.invited);
        differences.compare(name, &format!("Call-ID {id}"), call(invited), call(our.is_some()));
        let (Some(their), Some(_)) = (their, our) else { continue };
        let mut statuses: BTreeMap<u64, u64> = BTreeMap::new();
        for (_, status) in ours.responses.iter().filter(|(of, _)| of == id) {
            *statuses.entry(*status).or_default() += 1;
        }
        let list = |statuses: &BTreeMap<u64, u64>| {
            let each = statuses.iter().map(|(status, count)| format!("{status}×{count}"));
            each.collect::<Vec<_>>().join(" ")
        };
        let what = format!("responses of {id}");
        differences.compare(name, &what, &list(&their.statuses), &list(&statuses));
    }
}

/// What is held against each other of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    received: u64,
    lost: i64,
    /// Mean of the running estimate, ms; without a value where there is no clock to measure by.
    jitter: Option<f64>,
    jitter_max: Option<f64>,
}

/// Streams by source, destination and SSRC.
type Streams = BTreeMap<String, Figures>;

fn streams_of(table: &str) -> Streams {
    let rows = table
        .lines()
        .filter(|line| line.trim_start().starts_with(|first: char| first.is_ascii_digit()));
    rows.filter_map(|line| {
        // Start, end, source, port, destination, port, SSRC, payload names, packets, lost (%),
        // least, mean and greatest delta, least, mean and greatest jitter.
        let cells: Vec<&str> = line.split_whitespace().collect();
        let &[_, _, src, sport, dst, dport, ssrc, ..] = cells.as_slice() else { return None };
        let percent =
            cells.iter().position(|cell| cell.starts_with('(') && cell.ends_with("%)"))?;
        let number = |at: usize| cells.get(at)?.parse::<f64>().ok();
        // A least jitter of -1 says that none was measured.
        let measured = number(percent + 4)? >= 0.0;
        let figures = Figures {
            received: cells.get(percent - 2)?.parse().ok()?,
            lost: cells.get(percent - 1)?.parse().ok()?,
            jitter: number(percent + 5).filter(|_| measured),
            jitter_max: number(percent + 6).filter(|_| measured),
        };
        Some((format!("{src}:{sport} > {dst}:{dport} {ssrc}"), figures))
    })
    .collect()
}

fn recorded(records: &[Value]) -> Streams {
    let mut recorded = Streams::new();
    for record in records {
        let of_call = record["streams"].as_array().into_iter().flatten();
        let alone = (record["type"] == "stream").then_some(record);
        for stream in of_call.chain(alone) {
            let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| stream[key].as_u64().unwrap_or_default();
            let key = format!(
                "{}:{} > {}:{} 0x{:08X}",
                text("saddr"),
                number("sport"),
                text("daddr"),
                number("dport"),
                number("ssrc"),
            );
            let place = recorded.entry(key).or_default();
            // Two parts of a stream have one mean, by their packets.
            let (before, received) = (place.received as f64, number("received") as f64);
            let mean = stream["jitter_ms_avg"].as_f64().map(|mean| {
                (place.jitter.unwrap_or(mean) * before + mean * received) / (before + received)
            });
            let max = stream["jitter_ms_max"].as_f64();
            place.jitter = mean.or(place.jitter);
            let greater = |before: f64| max.map_or(before, |max| max.max(before));
            place.jitter_max = place.jitter_max.map(greater).or(max);
            place.received += number("received");
            place.lost += number("lost") as i64;
        }
    }
    recorded
}

/// Every RTP stream that tshark finds is one of ours, with as many packets received and lost, and
/// where those agree, with the same jitter.
pub(crate) fn streams(said: &Said, name: &str, ours: &[Value], differences: &mut Differences) {
    let recorded = recorded(ours);
    for (stream, theirs) in streams_of(&said.streams) {
        let ours = recorded.get(&stream).copied().unwrap_or_default();
        let count = |figures: Figures| format!("{}, {} lost", figures.received, figures.lost);
        let what = format!("stream {stream}");
        differences.compare(name, &what, &count(theirs), &count(ours));
        if count(theirs) == count(ours)
            && !(near(theirs.jitter, ours.jitter) && near(theirs.jitter_max, ours.jitter_max))
        {
            let what = format!("jitter {stream}");
            differences.compare(name, &what, &jitter(theirs), &jitter(ours));
        }
    }
}

/// Within one per cent, or a hundredth of a millisecond.
fn near(theirs: Option<f64>, ours: Option<f64>) -> bool {
    match (theirs, ours) {
        // Their table has three digits, so does our record.
        (Some(theirs), Some(ours)) => (theirs - ours).abs() <= (0.01 * theirs).max(0.0101),
        (theirs, ours) => theirs.is_some() == ours.is_some(),
    }
}

fn jitter(figures: Figures) -> String {
    match (figures.jitter, figures.jitter_max) {
        (Some(mean), Some(max)) => format!("{mean:.3}, at most {max:.3}"),
        _ => String::new(),
    }
}
