//! What a call's signalling said beyond its plain course: branches, session timer, transfers,
//! digits in INFO.
//!
//! Plain data, bounded; part of [`crate::CallSummary`].

use std::net::SocketAddr;

use compact_str::CompactString;

use crate::event::{Moment, Side};
use crate::summary::{Bye, Cause, Response};

/// Branches kept of a call.
pub const BRANCHES_MAX: usize = 16;
/// Transfers kept of a call.
pub const TRANSFERS_MAX: usize = 4;
/// Digits in INFO kept of a call.
pub const DIGITS_MAX: usize = 256;
/// Longest text kept of a tag, in bytes.
pub const TAG_MAX: usize = 128;

/// One dialog that the INVITE led to: a To-tag of its responses (RFC 3261 §12.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The To-tag.
    pub tag: CompactString,
    /// Number of the INVITE that it answers.
    pub cseq: u32,
    /// Where its first response came from: the nearest to the callee that was seen.
    pub address: SocketAddr,
    /// Number that was asked for on the hop where its first response was seen.
    pub number: CompactString,
    /// Domain that was asked for there.
    pub domain: CompactString,
    /// Server or User-Agent.
    pub user_agent: CompactString,
    /// Its first response above 100.
    pub first: Moment,
    /// Its first 180.
    pub ringing: Option<Moment>,
    /// Its first 2xx.
    pub answered: Option<Moment>,
    /// The first BYE of its dialog.
    pub ended: Option<Moment>,
    /// That BYE was answered with 2xx.
    pub confirmed: bool,
    /// Its final response, else its last.
    pub response: Response,
    /// Reason header of that response, protocol SIP.
    pub reason_sip: Option<Cause>,
    /// Reason header of that response, protocol Q.850.
    pub reason_q850: Option<Cause>,
    /// The call was carried on it.
    pub won: bool,
}

impl Branch {
    /// How it ended, by its own messages.
    pub const fn bye(&self) -> Bye {
        match (self.answered, self.ended, self.confirmed) {
            (_, Some(_), true) => Bye::Confirmed,
            (_, Some(_), false) => Bye::Unconfirmed,
            (Some(_), None, _) => Bye::Missing,
            (None, None, _) => Bye::NotConnected,
        }
    }
}

/// A session timer (RFC 4028), as the last answer set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval in seconds.
    pub expires_s: u32,
    /// Who refreshes, where that is said.
    pub refresher: Option<Side>,
    /// Refreshes seen: re-INVITE or UPDATE with 2xx.
    pub refreshes: u32,
    /// The answer or the last refresh.
    pub last: Moment,
    /// A refresh came later than the interval, or none came in time and the call went on.
    pub missed: bool,
    /// The call was hung up when a refresh was due: from a third of the interval, at most 32 s,
    /// before its end (RFC 4028 §10).
    pub ended_call: bool,
}

/// A REFER inside of the call (RFC 3515).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it was sent.
    pub at: Moment,
    /// Who sent it.
    pub by: Side,
    /// Its `CSeq` number, by which NOTIFY may name it.
    pub cseq: u32,
    /// Refer-To as it stood.
    pub refer_to: CompactString,
    /// Number in it.
    pub number: CompactString,
    /// It names a dialog to be replaced: a transfer after consultation (RFC 5589 §7).
    pub attended: bool,
    /// Final response to the REFER, 0 for none.
    pub status: u16,
    /// Last status that NOTIFY told of the new call (`message/sipfrag`), 0 for none.
    pub result: u16,
}

/// A digit in a SIP INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoDigit {
    /// When the INFO was sent.
    pub at: Moment,
    /// From where.
    pub src: SocketAddr,
    /// To where.
    pub dst: SocketAddr,
    /// Who sent it.
    pub by: Side,
    /// The INFO's `CSeq` number.
    pub cseq: u32,
    /// `0`–`9`, `*`, `#`, `A`–`D`, `!`.
    pub digit: char,
}

/// How often things happened; retransmissions and further hops count once unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// 401 and 407 to INVITE, each number once.
    pub challenges: u32,
    /// 491: both sides wanted to change the session at once.
    pub glares: u32,
    /// UPDATE.
    pub updates: u32,
    /// PRACK, those of every hop.
    pub pracks: u32,
    /// Requests that were seen again on the same hop.
    pub requests_again: u32,
    /// Responses that were seen again on the same hop.
    pub responses_again: u32,
}
