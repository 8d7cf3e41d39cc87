//! `ringtap run` as a child process, and the other commands as its users give them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{FAR, Lab};

/// How long a sensor may take to start, to end, and its ledger to balance.
const LIMIT: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The binary.
const RINGTAP: &str = env!("CARGO_BIN_EXE_ringtap");

/// Where a sensor keeps its things.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) spool: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) socket: PathBuf,
    messages: PathBuf,
}

impl Files {
    /// Below the test's folder, under a name.
    pub(crate) fn new(lab: &Lab, name: &str) -> Self {
        let folder = lab.folder().join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self {
            spool: folder.join("spool"),
            database: folder.join("calls.sqlite"),
            socket: folder.join("status"),
            messages: folder.join("messages"),
        }
    }

    /// The store's URL.
    pub(crate) fn store(&self) -> String {
        format!("sqlite:{}", self.database.display())
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
        command.args(["run", "--store", &self.store(), "--spool"]).arg(&self.spool);
        command.arg("-O").arg(format!("status_socket={}", self.socket.display()));
        command.args(["-O", "spool_chunk_ms=100"]);
        if !options.contains(&"-i") {
            command.args(["-i", FAR]);
        }
        command.args(options).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Another command of ringtap, with the store.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let store = self.store();
        ringtap(&[arguments, &["--store", &store]].concat())
    }

    /// The records of calls, the newest last.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let asked = self.ask(&["calls", "--format", "json"]);
        let lines = String::from_utf8(asked.stdout).expect("records are text");
        let said = String::from_utf8_lossy(&asked.stderr);
        assert!(asked.status.success(), "{said}");
        let records = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON object"));
        records.filter(|record: &Value| record["type"] == "call").collect()
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

/// Runs ringtap to its end.
pub(crate) fn ringtap(arguments: &[&str]) -> Output {
    Command::new(RINGTAP).args(arguments).stdin(Stdio::null()).output().expect("ringtap runs")
}

/// Looks until there is something to see; fails with what is wanted after the limit.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        thread::sleep(LOOK);
    }
}

/// A sensor that runs. It is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Sensor {
    pub(crate) files: Files,
    child: Child,
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the sensor said:\n{}", self.messages());
        }
    }
}

impl Sensor {
    /// Starts a sensor and waits until it answers.
    pub(crate) fn start(lab: &Lab, files: &Files, options: &[&str]) -> Self {
        let messages = File::create(&files.messages).expect("a file can be made");
        let mut command = files.run_command(lab, options);
        let child = command.stderr(messages).spawn().expect("ip can be run");
        let mut sensor = Self { files: files.clone(), child };
        wait_for("the sensor captures", LIMIT, || {
            let ended = sensor.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the sensor ended: {ended:?}");
            sensor.ask_status()
        });
        sensor
    }

    /// What it has said.
    pub(crate) fn messages(&self) -> String {
        fs::read_to_string(&self.files.messages).unwrap_or_default()
    }

    fn ask_status(&self) -> Option<Value> {
        let socket = self.files.socket.to_string_lossy();
        let asked = ringtap(&["status", "--json", "--socket", &socket]);
        asked.status.success().then(|| serde_json::from_slice(&asked.stdout).expect("JSON"))
    }

    /// The ledger now.
    pub(crate) fn status(&self) -> Value {
        self.ask_status().expect("the sensor answers")
    }

    /// The ledger once it shows what is wanted.
    pub(crate) fn status_with(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let ledger = self.status();
            if wanted(&ledger) {
                return ledger;
            }
            assert!(Instant::now() < until, "not within {LIMIT:?}: {what}: {ledger:#}");
            thread::sleep(LOOK);
        }
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

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "the sensor has ended before");
    }

    /// Sends a signal and waits for the end; gives the exit code.
    pub(crate) fn end(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.end_itself()
    }

    /// Waits until it has ended; gives the exit code.
    pub(crate) fn end_itself(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = wait_for("the sensor ends", LIMIT, || {
            child.try_wait().expect("a child can be waited for")
        });
        status.code()
    }

    /// Ends it in order, and gives what it said.
    pub(crate) fn finish(mut self) -> String {
        let code = self.end("TERM");
        assert_eq!(code, Some(0), "{}", self.messages());
        self.messages()
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
