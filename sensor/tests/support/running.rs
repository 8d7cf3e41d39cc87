//! `ringtap run` as a child process, and the other commands as its users give them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a sensor may take to start, to end, and its ledger to balance.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The binary.
pub(crate) const RINGTAP: &str = env!("CARGO_BIN_EXE_ringtap");

/// Where a sensor keeps its things.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) spool: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) socket: PathBuf,
    messages: PathBuf,
}

impl Files {
    /// In a folder.
    pub(crate) fn below(folder: &Path) -> Self {
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

    /// `ringtap run` by a command that ends with the binary, everything kept here.
    pub(crate) fn run(&self, command: &mut Command) {
        command.args(["run", "--store", &self.store(), "--spool"]).arg(&self.spool);
        command.arg("-O").arg(format!("status_socket={}", self.socket.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
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
pub(crate) struct Running {
    pub(crate) files: Files,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the sensor said:\n{}", self.messages());
        }
    }
}

impl Running {
    /// Starts a sensor that keeps its things there, and waits until it answers.
    pub(crate) fn by(files: Files, mut command: Command) -> Self {
        let messages = File::create(&files.messages).expect("a file can be made");
        let child = command.stderr(messages).spawn().expect("the command can be run");
        let mut running = Self { files, child };
        wait_for("the sensor answers", LIMIT, || {
            let ended = running.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the sensor ended: {ended:?}");
            running.ask_status()
        });
        running
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
