//! `ringtap run` that listens on the loopback interface, and what it says.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const RINGTAP: &str = env!("CARGO_BIN_EXE_ringtap");
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// A sensor that runs; it is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Sensor {
    folder: tempfile::TempDir,
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
    /// Starts a sensor with options (`key=value`) and waits until it answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut command = Command::new(RINGTAP);
        command.args(["run", "--store", &format!("sqlite:{}", path("calls").display())]);
        command.arg("--spool").arg(path("spool"));
        let socket = format!("status_socket={}", path("status").display());
        let usual =
            [socket.as_str(), "hep=yes", "hep_bind_ip=127.0.0.1", "hep_bind_port=0", "workers=2"];
        for option in usual.iter().chain(options) {
            command.args(["-O", option]);
        }
        let messages = File::create(path("messages")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages);
        let child = command.spawn().unwrap();
        let mut sensor = Self { folder, child };
        sensor.wait_for("the sensor answers", |sensor| {
            let ended = sensor.child.try_wait().unwrap();
            assert!(ended.is_none(), "the sensor ended: {ended:?}");
            sensor.ask().map(drop)
        });
        sensor
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has said.
    pub(crate) fn messages(&self) -> String {
        fs::read_to_string(self.path("messages")).unwrap_or_default()
    }

    fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(Instant::now() < until, "not within {LIMIT:?}: {what}");
            thread::sleep(LOOK);
        }
    }

    fn ask(&self) -> Option<Value> {
        let mut command = Command::new(RINGTAP);
        let asked = command.args(["status", "--json", "--socket"]).arg(self.path("status"));
        let said = asked.output().unwrap();
        said.status.success().then(|| serde_json::from_slice(&said.stdout).unwrap())
    }

    /// A listener's part of the ledger.
    pub(crate) fn part(&self, listener: &str) -> Value {
        self.ask().unwrap()[listener].clone()
    }

    /// The HEP part of the ledger.
    pub(crate) fn hep(&self) -> Value {
        self.part("hep")
    }

    /// Where a listener listens by that means.
    pub(crate) fn at_of(&self, listener: &str, means: &str) -> SocketAddr {
        self.part(listener)["listening"][means].as_str().unwrap().parse().unwrap()
    }

    /// The same of HEP.
    pub(crate) fn at(&self, means: &str) -> SocketAddr {
        self.at_of("hep", means)
    }

    /// What workers have counted beside frames.
    pub(crate) fn events(&self) -> Value {
        self.ask().unwrap()["user"]["events"].clone()
    }

    /// What workers have counted once there is a record of that kind.
    pub(crate) fn with_record(&mut self, kind: &str) -> Value {
        let records = format!("{kind}_records");
        self.wait_for(&records, |sensor| {
            Some(sensor.events()).filter(|events| events[&records] != 0)
        })
    }

    /// The HEP part once so many messages have come, all is counted, and the ledger balances.
    pub(crate) fn settled(&mut self, messages: u64) -> Value {
        self.settled_of("hep", messages)
    }

    /// The same of any listener.
    pub(crate) fn settled_of(&mut self, listener: &str, messages: u64) -> Value {
        let mut last = Value::Null;
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            last = self.ask().unwrap();
            if last[listener]["messages"] == messages && last["balanced"] == true {
                return last[listener].clone();
            }
            thread::sleep(LOOK);
        }
        panic!("not within {LIMIT:?}: {messages} messages: {last:#}");
    }

    /// The HEP part once an event was counted so often.
    pub(crate) fn with_event(&mut self, event: &str, times: u64) -> Value {
        self.with_event_of("hep", event, times)
    }

    /// The same of any listener.
    pub(crate) fn with_event_of(&mut self, listener: &str, event: &str, times: u64) -> Value {
        self.wait_for(event, |sensor| {
            Some(sensor.part(listener)).filter(|part| part["events"][event] == times)
        })
    }

    /// So many records of calls.
    pub(crate) fn calls(&mut self, count: usize) -> Vec<Value> {
        self.wait_for(&format!("{count} calls"), |sensor| {
            let store = format!("sqlite:{}", sensor.path("calls").display());
            let mut command = Command::new(RINGTAP);
            let asked = command.args(["calls", "--format", "json", "--store", &store]);
            let said = asked.output().unwrap();
            let lines = String::from_utf8(said.stdout).unwrap();
            let records = lines.lines().map(|line| serde_json::from_str(line).unwrap());
            let calls: Vec<Value> =
                records.filter(|record: &Value| record["type"] == "call").collect();
            assert!(calls.len() <= count, "{calls:#?}");
            Some(calls).filter(|calls| calls.len() == count)
        })
    }

    /// Another command, with the store and the spool.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(RINGTAP);
        command.args(arguments);
        command.args(["--store", &format!("sqlite:{}", self.path("calls").display())]);
        command.arg("-O").arg(format!("spooldir={}", self.path("spool").display()));
        let said = command.output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// Tells it to end, and gives what it said; it must end well.
    pub(crate) fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.wait_for("the end", |sensor| sensor.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.messages());
        self.messages()
    }
}
