//! The INVITE's own transaction: attempts, branches, responses, ACK and CANCEL.
//!
//! BYE, media and everything else of a dialog is in [`super`].

use std::net::SocketAddr;

use compact_str::CompactString;
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
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(super) branch: u64,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    /// Whom its Request-URI asks for.
    pub(super) number: CompactString,
    pub(super) domain: CompactString,
    sent: u32,
    finished: bool,
    cancelled: bool,
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
        if self.proves_answer(reading, side) {
            self.summary.flags.answer_inferred = true;
            self.summary.progress.get_or_insert(at);
            self.summary.connected = Some(at);
        }
        let inside =
            reading.to_tag != 0 && (self.summary.connected.is_some() || side == Side::Callee);
        if inside || side == Side::Callee {
            let new = self.on_change(reading, side, at);
            self.summary.reinvites += u32::from(new && self.summary.invites > 1);
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
            None if room => self.add_hop(reading),
            None => counters.dialog_omitted += 1,
        }
    }

    /// A re-INVITE in a call whose answer was not seen: without one there is no dialog to change.
    /// Some user agents put the tag of a challenge in the INVITE that meets it.
    fn proves_answer(&self, reading: &Reading<'_>, side: Side) -> bool {
        let open = self.progress.failed.is_none() && self.progress.bye.is_none();
        reading.to_tag != 0
            && side == Side::Caller
            && reading.cseq > self.invite_cseq
            && self.summary.connected.is_none()
            && self.progress.challenged.is_none()
            && open
            && !self.hops.is_empty()
    }

    fn add_hop(&mut self, reading: &Reading<'_>) {
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        let uri = reading.message.request_uri().unwrap_or_default();
        self.hops.push(Hop {
            branch: reading.branch,
            src,
            dst,
            number: clip(uri.number(), TEXT_MAX),
            domain: clip(uri.host(), TEXT_MAX),
            sent: 1,
            finished: false,
            cancelled: false,
        });
        self.note_path(dst);
        // A branch that begins after another one failed: the call goes on.
        self.progress.failed = None;
        self.progress.failure_acked = None;
        self.summary.refused = None;
        // So it does where the first sender gave up one branch and tries the next.
        if self.is_head(src) && self.summary.connected.is_none() {
            self.progress.challenged = None;
            if self.progress.cancelled.take().is_some() {
                self.summary.flags.cancelled = false;
                self.summary.cancelled = None;
                self.summary.hung_up = None;
            }
        }
    }

    /// The first sender of the INVITE: how it fares there is how the call fares.
    fn is_head(&self, sender: SocketAddr) -> bool {
        self.hops.first().is_none_or(|first| first.src == sender)
    }

    /// The hop of a transaction, by its branch, else by its way.
    fn hop(&mut self, branch: u64, src: SocketAddr, dst: SocketAddr) -> Option<&mut Hop> {
        let by_branch = self.hops.iter().position(|h| h.branch == branch && h.src == src);
        let by_way = || self.hops.iter().position(|h| h.src == src && h.dst == dst);
        let index = by_branch.or_else(by_way)?;
        self.hops.get_mut(index)
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
        self.summary.refused = None;
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
        self.note_branch(reading, at, counters);
        let wait_ns = at.since_ns(since).saturating_add(500_000);
        let wait_ms = u32::try_from(wait_ns / 1_000_000).unwrap_or(u32::MAX);
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
                // The INVITE has gone on past whoever challenged it.
                self.progress.challenged = None;
                if summary.progress.is_none_or(|known| known.clock_ns > at.clock_ns) {
                    summary.progress = Some(at);
                }
                if reading.status == 180 {
                    summary.ringing.get_or_insert(at);
                }
            }
            200..300 => self.on_answer(reading, at),
            _ => {
                self.on_failure(reading, at, counters);
                return;
            }
        }
        self.note_response(reading);
    }

    fn on_answer(&mut self, reading: &Reading<'_>, at: Moment) {
        self.summary.progress.get_or_insert(at);
        let (src, dst) = (reading.meta.dst, reading.meta.src);
        self.answerer.get_or_insert(dst.ip());
        if let Some(hop) = self.hop(reading.branch, src, dst) {
            hop.finished = true;
        }
        // One that comes after a BYE was on its way before it, or is the answer to nothing.
        if let Some((bye, _)) = self.progress.bye
            && at.clock_ns > bye
        {
            return;
        }
        let summary = &mut self.summary;
        summary.connected = Some(at);
        summary.refused = None;
        // What other branches were refused for says nothing of this call.
        summary.reason_sip = None;
        summary.reason_q850 = None;
        self.acknowledged |= self.late_ack.take().is_some();
        if self.progress.bye.is_none() {
            // The CANCEL came too late; only a BYE ends the call now.
            summary.hung_up = None;
        }
        self.start_timer(reading, at);
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
        let known = !self.hops.is_empty();
        match self.hop(reading.branch, src, dst) {
            Some(hop) => hop.finished = true,
            None => counters.dialog_omitted += u64::from(known),
        }
        // What the first sender hears is how the call went. What a proxy hears on one of its
        // branches, it may keep to itself.
        let head = self.is_head(src);
        if matches!(reading.status, 401 | 407) {
            self.summary.flags.challenged = true;
            self.progress.challenged = Some(at.clock_ns);
            if self.challenged_cseq != Some(reading.cseq) {
                self.challenged_cseq = Some(reading.cseq);
                self.summary.counts.challenges += 1;
            }
        }
        if !head {
            return;
        }
        note_causes(&mut self.summary, reading.message);
        self.note_response(reading);
        if matches!(reading.status, 401 | 407) {
            return;
        }
        if (300..400).contains(&reading.status)
            && let Some(contact) = reading.message.contact()
        {
            let text = ringtap_sip::Text::new(contact.uri.as_bytes());
            self.summary.redirected_to = clip(text, TEXT_MAX);
        }
        // All branches of the first sender must have an end.
        let first = self.hops.first().map(|h| h.src);
        let open = self.hops.iter().any(|h| Some(h.src) == first && !h.finished);
        if !open {
            self.progress.failed.get_or_insert((at.clock_ns, reading.status));
            self.summary.refused.get_or_insert(at);
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

    /// A CANCEL of the caller, or of a proxy for one of its branches.
    pub(super) fn on_cancel(&mut self, reading: &Reading<'_>, at: Moment) {
        if reading.cseq != self.invite_cseq {
            return;
        }
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        if let Some(hop) = self.hop(reading.branch, src, dst) {
            hop.cancelled = true;
        }
        if self.summary.connected.is_some() || !self.is_head(src) {
            return;
        }
        let open = |h: &Hop| h.src == src && !h.finished && !h.cancelled;
        if self.hops.iter().any(open) {
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
