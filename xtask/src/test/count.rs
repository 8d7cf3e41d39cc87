//! Counting tests from what cargo test and cargo nextest print, while passing it on.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use anyhow::{Context, Result};

use crate::lab::process::Process;

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

    /// Takes what one line says, if it is a summary.
    fn take(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result:") {
            // test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; …
            self.passed += before(rest, "passed").unwrap_or(0);
            self.failed += before(rest, "failed").unwrap_or(0);
        } else if line.starts_with("Summary [") {
            // Summary [   0.1s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped
            let rest = line.split_once("run:").map_or("", |(_, rest)| rest);
            self.passed += before(rest, "passed").unwrap_or(0);
            self.failed += before(rest, "failed").unwrap_or(0);
            self.failed += before(rest, "timed out").unwrap_or(0);
            self.failed += before(rest, "exec failed").unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix("FAILED"))
        {
            self.names.push(name.trim_end_matches([' ', '.']).to_owned());
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.names.extend(other.names);
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
pub(super) fn read(process: &mut Process) -> Result<Count> {
    let output = process.take_stdout().context("no pipe to read")?;
    let errors = process.take_stderr().context("no pipe to read")?;
    let other = thread::spawn(move || pass_on(errors));
    let mut count = pass_on(output);
    count.add(other.join().map_err(|_| anyhow::anyhow!("a reading thread died"))?);
    Ok(count)
}

fn pass_on(stream: impl Read) -> Count {
    let mut count = Count::default();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
        let text = String::from_utf8_lossy(&line);
        eprint!("{text}");
        count.take(&text);
        line.clear();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, passed: u64, failed: u64) {
        let count = pass_on(text.as_bytes());
        assert_eq!((count.passed, count.failed), (passed, failed));
    }

    #[test]
    fn summaries_of_both_runners_are_understood() {
        check("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered\n", 3, 0);
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored\ntest result: ok. 1 passed;",
            4,
            2,
        );
        check(
            "     Summary [   0.120s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped",
            11,
            1,
        );
        check("     Summary [   9.120s] 4/9 tests run: 2 passed, 1 failed, 1 timed out", 2, 2);
        check("     Summary [   9.120s] 1 test run: 0 passed, 1 exec failed, 0 skipped", 0, 1);
        check("running 3 tests\n3 passed\n", 0, 0);
    }

    #[test]
    fn failures_keep_their_names() {
        let count = pass_on("test a::b ... ok\ntest a::c ... FAILED\n".as_bytes());
        assert_eq!(count.names, ["a::c"]);
    }
}
