//! Batches into the database: a call and its rows are one piece, a batch one transaction.
//!
//! It does not read calls back, apart from asking whose a taken ID is.

use super::bind::{Address, CALLID_MAX, STREAM, TEXT_MAX, Text, bind_cdr, bind_stream};
use super::bind::{clip, file_name, ladder};
use super::dialog;
use super::legs;
use super::media::{log, quality, vq};
use super::names::Names;
use super::outside;
use super::tunnel;
use crate::clock;
use crate::column::{CDR, LEG, LEGS};
use crate::db::{Connection, Error, OptionalExtension, Result, Statement, params};
use crate::id;
use crate::record::{CallRecord, LogLine, LoneStream, Record, Side};
use crate::store::Written;
use crate::stream::StreamRecord;
use crate::vq::VqReport;
use std::sync::LazyLock;

/// The tables in which calls and streams claim their IDs.
const CALLS: &str = "cdr";
const STREAMS: &str = "ringtap_stream";

/// IDs in a row that may be taken before the batch is given up.
const TAKEN_MAX: u32 = 100_000;

/// Columns of `cdr` that are not in [`CDR`] or [`LEG`]: reversed texts and numbers of texts.
const CDR_MORE: &str = "caller_reverse, callername_reverse, called_reverse, lastSIPresponse_id, \
    reason_sip_text_id, reason_q850_text_id, a_ua_id, b_ua_id";

static SQL_CDR: LazyLock<String> = LazyLock::new(|| {
    let plain = CDR.iter().map(|column| column.name.to_owned());
    let legs = LEGS
        .iter()
        .flat_map(|(prefix, _)| LEG.iter().map(move |column| format!("{prefix}{}", column.name)));
    let names: Vec<String> = plain.chain(legs).collect();
    insert(CALLS, &format!("{}, {CDR_MORE}", names.join(", ")))
});
static SQL_RTP: LazyLock<String> =
    LazyLock::new(|| insert("ringtap_rtp", &format!("cdr_ID, calldate, \"index\", {STREAM}")));
static SQL_LONE: LazyLock<String> =
    LazyLock::new(|| insert(STREAMS, &format!("ID, calldate, id_sensor, {STREAM}")));

pub(super) fn insert(table: &str, columns: &str) -> String {
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(",");
    format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})")
}

/// Stores a batch.
pub(super) fn batch(
    connection: &Connection,
    names: &mut Names,
    records: &[Record],
) -> Result<Written> {
    let engine = connection.engine();
    engine.begin(&wanted(records))?;
    let written = rows(connection, names, records).and_then(|written| {
        engine.commit()?;
        Ok(written)
    });
    if written.is_err() {
        engine.rollback();
    }
    written
}

/// The IDs that a batch will claim.
fn wanted(records: &[Record]) -> Vec<(&'static str, Vec<u64>)> {
    let mut wanted: Vec<(&'static str, Vec<u64>)> = Vec::new();
    for record in records {
        let (table, id) = match record {
            Record::Call(call) => (CALLS, first_id(call.id, call.id_sensor, call.calldate_us)),
            Record::Stream(lone) => {
                (STREAMS, first_id(lone.id, lone.id_sensor, lone.stream.first_us))
            }
            Record::Vq(report) => {
                (vq::REPORTS, first_id(report.id, report.id_sensor, report.ts_us))
            }
            Record::Log(line) => (log::LINES, first_id(line.id, line.id_sensor, line.ts_us)),
            Record::Transaction(one) => {
                (outside::TRANSACTIONS, first_id(one.id, one.id_sensor, one.first_us))
            }
            Record::Register(one) => {
                (outside::REGISTERS, first_id(one.id, one.id_sensor, one.created_us))
            }
        };
        match wanted.iter_mut().find(|(known, _)| *known == table) {
            Some((_, ids)) => ids.push(id),
            None => wanted.push((table, vec![id])),
        }
    }
    wanted
}

fn rows(connection: &Connection, names: &mut Names, records: &[Record]) -> Result<Written> {
    let mut written = Written::default();
    {
        let mut batch = Batch::prepare(connection, names);
        for record in records {
            let place = match record {
                Record::Call(call) => batch.call(call)?,
                Record::Stream(lone) => batch.lone(lone)?,
                Record::Vq(report) => batch.vq(report)?,
                Record::Log(line) => batch.log(line)?,
                Record::Transaction(one) => {
                    outside::put_transaction(batch.connection, batch.names, one)?
                }
                Record::Register(one) => outside::put_register(batch.connection, batch.names, one)?,
            };
            match place {
                None => written.present += 1,
                Some(id) => {
                    written.inserted += 1;
                    written.renumbered += u64::from(id != record.id());
                }
            }
        }
    }
    Ok(written)
}

struct Batch<'c> {
    connection: &'c Connection,
    names: &'c mut Names,
    cdr: Statement<'c>,
    next: Statement<'c>,
    own: Statement<'c>,
    cdr_rtp: Statement<'c>,
    rtp: Statement<'c>,
    dtmf: Statement<'c>,
    ladder: Statement<'c>,
    asserted: Statement<'c>,
    lone: Statement<'c>,
    dialog: dialog::Writer<'c>,
    legs: legs::Writer<'c>,
    quality: Statement<'c>,
}

impl<'c> Batch<'c> {
    fn prepare(connection: &'c Connection, names: &'c mut Names) -> Self {
        let statement = |sql: &str| connection.prepare(sql);
        let plain = |table, columns| statement(&insert(table, columns));
        Self {
            connection,
            names,
            cdr: statement(&SQL_CDR),
            next: plain(
                "cdr_next",
                "cdr_ID, calldate, custom_header1, fbasename, digest_username, match_header, hold",
            ),
            own: plain(
                "ringtap_cdr",
                "cdr_ID, calldate, calldate_us, callend_us, callid, call_key, instance, mos_min, \
                 tcp, sip_messages, ladder_dropped, media_marks, malformed",
            ),
            cdr_rtp: plain(
                "cdr_rtp",
                "cdr_ID, calldate, saddr, sport, daddr, dport, ssrc, received, loss, firsttime, \
                 payload, maxjitter_mult10, \"index\", sdp_ptime, rtp_ptime, flags, duration, \
                 ttl_min, ttl_max, ttl_avg_mult10",
            ),
            rtp: statement(&SQL_RTP),
            dtmf: plain("cdr_dtmf", "cdr_ID, calldate, daddr, saddr, firsttime, dtmf, type"),
            ladder: plain("ringtap_ladder", "cdr_ID, calldate, steps"),
            asserted: plain("ringtap_asserted", "cdr_ID, calldate, caller, called"),
            lone: statement(&SQL_LONE),
            dialog: dialog::Writer::prepare(connection),
            legs: legs::Writer::prepare(connection),
            quality: quality::prepare(connection),
        }
    }

    /// Stores a call with its rows; gives the ID that it got, or `None` if it is there already.
    fn call(&mut self, call: &CallRecord) -> Result<Option<u64>> {
        let calldate = clock::database(call.calldate_us);
        let texts = self.names.of(self.connection, call)?;
        let mut id = first_id(call.id, call.id_sensor, call.calldate_us);
        bind_cdr(&mut self.cdr, call, &texts);
        for taken in 0.. {
            // ID is the first column.
            if self.cdr.claim(CALLS, id)? {
                break;
            }
            if self.is_call(id, call)? {
                return Ok(None);
            }
            give_up(taken)?;
            id = id::successor(id);
        }
        self.call_rows(id as i64, &calldate, call)?;
        Ok(Some(id))
    }

    fn is_call(&self, id: u64, call: &CallRecord) -> Result<bool> {
        // The key stands for the realm too: an equal call of another site is another call.
        let sql =
            "SELECT calldate_us, callid, instance, call_key FROM ringtap_cdr WHERE cdr_ID = ?1";
        let found = self.connection.query_row(sql, [id as i64], |row| {
            Ok(row.get::<i64>(0)? as u64 == call.calldate_us
                && row.cell(1)?.as_str()? == clip(&call.callid, CALLID_MAX)
                && row.get::<i64>(2)? as u64 == call.instance
                && row.get::<i64>(3)? as u64 == call.call_key)
        });
        Ok(found.optional()?.unwrap_or(false))
    }

    fn call_rows(&mut self, id: i64, calldate: &str, call: &CallRecord) -> Result<()> {
        let some = |text| Text(text, TEXT_MAX);
        self.next.execute(params![
            id,
            calldate,
            some(&call.custom_header1),
            file_name(&call.callid),
            some(&call.digest_username),
            some(&call.match_header),
            Text(&call.hold, 1024),
        ])?;
        self.own.execute(params![
            id,
            calldate,
            call.calldate_us as i64,
            call.callend_us as i64,
            clip(&call.callid, CALLID_MAX),
            call.call_key as i64,
            call.instance as i64,
            call.mos_min(),
            call.tcp,
            call.sip_messages,
            call.ladder_dropped,
            call.media_marks.0,
            some(&call.malformed),
        ])?;
        let mains = LEGS.map(|(_, side)| call.main_stream(side).map(|(index, _)| index));
        for (index, stream) in call.streams.iter().enumerate() {
            let main = mains.contains(&Some(index));
            self.cdr_rtp_row(id, calldate, call.calldate_us, index, stream, main)?;
            self.rtp.bind(1, id);
            self.rtp.bind(2, calldate);
            self.rtp.bind(3, index as i64);
            bind_stream(&mut self.rtp, 4, stream);
            self.rtp.run()?;
            let place = (id, index as i64);
            quality::write(&mut self.quality, place, calldate, &stream.quality)?;
        }
        for one in &call.dtmf {
            let mut digit = [0; 4];
            self.dtmf.execute(params![
                id,
                calldate,
                Address(one.daddr),
                Address(one.saddr),
                one.firsttime_us as f64 / 1e6,
                &*one.digit.encode_utf8(&mut digit),
                one.kind.code(),
            ])?;
        }
        if !call.asserted.is_empty() {
            let (caller, called) = (some(&call.asserted.caller), some(&call.asserted.called));
            self.asserted.execute(params![id, calldate, caller, called])?;
        }
        if !call.ladder.is_empty() {
            self.ladder.execute(params![id, calldate, ladder(&call.ladder)])?;
        }
        tunnel::write_call(self.connection, id, calldate, call)?;
        self.dialog.write(id, calldate, call, self.names)?;
        self.legs.write(id, calldate, call)
    }

    fn cdr_rtp_row(
        &mut self,
        id: i64,
        calldate: &str,
        begin_us: u64,
        index: usize,
        s: &StreamRecord,
        main: bool,
    ) -> Result<()> {
        let side = match s.side {
            None => 0,
            Some(Side::Caller) => 4,
            Some(Side::Callee) => 8,
        };
        let flags = i64::from(s.multi_call)
            | i64::from(main) << 1
            | side
            | i64::from(s.srtp) << 4
            | i64::from(s.codec_change) << 6;
        let jitter = s.jitter_ms_max.map(|ms| (ms * 10.0).round().clamp(0.0, 65_535.0) as u16);
        self.cdr_rtp.execute(params![
            id,
            calldate,
            Address(s.src.ip()),
            s.src.port(),
            Address(s.dst.ip()),
            s.dst.port(),
            s.ssrc,
            s.received.min(0xff_ffff) as i64,
            s.lost.min(0xff_ffff) as i64,
            s.first_us.saturating_sub(begin_us) as f64 / 1e6,
            s.payload,
            jitter,
            index as i64,
            s.sdp_ptime_ms,
            s.rtp_ptime_ms,
            flags,
            s.duration_us() as f64 / 1e6,
            s.ttl.map(|ttl| ttl.min),
            s.ttl.map(|ttl| ttl.max),
            s.ttl.map(|ttl| (ttl.avg * 10.0).round() as u16),
        ])?;
        Ok(())
    }

    /// Stores a voice quality report; gives the ID that it got, or `None` if it is there.
    fn vq(&mut self, report: &VqReport) -> Result<Option<u64>> {
        let mut id = first_id(report.id, report.id_sensor, report.ts_us);
        for taken in 0.. {
            if vq::write(self.connection, id, report)? {
                break;
            }
            if vq::is_there(self.connection, id, report)? {
                return Ok(None);
            }
            give_up(taken)?;
            id = id::successor(id);
        }
        Ok(Some(id))
    }

    /// Stores a line of a log; gives the ID that it got, or `None` if it is there.
    fn log(&mut self, line: &LogLine) -> Result<Option<u64>> {
        let mut id = first_id(line.id, line.id_sensor, line.ts_us);
        for taken in 0.. {
            if log::write(self.connection, id, line)? {
                break;
            }
            if log::is_there(self.connection, id, line)? {
                return Ok(None);
            }
            give_up(taken)?;
            id = id::successor(id);
        }
        Ok(Some(id))
    }

    /// Stores a stream without a call; gives the ID that it got, or `None` if it is there.
    fn lone(&mut self, lone: &LoneStream) -> Result<Option<u64>> {
        let mut id = first_id(lone.id, lone.id_sensor, lone.stream.first_us);
        let sensor = (lone.id_sensor > 0).then_some(lone.id_sensor);
        self.lone.bind(2, clock::database(lone.stream.first_us));
        self.lone.bind(3, sensor);
        bind_stream(&mut self.lone, 4, &lone.stream);
        for taken in 0.. {
            if self.lone.claim(STREAMS, id)? {
                break;
            }
            let there = super::read::lone_stream(self.connection, id)?;
            if there.is_some_and(|there| same_stream(&there.stream, &lone.stream)) {
                return Ok(None);
            }
            give_up(taken)?;
            id = id::successor(id);
        }
        let calldate = clock::database(lone.stream.first_us);
        let place = (id as i64, quality::LONE);
        quality::write(&mut self.quality, place, &calldate, &lone.stream.quality)?;
        let place = (id as i64, tunnel::LONE);
        tunnel::write(self.connection, place, &calldate, lone.stream.tunnel.as_ref())?;
        if let Some(call) = &lone.after {
            let sql = insert("ringtap_after", "ID, calldate, call_key, instance, callid");
            self.connection.prepare(&sql).execute(params![
                id as i64,
                calldate,
                call.call_key as i64,
                call.instance as i64,
                clip(&call.callid, CALLID_MAX),
            ])?;
        }
        Ok(Some(id))
    }
}

fn same_stream(a: &StreamRecord, b: &StreamRecord) -> bool {
    (a.src, a.dst, a.ssrc, a.first_us) == (b.src, b.dst, b.ssrc, b.first_us)
}

/// The record's ID, or one made of its time.
pub(super) fn first_id(id: u64, sensor: u16, at_us: u64) -> u64 {
    if id == 0 { id::IdSource::new(sensor).next(at_us).max(1) } else { id }
}

pub(super) fn give_up(taken: u32) -> Result<()> {
    if taken < TAKEN_MAX { Ok(()) } else { Err(Error::Full) }
}
