//! Rows of one table that wait to be inserted together.
//!
//! It builds statements; it runs none.

use super::engine::value;
use crate::db::Cell;
use mysql::Value;
use std::collections::VecDeque;

/// Placeholders that one statement may have.
const PLACES_MAX: usize = 65_535;

/// Bytes of one statement's values, roughly: far below the least `max_allowed_packet`.
const STATEMENT_MAX: usize = 1 << 20;

/// Rows in one statement: few sizes, so that the server has few statements to keep.
const SIZES: [usize; 4] = [128, 16, 4, 1];

/// Rows for one table.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `INSERT INTO table (columns) VALUES `.
    head: String,
    columns: usize,
    rows: Vec<(usize, Vec<Value>)>,
}

impl Waiting {
    /// For the rows of a translated `INSERT … VALUES (…)`.
    pub(super) fn new(sql: &str, columns: usize) -> Self {
        let head = sql.find("VALUES").map_or(sql, |at| sql.get(..at).unwrap_or(sql));
        Self { head: format!("{head}VALUES "), columns, rows: Vec::new() }
    }

    /// One more row. Gives its size in bytes, roughly.
    pub(super) fn push(&mut self, cells: &[Cell]) -> usize {
        let bytes = |cell: &Cell| match cell {
            Cell::Null => 1,
            Cell::Int(_) | Cell::Real(_) => 9,
            Cell::Text(text) => text.len() + 9,
            Cell::Bytes(bytes) => bytes.len() + 9,
        };
        let size = cells.iter().map(bytes).sum();
        let mut row: Vec<Value> = cells.iter().map(value).collect();
        row.resize(self.columns, Value::NULL);
        self.rows.push((size, row));
        size
    }

    /// Gives all rows as statements with their values, in order, and has none then.
    pub(super) fn statements<E>(
        &mut self,
        mut run: impl FnMut(&str, Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = VecDeque::from(std::mem::take(&mut self.rows));
        let marks = format!("({})", vec!["?"; self.columns].join(","));
        while !rows.is_empty() {
            let fits = |size: &usize| {
                let bytes: usize = rows.iter().take(*size).map(|(bytes, _)| bytes).sum();
                *size <= rows.len() && size * self.columns <= PLACES_MAX && bytes <= STATEMENT_MAX
            };
            let size = SIZES.into_iter().find(fits).unwrap_or(1);
            let sql = format!("{}{}", self.head, vec![&*marks; size].join(","));
            run(&sql, rows.drain(..size).flat_map(|(_, row)| row).collect())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(columns: usize, rows: usize, text: usize) -> Vec<usize> {
        let mut waiting = Waiting::new("INSERT INTO t (a) VALUES (?)", columns);
        for _ in 0..rows {
            waiting.push(&[Cell::Text("x".repeat(text))]);
        }
        let mut sizes = Vec::new();
        let run = |sql: &str, values: Vec<Value>| {
            assert!(sql.starts_with("INSERT INTO t (a) VALUES (?"));
            assert_eq!(sql.matches('?').count(), values.len());
            assert!(values.len() <= PLACES_MAX);
            sizes.push(values.len() / columns);
            Ok::<_, ()>(())
        };
        waiting.statements(run).unwrap();
        sizes
    }

    #[test]
    fn rows_go_together_as_far_as_a_statement_takes_them() {
        assert_eq!(sizes(3, 150, 1), [128, 16, 4, 1, 1]);
        assert_eq!(sizes(1000, 130, 1), [16, 16, 16, 16, 16, 16, 16, 16, 1, 1]);
        assert_eq!(sizes(2, 5, 300_000), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(2, 1, 3_000_000), [1]);
    }
}
