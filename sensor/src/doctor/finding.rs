//! A finding: what is, what it means, what to do. One line each.

use std::io::{self, Write};

use ringtap_cdr::text::safe;
use serde_json::json;

/// How good or bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Something will be missing or worse than it could be.
    Warning,
    /// It will not work.
    Problem,
}

impl State {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How good or bad it is.
    pub state: State,
    /// What it is about: an area, and where there are several, which.
    pub about: String,
    /// What is.
    pub what: String,
    /// What it means; may be empty.
    pub means: String,
    /// What to do; may be empty.
    pub advice: String,
}

impl Finding {
    /// Something that is so.
    pub fn new(state: State, about: impl Into<String>, what: impl Into<String>) -> Self {
        let (means, advice) = (String::new(), String::new());
        Self { state, about: about.into(), what: what.into(), means, advice }
    }

    /// What that means.
    #[must_use]
    pub fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    /// What to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Aligned lines for people.
    Lines,
    /// One JSON object a line.
    Json,
}

/// Columns of the word and of the area.
const STATE_WIDTH: usize = 7;
const ABOUT_WIDTH: usize = 20;

/// Prints one.
///
/// # Errors
/// What writing gives.
pub fn print(finding: &Finding, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let Finding { state, about, what, means, advice } = finding;
    if style == Style::Json {
        let line = json!({
            "state": state.word(), "about": about, "what": what, "means": means, "do": advice,
        });
        return writeln!(out, "{line}");
    }
    let mut line = format!("{:STATE_WIDTH$}  {:ABOUT_WIDTH$}  {what}", state.word(), about);
    for (sign, more) in [(": ", means), ("; ", advice)] {
        if !more.is_empty() {
            line.push_str(sign);
            line.push_str(more);
        }
    }
    writeln!(out, "{}", safe(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(finding: &Finding, style: Style) -> String {
        let mut out = Vec::new();
        print(finding, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_each_whatever_names_hold() {
        let finding = Finding::new(State::Warning, "eth0 ring", "holds 512 of 4096\n\x1b[2J")
            .means("bursts are lost")
            .advice("`ethtool -G eth0 rx 4096`");
        let line = printed(&finding, Style::Lines);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
        assert!(line.starts_with("warning  eth0 ring             holds 512 of 4096"), "{line}");
        assert!(line.ends_with(": bursts are lost; `ethtool -G eth0 rx 4096`\n"), "{line}");
        let json: serde_json::Value =
            serde_json::from_str(&printed(&finding, Style::Json)).unwrap();
        assert_eq!((&json["state"], &json["do"]), (&json!("warning"), &json!(finding.advice)));
    }

    #[test]
    fn states_are_ordered_by_how_bad_they_are() {
        assert!(State::Ok < State::Note && State::Warning < State::Problem);
    }
}
