//! Records out of the database.
//!
//! The columns of a direction are not read: they are made again from the streams.

use super::bind::{Address, CODEC_CHANGE, INEXACT, MULTI_CALL, SRTP, STREAM};
use super::media::{log, quality, vq};
use super::tunnel;
use crate::clock;
use crate::db::{Cell, Connection, Error, FromSql, OptionalExtension, Result, Row, ToSql};
use crate::filter::Filter;
use crate::marks::MediaMarks;
use crate::record::asserted::Asserted;
use crate::record::dialog::Dialog;
use crate::record::{
    AfterCall, CallRecord, Dtmf, DtmfKind, Legs, LoneStream, Party, Reason, Side, Step,
};
use crate::store::Counts;
use crate::stream::{Mos, Rtcp, StreamRecord, Ttl};
use compact_str::CompactString;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::LazyLock;

const COLUMNS: &str = "SELECT c.ID, c.id_sensor, own.call_key, own.instance, own.callid, \
    own.calldate_us, own.callend_us, c.connect_duration, c.progress_time, c.post_bye_delay, \
    c.caller, c.caller_domain, c.callername, c.sipcallerip, c.sipcallerport, a.ua, \
    c.called, c.called_domain, c.sipcalledip, c.sipcalledport, b.ua, \
    c.whohanged, c.bye, c.lastSIPresponseNum, response.lastSIPresponse, \
    c.reason_sip_cause, sip.reason, c.reason_q850_cause, q850.reason, c.sighup, c.dscp, \
    c.response_time_100, c.response_time_xxx, c.max_retransmission_invite, c.flags, c.vlan, \
    own.tcp, own.sip_messages, own.ladder_dropped, own.media_marks, own.malformed, \
    next.digest_username, next.custom_header1, next.match_header, next.hold, \
    asserted.caller, asserted.called, \
    legs.session_id, legs.replaces, legs.leg_group";

/// The tables that a question about calls may speak of. The call's time names the partition.
pub(super) const SOURCES: &str = "FROM cdr c JOIN ringtap_cdr own ON own.cdr_ID = c.ID \
    AND own.calldate = c.calldate \
    LEFT JOIN ringtap_asserted asserted ON asserted.cdr_ID = c.ID \
    AND asserted.calldate = c.calldate \
    LEFT JOIN cdr_next next ON next.cdr_ID = c.ID AND next.calldate = c.calldate \
    LEFT JOIN ringtap_legs legs ON legs.cdr_ID = c.ID AND legs.calldate = c.calldate \
    LEFT JOIN cdr_ua a ON a.id = c.a_ua_id LEFT JOIN cdr_ua b ON b.id = c.b_ua_id \
    LEFT JOIN cdr_sip_response response ON response.id = c.lastSIPresponse_id \
    LEFT JOIN cdr_reason sip ON sip.id = c.reason_sip_text_id \
    LEFT JOIN cdr_reason q850 ON q850.id = c.reason_q850_text_id";

static CALLS: LazyLock<String> = LazyLock::new(|| format!("{COLUMNS} {SOURCES}"));

/// No parameters.
const NONE: [i64; 0] = [];

/// Streams after its end that are read with one call.
const AFTER_MAX: i64 = 32;

/// Conditions of a question with their values.
#[derive(Default)]
pub(super) struct Where {
    conditions: Vec<Cow<'static, str>>,
    values: Vec<Box<dyn ToSql>>,
}

impl Where {
    pub(super) fn and(
        &mut self,
        condition: impl Into<Cow<'static, str>>,
        values: impl IntoIterator<Item = Box<dyn ToSql>>,
    ) {
        self.conditions.push(condition.into());
        self.values.extend(values);
    }

    pub(super) fn push(&mut self, value: impl ToSql + 'static) {
        self.values.push(boxed(value));
    }

    pub(super) fn values(&self) -> &[Box<dyn ToSql>] {
        &self.values
    }

    pub(super) fn text(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        format!(" WHERE {}", self.conditions.join(" AND "))
    }
}

pub(super) fn boxed(value: impl ToSql + 'static) -> Box<dyn ToSql> {
    Box::new(value)
}

/// The two ends of the range of texts that begin with `prefix`.
pub(super) fn range(prefix: &str) -> [Box<dyn ToSql>; 2] {
    [boxed(prefix.to_owned()), boxed(format!("{prefix}\u{10ffff}"))]
}

/// A text that may stand anywhere, as LIKE asks for it.
pub(super) fn anywhere(text: &str) -> Box<dyn ToSql> {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    boxed(format!("%{escaped}%"))
}

pub(super) fn times(
    filter: &Filter,
    question: &mut Where,
    since: &'static str,
    until: &'static str,
) {
    if let Some(us) = filter.since_us {
        question.and(since, [boxed(clock::database(us))]);
    }
    if let Some(us) = filter.until_us {
        question.and(until, [boxed(clock::database(us))]);
    }
}

pub(super) fn conditions(filter: &Filter) -> Where {
    let mut question = Where::default();
    times(filter, &mut question, "c.calldate >= ?", "c.calldate < ?");
    if let Some(prefix) = &filter.caller {
        question.and("(c.caller >= ? AND c.caller < ?)", range(prefix));
    }
    if let Some(prefix) = &filter.called {
        question.and("(c.called >= ? AND c.called < ?)", range(prefix));
    }
    if let Some(network) = filter.ip {
        let (first, last) = network.bounds();
        let bytes = if first.is_ipv4() { 4 } else { 16 };
        let both = || [boxed(bytes), boxed(Address(first)), boxed(Address(last))];
        let condition = "((length(c.sipcallerip) = ? AND c.sipcallerip BETWEEN ? AND ?) \
             OR (length(c.sipcalledip) = ? AND c.sipcalledip BETWEEN ? AND ?) \
             OR EXISTS (SELECT 1 FROM ringtap_rtp s WHERE s.cdr_ID = c.ID \
             AND s.calldate = c.calldate \
             AND ((length(s.src) = ? AND s.src BETWEEN ? AND ?) \
             OR (length(s.dst) = ? AND s.dst BETWEEN ? AND ?))))";
        question.and(condition, (0..4).flat_map(|_| both()));
    }
    match filter.sensor {
        None => {}
        Some(0) => question.and("c.id_sensor IS NULL", []),
        Some(sensor) => question.and("c.id_sensor = ?", [boxed(sensor)]),
    }
    if let Some(response) = filter.response {
        question.and("c.lastSIPresponseNum = ?", [boxed(response)]);
    }
    if let Some(mos) = filter.mos_below {
        question.and("own.mos_min < ?", [boxed(f64::from(mos))]);
    }
    if let Some(codec) = &filter.codec {
        let condition = "EXISTS (SELECT 1 FROM ringtap_rtp s WHERE s.cdr_ID = c.ID \
             AND s.calldate = c.calldate \
             AND s.codec = ?)";
        question.and(condition, [boxed(codec.clone())]);
    }
    if let Some(agent) = &filter.agent {
        let condition = "(a.ua LIKE ? ESCAPE '\\' OR b.ua LIKE ? ESCAPE '\\')";
        question.and(condition, [anywhere(agent), anywhere(agent)]);
    }
    if let Some(header) = &filter.header {
        super::dialog::headers::condition(&mut question, header);
    }
    if let Some(asked) = &filter.tunnel {
        tunnel::condition(&mut question, asked);
    }
    question
}

/// Gives the calls that the filter finds, without their ladders.
pub(super) fn calls(
    connection: &Connection,
    filter: &Filter,
    each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
) -> Result<()> {
    let mut question = conditions(filter);
    let calls = &*CALLS;
    let mut sql = format!("{calls}{}", question.text());
    if let Some(limit) = filter.limit {
        let latest = format!("SELECT c.ID {SOURCES}{}", question.text());
        sql = format!(
            "{calls} WHERE c.ID IN (SELECT ID FROM ({latest} ORDER BY \
                 c.calldate DESC, c.ID DESC LIMIT ?) AS latest)"
        );
        question.values.push(boxed(i64::try_from(limit).unwrap_or(i64::MAX)));
    }
    sql.push_str(" ORDER BY c.calldate, c.ID");
    connection.prepare(&sql).each(question.values(), |row| {
        let mut call = call_of(row)?;
        children(connection, &mut call)?;
        Ok(each(call))
    })
}

/// One call with its ladder, and what endpoints say of it.
pub(super) fn call(connection: &Connection, id: u64) -> Result<Option<CallRecord>> {
    let sql = format!("{} WHERE c.ID = ?1", *CALLS);
    let Some(mut call) = connection.query_row(&sql, [id as i64], call_of).optional()? else {
        return Ok(None);
    };
    children(connection, &mut call)?;
    let sql = "SELECT steps FROM ringtap_ladder WHERE cdr_ID = ?1";
    let steps = connection.prepare(sql).query_row([id as i64], |row| {
        Ok(row.cell(0)?.as_str()?.lines().filter_map(step).collect())
    });
    call.ladder = steps.optional()?.unwrap_or_default();
    call.vq = vq::of_call(connection, call.call_key)?;
    call.log = log::of_call(connection, call.call_key)?;
    call.after = after(connection, &call)?;
    Ok(Some(call))
}

/// The latest call with a Call-ID, with its ladder.
pub(super) fn call_by_callid(connection: &Connection, callid: &str) -> Result<Option<CallRecord>> {
    let sql = "SELECT cdr_ID FROM ringtap_cdr WHERE callid = ?1 \
               ORDER BY calldate_us DESC, cdr_ID DESC LIMIT 1";
    let id = connection.query_row(sql, [callid], |row| row.get::<i64>(0)).optional()?;
    id.map_or(Ok(None), |id| call(connection, id as u64))
}

/// Gives the streams without a call that the filter finds.
pub(super) fn lone_streams(
    connection: &Connection,
    filter: &Filter,
    each: &mut dyn FnMut(LoneStream) -> ControlFlow<()>,
) -> Result<()> {
    let of_calls = filter.caller.is_some()
        || filter.called.is_some()
        || filter.response.is_some()
        || filter.agent.is_some()
        || filter.header.is_some()
        || filter.tunnel.is_some();
    if of_calls {
        return Ok(());
    }
    let mut question = Where::default();
    times(filter, &mut question, "calldate >= ?", "calldate < ?");
    if let Some(network) = filter.ip {
        let (first, last) = network.bounds();
        let bytes = if first.is_ipv4() { 4 } else { 16 };
        let condition = "((length(src) = ? AND src BETWEEN ? AND ?) \
             OR (length(dst) = ? AND dst BETWEEN ? AND ?))";
        let both = || [boxed(bytes), boxed(Address(first)), boxed(Address(last))];
        question.and(condition, both().into_iter().chain(both()));
    }
    match filter.sensor {
        None => {}
        Some(0) => question.and("id_sensor IS NULL", []),
        Some(sensor) => question.and("id_sensor = ?", [boxed(sensor)]),
    }
    if let Some(mos) = filter.mos_below {
        question.and("mos_min < ?", [boxed(f64::from(mos))]);
    }
    if let Some(codec) = &filter.codec {
        question.and("codec = ?", [boxed(codec.clone())]);
    }
    let limit = filter.limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    question.values.push(boxed(limit));
    let sql = format!(
        "SELECT * FROM (SELECT ID, id_sensor, {STREAM}, calldate FROM ringtap_stream{} \
         ORDER BY calldate DESC, ID DESC LIMIT ?) AS latest ORDER BY calldate, ID",
        question.text()
    );
    connection.prepare(&sql).each(question.values(), |row| {
        let mut lone = lone_of(row)?;
        lone_more(connection, &mut lone)?;
        Ok(each(lone))
    })
}

/// One stream without a call.
pub(super) fn lone_stream(connection: &Connection, id: u64) -> Result<Option<LoneStream>> {
    let sql = format!("SELECT ID, id_sensor, {STREAM} FROM ringtap_stream WHERE ID = ?1");
    let found = connection.prepare(&sql).query_row([id as i64], lone_of).optional()?;
    let Some(mut lone) = found else { return Ok(None) };
    lone_more(connection, &mut lone)?;
    Ok(Some(lone))
}

/// What other tables have of a stream without a call.
fn lone_more(connection: &Connection, lone: &mut LoneStream) -> Result<()> {
    lone.stream.quality = quality::read(connection, lone.id, quality::LONE)?;
    lone.stream.tunnel = tunnel::read(connection, lone.id, tunnel::LONE)?;
    let sql = "SELECT call_key, instance, callid FROM ringtap_after WHERE ID = ?1";
    let after = connection.prepare(sql).query_row([lone.id as i64], |row| {
        let mut c = Columns { row, at: 0 };
        Ok(AfterCall { call_key: c.unsigned()?, instance: c.unsigned()?, callid: c.text()? })
    });
    lone.after = after.optional()?;
    Ok(())
}

/// RTP that began shortly after a call's end.
fn after(connection: &Connection, call: &CallRecord) -> Result<Vec<StreamRecord>> {
    let sql = "SELECT ID FROM ringtap_after WHERE call_key = ?1 AND instance = ?2 \
               ORDER BY ID LIMIT ?3";
    let key = [call.call_key as i64, call.instance as i64, AFTER_MAX];
    let ids = connection.prepare(sql).all(key, |row| row.get::<i64>(0))?;
    let lone = ids.into_iter().filter_map(|id| lone_stream(connection, id as u64).transpose());
    lone.map(|lone| lone.map(|lone| lone.stream)).collect()
}

/// How much there is.
pub(super) fn counts(connection: &Connection) -> Result<Counts> {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, NONE, |row| row.get::<i64>(0)).map(|n| n as u64)
    };
    Ok(Counts {
        calls: count("cdr")?,
        streams: count("ringtap_rtp")?,
        lone_streams: count("ringtap_stream")?,
    })
}

fn children(connection: &Connection, call: &mut CallRecord) -> Result<()> {
    let sql = format!("SELECT {STREAM} FROM ringtap_rtp WHERE cdr_ID = ?1 ORDER BY \"index\"");
    call.streams = connection.prepare(&sql).all([call.id as i64], |row| stream_of(row, 0))?;
    for (index, stream) in (0..).zip(&mut call.streams) {
        stream.quality = quality::read(connection, call.id, index)?;
    }
    tunnel::fill(connection, call)?;
    let sql = "SELECT firsttime, saddr, daddr, dtmf, type FROM cdr_dtmf WHERE cdr_ID = ?1 \
               ORDER BY rowid";
    call.dtmf = connection.prepare(sql).all([call.id as i64], |row| {
        Ok(Dtmf {
            firsttime_us: micros(Some(row.get(0)?), 1).unwrap_or_default(),
            saddr: row.get::<Ip>(1)?.0,
            daddr: row.get::<Ip>(2)?.0,
            digit: row.cell(3)?.as_str()?.chars().next().unwrap_or('?'),
            kind: DtmfKind::from_code(row.get(4)?).unwrap_or(DtmfKind::Event),
        })
    })?;
    call.dialog = super::dialog::read(connection, call.id)?;
    super::legs::fill(connection, call)
}

/// A row's columns, one after the other.
pub(super) struct Columns<'r, 's> {
    pub(super) row: &'r Row<'s>,
    pub(super) at: usize,
}

impl Columns<'_, '_> {
    pub(super) fn next<T: FromSql>(&mut self) -> Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    /// A text, empty for NULL.
    pub(super) fn text(&mut self) -> Result<CompactString> {
        self.at += 1;
        let text = self.row.cell(self.at - 1)?.as_str_or_null()?;
        Ok(text.map(CompactString::from).unwrap_or_default())
    }

    /// A number that is kept with a sign.
    pub(super) fn unsigned(&mut self) -> Result<u64> {
        self.next::<i64>().map(|number| number as u64)
    }

    /// Seconds with three digits.
    pub(super) fn seconds(&mut self) -> Result<Option<u64>> {
        self.next().map(|seconds| micros(seconds, 1000))
    }

    /// An address and a port.
    pub(super) fn socket(&mut self) -> Result<Option<SocketAddr>> {
        let ip: Option<Ip> = self.next()?;
        let port: Option<u16> = self.next()?;
        Ok(ip.map(|ip| SocketAddr::new(ip.0, port.unwrap_or_default())))
    }
}

/// Seconds in microseconds, rounded to a multiple of `grain`.
fn micros(seconds: Option<f64>, grain: u64) -> Option<u64> {
    let seconds = seconds?;
    Some(((seconds * 1e6 / grain as f64).round() as u64).saturating_mul(grain))
}

pub(super) struct Ip(pub(super) IpAddr);

impl FromSql for Ip {
    fn of(cell: &Cell) -> Result<Self> {
        let bytes = cell.as_blob()?;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Ok(Self(Ipv4Addr::from(v4).into()));
        }
        match <[u8; 16]>::try_from(bytes) {
            Ok(v6) => Ok(Self(Ipv6Addr::from(v6).into())),
            Err(_) => Err(Error::Type { at: 0, wanted: "an address" }),
        }
    }
}

fn call_of(row: &Row<'_>) -> Result<CallRecord> {
    let mut c = Columns { row, at: 0 };
    // In the order of CALLS: a struct expression is evaluated as it is written.
    Ok(CallRecord {
        id: c.unsigned()?,
        id_sensor: c.next::<Option<u16>>()?.unwrap_or_default(),
        call_key: c.unsigned()?,
        instance: c.unsigned()?,
        callid: c.text()?,
        calldate_us: c.unsigned()?,
        callend_us: c.unsigned()?,
        connect_duration_us: c.seconds()?,
        progress_time_us: c.seconds()?,
        post_bye_delay_us: c.seconds()?,
        caller: Party {
            number: c.text()?,
            domain: c.text()?,
            name: c.text()?,
            addr: c.socket()?,
            agent: c.text()?,
        },
        called: Party {
            number: c.text()?,
            domain: c.text()?,
            name: CompactString::default(),
            addr: c.socket()?,
            agent: c.text()?,
        },
        whohanged: match c.text()?.as_str() {
            "caller" => Some(Side::Caller),
            "callee" => Some(Side::Callee),
            _ => None,
        },
        bye: c.next::<Option<u8>>()?.unwrap_or_default(),
        last_sip_response_num: c.next()?,
        last_sip_response: c.text()?,
        reason_sip: Reason { cause: c.next()?, text: c.text()? },
        reason_q850: Reason { cause: c.next()?, text: c.text()? },
        sighup: c.next::<Option<bool>>()?.unwrap_or_default(),
        dscp: c.next()?,
        response_time_100_ms: c.next()?,
        response_time_xxx_ms: c.next()?,
        max_retransmission_invite: c.next()?,
        flags: c.next::<Option<i64>>()?.map(|flags| flags as u64),
        vlan: c.next()?,
        tunnel: None,
        tcp: c.next()?,
        sip_messages: c.next()?,
        ladder_dropped: c.next()?,
        media_marks: MediaMarks(c.next()?),
        malformed: c.text()?,
        digest_username: c.text()?,
        custom_header1: c.text()?,
        match_header: c.text()?,
        hold: c.text()?,
        asserted: Asserted { caller: c.text()?, called: c.text()? },
        legs: Legs {
            session_id: c.text()?,
            replaces: c.text()?,
            leg_group: c.next::<Option<i64>>()?.map(|group| group as u64),
            ..Legs::default()
        },
        dialog: Dialog::default(),
        streams: Vec::new(),
        dtmf: Vec::new(),
        ladder: Vec::new(),
        after: Vec::new(),
        vq: Vec::new(),
        log: Vec::new(),
    })
}

fn lone_of(row: &Row<'_>) -> Result<LoneStream> {
    let id = row.get::<i64>(0)? as u64;
    let id_sensor = row.get::<Option<u16>>(1)?.unwrap_or_default();
    Ok(LoneStream { id, id_sensor, stream: stream_of(row, 2)?, after: None })
}

fn stream_of(row: &Row<'_>, at: usize) -> Result<StreamRecord> {
    let mut c = Columns { row, at };
    let mut socket = || {
        let ip: Ip = c.next()?;
        Ok::<_, crate::db::Error>(SocketAddr::new(ip.0, c.next()?))
    };
    let (src, dst) = (socket()?, socket()?);
    let mut stream = StreamRecord {
        src,
        dst,
        side: match c.next::<Option<i64>>()? {
            None => None,
            Some(0) => Some(Side::Caller),
            Some(_) => Some(Side::Callee),
        },
        ssrc: c.next()?,
        payload: c.next()?,
        codec: c.text()?,
        clock_rate: c.next::<Option<u32>>()?.unwrap_or_default(),
        clock_inferred: c.next()?,
        first_us: c.unsigned()?,
        last_us: c.unsigned()?,
        received: c.unsigned()?,
        lost: c.unsigned()?,
        reordered: c.unsigned()?,
        duplicate: c.unsigned()?,
        jitter_ms_avg: c.next()?,
        jitter_ms_max: c.next()?,
        sl: list(&c.text()?),
        d: list(&c.text()?),
        mos: Mos {
            f1: c.next()?,
            f2: c.next()?,
            adapt: c.next()?,
            f1_min: c.next()?,
            f2_min: c.next()?,
            adapt_min: c.next()?,
            min: c.next()?,
        },
        rtcp: rtcp_of(&mut c)?,
        sdp_ptime_ms: c.next()?,
        rtp_ptime_ms: c.next()?,
        ttl: ttl_of(&mut c)?,
        ..StreamRecord::default()
    };
    let flags: i64 = c.next()?;
    stream.srtp = flags & SRTP != 0;
    stream.codec_change = flags & CODEC_CHANGE != 0;
    stream.multi_call = flags & MULTI_CALL != 0;
    stream.exact = flags & INEXACT == 0;
    stream.spool_key = c.unsigned()?;
    Ok(stream)
}

fn rtcp_of(c: &mut Columns<'_, '_>) -> Result<Option<Rtcp>> {
    let loss: Option<i32> = c.next()?;
    let rtcp = Rtcp {
        loss: loss.unwrap_or_default(),
        maxfr: c.next::<Option<_>>()?.unwrap_or_default(),
        avgfr: c.next::<Option<_>>()?.unwrap_or_default(),
        maxjitter_ms: c.next::<Option<_>>()?.unwrap_or_default(),
        avgjitter_ms: c.next::<Option<_>>()?.unwrap_or_default(),
        maxrtd_ms: c.next()?,
        avgrtd_ms: c.next()?,
        fraclost_pktcount: c.next::<Option<_>>()?.unwrap_or_default(),
    };
    Ok(loss.map(|_| rtcp))
}

fn ttl_of(c: &mut Columns<'_, '_>) -> Result<Option<Ttl>> {
    let (min, max, avg) = (c.next()?, c.next()?, c.next()?);
    Ok(match (min, max, avg) {
        (Some(min), Some(max), Some(avg)) => Some(Ttl { min, max, avg }),
        _ => None,
    })
}

/// Counts with commas between.
fn list<const N: usize>(text: &str) -> [u32; N] {
    let mut counts = [0; N];
    for (count, text) in counts.iter_mut().zip(text.split(',')) {
        *count = text.parse().unwrap_or_default();
    }
    counts
}

/// A line of a ladder.
fn step(line: &str) -> Option<Step> {
    let mut fields = line.splitn(4, '\t');
    Some(Step {
        ts_us: fields.next()?.parse().ok()?,
        src: fields.next()?.parse().ok()?,
        dst: fields.next()?.parse().ok()?,
        text: fields.next()?.into(),
    })
}
