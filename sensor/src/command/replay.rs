//! `ringtap replay`: capture files into records.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::configuration;
use crate::cli::ReplayArgs;
use crate::plant::options;
use crate::plant::replay::{Replayed, replay as run};
use crate::show;
use crate::status::{Ledger, render};
use ringtap_cdr::json::Detail;

/// Workers where nobody says how many.
const WORKERS_DEFAULT_MAX: usize = 4;

/// Reads the files and prints or stores their calls.
pub(super) fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut config = configuration(&args.config)?;
    match &args.spool {
        Some(folder) => options::save_all(&mut config, folder),
        None => options::save_nothing(&mut config),
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = args.workers.map_or(cores.min(WORKERS_DEFAULT_MAX), usize::from);
    let store = args.store.as_deref().map(ringtap_cdr::open).transpose()?;
    let show = (!args.quiet).then(|| show::open(args.format, Detail { intervals: args.intervals }));
    let done = run(&config, args.files, workers, store, show)?;
    for remark in &done.outcome.remarks {
        eprintln!("ringtap: {remark}");
    }
    let ledger = ledger(&done).to_json();
    match args.stats.as_deref() {
        None => {}
        Some(path) if path == Path::new("-") => eprintln!("{ledger:#}"),
        Some(path) => {
            let text = format!("{ledger:#}\n");
            std::fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
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

fn ledger(done: &Replayed) -> Ledger {
    Ledger {
        user: done.tally.clone(),
        spool: done.spool,
        file_frames: Some(done.outcome.frames),
        ..Ledger::default()
    }
}
