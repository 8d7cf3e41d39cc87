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
            eprintln!("ringtap: {error:#}");
            ExitCode::FAILURE
        }
    }
}
