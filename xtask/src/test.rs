//! `cargo xtask test`: everything that must hold, from set-up to the end-to-end run.
//!
//! Each step says what it does. A failing step does not hide the later ones, except where they
//! need it. The last line says how many tests and checks passed and failed.

mod count;

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{build_ebpf, command, demo, setup, tidy};
use count::{Count, Runner};

/// `cargo xtask test`
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArgs {
    /// Leave out the installation of packages
    #[arg(long)]
    no_setup: bool,
    /// Leave out the end-to-end run (`cargo xtask demo`)
    #[arg(long)]
    no_demo: bool,
}

/// Runs everything; fails if anything failed.
pub(crate) fn run(arguments: &TestArgs) -> Result<()> {
    let begin = Instant::now();
    let mut count = Count::default();
    if !arguments.no_setup {
        step("set-up");
        setup::run().context("the set-up failed")?;
    }
    step("the kernel program");
    build_ebpf::run().context("the kernel program does not build")?;
    check(&mut count, "format", || {
        command::run(command::cargo().args(["fmt", "--all", "--check"]))
    });
    check(&mut count, "the repository's rules", tidy::run);
    check(&mut count, "lints", || {
        let mut clippy = command::cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--quiet"]);
        command::run(clippy.args(["--", "-D", "warnings"]))
    });
    tests(&mut count)?;
    if !arguments.no_demo {
        check(&mut count, "end to end (cargo xtask demo)", demo::from_test);
    }
    eprintln!("xtask: {} s", begin.elapsed().as_secs());
    println!("{} passed, {} failed", count.passed, count.failed);
    if count.failed > 0 {
        bail!("{} failed: {}", count.failed, count.names.join(", "));
    }
    Ok(())
}

fn step(what: &str) {
    eprintln!("\nxtask: {what}");
}

/// A step that passes or fails as a whole.
fn check(count: &mut Count, what: &str, run: impl FnOnce() -> Result<()>) {
    step(what);
    match run() {
        Ok(()) => count.passed += 1,
        Err(error) => {
            crate::lab::process::yield_to_signal();
            eprintln!("xtask: {what}: {error:#}");
            count.fail(what);
        }
    }
}

/// The workspace's tests, those that need root too.
fn tests(count: &mut Count) -> Result<()> {
    let nextest = command::have("cargo-nextest");
    step(if nextest { "tests (cargo nextest)" } else { "tests (cargo test)" });
    let mut cargo = command::cargo();
    if nextest {
        cargo.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color", "never"]);
        cargo.args(["--status-level", "fail", "--final-status-level", "fail"]);
        cargo.args(["--no-tests", "pass"]);
    } else {
        cargo.args(["test", "--workspace", "--no-fail-fast", "--color", "never", "--quiet"]);
        cargo.args(["--lib", "--bins", "--tests"]);
    }
    as_root(&mut cargo)?;
    let runner = if nextest { Runner::Nextest } else { Runner::Cargo };
    counted(count, &mut cargo, runner)?;
    step("the documentation's examples");
    let mut examples = command::cargo();
    examples.args(["test", "--workspace", "--doc", "--no-fail-fast", "--color", "never"]);
    counted(count, examples.arg("--quiet"), Runner::Cargo)
}

/// Runs a test command, shows what it says, and counts from it.
fn counted(count: &mut Count, cargo: &mut Command, runner: Runner) -> Result<()> {
    let line = command::shown(cargo);
    cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = crate::lab::process::Process::attached(cargo)?;
    let found = count::read(&mut process, runner)?;
    let status = process.wait()?;
    count.passed += found.passed;
    count.failed += found.failed;
    count.names.extend(found.names);
    if !status.success() && found.failed == 0 {
        eprintln!("xtask: `{line}` ended with {status}");
        count.fail("building or starting the tests");
    }
    Ok(())
}

/// Lets cargo build as the present user, and start the tests as root.
fn as_root(cargo: &mut Command) -> Result<()> {
    if command::is_root() {
        return Ok(());
    }
    if !command::have("sudo") {
        bail!("some tests need root (network namespaces, XDP), and there is no sudo");
    }
    let host = command::host()?;
    let variable = format!("CARGO_TARGET_{}_RUNNER", host.replace('-', "_").to_uppercase());
    eprintln!("xtask: some tests need root: cargo starts them by sudo -E");
    cargo.env(variable, "sudo -E");
    Ok(())
}
