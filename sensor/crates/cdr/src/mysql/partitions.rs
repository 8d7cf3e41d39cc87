//! Tables by day: partitions are made ahead, so that a day's rows lie together.
//!
//! What came before the first day lies in it; what is beyond the last lies in a partition without
//! an end, so that no row is ever without a place. Partitions that somebody else made stay as they
//! are; it takes none away.

use super::link::Server;
use super::schema;
use crate::db::Result;
use mysql::Conn;
use mysql::prelude::Queryable;
use std::collections::BTreeMap;
use std::time::Duration;

/// Days ahead of today that have their partitions.
const AHEAD: u32 = 2;

/// How long a table may be busy with somebody's question before this waits for the next time:
/// who writes waits as long.
const BUSY_S: u32 = 5;

/// Between two looks, and after one that failed.
const EVERY: Duration = Duration::from_secs(3600);
const AGAIN: Duration = Duration::from_secs(600);

/// The partition without an end.
const REST: &str = "PARTITION pmax VALUES LESS THAN (MAXVALUE)";

/// A day, by the server's clock (UTC).
#[derive(Debug)]
pub(super) struct Day {
    /// `pYYMMDD`.
    name: String,
    /// The day after it, `YYYY-MM-DD`.
    end: String,
}

impl Day {
    fn partition(&self) -> String {
        format!("PARTITION {} VALUES LESS THAN ('{}')", self.name, self.end)
    }
}

/// Today and the days that are made ahead.
pub(super) fn days(conn: &mut Conn) -> Result<Vec<Day>> {
    let mut days = Vec::new();
    for ahead in 0..=AHEAD {
        let sql = format!(
            "SELECT DATE_FORMAT(UTC_DATE() + INTERVAL {ahead} DAY, 'p%y%m%d'), \
             DATE_FORMAT(UTC_DATE() + INTERVAL {ahead} + 1 DAY, '%Y-%m-%d')"
        );
        let day: Option<(String, String)> = conn.query_first(sql)?;
        days.extend(day.map(|(name, end)| Day { name, end }));
    }
    Ok(days)
}

/// The statement that makes a table, with its partitions if its rows have a time.
pub(super) fn partitioned(sql: &str, days: &[Day]) -> String {
    const BY: (&str, &str) = ("/* by ", " */");
    let parts = sql.split_once(BY.0).and_then(|(create, rest)| {
        let (column, end) = rest.split_once(BY.1)?;
        Some((create, column, end))
    });
    let Some((create, column, end)) = parts.filter(|_| !days.is_empty()) else {
        return sql.to_owned();
    };
    let list: Vec<String> = days.iter().map(Day::partition).collect();
    format!("{create}PARTITION BY RANGE COLUMNS({column}) ({}, {REST}){end}", list.join(", "))
}

/// Gives tables the partitions that they lack, unless the configuration wants none. How long it
/// need not be asked again.
pub(super) fn keep(conn: &mut Conn, server: &Server) -> Duration {
    if !server.place.partition {
        return Duration::MAX;
    }
    match schema::locked(conn, server, |conn| make(conn, server)) {
        Ok(made) => {
            if made > 0 {
                tracing::info!(made, "store: partitions made ahead");
            }
            EVERY
        }
        Err(error) => {
            let error = server.line("make partitions", error);
            tracing::warn!(%error, "store: later days share a partition until this succeeds");
            AGAIN
        }
    }
}

fn make(conn: &mut Conn, server: &Server) -> Result<usize> {
    let days = days(conn)?;
    let sql = "SELECT TABLE_NAME, PARTITION_NAME, PARTITION_DESCRIPTION \
               FROM information_schema.PARTITIONS \
               WHERE TABLE_SCHEMA = ? AND PARTITION_METHOD = 'RANGE COLUMNS' \
               ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION";
    let found: Vec<(String, String, String)> = conn.exec(sql, (&server.place.database,))?;
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (table, name, end) in found {
        tables.entry(table).or_default().push((name, end));
    }
    conn.query_drop(format!("SET SESSION lock_wait_timeout = {BUSY_S}"))?;
    let mut made = 0;
    for (table, partitions) in &tables {
        if let Some((count, sql)) = addition(table, partitions, &days) {
            conn.query_drop(sql)?;
            made += count;
        }
    }
    Ok(made)
}

/// What adds to a table the days behind its last partition that has an end.
fn addition(table: &str, there: &[(String, String)], days: &[Day]) -> Option<(usize, String)> {
    let rest = there.iter().find(|(_, end)| end == "MAXVALUE");
    let ends = there.iter().filter(|(_, end)| end != "MAXVALUE");
    let last = ends.map(|(_, end)| end.trim_matches('\'')).max().unwrap_or_default();
    let new: Vec<String> =
        days.iter().filter(|day| day.end.as_str() > last).map(Day::partition).collect();
    if new.is_empty() {
        return None;
    }
    let list = new.join(", ");
    let sql = match rest {
        Some((name, _)) => format!(
            "ALTER TABLE \"{table}\" REORGANIZE PARTITION \"{name}\" INTO ({list}, PARTITION \
             \"{name}\" VALUES LESS THAN (MAXVALUE))"
        ),
        None => format!("ALTER TABLE \"{table}\" ADD PARTITION ({list})"),
    };
    Some((new.len(), sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(there: &[(&str, &str)]) -> Option<(usize, String)> {
        let there: Vec<_> =
            there.iter().map(|(name, end)| ((*name).to_owned(), (*end).to_owned())).collect();
        let day = |name: &str, end: &str| Day { name: name.into(), end: end.into() };
        let days = [day("p261130", "2026-12-01"), day("p261201", "2026-12-02")];
        addition("cdr", &there, &days)
    }

    #[test]
    fn only_days_behind_the_last_are_made() {
        assert_eq!(added(&[("a", "'2026-12-01'"), ("b", "'2026-12-02'")]), None);
        // The library's words for a column with microseconds; somebody's hours.
        assert_eq!(added(&[("a", "'2026-12-02 00:00:00.000000'")]), None);
        let sql = "ALTER TABLE \"cdr\" REORGANIZE PARTITION \"rest\" INTO (PARTITION p261201 \
                   VALUES LESS THAN ('2026-12-02'), PARTITION \"rest\" VALUES LESS THAN \
                   (MAXVALUE))";
        let there = [("h", "'2026-12-01 05:00:00'"), ("rest", "MAXVALUE")];
        assert_eq!(added(&there), Some((1, sql.into())));
        let sql = "ALTER TABLE \"cdr\" ADD PARTITION (PARTITION p261130 VALUES LESS THAN \
                   ('2026-12-01'), PARTITION p261201 VALUES LESS THAN ('2026-12-02'))";
        assert_eq!(added(&[("old", "'2026-11-30'")]), Some((2, sql.into())));
    }

    #[test]
    fn a_table_without_a_time_has_none() {
        let day = Day { name: "p261130".into(), end: "2026-12-01".into() };
        let days = [day];
        assert_eq!(partitioned("CREATE TABLE t (a int)", &days), "CREATE TABLE t (a int)");
        assert_eq!(
            partitioned("CREATE TABLE t (a int) /* by a */", &days),
            "CREATE TABLE t (a int) PARTITION BY RANGE COLUMNS(a) (PARTITION p261130 VALUES LESS \
             THAN ('2026-12-01'), PARTITION pmax VALUES LESS THAN (MAXVALUE))"
        );
    }
}
