//! The table `ringtap_vq`: voice quality reports, found by the call that they name.

use crate::clock;
use crate::sqlite::read::Ip;
use crate::vq::{VQ, VqMetrics, VqReport};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::net::SocketAddr;

type Result<T> = rusqlite::Result<T>;

/// Reports that are read with one call.
const REPORTS_MAX: i64 = 32;

fn columns() -> String {
    let names: Vec<&str> = VQ.iter().map(|column| column.name).collect();
    names.join(", ")
}

/// Stores a report under this ID. False: the ID is taken.
pub(in crate::sqlite) fn write(
    connection: &Connection,
    id: u64,
    report: &VqReport,
) -> Result<bool> {
    let marks = vec!["?"; 5 + VQ.len()].join(",");
    let sql = format!(
        "INSERT OR IGNORE INTO ringtap_vq (ID, calldate, ts_us, id_sensor, call_key, {}) \
         VALUES ({marks})",
        columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.raw_bind_parameter(1, id as i64)?;
    statement.raw_bind_parameter(2, clock::database(report.ts_us))?;
    statement.raw_bind_parameter(3, report.ts_us as i64)?;
    statement.raw_bind_parameter(4, (report.id_sensor > 0).then_some(report.id_sensor))?;
    statement.raw_bind_parameter(5, report.call_key as i64)?;
    for (at, column) in (6..).zip(VQ) {
        statement.raw_bind_parameter(at, (column.value)(report))?;
    }
    Ok(statement.raw_execute()? > 0)
}

/// Whether this very report is there under this ID.
pub(in crate::sqlite) fn is_there(
    connection: &Connection,
    id: u64,
    report: &VqReport,
) -> Result<bool> {
    let sql = "SELECT 1 FROM ringtap_vq WHERE ID = ?1 AND ts_us = ?2 AND call_key = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let at = params![id as i64, report.ts_us as i64, report.call_key as i64];
    Ok(statement.query_row(at, |_| Ok(())).optional()?.is_some())
}

/// The latest reports that name a call, oldest first: agents report again and again, and at the
/// end on the whole.
pub(in crate::sqlite) fn of_call(connection: &Connection, call_key: u64) -> Result<Vec<VqReport>> {
    let sql = format!(
        "SELECT * FROM (SELECT ID, ts_us, id_sensor, call_key, {} FROM ringtap_vq \
         WHERE call_key = ?1 ORDER BY ts_us DESC, ID DESC LIMIT {REPORTS_MAX}) ORDER BY ts_us, ID",
        columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([call_key as i64], report_of)?;
    found.collect()
}

fn report_of(row: &Row<'_>) -> Result<VqReport> {
    let text = |name| row.get::<_, Option<String>>(name).map(Option::unwrap_or_default);
    let side = |side: &str| {
        let get = |name| row.get::<_, Option<f32>>(format!("{side}_{name}").as_str());
        Ok::<_, rusqlite::Error>(VqMetrics {
            loss_percent: get("loss_percent")?,
            discard_percent: get("discard_percent")?,
            round_trip_ms: get("round_trip_ms")?,
            end_system_ms: get("end_system_ms")?,
            buffer_ms: get("buffer_ms")?,
            jitter_ms: get("jitter_ms")?,
            r_lq: get("r_lq")?,
            r_cq: get("r_cq")?,
            mos_lq: get("mos_lq")?,
            mos_cq: get("mos_cq")?,
        })
    };
    Ok(VqReport {
        id: row.get::<_, i64>("ID")? as u64,
        id_sensor: row.get::<_, Option<u16>>("id_sensor")?.unwrap_or_default(),
        ts_us: row.get::<_, i64>("ts_us")? as u64,
        reporter: row.get::<_, Option<Ip>>("reporter")?.map(|ip| SocketAddr::new(ip.0, 0)),
        call_key: row.get::<_, i64>("call_key")? as u64,
        callid: text("callid")?.into(),
        kind: text("kind")?.into(),
        local_id: text("local_id")?.into(),
        remote_id: text("remote_id")?.into(),
        codec: text("codec")?.into(),
        local: side("local")?,
        remote: side("remote")?,
    })
}
