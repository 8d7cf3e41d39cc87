//! What each target has had so far, in a file, and what a libFuzzer log says of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a target has had, in one run or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Had {
    pub(super) seconds: u64,
    pub(super) runs: u32,
    pub(super) executions: u64,
    /// Edges reached, by the last run.
    pub(super) coverage: u64,
    pub(super) new_inputs: u64,
}

impl Had {
    /// With a later run.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            seconds: self.seconds + later.seconds,
            runs: self.runs + later.runs,
            executions: self.executions + later.executions,
            coverage: self.coverage.max(later.coverage),
            new_inputs: self.new_inputs + later.new_inputs,
        }
    }
}

/// All targets' progress.
#[derive(Debug)]
pub(super) struct Progress {
    path: PathBuf,
    targets: BTreeMap<String, Had>,
}

impl Progress {
    /// As the file says; nothing where there is none.
    pub(super) fn load(work: &Path) -> Result<Self> {
        let path = work.join("progress.json");
        let targets = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot read {}: try --fresh", path.display()))?,
            Err(_) => BTreeMap::new(),
        };
        Ok(Self { path, targets })
    }

    pub(super) fn of(&self, name: &str) -> Had {
        self.targets.get(name).copied().unwrap_or_default()
    }

    /// Takes note, in the file too.
    pub(super) fn note(&mut self, name: &str, had: Had) -> Result<()> {
        self.targets.insert(name.to_owned(), had);
        let draft = self.path.with_extension("new");
        fs::write(&draft, serde_json::to_vec_pretty(&self.targets)?)
            .and_then(|()| fs::rename(&draft, &self.path))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// What a run has come to by its log, finished or not.
pub(super) fn read_log(path: &Path, elapsed: Duration) -> Result<Had> {
    let log = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let run = Had { seconds: elapsed.as_secs(), runs: 1, ..Had::default() };
    Ok(String::from_utf8_lossy(&log).lines().fold(run, line))
}

/// Lines look like `#8751 REDUCE cov: 9 ft: 9 corp: 2/8b …` and `stat::new_units_added: 3`.
fn line(mut had: Had, line: &str) -> Had {
    if let Some(rest) = line.strip_prefix('#') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(executions) = rest[..digits].parse::<u64>() {
            had.executions = had.executions.max(executions);
            had.new_inputs += u64::from(rest[digits..].trim_start().starts_with("NEW "));
            had.coverage = number_after(rest, " cov: ").unwrap_or(had.coverage);
        }
    }
    match number_after(line, "stat::number_of_executed_units: ") {
        Some(executions) => Had { executions, ..had },
        None => had,
    }
}

fn number_after(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_understood() {
        let log = "INFO: Seed: 1\n#2\tINITED cov: 8 ft: 8 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            #436\tNEW    cov: 9 ft: 9 corp: 2/9b lim: 8 exec/s: 0 rss: 27Mb L: 8/8 MS: 4 CMP-\n\
            #465\tREDUCE cov: 9 ft: 9 corp: 2/8b lim: 8 exec/s: 0 rss: 27Mb L: 7/7 MS: 1 X-\n\
            ###### Recommended dictionary. ######\nstat::number_of_executed_units: 2000\n\
            stat::new_units_added:         1\n";
        let had = log.lines().fold(Had::default(), line);
        let expected = Had { executions: 2000, coverage: 9, new_inputs: 1, ..Had::default() };
        assert_eq!(had, expected);
    }

    #[test]
    fn progress_is_kept_and_adds_up() {
        let folder = std::env::temp_dir().join(format!("ringtap-progress-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut progress = Progress::load(&folder).unwrap();
        let run = Had { seconds: 5, runs: 1, executions: 10, coverage: 7, new_inputs: 2 };
        progress.note("walk", progress.of("walk").and(run)).unwrap();
        progress.note("walk", progress.of("walk").and(run)).unwrap();
        let twice = Had { seconds: 10, runs: 2, executions: 20, coverage: 7, new_inputs: 4 };
        assert_eq!(Progress::load(&folder).unwrap().of("walk"), twice);
        assert_eq!(progress.of("link"), Had::default());
        fs::remove_dir_all(folder).unwrap();
    }
}
