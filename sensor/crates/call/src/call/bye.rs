//! How a call ends: BYE of either side, its answers, and the sum of it all.
//!
//! CANCEL is in `invite`.

use super::{Call, note_causes};
use crate::deadline::Why;
use crate::event::{Moment, Side};
use crate::side::Reading;
use crate::summary::{Bye, CallSummary};

impl Call {
    pub(super) fn on_bye(&mut self, reading: &Reading<'_>, side: Side, at: Moment) {
        if self.ends_branch_only(reading, at, false) && self.progress.bye.is_none() {
            return;
        }
        let first = match self.progress.bye {
            Some((first, _)) => first,
            None => {
                self.summary.bye_sent = Some(at);
                self.summary.hung_up = Some(side);
                at.clock_ns
            }
        };
        self.progress.bye = Some((first, at.clock_ns));
        self.summary.flags.both_hung_up |= self.summary.hung_up != Some(side);
        note_causes(&mut self.summary, reading.message);
    }

    pub(super) fn on_bye_response(&mut self, reading: &Reading<'_>, side: Side, at: Moment) {
        // A challenge is no end: the BYE comes again, with credentials.
        if reading.status < 200 || matches!(reading.status, 401 | 407) {
            return;
        }
        let accepted = reading.status < 300;
        if self.ends_branch_only(reading, at, accepted) && self.progress.bye.is_none() {
            return;
        }
        if self.progress.bye_answered.is_none() {
            self.progress.bye_answered = Some(at.clock_ns);
            self.summary.bye_answered = Some(at);
            self.summary.end = at;
        }
        if accepted {
            self.summary.bye_accepted.get_or_insert(at);
        }
        if self.progress.bye.is_none() {
            // Its BYE was not seen: the answer goes to who sent it.
            self.progress.bye = Some((at.clock_ns, at.clock_ns));
            self.summary.bye_sent = Some(at);
            self.summary.hung_up = Some(side.other());
        }
    }

    /// Ends the call.
    pub(crate) fn finish(mut self, why: Why, clock_ns: u64) -> Box<CallSummary> {
        let over = self.progress.bye_answered.is_some()
            || (self.progress.failed.is_some() && self.progress.failure_acked.is_some());
        self.choose_branch();
        let summary = &mut self.summary;
        if self.progress.bye_answered.is_none() {
            summary.end = summary.last_message;
            if self.progress.bye.is_none()
                && let Some(media) = self.progress.media
            {
                let more = media.saturating_sub(summary.end.clock_ns);
                summary.end.clock_ns += more;
                summary.end.ts_ns = summary.end.ts_ns.saturating_add(more);
            }
        }
        summary.closed_clock_ns = clock_ns;
        summary.flags.flushed = why == Why::Flushed && !over;
        summary.flags.replaced = why == Why::Replaced;
        summary.flags.unacknowledged = summary.connected.is_some() && !self.acknowledged;
        if summary.last_response.as_ref().is_none_or(|r| r.status < 200) {
            // What the first sender did not hear in our sight, a branch may have said.
            let said = summary.branches.iter().map(|b| &b.response).find(|r| r.status >= 200);
            if let Some(said) = said.filter(|_| summary.connected.is_none()) {
                summary.last_response = Some(said.clone());
            }
        }
        let [caller, callee] = self.sides;
        summary.bye = match why {
            Why::Limit(bye) => bye,
            _ if caller != callee => Bye::OneWay,
            _ if self.progress.bye.is_some() && summary.progress.is_none() => Bye::WithoutResponse,
            _ if summary.bye_accepted.is_some() => Bye::Confirmed,
            _ if self.progress.bye.is_some() => Bye::Unconfirmed,
            _ if summary.connected.is_some() => Bye::Missing,
            _ => Bye::NotConnected,
        };
        self.end_timer();
        Box::new(self.summary)
    }
}
