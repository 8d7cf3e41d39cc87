//! A sensor that listens on the loopback interface, and what it says.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::running::{Files, LIMIT, RINGTAP, Running, ringtap, wait_for};

/// A sensor that runs; its things go with it.
#[derive(Debug)]
pub(crate) struct Sensor {
    running: Running,
    _folder: tempfile::TempDir,
}

impl Sensor {
    /// Starts a sensor with options (`key=value`) and waits until it answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::below(folder.path());
        let mut command = Command::new(RINGTAP);
        files.run(&mut command);
        let usual = ["hep=yes", "hep_bind_ip=127.0.0.1", "hep_bind_port=0", "workers=2"];
        for option in usual.iter().chain(options) {
            command.args(["-O", option]);
        }
        Self { running: Running::by(files, command), _folder: folder }
    }

    /// A listener's part of the ledger.
    pub(crate) fn part(&self, listener: &str) -> Value {
        self.running.status()[listener].clone()
    }

    /// The same once it shows what is wanted.
    pub(crate) fn part_with(&self, listener: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.running.status_with(listener, |ledger| wanted(&ledger[listener]))[listener].clone()
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
        self.running.status()["user"]["events"].clone()
    }

    /// What workers have counted once there is a record of that kind.
    pub(crate) fn with_record(&self, kind: &str) -> Value {
        let records = format!("{kind}_records");
        let wanted = |ledger: &Value| ledger["user"]["events"][&records] != 0;
        self.running.status_with(&records, wanted)["user"]["events"].clone()
    }

    /// The HEP part once so many messages have come, all is counted, and the ledger balances.
    pub(crate) fn settled(&self, messages: u64) -> Value {
        self.settled_of("hep", messages)
    }

    /// The same of any listener.
    pub(crate) fn settled_of(&self, listener: &str, messages: u64) -> Value {
        let wanted =
            |ledger: &Value| ledger[listener]["messages"] == messages && ledger["balanced"] == true;
        self.running.status_with(&format!("{messages} messages"), wanted)[listener].clone()
    }

    /// The HEP part once an event was counted so often.
    pub(crate) fn with_event(&self, event: &str, times: u64) -> Value {
        self.with_event_of("hep", event, times)
    }

    /// The same of any listener.
    pub(crate) fn with_event_of(&self, listener: &str, event: &str, times: u64) -> Value {
        self.part_with(listener, |part| part["events"][event] == times)
    }

    /// So many records of calls.
    pub(crate) fn calls(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} calls"), LIMIT, || {
            let calls = self.running.files.calls();
            assert!(calls.len() <= count, "{calls:#?}");
            Some(calls).filter(|calls| calls.len() == count)
        })
    }

    /// Another command, with the store and the spool.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let files = &self.running.files;
        let spool = format!("spooldir={}", files.spool.display());
        let more = ["--store", &files.store(), "-O", &spool];
        let said = ringtap(&[arguments, &more].concat());
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// Tells it to end, and gives what it said; it must end well.
    pub(crate) fn end(self) -> String {
        self.running.finish()
    }
}
