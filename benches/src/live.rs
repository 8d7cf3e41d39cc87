//! A mirror port: receivers side by side, at the same offered rates, in a private namespace.
//!
//! One processor sends live frames (`sender`), another receives (`lab`). All frames arrive on
//! queue 0, since live frames do not choose another; so this is the work of one worker. AF_XDP
//! receivers are measured twice. With busy-poll one thread does the kernel's work and the
//! application's and never sleeps, so what counts is how many frames a second it takes when more
//! are offered. With a thread of the kernel (`threaded`), beside which TPACKET_V3 and libpcap can
//! stand, it is frames per processor second of everything that received them.

mod assembler;
mod lab;
mod sender;
mod tables;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::AllArgs;
use crate::median::{median, packets};
use crate::{stop, sys};
use lab::{Kind, Lab, Poll, SENDS};
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
const BUSY_RATES: [Option<f64>; 4] = [Some(500_000.0), Some(1_000_000.0), Some(2_000_000.0), None];
const THREADED_RATES: [Option<f64>; 3] = [Some(500_000.0), Some(1_000_000.0), None];
const QUICK_RATES: [Option<f64>; 1] = [Some(200_000.0)];
/// The spool of a few seconds.
const PAGE_CACHE_BYTES: usize = 1 << 30;

const BARE: (&str, Kind) = ("AF_XDP, receive and drop, bare program", Kind::Bare);
const XDP: (&str, Kind) = ("AF_XDP, receive and drop", Kind::Xdp);
const RECORDS: (&str, Kind) = ("ringtap, records", Kind::Ringtap { spool: false });
const SPOOL: (&str, Kind) = ("ringtap, records and full spool", Kind::Ringtap { spool: true });
const PACKET: (&str, Kind) = ("TPACKET_V3, receive and drop", Kind::Packet);
const LIBPCAP: (&str, Kind) = ("libpcap, receive and drop", Kind::Libpcap);

const BUSY: &[(&str, Kind)] = &[BARE, XDP, RECORDS, SPOOL];
const THREADED: &[(&str, Kind)] = &[BARE, XDP, RECORDS, SPOOL, PACKET, LIBPCAP];

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
    poll: Poll,
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
    let mut lines = Vec::new();
    let mut add = |poll, rates: &[Option<f64>], receivers: &[(&'static str, Kind)]| {
        for &offered in rates {
            let line = |&(name, kind)| Line { name, kind, poll, offered, runs: Vec::new() };
            lines.extend(receivers.iter().map(line));
        }
    };
    if std::env::var_os("NO_BUSY").is_none() { add(Poll::Busy, if quick { &QUICK_RATES } else { &BUSY_RATES }, BUSY); }
    add(Poll::Threaded, if quick { &QUICK_RATES } else { &THREADED_RATES }, THREADED);
    if !quick {
        warm_page_cache(&arguments.scratch)?;
    }
    for round in 0..rounds {
        for line in &mut lines {
            stop::check()?;
            let rate = line.offered.map_or("full".to_owned(), packets);
            let run = measure(arguments, (line.kind, line.poll), line.offered, time)
                .with_context(|| format!("{} at {rate}", line.name))?;
            eprintln!(
                "live: round {} of {rounds}, {rate}, {:?}, {}: {} of {} in {:.3} CPU-s",
                round + 1,
                line.poll,
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

/// Lets the kernel have the memory that the spools will take: under a hypervisor the first touch
/// of memory costs many times the work measured here.
fn warm_page_cache(scratch: &Path) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("live-").tempdir_in(scratch)?;
    std::fs::write(folder.path().join("warm"), vec![1_u8; PAGE_CACHE_BYTES])
        .context("cannot warm the page cache up")
}

fn measure(
    arguments: &AllArgs,
    receiver: (Kind, Poll),
    offered: Option<f64>,
    time: Duration,
) -> anyhow::Result<Run> {
    let folder = tempfile::Builder::new().prefix("live-").tempdir_in(&arguments.scratch)?;
    let lab = Lab::new()?;
    let mut running = lab.start(receiver, &arguments.ringtap, folder.path())?;
    // A thread of its own, which alone enters the namespace and is pinned.
    lab.namespace.run(|| {
        sys::pin(0, SENDS)?;
        sys::prefer(0)?;
        let sender = Sender::new(sys::interface_index(&lab.near)?)?;
        sender.send(Some(WARM_UP_PPS), WARM_UP)?;
        std::thread::sleep(SETTLE);
        let (before, cpu_before) = (running.received()?, running.cpu_s()?);
        let begin = std::time::Instant::now();
        let sent = sender.send(offered, time)?;
        let wall_s = begin.elapsed().as_secs_f64();
        // Who polls is busy after the last frame too.
        let cpu_at_once = running.cpu_s()?;
        std::thread::sleep(SETTLE);
        let cpu_late = running.cpu_s()?;
        let cpu_s = if receiver.1 == Poll::Busy { cpu_at_once } else { cpu_late } - cpu_before;
        let received = running.received()? - before;
        Ok(Run { sent: sent as f64, received: received as f64, cpu_s, wall_s })
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

    /// Against another line, round by round.
    fn ratios_to(&self, base: &Line) -> Vec<f64> {
        let pairs = self.runs.iter().zip(&base.runs);
        pairs.map(|(a, b)| (a.received / a.cpu_s) / (b.received / b.cpu_s)).collect()
    }

    /// Against receive-and-drop by AF_XDP under the same conditions.
    fn ratios(&self, lines: &[Line]) -> Vec<f64> {
        let same = |line: &&Line| {
            line.offered == self.offered && line.poll == self.poll && line.kind == Kind::Xdp
        };
        lines.iter().find(same).map(|base| self.ratios_to(base)).unwrap_or_default()
    }
}

fn figures(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        json!({
            "receiver": line.name,
            "kernel_work": if line.poll == Poll::Busy { "busy-poll" } else { "threaded NAPI" },
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
