//! Legs of one call: their ties into the database, and the calls that share them out of it.
//!
//! Legs are looked for in the day before and after a call; each question is bounded.

use crate::db::{Connection, OptionalExtension, Result, Row, Statement, params};

use super::bind::{Text, clip};
use super::write::insert;
use crate::record::{CallRecord, LEGS_MAX, Leg};

/// Calls further apart than this are not legs of one call.
const APART_US: u64 = 24 * 3600 * 1_000_000;

/// The longest Call-ID of a replaced call that is kept.
const REPLACES_MAX: usize = 512;

/// Stores ties.
pub(super) struct Writer<'c> {
    legs: Statement<'c>,
    leg: Statement<'c>,
}

impl<'c> Writer<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Self {
        let legs = insert("ringtap_legs", "cdr_ID, calldate, leg_group, session_id, replaces");
        let leg = insert("ringtap_leg", "cdr_ID, value, calldate, calldate_us");
        Self { legs: connection.prepare(&legs), leg: connection.prepare(&leg) }
    }

    pub(super) fn write(&mut self, id: i64, calldate: &str, call: &CallRecord) -> Result<()> {
        let legs = &call.legs;
        if legs.tokens.is_empty() && legs.leg_group.is_none() {
            return Ok(());
        }
        self.legs.execute(params![
            id,
            calldate,
            legs.leg_group.map(|group| group as i64),
            Text(&legs.session_id, super::bind::TEXT_MAX),
            Text(clip(&legs.replaces, REPLACES_MAX), REPLACES_MAX),
        ])?;
        for token in &legs.tokens {
            self.leg.execute(params![id, *token as i64, calldate, call.calldate_us as i64])?;
        }
        Ok(())
    }
}

/// Adds to a call its tokens and the other legs that the database has.
pub(super) fn fill(connection: &Connection, call: &mut CallRecord) -> Result<()> {
    let sql = "SELECT value FROM ringtap_leg WHERE cdr_ID = ?1 ORDER BY value";
    let token = |row: &Row<'_>| Ok(row.get::<i64>(0)? as u64);
    call.legs.tokens = connection.prepare(sql).all([call.id as i64], token)?;
    let all = of(connection, call)?;
    let others = all.into_iter().filter(|(_, leg)| leg.id != call.id);
    let mut others: Vec<(u64, Leg)> = others.collect();
    others.sort_by_key(|(calldate_us, leg)| (*calldate_us, leg.id));
    call.legs.known = others.into_iter().map(|(_, leg)| leg).collect();
    Ok(())
}

/// The call and its legs, at most [`LEGS_MAX`], with their beginnings.
fn of(connection: &Connection, call: &CallRecord) -> Result<Vec<(u64, Leg)>> {
    let own = Leg { id: call.id, callid: call.callid.clone() };
    let mut all = vec![(call.calldate_us, own)];
    let from_us = call.calldate_us.saturating_sub(APART_US) as i64;
    let to_us = call.calldate_us.saturating_add(APART_US) as i64;
    // Who carries the same token; whose Call-ID this one carries; who carries its Call-ID.
    let questions = [
        "SELECT b.cdr_ID FROM ringtap_leg a JOIN ringtap_leg b ON b.value = a.value \
         WHERE a.cdr_ID = ?1 AND b.calldate_us BETWEEN ?2 AND ?3 LIMIT ?4",
        "SELECT b.cdr_ID FROM ringtap_leg a JOIN ringtap_cdr b ON b.call_key = a.value \
         WHERE a.cdr_ID = ?1 AND b.calldate_us BETWEEN ?2 AND ?3 LIMIT ?4",
        "SELECT b.cdr_ID FROM ringtap_cdr a JOIN ringtap_leg b ON b.value = a.call_key \
         WHERE a.cdr_ID = ?1 AND b.calldate_us BETWEEN ?2 AND ?3 LIMIT ?4",
    ];
    // A leg may share several tokens with the same others.
    const ANSWERS_MAX: i64 = 8 * LEGS_MAX as i64;
    let mut next = 0;
    while let Some((_, leg)) = all.get(next) {
        let id = leg.id as i64;
        next += 1;
        for question in questions {
            let range = params![id, from_us, to_us, ANSWERS_MAX];
            let others = connection.prepare(question).all(range, |row| row.get::<i64>(0))?;
            for other in others {
                let other = other as u64;
                if all.len() < LEGS_MAX && !all.iter().any(|(_, known)| known.id == other) {
                    all.extend(named(connection, other)?);
                }
            }
        }
    }
    Ok(all)
}

fn named(connection: &Connection, id: u64) -> Result<Option<(u64, Leg)>> {
    let sql = "SELECT calldate_us, callid FROM ringtap_cdr WHERE cdr_ID = ?1";
    let found = connection.query_row(sql, [id as i64], |row| {
        let callid = row.cell(1)?.as_str()?.into();
        Ok((row.get::<i64>(0)? as u64, Leg { id, callid }))
    });
    found.optional()
}
