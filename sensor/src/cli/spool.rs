//! Arguments of the commands that look after the spool.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigArgs;

/// `ringtap spool`
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// List the segments: times, kind, packets, size, state of the index.
    List(SpoolArgs),
    /// Read every byte and say what is damaged; change nothing. Exit code 1 if there is anything.
    Verify(SpoolArgs),
    /// Make the indexes anew from the segments alone, repair what a killed sensor has left, and
    /// mend damage so that stock tools read across it. May run beside the sensor.
    Rebuild(SpoolArgs),
}

/// Which spool.
#[derive(Debug, Args)]
pub struct SpoolArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The spool's root [default: the configuration's spooldir]
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: SpoolFormat,
}

/// How segments are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SpoolFormat {
    /// A line for each, for people.
    #[default]
    Table,
    /// A JSON object a line.
    Json,
}
