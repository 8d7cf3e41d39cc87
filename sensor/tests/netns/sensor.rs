//! A sensor on the far end of the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::lab::{FAR, Lab};
use crate::running::RINGTAP;

pub(crate) use crate::running::{Files, Running as Sensor, ringtap, wait_for};

impl Files {
    /// Below the test's folder, under a name.
    pub(crate) fn new(lab: &Lab, name: &str) -> Self {
        let folder = lab.folder().join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self::below(&folder)
    }

    /// `ringtap run` on the far end, with everything kept.
    pub(crate) fn run_command(&self, lab: &Lab, options: &[&str]) -> Command {
        self.run_by(lab, &[], options)
    }

    /// The same, started by another program.
    pub(crate) fn run_by(&self, lab: &Lab, starter: &[&str], options: &[&str]) -> Command {
        let mut command = Command::new("ip");
        // It becomes the program it starts: the child is the sensor itself.
        command.args(["netns", "exec", lab.far.name()]).args(starter).arg(RINGTAP);
        self.run(&mut command);
        command.args(["-O", "spool_chunk_ms=100"]);
        if !options.contains(&"-i") {
            command.args(["-i", FAR]);
        }
        command.args(options);
        command
    }

    /// Segments of the spool that are not sealed.
    pub(crate) fn unsealed(&self) -> Vec<PathBuf> {
        let is_part = |path: &PathBuf| path.to_string_lossy().contains(".part");
        files_below(&self.spool).into_iter().filter(is_part).collect()
    }

    /// All files of the spool.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        files_below(&self.spool)
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found
}

impl Sensor {
    /// Starts a sensor and waits until it answers.
    pub(crate) fn start(lab: &Lab, files: &Files, options: &[&str]) -> Self {
        Self::by(files.clone(), files.run_command(lab, options))
    }

    /// The ledger once the kernel has counted so many frames and everything balances.
    pub(crate) fn settled(&self, frames: u64) -> Value {
        self.status_with(&format!("{frames} frames, balanced"), |ledger| {
            ledger["balanced"] == true && interface(ledger)["frames"] == frames
        })
    }

    /// The ledger once so many frames were received and everything balances (packet sockets).
    pub(crate) fn settled_user(&self, frames: u64) -> Value {
        self.status_with(&format!("{frames} frames received, balanced"), |ledger| {
            ledger["balanced"] == true && ledger["user"]["received"] == frames
        })
    }
}

/// The one interface in a ledger.
pub(crate) fn interface(ledger: &Value) -> &Value {
    &ledger["interfaces"][0]
}

/// A number in a ledger; absent ones are 0.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
