//! A mirror port: five receivers side by side, at the same offered rates, in a private namespace.
//!
//! One processor sends live frames (`sender`), another receives (`lab`). All frames arrive on
//! queue 0, since live frames do not choose another; so this is the work of one worker. What is
//! told is frames given to the application per processor second of everything that received
//! them, kernel and application, and how many of those offered never reached it.

mod assembler;
mod lab;
mod sender;

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::AllArgs;
use crate::median::{median, packets};
use crate::sys;
use lab::{Kind, Lab, SENDS};
use sender::Sender;

const ROUNDS: usize = 3;
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

/// Frames of 214 bytes, with what Ethernet adds to each, that fill 10 Gbit/s.
const TEN_GIGABIT_PPS: f64 = 5.25e6;

const RECEIVERS: [(&str, Kind); 5] = [
    ("AF_XDP, receive and drop", Kind::Drop("xdp")),
    ("ringtap, records", Kind::Ringtap { spool: false }),
    ("ringtap, records and full spool", Kind::Ringtap { spool: true }),
    ("TPACKET_V3, receive and drop", Kind::Drop("packet")),
    ("libpcap, receive and drop", Kind::Drop("libpcap")),
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
    let rates = if quick { QUICK_RATES.to_vec() } else { RATES.to_vec() };
    let rounds = if quick { 1 } else { ROUNDS };
    let time = Duration::from_secs_f64(if quick { QUICK_SECONDS } else { SECONDS });
    let mut lines = Vec::new();
    for offered in rates {
        let line = |(name, kind)| Line { name, kind, offered, runs: Vec::new() };
        lines.extend(RECEIVERS.map(line));
    }
    for round in 0..rounds {
        for line in &mut lines {
            let rate = line.offered.map_or("full".to_owned(), packets);
            eprintln!("live: round {} of {rounds}, {rate}, {}", round + 1, line.name);
            let run = measure(arguments, line.kind, line.offered, time)
                .with_context(|| format!("{} at {rate}", line.name))?;
            line.runs.push(run);
        }
    }
    Ok((figures(&lines), table(&lines, rounds)))
}

fn measure(
    arguments: &AllArgs,
    kind: Kind,
    offered: Option<f64>,
    time: Duration,
) -> anyhow::Result<Run> {
    let folder = tempfile::Builder::new().prefix("live-").tempdir_in(&arguments.scratch)?;
    let lab = Lab::new()?;
    let mut receiver = lab.start(kind, &arguments.ringtap, folder.path())?;
    // A thread of its own, which alone enters the namespace and is pinned.
    lab.namespace.run(|| {
        sys::pin(0, SENDS)?;
        sys::prefer(0)?;
        let sender = Sender::new(sys::interface_index(&lab.near)?)?;
        sender.send(Some(WARM_UP_PPS), WARM_UP)?;
        std::thread::sleep(SETTLE);
        let (before, cpu_before) = (receiver.received()?, receiver.cpu_s()?);
        let begin = std::time::Instant::now();
        let sent = sender.send(offered, time)?;
        let wall_s = begin.elapsed().as_secs_f64();
        std::thread::sleep(SETTLE);
        let cpu_s = receiver.cpu_s()? - cpu_before;
        let received = receiver.received()? - before;
        Ok(Run { sent: sent as f64, received: received as f64, cpu_s, wall_s })
    })?
}

impl Line {
    fn middle(&self, what: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(what).collect())
    }

    fn rate(&self) -> f64 {
        self.middle(|run| run.received / run.cpu_s)
    }

    fn loss(&self) -> f64 {
        self.middle(|run| 1.0 - run.received / run.sent)
    }

    /// Against receive-and-drop by AF_XDP at the same offered rate, round by round.
    fn ratio(&self, lines: &[Line]) -> f64 {
        let base = lines
            .iter()
            .find(|line| line.offered == self.offered && line.kind == Kind::Drop("xdp"));
        let pairs = base.into_iter().flat_map(|base| self.runs.iter().zip(&base.runs));
        median(pairs.map(|(a, b)| (a.received / a.cpu_s) / (b.received / b.cpu_s)).collect())
    }
}

fn figures(lines: &[Line]) -> Value {
    let one = |line: &Line| {
        json!({
            "receiver": line.name,
            "offered_pps": line.offered,
            "sent_pps": line.middle(|run| run.sent / run.wall_s),
            "packets_per_cpu_s": line.rate(),
            "packets_per_cpu_s_all": line.runs.iter().map(|r| r.received / r.cpu_s)
                .collect::<Vec<_>>(),
            "of_af_xdp": line.ratio(lines),
            "loss": line.loss(),
        })
    };
    Value::Array(lines.iter().map(one).collect())
}

fn table(lines: &[Line], rounds: usize) -> String {
    let mut text = format!(
        "### Live, over veth\n\n{} streams of G.711, 214 bytes a frame, all on queue 0; one \
         processor sends, one receives (kernel and application together); median of {rounds}.\n\n\
         | offered a second | receiver | packets per receive CPU-second | of AF_XDP | lost |\n\
         |---|---|---|---|---|\n",
        sender::STREAMS
    );
    for line in lines {
        let sent = packets(line.middle(|run| run.sent / run.wall_s));
        let note = if line.offered.is_none() { " (full)" } else { "" };
        text += &format!(
            "| {sent}{note} | {} | {} | {:.0} % | {:.2} % |\n",
            line.name,
            packets(line.rate()),
            line.ratio(lines) * 100.0,
            line.loss().max(0.0) * 100.0
        );
    }
    for name in ["ringtap, records", "ringtap, records and full spool"] {
        text += &extrapolated(lines, name);
    }
    text + "\n"
}

/// What the best measured figure without loss to speak of would mean at ten gigabits.
fn extrapolated(lines: &[Line], name: &str) -> String {
    let sound = |line: &&Line| line.name == name && line.loss() < 0.01;
    let best = lines.iter().filter(sound).map(Line::rate).fold(0.0, f64::max);
    if best == 0.0 {
        return format!("\nNo rate without loss was measured for \"{name}\".\n");
    }
    format!(
        "\nExtrapolated, not measured: 10 Gbit/s of G.711 ({} frames a second, {} calls in both \
         directions) would take {:.1} processors for \"{name}\", if queues spread it evenly.\n",
        packets(TEN_GIGABIT_PPS),
        packets(TEN_GIGABIT_PPS / 100.0),
        TEN_GIGABIT_PPS / best
    )
}
