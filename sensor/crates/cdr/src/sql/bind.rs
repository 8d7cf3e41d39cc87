//! Values of records as a database takes them.
//!
//! It runs no statement.

use super::names::Texts;
use crate::clock;
use crate::column::{CDR, LEG, LEGS, Value};
use crate::db::{Cell, Statement, ToSql};
use crate::record::{CallRecord, Side, Step};
use crate::stream::StreamRecord;
use std::net::IpAddr;

/// Texts are cut here, as the schema's columns are.
pub(super) const TEXT_MAX: usize = 255;

/// A Call-ID is kept whole up to here.
pub(super) const CALLID_MAX: usize = 4096;

/// The columns of `ringtap_rtp` and `ringtap_stream` that hold the stream, in the order in which
/// they are bound and read.
pub(super) const STREAM: &str = "src, sport, dst, dport, side, ssrc, payload, codec, clock_rate, \
    clock_inferred, first_us, last_us, received, lost, reordered, duplicate, jitter_ms_avg, \
    jitter_ms_max, sl, d, mos_f1, mos_f2, mos_adapt, mos_f1_min, mos_f2_min, mos_adapt_min, \
    mos_min, rtcp_loss, rtcp_maxfr, rtcp_avgfr, rtcp_maxjitter_ms, rtcp_avgjitter_ms, \
    rtcp_maxrtd_ms, rtcp_avgrtd_ms, rtcp_fraclost_pktcount, sdp_ptime_ms, rtp_ptime_ms, ttl_min, \
    ttl_max, ttl_avg, flags, spool_key";

/// Bits of `flags` in `ringtap_rtp` and `ringtap_stream`.
pub(super) const SRTP: i64 = 1;
pub(super) const CODEC_CHANGE: i64 = 2;
pub(super) const MULTI_CALL: i64 = 4;
pub(super) const INEXACT: i64 = 8;

/// Binds everything of `cdr` but the ID.
pub(super) fn bind_cdr(statement: &mut Statement<'_>, call: &CallRecord, texts: &Texts) {
    let mut at = 0;
    let mut bind = |value: Value<'_>| {
        at += 1;
        statement.bind(at, value);
    };
    for column in CDR {
        bind((column.value)(call));
    }
    for (_, side) in LEGS {
        let main = call.main_stream(side);
        for column in LEG {
            bind(main.map_or(Value::Null, |(index, s)| (column.value)(call, s, index)));
        }
    }
    for text in [&call.caller.number, &call.caller.name, &call.called.number] {
        let reversed: String = clip(text, TEXT_MAX).chars().rev().collect();
        bind(if reversed.is_empty() { Value::Null } else { Value::Text(&reversed) });
    }
    for id in [texts.response, texts.sip, texts.q850, texts.caller_agent, texts.called_agent] {
        bind(id.map_or(Value::Null, Value::Int));
    }
}

/// Binds the columns of [`STREAM`] from parameter `at` on.
pub(super) fn bind_stream(statement: &mut Statement<'_>, at: usize, s: &StreamRecord) {
    let mut at = at - 1;
    let mut bind = |value: &dyn ToSql| {
        at += 1;
        statement.bind(at, value);
    };
    let side = s.side.map(|side| i64::from(side == Side::Callee));
    let bits = [
        (s.srtp, SRTP),
        (s.codec_change, CODEC_CHANGE),
        (s.multi_call, MULTI_CALL),
        (!s.exact, INEXACT),
    ];
    let flags = bits.iter().filter(|(is, _)| *is).fold(0, |flags, (_, bit)| flags | bit);
    let counts = [s.received, s.lost, s.reordered, s.duplicate];
    let (rtcp, mos, ttl) = (s.rtcp, s.mos, s.ttl);
    bind(&Address(s.src.ip()));
    bind(&s.src.port());
    bind(&Address(s.dst.ip()));
    bind(&s.dst.port());
    bind(&side);
    bind(&s.ssrc);
    bind(&s.payload);
    bind(&Text(&s.codec, TEXT_MAX));
    bind(&(s.clock_rate > 0).then_some(s.clock_rate));
    bind(&s.clock_inferred);
    for number in [s.first_us, s.last_us].into_iter().chain(counts) {
        bind(&(number.min(i64::MAX as u64) as i64));
    }
    bind(&s.jitter_ms_avg);
    bind(&s.jitter_ms_max);
    bind(&list(&s.sl));
    bind(&list(&s.d));
    for score in [mos.f1, mos.f2, mos.adapt, mos.f1_min, mos.f2_min, mos.adapt_min, mos.min] {
        bind(&score);
    }
    bind(&rtcp.map(|r| r.loss));
    bind(&rtcp.map(|r| r.maxfr));
    bind(&rtcp.map(|r| r.avgfr));
    bind(&rtcp.map(|r| r.maxjitter_ms));
    bind(&rtcp.map(|r| r.avgjitter_ms));
    bind(&rtcp.and_then(|r| r.maxrtd_ms));
    bind(&rtcp.and_then(|r| r.avgrtd_ms));
    bind(&rtcp.map(|r| r.fraclost_pktcount));
    bind(&s.sdp_ptime_ms);
    bind(&s.rtp_ptime_ms);
    bind(&ttl.map(|ttl| ttl.min));
    bind(&ttl.map(|ttl| ttl.max));
    bind(&ttl.map(|ttl| ttl.avg));
    bind(&flags);
    bind(&(s.spool_key as i64));
}

/// Counts with commas between, or nothing when all are 0.
fn list(counts: &[u32]) -> Option<String> {
    if counts.iter().all(|&count| count == 0) {
        return None;
    }
    let texts: Vec<String> = counts.iter().map(u32::to_string).collect();
    Some(texts.join(","))
}

/// The ladder as lines of four fields; control characters of a text would tear them.
pub(super) fn ladder(steps: &[Step]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(steps.len() * 64);
    for step in steps {
        let _ = write!(out, "{}\t{}\t{}\t", step.ts_us, step.src, step.dst);
        let text = clip(&step.text, TEXT_MAX);
        out.extend(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        out.push('\n');
    }
    out
}

/// The Call-ID as `fbasename` has it: what a file name cannot hold becomes `_`.
pub(super) fn file_name(callid: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || "-_.@=+,~".contains(c);
    clip(callid, TEXT_MAX).chars().map(|c| if kept(c) { c } else { '_' }).collect()
}

/// The first `max` bytes, less what would cut a character in two.
pub(super) fn clip(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// A text of at most so many bytes; NULL when it is empty.
pub(super) struct Text<'a>(pub(super) &'a str, pub(super) usize);

impl ToSql for Text<'_> {
    fn cell(&self) -> Cell {
        if self.0.is_empty() { Cell::Null } else { clip(self.0, self.1).cell() }
    }
}

/// An address as 4 or 16 bytes.
pub(super) struct Address(pub(super) IpAddr);

impl ToSql for Address {
    fn cell(&self) -> Cell {
        Cell::Bytes(match self.0.to_canonical() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        })
    }
}

impl ToSql for Value<'_> {
    fn cell(&self) -> Cell {
        match *self {
            Self::Null => Cell::Null,
            Self::Int(number) => Cell::Int(number),
            Self::Id(number) => Cell::Int(number as i64),
            Self::Seconds(us) => Cell::Real(clock::milliseconds(us) as f64 / 1e3),
            Self::Real(number) => number.cell(),
            Self::Text(text) => clip(text, TEXT_MAX).cell(),
            Self::Ip(address) => Address(address).cell(),
            Self::Time(us) => Cell::Text(clock::database(us)),
        }
    }
}
