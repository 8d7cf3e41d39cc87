//! End-to-end measurements of ringtap: `cargo xtask bench` builds and runs this.
//!
//! Three parts: capture files (`offline`), a mirror port in a private namespace (`live`), and the
//! kernel program by itself (`stages`). It prints Markdown and can write JSON. Every comparison
//! is made within one run, its sides taking turns; figures are medians. It judges nothing: times
//! of a loaded machine say little.

mod live;
mod machine;
mod median;
mod offline;
mod receive;
mod stages;
mod stop;
mod sys;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::json;

/// Measures ringtap from end to end.
#[derive(Debug, Parser)]
#[command(name = "ringtap-bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure
    All(AllArgs),
    /// Receive from an interface and drop; answers each line on standard input with its counts
    Receive(receive::ReceiveArgs),
}

#[derive(Debug, clap::Args)]
struct AllArgs {
    /// The capture to replay
    #[arg(long, value_name = "FILE")]
    capture: PathBuf,
    /// The program to measure
    #[arg(long, value_name = "FILE")]
    ringtap: PathBuf,
    /// Folder for what is written while measuring
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// One short round of everything
    #[arg(long)]
    quick: bool,
    /// Rounds of the live part
    #[arg(long)]
    rounds: Option<usize>,
    /// Parts to run, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "offline,live,stages")]
    parts: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::All(arguments) => all(&arguments),
        Command::Receive(arguments) => receive::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringtap-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn all(arguments: &AllArgs) -> anyhow::Result<()> {
    stop::listen()?;
    let before = machine::load();
    let wanted = |part: &str| arguments.parts.iter().any(|one| one == part);
    let (mut figures, mut text) = (serde_json::Map::new(), String::new());
    if wanted("offline") {
        let (part, table) = offline::run(arguments)?;
        figures.insert("offline".into(), part);
        text += &table;
    }
    if wanted("live") {
        let (part, table) = live::run(arguments)?;
        figures.insert("live".into(), part);
        text += &table;
    }
    if wanted("stages") {
        let (part, table) = stages::run(arguments.quick)?;
        figures.insert("stages".into(), part);
        text += &table;
    }
    let machine = machine::describe();
    let after = machine::load();
    println!("{machine}; load average {before} before and {after} after.\n\n{text}");
    figures.insert("machine".into(), json!(machine));
    figures.insert("load_before".into(), json!(before));
    figures.insert("load_after".into(), json!(after));
    figures.insert("quick".into(), json!(arguments.quick));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
