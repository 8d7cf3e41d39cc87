//! Registrations and requests outside of calls, out of the database.

use super::{CHALLENGED, REGISTER, SIGHUP, TCP, TRANSACTION};
use crate::db::{Connection, OptionalExtension, Result, Row};
use crate::filter::outside::OutsideFilter;
use crate::outside::{Body, RegisterRecord, RegisterState, TransactionRecord};
use crate::sql::bind::Address;
use crate::sql::dialog::headers;
use crate::sql::read::{Columns, Where, anywhere, boxed, range, times};
use crate::sql::tunnel;
use std::ops::ControlFlow;

/// Which requests are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Requests {
    /// MESSAGEs.
    Messages,
    /// All others.
    Others,
}

/// Gives the requests that the filter finds, by time; a limit keeps the latest.
pub(in crate::sql) fn transactions(
    connection: &Connection,
    which: Requests,
    filter: &OutsideFilter,
    each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
) -> Result<()> {
    let mut question = conditions(filter, ["caller", "called"], ["ua_src", "ua_dst"]);
    question.and(
        match which {
            Requests::Messages => "method = 'MESSAGE'",
            Requests::Others => "method <> 'MESSAGE'",
        },
        [],
    );
    if let Some(method) = &filter.method {
        question.and("method = ?", [boxed(method.clone())]);
    }
    let read = |row: &Row<'_>| {
        let mut record = transaction_of(row)?;
        record.tunnel = tunnel::read(connection, record.id, tunnel::REQUEST)?;
        if which == Requests::Messages {
            record.custom_headers = headers::read_of_message(connection, record.id)?;
        }
        Ok(record)
    };
    select(connection, "ringtap_transaction", TRANSACTION, question, filter, read, each)
}

/// Gives the changes of registrations that the filter finds, by time; a limit keeps the latest.
pub(in crate::sql) fn registers(
    connection: &Connection,
    filter: &OutsideFilter,
    each: &mut dyn FnMut(RegisterRecord) -> ControlFlow<()>,
) -> Result<()> {
    let mut question = conditions(filter, ["from_num", "to_num"], ["ua", "ua"]);
    if let Some(state) = filter.state {
        question.and("state = ?", [boxed(state.code())]);
    }
    if filter.current {
        let condition = "NOT EXISTS (SELECT 1 FROM ringtap_register later \
             WHERE later.register_key = ringtap_register.register_key \
             AND later.ID > ringtap_register.ID)";
        question.and(condition, []);
    }
    let read = |row: &Row<'_>| {
        let mut record = register_of(row)?;
        record.tunnel = tunnel::read(connection, record.id, tunnel::REGISTER)?;
        Ok(record)
    };
    select(connection, "ringtap_register", REGISTER, question, filter, read, each)
}

fn conditions(filter: &OutsideFilter, numbers: [&str; 2], agents: [&str; 2]) -> Where {
    let filter = &filter.filter;
    let mut question = Where::default();
    times(filter, &mut question, "calldate >= ?", "calldate < ?");
    for (prefix, column) in [&filter.caller, &filter.called].into_iter().zip(numbers) {
        if let Some(prefix) = prefix {
            question.and(format!("({column} >= ? AND {column} < ?)"), range(prefix));
        }
    }
    if let Some(network) = filter.ip {
        let (first, last) = network.bounds();
        let bytes = if first.is_ipv4() { 4 } else { 16 };
        let condition = "((length(src) = ? AND src BETWEEN ? AND ?) \
             OR (length(dst) = ? AND dst BETWEEN ? AND ?))";
        let both = || [boxed(bytes), boxed(Address(first)), boxed(Address(last))];
        question.and(condition, both().into_iter().chain(both()));
    }
    if let Some(sensor) = filter.sensor {
        question.and("id_sensor = ?", [boxed(sensor)]);
    }
    if let Some(response) = filter.response {
        question.and("response_num = ?", [boxed(response)]);
    }
    if let Some(agent) = &filter.agent {
        let [a, b] = agents;
        let condition = format!("({a} LIKE ? ESCAPE '\\' OR {b} LIKE ? ESCAPE '\\')");
        question.and(condition, [anywhere(agent), anywhere(agent)]);
    }
    question
}

fn select<T>(
    connection: &Connection,
    table: &str,
    columns: &str,
    mut question: Where,
    filter: &OutsideFilter,
    read: impl Fn(&Row<'_>) -> Result<T>,
    each: &mut dyn FnMut(T) -> ControlFlow<()>,
) -> Result<()> {
    let limit =
        filter.filter.limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    question.push(limit);
    let sql = format!(
        "SELECT * FROM (SELECT ID, {columns} FROM {table}{} \
         ORDER BY calldate DESC, ID DESC LIMIT ?) AS latest ORDER BY calldate, ID",
        question.text()
    );
    connection.prepare(&sql).each(question.values(), |row| Ok(each(read(row)?)))
}

pub(super) fn transaction(connection: &Connection, id: u64) -> Result<Option<TransactionRecord>> {
    let sql = format!("SELECT ID, {TRANSACTION} FROM ringtap_transaction WHERE ID = ?1");
    connection.prepare(&sql).query_row([id as i64], transaction_of).optional()
}

pub(super) fn register(connection: &Connection, id: u64) -> Result<Option<RegisterRecord>> {
    let sql = format!("SELECT ID, {REGISTER} FROM ringtap_register WHERE ID = ?1");
    connection.prepare(&sql).query_row([id as i64], register_of).optional()
}

/// A number that may be NULL, and that SQLite keeps with a sign.
fn time(c: &mut Columns<'_, '_>) -> Result<Option<u64>> {
    Ok(c.next::<Option<i64>>()?.map(|us| us as u64))
}

fn transaction_of(row: &Row<'_>) -> Result<TransactionRecord> {
    let mut c = Columns { row, at: 0 };
    // In the order of TRANSACTION: a struct expression is evaluated as it is written.
    let mut record = TransactionRecord { id: c.unsigned()?, ..TransactionRecord::default() };
    c.at += 1; // calldate
    record.id_sensor = c.next()?;
    record.call_key = c.unsigned()?;
    record.callid = c.text()?;
    record.method = c.text()?;
    record.cseq = c.next()?;
    record.first_us = c.unsigned()?;
    record.last_us = c.unsigned()?;
    record.request_us = time(&mut c)?;
    record.response_us = time(&mut c)?;
    record.delay_us = time(&mut c)?;
    record.caller.addr = c.socket()?;
    record.called.addr = c.socket()?;
    for party in [&mut record.caller, &mut record.called] {
        party.number = c.text()?;
        party.domain = c.text()?;
        party.name = c.text()?;
    }
    record.caller.agent = c.text()?;
    record.called.agent = c.text()?;
    record.response_num = c.next()?;
    record.response = c.text()?;
    record.request_repetition = c.next()?;
    record.sip_messages = c.next()?;
    record.request_body = Body { content_type: c.text()?, length: c.next()? };
    record.response_body = Body { content_type: c.text()?, length: c.next()? };
    record.content = c.text()?;
    record.event = c.text()?;
    record.digest_username = c.text()?;
    let flags: i64 = c.next()?;
    record.challenged = flags & CHALLENGED != 0;
    record.sighup = flags & SIGHUP != 0;
    record.tcp = flags & TCP != 0;
    record.vlan = c.next()?;
    record.repeats = c.next()?;
    record.malformed = c.text()?;
    Ok(record)
}

fn register_of(row: &Row<'_>) -> Result<RegisterRecord> {
    let mut c = Columns { row, at: 0 };
    let mut record = RegisterRecord { id: c.unsigned()?, ..RegisterRecord::default() };
    c.at += 1; // calldate
    record.id_sensor = c.next()?;
    record.register_key = c.unsigned()?;
    record.call_key = c.unsigned()?;
    record.callid = c.text()?;
    record.created_us = c.unsigned()?;
    record.state = RegisterState::from_code(c.next()?).unwrap_or_default();
    record.counter = c.next()?;
    record.src = c.socket()?;
    record.dst = c.socket()?;
    for text in [
        &mut record.from_num,
        &mut record.from_domain,
        &mut record.to_num,
        &mut record.to_domain,
        &mut record.contact_num,
        &mut record.contact_domain,
        &mut record.digest_username,
        &mut record.digest_realm,
        &mut record.agent,
    ] {
        *text = c.text()?;
    }
    record.expires_asked = c.next()?;
    record.expires = c.next()?;
    record.response_num = c.next()?;
    record.response = c.text()?;
    record.rrd_us = time(&mut c)?;
    record.request_repetition = c.next()?;
    record.refreshes = c.next()?;
    let flags: i64 = c.next()?;
    record.challenged = flags & CHALLENGED != 0;
    record.sighup = flags & SIGHUP != 0;
    record.tcp = flags & TCP != 0;
    record.vlan = c.next()?;
    record.malformed = c.text()?;
    Ok(record)
}
