//! What endpoints say of a call's quality after it (RFC 6035): a record of its own, which is found
//! by the Call-ID that it names.

use crate::column::{Column, Value};
use compact_str::CompactString;
use std::net::SocketAddr;

/// One report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VqReport {
    /// The record's ID, 0 while it has none.
    pub id: u64,
    /// The sensor that saw it, 0 for none.
    pub id_sensor: u16,
    /// When it passed, UNIX microseconds.
    pub ts_us: u64,
    /// Where it came from.
    pub reporter: Option<SocketAddr>,
    /// Fixed hash of realm and Call-ID of the call it is about.
    pub call_key: u64,
    /// The Call-ID of the call it is about.
    pub callid: CompactString,
    /// `session`, `interval` or `alert`.
    pub kind: CompactString,
    /// Who reports.
    pub local_id: CompactString,
    /// Whom it talked to.
    pub remote_id: CompactString,
    /// The codec's name.
    pub codec: CompactString,
    /// What the reporter measured.
    pub local: VqMetrics,
    /// What the other end told it.
    pub remote: VqMetrics,
}

/// One side's figures, as it told them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VqMetrics {
    /// Packets lost on the way, per cent.
    pub loss_percent: Option<f32>,
    /// Packets that its jitter buffer discarded, per cent.
    pub discard_percent: Option<f32>,
    /// Round trip, ms.
    pub round_trip_ms: Option<f32>,
    /// Delay inside the endpoint, ms.
    pub end_system_ms: Option<f32>,
    /// Nominal delay of its jitter buffer, ms.
    pub buffer_ms: Option<f32>,
    /// Interarrival jitter, ms.
    pub jitter_ms: Option<f32>,
    /// R factor for listening.
    pub r_lq: Option<f32>,
    /// R factor for conversation.
    pub r_cq: Option<f32>,
    /// MOS for listening.
    pub mos_lq: Option<f32>,
    /// MOS for conversation.
    pub mos_cq: Option<f32>,
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

fn real(number: Option<f32>) -> Value<'static> {
    number.filter(|number| number.is_finite()).map_or(Value::Null, |n| Value::Real(n.into()))
}

macro_rules! columns {
    ($($name:literal: $value:expr,)*) => { &[$(Column { name: $name, value: $value }),*] };
}

/// Its keys in JSON and its columns in the database, but for ID and time.
pub static VQ: &[Column<VqReport>] = columns! {
    "callid": |r| Value::Text(&r.callid),
    "kind": |r| text(&r.kind),
    "reporter": |r| r.reporter.map_or(Value::Null, |at| Value::Ip(at.ip().to_canonical())),
    "local_id": |r| text(&r.local_id),
    "remote_id": |r| text(&r.remote_id),
    "codec": |r| text(&r.codec),
    "local_loss_percent": |r| real(r.local.loss_percent),
    "local_discard_percent": |r| real(r.local.discard_percent),
    "local_round_trip_ms": |r| real(r.local.round_trip_ms),
    "local_end_system_ms": |r| real(r.local.end_system_ms),
    "local_buffer_ms": |r| real(r.local.buffer_ms),
    "local_jitter_ms": |r| real(r.local.jitter_ms),
    "local_r_lq": |r| real(r.local.r_lq),
    "local_r_cq": |r| real(r.local.r_cq),
    "local_mos_lq": |r| real(r.local.mos_lq),
    "local_mos_cq": |r| real(r.local.mos_cq),
    "remote_loss_percent": |r| real(r.remote.loss_percent),
    "remote_discard_percent": |r| real(r.remote.discard_percent),
    "remote_round_trip_ms": |r| real(r.remote.round_trip_ms),
    "remote_end_system_ms": |r| real(r.remote.end_system_ms),
    "remote_buffer_ms": |r| real(r.remote.buffer_ms),
    "remote_jitter_ms": |r| real(r.remote.jitter_ms),
    "remote_r_lq": |r| real(r.remote.r_lq),
    "remote_r_cq": |r| real(r.remote.r_cq),
    "remote_mos_lq": |r| real(r.remote.mos_lq),
    "remote_mos_cq": |r| real(r.remote.mos_cq),
};
