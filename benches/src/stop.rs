//! Ctrl-C and SIGTERM: what is under way ends by an error, so that guards remove what they made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on these signals are noted and do not kill.
pub(crate) fn listen() -> anyhow::Result<()> {
    let flag = STOP.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot catch signals")?;
    }
    Ok(())
}

/// An error once a signal has come.
pub(crate) fn check() -> anyhow::Result<()> {
    ensure!(!STOP.get().is_some_and(|flag| flag.load(Ordering::Acquire)), "stopped by a signal");
    Ok(())
}
