//! The schema's versions, and the way from one to the next.
//!
//! A database says what it is by `application_id` and how far it is by `user_version`. It does
//! not touch a file that is somebody else's, nor one that a later version made.

use super::Errors;
use crate::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::time::{Duration, Instant};

/// Marks a database as ours ("RTAP").
pub(super) const APPLICATION_ID: i64 = 0x5254_4150;

/// What leads to version 1, 2, …: the first makes an empty database. Add, never change.
const STEPS: &[&str] = &[
    include_str!("schema/schema.sql"),
    include_str!("schema/0002_dialog.sql"),
    include_str!("schema/0003_asserted.sql"),
    include_str!("schema/0004_legs.sql"),
    include_str!("schema/0005_quality.sql"),
    include_str!("schema/0006_vq.sql"),
    include_str!("schema/0007_outside.sql"),
    include_str!("schema/0008_headers.sql"),
    include_str!("schema/0009_after.sql"),
    include_str!("schema/0010_tunnel.sql"),
    include_str!("schema/0011_log.sql"),
];

/// The version that this build writes.
pub(super) const CURRENT: i64 = STEPS.len() as i64;

/// Between two attempts where another process was in the way.
const PAUSE: Duration = Duration::from_millis(10);

/// Brings the database to [`CURRENT`], all steps in one transaction; safe while other processes
/// do the same.
pub(super) fn migrate(connection: &mut Connection, errors: &Errors) -> Result<(), StoreError> {
    let begun = Instant::now();
    loop {
        match attempt(connection, errors) {
            // SQLite does not wait where two that wait would wait for each other, as when both
            // turn the log on.
            Err(StoreError::Locked { .. })
                if begun.elapsed() < Duration::from_millis(errors.waited_ms) =>
            {
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

fn attempt(connection: &mut Connection, errors: &Errors) -> Result<(), StoreError> {
    let fail = |error| errors.line("read the schema", &error);
    // One look, not three: another process may be making the schema.
    let seen = connection.transaction().map_err(fail)?;
    if state(&seen, errors)? == CURRENT {
        return Ok(());
    }
    drop(seen);
    // Both are kept in the file, and cannot be changed inside a transaction.
    connection.pragma_update(None, "page_size", 8192).map_err(fail)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
    let fail = |error| errors.line("make the schema", &error);
    let behavior = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(fail)?;
    let from = state(&transaction, errors)?;
    let steps = STEPS.iter().skip(usize::try_from(from).unwrap_or_default());
    for (version, step) in (from + 1..).zip(steps) {
        transaction.execute_batch(step).map_err(fail)?;
        transaction
            .execute(
                "INSERT INTO system (type, cdatetime, content) \
                 VALUES ('ringtap_schema', datetime('now'), ?1)",
                [version.to_string()],
            )
            .map_err(fail)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    transaction.pragma_update(None, "user_version", CURRENT).map_err(fail)?;
    transaction.commit().map_err(fail)
}

/// The version of a database of ours; 0 for an empty file.
pub(super) fn state(connection: &Connection, errors: &Errors) -> Result<i64, StoreError> {
    let fail = |error| errors.line("read the schema", &error);
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(fail);
    let foreign = |what| StoreError::Foreign { path: errors.path.clone(), what };
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if application == APPLICATION_ID {
        return match version {
            1..=CURRENT => Ok(version),
            found if found > CURRENT => {
                Err(StoreError::Newer { path: errors.path.clone(), found, known: CURRENT })
            }
            _ => Err(foreign("its schema has no version")),
        };
    }
    if application != 0 {
        return Err(foreign("it belongs to another program"));
    }
    match number("SELECT count(*) FROM sqlite_schema")? {
        0 => Ok(0),
        _ => Err(foreign("it has tables of another program")),
    }
}
