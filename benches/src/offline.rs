//! Capture files: `ringtap replay` over a thousand concurrent calls, with one worker.
//!
//! Processor time is that of the whole process, all threads, user and system, as the kernel
//! accounts it to the child. Anonymous memory is sampled from `/proc`, because file pages (the
//! capture, mapped segments) belong to the page cache.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::AllArgs;
use crate::median::{median, packets, spread};
use crate::{stop, sys};

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(2);
const ROUNDS: usize = 5;

/// One way to replay.
struct Case {
    name: &'static str,
    spool: bool,
    options: &'static [&'static str],
    /// Packets per processor second that are wanted.
    target: f64,
    runs: Vec<Run>,
}

/// One replay.
#[derive(Clone, Copy, Debug)]
struct Run {
    packets: f64,
    cpu_s: f64,
    wall_s: f64,
    anonymous_mb: f64,
}

fn cases() -> Vec<Case> {
    let case = |name, spool, options, target| Case { name, spool, options, target, runs: vec![] };
    vec![
        case("scoring and records (SQLite)", false, &[], 2e6),
        case("the same with full spool", true, &["tar_compress_rtp=no"], 1e6),
        case("the same with full spool, zstd", true, &["tar_compress_rtp=zstd"], 0.0),
    ]
}

/// Measures; the figures, and a table.
pub(crate) fn run(arguments: &AllArgs) -> anyhow::Result<(Value, String)> {
    let folder = tempfile::Builder::new().prefix("offline-").tempdir_in(&arguments.scratch)?;
    let mut cases = cases();
    let rounds = if arguments.quick { 1 } else { ROUNDS };
    warm_up(&arguments.capture, folder.path())?;
    for round in 0..rounds {
        for case in &mut cases {
            eprintln!("offline: round {} of {rounds}, {}", round + 1, case.name);
            let run = replay(arguments, case, folder.path())?;
            case.runs.push(run);
        }
    }
    Ok((figures(&cases), table(&cases, rounds)))
}

/// Brings the capture into the page cache, and lets the kernel have the memory for as much again:
/// under a hypervisor the first touch of memory costs many times the work measured here.
fn warm_up(capture: &Path, folder: &Path) -> anyhow::Result<()> {
    let copy = folder.join("warm");
    fs::copy(capture, &copy).with_context(|| format!("cannot copy {}", capture.display()))?;
    let read = fs::read(&copy)?;
    ensure!(!read.is_empty(), "{} is empty", capture.display());
    fs::remove_file(&copy)?;
    Ok(())
}

fn replay(arguments: &AllArgs, case: &Case, folder: &Path) -> anyhow::Result<Run> {
    let place = folder.join("run");
    fs::create_dir(&place)?;
    let stats = place.join("stats.json");
    let mut command = Command::new(&arguments.ringtap);
    command.args(["replay", "--quiet", "--workers", "1", "--stats"]).arg(&stats);
    command.arg("--store").arg(format!("sqlite:{}", place.join("calls.db").display()));
    if case.spool {
        command.arg("--spool").arg(place.join("spool"));
    }
    for option in case.options {
        command.args(["--option", option]);
    }
    command.arg(&arguments.capture).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("RINGTAP_LOG", "error");
    let begin = Instant::now();
    let mut child = command.spawn().context("cannot start ringtap")?;
    let (ended, anonymous_mb) = watch(&mut child)?;
    let wall_s = begin.elapsed().as_secs_f64();
    if !ended.success {
        bail!("ringtap replay failed");
    }
    let ledger: Value = serde_json::from_slice(&fs::read(&stats)?)?;
    let received = ledger["user"]["received"].as_f64().context("the ledger has no total")?;
    // What is deleted need not be written to disk: the next run meets a quiet disk.
    fs::remove_dir_all(&place)?;
    Ok(Run { packets: received, cpu_s: ended.cpu_s, wall_s, anonymous_mb })
}

/// Waits for a child; its most anonymous memory, MB.
fn watch(child: &mut Child) -> anyhow::Result<(sys::Ended, f64)> {
    let status = format!("/proc/{}/status", child.id());
    let mut most_kib = 0.0_f64;
    loop {
        if let Err(stopped) = stop::check() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(stopped);
        }
        if let Some(ended) = sys::reap(child)? {
            return Ok((ended, most_kib * 1024.0 / 1e6));
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let anonymous = text.lines().find_map(|line| {
            line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse::<f64>().ok()
        });
        most_kib = most_kib.max(anonymous.unwrap_or(0.0));
        std::thread::sleep(SAMPLE);
    }
}

impl Case {
    fn middle(&self, what: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(what).collect())
    }

    fn rate(&self) -> f64 {
        self.middle(|run| run.packets / run.cpu_s)
    }

    fn peak_mb(&self) -> f64 {
        self.runs.iter().map(|run| run.anonymous_mb).fold(0.0, f64::max)
    }
}

fn figures(cases: &[Case]) -> Value {
    let one = |case: &Case| {
        json!({
            "case": case.name,
            "packets": case.middle(|run| run.packets),
            "packets_per_cpu_s": case.rate(),
            "packets_per_cpu_s_all": case.runs.iter().map(|r| r.packets / r.cpu_s)
                .collect::<Vec<_>>(),
            "target": case.target,
            "cpu_s": case.middle(|run| run.cpu_s),
            "wall_s": case.middle(|run| run.wall_s),
            "anonymous_mb_peak": case.peak_mb(),
        })
    };
    Value::Array(cases.iter().map(one).collect())
}

fn table(cases: &[Case], rounds: usize) -> String {
    let all = cases.first().map_or(0.0, |case| case.middle(|run| run.packets));
    let base = cases.first().map_or(f64::NAN, Case::rate);
    let mut text = format!(
        "### Capture files\n\n`ringtap replay --workers 1` of {} packets of concurrent G.711 \
         calls; median of {rounds}, best and worst in brackets.\n\n\
         | | packets per CPU-second | of the first | CPU s | wall s | anonymous memory, peak |\n\
         |---|---|---|---|---|---|\n",
        packets(all)
    );
    for case in cases {
        let rates: Vec<f64> = case.runs.iter().map(|run| run.packets / run.cpu_s).collect();
        let (worst, best) = spread(&rates);
        text += &format!(
            "| {} | {} ({} – {}) | {:.0} % | {:.2} | {:.2} | {:.0} MB |\n",
            case.name,
            packets(case.rate()),
            packets(worst),
            packets(best),
            case.rate() / base * 100.0,
            case.middle(|run| run.cpu_s),
            case.middle(|run| run.wall_s),
            case.peak_mb(),
        );
    }
    text + "\n"
}
