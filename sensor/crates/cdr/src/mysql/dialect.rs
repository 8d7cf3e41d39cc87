//! The shared statements in the words of MySQL.

/// A statement with its parameters in the order in which they stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) sql: String,
    /// For each `?`, which parameter it is, the first being 0.
    pub(super) order: Vec<usize>,
}

/// Words of SQLite, and what says the same.
const WORDS: &[(&str, &str)] = &[
    ("INSERT OR IGNORE INTO", "INSERT IGNORE INTO"),
    // SQLite's LIKE takes upper and lower case for the same.
    (" LIKE ?", " COLLATE utf8mb4_general_ci LIKE ?"),
    ("substr(own.value, -length(?))", "right(own.value, char_length(?))"),
    ("iif(", "if("),
];

/// Says a statement in MySQL's words.
pub(super) fn translate(sql: &str) -> Translated {
    let mut text = sql.to_owned();
    for (from, to) in WORDS {
        text = text.replace(from, to);
    }
    let mut out = Translated { sql: String::with_capacity(text.len()), order: Vec::new() };
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('?') {
        out.sql.push_str(before);
        out.sql.push('?');
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at(digits);
        let next = out.order.len();
        out.order.push(number.parse().map_or(next, |n: usize| n.saturating_sub(1)));
        rest = after;
    }
    out.sql.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_are_wanted_twice() {
        let found = translate("SELECT a FROM b WHERE c = ?2 AND d LIKE ?1 ESCAPE '\\' OR e = ?2");
        let sql = "SELECT a FROM b WHERE c = ? AND d COLLATE utf8mb4_general_ci LIKE ? \
                   ESCAPE '\\' OR e = ?";
        assert_eq!(found, Translated { sql: sql.into(), order: vec![1, 0, 1] });
        assert_eq!(translate("VALUES (?,?)").order, [0, 1]);
    }
}
