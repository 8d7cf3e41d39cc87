//! A mirror port: receivers side by side, at the same offered rates, in a private namespace.
//!
//! One processor sends live frames (`sender`), another receives (`lab`). All frames arrive on
//! queue 0, since live frames do not choose another; so this is the work of one worker. What is
//! told is frames given to the application per processor second of everything that received
//! them, kernel and application, and how many of those offered never reached it.

mod assembler;
mod lab;
mod sender;
mod tables;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::AllArgs;
use crate::median::{median, packets};
use crate::{stop, sys};
use lab::{Kind, Lab, SENDS};
use sender::Sender;

const ROUNDS: usize = 5;
const SECONDS: f64 = 1.0;
const QUICK_SECONDS: f64 = 0.3;
/// Before it is measured, a receiver meets its streams and its memory.
const WARM_UP: Duration = Duration::from_millis(400);
const WARM_UP_PPS: f64 = 100_000.0;
/// After the last frame, so that all have been taken.
const SETTLE: Duration = Duration::from_millis(100);
/// Offered rates; `None`: as many as the sender can.
const RATES: [Option<f64>; 4] = [Some(250_000.0), Some(500_000.0), Some(1_000_000.0), None];
const QUICK_RATES: [Option<f64>; 1] = [Some(200_000.0)];
/// Other work disturbs the sender less.
const SENDER_NICE: i32 = -15;
/// More than the spool of a run.
const PAGE_CACHE_MIB: usize = 512;

/// With whom all are compared: the kernel program does what it does for ringtap.
const BASE: Kind = Kind::Xdp;
const RECORDS: &str = "ringtap, records";
const SPOOL: &str = "ringtap, records and full spool";
const RECEIVERS: [(&str, Kind); 7] = [
    ("AF_XDP, receive and drop; filter only", Kind::Bare),
    ("AF_XDP, receive and drop; filter, dedup, time stamps", BASE),
    (RECORDS, Kind::Ringtap { spool: false, urgent: true }),
    (SPOOL, Kind::Ringtap { spool: true, urgent: true }),
    ("ringtap, records; no priorities", Kind::Ringtap { spool: false, urgent: false }),
    ("TPACKET_V3, receive and drop", Kind::Packet),
    ("libpcap, receive and drop", Kind::Libpcap),
];

/// One receiver at one rate, once.
#[derive(Clone, Copy, Debug)]
struct Run {
    sent: f64,
    received: f64,
    cpu_s: f64,
    wall_s: f64,
}

/// All runs of one receiver at one rate.
struct Line {
    name: &'static str,
    kind: Kind,
    offered: Option<f64>,
    runs: Vec<Run>,
}

/// Measures; the figures, and a table.
pub(crate) fn run(arguments: &AllArgs) -> anyhow::Result<(Value, String)> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(processors >= 2, "sending and receiving want a processor each");
    ringtap_testkit::netns::sweep()?;
    let quick = arguments.quick;
    let rounds = arguments.rounds.unwrap_or(if quick { 1 } else { ROUNDS });
    let time = Duration::from_secs_f64(if quick { QUICK_SECONDS } else { SECONDS });
    let rates = if quick { &QUICK_RATES[..] } else { &RATES };
    let each = rates.iter().flat_map(|&offered| {
        RECEIVERS.map(|(name, kind)| Line { name, kind, offered, runs: Vec::new() })
    });
    let mut lines: Vec<Line> = each.collect();
    for round in 0..rounds {
        for line in &mut lines {
            stop::check()?;
            let rate = line.offered.map_or("full".to_owned(), packets);
            let run = measure(arguments, line.kind, line.offered, time)
                .with_context(|| format!("{} at {rate}", line.name))?;
            eprintln!(
                "live: round {} of {rounds}, {rate}, {}: {} of {} in {:.3} CPU-s",
                round + 1,
                line.name,
                packets(run.received),
                packets(run.sent),
                run.cpu_s
            );
            line.runs.push(run);
        }
    }
    Ok((figures(&lines), tables::all(&lines, rounds)))
}

/// Lets the kernel have the memory that the spool will take: under a hypervisor the first touch
/// of memory, also of memory not used for a while, costs many times the work measured here.
fn warm_page_cache(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("warm");
    let mut file = File::create(&path).context("cannot warm the page cache up")?;
    let block = vec![1_u8; 1 << 20];
    for _ in 0..PAGE_CACHE_MIB {
        file.write_all(&block)?;
    }
    Ok(std::fs::remove_file(path)?)
}

fn measure(
    arguments: &AllArgs,
    kind: Kind,
    offered: Option<f64>,
    time: Duration,
) -> anyhow::Result<Run> {
    let folder = tempfile::Builder::new().prefix("live-").tempdir_in(&arguments.scratch)?;
    let lab = Lab::new()?;
    let mut running = lab.start(kind, &arguments.ringtap, folder.path())?;
    // A thread of its own, which alone enters the namespace and is pinned.
    lab.namespace.run(|| {
        sys::pin(0, SENDS)?;
        sys::prefer(0, SENDER_NICE)?;
        let sender = Sender::new(sys::interface_index(&lab.near)?)?;
        sender.send(Some(WARM_UP_PPS), WARM_UP)?;
        if matches!(kind, Kind::Ringtap { spool: true, .. }) {
            warm_page_cache(folder.path())?;
        }
        std::thread::sleep(SETTLE);
        let (before, cpu_before) = (running.received()?, running.cpu_s()?);
        let begin = std::time::Instant::now();
        let sent = sender.send(offered, time)?;
        let wall_s = begin.elapsed().as_secs_f64();
        std::thread::sleep(SETTLE);
        let cpu_s = running.cpu_s()? - cpu_before;
        let received = running.received()? - before;
        // What the spool could not keep has not arrived.
        let kept = received.saturating_sub(running.unspooled()?);
        Ok(Run { sent: sent as f64, received: kept as f64, cpu_s, wall_s })
    })?
}

impl Line {
    fn each(&self, what: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(what).collect()
    }

    fn rates(&self) -> Vec<f64> {
        self.each(|run| run.received / run.cpu_s)
    }

    fn losses(&self) -> Vec<f64> {
        self.each(|run| (1.0 - run.received / run.sent).max(0.0))
    }

    /// Against receive-and-drop by AF_XDP at the same offered rate, round by round.
    fn ratios(&self, lines: &[Line]) -> Vec<f64> {
        let same = |line: &&Line| line.offered == self.offered && line.kind == BASE;
        let pairs = lines.iter().find(same).into_iter();
        let pairs = pairs.flat_map(|base| self.runs.iter().zip(&base.runs));
        pairs.map(|(a, b)| (a.received / a.cpu_s) / (b.received / b.cpu_s)).collect()
    }
}

fn figures(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        json!({
            "receiver": line.name,
            "offered_pps": line.offered,
            "sent_pps": median(line.each(|run| run.sent / run.wall_s)),
            "packets_per_cpu_s": median(line.rates()),
            "packets_per_cpu_s_all": line.rates(),
            "of_af_xdp": median(line.ratios(lines)),
            "of_af_xdp_all": line.ratios(lines),
            "loss": median(line.losses()),
            "loss_all": line.losses(),
        })
    };
    Value::Array(lines.iter().map(one).collect())
}
