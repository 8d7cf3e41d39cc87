//! `cargo xtask bench`: how fast it is here, as tables to read and JSON to keep.
//!
//! It generates the capture, builds the measuring programs of the package `ringtap-benches`, which
//! need native libraries, and runs them. Nothing is judged: a test that fails on a busy machine
//! tells nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{build_ebpf, command};

/// Measure speed and memory, and print tables (root: the live part makes a network namespace).
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// One short round of everything, to see that it runs; its figures say little
    #[arg(long)]
    quick: bool,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Parts to run, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "offline,live,stages,micro")]
    parts: Vec<String>,
}

/// What is generated: calls in all, at one moment, and seconds of talk of each.
struct Traffic {
    calls: &'static str,
    concurrent: &'static str,
    seconds: &'static str,
}

/// A thousand calls at once, some four million packets.
const FULL: Traffic = Traffic { calls: "1833", concurrent: "1000", seconds: "22" };
/// The same in a twentieth of the time.
const QUICK: Traffic = Traffic { calls: "500", concurrent: "250", seconds: "4" };

/// Runs the command.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    command::become_root(&words(arguments))?;
    let root = command::root();
    let scratch = root.join("target/bench");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    build_ebpf::run().context("the kernel program does not build")?;
    let capture = capture(&scratch, if arguments.quick { QUICK } else { FULL })?;
    let mut build = command::cargo();
    build.args(["build", "--release", "--bins", "-p", "ringtap", "-p", "ringtap-benches"]);
    command::run(&mut build)?;
    let mut parts = arguments.parts.clone();
    parts.retain(|part| part != "micro");
    if !parts.is_empty() {
        let programs = command::target().join("release");
        let mut bench = Command::new(programs.join("ringtap-bench"));
        bench.arg("all").args(["--parts", &parts.join(",")]);
        bench.arg("--ringtap").arg(programs.join("ringtap"));
        bench.arg("--capture").arg(&capture).arg("--scratch").arg(&scratch);
        if arguments.quick {
            bench.arg("--quick");
        }
        if let Some(path) = &arguments.json {
            bench.arg("--json").arg(path);
        }
        command::run(&mut bench)?;
    }
    if arguments.parts.iter().any(|part| part == "micro") {
        micro(arguments.quick)?;
    }
    command::give_back(&root.join("target"));
    Ok(())
}

/// One step at a time, with allocations.
fn micro(quick: bool) -> Result<()> {
    println!("### One step at a time, and what it allocates\n\n```text");
    let mut bench = command::cargo();
    bench.args(["bench", "--quiet", "-p", "ringtap-benches", "--bench", "micro", "--"]);
    bench.args(["--max-time", if quick { "0.02" } else { "1" }]);
    let done = command::run(&mut bench);
    println!("```");
    done
}

/// The capture, generated once and kept.
fn capture(scratch: &Path, traffic: Traffic) -> Result<PathBuf> {
    let Traffic { calls, concurrent, seconds } = traffic;
    let path = scratch.join(format!("g711-{calls}-{concurrent}-{seconds}.pcap"));
    if path.exists() {
        return Ok(path);
    }
    let unfinished = path.with_extension("part");
    let me = std::env::current_exe().context("cannot find my own executable")?;
    let mut generate = command::program(me);
    generate.arg("gen").arg("-o").arg(&unfinished);
    generate.args(["--calls", calls, "--concurrent", concurrent, "--seconds", seconds]);
    command::run(&mut generate)?;
    fs::rename(&unfinished, &path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// The command line again, for sudo.
fn words(arguments: &BenchArgs) -> Vec<&str> {
    let mut words = vec!["bench"];
    if arguments.quick {
        words.push("--quick");
    }
    if let Some(path) = arguments.json.as_deref().and_then(Path::to_str) {
        words.extend(["--json", path]);
    }
    for part in &arguments.parts {
        words.extend(["--parts", part.as_str()]);
    }
    words
}
