//! The binary: reads the command line, acts, and says in one line what went wrong.

use std::process::ExitCode;

use clap::Parser;
use ringtap::cli::Cli;

fn main() -> ExitCode {
    // Records and packets are private: nobody outside the group reads what is written here.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
    ringtap::logging::start();
    match ringtap::command::act(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if ringtap::command::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringtap: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong and why, in one line. Causes that a message already contains are not said
/// twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}
