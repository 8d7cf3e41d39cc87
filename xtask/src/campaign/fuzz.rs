//! `cargo xtask campaign fuzz`: builds the libFuzzer programs of `fuzz/targets` and gives each its
//! time, beginning with the committed corpus.
//!
//! What a program finds on its way lies in `target/fuzz-work`, with how much time each has had: a
//! campaign that was stopped goes on. A finding ends its target's run and fails the campaign.
//! The compiler's own coverage passes are used, so that a stable toolchain will do.

mod minimise;
mod program;
mod progress;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::lab::process::Scratch;
use program::{Limits, Program};
use progress::{Had, Progress};

/// Time for a parser, s.
const PARSER_S: u64 = 120;
/// Time for a state machine, s: its input is a script, and the way into it is long.
const MACHINE_S: u64 = 600;

/// Every target, and its time unless another is asked for.
const TARGETS: [(&str, u64); 20] = [
    ("walk", PARSER_S),
    ("link", PARSER_S),
    ("tunnel", PARSER_S),
    ("rtp", PARSER_S),
    ("rtcp", PARSER_S),
    ("sip_message", PARSER_S),
    ("sdp", PARSER_S),
    ("capture_file", PARSER_S),
    ("spool_read", PARSER_S),
    ("vq", PARSER_S),
    ("hep", PARSER_S),
    ("ipfix", PARSER_S),
    ("sip_frame", MACHINE_S),
    ("fragments", MACHINE_S),
    ("tcp_stream", MACHINE_S),
    ("websocket", MACHINE_S),
    ("recording", MACHINE_S),
    ("call_machine", MACHINE_S),
    ("media_stream", MACHINE_S),
    ("audio", MACHINE_S),
];

/// Coverage by the compiler itself, and every check that debug builds have.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Cforce-frame-pointers",
];

/// `cargo xtask campaign fuzz`
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    /// Targets to run; all unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Time for each target [default: 120 for parsers, 600 for state machines]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Seed of the mutations; each continuation takes the next one
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,
    /// Targets that run at one time [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Forget what earlier campaigns have done
    #[arg(long)]
    fresh: bool,
    /// Fuzz nothing; put what earlier campaigns have found worth keeping into `fuzz/corpus`
    #[arg(long)]
    minimise: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &FuzzArgs) -> Result<()> {
    let targets = chosen(arguments)?;
    let programs = build()?;
    let work = command::target().join("fuzz-work");
    if arguments.fresh && work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot clear {}", work.display()))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let scratch = scratch(&work)?;
    let program = |name: &str| Program::new(name, &programs, &work, scratch.path());
    if arguments.minimise {
        return targets.iter().try_for_each(|(name, _)| minimise::run(&program(name)));
    }
    let progress = Mutex::new(Progress::load(&work)?);
    let queue = Mutex::new(targets.iter().copied().collect::<VecDeque<_>>());
    let jobs = arguments.jobs.map_or_else(command::processors, |jobs| jobs.max(1));
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some((name, seconds)) = next(&queue) {
                one(&program(name), seconds, arguments.seed, &progress)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs.min(targets.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("panic"))).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary(&targets, &progress, &program)
}

fn next<'a>(queue: &Mutex<VecDeque<(&'a str, u64)>>) -> Option<(&'a str, u64)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// The targets that are asked for, with their times.
fn chosen(arguments: &FuzzArgs) -> Result<Vec<(&'static str, u64)>> {
    let known = || TARGETS.map(|(name, _)| name).join(", ");
    if let Some(name) =
        arguments.targets.iter().find(|name| TARGETS.iter().all(|(known, _)| known != name))
    {
        bail!("there is no target {name}; there are {}", known());
    }
    let wanted = |name: &str| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|wanted| wanted == name)
    };
    Ok(TARGETS
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, seconds)| (name, arguments.seconds.unwrap_or(seconds)))
        .collect())
}

/// Builds the programs; gives their folder.
fn build() -> Result<PathBuf> {
    let host = command::host()?;
    let folder = command::target().join("fuzz");
    let mut cargo = command::cargo();
    cargo.current_dir(command::root().join("fuzz/targets"));
    cargo.args(["build", "--release", "--locked", "--bins"]);
    // With a target named, the flags leave build scripts alone.
    cargo.args(["--target", &host]).arg("--target-dir").arg(&folder);
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    command::run(&mut cargo).context("the fuzz targets do not build")?;
    Ok(folder.join(host).join("release"))
}

/// Gives one target the time that it has not had, unless an old finding is still one.
fn one(program: &Program, seconds: u64, seed: u32, progress: &Mutex<Progress>) -> Result<()> {
    let name = program.name();
    let had = || progress.lock().unwrap_or_else(PoisonError::into_inner).of(name);
    let note = |had: Had| -> Result<()> {
        progress.lock().unwrap_or_else(PoisonError::into_inner).note(name, had)
    };
    let still = program.recheck()?;
    if still > 0 {
        eprintln!("xtask: {name}: {still} old findings are still there");
        return Ok(());
    }
    let before = had();
    let left = seconds.saturating_sub(before.seconds);
    if left == 0 {
        eprintln!("xtask: {name} has had its {seconds} s");
        return Ok(());
    }
    eprintln!("xtask: {name}: {left} s");
    let limits = Limits { seconds: left, seed: seed.wrapping_add(before.runs) };
    program.fuzz(&limits, |now| note(before.and(now)))
}

/// The table, and what to do about findings.
fn summary(
    targets: &[(&'static str, u64)],
    progress: &Progress,
    program: &impl Fn(&str) -> Program,
) -> Result<()> {
    println!(
        "{:<14}{:>8}{:>14}{:>10}{:>10}{:>12}{:>10}",
        "target", "seconds", "executions", "per s", "coverage", "new inputs", "findings"
    );
    let mut broken = Vec::new();
    for (name, _) in targets {
        let had = progress.of(name);
        let findings = program(name).findings()?;
        println!(
            "{name:<14}{:>8}{:>14}{:>10}{:>10}{:>12}{:>10}",
            had.seconds,
            had.executions,
            had.executions / had.seconds.max(1),
            had.coverage,
            had.new_inputs,
            findings.len()
        );
        broken.extend(findings.into_iter().map(|path| (*name, path)));
    }
    for (name, path) in &broken {
        println!("\n{name}: {}", path.display());
        println!("    again: {}", command::shown(&program(name).again(path)));
    }
    if !broken.is_empty() {
        bail!("{} findings", broken.len());
    }
    Ok(())
}

/// A folder in memory for checks that need files; what a killed campaign has left goes.
fn scratch(work: &Path) -> Result<Scratch> {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory } else { work };
    let start = "ringtap-fuzz-campaign-";
    for entry in fs::read_dir(parent)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(start));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Scratch::new(parent.join(format!("{start}{}", std::process::id())))
}

/// A command of one of the programs.
fn libfuzzer(path: &Path, scratch: &Path) -> Command {
    let mut command = command::program(path);
    command.env("TMPDIR", scratch);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_source_and_its_corpus() {
        for (name, seconds) in TARGETS {
            let folder = if seconds == PARSER_S { "parse" } else { "state" };
            let fuzz = command::root().join("fuzz");
            assert!(fuzz.join("targets").join(folder).join(format!("{name}.rs")).is_file());
            assert!(fuzz.join("corpus").join(name).is_dir(), "{name}");
        }
    }

    #[test]
    fn targets_are_chosen_by_name_and_misspellings_are_told() {
        let arguments = |targets: &[&str], seconds| FuzzArgs {
            targets: targets.iter().map(|name| (*name).to_owned()).collect(),
            seconds,
            seed: 1,
            jobs: None,
            fresh: false,
            minimise: false,
        };
        assert_eq!(chosen(&arguments(&[], None)).unwrap(), TARGETS);
        assert_eq!(chosen(&arguments(&["sdp"], Some(7))).unwrap(), [("sdp", 7)]);
        let error = chosen(&arguments(&["sdq"], None)).unwrap_err().to_string();
        assert!(error.starts_with("there is no target sdq; there are walk, link"), "{error}");
    }
}
