//! What the call table tells its owner: media claims, calls that are over, and what happened
//! outside of calls.
//!
//! Plain data.

use std::net::SocketAddr;

use compact_str::CompactString;
use ringtap_sip::sdp::MediaKind;
use smallvec::SmallVec;

use crate::key::CallKey;
use crate::outside::{RegisterSummary, TransactionSummary};
use crate::summary::CallSummary;

/// One of a call's two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The one that sent the first INVITE.
    Caller,
    /// The one that was called.
    Callee,
}

impl Side {
    /// The opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// UNIX nanoseconds, to be reported.
    pub ts_ns: u64,
    /// Monotonic nanoseconds, to be measured with.
    pub clock_ns: u64,
}

impl Moment {
    /// Nanoseconds on the monotonic clock since `earlier`; 0 where that is later.
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.clock_ns.saturating_sub(earlier.clock_ns)
    }
}

/// One RTP payload type of a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadType {
    /// The number, 0 to 127.
    pub payload_type: u8,
    /// Encoding name; empty for a dynamic type without a map.
    pub name: CompactString,
    /// RTP clock rate in Hz; 0 where unknown.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
}

/// From `at_clock_ns` on, packets to (first) or from (second) `endpoint` belong to `call`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The call.
    pub call: CallKey,
    /// Tells calls apart that use one Call-ID after another.
    pub instance: u64,
    /// Where RTP is received.
    pub endpoint: SocketAddr,
    /// Where RTCP is received; `None` where it comes on the media port.
    pub rtcp: Option<SocketAddr>,
    /// Whose description it was: who receives there.
    pub side: Side,
    /// When it was said, monotonic nanoseconds.
    pub at_clock_ns: u64,
    /// Audio or video.
    pub kind: MediaKind,
    /// An ICE candidate, not the default address.
    pub candidate: bool,
    /// Not a description says so, but an agent (see [`crate::Calls::correlate`]): no stream is
    /// taken from another call for it.
    pub correlated: bool,
    /// The media is encrypted (SRTP or DTLS-SRTP) by its description.
    pub secure: bool,
    /// Payload types in order of preference.
    pub payload_types: SmallVec<[PayloadType; 8]>,
    /// Packet time, in milliseconds; 0 where nothing is said.
    pub ptime_ms: u8,
    /// Sources announced by the side that receives here (it *sends* with them).
    pub ssrcs: SmallVec<[u32; 2]>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "claims are as frequent as closes, and not boxed")]
pub enum Event {
    /// A media endpoint was named.
    Claim(Claim),
    /// A call is over, and everything its signalling said.
    Close(Box<CallSummary>),
    /// A request outside of calls is over.
    Transaction(Box<TransactionSummary>),
    /// A registration has changed its state.
    Register(Box<RegisterSummary>),
}
