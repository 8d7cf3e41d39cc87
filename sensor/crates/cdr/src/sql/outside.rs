//! Registrations and requests outside of calls, into the database and out of it.
//!
//! Each stands in a table of our own exactly, and in the table that existing queries know with
//! what that has columns for.

mod find;

use super::bind::{Address, CALLID_MAX, TEXT_MAX, Text, clip, file_name};
use super::dialog::headers;
use super::names::Names;
use super::tunnel;
use super::write::{first_id, give_up, insert};
use crate::clock;
use crate::db::{Connection, Result, Statement, ToSql};
use crate::id;
use crate::outside::{Body, RegisterRecord, RegisterState, TransactionRecord};
use crate::record::Party;
use std::net::SocketAddr;
use std::sync::LazyLock;

pub(super) use find::{Requests, registers, transactions};

/// The tables in which records claim their IDs.
pub(super) const TRANSACTIONS: &str = "ringtap_transaction";
pub(super) const REGISTERS: &str = "ringtap_register";

/// Bits of `flags` in our tables.
const CHALLENGED: i64 = 1;
const SIGHUP: i64 = 2;
const TCP: i64 = 4;

/// Longest user agent, as in `cdr_ua`.
const AGENT_MAX: usize = 512;
/// Longest text of a MESSAGE.
const CONTENT_MAX: usize = 64 * 1024;

/// Columns in the order in which they are bound and read, without the ID.
const TRANSACTION: &str = "calldate, id_sensor, call_key, callid, method, cseq, first_us, \
    last_us, request_us, response_us, delay_us, src, sport, dst, dport, caller, caller_domain, \
    callername, called, called_domain, calledname, ua_src, ua_dst, response_num, response, \
    repetition, messages, request_type, request_length, response_type, response_length, content, \
    event, digest_username, flags, vlan, repeats, malformed";
const REGISTER: &str = "calldate, id_sensor, register_key, call_key, callid, created_us, state, \
    counter, src, sport, dst, dport, from_num, from_domain, to_num, to_domain, contact_num, \
    contact_domain, digest_username, digest_realm, ua, expires_asked, expires, response_num, \
    response, rrd_us, repetition, refreshes, flags, vlan, malformed";
/// Columns of `register_state` and `register_failed` alike, without the ID.
const REGISTER_BOTH: &str = "id_sensor, created_at, sipcallerip, sipcalledip, sipcallerport, \
    sipcalledport, from_num, to_num, contact_num, contact_domain, digestusername, digestrealm, \
    ua_id, to_domain, vlan";

static SQL_TRANSACTION: LazyLock<String> =
    LazyLock::new(|| insert(TRANSACTIONS, &format!("ID, {TRANSACTION}")));
static SQL_REGISTER: LazyLock<String> =
    LazyLock::new(|| insert(REGISTERS, &format!("ID, {REGISTER}")));
static SQL_STATE: LazyLock<String> =
    LazyLock::new(|| insert("register_state", &format!("ID, {REGISTER_BOTH}, state, expires")));
static SQL_FAILED: LazyLock<String> =
    LazyLock::new(|| insert("register_failed", &format!("ID, {REGISTER_BOTH}, counter")));
static SQL_MESSAGE: LazyLock<String> = LazyLock::new(|| {
    insert(
        "message",
        "ID, id_contenttype, calldate, caller, caller_domain, caller_reverse, callername, \
         callername_reverse, called, called_domain, called_reverse, sipcallerip, sipcalledip, \
         lastSIPresponse_id, lastSIPresponseNum, id_sensor, vlan, a_ua_id, b_ua_id, fbasename, \
         message, content_length, response_time",
    )
});
static SQL_SIP_MSG: LazyLock<String> = LazyLock::new(|| {
    insert(
        "sip_msg",
        "ID, time, type, ip_src, ip_dst, port_src, port_dst, number_src, number_dst, domain_src, \
         domain_dst, ua_src_id, ua_dst_id, callername, callid, cseq, request_id_content_type, \
         request_content_length, response_id_content_type, response_content_length, \
         response_number, response_id, time_us, request_repetition, request_time, \
         request_time_us, response_time, response_time_us, response_duration_ms, qualify_ok, \
         id_sensor, vlan",
    )
});

/// Binds values one after the other, behind the ID.
struct Binder<'s, 'c> {
    statement: &'s mut Statement<'c>,
    at: usize,
}

impl<'s, 'c> Binder<'s, 'c> {
    fn behind_id(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, at: 1 }
    }

    fn bind(&mut self, value: impl ToSql) {
        self.at += 1;
        self.statement.bind(self.at, value);
    }

    fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        texts.into_iter().for_each(|text| self.bind(Text(text, TEXT_MAX)));
    }

    fn address(&mut self, address: Option<SocketAddr>) {
        self.bind(address.map(|a| Address(a.ip())));
        self.bind(address.map(|a| a.port()));
    }

    fn time(&mut self, us: Option<u64>) {
        self.bind(us.map(signed));
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

fn flags(challenged: bool, sighup: bool, tcp: bool) -> i64 {
    let bit = |set: bool, bit: i64| if set { bit } else { 0 };
    bit(challenged, CHALLENGED) | bit(sighup, SIGHUP) | bit(tcp, TCP)
}

/// Inserts under the record's ID or the next free one; `None`: it is there already.
fn insert_own(
    statement: &mut Statement<'_>,
    table: &'static str,
    first: u64,
    mut is_there: impl FnMut(u64) -> Result<bool>,
) -> Result<Option<u64>> {
    let mut id = first;
    for taken in 0.. {
        if statement.claim(table, id)? {
            break;
        }
        if is_there(id)? {
            return Ok(None);
        }
        give_up(taken)?;
        id = id::successor(id);
    }
    Ok(Some(id))
}

/// Stores a request outside of calls; gives the ID that it got, or `None` if it is there already.
pub(super) fn put_transaction(
    connection: &Connection,
    names: &mut Names,
    t: &TransactionRecord,
) -> Result<Option<u64>> {
    let calldate = clock::database(t.first_us);
    let mut own = connection.prepare(&SQL_TRANSACTION);
    bind_transaction(&mut own, &calldate, t);
    let first = first_id(t.id, t.id_sensor, t.first_us);
    let same = |id| Ok(find::transaction(connection, id)?.is_some_and(|there| there.is_same(t)));
    let Some(id) = insert_own(&mut own, TRANSACTIONS, first, same)? else { return Ok(None) };
    tunnel::write(connection, (id as i64, tunnel::REQUEST), &calldate, t.tunnel.as_ref())?;
    if t.is_message() {
        put_message(connection, names, id, &calldate, t)?;
        headers::write_of_message(connection, id, &calldate, &t.custom_headers, names)?;
    } else {
        put_sip_msg(connection, names, id, &calldate, t)?;
    }
    Ok(Some(id))
}

fn bind_transaction(own: &mut Statement<'_>, calldate: &str, t: &TransactionRecord) {
    let mut b = Binder::behind_id(own);
    b.bind(calldate);
    b.bind(t.id_sensor);
    b.bind(t.call_key as i64);
    b.bind(Text(&t.callid, CALLID_MAX));
    // A method is never NULL: one that is not known is empty.
    b.bind(clip(&t.method, TEXT_MAX));
    b.bind(t.cseq);
    b.bind(signed(t.first_us));
    b.bind(signed(t.last_us));
    b.time(t.request_us);
    b.time(t.response_us);
    b.time(t.delay_us);
    b.address(t.caller.addr);
    b.address(t.called.addr);
    for party in [&t.caller, &t.called] {
        b.texts([&*party.number, &*party.domain, &*party.name]);
    }
    b.bind(Text(&t.caller.agent, AGENT_MAX));
    b.bind(Text(&t.called.agent, AGENT_MAX));
    b.bind(t.response_num);
    b.texts([&*t.response]);
    b.bind(t.request_repetition);
    b.bind(t.sip_messages);
    for body in [&t.request_body, &t.response_body] {
        b.texts([&*body.content_type]);
        b.bind(body.length);
    }
    b.bind(Text(&t.content, CONTENT_MAX));
    b.texts([&*t.event, &*t.digest_username]);
    b.bind(flags(t.challenged, t.sighup, t.tcp));
    b.bind(t.vlan);
    b.bind(t.repeats);
    b.texts([&*t.malformed]);
}

fn put_message(
    connection: &Connection,
    names: &mut Names,
    id: u64,
    calldate: &str,
    t: &TransactionRecord,
) -> Result<()> {
    let content_type = names.content_type(connection, &t.request_body.content_type)?;
    let response = names.response(connection, &t.response)?;
    let agents = agents(connection, names, t)?;
    let mut statement = connection.prepare(&SQL_MESSAGE);
    statement.bind(1, id as i64);
    let reversed = |text: &str| clip(text, TEXT_MAX).chars().rev().collect::<String>();
    let mut b = Binder::behind_id(&mut statement);
    b.bind(content_type.unwrap_or_default());
    b.bind(calldate);
    let (caller, called) = (&t.caller, &t.called);
    b.texts([&*caller.number, &*caller.domain, &reversed(&caller.number)]);
    b.texts([&*caller.name, &reversed(&caller.name)]);
    b.texts([&*called.number, &*called.domain, &reversed(&called.number)]);
    b.bind(caller.addr.map(|a| Address(a.ip())));
    b.bind(called.addr.map(|a| Address(a.ip())));
    b.bind(response);
    b.bind(t.response_num);
    b.bind((t.id_sensor > 0).then_some(t.id_sensor));
    b.bind(t.vlan);
    b.bind(agents[0]);
    b.bind(agents[1]);
    b.bind(file_name(&t.callid));
    b.bind(Text(&t.content, CONTENT_MAX));
    b.bind(t.request_body.length.min(0xff_ffff));
    b.bind(t.delay_us.map(|us| signed(us.saturating_add(500) / 1000).min(65_535)));
    statement.run()
}

fn put_sip_msg(
    connection: &Connection,
    names: &mut Names,
    id: u64,
    calldate: &str,
    t: &TransactionRecord,
) -> Result<()> {
    let mut content_type = |body: &Body| names.content_type(connection, &body.content_type);
    let types = [content_type(&t.request_body)?, content_type(&t.response_body)?];
    let response = names.response(connection, &t.response)?;
    let agents = agents(connection, names, t)?;
    let mut statement = connection.prepare(&SQL_SIP_MSG);
    statement.bind(1, id as i64);
    let ip = |party: &Party| party.addr.map(|a| Address(a.ip()));
    let port = |party: &Party| party.addr.map(|a| a.port());
    let mut b = Binder::behind_id(&mut statement);
    b.bind(calldate);
    b.bind(t.type_code());
    b.bind(ip(&t.caller));
    b.bind(ip(&t.called));
    b.bind(port(&t.caller));
    b.bind(port(&t.called));
    b.texts([&*t.caller.number, &*t.called.number, &*t.caller.domain, &*t.called.domain]);
    b.bind(agents[0]);
    b.bind(agents[1]);
    b.texts([&*t.caller.name, &*t.callid]);
    b.bind(t.cseq);
    b.bind(types[0]);
    b.bind(t.request_body.length.min(0xff_ffff));
    b.bind(types[1]);
    b.bind(t.response_body.length.min(0xff_ffff));
    b.bind(t.response_num);
    b.bind(response);
    b.bind(signed(t.first_us));
    b.bind(t.request_repetition.min(65_535));
    for us in [t.request_us, t.response_us] {
        b.bind(us.map(clock::database));
        b.bind(us.map(|us| signed(us % 1_000_000)));
    }
    b.bind(t.delay_us.map(|us| signed(us.saturating_add(500) / 1000)));
    b.bind(t.qualify_ok());
    b.bind((t.id_sensor > 0).then_some(t.id_sensor));
    b.bind(t.vlan);
    statement.run()
}

fn agents(
    connection: &Connection,
    names: &mut Names,
    t: &TransactionRecord,
) -> Result<[Option<i64>; 2]> {
    let caller = names.agent(connection, &t.caller.agent)?;
    Ok([caller, names.agent(connection, &t.called.agent)?])
}

/// Stores a change of a registration; gives the ID that it got, or `None` if it is there already.
pub(super) fn put_register(
    connection: &Connection,
    names: &mut Names,
    r: &RegisterRecord,
) -> Result<Option<u64>> {
    let calldate = clock::database(r.created_us);
    let mut own = connection.prepare(&SQL_REGISTER);
    bind_register(&mut own, &calldate, r);
    let first = first_id(r.id, r.id_sensor, r.created_us);
    let same = |id| Ok(find::register(connection, id)?.is_some_and(|there| there.is_same(r)));
    let Some(id) = insert_own(&mut own, REGISTERS, first, same)? else { return Ok(None) };
    tunnel::write(connection, (id as i64, tunnel::REGISTER), &calldate, r.tunnel.as_ref())?;
    let agent = names.agent(connection, &r.agent)?;
    let failed = r.state == RegisterState::Failed;
    let sql = if failed { &SQL_FAILED } else { &SQL_STATE };
    let mut statement = connection.prepare(sql);
    statement.bind(1, id as i64);
    let mut b = Binder::behind_id(&mut statement);
    b.bind(r.id_sensor);
    b.bind(&calldate);
    b.bind(r.src.map(|a| Address(a.ip())));
    b.bind(r.dst.map(|a| Address(a.ip())));
    b.bind(r.src.map(|a| a.port()));
    b.bind(r.dst.map(|a| a.port()));
    b.texts([&*r.from_num, &*r.to_num, &*r.contact_num, &*r.contact_domain]);
    b.texts([&*r.digest_username, &*r.digest_realm]);
    b.bind(agent);
    b.texts([&*r.to_domain]);
    b.bind(r.vlan);
    if failed {
        b.bind(r.counter);
    } else {
        b.bind(r.state.code());
        b.bind(r.expires.map(|seconds| seconds.min(0x7f_ffff)));
    }
    statement.run()?;
    Ok(Some(id))
}

fn bind_register(own: &mut Statement<'_>, calldate: &str, r: &RegisterRecord) {
    let mut b = Binder::behind_id(own);
    b.bind(calldate);
    b.bind(r.id_sensor);
    b.bind(r.register_key as i64);
    b.bind(r.call_key as i64);
    b.bind(Text(&r.callid, CALLID_MAX));
    b.bind(signed(r.created_us));
    b.bind(r.state.code());
    b.bind(r.counter);
    b.address(r.src);
    b.address(r.dst);
    b.texts([&*r.from_num, &*r.from_domain, &*r.to_num, &*r.to_domain]);
    b.texts([&*r.contact_num, &*r.contact_domain, &*r.digest_username, &*r.digest_realm]);
    b.bind(Text(&r.agent, AGENT_MAX));
    b.bind(r.expires_asked);
    b.bind(r.expires);
    b.bind(r.response_num);
    b.texts([&*r.response]);
    b.time(r.rrd_us);
    b.bind(r.request_repetition);
    b.bind(r.refreshes);
    b.bind(flags(r.challenged, r.sighup, r.tcp));
    b.bind(r.vlan);
    b.texts([&*r.malformed]);
}
