//! The media part of a record: streams, what their scores rest on, and the marks of the call.

use std::net::SocketAddr;

use compact_str::CompactString;
use ringtap_call::{CallSummary, Claim, Side};
use ringtap_cdr::marks::MediaMarks;
use ringtap_cdr::quality::{Cause, Encryption, Evidence, Interval, Quality, Xr};
use ringtap_cdr::stream::{Mos, Rtcp, StreamRecord, Ttl};
use ringtap_media::score::mos::impairment;
use ringtap_media::{Kind, RtcpReport, StreamReport, interval};

use super::{side, tunnel};
use crate::worker::endpoints::{endpoint, socket_addr};
use crate::worker::streams::{Finished, blame};

/// Media that begins so much later than the answer, or ends so much sooner than the call, is
/// marked, ns.
const APART_NS: u64 = 2_000_000_000;

/// Round trips of one stream, as far as RTCP tells, ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trips {
    /// From the sender to the receiver and back: mean and longest.
    whole: Option<(f32, f32)>,
}

/// Finds the round trips of all streams, and rates them anew with the delay that follows.
///
/// What is seen between two parties is one half in each direction: a sender report passes, and
/// its answer comes back. Both halves together are the round trip; where one is missing, only
/// what an endpoint says itself (RFC 3611) is known.
pub(super) fn rate(finished: &mut [Finished]) -> Vec<Trips> {
    let half = |f: &Finished| {
        let rtcp = &f.report.rtcp;
        rtcp.round_trip_mean_ms().map(|mean| (mean, rtcp.round_trip_max_us as f32 / 1000.0))
    };
    let halves: Vec<_> = finished.iter().map(half).collect();
    let back = |f: &Finished| {
        let reversed = f.flow.reversed();
        let same = |(other, half): (&Finished, &Option<(f32, f32)>)| {
            if other.flow == reversed { *half } else { None }
        };
        finished.iter().zip(&halves).find_map(same)
    };
    let whole = |(f, half): (&Finished, &Option<(f32, f32)>)| {
        let both = half.zip(back(f)).map(|(there, back)| (there.0 + back.0, there.1 + back.1));
        let told = f.report.rtcp.xr.round_trip_ms;
        both.or((told > 0).then(|| (f32::from(told), f32::from(told))))
    };
    let trips: Vec<Trips> =
        finished.iter().zip(&halves).map(|pair| Trips { whole: whole(pair) }).collect();
    for (one, trips) in finished.iter_mut().zip(&trips) {
        if let Some((mean_ms, _)) = trips.whole {
            one.report.rate_with_path(mean_ms / 2.0);
        }
    }
    trips
}

/// What was the matter with the media of a call.
pub(super) fn marks(call: &CallSummary, finished: &[Finished]) -> MediaMarks {
    let mut marks = MediaMarks::default();
    marks.set(MediaMarks::FAX, call.flags.image);
    marks.set(MediaMarks::VIDEO, call.flags.video);
    let encrypted = call.claims.iter().any(|c| c.secure) || finished.iter().any(|f| f.dtls);
    marks.set(MediaMarks::ENCRYPTED, encrypted);
    let Some(connected) = call.connected else { return marks };
    if call.claims.is_empty() || call.connect_duration_ns() < Some(APART_NS) {
        return marks;
    }
    let of = |side| finished.iter().filter(move |f| f.sender == Some(side));
    let [caller, callee] = [Side::Caller, Side::Callee].map(|side| of(side).next().is_some());
    marks.set(MediaMarks::NO_MEDIA, !caller && !callee);
    marks.set(MediaMarks::CALLER_MISSING, !caller && callee);
    marks.set(MediaMarks::CALLEE_MISSING, caller && !callee);
    let end_ns = call.bye_sent.unwrap_or(call.end).clock_ns;
    for (side, late, stopped) in [
        (Side::Caller, MediaMarks::CALLER_LATE, MediaMarks::CALLER_STOPPED),
        (Side::Callee, MediaMarks::CALLEE_LATE, MediaMarks::CALLEE_STOPPED),
    ] {
        // Reports come every few seconds: they do not tell when media began and ended.
        let of = |side| of(side).filter(|f| f.report.received > 0);
        let first = of(side).map(|f| f.report.first_clock_ns).min();
        let last = of(side).map(|f| f.report.last_clock_ns).max();
        let is_late = first.is_some_and(|at| at.saturating_sub(connected.clock_ns) > APART_NS);
        marks.set(late, is_late && call.holds.is_empty());
        let is_short = last.is_some_and(|at| end_ns.saturating_sub(at) > APART_NS);
        marks.set(stopped, is_short && call.holds.is_empty());
    }
    marks
}

/// Source and destination.
pub(super) fn ends(finished: &Finished) -> [SocketAddr; 2] {
    let flow = &finished.flow;
    [socket_addr((flow.src, flow.sport)), socket_addr((flow.dst, flow.dport))]
}

/// The description that announced where this stream goes.
fn claim_of<'a>(call: &'a CallSummary, finished: &Finished) -> Option<&'a Claim> {
    let to = (finished.flow.dst, finished.flow.dport);
    call.claims.iter().rev().find(|claim| endpoint(claim.endpoint) == to)
}

/// The record of one stream.
pub(super) fn stream(
    finished: &Finished,
    call: Option<&CallSummary>,
    trips: &Trips,
) -> StreamRecord {
    let report = &finished.report;
    let [src, dst] = ends(finished);
    let claim = call.and_then(|call| claim_of(call, finished));
    StreamRecord {
        src,
        dst,
        side: finished.sender.map(side),
        ssrc: report.ssrc,
        payload: payload(report),
        codec: CompactString::const_new(report.codec.name()),
        clock_rate: report.clock_rate,
        clock_inferred: report.clock_inferred,
        first_us: report.first_ts_ns / 1000,
        last_us: report.last_ts_ns / 1000,
        received: report.received,
        lost: report.lost,
        reordered: report.reordered,
        duplicate: report.duplicate,
        jitter_ms_avg: report.jitter_ms_avg,
        jitter_ms_max: report.jitter_ms_max,
        sl: report.sl,
        d: report.d,
        mos: mos(report),
        rtcp: rtcp(&report.rtcp, report.clock_rate, trips),
        sdp_ptime_ms: claim.map(|c| c.ptime_ms).filter(|ms| *ms > 0),
        rtp_ptime_ms: (report.ptime_ms > 0).then_some(report.ptime_ms),
        ttl: (report.received > 0).then_some(Ttl {
            min: report.ttl_min,
            max: report.ttl_max,
            avg: report.ttl_avg,
        }),
        srtp: claim.is_some_and(|c| c.secure),
        codec_change: report.codec_changes > 0,
        multi_call: finished.shared,
        exact: report.exact,
        spool_key: finished.session,
        tunnel: finished.tunnel.as_ref().map(tunnel),
        quality: quality(finished, claim.is_some_and(|c| c.secure)),
    }
}

fn quality(finished: &Finished, secure: bool) -> Quality {
    let (report, blame) = (&finished.report, &finished.blame);
    let figures = impairment(report.codec).filter(|_| report.r_f1.is_some());
    // A late packet may have made a loss undone that was judged before.
    let lost_sensor = blame.sensor.min(report.lost);
    let lost_mirror = blame.mirror.min(report.lost - lost_sensor);
    Quality {
        lost_sensor,
        lost_mirror,
        evidence: blame.evidence.iter().map(evidence).collect(),
        encryption: match (secure, finished.dtls) {
            (_, true) => Encryption::Dtls,
            (true, false) => Encryption::Srtp,
            (false, false) => Encryption::Unknown,
        },
        gaps: report.gaps,
        stray: report.stray,
        codec_changes: report.codec_changes,
        dscp: report.dscp,
        mos_scale: figures.map(|f| f.scale.label().into()).unwrap_or_default(),
        mos_figures: figures.map(|f| f.source.label().into()).unwrap_or_default(),
        r_f1: report.r_f1,
        path_ms: report.path_ms,
        half_trip_ms: report.rtcp.round_trip_mean_ms(),
        sender_reports: report.rtcp.sender_reports,
        byes: report.rtcp.byes,
        xr: xr(&report.rtcp),
        interval_ms: if report.intervals.is_empty() { 0 } else { report.interval_ms },
        intervals: report.intervals.iter().map(|one| course(report, one)).collect(),
    }
}

fn evidence(one: &blame::Evidence) -> Evidence {
    let cause = match one.cause {
        blame::Cause::Sensor => Cause::Sensor,
        blame::Cause::Mirror => Cause::Mirror,
    };
    let blame::Evidence { ts_ns, lost, seen, of, .. } = *one;
    Evidence { ts_us: ts_ns / 1000, lost, cause, seen, of }
}

fn course(report: &StreamReport, one: &interval::Interval) -> Interval {
    let mos = |buffer| {
        let mos = one.mos(report.codec, buffer);
        mos.map_or(0, |mos| (mos * 100.0).round() as u32)
    };
    Interval {
        start_ms: one.start_ms,
        received: one.received,
        lost: one.lost.into(),
        jitter_avg_10us: one.jitter_mean_10us.into(),
        jitter_max_10us: one.jitter_max_10us.into(),
        mos_mult100: [mos(0), mos(1), mos(2)],
    }
}

fn xr(rtcp: &RtcpReport) -> Option<Xr> {
    let xr = &rtcp.xr;
    let known = |ms: u16| (ms > 0).then_some(ms);
    (xr.blocks > 0).then(|| Xr {
        blocks: xr.blocks,
        mos_avg: xr.mos().map(|(avg, _)| avg),
        mos_min: xr.mos().map(|(_, min)| min),
        r_factor: xr.r_factor,
        loss_rate: xr.loss_rate,
        discard_rate: xr.discard_rate,
        round_trip_ms: known(xr.round_trip_ms),
        end_system_ms: known(xr.end_system_ms),
    })
}

/// The schema's payload number: the RTP payload type, or 10000 for video.
fn payload(report: &StreamReport) -> u16 {
    const VIDEO: u16 = 10_000;
    if report.codec.kind() == Kind::Video { VIDEO } else { u16::from(report.payload_type) }
}

fn mos(report: &StreamReport) -> Mos {
    Mos {
        f1: report.mos_f1,
        f2: report.mos_f2,
        adapt: report.mos_adapt,
        f1_min: report.mos_f1_min,
        f2_min: report.mos_f2_min,
        adapt_min: report.mos_adapt_min,
        min: report.mos_min,
    }
}

fn rtcp(report: &RtcpReport, clock_rate: u32, trips: &Trips) -> Option<Rtcp> {
    if report.blocks == 0 {
        return None;
    }
    Some(Rtcp {
        loss: report.lost,
        maxfr: u16::from(report.fraction_max),
        avgfr: report.fraction_mean().unwrap_or_default() * 256.0,
        maxjitter_ms: report.jitter_max_ms(clock_rate).unwrap_or_default(),
        avgjitter_ms: report.jitter_mean_ms(clock_rate).unwrap_or_default(),
        maxrtd_ms: trips.whole.map(|(_, longest)| longest),
        avgrtd_ms: trips.whole.map(|(mean, _)| mean),
        fraclost_pktcount: report.lossy_blocks,
    })
}
