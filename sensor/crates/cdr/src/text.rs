//! Text for people and for other programs: escaping, CSV, aligned tables.
//!
//! SIP texts are written by strangers. Whatever leaves here cannot steer a terminal: control
//! characters (C0, DEL, C1) and marks that turn the direction of writing are escaped. It does not
//! choose columns.

use std::fmt::Write;

/// Characters that can steer a terminal, or make a line read otherwise than it is.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// `text` for a terminal or a line of a file: unsafe characters as `\u{…}`, a backslash doubled.
pub fn push_safe(out: &mut String, text: &str) {
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else if c == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(c);
        }
    }
}

/// [`push_safe`] into a new text.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_safe(&mut out, text);
    out
}

/// A JSON string with its quotes (RFC 8259), unsafe characters as `\uXXXX`.
pub fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A CSV field (RFC 4180): quoted where it must be, unsafe characters escaped. A field that a
/// spreadsheet would take for a formula begins with an apostrophe.
pub fn push_csv(out: &mut String, text: &str) {
    let formula = text.starts_with(['=', '@'])
        || (text.starts_with(['+', '-']) && !text[1..].bytes().all(|b| b.is_ascii_digit()));
    let escape = text.chars().any(is_unsafe);
    if !formula && !escape && !text.contains([',', '"']) && text.trim() == text {
        return out.push_str(text);
    }
    out.push('"');
    if formula {
        out.push('\'');
    }
    let shown = if escape { safe(text) } else { text.to_owned() };
    out.push_str(&shown.replace('"', "\"\""));
    out.push('"');
}

/// Where a table's column puts its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows of a table, which are aligned when it is written.
#[derive(Debug)]
pub struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// A cell is cut here (and ends with `…`), so that one hostile text does not widen all rows.
pub const CELL_MAX: usize = 48;

impl Table {
    /// A table with these columns.
    pub fn new(head: &[(&'static str, Align)]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// One more row; each cell is made safe and cut to [`CELL_MAX`] characters.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// Rows that it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Has it no rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table: a line of heads, then a line for each row, two spaces between columns.
    pub fn render(&self) -> String {
        let mut width: Vec<usize> = self.head.iter().map(|(name, _)| name.len()).collect();
        for row in &self.rows {
            for (width, cell) in width.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        let heads: Vec<&str> = self.head.iter().map(|(name, _)| *name).collect();
        self.line(&mut out, &width, &heads);
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&mut out, &width, &cells);
        }
        out
    }

    fn line(&self, out: &mut String, width: &[usize], cells: &[&str]) {
        let mut line = String::new();
        for ((cell, &width), (_, align)) in cells.iter().zip(width).zip(&self.head) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let _ = match align {
                Align::Left => write!(line, "{cell:<width$}"),
                Align::Right => write!(line, "{cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// A cell's text: safe, and not too long.
fn cell(text: &str) -> String {
    let shown = safe(text);
    match shown.char_indices().nth(CELL_MAX) {
        None => shown,
        Some(_) => shown.chars().take(CELL_MAX - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csv(text: &str) -> String {
        let mut out = String::new();
        push_csv(&mut out, text);
        out
    }

    #[test]
    fn a_terminal_gets_no_orders() {
        assert_eq!(safe("\x1b[2J\u{9b}1m\u{202e}evil\\"), "\\u{1b}[2J\\u{9b}1m\\u{202e}evil\\\\");
        assert_eq!(safe("Zoë 日本"), "Zoë 日本");
    }

    #[test]
    fn csv_fields() {
        assert_eq!(csv("486 Busy Here"), "486 Busy Here");
        assert_eq!(csv("a,b"), "\"a,b\"");
        assert_eq!(csv("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(csv("+4930123"), "+4930123");
        assert_eq!(csv("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
        assert_eq!(csv("+1+cmd|x"), "\"'+1+cmd|x\"");
        assert_eq!(csv("a\r\nb"), "\"a\\u{d}\\u{a}b\"");
        assert_eq!(csv(""), "");
        assert_eq!(csv("+"), "+");
        assert_eq!(csv("-é"), "\"'-é\"");
    }

    #[test]
    fn a_table_is_aligned_and_cut() {
        let mut table = Table::new(&[("caller", Align::Left), ("lost", Align::Right)]);
        assert!(table.is_empty());
        table.row(["alice", "7"]);
        table.row(["b\x07b", "12345"]);
        table.row([&*"x".repeat(4000), ""]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        let wide = CELL_MAX + 2;
        assert_eq!(lines[1], format!("{:<wide$}    7", "alice"));
        assert_eq!(lines[2], format!("{:<wide$}12345", "b\\u{7}b"));
        assert_eq!(lines[3].chars().count(), CELL_MAX);
        assert_eq!(table.len(), 3);
    }

    proptest! {
        #[test]
        fn json_strings_mean_what_they_were(text in any::<String>()) {
            let mut out = String::new();
            push_json(&mut out, &text);
            prop_assert!(!out.chars().any(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&out).ok(), Some(text));
        }

        #[test]
        fn nothing_unsafe_comes_out(text in any::<String>()) {
            prop_assert!(!safe(&text).chars().any(is_unsafe));
            prop_assert!(!csv(&text).chars().any(is_unsafe));
        }
    }
}
