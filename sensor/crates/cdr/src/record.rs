//! What is recorded of one call: plain owned data, filled by the binary.
//!
//! Nothing is derived here twice: the columns of either direction (`a_…`, `b_…`) are read from
//! the stream that speaks for it ([`CallRecord::main_stream`]); `column` knows the units.

pub mod asserted;
pub mod dialog;
mod legs;
mod log;
mod tunnel;

use crate::marks::MediaMarks;
use crate::outside::{RegisterRecord, TransactionRecord};
use crate::stream::StreamRecord;
use crate::vq::VqReport;
use asserted::Asserted;
use compact_str::CompactString;
use dialog::Dialog;
use std::net::{IpAddr, SocketAddr};

pub use legs::{LEGS_MAX, Leg, Legs};
pub use log::{LINES_MAX, LogLine};
pub use tunnel::Tunnel;

/// One thing to store.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A call with everything that belongs to it.
    Call(Box<CallRecord>),
    /// RTP that no call claimed.
    Stream(Box<LoneStream>),
    /// What an endpoint says of a call's quality.
    Vq(Box<VqReport>),
    /// A line of a log that names a call.
    Log(Box<LogLine>),
    /// A request outside of calls.
    Transaction(Box<TransactionRecord>),
    /// A change in the state of a registration.
    Register(Box<RegisterRecord>),
}

impl Record {
    /// The record's ID.
    pub fn id(&self) -> u64 {
        match self {
            Self::Call(call) => call.id,
            Self::Stream(stream) => stream.id,
            Self::Vq(report) => report.id,
            Self::Log(line) => line.id,
            Self::Transaction(transaction) => transaction.id,
            Self::Register(register) => register.id,
        }
    }
}

/// Whose: the caller's or the callee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The side that sent the INVITE.
    Caller,
    /// The side that was invited.
    Callee,
}

impl Side {
    /// As the `whohanged` column has it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// One of the two parties of a call. An empty text means that it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The user part of its URI.
    pub number: CompactString,
    /// The host part of its URI.
    pub domain: CompactString,
    /// The display name.
    pub name: CompactString,
    /// Where its SIP comes from.
    pub addr: Option<SocketAddr>,
    /// `User-Agent` or `Server`.
    pub agent: CompactString,
}

/// A `Reason` header (RFC 3326).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The cause, of SIP or Q.850.
    pub cause: Option<u16>,
    /// The text, or empty.
    pub text: CompactString,
}

/// One call.
///
/// Times are UNIX microseconds (UTC) where they name an instant, microseconds where they are
/// spans. `None`, and an empty text, mean: not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallRecord {
    /// The record's ID (see `id`), 0 while it has none.
    pub id: u64,
    /// The sensor that saw the call, 0 for none.
    pub id_sensor: u16,
    /// The fixed hash of realm and Call-ID, by which the spool names the call's SIP.
    pub call_key: u64,
    /// Tells two calls apart that re-used a Call-ID.
    pub instance: u64,
    /// The Call-ID, as it was on the wire.
    pub callid: CompactString,
    /// The call's first message.
    pub calldate_us: u64,
    /// The call's end.
    pub callend_us: u64,
    /// From the answer to the end; `None` for a call that was not answered.
    pub connect_duration_us: Option<u64>,
    /// From the first INVITE to the first 18x or 200 (post-dial delay).
    pub progress_time_us: Option<u64>,
    /// From the BYE to its final response; `None` where it has none.
    pub post_bye_delay_us: Option<u64>,
    /// Who called.
    pub caller: Party,
    /// Who was called.
    pub called: Party,
    /// Who ended the call.
    pub whohanged: Option<Side>,
    /// How it ended, in the code of the schema (0 not connected, 1 no BYE, 2 BYE not confirmed,
    /// 3 BYE confirmed, 100 and above: special ends).
    pub bye: u8,
    /// The last response's number.
    pub last_sip_response_num: Option<u16>,
    /// The last response as on its status line: number and phrase (`486 Busy Here`).
    pub last_sip_response: CompactString,
    /// `Reason: SIP`.
    pub reason_sip: Reason,
    /// `Reason: Q.850`.
    pub reason_q850: Reason,
    /// The record was closed because the sensor stopped.
    pub sighup: bool,
    /// DSCP of the caller's SIP, the callee's SIP, the caller's RTP, the callee's RTP, from the
    /// highest byte to the lowest.
    pub dscp: Option<u32>,
    /// From the INVITE to its first 100.
    pub response_time_100_ms: Option<u16>,
    /// From the INVITE to its first response above 100.
    pub response_time_xxx_ms: Option<u16>,
    /// How often the INVITE was sent again, at most.
    pub max_retransmission_invite: Option<u8>,
    /// Flags in the bits of the schema.
    pub flags: Option<u64>,
    /// The VLAN of the first message.
    pub vlan: Option<u16>,
    /// The tunnel that the first message came through.
    pub tunnel: Option<Tunnel>,
    /// Some of the call's SIP came over TCP.
    pub tcp: bool,
    /// SIP messages of the call, retransmissions included.
    pub sip_messages: u32,
    /// The user name in the digest that answered a challenge.
    pub digest_username: CompactString,
    /// The value of the header that the configuration says to keep.
    pub custom_header1: CompactString,
    /// The value of the header that joins legs.
    pub match_header: CompactString,
    /// Its ties to other calls.
    pub legs: Legs,
    /// The times on hold, in seconds since the first message: `12.340-20.001,31.500-`.
    pub hold: CompactString,
    /// The parties by the word of the network.
    pub asserted: Asserted,
    /// What was the matter with its media.
    pub media_marks: MediaMarks,
    /// The streams that the call claimed, in a fixed order.
    pub streams: Vec<StreamRecord>,
    /// The digits that were dialled in the call.
    pub dtmf: Vec<Dtmf>,
    /// The messages, in the order of time.
    pub ladder: Vec<Step>,
    /// Messages beyond what the ladder keeps.
    pub ladder_dropped: u32,
    /// What else the signalling said.
    pub dialog: Dialog,
    /// RTP that began shortly after its end; only a call that is read back has it.
    pub after: Vec<StreamRecord>,
    /// What endpoints say of its quality; only a call that is read back has these.
    pub vq: Vec<VqReport>,
    /// Lines of logs that name it; only a call that is read back has these.
    pub log: Vec<LogLine>,
    /// The first fault found in a message, or empty.
    pub malformed: CompactString,
}

/// One message of a call's ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, UNIX microseconds.
    pub ts_us: u64,
    /// From where.
    pub src: SocketAddr,
    /// To where.
    pub dst: SocketAddr,
    /// What, in short: `INVITE (SDP)`, `180 Ringing`.
    pub text: CompactString,
}

/// How a digit travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfKind {
    /// In a SIP INFO.
    Info,
    /// As tones in the audio.
    Inband,
    /// As RTP telephone-event (RFC 4733).
    Event,
}

impl DtmfKind {
    /// The number in the schema.
    pub fn code(self) -> u8 {
        match self {
            Self::Info => 0,
            Self::Inband => 1,
            Self::Event => 2,
        }
    }

    /// The kind with that number.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Info, Self::Inband, Self::Event].into_iter().find(|kind| kind.code() == code)
    }
}

/// One digit.
#[derive(Clone, Debug, PartialEq)]
pub struct Dtmf {
    /// When it began, from the start of the call.
    pub firsttime_us: u64,
    /// From where.
    pub saddr: IpAddr,
    /// To where.
    pub daddr: IpAddr,
    /// `0`–`9`, `*`, `#`, `A`–`D`, or what else was sent.
    pub digit: char,
    /// How.
    pub kind: DtmfKind,
}

/// A stream that no call claimed ("RTP without SIP").
#[derive(Clone, Debug, PartialEq)]
pub struct LoneStream {
    /// The record's ID (see `id`), 0 while it has none.
    pub id: u64,
    /// The sensor that saw it, 0 for none.
    pub id_sensor: u16,
    /// The stream.
    pub stream: StreamRecord,
    /// The call that had ended shortly before where the stream began.
    pub after: Option<AfterCall>,
}

/// A call that a stream came after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfterCall {
    /// Its `call_key`.
    pub call_key: u64,
    /// Which call of that Call-ID.
    pub instance: u64,
    /// Its Call-ID.
    pub callid: CompactString,
}

impl CallRecord {
    /// From the first message to the end.
    pub fn duration_us(&self) -> u64 {
        self.callend_us.saturating_sub(self.calldate_us)
    }

    /// From the first message to the first RTP packet of any of the streams.
    pub fn first_rtp_time_us(&self) -> Option<u64> {
        let seen = self.streams.iter().filter(|stream| stream.received > 0);
        let first = seen.map(|stream| stream.first_us).min()?;
        Some(first.saturating_sub(self.calldate_us))
    }

    /// The stream that speaks for a direction, with its index: of those that this side *sends*,
    /// the one with the most packets; of equals one that RTCP reports on, else the first.
    pub fn main_stream(&self, side: Side) -> Option<(usize, &StreamRecord)> {
        let sent = self.streams.iter().enumerate().filter(|(_, one)| one.side == Some(side));
        sent.min_by_key(|(_, one)| (std::cmp::Reverse(one.received), one.rtcp.is_none()))
    }

    /// The party of a side.
    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.called,
        }
    }

    /// Sources that a side has sent with.
    pub fn sources(&self, side: Side) -> usize {
        let mut ssrcs: Vec<u32> =
            self.streams.iter().filter(|s| s.side == Some(side)).map(|s| s.ssrc).collect();
        ssrcs.sort_unstable();
        ssrcs.dedup();
        ssrcs.len()
    }

    /// The lowest MOS that any stream of the call had.
    pub fn mos_min(&self) -> Option<f32> {
        self.streams.iter().filter_map(|one| one.mos.min).min_by(f32::total_cmp)
    }

    /// Is `other` the same call, whatever its ID? (For a batch that is sent a second time.)
    pub fn same_call(&self, other: &CallRecord) -> bool {
        self.calldate_us == other.calldate_us
            && self.instance == other.instance
            && self.id_sensor == other.id_sensor
            && self.callid == other.callid
    }
}
