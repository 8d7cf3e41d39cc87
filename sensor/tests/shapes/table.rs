//! The table: call shapes, each with its ladder and the record that it must give.
//!
//! What is not said in a row is as in [`ANSWERED`] or [`REFUSED`]. Times are the ladder's own
//! pauses, in seconds; a record may be later by what the machine needs, never earlier.

mod answered;
mod dialog;
mod lost;
mod media;
mod refused;
mod transport;

use crate::ladder::Side;

/// What carries the signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Udp6,
    Tcp,
    Tcp6,
}

impl Over {
    pub(crate) fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Tcp6)
    }

    pub(crate) fn is_v6(self) -> bool {
        matches!(self, Self::Udp6 | Self::Tcp6)
    }

    /// As a Via says it.
    pub(crate) fn transport(self) -> &'static str {
        if self.is_tcp() { "TCP" } else { "UDP" }
    }

    /// The kernel's table of such sockets.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Udp6 => "udp6",
            Self::Tcp => "tcp",
            Self::Tcp6 => "tcp6",
        }
    }
}

/// How headers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    /// With the short names.
    Compact,
}

/// One call shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Its name, and the beginning of its Call-ID.
    pub(crate) name: &'static str,
    /// The Call-ID is filled up to this length.
    pub(crate) call_id_length: usize,
    pub(crate) over: Over,
    pub(crate) form: Form,
    pub(crate) ladder: &'static str,
    pub(crate) record: Expected,
}

/// Who sent a stream, its codec, and how many packets; all are received once and in order.
pub(crate) type Stream = (Side, &'static str, u64);

/// The record that a shape must give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// `lastSIPresponseNum`
    pub(crate) response: Option<u16>,
    /// `whohanged`
    pub(crate) hung_up: Option<Side>,
    /// `bye`
    pub(crate) bye: u64,
    /// `connect_duration`; none for a call that was not answered.
    pub(crate) talk: Option<f64>,
    /// `duration`
    pub(crate) lasts: f64,
    pub(crate) streams: &'static [Stream],
    /// `max_retransmission_invite`
    pub(crate) invites_again: u64,
    /// `reason_sip_cause` and `reason_q850_cause`
    pub(crate) reasons: [Option<u16>; 2],
    /// `digest_username`
    pub(crate) user: Option<&'static str>,
    /// Digits, and how they came (0: INFO, 2: RTP).
    pub(crate) digits: &'static [(&'static str, u64)],
    /// `hold`: from when to when, in seconds since the first message.
    pub(crate) held: Option<(f64, f64)>,
    /// `marks`
    pub(crate) marks: &'static str,
    /// What else was counted, by column; other columns of [`COUNTED`] are 0 or empty.
    pub(crate) counted: &'static [(&'static str, u64)],
    /// Of a call with several: each branch's tag, `bye`, response, and whether it carried the call.
    pub(crate) branches: &'static [(&'static str, u64, u16, u64)],
    /// Who transferred to whom, the REFER's response, and what came of it.
    pub(crate) transfer: Option<(&'static str, &'static str, u16, u16)>,
    /// `redirected_to`
    pub(crate) redirected_to: Option<&'static str>,
    /// `sighup`: still open when the sensor ends.
    pub(crate) open: bool,
}

/// Columns of what happened how often inside of a call.
pub(crate) const COUNTED: [&str; 7] = [
    "reinvites",
    "updates",
    "pracks",
    "challenges",
    "glares",
    "session_expires",
    "session_refreshes",
];

/// Both sides' audio, one second each.
const BOTH: &[Stream] = &[(Side::Caller, "PCMU", 50), (Side::Callee, "PCMU", 50)];
/// Until the last BYE of most calls.
const TALK: f64 = 2.4;

/// An answered call in which the caller hangs up, and both sides were heard.
const ANSWERED: Expected = Expected {
    response: Some(200),
    hung_up: Some(Side::Caller),
    bye: 3,
    talk: Some(TALK),
    lasts: 0.2 + TALK,
    streams: BOTH,
    invites_again: 0,
    reasons: [None, None],
    user: None,
    digits: &[],
    held: None,
    marks: "",
    counted: &[],
    branches: &[],
    transfer: None,
    redirected_to: None,
    open: false,
};

/// A call that was refused: rows say by which response.
const REFUSED: Expected = Expected {
    response: None,
    hung_up: None,
    bye: 0,
    talk: None,
    lasts: 0.0,
    streams: &[],
    ..ANSWERED
};

/// A call over UDP and IPv4, with plain headers.
const SHAPE: Shape = Shape {
    name: "",
    call_id_length: 0,
    over: Over::Udp,
    form: Form::Plain,
    ladder: "",
    record: ANSWERED,
};

/// Every shape.
pub(crate) fn all() -> Vec<Shape> {
    // Those that take longest come first.
    let parts = [
        lost::SHAPES,
        dialog::SHAPES,
        answered::SHAPES,
        media::SHAPES,
        transport::SHAPES,
        refused::SHAPES,
    ];
    parts.concat()
}
