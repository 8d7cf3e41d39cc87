//! The embedded store: SQLite with write-ahead log, one transaction a batch.
//!
//! `synchronous = FULL`: each commit is synced, so that a batch that was answered with `Ok`
//! survives `kill -9` and the loss of power alike; a batch pays one sync, however many calls are
//! in it. Readers (other processes too) never wait for the writer, nor the writer for them.
//!
//! It does not retry and does not queue: whoever writes keeps the batch until it is stored.

mod bind;
mod dialog;
mod facts;
mod legs;
mod media;
mod names;
mod outside;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod tunnel;
mod write;

use crate::filter::Filter;
use crate::filter::outside::OutsideFilter;
use crate::outside::{RegisterRecord, TransactionRecord};
use crate::record::{CallRecord, LoneStream, Record};
use crate::store::totals::Fact;
use crate::store::{Counts, Store, StoreError, Written};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for another process.
const BUSY_MS: u64 = 5_000;

/// Pages held in memory, in KiB.
const CACHE_KIB: u32 = 16 * 1024;

/// Pages of log after which it is written back to the database.
const CHECKPOINT_PAGES: u32 = 16_000;

/// Prepared statements that are kept.
const STATEMENTS_MAX: usize = 64;

/// A database file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    names: names::Names,
    errors: Errors,
}

/// Turns what the library says into one line about this file.
#[derive(Clone, Debug)]
struct Errors {
    path: PathBuf,
    waited_ms: u64,
}

impl Sqlite {
    /// Opens the database, or makes it.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        if let Some(parent) = path.parent()
            && !parent.as_os_str().is_empty()
            && !parent.is_dir()
        {
            let reason = format!("there is no directory {}: make it first", parent.display());
            return Err(StoreError::Open { path: path.to_owned(), reason });
        }
        Self::connect(path, OpenFlags::SQLITE_OPEN_CREATE, BUSY_MS)
    }

    /// Opens a database that is there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        if let Err(error) = std::fs::metadata(path) {
            let reason = format!("cannot open the database: {error}");
            return Err(StoreError::Open { path: path.to_owned(), reason });
        }
        Self::connect(path, OpenFlags::empty(), BUSY_MS)
    }

    /// Whether a database could be written: takes the writer's place in it for a moment. True: its
    /// schema is not up to date.
    pub(crate) fn probe(path: &Path) -> Result<bool, StoreError> {
        let errors = Errors { path: path.to_owned(), waited_ms: BUSY_MS };
        let fail = |error| errors.line("write to the database", &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(Duration::from_millis(BUSY_MS)).map_err(fail)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = connection.transaction_with_behavior(behavior).map_err(fail)?;
        let version = schema::state(&transaction, &errors)?;
        transaction.rollback().map_err(fail)?;
        Ok(version < schema::CURRENT)
    }

    fn connect(path: &Path, flags: OpenFlags, busy_ms: u64) -> Result<Self, StoreError> {
        let errors = Errors { path: path.to_owned(), waited_ms: busy_ms };
        let fail = |error| errors.line("open the database", &error);
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(Duration::from_millis(busy_ms)).map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        schema::migrate(&mut connection, &errors)?;
        let settings = format!(
            "PRAGMA synchronous = FULL; PRAGMA cache_size = -{CACHE_KIB}; \
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA temp_store = MEMORY;"
        );
        connection.execute_batch(&settings).map_err(fail)?;
        Ok(Self { connection, names: names::Names::default(), errors })
    }
}

impl Errors {
    fn line(&self, task: &'static str, error: &rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        let detail = match error {
            // Its text holds the whole statement.
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            error => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Locked { path, waited_ms: self.waited_ms }
            }
            Some(ErrorCode::NotADatabase) => {
                StoreError::Foreign { path, what: "the file is not SQLite" }
            }
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, detail },
            Some(ErrorCode::CannotOpen) => StoreError::Open {
                path,
                reason: "cannot open the database: is it a file, and may this user write it and \
                         its directory?"
                    .into(),
            },
            _ => StoreError::Failed { path, task, detail },
        }
    }
}

impl Store for Sqlite {
    fn write(&mut self, records: &[Record]) -> Result<Written, StoreError> {
        let written = write::batch(&mut self.connection, &mut self.names, records);
        written.map_err(|error| {
            // Names of a transaction that was rolled back have no row.
            self.names.clear();
            self.errors.line("store the records", &error)
        })
    }

    fn calls(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = read::calls(&self.connection, filter, each);
        found.map_err(|error| self.errors.line("read the calls", &error))
    }

    fn streams(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(LoneStream) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = read::lone_streams(&self.connection, filter, each);
        found.map_err(|error| self.errors.line("read the streams", &error))
    }

    fn call(&mut self, id: u64) -> Result<Option<CallRecord>, StoreError> {
        let found = read::call(&self.connection, id);
        found.map_err(|error| self.errors.line("read the call", &error))
    }

    fn call_by_callid(&mut self, callid: &str) -> Result<Option<CallRecord>, StoreError> {
        let found = read::call_by_callid(&self.connection, callid);
        found.map_err(|error| self.errors.line("read the call", &error))
    }

    fn stream(&mut self, id: u64) -> Result<Option<LoneStream>, StoreError> {
        let found = read::lone_stream(&self.connection, id);
        found.map_err(|error| self.errors.line("read the stream", &error))
    }

    fn facts(&mut self, filter: &Filter, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        let found = facts::facts(&self.connection, filter, each);
        found.map_err(|error| self.errors.line("sum the calls", &error))
    }

    fn registers(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(RegisterRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = outside::registers(&self.connection, filter, each);
        found.map_err(|error| self.errors.line("read the registrations", &error))
    }

    fn messages(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let which = outside::Requests::Messages;
        let found = outside::transactions(&self.connection, which, filter, each);
        found.map_err(|error| self.errors.line("read the messages", &error))
    }

    fn requests(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let which = outside::Requests::Others;
        let found = outside::transactions(&self.connection, which, filter, each);
        found.map_err(|error| self.errors.line("read the requests", &error))
    }

    fn counts(&mut self) -> Result<Counts, StoreError> {
        let found = read::counts(&self.connection);
        found.map_err(|error| self.errors.line("count the records", &error))
    }
}
