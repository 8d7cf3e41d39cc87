//! Differences that were found against those that are known, which stand in `docs/oracles.md`.

use std::path::Path;

/// A row of the tables: file, what, theirs, ours. A `*` in a cell of a known one stands for
/// anything.
type Row = [String; 4];

/// The differences from one oracle.
#[derive(Debug)]
pub(crate) struct Differences {
    known: Vec<Row>,
    found: Vec<Row>,
}

impl Differences {
    /// With the known ones of the section whose heading ends with this word.
    pub(crate) fn of_section(heading: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/oracles.md");
        let text = std::fs::read_to_string(path).unwrap();
        let wanted = format!("{heading}\n");
        let section = text.split("\n## ").find_map(|part| {
            let (first, rest) = part.split_once('\n')?;
            format!("{first}\n").ends_with(&wanted).then_some(rest)
        });
        let rows = section.unwrap_or_else(|| panic!("docs/oracles.md has no section {heading}"));
        let known = rows.lines().filter(|line| line.starts_with("| ")).skip(1).map(row).collect();
        Self { known, found: Vec::new() }
    }

    /// Notes a difference, if it is one.
    pub(crate) fn compare(&mut self, file: &str, what: &str, theirs: &str, ours: &str) {
        if theirs != ours {
            self.found.push([file, what, theirs, ours].map(tidy));
        }
    }

    /// Fails for a difference that is not known, and for a known one that is none.
    #[track_caller]
    pub(crate) fn check(&self) {
        let new: Vec<_> = self
            .found
            .iter()
            .filter(|found| !self.known.iter().any(|known| is(known, found)))
            .map(|row| format!("| {} |", row.join(" | ")))
            .collect();
        let gone: Vec<_> = self
            .known
            .iter()
            .filter(|known| !self.found.iter().any(|found| is(known, found)))
            .map(|row| format!("| {} |", row.join(" | ")))
            .collect();
        assert!(
            new.is_empty() && gone.is_empty(),
            "not in docs/oracles.md:\n{}\nonly there:\n{}",
            new.join("\n"),
            gone.join("\n"),
        );
    }
}

fn is(known: &Row, found: &Row) -> bool {
    known.iter().zip(found).all(|(known, found)| match known.split_once('*') {
        Some((start, end)) => {
            found.len() >= start.len() + end.len()
                && found.starts_with(start)
                && found.ends_with(end)
        }
        None => known == found,
    })
}

/// The first four cells of a line.
fn row(line: &str) -> Row {
    let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// As a cell holds it.
fn tidy(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() && *c != '|').collect();
    let text = text.trim();
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}
