//! Spans of one call, by the names of VoIPmonitor's columns and of RFC 6076.
//!
//! RFC 6076 wants them measured at the user agent that calls; here they are measured where the
//! mirror is. Authentication and redirection are part of a call, and so of its delays (RFC 6076
//! §5.2).

use crate::summary::{Bye, CallSummary};

/// Timer F of RFC 3261 §17.1.2.2 with its default T1: after it, a BYE has failed.
const TIMER_F_NS: u64 = 32_000_000_000;

/// What became of a session request (RFC 6076 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestDelay {
    /// Of a call that was answered, or to which nothing final was said.
    Successful(u64),
    /// Of a call that was refused: 4xx, 5xx, 6xx.
    Failed(u64),
}

/// How long a session lasted (RFC 6076 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionDuration {
    /// Answer to BYE.
    Successful(u64),
    /// Answer to the expiry of timer F of a BYE that nobody answered.
    Failed(u64),
}

impl CallSummary {
    /// First message to the call's end, in nanoseconds.
    pub const fn duration_ns(&self) -> u64 {
        self.end.since_ns(self.first)
    }

    /// Answer to BYE (without one: to the call's end), in nanoseconds.
    pub fn connect_duration_ns(&self) -> Option<u64> {
        let connected = self.connected?;
        Some(self.bye_sent.unwrap_or(self.end).since_ns(connected))
    }

    /// Post-dial delay: first INVITE to first ringing or answer, in nanoseconds.
    pub fn progress_time_ns(&self) -> Option<u64> {
        self.progress.map(|at| at.since_ns(self.first))
    }

    /// First INVITE to 180, in nanoseconds.
    pub fn ringing_time_ns(&self) -> Option<u64> {
        self.ringing.map(|at| at.since_ns(self.first))
    }

    /// First INVITE to the answer, in nanoseconds.
    pub fn setup_time_ns(&self) -> Option<u64> {
        self.connected.map(|at| at.since_ns(self.first))
    }

    /// BYE to its final response, in nanoseconds.
    pub fn post_bye_delay_ns(&self) -> Option<u64> {
        Some(self.bye_answered?.since_ns(self.bye_sent?))
    }

    /// Session Request Delay (RFC 6076 §4.3): the first INVITE to the first response that tells
    /// something, be it provisional (not 100), 2xx or a failure. 3xx and 402 are no failures.
    pub fn session_request_delay(&self) -> Option<RequestDelay> {
        if self.flags.no_invite || self.flags.mid_dialog {
            return None;
        }
        let refused = self.refused.filter(|_| self.connected.is_none());
        let no_failure =
            self.last_response.as_ref().is_some_and(|r| matches!(r.status, 300..400 | 402));
        match (self.progress, refused) {
            (_, Some(_)) if no_failure => None,
            (first, Some(refused)) => {
                let told = first.map_or(refused, |first| {
                    if first.clock_ns < refused.clock_ns { first } else { refused }
                });
                Some(RequestDelay::Failed(told.since_ns(self.first)))
            }
            (Some(first), None) => Some(RequestDelay::Successful(first.since_ns(self.first))),
            (None, None) => None,
        }
    }

    /// Session Disconnect Delay (RFC 6076 §4.4): BYE to its 2xx, in nanoseconds. A challenge in
    /// between is part of it.
    pub fn session_disconnect_delay_ns(&self) -> Option<u64> {
        Some(self.bye_accepted?.since_ns(self.bye_sent?))
    }

    /// Session Duration Time (RFC 6076 §4.5).
    pub fn session_duration_time(&self) -> Option<SessionDuration> {
        let (connected, bye) = (self.connected?, self.bye_sent?);
        let talk = bye.since_ns(connected);
        Some(match self.bye {
            Bye::Unconfirmed | Bye::ByeTimeout if self.bye_answered.is_none() => {
                SessionDuration::Failed(talk.saturating_add(TIMER_F_NS))
            }
            _ => SessionDuration::Successful(talk),
        })
    }
}
