//! The columns of the schema, each with its value for a call: one list, from which JSON, CSV and
//! the stores are made, so that a name means the same everywhere.
//!
//! Units are those of the schema (`_mult10` is times ten, `maxjitter` is whole milliseconds), and
//! a value beyond a column's type is held at the type's limit; the exact figures stand in the
//! stream's own columns. The columns without a direction (`lost`, `jitter_mult10`, …) are those
//! of the worse direction.

macro_rules! columns {
    ($($name:literal: $value:expr,)*) => { &[$(Column { name: $name, value: $value }),*] };
}

pub mod outside;

use crate::record::{CallRecord, Side};
use crate::stream::StreamRecord;
use std::net::IpAddr;

/// A column's value, before it is written in somebody's notation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    Null,
    /// A whole number.
    Int(i64),
    /// A record's ID or a 64-bit key: too long for what many readers of JSON call a number.
    Id(u64),
    /// A span in microseconds, written in seconds with three digits.
    Seconds(u64),
    /// A number.
    Real(f64),
    /// A text from the wire, which may contain anything.
    Text(&'a str),
    /// An address.
    Ip(IpAddr),
    /// An instant in UNIX microseconds.
    Time(u64),
}

/// The types of the schema, by their largest number.
const U8: u64 = u8::MAX as u64;
const I16: u64 = i16::MAX as u64;
const U16: u64 = u16::MAX as u64;
const U24: u64 = (1 << 24) - 1;
const U32: u64 = u32::MAX as u64;

/// A column of `T`: its name, and its value.
#[derive(Debug)]
pub struct Column<T> {
    /// The name in the schema.
    pub name: &'static str,
    /// Its value.
    pub value: for<'a> fn(&'a T) -> Value<'a>,
}

/// A column of one direction: its name without `a_` or `b_`.
#[derive(Debug)]
pub struct LegColumn {
    /// The name in the schema, without `a_`/`b_`.
    pub name: &'static str,
    /// Its value, from the call, the stream that speaks for the direction, and its index.
    pub value: for<'a> fn(&'a CallRecord, &'a StreamRecord, usize) -> Value<'a>,
}

/// The two directions, as the schema writes them.
pub const LEGS: [(&str, Side); 2] = [("a_", Side::Caller), ("b_", Side::Callee)];

fn int(number: impl Into<u64>, limit: u64) -> Value<'static> {
    Value::Int(number.into().min(limit) as i64)
}

fn maybe(number: Option<impl Into<u64>>, limit: u64) -> Value<'static> {
    number.map_or(Value::Null, |number| int(number, limit))
}

/// `number * factor`, rounded, in a column that goes to `limit`.
fn scaled(number: Option<impl Into<f64>>, factor: f64, limit: u64) -> Value<'static> {
    number.map_or(Value::Null, |number| {
        let scaled: f64 = number.into() * factor;
        // A cast saturates, and takes what is not a number for 0.
        Value::Int((scaled.round() as u64).min(limit) as i64)
    })
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

fn span(us: Option<u64>) -> Value<'static> {
    us.map_or(Value::Null, Value::Seconds)
}

fn ip(address: Option<std::net::SocketAddr>) -> Value<'static> {
    address.map_or(Value::Null, |address| Value::Ip(address.ip().to_canonical()))
}

fn port(address: Option<std::net::SocketAddr>) -> Value<'static> {
    maybe(address.map(|address| address.port()), U16)
}

/// The larger of the two directions' values.
fn worst<N: PartialOrd>(
    call: &CallRecord,
    value: impl Fn(&StreamRecord) -> Option<N>,
) -> Option<N> {
    let mut sides = LEGS.iter().filter_map(|&(_, side)| call.main_stream(side));
    let first = sides.next().and_then(|(_, stream)| value(stream));
    let second = sides.next().and_then(|(_, stream)| value(stream));
    match (first, second) {
        (Some(a), Some(b)) => Some(if b > a { b } else { a }),
        (a, b) => a.or(b),
    }
}

macro_rules! legs {
    ($($name:literal: $value:expr,)*) => { &[$(LegColumn { name: $name, value: $value }),*] };
}

/// The plain columns of `cdr`, in the order in which they are printed.
pub static CDR: &[Column<CallRecord>] = columns! {
    "ID": |c| if c.id == 0 { Value::Null } else { Value::Id(c.id) },
    "id_sensor": |c| maybe((c.id_sensor > 0).then_some(c.id_sensor), U16),
    "calldate": |c| Value::Time(c.calldate_us),
    "callend": |c| Value::Time(c.callend_us),
    "duration": |c| Value::Seconds(c.duration_us()),
    "connect_duration": |c| span(c.connect_duration_us),
    "progress_time": |c| span(c.progress_time_us),
    "first_rtp_time": |c| span(c.first_rtp_time_us()),
    "post_bye_delay": |c| span(c.post_bye_delay_us),
    "caller": |c| text(&c.caller.number),
    "caller_domain": |c| text(&c.caller.domain),
    "callername": |c| text(&c.caller.name),
    "called": |c| text(&c.called.number),
    "called_domain": |c| text(&c.called.domain),
    "sipcallerip": |c| ip(c.caller.addr),
    "sipcallerport": |c| port(c.caller.addr),
    "sipcalledip": |c| ip(c.called.addr),
    "sipcalledport": |c| port(c.called.addr),
    "whohanged": |c| c.whohanged.map_or(Value::Null, |side| Value::Text(side.label())),
    "bye": |c| int(c.bye, U8),
    "lastSIPresponseNum": |c| maybe(c.last_sip_response_num, U16),
    "reason_sip_cause": |c| maybe(c.reason_sip.cause, U16),
    "reason_q850_cause": |c| maybe(c.reason_q850.cause, U16),
    "sighup": |c| if c.sighup { Value::Int(1) } else { Value::Null },
    "response_time_100": |c| maybe(c.response_time_100_ms, U16),
    "response_time_xxx": |c| maybe(c.response_time_xxx_ms, U16),
    "max_retransmission_invite": |c| maybe(c.max_retransmission_invite, U8),
    "dscp": |c| maybe(c.dscp, U32),
    "flags": |c| c.flags.map_or(Value::Null, |flags| Value::Int(flags as i64)),
    "vlan": |c| maybe(c.vlan, I16),
    "payload": |c| {
        let main = c.main_stream(Side::Caller).or_else(|| c.main_stream(Side::Callee));
        maybe(main.map(|(_, stream)| stream.payload), U16)
    },
    "lost": |c| maybe(worst(c, |s| Some(s.lost)), U24),
    "packet_loss_perc_mult1000": |c| scaled(worst(c, StreamRecord::loss_percent), 1000.0, U24),
    "jitter_mult10": |c| scaled(worst(c, |s| s.jitter_ms_avg), 10.0, U24),
    "mos_min_mult10": |c| scaled(c.mos_min(), 10.0, U8),
    "delay_sum": |c| maybe(worst(c, |s| Some(s.delay_sum())), U24),
    "delay_avg_mult100": |c| scaled(worst(c, StreamRecord::delay_avg_ms), 100.0, U24),
    "delay_cnt": |c| maybe(worst(c, |s| Some(s.delay_cnt())), U24),
    "rtcp_avgfr_mult10": |c| scaled(worst(c, |s| Some(s.rtcp?.avgfr)), 10.0, U16),
    "rtcp_avgjitter_mult10": |c| scaled(worst(c, |s| Some(s.rtcp?.avgjitter_ms)), 10.0, U16),
    "ttl_min": |c| {
        let lowest = c.streams.iter().filter_map(|s| Some(s.ttl?.min)).min();
        maybe(lowest, U8)
    },
    "ttl_max": |c| maybe(worst(c, |s| Some(s.ttl?.max)), U8),
    "ttl_avg_mult10": |c| scaled(worst(c, |s| Some(s.ttl?.avg)), 10.0, U16),
};

/// Columns of `cdr` for the texts that the schema keeps in tables of their own; printed after
/// [`CDR`], never inserted.
pub static TEXTS: &[Column<CallRecord>] = columns! {
    "callid": |c| Value::Text(&c.callid),
    "lastSIPresponse": |c| text(&c.last_sip_response),
    "reason_sip_text": |c| text(&c.reason_sip.text),
    "reason_q850_text": |c| text(&c.reason_q850.text),
    "a_ua": |c| text(&c.caller.agent),
    "b_ua": |c| text(&c.called.agent),
    "digest_username": |c| text(&c.digest_username),
    "custom_header1": |c| text(&c.custom_header1),
    "match_header": |c| text(&c.match_header),
    "session_id": |c| text(&c.legs.session_id),
    "replaces": |c| text(&c.legs.replaces),
    "leg_group": |c| c.legs.leg_group.map_or(Value::Null, Value::Id),
    "hold": |c| text(&c.hold),
    "caller_asserted": |c| text(&c.asserted.caller),
    "called_asserted": |c| text(&c.asserted.called),
    "a_ssrc_count": |c| int(c.sources(Side::Caller) as u64, U16),
    "b_ssrc_count": |c| int(c.sources(Side::Callee) as u64, U16),
    "malformed": |c| text(&c.malformed),
};

/// The columns of one direction.
pub static LEG: &[LegColumn] = legs! {
    "index": |_, _, index| int(index as u64, i8::MAX as u64),
    "payload": |_, s, _| int(s.payload, U16),
    "saddr": |_, s, _| Value::Ip(s.src.ip().to_canonical()),
    "received": |_, s, _| int(s.received, U24),
    "lost": |_, s, _| int(s.lost, U24),
    "reordered": |_, s, _| int(s.reordered, U24),
    "packet_loss_perc_mult1000": |_, s, _| scaled(s.loss_percent(), 1000.0, U24),
    "avgjitter_mult10": |_, s, _| scaled(s.jitter_ms_avg, 10.0, U24),
    "maxjitter": |_, s, _| scaled(s.jitter_ms_max, 1.0, U16),
    "sl1": |_, s, _| int(s.sl[0], U24),
    "sl2": |_, s, _| int(s.sl[1], U24),
    "sl3": |_, s, _| int(s.sl[2], U24),
    "sl4": |_, s, _| int(s.sl[3], U24),
    "sl5": |_, s, _| int(s.sl[4], U24),
    "sl6": |_, s, _| int(s.sl[5], U24),
    "sl7": |_, s, _| int(s.sl[6], U24),
    "sl8": |_, s, _| int(s.sl[7], U24),
    "sl9": |_, s, _| int(s.sl[8], U24),
    "sl10": |_, s, _| int(s.sl[9], U24),
    "d50": |_, s, _| int(s.d[0], U24),
    "d70": |_, s, _| int(s.d[1], U24),
    "d90": |_, s, _| int(s.d[2], U24),
    "d120": |_, s, _| int(s.d[3], U24),
    "d150": |_, s, _| int(s.d[4], U24),
    "d200": |_, s, _| int(s.d[5], U24),
    "d300": |_, s, _| int(s.d[6], U24),
    "delay_sum": |_, s, _| int(s.delay_sum(), U24),
    "delay_avg_mult100": |_, s, _| scaled(s.delay_avg_ms(), 100.0, U24),
    "delay_cnt": |_, s, _| int(s.delay_cnt(), U24),
    "mos_f1_mult10": |_, s, _| scaled(s.mos.f1, 10.0, U8),
    "mos_f2_mult10": |_, s, _| scaled(s.mos.f2, 10.0, U8),
    "mos_adapt_mult10": |_, s, _| scaled(s.mos.adapt, 10.0, U8),
    "mos_f1_min_mult10": |_, s, _| scaled(s.mos.f1_min, 10.0, U8),
    "mos_f2_min_mult10": |_, s, _| scaled(s.mos.f2_min, 10.0, U8),
    "mos_adapt_min_mult10": |_, s, _| scaled(s.mos.adapt_min, 10.0, U8),
    "mos_min_mult10": |_, s, _| scaled(s.mos.min, 10.0, U8),
    "mos_xr_mult10": |_, s, _| scaled(s.quality.xr.and_then(|x| x.mos_avg), 10.0, U8),
    "mos_xr_min_mult10": |_, s, _| scaled(s.quality.xr.and_then(|x| x.mos_min), 10.0, U8),
    "rtcp_loss": |_, s, _| s.rtcp.map_or(Value::Null, |r| Value::Int(i64::from(r.loss))),
    "rtcp_maxfr": |_, s, _| maybe(s.rtcp.map(|r| r.maxfr), U16),
    "rtcp_avgfr_mult10": |_, s, _| scaled(s.rtcp.map(|r| r.avgfr), 10.0, U16),
    "rtcp_maxjitter": |_, s, _| scaled(s.rtcp.map(|r| r.maxjitter_ms), 1.0, U16),
    "rtcp_avgjitter_mult10": |_, s, _| scaled(s.rtcp.map(|r| r.avgjitter_ms), 10.0, U16),
    "rtcp_maxrtd_mult10": |_, s, _| scaled(s.rtcp.and_then(|r| r.maxrtd_ms), 10.0, U16),
    "rtcp_avgrtd_mult10": |_, s, _| scaled(s.rtcp.and_then(|r| r.avgrtd_ms), 10.0, U16),
    "rtcp_fraclost_pktcount": |_, s, _| maybe(s.rtcp.map(|r| r.fraclost_pktcount), U32),
    "last_rtp_from_end": |c, s, _| {
        let seconds = c.callend_us.saturating_sub(s.last_us) / 1_000_000;
        maybe((s.received > 0).then_some(seconds), I16)
    },
    "rtp_ptime": |_, s, _| maybe(s.rtp_ptime_ms, U8),
    "ttl_min": |_, s, _| maybe(s.ttl.map(|t| t.min), U8),
    "ttl_max": |_, s, _| maybe(s.ttl.map(|t| t.max), U8),
    "ttl_avg_mult10": |_, s, _| scaled(s.ttl.map(|t| t.avg), 10.0, U16),
};

/// A score or a span of milliseconds of a stream; what is not a finite number is not known.
fn real(number: Option<f32>) -> Value<'static> {
    match number {
        Some(number) if number.is_finite() => Value::Real(f64::from(number)),
        _ => Value::Null,
    }
}

/// The keys of a stream in JSON, in their order.
pub static STREAM: &[Column<StreamRecord>] = columns! {
    "saddr": |s| Value::Ip(s.src.ip().to_canonical()),
    "sport": |s| int(s.src.port(), U16),
    "daddr": |s| Value::Ip(s.dst.ip().to_canonical()),
    "dport": |s| int(s.dst.port(), U16),
    "side": |s| s.side.map_or(Value::Null, |side| Value::Text(side.label())),
    "ssrc": |s| int(s.ssrc, U32),
    "payload": |s| int(s.payload, U16),
    "codec": |s| text(&s.codec),
    "clock_rate": |s| maybe((s.clock_rate > 0).then_some(s.clock_rate), U32),
    "received": |s| int(s.received, i64::MAX as u64),
    "lost": |s| int(s.lost, i64::MAX as u64),
    "reordered": |s| int(s.reordered, i64::MAX as u64),
    "duplicate": |s| int(s.duplicate, i64::MAX as u64),
    "jitter_ms_avg": |s| real(s.jitter_ms_avg),
    "jitter_ms_max": |s| real(s.jitter_ms_max),
    "mos_f1": |s| real(s.mos.f1),
    "mos_f2": |s| real(s.mos.f2),
    "mos_adapt": |s| real(s.mos.adapt),
    "mos_min": |s| real(s.mos.min),
    "first": |s| Value::Time(s.first_us),
    "last": |s| Value::Time(s.last_us),
    "exact": |s| Value::Int(i64::from(s.exact)),
    "lost_sensor": |s| int(s.quality.lost_sensor, i64::MAX as u64),
    "lost_mirror": |s| int(s.quality.lost_mirror, i64::MAX as u64),
    "lost_network": |s| int(s.quality.lost_network(s.lost), i64::MAX as u64),
    "encryption": |s| s.quality.encryption.label().map_or(Value::Null, Value::Text),
    "clock_inferred": |s| Value::Int(i64::from(s.clock_inferred)),
    "codec_changes": |s| int(s.quality.codec_changes, U32),
    "gaps": |s| int(s.quality.gaps, U32),
    "stray": |s| int(s.quality.stray, U32),
    "sdp_ptime": |s| maybe(s.sdp_ptime_ms, U8),
    "rtp_ptime": |s| maybe(s.rtp_ptime_ms, U8),
    "dscp": |s| int(s.quality.dscp, U8),
    "ttl_min": |s| maybe(s.ttl.map(|t| t.min), U8),
    "ttl_max": |s| maybe(s.ttl.map(|t| t.max), U8),
    "ttl_avg": |s| real(s.ttl.map(|t| t.avg)),
    "mos_scale": |s| text(&s.quality.mos_scale),
    "mos_figures": |s| text(&s.quality.mos_figures),
    "r_f1": |s| real(s.quality.r_f1),
    "path_ms": |s| real(s.quality.path_ms),
    "rtcp_half_trip_ms": |s| real(s.quality.half_trip_ms),
    "rtcp_sender_reports": |s| int(s.quality.sender_reports, U32),
    "rtcp_byes": |s| int(s.quality.byes, U16),
    "rtcp_lost": |s| s.rtcp.map_or(Value::Null, |r| Value::Int(i64::from(r.loss))),
    "rtcp_jitter_ms_avg": |s| real(s.rtcp.map(|r| r.avgjitter_ms)),
    "rtcp_jitter_ms_max": |s| real(s.rtcp.map(|r| r.maxjitter_ms)),
    "rtcp_rtd_ms_avg": |s| real(s.rtcp.and_then(|r| r.avgrtd_ms)),
    "rtcp_rtd_ms_max": |s| real(s.rtcp.and_then(|r| r.maxrtd_ms)),
    "xr_mos": |s| real(s.quality.xr.and_then(|x| x.mos_avg)),
    "xr_mos_min": |s| real(s.quality.xr.and_then(|x| x.mos_min)),
    "xr_r": |s| maybe(s.quality.xr.and_then(|x| x.r_factor), U8),
    "xr_loss_rate": |s| maybe(s.quality.xr.map(|x| x.loss_rate), U8),
    "xr_discard_rate": |s| maybe(s.quality.xr.map(|x| x.discard_rate), U8),
    "xr_round_trip_ms": |s| maybe(s.quality.xr.and_then(|x| x.round_trip_ms), U16),
    "xr_end_system_ms": |s| maybe(s.quality.xr.and_then(|x| x.end_system_ms), U16),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_its_column_is_held_at_the_limit() {
        let stream = StreamRecord { received: 20_000_000, lost: 3, ..StreamRecord::default() };
        let call = CallRecord::default();
        let value = |name: &str| {
            let column = LEG.iter().find(|column| column.name == name);
            column.map(|column| (column.value)(&call, &stream, 0))
        };
        assert_eq!(value("received"), Some(Value::Int(16_777_215)));
        assert_eq!(value("lost"), Some(Value::Int(3)));
        assert_eq!(scaled(Some(f64::NAN), 10.0, U8), Value::Int(0));
        assert_eq!(scaled(Some(4.449_f32), 10.0, U8), Value::Int(44));
    }

    #[test]
    fn the_larger_stream_speaks_for_its_side_and_the_worse_side_for_the_call() {
        let stream = |side, received, lost| StreamRecord {
            side: Some(side),
            received,
            lost,
            ..StreamRecord::default()
        };
        let call = CallRecord {
            streams: vec![
                stream(Side::Caller, 10, 9),
                stream(Side::Caller, 90, 10),
                stream(Side::Callee, 100, 0),
            ],
            ..CallRecord::default()
        };
        assert_eq!(call.main_stream(Side::Caller).map(|(index, _)| index), Some(1));
        assert_eq!(worst(&call, |s| Some(s.lost)), Some(10));
        assert_eq!(worst(&call, StreamRecord::loss_percent), Some(10.0));
        assert_eq!(worst(&CallRecord::default(), |s| Some(s.lost)), None);
    }
}
