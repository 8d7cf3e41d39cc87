//! `cargo xtask campaign`: tests that run for as long as one likes, and go on where they stopped.

mod fuzz;

use anyhow::Result;
use clap::Subcommand;

/// The campaigns.
#[derive(Debug, Subcommand)]
pub(crate) enum Campaign {
    /// Coverage-guided fuzzing of parsers and state machines
    Fuzz(fuzz::FuzzArgs),
}

/// Runs a campaign.
pub(crate) fn run(campaign: &Campaign) -> Result<()> {
    match campaign {
        Campaign::Fuzz(arguments) => fuzz::run(arguments),
    }
}
