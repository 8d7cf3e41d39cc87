//! The table `ringtap_log`: lines of logs, found by the call that they name.

use crate::clock;
use crate::column::Value;
use crate::db::{Connection, OptionalExtension, Result, Row, params};
use crate::record::{LINES_MAX, LogLine};
use crate::sql::read::{Columns, Ip};

/// The table in which lines claim their IDs.
pub(in crate::sql) const LINES: &str = "ringtap_log";

/// Stores a line under this ID. False: the ID is taken.
pub(in crate::sql) fn write(connection: &Connection, id: u64, line: &LogLine) -> Result<bool> {
    let sql = "INSERT OR IGNORE INTO ringtap_log \
               (ID, calldate, ts_us, id_sensor, call_key, callid, reporter, agent, text) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut statement = connection.prepare(sql);
    statement.bind(2, clock::database(line.ts_us));
    statement.bind(3, line.ts_us as i64);
    statement.bind(4, (line.id_sensor > 0).then_some(line.id_sensor));
    statement.bind(5, line.call_key as i64);
    statement.bind(6, line.callid.as_str());
    statement.bind(7, line.reporter.map_or(Value::Null, |ip| Value::Ip(ip.to_canonical())));
    statement.bind(8, (line.agent > 0).then_some(line.agent));
    statement.bind(9, line.text.as_str());
    statement.claim(LINES, id)
}

/// Whether this very line is there under this ID.
pub(in crate::sql) fn is_there(connection: &Connection, id: u64, line: &LogLine) -> Result<bool> {
    let sql = "SELECT 1 FROM ringtap_log \
               WHERE ID = ?1 AND ts_us = ?2 AND call_key = ?3 AND text = ?4";
    let at = params![id as i64, line.ts_us as i64, line.call_key as i64, line.text];
    Ok(connection.query_row(sql, at, |_| Ok(())).optional()?.is_some())
}

/// The first lines that name a call, oldest first.
pub(in crate::sql) fn of_call(connection: &Connection, call_key: u64) -> Result<Vec<LogLine>> {
    let sql = format!(
        "SELECT ID, ts_us, id_sensor, call_key, callid, reporter, agent, text FROM ringtap_log \
         WHERE call_key = ?1 ORDER BY ts_us, ID LIMIT {LINES_MAX}"
    );
    connection.prepare(&sql).all([call_key as i64], line_of)
}

fn line_of(row: &Row<'_>) -> Result<LogLine> {
    let mut c = Columns { row, at: 0 };
    Ok(LogLine {
        id: c.unsigned()?,
        ts_us: c.unsigned()?,
        id_sensor: c.next::<Option<u16>>()?.unwrap_or_default(),
        call_key: c.unsigned()?,
        callid: c.text()?,
        reporter: c.next::<Option<Ip>>()?.map(|ip| ip.0),
        agent: c.next::<Option<u32>>()?.unwrap_or_default(),
        text: c.next()?,
    })
}
