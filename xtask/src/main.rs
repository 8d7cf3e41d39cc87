//! The project's own commands: `cargo xtask <command>`, one file a command.
//!
//! Builds without native libraries, so that `cargo xtask setup` works on a bare machine.

mod bench;
mod build_ebpf;
mod campaign;
mod ci;
mod command;
mod demo;
mod r#gen;
mod lab;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what building and testing need (Debian packages, bpf-linker)
    Setup,
    /// Build the kernel program from its Rust source
    BuildEbpf,
    /// A private telephone network with a mirror port, until Ctrl-C
    Lab,
    /// Write a capture file of generated calls, and the truth about them
    Gen(Box<r#gen::GenArgs>),
    /// Real calls over a mirror port, recorded live, checked against sipp and tshark
    Demo(demo::DemoArgs),
    /// Measure speed and memory, and print tables
    Bench(bench::BenchArgs),
    /// Tests for as long as one likes, which go on where they stopped
    #[command(subcommand)]
    Campaign(campaign::Campaign),
    /// Everything that must hold: format, lints, rules, unit, kernel and end-to-end tests
    Test(test::TestArgs),
    /// The repository's rules
    Tidy,
    /// What `.ci/run` runs: `test`, without asking for anything
    Ci,
}

fn main() -> ExitCode {
    let task = Arguments::parse().command;
    let result = match task {
        Task::Setup => setup::run(),
        Task::BuildEbpf => build_ebpf::run().map(|object| println!("{}", object.display())),
        Task::Lab => lab::run(),
        Task::Gen(arguments) => r#gen::run(*arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Campaign(campaign) => campaign::run(&campaign),
        Task::Test(arguments) => test::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Ci => ci::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lab::process::yield_to_signal();
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
