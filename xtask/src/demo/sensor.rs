//! The sensor in the demo: its configuration, its life, and its answers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;
use crate::lab::process::Process;
use crate::lab::{self, Lab, Place};

/// The sensor's window for duplicates, in ms.
pub(super) const WINDOW_MS: u32 = 20;
/// How long it may take until it captures.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to finish its calls and seal the spool.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a quiet ledger may take to balance.
const QUIET_LIMIT: Duration = Duration::from_secs(15);

/// Where the sensor and its files are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// The binary.
    pub(super) ringtap: PathBuf,
    pub(super) config: PathBuf,
    pub(super) spool: PathBuf,
    pub(super) database: PathBuf,
    /// What it says while it runs.
    pub(super) messages: PathBuf,
    socket: PathBuf,
}

impl Files {
    /// Writes the configuration into `folder`.
    pub(super) fn write(ringtap: PathBuf, folder: &Path) -> Result<Self> {
        let files = Self {
            ringtap,
            config: folder.join("ringtap.conf"),
            spool: folder.join("spool"),
            database: folder.join("calls.sqlite"),
            messages: folder.join("ringtap.messages"),
            socket: socket_path(folder),
        };
        let text = format!(
            "# The demo's sensor.\n\
             interface = {}\n\
             capture = xdp\n\
             id_sensor = 7\n\
             sipport = 5060\n\
             deduplicate = yes\n\
             deduplicate_window_ms = {WINDOW_MS}\n\
             savesip = yes\n\
             savertp = yes\n\
             savertcp = yes\n\
             spooldir = {}\n\
             store = sqlite:{}\n\
             status_socket = {}\n",
            lab::SPAN,
            files.spool.display(),
            files.database.display(),
            files.socket.display(),
        );
        fs::write(&files.config, text)
            .with_context(|| format!("cannot write {}", files.config.display()))?;
        Ok(files)
    }

    /// `ringtap` with the demo's configuration.
    pub(super) fn command(&self, subcommand: &str) -> Command {
        let mut command = command::program(&self.ringtap);
        command.arg(subcommand).arg("-c").arg(&self.config);
        command
    }

    /// All records of calls.
    pub(super) fn calls(&self) -> Result<Vec<Value>> {
        let text = command::text(self.command("calls").args(["--format", "json"]))?;
        text.lines().map(|line| serde_json::from_str(line).context("not JSON")).collect()
    }

    /// The running sensor's ledger.
    fn ledger(&self) -> Result<Value> {
        let text = command::text(self.command("status").arg("--json"))?;
        serde_json::from_str(&text).context("`ringtap status --json` gives no JSON")
    }
}

/// A local socket's address holds 108 bytes: too few for some folders.
fn socket_path(folder: &Path) -> PathBuf {
    let path = folder.join("status.socket");
    if path.as_os_str().len() < 100 {
        return path;
    }
    std::env::temp_dir().join(format!("ringtap-demo-{}.socket", std::process::id()))
}

/// The running sensor.
#[derive(Debug)]
pub(super) struct Sensor {
    process: Process,
    files: Files,
}

impl Sensor {
    /// Starts it at the mirror port and waits until it captures.
    pub(super) fn start(lab: &Lab, files: &Files) -> Result<Self> {
        let log = File::create(&files.messages)
            .with_context(|| format!("cannot write {}", files.messages.display()))?;
        let mut command = lab.enter(Place::Monitor, &files.ringtap.display().to_string());
        command.arg("run").arg("-c").arg(&files.config).args(["-i", lab::SPAN]);
        command.stdout(log.try_clone().context("cannot share a file")?).stderr(log);
        let mut sensor = Self { process: Process::spawn(&mut command)?, files: files.clone() };
        let end = Instant::now() + START_LIMIT;
        while !sensor.messages().contains("capturing") {
            if let Some(status) = sensor.process.try_wait()? {
                bail!("ringtap ended at its start ({status}): {}", sensor.last_message());
            }
            if Instant::now() > end {
                let seconds = START_LIMIT.as_secs();
                bail!("ringtap does not capture after {seconds} s: {}", sensor.last_message());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(sensor)
    }

    fn messages(&self) -> String {
        fs::read_to_string(&self.files.messages).unwrap_or_default()
    }

    fn last_message(&self) -> String {
        let messages = self.messages();
        messages.lines().next_back().unwrap_or("no message").to_owned()
    }

    /// Waits until the ledger balances and gives that ledger: JSON, and as a person sees it.
    pub(super) fn quiet_ledger(&self) -> Result<(Value, String)> {
        let end = Instant::now() + QUIET_LIMIT;
        loop {
            let ledger = self.files.ledger()?;
            if super::ledger::balanced(&ledger)? || Instant::now() > end {
                return Ok((ledger, command::text(&mut self.files.command("status"))?));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// SIGTERM: it must finish its calls, seal the spool and exit with 0.
    pub(super) fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(STOP_LIMIT)?;
        if !status.success() {
            bail!("ringtap ended with {status} after SIGTERM: {}", self.last_message());
        }
        Ok(())
    }
}
