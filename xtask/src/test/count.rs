//! Counting tests from what cargo test and cargo nextest print, while passing it on.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use anyhow::{Context, Result};

use crate::lab::process::Process;

/// Whose output is read. nextest repeats what the single tests print, summaries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    Cargo,
    Nextest,
}

/// How many passed, how many failed, and which.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// What failed, as far as it has a name.
    pub(super) names: Vec<String>,
}

impl Count {
    /// Counts one failure by name.
    pub(super) fn fail(&mut self, name: &str) {
        self.failed += 1;
        self.names.push(name.to_owned());
    }

    /// Takes what one line says, if it is a summary or names a failure.
    fn take(&mut self, runner: Runner, line: &str) {
        let line = line.trim();
        let summary = match runner {
            // test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; …
            Runner::Cargo => line.strip_prefix("test result:"),
            // Summary [   0.1s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped
            Runner::Nextest => {
                line.strip_prefix("Summary [").and_then(|l| l.split_once("run:")).map(|l| l.1)
            }
        };
        if let Some(summary) = summary {
            let number = |word| before(summary, word).unwrap_or(0);
            self.passed += number("passed");
            self.failed += number("failed") + number("timed out") + number("exec failed");
        } else if let Some(name) = failed_name(runner, line) {
            // nextest names a failure when it happens and once more at the end.
            if !self.names.iter().any(|known| known == name) {
                self.names.push(name.to_owned());
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.names.extend(other.names);
    }
}

/// The test that a line says has failed.
fn failed_name(runner: Runner, line: &str) -> Option<&str> {
    match runner {
        // test a::b ... FAILED
        Runner::Cargo => {
            let rest = line.strip_prefix("test ")?.strip_suffix("FAILED")?;
            Some(rest.trim_end_matches([' ', '.']))
        }
        // FAIL [   0.221s] (3/59) package::binary a::b
        Runner::Nextest => {
            let (_, rest) = line.strip_prefix("FAIL [")?.split_once("] ")?;
            let rest = rest.trim_start();
            let behind = rest.strip_prefix('(').and_then(|rest| rest.split_once(") "));
            Some(behind.map_or(rest, |(_, name)| name))
        }
    }
}

/// The number before a word.
fn before(text: &str, word: &str) -> Option<u64> {
    text.split([',', ';', '.'])
        .filter_map(|part| part.trim().split_once(' '))
        .find(|(_, rest)| *rest == word || rest.starts_with(&format!("{word} ")))
        .and_then(|(number, _)| number.parse().ok())
}

/// Passes both of the process's streams on to our standard error, and counts.
pub(super) fn read(process: &mut Process, runner: Runner) -> Result<Count> {
    let output = process.take_stdout().context("no pipe to read")?;
    let errors = process.take_stderr().context("no pipe to read")?;
    let other = thread::spawn(move || pass_on(errors, runner));
    let mut count = pass_on(output, runner);
    count.add(other.join().map_err(|_| anyhow::anyhow!("a reading thread died"))?);
    Ok(count)
}

fn pass_on(stream: impl Read, runner: Runner) -> Count {
    let mut count = Count::default();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        let text = String::from_utf8_lossy(&line);
        eprint!("{text}");
        count.take(runner, &text);
        line.clear();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(runner: Runner, text: &str, passed: u64, failed: u64) {
        let count = pass_on(text.as_bytes(), runner);
        assert_eq!((count.passed, count.failed), (passed, failed), "{text}");
    }

    #[test]
    fn summaries_of_both_runners_are_understood() {
        let cargo = Runner::Cargo;
        check(cargo, "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n", 3, 0);
        let two = "test result: FAILED. 3 passed; 2 failed; 0 ignored\ntest result: ok. 1 passed;";
        check(cargo, two, 4, 2);
        check(cargo, "running 3 tests\n3 passed\n", 0, 0);
        let next = Runner::Nextest;
        check(
            next,
            "  Summary [ 0.1s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped",
            11,
            1,
        );
        check(next, "  Summary [ 9.1s] 4/9 tests run: 2 passed, 1 failed, 1 timed out", 2, 2);
        check(next, "  Summary [ 9.1s] 1 test run: 0 passed, 1 exec failed, 0 skipped", 0, 1);
        let both =
            "  test result: FAILED. 0 passed; 1 failed;\n  Summary [ 1s] 1 test run: 1 failed";
        check(next, both, 0, 1);
    }

    #[test]
    fn failures_keep_their_names() {
        let text = "test a::b ... ok\ntest a::c ... FAILED\n";
        assert_eq!(pass_on(text.as_bytes(), Runner::Cargo).names, ["a::c"]);
        let line = "        FAIL [   0.221s] (59/59) xtask::bin/xtask tidy::tests::t\n";
        let text = format!("{line}{line}test tidy::t ... FAILED\n        FAIL [ 1s] p a::b\n");
        let count = pass_on(text.as_bytes(), Runner::Nextest);
        assert_eq!(count.names, ["xtask::bin/xtask tidy::tests::t", "p a::b"]);
    }
}
