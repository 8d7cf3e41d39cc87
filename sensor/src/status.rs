//! The whole ledger: what the kernel counted, what sockets lost, what user space made of the
//! rest, and whether it all adds up.
//!
//! `run` serves it on a local socket, `status` asks there, `replay --stats` writes it to a file;
//! all have the same keys.

mod server;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use ringtap_capture::SourceStats;
use ringtap_common::verdict::Verdict as VerdictKind;
use serde_json::{Map, Value, json};

use crate::agents;
use crate::ledger::Tally;
use crate::plant::directions::Directions;

pub use server::{PeerId, Request, Server};

/// An answer is no longer than this.
const ANSWER_MAX: u64 = 16 << 20;

/// Sources of a listener that people are shown; JSON has all.
const SOURCES_SHOWN: usize = 20;

/// How long an answer may take; the sensor's own limits are shorter.
const PATIENCE: Duration = Duration::from_secs(5);

/// One verdict of the kernel program.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its label.
    pub label: &'static str,
    /// Frames.
    pub frames: u64,
    /// Whether these frames go to a socket.
    pub redirected: bool,
}

/// One interface as the kernel counts it.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How it is captured.
    pub how: String,
    /// The verdicts; empty without a kernel program.
    pub verdicts: Vec<Verdict>,
    /// All its sockets.
    pub sockets: SourceStats,
    /// Frames that each queue's socket gave.
    pub queues: Vec<u64>,
    /// Which directions its mirror brings.
    pub directions: Directions,
    /// Copies among its frames that user space told.
    pub copies: u64,
}

/// The ledger at one moment.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The interfaces; none in a replay.
    pub interfaces: Vec<Interface>,
    /// The listeners.
    pub listeners: Vec<agents::Report>,
    /// User space.
    pub user: Tally,
    /// The spool.
    pub spool: Option<ringtap_spool::Counters>,
    /// Seconds for which its disk has not answered.
    pub spool_silent_s: u64,
    /// What was removed from it.
    pub retained: Option<ringtap_spool::Retained>,
    /// Frames that each worker received.
    pub workers: Vec<u64>,
    /// Frames read from files.
    pub file_frames: Option<u64>,
}

impl Interface {
    /// Frames that the kernel program saw.
    pub fn seen(&self) -> u64 {
        self.verdicts.iter().map(|v| v.frames).sum()
    }

    /// Frames it handed to sockets.
    pub fn redirected(&self) -> u64 {
        self.verdicts.iter().filter(|v| v.redirected).map(|v| v.frames).sum()
    }

    /// Copies of VoIP that it brought, wherever they were told, and all VoIP that it brought.
    pub fn copies(&self) -> (u64, u64) {
        let by_kernel = self.verdicts.iter().find(|v| v.label == VerdictKind::Duplicate.label());
        let by_kernel = by_kernel.map_or(0, |verdict| verdict.frames);
        (by_kernel + self.copies, by_kernel + self.sockets.received)
    }

    /// Redirected frames that are neither received nor counted as lost: 0 when quiet.
    pub fn in_flight(&self) -> i64 {
        if self.verdicts.is_empty() {
            return 0;
        }
        signed(self.redirected()) - signed(self.sockets.received) - signed(self.sockets.lost())
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Ledger {
    /// Whether every frame is accounted for. While traffic runs, frames are in flight.
    pub fn balances(&self) -> bool {
        let received: u64 = self.interfaces.iter().map(|i| i.sockets.received).sum();
        let agents: u64 = self.listeners.iter().map(|listener| listener.delivered).sum();
        let given = self.file_frames.unwrap_or(received + agents);
        self.user.in_flight() == 0
            && given == self.user.received
            && self.interfaces.iter().all(|i| i.in_flight() == 0)
            && self.spool.is_none_or(|s| s.pending() == 0)
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let interfaces: Vec<Value> = self.interfaces.iter().map(interface_json).collect();
        let mut whole = json!({
            "uptime_s": self.uptime_s,
            "balanced": self.balances(),
            "interfaces": interfaces,
            "workers": self.workers,
            "user": {
                "received": self.user.received,
                "bytes": self.user.bytes,
                "in_flight": self.user.in_flight(),
                "dispositions": object(self.user.dispositions()),
                "events": object(self.user.events()),
            },
        });
        if let Some(map) = whole.as_object_mut() {
            if let Some(frames) = self.file_frames {
                map.insert("file_frames".into(), frames.into());
            }
            for listener in &self.listeners {
                map.insert(listener.key.into(), listener.json.clone());
            }
            if let Some(spool) = &self.spool {
                let mut json = spool_json(spool);
                json["silent_s"] = self.spool_silent_s.into();
                map.insert("spool".into(), json);
            }
            if let Some(retained) = &self.retained {
                map.insert("retention".into(), retention_json(retained));
            }
        }
        whole
    }
}

fn object<'a>(pairs: impl Iterator<Item = (&'a str, u64)>) -> Value {
    Value::Object(pairs.map(|(k, v)| (k.to_owned(), v.into())).collect::<Map<_, _>>())
}

fn interface_json(interface: &Interface) -> Value {
    let sockets = &interface.sockets;
    json!({
        "name": interface.name,
        "how": interface.how,
        "frames": interface.seen(),
        "redirected": interface.redirected(),
        "in_flight": interface.in_flight(),
        "verdicts": object(interface.verdicts.iter().map(|v| (v.label, v.frames))),
        "queues": interface.queues,
        "duplicates": interface.copies().0,
        "duplicate_rate": rate(interface.copies()),
        "sip_directions": directions_json(interface.directions),
        "sockets": {
            "received": sockets.received,
            "outgoing": sockets.outgoing,
            "rx_dropped": sockets.rx_dropped,
            "rx_ring_full": sockets.rx_ring_full,
            "fill_ring_empty": sockets.fill_ring_empty,
            "packet_dropped": sockets.packet_dropped,
            "packet_freezes": sockets.packet_freezes,
            "unusable": sockets.unusable,
            "clock_clamped": sockets.clock_clamped,
            "unstamped": sockets.unstamped,
        },
    })
}

/// A share of 1, with four digits; `null` of nothing.
fn rate((part, whole): (u64, u64)) -> Value {
    match whole {
        0 => Value::Null,
        _ => json!((part as f64 / whole as f64 * 1e4).round() / 1e4),
    }
}

fn directions_json(directions: Directions) -> Value {
    let missing = |what: &str, host: IpAddr| json!({ "missing": what, "host": host.to_string() });
    match directions {
        Directions::Unknown => Value::Null,
        Directions::Both => "both".into(),
        Directions::WithoutSent(host) => missing("sent", host),
        Directions::WithoutReceived(host) => missing("received", host),
    }
}

fn spool_json(spool: &ringtap_spool::Counters) -> Value {
    json!({
        "offered": spool.offered,
        "stored": spool.stored,
        "discarded": spool.discarded,
        "dropped_pool": spool.dropped_pool,
        "dropped_disk": spool.dropped_disk,
        "dropped_closed": spool.dropped_closed,
        "pending": spool.pending(),
        "cut": spool.cut,
        "chunks": spool.chunks,
        "record_bytes": spool.record_bytes,
        "disk_bytes": spool.disk_bytes,
        "segments": spool.segments,
        "sealed": spool.sealed,
        "errors": spool.errors,
    })
}

fn retention_json(retained: &ringtap_spool::Retained) -> Value {
    json!({
        "removed_sip": retained.removed_sip,
        "removed_rtp": retained.removed_media,
        "removed_bytes": retained.removed_bytes,
        "by_age": retained.by_age,
        "by_size": retained.by_size,
        "by_free": retained.by_free,
        "by_full": retained.by_full,
        "in_use": retained.in_use,
        "stuck": retained.stuck,
        "errors": retained.errors,
        "rounds": retained.rounds,
        "held_sip_bytes": retained.held_sip_bytes,
        "held_rtp_bytes": retained.held_media_bytes,
        "oldest_sip_s": retained.oldest_sip_s,
        "oldest_rtp_s": retained.oldest_media_s,
        "free_bytes": retained.free_bytes,
        "disk_bytes": retained.disk_bytes,
    })
}

/// The ledger for people: each section's non-zero lines.
pub fn render(ledger: &Value) -> String {
    let mut out = String::new();
    let balanced = ledger["balanced"].as_bool() == Some(true);
    let state = if balanced { "balances" } else { "does not balance (frames in flight?)" };
    let _ = writeln!(out, "Ledger: {state}");
    if let Some(frames) = ledger["file_frames"].as_u64() {
        let _ = writeln!(out, "  read from files {frames}");
    }
    for interface in ledger["interfaces"].as_array().into_iter().flatten() {
        let name = interface["name"].as_str().unwrap_or_default();
        let how = interface["how"].as_str().unwrap_or_default();
        let _ = writeln!(out, "Interface {name}: {how}");
        line(&mut out, "frames", &interface["frames"]);
        if let Some(rate) = interface["duplicate_rate"].as_f64().filter(|rate| *rate > 0.0) {
            let of = &interface["duplicates"];
            let _ = writeln!(out, "  duplicates {of} ({:.2} % of its VoIP)", rate * 100.0);
        }
        let missing = &interface["sip_directions"];
        if let (Some(what), Some(host)) = (missing["missing"].as_str(), missing["host"].as_str()) {
            let _ = writeln!(
                out,
                "  the mirror brings one direction of SIP only: what {host} has {what} is missing"
            );
        }
        section(&mut out, "verdicts", &interface["verdicts"]);
        line(&mut out, "redirected", &interface["redirected"]);
        section(&mut out, "sockets", &interface["sockets"]);
        line(&mut out, "in flight", &interface["in_flight"]);
    }
    for (name, key) in [("HEP", "hep"), ("IPFIX", "ipfix"), ("Tunnels", "tunnels")] {
        if !ledger[key].is_null() {
            render_listener(&mut out, name, &ledger[key]);
        }
    }
    let user = &ledger["user"];
    let _ = writeln!(out, "User space");
    line(&mut out, "received", &user["received"]);
    section(&mut out, "became", &user["dispositions"]);
    section(&mut out, "events", &user["events"]);
    if !ledger["spool"].is_null() {
        let _ = writeln!(out, "Spool");
        section(&mut out, "packets", &ledger["spool"]);
        section(&mut out, "retention", &ledger["retention"]);
    }
    out
}

fn render_listener(out: &mut String, name: &str, listener: &Value) {
    let listening = listener["listening"].as_object().into_iter().flatten();
    let several = |at: &Value| at.as_array().cloned().unwrap_or_else(|| vec![at.clone()]);
    let at: Vec<String> = listening
        .flat_map(|(means, at)| several(at).into_iter().map(move |at| (means, at)))
        .map(|(means, at)| format!("{means} {}", at.as_str().unwrap_or_default()))
        .collect();
    let _ = writeln!(out, "{name}: {}", at.join(", "));
    line(out, "messages", &listener["messages"]);
    section(out, "sets", &listener["sets"]);
    section(out, "became", &listener["became"]);
    section(out, "events", &listener["events"]);
    for source in listener["sources"].as_array().into_iter().flatten().take(SOURCES_SHOWN) {
        let believed = if source["believed"] == true { "" } else { ", not believed" };
        let clock = match source["ahead_ms"].as_i64() {
            Some(ms) => format!("clock {ms:+} ms{believed}"),
            None => "no time".to_owned(),
        };
        let _ = writeln!(
            out,
            "  source     {} agent {}: {} messages, {clock}",
            source["address"].as_str().unwrap_or_default(),
            source["agent"],
            source["messages"],
        );
    }
}

fn line(out: &mut String, name: &str, value: &Value) {
    if value.as_i64().is_some_and(|v| v != 0) {
        let _ = writeln!(out, "  {name:<24} {value:>14}");
    }
}

fn section(out: &mut String, name: &str, values: &Value) {
    let Some(values) = values.as_object() else { return };
    for (key, value) in values.iter().filter(|(_, v)| v.as_i64() != Some(0)) {
        let _ = writeln!(out, "  {name:<10} {key:<20} {value:>7}");
    }
}

/// Asks the sensor that serves `path` for its ledger.
pub fn ask(path: &Path) -> anyhow::Result<Value> {
    ask_for(path, &json!({ "ask": "status" }))
}

/// Asks the sensor that serves `path`; an answer that is only an `error` is one.
pub fn ask_for(path: &Path, request: &Value) -> anyhow::Result<Value> {
    let mut peer = UnixStream::connect(path).with_context(|| {
        format!("no sensor answers at {}: is `ringtap run` running?", path.display())
    })?;
    peer.set_read_timeout(Some(PATIENCE)).context("cannot set up the socket")?;
    peer.write_all(format!("{request}\n").as_bytes()).context("the sensor does not listen")?;
    let mut text = String::new();
    peer.take(ANSWER_MAX).read_to_string(&mut text).context("the sensor's answer broke off")?;
    let answer: Value = serde_json::from_str(&text).context("the sensor's answer is not JSON")?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Disposition;

    fn ledger() -> Ledger {
        let verdict = |label, frames, redirected| Verdict { label, frames, redirected };
        let mut user = Tally::default();
        user.received = 5;
        (0..5).for_each(|_| user.count(Disposition::Rtp));
        Ledger {
            interfaces: vec![Interface {
                name: "span0".into(),
                verdicts: vec![verdict("rtp", 7, true), verdict("not_voip", 3, false)],
                sockets: SourceStats { received: 5, rx_ring_full: 2, ..SourceStats::default() },
                ..Interface::default()
            }],
            user,
            ..Ledger::default()
        }
    }

    #[test]
    fn every_frame_lost_or_kept_is_accounted_for() {
        let mut ledger = ledger();
        assert!(ledger.balances());
        ledger.interfaces[0].sockets.rx_ring_full = 1;
        assert!(!ledger.balances(), "one redirected frame is nowhere");
        ledger.interfaces[0].sockets.rx_ring_full = 2;
        ledger.user.received = 6;
        assert!(!ledger.balances(), "one received frame has no disposition");
    }

    #[test]
    fn the_socket_gives_what_is_served_and_goes_with_its_sensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.sock");
        let mut server = Server::open(&path).unwrap();
        let asking = std::thread::spawn({
            let path = path.clone();
            move || ask(&path)
        });
        while !asking.is_finished() {
            let now = std::time::Instant::now();
            server.turn(now);
            if let Some((peer, Request::Ledger)) = server.take(|_| true) {
                server.tell(peer, &ledger().to_json(), now);
            }
            std::thread::yield_now();
        }
        let answer = asking.join().unwrap().unwrap();
        assert_eq!(answer["interfaces"][0]["verdicts"]["rtp"], 7);
        assert!(render(&answer).contains("balances"));
        drop(server);
        assert!(ask(&path).unwrap_err().to_string().contains("ringtap run"));
    }
}
