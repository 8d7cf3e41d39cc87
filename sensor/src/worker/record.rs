//! A call's signalling and its streams into one record.
//!
//! Only names and units change here; every figure comes from `call` and `media`.

pub mod dialog;

use std::net::SocketAddr;

use compact_str::CompactString;
use crossbeam::channel::{Sender, TrySendError};
use ringtap_call::{CallSummary, Cause, Claim, Moment, Party, Side};
use ringtap_cdr::record::{CallRecord, Dtmf, DtmfKind, LoneStream, Reason, Step};
use ringtap_cdr::stream::{Mos, Rtcp, StreamRecord, Ttl};
use ringtap_cdr::{Asserted, Record, record};
use ringtap_media::rtcp::RtcpReport;
use ringtap_media::{Kind, StreamReport};

use super::endpoints::{endpoint, socket_addr};
use super::streams::Finished;
use crate::ledger::{Event, Tally};
use crate::writer::Made;

/// Digits that one record keeps at most.
const DTMF_MAX: usize = 1000;

/// Makes records and sends them to the writer.
#[derive(Debug)]
pub struct Recorder {
    id_sensor: u16,
    kept: dialog::Kept,
    writer: Sender<Made>,
    patient: bool,
}

impl Recorder {
    /// Records of `id_sensor` for `writer`. A patient one (files) waits for the writer; another
    /// (live) counts what finds no room.
    pub fn new(id_sensor: u16, kept: dialog::Kept, writer: Sender<Made>, patient: bool) -> Self {
        Self { id_sensor, kept, writer, patient }
    }

    /// Sends a record on.
    pub fn emit(&self, at: u64, record: Record, tally: &mut Tally) {
        let made = Made { at, record };
        if self.patient {
            // Fails only when the writer has died, which its thread reports.
            let _ = self.writer.send(made);
        } else if let Err(TrySendError::Full(_)) = self.writer.try_send(made) {
            tally.note(Event::RecordsLost);
        }
    }

    /// The record of a stream that no call claimed.
    pub fn lone(&self, finished: &Finished) -> LoneStream {
        let stream = stream(finished, None);
        LoneStream { id: 0, id_sensor: self.id_sensor, stream }
    }

    /// The record of a call and its streams.
    pub fn call(&self, call: &CallSummary, mut finished: Vec<Finished>) -> CallRecord {
        finished.sort_by_key(|f| (f.report.first_clock_ns, f.flow, f.report.ssrc));
        let finished = join_pieces(finished);
        let streams = finished.iter().map(|f| stream(f, Some(call))).collect();
        CallRecord {
            id_sensor: self.id_sensor,
            call_key: call.call.0,
            instance: call.instance,
            callid: call.call_id.clone(),
            calldate_us: us(call.first),
            callend_us: us(call.first) + call.duration_ns() / 1000,
            connect_duration_us: call.connect_duration_ns().map(|ns| ns / 1000),
            progress_time_us: call.progress_time_ns().map(|ns| ns / 1000),
            post_bye_delay_us: call.post_bye_delay_ns().map(|ns| ns / 1000),
            caller: party(&call.caller),
            called: party(&call.called),
            whohanged: call.hung_up.map(side),
            bye: call.bye.code(),
            last_sip_response_num: call.last_response.as_ref().map(|r| r.status),
            last_sip_response: response_line(call),
            reason_sip: reason(call.reason_sip.as_ref()),
            reason_q850: reason(call.reason_q850.as_ref()),
            sighup: call.flags.flushed,
            dscp: Some(dscp(call, &finished)),
            response_time_100_ms: call.response_time_100_ms.map(clamp16),
            response_time_xxx_ms: call.response_time_xxx_ms.map(clamp16),
            max_retransmission_invite: Some(clamp8(call.max_retransmission_invite)),
            flags: Some(dialog::flags(call, finished.iter().any(|f| f.report.rtcp.blocks > 0))),
            vlan: (call.vlan != 0).then_some(call.vlan),
            tcp: call.flags.tcp,
            sip_messages: call.messages,
            digest_username: call.digest_username.clone(),
            hold: dialog::holds(call),
            asserted: Asserted {
                caller: call.caller.asserted.clone(),
                called: call.called.asserted.clone(),
            },
            match_header: call.ties.match_header.clone(),
            legs: legs(call),
            streams,
            dtmf: digits(call, &finished),
            ladder: ladder(call),
            ladder_dropped: call.ladder_omitted,
            dialog: dialog::dialog(call, &self.kept),
            ..CallRecord::default()
        }
    }
}

fn legs(call: &CallSummary) -> record::Legs {
    let (caller, called) = (&call.caller.session_id, &call.called.session_id);
    let session_id = match (caller.is_empty(), called.is_empty()) {
        (_, true) => caller.clone(),
        (true, false) => called.clone(),
        (false, false) => compact_str::format_compact!("{caller};remote={called}"),
    };
    record::Legs {
        tokens: call.ties.tokens.iter().map(|token| token.0).collect(),
        session_id,
        replaces: call.replaces.clone(),
        ..record::Legs::default()
    }
}

/// The records of streams that a worker has of a call that runs.
pub(super) fn streams_so_far(mut finished: Vec<Finished>) -> Vec<StreamRecord> {
    finished.sort_by_key(|f| (f.report.first_clock_ns, f.flow, f.report.ssrc));
    join_pieces(finished).iter().map(|f| stream(f, None)).collect()
}

/// Pieces of one stream that followed each other in this call are one stream.
fn join_pieces(finished: Vec<Finished>) -> Vec<Finished> {
    let mut joined: Vec<Finished> = Vec::with_capacity(finished.len());
    for piece in finished {
        let same = |f: &&mut Finished| {
            f.flow == piece.flow && f.report.ssrc == piece.report.ssrc && f.sender == piece.sender
        };
        match joined.iter_mut().find(same) {
            Some(before) => {
                before.report.merge(&piece.report);
                before.shared |= piece.shared;
            }
            None => joined.push(piece),
        }
    }
    joined
}

fn us(moment: Moment) -> u64 {
    moment.ts_ns / 1000
}

fn clamp16(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn clamp8(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn side(side: Side) -> record::Side {
    match side {
        Side::Caller => record::Side::Caller,
        Side::Callee => record::Side::Callee,
    }
}

fn party(party: &Party) -> record::Party {
    record::Party {
        number: party.number.clone(),
        domain: party.domain.clone(),
        name: party.name.clone(),
        addr: Some(party.address),
        agent: party.user_agent.clone(),
    }
}

fn reason(cause: Option<&Cause>) -> Reason {
    cause.map_or_else(Reason::default, |c| Reason { cause: Some(c.cause), text: c.text.clone() })
}

fn response_line(call: &CallSummary) -> CompactString {
    let line = |r: &ringtap_call::Response| compact_str::format_compact!("{} {}", r.status, r.text);
    call.last_response.as_ref().map(line).unwrap_or_default()
}

/// One byte each: the caller's SIP, the callee's SIP, the caller's RTP, the callee's RTP.
fn dscp(call: &CallSummary, finished: &[Finished]) -> u32 {
    let of = |side| finished.iter().find(|f| f.sender == Some(side)).map_or(0, |f| f.report.dscp);
    u32::from_be_bytes([call.caller.dscp, call.called.dscp, of(Side::Caller), of(Side::Callee)])
}

/// In order of time: a message that came late stands where it belongs.
fn ladder(call: &CallSummary) -> Vec<Step> {
    let mut steps: Vec<Step> = call.ladder.iter().map(step).collect();
    steps.sort_by_key(|step| step.ts_us);
    steps
}

fn step(entry: &ringtap_call::LadderEntry) -> Step {
    let mut text = entry.text.clone();
    if entry.sdp {
        text.push_str(" (SDP)");
    }
    if entry.retransmission {
        text.push_str(" (again)");
    }
    Step { ts_us: entry.ts_ns / 1000, src: entry.src, dst: entry.dst, text }
}

fn digits(call: &CallSummary, finished: &[Finished]) -> Vec<Dtmf> {
    let mut digits: Vec<Dtmf> = finished
        .iter()
        .flat_map(|f| f.report.dtmf.iter().map(move |event| (f, event)))
        .filter_map(|(f, event)| {
            let [src, dst] = ends(f);
            Some(Dtmf {
                firsttime_us: (event.ts_ns / 1000).saturating_sub(us(call.first)),
                saddr: src.ip(),
                daddr: dst.ip(),
                digit: event.digit()?,
                kind: DtmfKind::Event,
            })
        })
        .chain(dialog::info_digits(call))
        .take(DTMF_MAX)
        .collect();
    digits.sort_by_key(|digit| digit.firsttime_us);
    digits
}

fn ends(finished: &Finished) -> [SocketAddr; 2] {
    let flow = &finished.flow;
    [socket_addr((flow.src, flow.sport)), socket_addr((flow.dst, flow.dport))]
}

/// The description that announced where this stream goes.
fn claim_of<'a>(call: &'a CallSummary, finished: &Finished) -> Option<&'a Claim> {
    let to = (finished.flow.dst, finished.flow.dport);
    call.claims.iter().rev().find(|claim| endpoint(claim.endpoint) == to)
}

fn stream(finished: &Finished, call: Option<&CallSummary>) -> StreamRecord {
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
        rtcp: rtcp(&report.rtcp, report.clock_rate),
        sdp_ptime_ms: claim.map(|c| c.ptime_ms).filter(|ms| *ms > 0),
        rtp_ptime_ms: (report.ptime_ms > 0).then_some(report.ptime_ms),
        ttl: Some(Ttl { min: report.ttl_min, max: report.ttl_max, avg: report.ttl_avg }),
        srtp: claim.is_some_and(|c| c.secure),
        codec_change: false,
        multi_call: finished.shared,
        exact: report.exact,
        spool_key: finished.session,
    }
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

fn rtcp(report: &RtcpReport, clock_rate: u32) -> Option<Rtcp> {
    if report.blocks == 0 {
        return None;
    }
    let trips = (report.round_trips > 0).then(|| report.round_trip_max_us as f32 / 1000.0);
    Some(Rtcp {
        loss: report.lost,
        maxfr: u16::from(report.fraction_max),
        avgfr: report.fraction_mean().unwrap_or_default() * 256.0,
        maxjitter_ms: report.jitter_max_ms(clock_rate).unwrap_or_default(),
        avgjitter_ms: report.jitter_mean_ms(clock_rate).unwrap_or_default(),
        maxrtd_ms: trips,
        avgrtd_ms: report.round_trip_mean_ms(),
        fraclost_pktcount: 0,
    })
}
