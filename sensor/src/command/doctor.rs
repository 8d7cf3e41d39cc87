//! `ringtap doctor`: findings as they come.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::run::settings;
use crate::cli::{DoctorArgs, FindingFormat};
use crate::doctor::examine;
use crate::doctor::finding::{State, Style, print};

/// Examines everything.
pub(super) fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = settings(&args.run)?;
    let look = Duration::from_secs(args.seconds.into());
    let style = match args.format {
        FindingFormat::Table => Style::Lines,
        FindingFormat::Json => Style::Json,
    };
    let mut tell = |finding: &_| print(finding, style, &mut io::stdout().lock());
    let worst = examine(&config, look, &mut tell).context("cannot print")?;
    Ok(code(worst))
}

/// What the shell is told.
pub(super) fn code(worst: State) -> ExitCode {
    if worst == State::Problem { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
