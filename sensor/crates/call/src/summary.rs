//! Everything the signalling of one call said.
//!
//! Filled by [`crate::Calls`] while the call runs; knows no media but what was announced.

pub mod facts;
pub mod metrics;

use std::fmt::Write;
use std::net::SocketAddr;

use compact_str::CompactString;
use ringtap_common::peel::Tunnel;
use ringtap_sip::{Reason, Text};
use smallvec::SmallVec;

use crate::call::{CustomHeader, Ties};
use crate::event::{Claim, Moment, PayloadType, Side};
use crate::key::CallKey;
use facts::{Branch, Counts, InfoDigit, SessionTimer, Transfer};

/// Ladder entries kept for a call: the first ones and the last ones.
pub const LADDER_MAX: usize = 64;
/// Of them, the last ones.
pub const LADDER_TAIL: usize = 16;
/// Claims made for a call.
pub const CLAIMS_MAX: usize = 40;
/// Hold periods kept for a call.
pub const HOLDS_MAX: usize = 32;
/// Addresses kept of a call's path.
pub const PATH_MAX: usize = 8;
/// Longest text kept of a number, name, domain or response, in bytes.
pub const TEXT_MAX: usize = 255;
/// Longest text kept of a user agent or Call-ID, in bytes.
pub const LONG_TEXT_MAX: usize = 512;

/// How a call ended, with the codes of the `bye` column.
///
/// Two codes of the schema are never given: 100 (the sensor lost packets), because what the sensor
/// lost is a fact beside the end and not an end, and 110 (closed by an operator), because there is
/// no command for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bye {
    /// Never answered.
    #[default]
    NotConnected = 0,
    /// Answered, no BYE seen.
    Missing = 1,
    /// BYE without a 2xx.
    Unconfirmed = 2,
    /// BYE and its 2xx.
    Confirmed = 3,
    /// Only one side's messages were seen.
    OneWay = 101,
    /// `absolute_timeout`.
    AbsoluteTimeout = 102,
    /// `bye_timeout`.
    ByeTimeout = 103,
    /// `rtptimeout`.
    RtpTimeout = 104,
    /// `onewaytimeout`: an INVITE that nobody answers.
    OneWayTimeout = 105,
    /// BYE in a call that was neither rung nor answered.
    WithoutResponse = 106,
    /// No 18x, no 2xx, no media.
    Zombie = 107,
    /// `sipwithoutrtptimeout`.
    NoRtp = 108,
    /// More messages than allowed.
    TooManyMessages = 109,
}

impl Bye {
    /// The code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// One side of a call, as the signalling names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// User part of From (caller) or To (called), or a `tel:` number.
    pub number: CompactString,
    /// Host part; empty for `tel:`.
    pub domain: CompactString,
    /// Display name.
    pub name: CompactString,
    /// Where its signalling came from or went to, in the first INVITE seen.
    pub address: SocketAddr,
    /// User-Agent or Server.
    pub user_agent: CompactString,
    /// Number that a P-Asserted-Identity or Remote-Party-ID of this side gives.
    pub asserted: CompactString,
    /// Session-ID that this side sends (RFC 7989).
    pub session_id: CompactString,
    /// DSCP of its first message.
    pub dscp: u8,
}

impl Party {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let empty = CompactString::const_new("");
        Self {
            number: empty.clone(),
            domain: empty.clone(),
            name: empty.clone(),
            address,
            user_agent: empty.clone(),
            asserted: empty.clone(),
            session_id: empty,
            dscp: 0,
        }
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub text: CompactString,
}

/// One value of a Reason header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The cause code.
    pub cause: u16,
    /// The text.
    pub text: CompactString,
}

/// One message of a call, for the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderEntry {
    /// UNIX nanoseconds.
    pub ts_ns: u64,
    /// Where it came from.
    pub src: SocketAddr,
    /// Where it went.
    pub dst: SocketAddr,
    /// Method, or status and phrase.
    pub text: CompactString,
    /// It carried a session description.
    pub sdp: bool,
    /// It is a request.
    pub request: bool,
    /// The same message was seen before on the same way.
    pub retransmission: bool,
}

/// Facts that are either so or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct Flags {
    /// Messages over UDP.
    pub udp: bool,
    /// Messages over TCP.
    pub tcp: bool,
    /// The first INVITE seen already belonged to a dialog, or there was none.
    pub mid_dialog: bool,
    /// No INVITE was seen, only responses to one.
    pub no_invite: bool,
    /// A provisional response announced media.
    pub early_media: bool,
    /// The INVITE was cancelled.
    pub cancelled: bool,
    /// The INVITE was challenged with 401 or 407.
    pub challenged: bool,
    /// More than one callee tag answered one INVITE: it was forked.
    pub forked: bool,
    /// An answer inside of the call named another audio codec first than the one before.
    pub codec_changed: bool,
    /// Both sides sent a BYE.
    pub both_hung_up: bool,
    /// telephone-event was offered in a request.
    pub event_in_request: bool,
    /// telephone-event was named in a response.
    pub event_in_response: bool,
    /// Audio was announced.
    pub audio: bool,
    /// A 2xx to the INVITE was never acknowledged in our sight.
    pub unacknowledged: bool,
    /// Closed by the end of input or a shutdown while it was still going on.
    pub flushed: bool,
    /// Closed because its Call-ID was used for a new call.
    pub replaced: bool,
    /// The answer was not seen, only its ACK or a re-INVITE: `connected` is the time of that.
    pub answer_inferred: bool,
    /// Image media (T.38) was announced.
    pub image: bool,
    /// Video was announced.
    pub video: bool,
}

/// All signalling facts of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// The call's key.
    pub call: CallKey,
    /// Tells calls apart that use one Call-ID after another: clock of the first message.
    pub instance: u64,
    /// The Call-ID.
    pub call_id: CompactString,
    /// The first message.
    pub first: Moment,
    /// The call's end: answer to the BYE, else last message or media.
    pub end: Moment,
    /// The last message, retransmissions included.
    pub last_message: Moment,
    /// When the call was closed, monotonic nanoseconds.
    pub closed_clock_ns: u64,
    /// Who called.
    pub caller: Party,
    /// Who was called, by To.
    pub called: Party,
    /// User part of the first Request-URI.
    pub dialled: CompactString,
    /// Number of the topmost Diversion of the first INVITE.
    pub diverted_from: CompactString,
    /// The first 100.
    pub trying: Option<Moment>,
    /// The first 101 to 199, or the 2xx.
    pub progress: Option<Moment>,
    /// The first 180.
    pub ringing: Option<Moment>,
    /// The first 2xx; of several branches, that of the one which carried the call.
    pub connected: Option<Moment>,
    /// The failure response that ended the first sender's attempt; no challenge.
    pub refused: Option<Moment>,
    /// The first BYE.
    pub bye_sent: Option<Moment>,
    /// The first final response to it that was no challenge.
    pub bye_answered: Option<Moment>,
    /// The first 2xx to it.
    pub bye_accepted: Option<Moment>,
    /// The first CANCEL.
    pub cancelled: Option<Moment>,
    /// The response that tells how the INVITE went: a 2xx, else the last final, else the last.
    pub last_response: Option<Response>,
    /// Who sent the BYE or the CANCEL.
    pub hung_up: Option<Side>,
    /// How it ended.
    pub bye: Bye,
    /// Reason header with protocol SIP.
    pub reason_sip: Option<Cause>,
    /// Reason header with protocol Q.850.
    pub reason_q850: Option<Cause>,
    /// INVITE to its 100, in milliseconds.
    pub response_time_100_ms: Option<u32>,
    /// INVITE to its first other response, in milliseconds.
    pub response_time_xxx_ms: Option<u32>,
    /// Messages of the call.
    pub messages: u32,
    /// INVITEs, retransmissions included.
    pub invites: u32,
    /// INVITEs inside of the dialog, each number of either side once.
    pub reinvites: u32,
    /// Most retransmissions of one INVITE on one hop.
    pub max_retransmission_invite: u32,
    /// How often else what happened.
    pub counts: Counts,
    /// The dialogs that the INVITE led to, challenges apart.
    pub branches: Vec<Branch>,
    /// The session timer.
    pub timer: Option<SessionTimer>,
    /// Transfers.
    pub transfers: Vec<Transfer>,
    /// Digits in INFO.
    pub digits: Vec<InfoDigit>,
    /// First Contact of the last 3xx.
    pub redirected_to: CompactString,
    /// Media claims made.
    pub claims: Vec<Claim>,
    /// Endpoints beyond [`CLAIMS_MAX`].
    pub claims_omitted: u32,
    /// First audio codec of the last answer, else of the offer.
    pub codec: Option<PayloadType>,
    /// Hold periods; an open one has no end.
    pub holds: SmallVec<[(Moment, Option<Moment>); 1]>,
    /// Destinations of the INVITE beyond the first.
    pub path: SmallVec<[SocketAddr; 1]>,
    /// User name of the credentials.
    pub digest_username: CompactString,
    /// Realm of the credentials.
    pub digest_realm: CompactString,
    /// Call-ID of the dialog that this call replaces.
    pub replaces: CompactString,
    /// What ties it to other calls.
    pub ties: Ties,
    /// Values of configured headers.
    pub custom_headers: Vec<CustomHeader>,
    /// The messages in order, at most [`LADDER_MAX`]: where there are more, those before the last
    /// [`LADDER_TAIL`] are missing.
    pub ladder: Vec<LadderEntry>,
    /// Messages that are missing there.
    pub ladder_omitted: u32,
    /// First fault found in a message.
    pub malformed: Option<Reason>,
    /// Facts.
    pub flags: Flags,
    /// VLAN of the first message, 0 for none.
    pub vlan: u16,
    /// The tunnel that the first message came through.
    pub tunnel: Option<Tunnel>,
    /// Origin of the first message.
    pub origin: u16,
}

/// The readable form of a text, at most `max` bytes of it.
pub(crate) fn clip(text: Text<'_>, max: usize) -> CompactString {
    struct Clipped {
        text: CompactString,
        left: usize,
    }
    impl Write for Clipped {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            let end = part.floor_char_boundary(self.left.min(part.len()));
            self.text.push_str(part.get(..end).unwrap_or_default());
            self.left -= end;
            if end < part.len() { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut clipped = Clipped { text: CompactString::const_new(""), left: max };
    // The only error is our own: enough was written.
    let _ = write!(clipped, "{text}");
    clipped.text
}
