//! Logs go to standard error; `RINGTAP_LOG` sets the level.
//!
//! Subscribers' numbers, URIs and addresses are never logged above DEBUG: whoever writes a log
//! line keeps to that, nothing here can check it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging.
pub fn start() {
    let filter = EnvFilter::try_from_env("RINGTAP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_target(false)
        .init();
}
