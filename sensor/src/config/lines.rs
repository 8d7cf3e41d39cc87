//! A configuration file as lines: which keys it has, with which values, and where.
//!
//! `key = value`, one a line. A comment begins with `#` or `;` at the start of a line or after
//! white space; a value in single or double quotes is taken as it stands. `[section]` lines are
//! passed over. Any bytes are taken; what a key means is not known here.

/// Files beyond this are refused.
pub(super) const FILE_MAX: u64 = 1 << 20;

/// One `key = value`, or why a line is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// What it says.
    pub(super) content: Result<(&'a str, &'a str), Fault>,
}

/// Why a line says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No `=` in it.
    #[error("expected `key = value`, a comment, or `[section]`")]
    NoEquals,
    /// Nothing before the `=`, or what no key is made of.
    #[error("a key is made of letters, digits, `_`, `-` and `.`")]
    BadKey,
    /// Bytes that are no text.
    #[error("the line is not UTF-8 text")]
    NotText,
    /// A control character in the value.
    #[error("the value has a control character in it")]
    Control,
    /// A quote without its end, or with more behind it.
    #[error("the quotes do not match: a value in quotes ends with them")]
    Quotes,
}

/// The lines of a file that say something.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let numbered = (1..).zip(bytes.split(|&byte| byte == b'\n'));
    numbered.filter_map(|(number, line)| {
        let line = line.trim_ascii();
        if matches!(line.first(), None | Some(b'#' | b';')) {
            return None;
        }
        content(line).map(|content| Line { number, content })
    })
}

fn content(line: &[u8]) -> Option<Result<(&str, &str), Fault>> {
    let Ok(text) = std::str::from_utf8(line) else { return Some(Err(Fault::NotText)) };
    if text.starts_with('[') && uncommented(text).ends_with(']') {
        return None;
    }
    Some(pair(text))
}

fn pair(text: &str) -> Result<(&str, &str), Fault> {
    let (key, value) = text.split_once('=').ok_or(Fault::NoEquals)?;
    let key = key.trim();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || !key.chars().all(known) {
        return Err(Fault::BadKey);
    }
    let value = unquoted(value.trim())?;
    if value.chars().any(char::is_control) {
        return Err(Fault::Control);
    }
    Ok((key, value))
}

/// The value without its quotes and without a comment behind it.
fn unquoted(value: &str) -> Result<&str, Fault> {
    let Some(quote @ ('"' | '\'')) = value.chars().next() else { return Ok(uncommented(value)) };
    let inner = value.get(1..).unwrap_or_default();
    let (inner, rest) = inner.split_once(quote).ok_or(Fault::Quotes)?;
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(['#', ';']) { Ok(inner) } else { Err(Fault::Quotes) }
}

/// The text up to a comment: a mark at its start or after white space.
fn uncommented(text: &str) -> &str {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if matches!(c, '#' | ';') && before.is_whitespace() {
            return text.get(..at).unwrap_or(text).trim_end();
        }
        before = c;
    }
    text.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(usize, &str, &str)> {
        lines(text.as_bytes())
            .map(|line| {
                let (key, value) = line.content.unwrap();
                (line.number, key, value)
            })
            .collect()
    }

    #[test]
    fn keys_and_values_with_their_lines() {
        let text = "\u{feff}[general]\r\n# comment\n; comment\n\n interface = eth0 # the mirror\r\n\
                    sipport=5060,5070-5080;not a comment\nfilter = # nothing\n\
                    mysqlpassword = \"a # b; c\" # quoted\nname = it's\nempty =\n[other] # x\nx==y";
        assert_eq!(
            pairs(text),
            [
                (5, "interface", "eth0"),
                (6, "sipport", "5060,5070-5080;not a comment"),
                (7, "filter", ""),
                (8, "mysqlpassword", "a # b; c"),
                (9, "name", "it's"),
                (10, "empty", ""),
                (12, "x", "=y"),
            ]
        );
    }

    #[test]
    fn faults_with_their_lines() {
        let text = b"ok = 1\nno equals here\n = 5\nkey with space = 1\n\xff\xfe = 1\n\
                     a = 'open\nb = \"x\" y\nc = \x1b[2J\n";
        let faults: Vec<_> =
            lines(text).filter_map(|line| Some((line.number, line.content.err()?))).collect();
        assert_eq!(
            faults,
            [
                (2, Fault::NoEquals),
                (3, Fault::BadKey),
                (4, Fault::BadKey),
                (5, Fault::NotText),
                (6, Fault::Quotes),
                (7, Fault::Quotes),
                (8, Fault::Control),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let count = bytes.split(|&byte| byte == b'\n').count();
            prop_assert!(lines(&bytes).all(|line| (1..=count).contains(&line.number)));
        }

        #[test]
        fn a_value_in_quotes_is_taken_as_it_stands(value in "[^'\\p{Cc}]{0,30}") {
            let text = format!("key = '{value}' # comment");
            prop_assert_eq!(pairs(&text), [(1, "key", &*value)]);
        }
    }
}
