//! Signals: SIGTERM and SIGINT ask for an orderly end.
//!
//! The first one sets the flag; a second one ends the process at once, as people expect of
//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

/// Exit code when a second signal cut the orderly end short.
const EXIT_IMPATIENT: i32 = 130;

/// The flag that a signal sets.
pub fn watch() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        flag::register_conditional_shutdown(*signal, EXIT_IMPATIENT, Arc::clone(&stop))
            .and_then(|_| flag::register(*signal, Arc::clone(&stop)))
            .context("cannot watch for signals")?;
    }
    Ok(stop)
}
