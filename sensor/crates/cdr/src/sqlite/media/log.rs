//! The table `ringtap_log`: lines of logs, found by the call that they name.

use crate::clock;
use crate::column::Value;
use crate::record::{LINES_MAX, LogLine};
use crate::sqlite::read::Ip;
use rusqlite::{Connection, OptionalExtension, Row, params};

type Result<T> = rusqlite::Result<T>;

/// Stores a line under this ID. False: the ID is taken.
pub(in crate::sqlite) fn write(connection: &Connection, id: u64, line: &LogLine) -> Result<bool> {
    let sql = "INSERT OR IGNORE INTO ringtap_log \
               (ID, calldate, ts_us, id_sensor, call_key, callid, reporter, agent, text) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut statement = connection.prepare_cached(sql)?;
    let stored = statement.execute(params![
        id as i64,
        clock::database(line.ts_us),
        line.ts_us as i64,
        (line.id_sensor > 0).then_some(line.id_sensor),
        line.call_key as i64,
        line.callid.as_str(),
        line.reporter.map_or(Value::Null, |ip| Value::Ip(ip.to_canonical())),
        (line.agent > 0).then_some(line.agent),
        line.text,
    ])?;
    Ok(stored > 0)
}

/// Whether this very line is there under this ID.
pub(in crate::sqlite) fn is_there(
    connection: &Connection,
    id: u64,
    line: &LogLine,
) -> Result<bool> {
    let sql = "SELECT 1 FROM ringtap_log \
               WHERE ID = ?1 AND ts_us = ?2 AND call_key = ?3 AND text = ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let at = params![id as i64, line.ts_us as i64, line.call_key as i64, line.text];
    Ok(statement.query_row(at, |_| Ok(())).optional()?.is_some())
}

/// The first lines that name a call, oldest first.
pub(in crate::sqlite) fn of_call(connection: &Connection, call_key: u64) -> Result<Vec<LogLine>> {
    let sql = format!(
        "SELECT ID, ts_us, id_sensor, call_key, callid, reporter, agent, text FROM ringtap_log \
         WHERE call_key = ?1 ORDER BY ts_us, ID LIMIT {LINES_MAX}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([call_key as i64], line_of)?;
    found.collect()
}

fn line_of(row: &Row<'_>) -> Result<LogLine> {
    Ok(LogLine {
        id: row.get::<_, i64>("ID")? as u64,
        id_sensor: row.get::<_, Option<u16>>("id_sensor")?.unwrap_or_default(),
        ts_us: row.get::<_, i64>("ts_us")? as u64,
        reporter: row.get::<_, Option<Ip>>("reporter")?.map(|ip| ip.0),
        agent: row.get::<_, Option<u32>>("agent")?.unwrap_or_default(),
        call_key: row.get::<_, i64>("call_key")? as u64,
        callid: row.get::<_, String>("callid")?.into(),
        text: row.get("text")?,
    })
}
