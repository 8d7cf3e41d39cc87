//! The table `ringtap_quality`: a row for each stream, of a call or without one.

use crate::db::{Connection, OptionalExtension, Result, Row, Statement, params};
use crate::quality::{Encryption, Quality, Xr, course_of, evidence_of};
use crate::sql::bind::Text;

/// `"index"` of a stream that no call claimed.
pub(in crate::sql) const LONE: i64 = -1;

const COLUMNS: &str = "lost_sensor, lost_mirror, evidence, encryption, gaps, stray, codec_changes, \
    dscp, mos_scale, mos_figures, r_f1, path_ms, half_trip_ms, sender_reports, byes, xr_blocks, \
    xr_mos_avg, xr_mos_min, xr_r_factor, xr_loss_rate, xr_discard_rate, xr_round_trip_ms, \
    xr_end_system_ms, interval_ms, course";

/// The statement for [`write`].
pub(in crate::sql) fn prepare(connection: &Connection) -> Statement<'_> {
    let marks = vec!["?"; COLUMNS.split(',').count()].join(",");
    connection.prepare(&format!(
        "INSERT OR IGNORE INTO ringtap_quality (ID, \"index\", calldate, {COLUMNS}) \
         VALUES (?,?,?,{marks})"
    ))
}

/// Stores one row.
pub(in crate::sql) fn write(
    statement: &mut Statement<'_>,
    (id, index): (i64, i64),
    calldate: &str,
    q: &Quality,
) -> Result<()> {
    let signed = |number: u64| number.min(i64::MAX as u64) as i64;
    let text = |text| Text(text, 64);
    statement.execute(params![
        id,
        index,
        calldate,
        signed(q.lost_sensor),
        signed(q.lost_mirror),
        q.evidence_text(),
        q.encryption.code(),
        q.gaps,
        signed(q.stray),
        q.codec_changes,
        q.dscp,
        text(&q.mos_scale),
        text(&q.mos_figures),
        q.r_f1,
        q.path_ms,
        q.half_trip_ms,
        q.sender_reports,
        q.byes,
        q.xr.map(|xr| xr.blocks),
        q.xr.and_then(|xr| xr.mos_avg),
        q.xr.and_then(|xr| xr.mos_min),
        q.xr.and_then(|xr| xr.r_factor),
        q.xr.map(|xr| xr.loss_rate),
        q.xr.map(|xr| xr.discard_rate),
        q.xr.and_then(|xr| xr.round_trip_ms),
        q.xr.and_then(|xr| xr.end_system_ms),
        q.interval_ms,
        q.course_text(),
    ])?;
    Ok(())
}

/// The row of one stream; a stream of an earlier version has none.
pub(in crate::sql) fn read(connection: &Connection, id: u64, index: i64) -> Result<Quality> {
    let sql = format!("SELECT {COLUMNS} FROM ringtap_quality WHERE ID = ?1 AND \"index\" = ?2");
    let found =
        connection.prepare(&sql).query_row(params![id as i64, index], quality_of).optional()?;
    Ok(found.unwrap_or_default())
}

fn quality_of(row: &Row<'_>) -> Result<Quality> {
    let text = |at| row.get::<Option<String>>(at).map(Option::unwrap_or_default);
    let xr = match row.get::<Option<u32>>(15)? {
        None => None,
        Some(blocks) => Some(Xr {
            blocks,
            mos_avg: row.get(16)?,
            mos_min: row.get(17)?,
            r_factor: row.get(18)?,
            loss_rate: row.get::<Option<_>>(19)?.unwrap_or_default(),
            discard_rate: row.get::<Option<_>>(20)?.unwrap_or_default(),
            round_trip_ms: row.get(21)?,
            end_system_ms: row.get(22)?,
        }),
    };
    Ok(Quality {
        lost_sensor: row.get::<i64>(0)? as u64,
        lost_mirror: row.get::<i64>(1)? as u64,
        evidence: evidence_of(&text(2)?),
        encryption: Encryption::from_code(row.get(3)?),
        gaps: row.get(4)?,
        stray: row.get::<i64>(5)? as u64,
        codec_changes: row.get(6)?,
        dscp: row.get(7)?,
        mos_scale: text(8)?.into(),
        mos_figures: text(9)?.into(),
        r_f1: row.get(10)?,
        path_ms: row.get(11)?,
        half_trip_ms: row.get(12)?,
        sender_reports: row.get(13)?,
        byes: row.get(14)?,
        xr,
        interval_ms: row.get(23)?,
        intervals: course_of(&text(24)?),
    })
}
