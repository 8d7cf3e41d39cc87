//! What each command of the command line does.

mod audio;
mod decapsulate;
mod doctor;
mod explain;
mod in_place;
mod live;
mod outside;
mod pcap;
mod replay;
mod run;
mod spool;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use ringtap_cdr::json::Detail;
use ringtap_cdr::{Filter, Store};

use crate::cli::{
    CallArgs, CallsArgs, Command, ConfigArgs, FilterArgs, Format, StatusArgs, StoreArgs, SumFormat,
    SummaryArgs,
};
use crate::config::{self, Config};
use crate::live::now_us;
use crate::{query, status};

/// Does what was asked.
pub fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(&args)?,
        Command::Replay(args) => return replay::replay(args),
        Command::Calls(args) => calls(&args)?,
        Command::Summary(args) => summary(&args)?,
        Command::Call(args) => return call(&args),
        Command::Registers(args) => outside::registers(&args)?,
        Command::Messages(args) => outside::messages(&args)?,
        Command::Requests(args) => outside::requests(&args)?,
        Command::Pcap(args) => pcap::pcap(&args)?,
        Command::Audio(args) => audio::audio(&args)?,
        Command::Spool(command) => return spool::spool(&command),
        Command::Status(args) => print_status(&args)?,
        Command::Doctor(args) => return doctor::doctor(&args),
        Command::CheckConfig(args) => return check_config(args.file.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the reader of our output has simply gone away (`| head`).
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The configuration: defaults, then the file, then `-O`. Warnings go to the log.
fn configuration(args: &ConfigArgs) -> anyhow::Result<Config> {
    let (mut config, warnings) = config::load(args.config.as_deref())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for option in &args.options {
        let Some((key, value)) = option.split_once('=') else {
            bail!("-O {option}: write it as KEY=VALUE");
        };
        config.set(key.trim(), value.trim(), "-O")?;
    }
    Ok(config)
}

/// The roots of the spool that are read: those given, between colons, else the configuration's.
fn roots(config: &Config, given: Option<&Path>) -> Vec<PathBuf> {
    match given {
        Some(given) => std::env::split_paths(given).collect(),
        None => std::iter::once(&config.spooldir).chain(&config.spooldir_more).cloned().collect(),
    }
}

/// Roots for people.
fn shown(roots: &[PathBuf]) -> String {
    roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(" and ")
}

/// The store that the command line or the configuration names.
fn store(args: &StoreArgs) -> anyhow::Result<(Config, Box<dyn Store>)> {
    let config = configuration(&args.config)?;
    let url = args.store.clone().or_else(|| config.store.clone());
    let Some(url) = url else {
        bail!("no store is named: give --store sqlite:PATH, or `store` in the configuration");
    };
    let store = ringtap_cdr::open_existing(&url, &config.mysql)?;
    Ok((config, store))
}

fn calls(args: &CallsArgs) -> anyhow::Result<()> {
    if args.live {
        return live::calls(args);
    }
    let (_, mut store) = store(&args.store)?;
    let filter = Filter { limit: Some(args.limit), ..filter(&args.filter)? };
    let mut out = BufWriter::new(io::stdout().lock());
    let format = query_format(args.format);
    if args.legs {
        query::grouped(store.as_mut(), &filter, format, &mut out)?;
    } else {
        query::calls(store.as_mut(), &filter, format, &mut out)?;
    }
    out.flush().context("cannot print")
}

fn summary(args: &SummaryArgs) -> anyhow::Result<()> {
    let (_, mut store) = store(&args.store)?;
    let filter = Filter { limit: args.limit, ..filter(&args.filter)? };
    let mut out = BufWriter::new(io::stdout().lock());
    query::summary(store.as_mut(), &filter, args.format == SumFormat::Json, &mut out)?;
    out.flush().context("cannot print")
}

/// The filters that were given, by name.
fn filters(args: &FilterArgs) -> Vec<(&'static str, String)> {
    let number = |n: Option<u16>| n.map(|n| n.to_string());
    let asked = [
        ("since", args.since.clone()),
        ("until", args.until.clone()),
        ("caller", args.caller.clone()),
        ("called", args.called.clone()),
        ("ip", args.ip.clone()),
        ("sensor", number(args.sensor)),
        ("response", number(args.response)),
        ("mos-below", args.mos_below.map(|x| x.to_string())),
        ("codec", args.codec.clone()),
        ("agent", args.agent.clone()),
        ("header", args.header.clone()),
        ("tunnel", args.tunnel.clone()),
    ];
    asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn filter(args: &FilterArgs) -> anyhow::Result<Filter> {
    let (mut filter, now_us) = (Filter::default(), now_us());
    for (name, value) in filters(args) {
        filter.set(name, &value, now_us)?;
    }
    Ok(filter)
}

fn call(args: &CallArgs) -> anyhow::Result<ExitCode> {
    let (config, mut store) = store(&args.store)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let detail = Detail { intervals: args.intervals };
    let format = query_format(args.format);
    let found = query::call(store.as_mut(), &args.id, format, detail, &mut out)?
        || live::call(&config, args, &mut out)?;
    out.flush().context("cannot print")?;
    if !found {
        bail!("no call has the ID or Call-ID {}: `ringtap calls` lists them", args.id);
    }
    Ok(ExitCode::SUCCESS)
}

fn query_format(format: Format) -> query::Format {
    match format {
        Format::Table => query::Format::Table,
        Format::Json => query::Format::Json,
        Format::Csv => query::Format::Csv,
    }
}

fn print_status(args: &StatusArgs) -> anyhow::Result<()> {
    let config = configuration(&args.config)?;
    let path = args.socket.clone().unwrap_or(config.status_socket);
    let ledger = status::ask(&path)?;
    let text = if args.json { format!("{ledger:#}\n") } else { status::render(&ledger) };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot print")
}

fn check_config(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let report = config::check(file)?;
    let mut out = io::stdout().lock();
    for line in &report.lines {
        writeln!(out, "{line}").context("cannot print")?;
    }
    Ok(if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
