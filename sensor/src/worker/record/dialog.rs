//! What a record says of a call's signalling: delays, counts, branches, transfers, digits, holds.
//!
//! Only names and units change here.

use std::collections::HashSet;

use compact_str::{CompactString, format_compact};
use ringtap_call::{CallSummary, LadderEntry, Moment, RequestDelay, SessionDuration};
use ringtap_cdr::clock;
use ringtap_cdr::record::dialog::{
    Announced, Branch, CustomHeader, Dialog, SideTables, Timer, Told, Transfer,
};
use ringtap_cdr::record::{Dtmf, DtmfKind};
use ringtap_sip::Method;

use super::{reason, side, us};
use crate::config::{SaveSdp, SipHistory};

/// Which side tables of the schema are filled.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// `cdr_sipresp`.
    pub responses: bool,
    /// `cdr_siphistory`.
    pub history: SipHistory,
    /// `cdr_sdp`.
    pub sdp: SaveSdp,
    /// `cdr_proxy`.
    pub proxies: bool,
}

/// Everything of a call's signalling that has no column in the schema.
pub(super) fn dialog(call: &CallSummary, kept: &Kept) -> Dialog {
    let micro = |ns: Option<u64>| ns.map(|ns| ns / 1000);
    let (srd, srd_failed) = match call.session_request_delay() {
        Some(RequestDelay::Successful(ns)) => (Some(ns), None),
        Some(RequestDelay::Failed(ns)) => (None, Some(ns)),
        None => (None, None),
    };
    let (sdt, sdt_failed) = match call.session_duration_time() {
        Some(SessionDuration::Successful(ns)) => (Some(ns), None),
        Some(SessionDuration::Failed(ns)) => (None, Some(ns)),
        None => (None, None),
    };
    let counts = &call.counts;
    // One branch is the call itself.
    let branches = if call.branches.len() > 1 { &call.branches[..] } else { &[] };
    Dialog {
        ringing_time_us: micro(call.ringing_time_ns()),
        setup_time_us: micro(call.setup_time_ns()),
        srd_us: micro(srd),
        srd_failed_us: micro(srd_failed),
        sdd_us: micro(call.session_disconnect_delay_ns()),
        sdt_us: micro(sdt),
        sdt_failed_us: micro(sdt_failed),
        reinvites: call.reinvites,
        updates: counts.updates,
        pracks: counts.pracks,
        challenges: counts.challenges,
        glares: counts.glares,
        requests_again: counts.requests_again,
        responses_again: counts.responses_again,
        timer: call.timer.map(|timer| Timer {
            expires_s: timer.expires_s,
            refresher: timer.refresher.map(side),
            refreshes: timer.refreshes,
            missed: timer.missed,
            ended_call: timer.ended_call,
        }),
        dialled: call.dialled.clone(),
        diverted_from: call.diverted_from.clone(),
        redirected_to: call.redirected_to.clone(),
        marks: marks(call),
        branches: branches.iter().map(branch).collect(),
        transfers: call.transfers.iter().map(transfer).collect(),
        custom_headers: headers(&call.custom_headers),
        side_tables: side_tables(call, kept),
    }
}

/// Values of configured headers, sorted by name.
pub(super) fn headers(headers: &[ringtap_call::CustomHeader]) -> Vec<CustomHeader> {
    let one = |h: &ringtap_call::CustomHeader| CustomHeader {
        name: h.name.clone(),
        value: h.value.clone(),
    };
    let mut headers: Vec<_> = headers.iter().map(one).collect();
    headers.sort_unstable();
    headers
}

fn marks(call: &CallSummary) -> CompactString {
    let flags = &call.flags;
    let all = [
        ("answer_inferred", flags.answer_inferred),
        ("both_hung_up", flags.both_hung_up),
        ("cancelled", flags.cancelled),
        ("challenged", flags.challenged),
        ("codec_changed", flags.codec_changed),
        ("early_media", flags.early_media),
        ("forked", flags.forked),
        ("mid_dialog", flags.mid_dialog),
        ("no_invite", flags.no_invite),
        ("replaced", flags.replaced),
        ("unacknowledged", flags.unacknowledged),
    ];
    let mut text = CompactString::default();
    for (name, _) in all.into_iter().filter(|(_, is)| *is) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
    }
    text
}

fn branch(branch: &ringtap_call::Branch) -> Branch {
    Branch {
        tag: branch.tag.clone(),
        cseq: branch.cseq,
        addr: branch.address,
        number: branch.number.clone(),
        domain: branch.domain.clone(),
        agent: branch.user_agent.clone(),
        first_us: us(branch.first),
        ringing_us: branch.ringing.map(us),
        answered_us: branch.answered.map(us),
        ended_us: branch.ended.map(us),
        bye: branch.bye().code(),
        response_num: branch.response.status,
        response: format_compact!("{} {}", branch.response.status, branch.response.text),
        reason_sip: reason(branch.reason_sip.as_ref()),
        reason_q850: reason(branch.reason_q850.as_ref()),
        won: branch.won,
    }
}

fn transfer(transfer: &ringtap_call::Transfer) -> Transfer {
    Transfer {
        at_us: us(transfer.at),
        by: side(transfer.by),
        refer_to: transfer.refer_to.clone(),
        number: transfer.number.clone(),
        attended: transfer.attended,
        status: (transfer.status > 0).then_some(transfer.status),
        result: (transfer.result > 0).then_some(transfer.result),
    }
}

fn side_tables(call: &CallSummary, kept: &Kept) -> SideTables {
    let mut tables = SideTables { sdp: announced(call, kept.sdp), ..SideTables::default() };
    if kept.proxies {
        tables.proxies.extend(call.path.iter().map(|at| at.ip().to_canonical()));
    }
    if kept.responses {
        let mut seen = HashSet::new();
        let responses = call.ladder.iter().filter(|entry| !entry.request);
        let new = responses.filter(|entry| seen.insert(entry.text.as_str()));
        tables.responses = new.map(|entry| entry.text.clone()).collect();
    }
    let told = call.ladder.iter().filter(|entry| !entry.retransmission);
    let told = told.filter(|entry| {
        if entry.request {
            kept.history.keeps(Method::of(entry.text.as_bytes()))
        } else {
            kept.history.responses
        }
    });
    tables.history = told.map(|entry| history(call, entry)).collect();
    tables.history.sort_by_key(|told| told.since_us);
    tables
}

/// The endpoints of audio and video, no candidates: all, or the last of either side.
fn announced(call: &CallSummary, save: SaveSdp) -> Vec<Announced> {
    let plain = call.claims.iter().filter(|claim| !claim.candidate);
    let all = plain.map(|claim| Announced {
        addr: claim.endpoint,
        side: side(claim.side),
        ptime_ms: (claim.ptime_ms > 0).then_some(claim.ptime_ms),
    });
    match save {
        SaveSdp::No => Vec::new(),
        SaveSdp::All => all.collect(),
        SaveSdp::Last => {
            let mut last: Vec<Announced> = Vec::new();
            for one in all {
                last.retain(|old| old.side != one.side);
                last.push(one);
            }
            last
        }
    }
}

fn history(call: &CallSummary, entry: &LadderEntry) -> Told {
    let status = (!entry.request).then(|| entry.text.get(..3)?.parse().ok()).flatten();
    Told {
        since_us: entry.ts_ns.saturating_sub(call.first.ts_ns) / 1000,
        text: entry.text.clone(),
        status,
    }
}

/// The times on hold, in seconds since the first message: `2.000-4.500,6.000-`.
pub(super) fn holds(call: &CallSummary) -> CompactString {
    let mut text = String::new();
    let since = |at: Moment| at.since_ns(call.first) / 1000;
    for (from, to) in &call.holds {
        if !text.is_empty() {
            text.push(',');
        }
        clock::push_seconds(&mut text, since(*from));
        text.push('-');
        if let Some(to) = to {
            clock::push_seconds(&mut text, since(*to));
        }
    }
    text.into()
}

/// The digits that came by INFO.
pub(super) fn info_digits(call: &CallSummary) -> impl Iterator<Item = Dtmf> + '_ {
    call.digits.iter().map(|one| Dtmf {
        firsttime_us: one.at.since_ns(call.first) / 1000,
        saddr: one.src.ip(),
        daddr: one.dst.ip(),
        digit: one.digit,
        kind: DtmfKind::Info,
    })
}

/// Bits of the schema's `flags`, counted from 0, as far as they are known here.
pub(super) fn flags(call: &CallSummary, rtcp: bool) -> u64 {
    let flags = &call.flags;
    let bits = [
        (8, flags.event_in_request),
        (9, flags.event_in_response),
        (12, flags.audio),
        (13, flags.image),
        (14, flags.video),
        (17, rtcp),
        (31, flags.tcp),
        (32, flags.udp),
    ];
    bits.iter().filter(|(_, is)| *is).fold(0, |all, (bit, _)| all | 1 << bit)
}
