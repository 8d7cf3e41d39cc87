//! `ringtap replay`: capture files into records.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use ringtap_cdr::json::Detail;
use serde_json::Value;

use super::configuration;
use super::explain::explain;
use crate::cli::ReplayArgs;
use crate::plant::options;
use crate::plant::replay::{Replayed, replay as run};
use crate::show;
use crate::status::{Ledger, render};

/// Workers where nobody says how many.
const WORKERS_DEFAULT_MAX: usize = 4;

/// Reads the files and prints or stores their calls.
pub(super) fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut config = configuration(&args.config)?;
    if args.explain {
        options::save_nothing(&mut config);
        return explain(&config, args);
    }
    match &args.spool {
        Some(folder) => options::save_all(&mut config, folder),
        None => options::save_nothing(&mut config),
    }
    let workers = workers(&args);
    let open = |url: &str| ringtap_cdr::open(url, &config.mysql);
    let store = args.store.as_deref().map(open).transpose()?;
    let show = (!args.quiet).then(|| show::open(args.format, Detail { intervals: args.intervals }));
    let done = run(&config, args.files, workers, store, show)?;
    for remark in &done.outcome.remarks {
        eprintln!("ringtap: {remark}");
    }
    let ledger = ledger(&done).to_json();
    write_stats(args.stats.as_deref(), &ledger)?;
    if args.format == crate::cli::Format::Table && !args.quiet {
        if done.written.records == 0 {
            eprintln!("no calls and no RTP streams");
        }
        let _ = std::io::stderr().write_all(render(&ledger).as_bytes());
    }
    if let Some(error) = done.written.error {
        anyhow::bail!("{error}");
    }
    Ok(ExitCode::SUCCESS)
}

/// As many as are wanted.
pub(super) fn workers(args: &ReplayArgs) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    args.workers.map_or(cores.min(WORKERS_DEFAULT_MAX), usize::from)
}

/// Writes the ledger where it is wanted.
pub(super) fn write_stats(path: Option<&Path>, ledger: &Value) -> anyhow::Result<()> {
    match path {
        None => {}
        Some(path) if path == Path::new("-") => eprintln!("{ledger:#}"),
        Some(path) => {
            let text = format!("{ledger:#}\n");
            std::fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// What became of every frame of the files.
pub(super) fn ledger(done: &Replayed) -> Ledger {
    Ledger {
        user: done.tally.clone(),
        spool: done.spool,
        file_frames: Some(done.outcome.frames),
        ..Ledger::default()
    }
}
