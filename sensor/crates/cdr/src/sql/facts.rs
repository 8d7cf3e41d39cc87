//! What sums over calls need of each, without the rest of it.
//!
//! The question is that of `read`; nothing is summed here.

use super::read::{Columns, SOURCES, conditions};
use crate::db::{Connection, Result, Row};
use crate::filter::Filter;
use crate::store::totals::Fact;
use std::ops::ControlFlow;

const FACTS: &str = "SELECT c.connect_duration, c.bye, c.lastSIPresponseNum, c.progress_time, \
    said.srd, said.srd_failed, said.sdd, said.sdt, said.sdt_failed, \
    (SELECT avg(s.mos_f1) FROM ringtap_rtp s WHERE s.cdr_ID = c.ID), own.mos_min";

/// Gives a fact for each call that the filter finds.
pub(super) fn facts(
    connection: &Connection,
    filter: &Filter,
    each: &mut dyn FnMut(Fact),
) -> Result<()> {
    let mut question = conditions(filter);
    let mut sql = format!(
        "{FACTS} {SOURCES} LEFT JOIN ringtap_dialog said ON said.cdr_ID = c.ID \
         AND said.calldate = c.calldate{}",
        question.text()
    );
    if let Some(limit) = filter.limit {
        sql.push_str(" ORDER BY c.calldate DESC, c.ID DESC LIMIT ?");
        question.push(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    connection.prepare(&sql).each(question.values(), |row| {
        each(fact(row)?);
        Ok(ControlFlow::Continue(()))
    })
}

fn fact(row: &Row<'_>) -> Result<Fact> {
    let mut c = Columns { row, at: 0 };
    // In the order of FACTS.
    Ok(Fact {
        connect_duration_us: c.seconds()?,
        bye: c.next::<Option<u8>>()?.unwrap_or_default(),
        response: c.next()?,
        progress_time_us: c.seconds()?,
        srd_us: c.seconds()?,
        srd_failed_us: c.seconds()?,
        sdd_us: c.seconds()?,
        sdt_us: c.seconds()?,
        sdt_failed_us: c.seconds()?,
        mos: c.next()?,
        mos_min: c.next()?,
    })
}
