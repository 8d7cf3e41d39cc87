//! Statements on SQLite.

use super::Errors;
use crate::db::{Cell, EachRow, Error, Result, Row};
use crate::store::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql};

/// A database file.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) connection: Connection,
    pub(super) errors: Errors,
}

impl Engine {
    fn bound(&self, sql: &str, cells: &[Cell]) -> Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for (at, cell) in (1..).zip(cells) {
            statement.raw_bind_parameter(at, cell)?;
        }
        Ok(statement)
    }
}

impl crate::db::Engine for Engine {
    fn begin(&self, _wanted: &[(&'static str, Vec<u64>)]) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from)
    }

    fn commit(&self) -> Result<()> {
        self.connection.execute_batch("COMMIT").map_err(Error::from)
    }

    fn rollback(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a batch that failed cannot be taken back");
        }
    }

    fn execute(&self, sql: &str, cells: &[Cell]) -> Result<usize> {
        self.bound(sql, cells)?.raw_execute().map_err(Error::from)
    }

    fn claim(&self, _table: &'static str, sql: &str, cells: &[Cell]) -> Result<bool> {
        self.execute(sql, cells).map(|rows| rows > 0)
    }

    fn number(&self, select: &str, insert: &str, text: &str) -> Result<i64> {
        let mut statement = self.connection.prepare_cached(select)?;
        if let Some(id) = statement.query_row([text], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        self.connection.prepare_cached(insert)?.execute([text])?;
        Ok(self.connection.last_insert_rowid())
    }

    fn rows(&self, sql: &str, cells: &[Cell], each: &mut EachRow<'_>) -> Result<()> {
        let mut statement = self.bound(sql, cells)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::with_capacity(columns);
        while let Some(row) = rows.next()? {
            found.clear();
            for at in 0..columns {
                found.push(cell_of(row.get_ref(at)?));
            }
            if each(&Row::new(&found))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn line(&self, task: &'static str, error: Error) -> StoreError {
        match error {
            Error::Sqlite(error) => self.errors.line(task, &error),
            Error::Store(error) => *error,
            error => {
                let path = self.errors.path.clone();
                StoreError::Failed { path, task, detail: error.to_string() }
            }
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn cell_of(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Real(number) => Cell::Real(number),
        // Text that is no UTF-8 is refused where a text is wanted.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Bytes(text.to_vec()),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}
