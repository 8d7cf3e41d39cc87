//! What several tests of the built sensor need: generated captures, and the binary run on them.
//!
//! It judges nothing; the tests compare.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ringtap_testkit::pcap;
use ringtap_testkit::traffic::{self, Plan, Truth};
use serde_json::Value;

/// The built sensor.
pub(crate) const RINGTAP: &str = env!("CARGO_BIN_EXE_ringtap");

/// The sensor's command line; one that hangs is killed after a minute (exit code 137).
pub(crate) fn ringtap() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60", RINGTAP]);
    command.env("RINGTAP_LOG", "warn").stdin(Stdio::null());
    command
}

/// A program's end: its exit code and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Records, one JSON object a line.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Exit 0 is demanded; what was said otherwise is shown.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    /// Exit 1 with one clear line that holds `word` is demanded.
    #[track_caller]
    pub(crate) fn one_line_with(&self, word: &str) {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

/// Runs to the end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Said {
    said(command.output().expect("the sensor starts"))
}

/// What a finished program said.
pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Writes the plan's traffic to a file of this kind and gives the truth about it.
pub(crate) fn capture(path: &Path, plan: &Plan, options: pcap::Options) -> Truth {
    let file = BufWriter::new(File::create(path).expect("a new file"));
    let mut writer = pcap::Writer::new(file, options).expect("a header");
    let truth = traffic::generate(plan, &mut writer).expect("frames");
    writer.finish().expect("all bytes");
    truth
}

/// `replay --format json` of files with so many workers; the ledger beside it.
#[track_caller]
pub(crate) fn replay(files: &[&Path], workers: u16) -> (Said, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let stats = folder.path().join("stats.json");
    let mut command = ringtap();
    command.args(["replay", "--format", "json", "--workers", &workers.to_string(), "--stats"]);
    let said = run(command.arg(&stats).args(files));
    let ledger = std::fs::read(&stats)
        .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("the ledger is JSON"));
    (said, ledger)
}

/// A number of the ledger, by JSON pointer.
#[track_caller]
pub(crate) fn number(value: &Value, pointer: &str) -> u64 {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no number at {pointer} in {value:#}"))
}

/// The folder of real captures, if it is here.
pub(crate) fn real_captures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real captures at {}", folder.display());
    None
}

/// Times and frames of a classic little-endian capture file, stamps in its own units.
pub(crate) fn classic(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a file");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let second = match word(0) {
        0xa1b2_c3d4 => 1_000_000,
        0xa1b2_3c4d => 1_000_000_000,
        other => panic!("{other:x}"),
    };
    let (mut frames, mut at) = (Vec::new(), 24);
    while at < bytes.len() {
        let length = word(at + 8) as usize;
        let ts = u64::from(word(at)) * second + u64::from(word(at + 4));
        frames.push((ts, bytes[at + 16..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    frames
}
