//! A call's signalling in its tables: `ringtap_dialog`, branches, transfers, and the schema's side
//! tables, which are written and not read back.
//!
//! `cdr` and `cdr_next` are in `write` and `read`.

pub(super) mod headers;

use super::bind::{Address, TEXT_MAX, Text, clip, file_name};
use super::names::Names;
use super::read::{Columns, Ip};
use crate::db::{Connection, OptionalExtension, Result, Row, Statement, params};
use crate::record::dialog::{Branch, DIALOG, Dialog, SideTables, Timer, Transfer};
use crate::record::{CallRecord, Reason, Side};
use std::net::SocketAddr;
use std::sync::LazyLock;

static NAMES: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> = DIALOG.iter().map(|column| column.name).collect();
    names.join(", ")
});
static INSERT: LazyLock<String> =
    LazyLock::new(|| insert("ringtap_dialog", &format!("cdr_ID, calldate, {}", *NAMES)));
static SELECT: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM ringtap_dialog WHERE cdr_ID = ?1", *NAMES));

const BRANCH: &str = "tag, cseq, addr, port, called, called_domain, ua, first_us, ringing_us, \
    answered_us, ended_us, bye, response_num, response, reason_sip_cause, reason_sip_text, \
    reason_q850_cause, reason_q850_text, won";
const TRANSFER: &str = "at_us, \"by\", refer_to, number, attended, status, result";

fn insert(table: &str, columns: &str) -> String {
    let marks = vec!["?"; columns.split(',').count()].join(",");
    format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})")
}

/// The statement that every call needs; rarer ones are taken from the cache.
pub(super) struct Writer<'c> {
    connection: &'c Connection,
    dialog: Statement<'c>,
}

impl<'c> Writer<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Self {
        Self { connection, dialog: connection.prepare(&INSERT) }
    }

    /// Everything of a call's signalling.
    pub(super) fn write(
        &mut self,
        id: i64,
        calldate: &str,
        call: &CallRecord,
        names: &mut Names,
    ) -> Result<()> {
        self.dialog.bind(1, id);
        self.dialog.bind(2, calldate);
        for (at, column) in (3..).zip(DIALOG) {
            self.dialog.bind(at, (column.value)(call));
        }
        self.dialog.run()?;
        for (index, branch) in call.dialog.branches.iter().enumerate() {
            self.branch(id, calldate, index, branch)?;
            self.next_branch(id, calldate, call, branch, names)?;
        }
        for (index, transfer) in call.dialog.transfers.iter().enumerate() {
            self.transfer(id, calldate, index, transfer)?;
        }
        headers::write(self.connection, id, calldate, &call.dialog.custom_headers, names)?;
        self.side_tables(id, calldate, &call.dialog.side_tables, names)
    }

    fn branch(&self, id: i64, calldate: &str, index: usize, b: &Branch) -> Result<()> {
        let sql = insert("ringtap_branch", &format!("cdr_ID, calldate, \"index\", {BRANCH}"));
        self.connection.prepare(&sql).execute(params![
            id,
            calldate,
            index as i64,
            Text(&b.tag, TEXT_MAX),
            b.cseq,
            Address(b.addr.ip()),
            b.addr.port(),
            Text(&b.number, TEXT_MAX),
            Text(&b.domain, TEXT_MAX),
            Text(&b.agent, 512),
            b.first_us as i64,
            b.ringing_us.map(|us| us as i64),
            b.answered_us.map(|us| us as i64),
            b.ended_us.map(|us| us as i64),
            b.bye,
            b.response_num,
            Text(&b.response, TEXT_MAX),
            b.reason_sip.cause,
            Text(&b.reason_sip.text, TEXT_MAX),
            b.reason_q850.cause,
            Text(&b.reason_q850.text, TEXT_MAX),
            b.won,
        ])?;
        Ok(())
    }

    /// The branch as the schema has it.
    fn next_branch(
        &self,
        id: i64,
        calldate: &str,
        call: &CallRecord,
        b: &Branch,
        names: &mut Names,
    ) -> Result<()> {
        let sql = "INSERT INTO cdr_next_branches (cdr_ID, calldate, caller, caller_domain, \
            caller_reverse, callername, callername_reverse, called, called_domain, \
            called_reverse, sipcallerip, sipcallerport, sipcalledip, sipcalledport, proxyip_1, \
            proxyip_2, proxyip_3, bye, lastSIPresponse_id, lastSIPresponseNum, reason_sip_cause, \
            reason_sip_text_id, reason_q850_cause, reason_q850_text_id, a_ua_id, b_ua_id, \
            call_id, fbasename, custom_header1, match_header) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, \
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let reversed = |text: &str| clip(text, TEXT_MAX).chars().rev().collect::<String>();
        let (caller, called) = (&call.caller, b.addr);
        let on_the_way = &call.dialog.side_tables.proxies;
        let mut proxies = on_the_way.iter().filter(|ip| **ip != called.ip()).map(|ip| Address(*ip));
        let c = self.connection;
        c.prepare(sql).execute(params![
            id,
            calldate,
            Text(&caller.number, TEXT_MAX),
            Text(&caller.domain, TEXT_MAX),
            Text(&reversed(&caller.number), TEXT_MAX),
            Text(&caller.name, TEXT_MAX),
            Text(&reversed(&caller.name), TEXT_MAX),
            Text(&b.number, TEXT_MAX),
            Text(&b.domain, TEXT_MAX),
            Text(&reversed(&b.number), TEXT_MAX),
            caller.addr.map(|addr| Address(addr.ip())),
            caller.addr.map(|addr| addr.port()),
            Address(called.ip()),
            called.port(),
            proxies.next(),
            proxies.next(),
            proxies.next(),
            b.bye,
            names.response(c, &b.response)?,
            b.response_num,
            b.reason_sip.cause,
            names.reason_sip(c, &b.reason_sip.text)?,
            b.reason_q850.cause,
            names.reason_q850(c, &b.reason_q850.text)?,
            names.agent(c, &caller.agent)?,
            names.agent(c, &b.agent)?,
            Text(&call.callid, TEXT_MAX),
            file_name(&call.callid),
            Text(&call.custom_header1, TEXT_MAX),
            Text(&call.match_header, 128),
        ])?;
        Ok(())
    }

    fn transfer(&self, id: i64, calldate: &str, index: usize, t: &Transfer) -> Result<()> {
        let sql = insert("ringtap_transfer", &format!("cdr_ID, calldate, \"index\", {TRANSFER}"));
        self.connection.prepare(&sql).execute(params![
            id,
            calldate,
            index as i64,
            t.at_us as i64,
            t.by == Side::Callee,
            Text(&t.refer_to, 512),
            Text(&t.number, TEXT_MAX),
            t.attended,
            t.status,
            t.result,
        ])?;
        Ok(())
    }

    fn side_tables(
        &self,
        id: i64,
        calldate: &str,
        rows: &SideTables,
        names: &mut Names,
    ) -> Result<()> {
        let c = self.connection;
        for one in &rows.sdp {
            let sql = "INSERT INTO cdr_sdp (cdr_ID, calldate, ip, port, is_caller, ptime) \
                VALUES (?, ?, ?, ?, ?, ?)";
            let (ip, port) = (Address(one.addr.ip()), one.addr.port());
            let caller = one.side == Side::Caller;
            c.prepare(sql).execute(params![id, calldate, ip, port, caller, one.ptime_ms])?;
        }
        for one in &rows.proxies {
            let sql = "INSERT INTO cdr_proxy (cdr_ID, calldate, dst) VALUES (?, ?, ?)";
            c.prepare(sql).execute(params![id, calldate, Address(*one)])?;
        }
        for one in &rows.responses {
            let sql = "INSERT INTO cdr_sipresp (cdr_ID, calldate, SIPresponse_id, SIPresponseNum) \
                VALUES (?, ?, ?, ?)";
            let status: Option<u16> = one.get(..3).and_then(|digits| digits.parse().ok());
            let text = names.response(c, one)?;
            c.prepare(sql).execute(params![id, calldate, text, status])?;
        }
        for one in &rows.history {
            let sql = "INSERT INTO cdr_siphistory (cdr_ID, calldate, time, SIPrequest_id, \
                SIPresponse_id, SIPresponseNum) VALUES (?, ?, ?, ?, ?, ?)";
            let (request, response) = match one.status {
                None => (names.request(c, &one.text)?, None),
                Some(_) => (None, names.response(c, &one.text)?),
            };
            let since = one.since_us as i64;
            c.prepare(sql).execute(params![id, calldate, since, request, response, one.status])?;
        }
        Ok(())
    }
}

/// What is stored of a call's signalling; nothing of a call that an earlier version stored.
pub(super) fn read(connection: &Connection, id: u64) -> Result<Dialog> {
    let mut dialog = connection
        .prepare(&SELECT)
        .query_row([id as i64], dialog_of)
        .optional()?
        .unwrap_or_default();
    let sql = format!("SELECT {BRANCH} FROM ringtap_branch WHERE cdr_ID = ?1 ORDER BY \"index\"");
    dialog.branches = connection.prepare(&sql).all([id as i64], branch_of)?;
    let sql =
        format!("SELECT {TRANSFER} FROM ringtap_transfer WHERE cdr_ID = ?1 ORDER BY \"index\"");
    dialog.transfers = connection.prepare(&sql).all([id as i64], transfer_of)?;
    dialog.custom_headers = headers::read(connection, id)?;
    Ok(dialog)
}

fn dialog_of(row: &Row<'_>) -> Result<Dialog> {
    let mut c = Columns { row, at: 0 };
    // In the order of DIALOG.
    Ok(Dialog {
        ringing_time_us: c.seconds()?,
        setup_time_us: c.seconds()?,
        srd_us: c.seconds()?,
        srd_failed_us: c.seconds()?,
        sdd_us: c.seconds()?,
        sdt_us: c.seconds()?,
        sdt_failed_us: c.seconds()?,
        reinvites: c.next()?,
        updates: c.next()?,
        pracks: c.next()?,
        challenges: c.next()?,
        glares: c.next()?,
        requests_again: c.next()?,
        responses_again: c.next()?,
        timer: timer_of(&mut c)?,
        dialled: c.text()?,
        diverted_from: c.text()?,
        redirected_to: c.text()?,
        marks: c.text()?,
        branches: Vec::new(),
        transfers: Vec::new(),
        custom_headers: Vec::new(),
        side_tables: SideTables::default(),
    })
}

fn timer_of(c: &mut Columns<'_, '_>) -> Result<Option<Timer>> {
    let expires: Option<u32> = c.next()?;
    let timer = Timer {
        expires_s: expires.unwrap_or_default(),
        refresher: match c.text()?.as_str() {
            "caller" => Some(Side::Caller),
            "callee" => Some(Side::Callee),
            _ => None,
        },
        refreshes: c.next::<Option<_>>()?.unwrap_or_default(),
        missed: c.next::<Option<_>>()?.unwrap_or_default(),
        ended_call: c.next::<Option<_>>()?.unwrap_or_default(),
    };
    Ok(expires.map(|_| timer))
}

fn branch_of(row: &Row<'_>) -> Result<Branch> {
    let mut c = Columns { row, at: 0 };
    Ok(Branch {
        tag: c.text()?,
        cseq: c.next()?,
        addr: {
            let ip: Ip = c.next()?;
            SocketAddr::new(ip.0, c.next()?)
        },
        number: c.text()?,
        domain: c.text()?,
        agent: c.text()?,
        first_us: c.unsigned()?,
        ringing_us: c.next::<Option<i64>>()?.map(|us| us as u64),
        answered_us: c.next::<Option<i64>>()?.map(|us| us as u64),
        ended_us: c.next::<Option<i64>>()?.map(|us| us as u64),
        bye: c.next()?,
        response_num: c.next()?,
        response: c.text()?,
        reason_sip: Reason { cause: c.next()?, text: c.text()? },
        reason_q850: Reason { cause: c.next()?, text: c.text()? },
        won: c.next()?,
    })
}

fn transfer_of(row: &Row<'_>) -> Result<Transfer> {
    let mut c = Columns { row, at: 0 };
    Ok(Transfer {
        at_us: c.unsigned()?,
        by: if c.next::<bool>()? { Side::Callee } else { Side::Caller },
        refer_to: c.text()?,
        number: c.text()?,
        attended: c.next()?,
        status: c.next()?,
        result: c.next()?,
    })
}
