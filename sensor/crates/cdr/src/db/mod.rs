//! What a store's statements need of a database, whichever it is: to run, to ask, to hold what
//! was asked for to the end of a batch.
//!
//! The statements are written once, in the words that all databases know; an [`Engine`] says the
//! few others in its own. It knows no tables and no records.

mod cell;
mod statement;

pub(crate) use cell::{Cell, FromSql, ToSql};
pub(crate) use statement::{OptionalExtension, Params, Row, Statement, params};

use crate::store::StoreError;
use std::ops::ControlFlow;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Mysql(Box<mysql::Error>),
    /// The server cannot be used; the line says it all.
    #[error(transparent)]
    Store(Box<StoreError>),
    #[error("there is no such row")]
    NoRow,
    #[error("column {at} has another type than {wanted}")]
    Type { at: usize, wanted: &'static str },
    #[error("all IDs of that time are taken")]
    Full,
}

impl From<mysql::Error> for Error {
    fn from(error: mysql::Error) -> Self {
        Self::Mysql(Box::new(error))
    }
}

/// Takes rows, until it breaks off.
pub(crate) type EachRow<'a> = dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>> + 'a;

/// A database. Parameters are `?`, or `?1`, `?2` … where one is wanted twice.
pub(crate) trait Engine: Send + std::fmt::Debug {
    /// Begins a batch, in which the IDs will be claimed for rows of these tables.
    fn begin(&self, wanted: &[(&'static str, Vec<u64>)]) -> Result<()>;
    /// After `Ok` the batch is on the disk.
    fn commit(&self) -> Result<()>;
    /// Nothing of the batch stays.
    fn rollback(&self);
    /// Runs a statement; in a batch, an `INSERT` at its end at the latest.
    fn execute(&self, sql: &str, cells: &[Cell]) -> Result<usize>;
    /// Inserts a row whose first value is its ID. False: the ID is taken.
    fn claim(&self, table: &'static str, sql: &str, cells: &[Cell]) -> Result<bool>;
    /// The number of a text's row, which is inserted if there is none.
    fn number(&self, select: &str, insert: &str, text: &str) -> Result<i64>;
    /// Asks.
    fn rows(&self, sql: &str, cells: &[Cell], each: &mut EachRow<'_>) -> Result<()>;
    /// Whether the batch failed for what another sensor did, or a link that was stale, and may be
    /// made anew at once.
    fn is_race(&self, _error: &Error) -> bool {
        false
    }
    /// The failure in one line.
    fn line(&self, task: &'static str, error: Error) -> StoreError;
}

/// A database that is open.
#[derive(Debug)]
pub(crate) struct Connection(Box<dyn Engine>);

impl Connection {
    pub(crate) fn new(engine: impl Engine + 'static) -> Self {
        Self(Box::new(engine))
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0
    }

    pub(crate) fn prepare(&self, sql: &str) -> Statement<'_> {
        Statement::new(self, sql)
    }

    /// Asks for one row.
    pub(crate) fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare(sql).query_row(params, read)
    }
}
