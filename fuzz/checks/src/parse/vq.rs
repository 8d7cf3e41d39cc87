//! A voice quality report.

use ringtap_sip::vq;

/// A report names a call, its texts lie within the body, and its figures are numbers.
pub fn vq(body: &[u8]) {
    let Some(report) = vq::parse(body) else { return };
    assert!(!report.call_id.is_empty());
    for text in [report.call_id, report.local_id, report.remote_id] {
        assert!(text.as_bytes().len() <= body.len());
        let _ = text.to_string();
    }
    for side in [report.local, report.remote] {
        let figures = [
            side.sample_rate,
            side.buffer_ms,
            side.loss_percent,
            side.discard_percent,
            side.round_trip_ms,
            side.end_system_ms,
            side.jitter_ms,
            side.r_lq,
            side.r_cq,
            side.mos_lq,
            side.mos_cq,
        ];
        assert!(figures.into_iter().flatten().all(f32::is_finite), "{side:?}");
    }
}
