//! A call's signalling and its streams into one record; in `outside`, requests outside of calls.
//!
//! Only names and units change here; every figure comes from `call` and `media`.

pub mod dialog;
mod media;
mod outside;
pub(super) mod vq;

use compact_str::CompactString;
use crossbeam::channel::{Sender, TrySendError};
use ringtap_call::{CallKey, CallSummary, Cause, Meta, Moment, Party, Side};
use ringtap_cdr::record::{AfterCall, CallRecord, Dtmf, DtmfKind, LoneStream, Reason, Step};
use ringtap_cdr::stream::StreamRecord;
use ringtap_cdr::{Asserted, LogLine, Record, VqReport, record};
use ringtap_common::peel::Tunnel;
use ringtap_common::walk::Ip;

use super::endpoints::socket_addr;
use super::streams::Finished;
use crate::ledger::{Event, Tally};
use crate::writer::Made;
use media::{Trips, ends, marks, stream};

/// Digits that one record keeps at most.
const DTMF_MAX: usize = 1000;

/// Makes records and sends them to the writer.
#[derive(Debug)]
pub struct Recorder {
    id_sensor: u16,
    kept: dialog::Kept,
    realm: u32,
    writer: Sender<Made>,
    patient: bool,
}

impl Recorder {
    /// Records of `id_sensor` and `realm` for `writer`. A patient one (files) waits for the writer;
    /// another (live) counts what finds no room.
    pub fn new(
        id_sensor: u16,
        realm: u32,
        kept: dialog::Kept,
        writer: Sender<Made>,
        patient: bool,
    ) -> Self {
        Self { id_sensor, realm, kept, writer, patient }
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
        let stream = stream(finished, None, &Trips::default());
        let after = finished.after.as_ref().map(|ended| AfterCall {
            call_key: ended.call.0.0,
            instance: ended.call.1,
            callid: ended.call_id.clone(),
        });
        LoneStream { id: 0, id_sensor: self.id_sensor, stream, after }
    }

    /// The record of what an endpoint says of a call.
    pub fn vq(&self, meta: &Meta, report: &ringtap_sip::vq::Report<'_>) -> VqReport {
        let call_key = CallKey::of(u64::from(self.realm), report.call_id.as_bytes()).0;
        vq::record(self.id_sensor, call_key, meta, report)
    }

    /// The record of what an agent says of a call.
    pub fn reported(&self, report: &VqReport) -> VqReport {
        VqReport { id_sensor: self.id_sensor, ..report.clone() }
    }

    /// The record of a line of a log.
    pub fn logged(&self, line: &LogLine) -> LogLine {
        LogLine { id_sensor: self.id_sensor, ..line.clone() }
    }

    /// The record of a call and its streams.
    pub fn call(&self, call: &CallSummary, mut finished: Vec<Finished>) -> CallRecord {
        finished.sort_by_key(|f| (f.report.first_clock_ns, f.flow, f.report.ssrc));
        let mut finished = join_pieces(finished);
        let trips = media::rate(&mut finished);
        let streams =
            finished.iter().zip(&trips).map(|(f, trips)| stream(f, Some(call), trips)).collect();
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
            tunnel: call.tunnel.as_ref().map(tunnel),
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
            media_marks: marks(call, &finished),
            streams,
            dtmf: digits(call, &finished),
            ladder: ladder(call),
            ladder_dropped: call.ladder_omitted,
            dialog: dialog::dialog(call, &self.kept),
            malformed: outside::label(call.malformed),
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
    let mut finished = join_pieces(finished);
    let trips = media::rate(&mut finished);
    finished.iter().zip(&trips).map(|(f, trips)| stream(f, None, trips)).collect()
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
                before.blame.merge(piece.blame);
                before.dtls |= piece.dtls;
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

/// Addresses of nobody are not told.
fn tunnel(tunnel: &Tunnel) -> record::Tunnel {
    let known = |ip: Ip| (ip != [0; 16]).then(|| socket_addr((ip, 0)).ip());
    record::Tunnel {
        kind: CompactString::const_new(tunnel.kind.label()),
        id: tunnel.id,
        src: known(tunnel.src),
        dst: known(tunnel.dst),
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
