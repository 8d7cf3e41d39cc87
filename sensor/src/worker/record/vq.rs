//! A voice quality report as a record.

use compact_str::{CompactString, ToCompactString};
use ringtap_call::Meta;
use ringtap_cdr::{VqMetrics, VqReport};
use ringtap_sip::Text;
use ringtap_sip::vq::{Metrics, Report};

/// Bytes that are kept of a text.
const TEXT_MAX: usize = 255;

/// The record of a report about the call with this key.
pub(super) fn record(id_sensor: u16, call_key: u64, meta: &Meta, report: &Report<'_>) -> VqReport {
    VqReport {
        id: 0,
        id_sensor,
        ts_us: meta.ts_ns / 1000,
        reporter: Some(meta.src),
        call_key,
        callid: text(report.call_id),
        kind: CompactString::const_new(report.kind.label()),
        local_id: text(report.local_id),
        remote_id: text(report.remote_id),
        codec: report.local.codec.or(report.remote.codec).map(text).unwrap_or_default(),
        local: metrics(&report.local),
        remote: metrics(&report.remote),
    }
}

fn text(text: Text<'_>) -> CompactString {
    let mut kept = text.to_compact_string();
    kept.truncate(kept.floor_char_boundary(TEXT_MAX));
    kept
}

fn metrics(side: &Metrics<'_>) -> VqMetrics {
    VqMetrics {
        loss_percent: side.loss_percent,
        discard_percent: side.discard_percent,
        round_trip_ms: side.round_trip_ms,
        end_system_ms: side.end_system_ms,
        buffer_ms: side.buffer_ms,
        jitter_ms: side.jitter_ms,
        r_lq: side.r_lq,
        r_cq: side.r_cq,
        mos_lq: side.mos_lq,
        mos_cq: side.mos_cq,
    }
}
