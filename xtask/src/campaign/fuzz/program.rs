//! One libFuzzer program: its folders, its run, its findings.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::libfuzzer;
use super::progress::{Had, read_log};
use crate::command;
use crate::lab::process::Process;

/// The longest input, bytes.
pub(super) const INPUT_BYTES_MAX: usize = 4096;
/// Memory, MiB.
const MEMORY_MIB: u32 = 1024;
/// Time for one input, s.
const INPUT_S: u32 = 5;
/// How often the progress is noted, so that a stopped campaign loses little.
const NOTE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// How long a run may be, and how its mutations are drawn.
pub(super) struct Limits {
    pub(super) seconds: u64,
    pub(super) seed: u32,
}

/// One target's program.
pub(super) struct Program {
    name: String,
    path: PathBuf,
    work: PathBuf,
    scratch: PathBuf,
}

impl Program {
    pub(super) fn new(name: &str, programs: &Path, work: &Path, scratch: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: programs.join(name),
            work: work.join(name),
            scratch: scratch.to_path_buf(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The committed corpus.
    pub(super) fn committed(&self) -> PathBuf {
        command::root().join("fuzz/corpus").join(&self.name)
    }

    /// A folder of this target's own, which is there afterwards.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// The program with what every use of it needs.
    pub(super) fn command(&self) -> Command {
        let mut command = libfuzzer(&self.path, &self.scratch);
        command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
        command.arg(format!("-timeout={INPUT_S}"));
        command.arg(format!("-max_len={INPUT_BYTES_MAX}"));
        command
    }

    /// The command that runs one input again.
    pub(super) fn again(&self, input: &Path) -> Command {
        let mut command = self.command();
        command.arg(input);
        command
    }

    /// Inputs that broke something.
    pub(super) fn findings(&self) -> Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.folder("findings")?)? {
            let path = entry?.path();
            // libFuzzer also keeps inputs that are merely slow.
            let slow = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("slow-unit-"));
            if !slow {
                all.push(path);
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Runs old findings again, removes those that are none any more, and counts the others.
    pub(super) fn recheck(&self) -> Result<usize> {
        let mut still = 0;
        for path in self.findings()? {
            let mut again = self.again(&path);
            let mut process = Process::spawn(again.stdout(Stdio::null()).stderr(Stdio::null()))?;
            if process.wait()?.success() {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            } else {
                still += 1;
            }
        }
        Ok(still)
    }

    /// Fuzzes; tells every few seconds and at the end what this run has come to.
    pub(super) fn fuzz(
        &self,
        limits: &Limits,
        mut note: impl FnMut(Had) -> Result<()>,
    ) -> Result<()> {
        let findings = self.folder("findings")?;
        let log_path = self.work.join("log");
        let log = File::create(&log_path)
            .with_context(|| format!("cannot create {}", log_path.display()))?;
        let mut run = self.command();
        run.arg(format!("-max_total_time={}", limits.seconds));
        run.arg(format!("-seed={}", limits.seed.max(1)));
        run.arg(format!("-artifact_prefix={}/", findings.display()));
        run.arg("-print_final_stats=1");
        run.arg(self.folder("corpus")?).arg(self.committed());
        run.stdout(Stdio::null()).stderr(log);
        let begin = Instant::now();
        let mut process = Process::spawn(&mut run)?;
        let mut noted = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait()? {
                break status;
            }
            if noted.elapsed() >= NOTE {
                noted = Instant::now();
                note(read_log(&log_path, begin.elapsed())?)?;
            }
            thread::sleep(LOOK);
        };
        let mut had = read_log(&log_path, begin.elapsed())?;
        let clean = status.success();
        if clean {
            had.seconds = had.seconds.max(limits.seconds);
        }
        note(had)?;
        if !clean && self.findings()?.is_empty() {
            bail!("{} ended with {status}, see {}", self.name, log_path.display());
        }
        Ok(())
    }
}
