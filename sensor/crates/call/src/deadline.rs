//! When a call has to be closed, and why: a function of its state alone.
//!
//! Keeps no timers; [`crate::Calls`] does.

use crate::options::Options;
use crate::summary::{Bye, CallSummary};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds of a millisecond.
const MILLI_NS: u64 = 1_000_000;

/// Why a call is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is over.
    Over,
    /// A timeout or limit with a code of its own.
    Limit(Bye),
    /// Its Call-ID begins a new call.
    Replaced,
    /// No more input.
    Flushed,
}

/// What the deadline depends on; clocks in monotonic nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The current INVITE.
    pub(crate) invited: u64,
    /// The last message.
    pub(crate) last: u64,
    /// The last media.
    pub(crate) media: Option<u64>,
    /// The last 401 or 407, while no new INVITE has followed.
    pub(crate) challenged: Option<u64>,
    /// The last other failure response, and its status, while the INVITE has no open branch.
    pub(crate) failed: Option<(u64, u16)>,
    /// The last ACK to a failure.
    pub(crate) failure_acked: Option<u64>,
    /// The last CANCEL.
    pub(crate) cancelled: Option<u64>,
    /// The first and the last BYE.
    pub(crate) bye: Option<(u64, u64)>,
    /// The first final answer to a BYE, challenges apart.
    pub(crate) bye_answered: Option<u64>,
    /// Nothing but INVITEs and CANCELs of the caller was seen.
    pub(crate) unanswered: bool,
}

/// The next deadline of a call.
pub(crate) fn of(progress: &Progress, summary: &CallSummary, options: &Options) -> (u64, Why) {
    let seconds = |n: u32| u64::from(n) * SECOND_NS;
    let millis = |n: u32| u64::from(n) * MILLI_NS;
    let at = |from: u64, wait: u64| from.saturating_add(wait);
    let mut due = (
        at(summary.first.clock_ns, seconds(options.absolute_timeout)),
        Why::Limit(Bye::AbsoluteTimeout),
    );
    let mut sooner = |time: u64, why: Why| {
        if time < due.0 {
            due = (time, why);
        }
    };
    if let Some(answered) = progress.bye_answered {
        sooner(at(answered, millis(options.linger_ms)), Why::Over);
        return due;
    }
    if let Some((first, last)) = progress.bye {
        sooner(at(last, millis(options.bye_unconfirmed_ms)), Why::Over);
        sooner(at(first, seconds(options.bye_timeout)), Why::Limit(Bye::ByeTimeout));
        return due;
    }
    if summary.connected.is_none() {
        if let Some((failed, status)) = progress.failed {
            match progress.failure_acked {
                Some(acked) => {
                    let wait = if asks_again(status) {
                        seconds(options.retry_timeout)
                    } else {
                        millis(options.linger_ms)
                    };
                    sooner(at(failed.max(acked), wait), Why::Over);
                }
                None => sooner(at(failed, seconds(unacknowledged(status, options))), Why::Over),
            }
        } else if let Some(challenged) = progress.challenged {
            sooner(at(challenged, seconds(options.challenge_timeout)), Why::Over);
        } else if let Some(cancelled) = progress.cancelled {
            sooner(at(cancelled, seconds(options.cancel_timeout)), Why::Over);
        }
    }
    match progress.media {
        Some(media) => {
            let idle = at(media.max(progress.last), seconds(options.rtptimeout));
            sooner(idle, Why::Limit(Bye::RtpTimeout));
        }
        None if summary.progress.is_some() => {
            let idle = at(progress.last, seconds(options.sipwithoutrtptimeout));
            sooner(idle, Why::Limit(Bye::NoRtp));
        }
        None => {
            // A refusal is an answer, too: it has its own time.
            if progress.failed.is_none() {
                let idle = at(progress.invited, seconds(options.zombie_timeout));
                sooner(idle, Why::Limit(Bye::Zombie));
            }
            if progress.unanswered {
                let idle = at(progress.last, seconds(options.onewaytimeout));
                sooner(idle, Why::Limit(Bye::OneWayTimeout));
            }
        }
    }
    due
}

/// Whether a refusal makes user agents send another INVITE of the same call by themselves
/// (RFC 3261 §8.1.3, §21.4; RFC 4028 §7.4; RFC 3578 §3 for overlap dialling).
const fn asks_again(status: u16) -> bool {
    matches!(status, 300..400 | 413..=416 | 420..=422 | 428 | 484 | 491 | 494)
}

/// Seconds that an unacknowledged final response is waited on.
fn unacknowledged(status: u16, options: &Options) -> u32 {
    match status {
        300..400 => options.redirect_response_300_timeout,
        481 => 180,
        487 => 15,
        _ => options.response_default_timeout,
    }
}
