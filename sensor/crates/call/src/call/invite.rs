//! The INVITE's own transaction: attempts, branches, responses, ACK and CANCEL.
//!
//! BYE, media and everything else of a dialog is in [`super`].

use std::net::SocketAddr;

use ringtap_sip::StartLine;

use super::{Call, note_causes};
use crate::counters::Counters;
use crate::event::{Moment, Side};
use crate::options::Options;
use crate::side::Reading;
use crate::summary::{LONG_TEXT_MAX, PATH_MAX, Response, TEXT_MAX, clip};

/// INVITE transactions kept of one attempt: hops and forks.
const HOPS_MAX: usize = 16;

/// One INVITE client transaction on one hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    branch: u64,
    src: SocketAddr,
    dst: SocketAddr,
    sent: u32,
    finished: bool,
}

impl Call {
    pub(super) fn on_invite(
        &mut self,
        reading: &Reading<'_>,
        side: Side,
        at: Moment,
        counters: &mut Counters,
    ) {
        self.summary.invites += 1;
        let inside =
            reading.to_tag != 0 && (self.summary.connected.is_some() || side == Side::Callee);
        if inside || side == Side::Callee {
            self.summary.reinvites += u32::from(self.summary.invites > 1);
            return;
        }
        if self.hops.is_empty() {
            self.first_invite(reading, at);
        } else if reading.cseq > self.invite_cseq
            && self.summary.connected.is_none()
            && (reading.from_tag == self.tags.first_caller() || self.progress.challenged.is_some())
        {
            // Another tag and number without a challenge: another leg that keeps the Call-ID.
            self.next_attempt(reading, at);
        }
        self.note_credentials(reading);
        if reading.cseq != self.invite_cseq {
            return;
        }
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        let room = self.hops.len() < HOPS_MAX;
        let known = self
            .hops
            .iter()
            .position(|h| h.branch == reading.branch && h.src == src && h.dst == dst);
        match known.and_then(|index| self.hops.get_mut(index)) {
            Some(hop) => {
                hop.sent += 1;
                let again = hop.sent - 1;
                let most = &mut self.summary.max_retransmission_invite;
                *most = again.max(*most);
            }
            None if room => {
                self.hops.push(Hop { branch: reading.branch, src, dst, sent: 1, finished: false });
                self.note_path(dst);
                // A branch that begins after another one failed: the call goes on.
                self.progress.failed = None;
                self.progress.failure_acked = None;
            }
            None => counters.dialog_omitted += 1,
        }
    }

    /// The first INVITE seen, be it the call's first message or late behind a response.
    fn first_invite(&mut self, reading: &Reading<'_>, at: Moment) {
        let summary = &mut self.summary;
        summary.flags.no_invite = false;
        self.invite_cseq = reading.cseq;
        self.invited = at;
        self.progress.invited = at.clock_ns;
        self.progress.unanswered = summary.messages == 1;
        if let Some(uri) = reading.message.request_uri() {
            summary.dialled = clip(uri.number(), TEXT_MAX);
        }
        if let Some(from) = reading.message.diversion() {
            summary.diverted_from = clip(from.uri.number(), TEXT_MAX);
        }
        if let Some(replaces) = reading.message.replaces() {
            summary.replaces = clip(ringtap_sip::Text::new(replaces.call_id), LONG_TEXT_MAX);
        }
    }

    /// The same call tried again: with credentials, at another place, or after a refusal.
    fn next_attempt(&mut self, reading: &Reading<'_>, at: Moment) {
        self.invite_cseq = reading.cseq;
        self.invited = at;
        self.fresh_attempt = true;
        self.hops.clear();
        self.progress.invited = at.clock_ns;
        self.progress.challenged = None;
        self.progress.failed = None;
        self.progress.failure_acked = None;
        self.progress.cancelled = None;
    }

    fn note_credentials(&mut self, reading: &Reading<'_>) {
        let Some(credentials) = reading.message.credentials() else { return };
        let summary = &mut self.summary;
        if summary.digest_username.is_empty() {
            summary.digest_username = clip(credentials.username().unwrap_or_default(), TEXT_MAX);
            summary.digest_realm = clip(credentials.realm().unwrap_or_default(), TEXT_MAX);
        }
    }

    fn note_path(&mut self, dst: SocketAddr) {
        let summary = &mut self.summary;
        if dst != summary.called.address
            && summary.path.len() < PATH_MAX
            && !summary.path.contains(&dst)
        {
            summary.path.push(dst);
        }
    }

    pub(super) fn on_invite_response(
        &mut self,
        reading: &Reading<'_>,
        side: Side,
        at: Moment,
        options: &Options,
        counters: &mut Counters,
    ) {
        self.progress.unanswered = false;
        // Responses to re-INVITEs, or to an attempt long past, do not change how the call went.
        if side == Side::Caller || reading.cseq != self.invite_cseq || reading.status == 0 {
            return;
        }
        let since =
            if options.response_time_from_first_invite { self.summary.first } else { self.invited };
        let wait_ms = u32::try_from(at.since_ns(since) / 1_000_000).unwrap_or(u32::MAX);
        let summary = &mut self.summary;
        match reading.status {
            100 => {
                summary.trying.get_or_insert(at);
                summary.response_time_100_ms.get_or_insert(wait_ms);
            }
            _ => {
                summary.response_time_xxx_ms.get_or_insert(wait_ms);
            }
        }
        if summary.flags.answer_inferred && reading.status >= 200 {
            self.take_back_inference();
        }
        let summary = &mut self.summary;
        let inferred = summary.flags.answer_inferred;
        if summary.connected.is_some() && !inferred {
            return;
        }
        match reading.status {
            100 => {}
            101..200 => {
                if summary.progress.is_none_or(|known| known.clock_ns > at.clock_ns) {
                    summary.progress = Some(at);
                }
                if reading.status == 180 {
                    summary.ringing.get_or_insert(at);
                }
            }
            200..300 => {
                summary.progress.get_or_insert(at);
                if self.progress.bye.is_none() {
                    summary.connected = Some(at);
                    self.acknowledged |= self.late_ack.take().is_some();
                    // The CANCEL came too late; only a BYE ends the call now.
                    summary.hung_up = None;
                }
            }
            _ => self.on_failure(reading, at, counters),
        }
        self.note_response(reading);
    }

    /// The response that the ACK made us infer has come after all, late (a mirror's two
    /// directions travel on different ways): it tells how the call went.
    fn take_back_inference(&mut self) {
        let summary = &mut self.summary;
        summary.flags.answer_inferred = false;
        let inferred = summary.connected.take();
        if summary.progress == inferred {
            summary.progress = None;
        }
        self.acknowledged = false;
        self.late_ack = inferred;
    }

    fn on_failure(&mut self, reading: &Reading<'_>, at: Moment, counters: &mut Counters) {
        let (src, dst) = (reading.meta.dst, reading.meta.src);
        let by_branch = self.hops.iter().position(|h| h.branch == reading.branch && h.src == src);
        let by_way = || self.hops.iter().position(|h| h.src == src && h.dst == dst);
        match by_branch.or_else(by_way).and_then(|index| self.hops.get_mut(index)) {
            Some(hop) => hop.finished = true,
            None => counters.dialog_omitted += u64::from(!self.hops.is_empty()),
        }
        note_causes(&mut self.summary, reading.message);
        if matches!(reading.status, 401 | 407) {
            self.summary.flags.challenged = true;
            self.progress.challenged = Some(at.clock_ns);
            return;
        }
        // What the first sender hears is how the call went: all its branches must have an end.
        let head = self.hops.first().map(|h| h.src);
        let open = self.hops.iter().any(|h| Some(h.src) == head && !h.finished);
        if !open {
            self.progress.failed.get_or_insert((at.clock_ns, reading.status));
            if let Some(acked) = self.late_ack.take() {
                self.progress.failure_acked = Some(acked.clock_ns);
            }
        }
    }

    fn note_response(&mut self, reading: &Reading<'_>) {
        let old = self.summary.last_response.as_ref().map_or(0, |r| r.status);
        // A provisional response of another branch does not undo a final one.
        let past = matches!(old, 401 | 407) || self.fresh_attempt;
        if old == reading.status || (reading.status < 200 && old >= 200 && !past) {
            return;
        }
        self.fresh_attempt = false;
        if let StartLine::Response { status, phrase } = reading.message.start() {
            self.summary.last_response = Some(Response { status, text: clip(phrase, TEXT_MAX) });
        }
    }

    pub(super) fn on_ack(&mut self, reading: &Reading<'_>, side: Side, at: Moment) {
        self.progress.unanswered = false;
        if reading.cseq != self.invite_cseq || side == Side::Callee {
            return;
        }
        if self.summary.connected.is_some() {
            self.acknowledged = true;
        } else if self.progress.failed.is_some() {
            self.progress.failure_acked = Some(at.clock_ns);
        } else if self.is_ack_of_success(reading) {
            self.acknowledged = true;
            self.summary.flags.answer_inferred = true;
            self.summary.progress.get_or_insert(at);
            self.summary.connected = Some(at);
        }
    }

    /// An ACK to a 2xx has a branch of its own, one to a failure that of its INVITE.
    fn is_ack_of_success(&self, reading: &Reading<'_>) -> bool {
        let idle = self.progress.bye.is_none() && self.progress.challenged.is_none();
        let own = reading.branch != 0 && !self.hops.iter().any(|h| h.branch == reading.branch);
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        // A proxy's ACK to a failure on a branch that was not seen looks the same.
        let on_first_hop = self.hops.first().is_some_and(|h| h.src == src || h.dst == dst);
        idle && own && on_first_hop && reading.to_tag != 0
    }

    pub(super) fn on_cancel(&mut self, reading: &Reading<'_>, at: Moment) {
        if self.summary.connected.is_some() || reading.cseq != self.invite_cseq {
            return;
        }
        let summary = &mut self.summary;
        summary.flags.cancelled = true;
        summary.cancelled.get_or_insert(at);
        summary.hung_up.get_or_insert(Side::Caller);
        self.progress.cancelled = Some(at.clock_ns);
        note_causes(summary, reading.message);
    }
}
