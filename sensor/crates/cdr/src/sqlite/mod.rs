//! The embedded store: SQLite with write-ahead log.
//!
//! `synchronous = FULL`: each commit is synced, so that a batch that was answered with `Ok`
//! survives `kill -9` and the loss of power alike; a batch pays one sync, however many calls are
//! in it. Readers (other processes too) never wait for the writer, nor the writer for them.
//!
//! What is written and read is in [`crate::sql`].

mod engine;
mod schema;
#[cfg(test)]
mod tests;

use crate::db;
use crate::sql::Database;
use crate::store::StoreError;
use engine::Engine;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
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

/// Turns what the library says into one line about this file.
#[derive(Clone, Debug)]
struct Errors {
    path: PathBuf,
    waited_ms: u64,
}

/// Opens the database, or makes it.
pub(crate) fn create(path: &Path) -> Result<Database, StoreError> {
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        let reason = format!("there is no directory {}: make it first", parent.display());
        return Err(StoreError::Open { path: path.to_owned(), reason });
    }
    connect(path, OpenFlags::SQLITE_OPEN_CREATE, BUSY_MS)
}

/// Opens a database that is there.
pub(crate) fn open(path: &Path) -> Result<Database, StoreError> {
    if let Err(error) = std::fs::metadata(path) {
        let reason = format!("cannot open the database: {error}");
        return Err(StoreError::Open { path: path.to_owned(), reason });
    }
    connect(path, OpenFlags::empty(), BUSY_MS)
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

fn connect(path: &Path, flags: OpenFlags, busy_ms: u64) -> Result<Database, StoreError> {
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
    Ok(Database::new(db::Connection::new(Engine { connection, errors })))
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
