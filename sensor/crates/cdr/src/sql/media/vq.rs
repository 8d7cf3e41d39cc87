//! The table `ringtap_vq`: voice quality reports, found by the call that they name.

use crate::clock;
use crate::db::{Connection, OptionalExtension, Result, Row, params};
use crate::sql::read::{Columns, Ip};
use crate::vq::{VQ, VqMetrics, VqReport};
use std::net::SocketAddr;

/// The table in which reports claim their IDs.
pub(in crate::sql) const REPORTS: &str = "ringtap_vq";

/// Reports that are read with one call.
const REPORTS_MAX: i64 = 32;

fn columns() -> String {
    let names: Vec<&str> = VQ.iter().map(|column| column.name).collect();
    names.join(", ")
}

/// Stores a report under this ID. False: the ID is taken.
pub(in crate::sql) fn write(connection: &Connection, id: u64, report: &VqReport) -> Result<bool> {
    let marks = vec!["?"; 5 + VQ.len()].join(",");
    let sql = format!(
        "INSERT OR IGNORE INTO {REPORTS} (ID, calldate, ts_us, id_sensor, call_key, {}) \
         VALUES ({marks})",
        columns()
    );
    let mut statement = connection.prepare(&sql);
    statement.bind(2, clock::database(report.ts_us));
    statement.bind(3, report.ts_us as i64);
    statement.bind(4, (report.id_sensor > 0).then_some(report.id_sensor));
    statement.bind(5, report.call_key as i64);
    for (at, column) in (6..).zip(VQ) {
        statement.bind(at, (column.value)(report));
    }
    statement.claim(REPORTS, id)
}

/// Whether this very report is there under this ID.
pub(in crate::sql) fn is_there(
    connection: &Connection,
    id: u64,
    report: &VqReport,
) -> Result<bool> {
    let sql = "SELECT 1 FROM ringtap_vq WHERE ID = ?1 AND ts_us = ?2 AND call_key = ?3";
    let at = params![id as i64, report.ts_us as i64, report.call_key as i64];
    Ok(connection.query_row(sql, at, |_| Ok(())).optional()?.is_some())
}

/// The latest reports that name a call, oldest first: agents report again and again, and at the
/// end on the whole.
pub(in crate::sql) fn of_call(connection: &Connection, call_key: u64) -> Result<Vec<VqReport>> {
    let sql = format!(
        "SELECT * FROM (SELECT ID, ts_us, id_sensor, call_key, {} FROM ringtap_vq \
         WHERE call_key = ?1 ORDER BY ts_us DESC, ID DESC LIMIT {REPORTS_MAX}) AS latest \
         ORDER BY ts_us, ID",
        columns()
    );
    connection.prepare(&sql).all([call_key as i64], report_of)
}

fn report_of(row: &Row<'_>) -> Result<VqReport> {
    let mut c = Columns { row, at: 0 };
    // In the order of VQ: a struct expression is evaluated as it is written.
    Ok(VqReport {
        id: c.unsigned()?,
        ts_us: c.unsigned()?,
        id_sensor: c.next::<Option<u16>>()?.unwrap_or_default(),
        call_key: c.unsigned()?,
        callid: c.text()?,
        kind: c.text()?,
        reporter: c.next::<Option<Ip>>()?.map(|ip| SocketAddr::new(ip.0, 0)),
        local_id: c.text()?,
        remote_id: c.text()?,
        codec: c.text()?,
        local: metrics_of(&mut c)?,
        remote: metrics_of(&mut c)?,
    })
}

fn metrics_of(c: &mut Columns<'_, '_>) -> Result<VqMetrics> {
    Ok(VqMetrics {
        loss_percent: c.next()?,
        discard_percent: c.next()?,
        round_trip_ms: c.next()?,
        end_system_ms: c.next()?,
        buffer_ms: c.next()?,
        jitter_ms: c.next()?,
        r_lq: c.next()?,
        r_cq: c.next()?,
        mos_lq: c.next()?,
        mos_cq: c.next()?,
    })
}
