//! The schema's versions on a server, and the way from one to the next.
//!
//! The table `system` says how far a database is. A server does not take table definitions back,
//! so each step can be run again after one that broke off; a lock of the server's keeps sensors
//! that start together apart. It does not touch a database that is somebody else's, nor one that
//! a later version made.

use super::link::{self, Server};
use super::partitions;
use crate::db::{Error, Result};
use crate::store::{Prospect, StoreError};
use mysql::Conn;
use mysql::prelude::Queryable;

/// What leads to version 1, 2, …: the first makes an empty database. Add, never change.
const STEPS: &[&str] = &[include_str!("schema.sql")];

/// The version that this build writes.
const CURRENT: i64 = STEPS.len() as i64;

/// How long a sensor waits for another that changes the schema.
const LOCK_S: u32 = 120;

/// How far a database is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The server has none of this name, or shows none to us.
    Absent,
    /// So many steps were made; 0: it is empty, or the first one broke off.
    Version(i64),
}

/// Brings the database to [`CURRENT`], making it if there is none.
pub(super) fn create(server: &mut Server) -> Result<Conn> {
    let mut conn = link::connect(server, false)?;
    server.account = link::account(&mut conn)?;
    // What looks odd may be another sensor's work that has just begun: it is looked at again
    // behind the lock.
    let seen = state(&mut conn, server);
    let name = identifier(&server.place.database);
    if matches!(seen, Ok(State::Absent)) {
        let collation = collation(&mut conn)?;
        let sql = format!(
            "CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4 COLLATE {collation}"
        );
        conn.query_drop(sql)?;
        tracing::info!(database = server.place.database, "store: database made");
    }
    conn.query_drop(format!("USE {name}"))?;
    if !matches!(seen, Ok(State::Version(CURRENT))) {
        locked(&mut conn, server, |conn| migrate(conn, server))?;
    }
    Ok(conn)
}

/// Opens a database that is there, to ask it.
pub(super) fn open(server: &mut Server) -> Result<Conn> {
    let mut conn = link::connect(server, true)?;
    server.account = link::account(&mut conn)?;
    match state(&mut conn, server)? {
        State::Version(CURRENT) => Ok(conn),
        _ => Err(refuse(server, "its schema is not up to date: `ringtap run` changes it")),
    }
}

/// Looks, and changes nothing.
pub(super) fn probe(server: &mut Server) -> Result<Prospect> {
    let mut conn = link::connect(server, false)?;
    server.account = link::account(&mut conn)?;
    Ok(match state(&mut conn, server)? {
        State::Absent => Prospect::AbsentDatabase,
        State::Version(version) => Prospect::Ready { older: version < CURRENT },
    })
}

fn state(conn: &mut Conn, server: &Server) -> Result<State> {
    let database = &server.place.database;
    let sql = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
    let there: Option<u64> = conn.exec_first(sql, (database,))?;
    if there.unwrap_or_default() == 0 {
        return Ok(State::Absent);
    }
    let sql = "SELECT COUNT(*), COALESCE(SUM(TABLE_NAME = 'system'), 0) \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
    let found: Option<(u64, u64)> = conn.exec_first(sql, (database,))?;
    let (tables, marks) = found.unwrap_or_default();
    if tables == 0 {
        return Ok(State::Version(0));
    }
    let mut version = None;
    if marks > 0 {
        let sql = format!(
            "SELECT MAX(CAST(content AS SIGNED)) FROM {}.system WHERE type = 'ringtap_schema'",
            identifier(database)
        );
        version = conn.query_first::<Option<i64>, _>(sql)?.flatten();
    }
    match version {
        Some(version @ 0..=CURRENT) => Ok(State::Version(version)),
        // A first start that broke off before its mark.
        None if (tables, marks) == (1, 1) => Ok(State::Version(0)),
        Some(found) => {
            let text = format!(
                "made by a newer ringtap (schema {found}; this one knows up to {CURRENT}): \
                 upgrade ringtap"
            );
            Err(refuse(server, &text))
        }
        None => Err(refuse(
            server,
            "the database has tables of another program: name another one in mysqldb",
        )),
    }
}

/// Works while no other sensor changes tables.
pub(super) fn locked<T>(
    conn: &mut Conn,
    server: &Server,
    work: impl FnOnce(&mut Conn) -> Result<T>,
) -> Result<T> {
    // A lock's name has at most 64 characters.
    let name: String = format!("ringtap.{}", server.place.database).chars().take(64).collect();
    let got: Option<Option<i64>> = conn.exec_first("SELECT GET_LOCK(?, ?)", (&name, LOCK_S))?;
    if got.flatten() != Some(1) {
        let text = format!("another sensor has been changing the schema for {LOCK_S} seconds");
        return Err(refuse(server, &text));
    }
    let done = work(conn);
    // It ends with the link, too.
    let _ = conn.exec_drop("DO RELEASE_LOCK(?)", (&name,));
    done
}

fn migrate(conn: &mut Conn, server: &Server) -> Result<()> {
    let State::Version(from) = state(conn, server)? else {
        return Err(refuse(server, "the database has just been taken away"));
    };
    if from == CURRENT {
        return Ok(());
    }
    if from == 0 {
        // First of all, so that what broke off is known as ours.
        let system = statements(STEPS.first().unwrap_or(&""))
            .find(|sql| sql.trim_start().starts_with("CREATE TABLE IF NOT EXISTS system "));
        conn.query_drop(system.unwrap_or_default())?;
        mark(conn, 0)?;
    }
    let by_day = server.place.partition;
    let days = if by_day { partitions::days(conn)? } else { Vec::new() };
    let steps = STEPS.iter().skip(usize::try_from(from).unwrap_or_default());
    for (version, step) in (from + 1..).zip(steps) {
        let mut count = 0;
        for sql in statements(step) {
            conn.query_drop(partitions::partitioned(sql, &days))?;
            count += 1;
        }
        mark(conn, version)?;
        tracing::info!(version, statements = count, "store: schema brought to this version");
    }
    Ok(())
}

fn mark(conn: &mut Conn, version: i64) -> Result<()> {
    let sql = "INSERT INTO system (type, cdatetime, content) \
               VALUES ('ringtap_schema', UTC_TIMESTAMP(6), ?)";
    conn.exec_drop(sql, (version.to_string(),)).map_err(Error::from)
}

/// The statements of a step: each ends with `;` at the end of a line; lines of comment are none.
fn statements(step: &str) -> impl Iterator<Item = &str> {
    let text = |part: &&str| part.lines().any(|l| !l.trim().is_empty() && !l.starts_with("--"));
    step.split(";\n").filter(text)
}

/// The collation that tells every two texts apart: what is unique here is unique in SQLite.
fn collation(conn: &mut Conn) -> Result<&'static str> {
    let version: Option<String> = conn.query_first("SELECT VERSION()")?;
    let mariadb = version.unwrap_or_default().contains("MariaDB");
    Ok(if mariadb { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" })
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn refuse(server: &Server, reason: &str) -> Error {
    let server = server.place.to_string();
    Error::Store(Box::new(StoreError::Server { server, reason: reason.to_owned() }))
}
