//! `ringtap run`: live capture.

use std::io::Write;

use super::configuration;
use crate::cli::RunArgs;
use crate::plant::live::capture;
use crate::plant::options;
use crate::status::render;
use crate::{config::Config, shutdown};

/// Captures until a signal asks for the end.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = settings(args)?;
    let stop = shutdown::watch()?;
    let open = |url: &str| ringtap_cdr::open(url, &config.mysql);
    let store = config.store.as_deref().map(open).transpose()?;
    if store.is_none() {
        tracing::warn!("no store is named: calls are counted, but their records are kept nowhere");
    }
    let done = capture(&config, store, &stop)?;
    let _ = std::io::stderr().write_all(render(&done.ledger.to_json()).as_bytes());
    tracing::info!(records = done.written.records, stored = done.written.stored, "finished");
    if let Some(error) = done.written.error
        && done.written.failed > 0
    {
        anyhow::bail!("{} records could not be stored: {error}", done.written.failed);
    }
    Ok(())
}

/// The configuration as the command line changes it.
pub(super) fn settings(args: &RunArgs) -> anyhow::Result<Config> {
    let mut config = configuration(&args.config)?;
    if !args.interface.is_empty() {
        config.set("interface", &args.interface.join(","), "-i")?;
    }
    if let Some(how) = &args.capture {
        config.set("capture", how, "--capture")?;
    }
    if let Some(url) = &args.store {
        config.set("store", url, "--store")?;
    }
    if let Some(folder) = &args.spool {
        options::save_all(&mut config, folder);
    }
    config.allow_own_address |= args.allow_own_address;
    Ok(config)
}
