//! What is told of a request outside of calls, and of a registration.
//!
//! Plain data, filled by the rest of this module.

use std::net::SocketAddr;

use compact_str::CompactString;
use ringtap_common::peel::Tunnel;
use ringtap_sip::{Method, Reason};

use crate::call::CustomHeader;
use crate::event::Moment;
use crate::key::CallKey;
use crate::summary::{Party, Response};

/// A body, without what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The media type, without parameters.
    pub content_type: CompactString,
    /// Bytes of it that were there.
    pub length: u32,
}

/// A request outside of calls, with whatever answered it on one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSummary {
    /// The key of its Call-ID; of an empty one where there is none.
    pub call: CallKey,
    /// The Call-ID.
    pub call_id: CompactString,
    /// The method.
    pub method: Method,
    /// The method's name as sent; empty where only a response without `CSeq` was seen.
    pub name: CompactString,
    /// The number of the last request's `CSeq`.
    pub cseq: u32,
    /// The first message.
    pub first: Moment,
    /// The last message.
    pub last: Moment,
    /// The first request; `None`: only responses were seen.
    pub requested: Option<Moment>,
    /// Who asks, by From.
    pub caller: Party,
    /// Who is asked, by To.
    pub called: Party,
    /// The final response, else the last provisional one; `None`: nobody answered.
    pub response: Option<Response>,
    /// When the final response came.
    pub responded: Option<Moment>,
    /// Sending of the request that was answered (the one with credentials, after a challenge)
    /// to its final response, in nanoseconds.
    pub delay_ns: Option<u64>,
    /// How often requests were sent again.
    pub repetitions: u32,
    /// Messages, retransmissions included.
    pub messages: u32,
    /// The last request's body.
    pub request_body: Body,
    /// The final response's body.
    pub response_body: Body,
    /// What a MESSAGE says, where that is kept.
    pub text: CompactString,
    /// Values of configured headers, of a MESSAGE.
    pub custom_headers: Vec<CustomHeader>,
    /// Event package (RFC 6665).
    pub event: CompactString,
    /// User name of the credentials.
    pub digest_username: CompactString,
    /// Realm of the credentials, else of the challenge.
    pub digest_realm: CompactString,
    /// It was challenged with 401 or 407.
    pub challenged: bool,
    /// First fault found in a message.
    pub malformed: Option<Reason>,
    /// Closed by the end of input or a shutdown while it was still waited on.
    pub flushed: bool,
    /// Its first message came over TCP.
    pub tcp: bool,
    /// VLAN of the first message, 0 for none.
    pub vlan: u16,
    /// The tunnel that the first message came through.
    pub tunnel: Option<Tunnel>,
    /// Origin of the first message.
    pub origin: u16,
}

/// What has become of a registration, with the codes of the `state` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RegisterState {
    /// The registrar has taken it.
    Registered = 1,
    /// The registrar has refused it, or does not answer.
    Failed = 2,
    /// Its time has passed without another REGISTER.
    Expired = 5,
    /// It was taken back.
    Unregistered = 6,
}

/// One change in the state of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterSummary {
    /// Names the registration: realm, address of record, contact and source address.
    pub registration: u64,
    /// The key of the last attempt's Call-ID.
    pub call: CallKey,
    /// The Call-ID of the last attempt.
    pub call_id: CompactString,
    /// The new state.
    pub state: RegisterState,
    /// When it came to be.
    pub at: Moment,
    /// Failures that this record stands for; else 1.
    pub counter: u32,
    /// Where the REGISTER came from.
    pub source: SocketAddr,
    /// Where it went.
    pub target: SocketAddr,
    /// User part of From.
    pub from_number: CompactString,
    /// Host part of From.
    pub from_domain: CompactString,
    /// User part of To: the address of record.
    pub to_number: CompactString,
    /// Host part of To.
    pub to_domain: CompactString,
    /// User part of the contact; `*` for all.
    pub contact_number: CompactString,
    /// Host part of the contact.
    pub contact_domain: CompactString,
    /// User name of the credentials.
    pub digest_username: CompactString,
    /// Realm of the credentials or the challenge.
    pub digest_realm: CompactString,
    /// User-Agent.
    pub user_agent: CompactString,
    /// For how many seconds was asked.
    pub expires_asked: Option<u32>,
    /// How many seconds were granted.
    pub expires: Option<u32>,
    /// The response that decided; `None` where nobody answered, or time passed.
    pub response: Option<Response>,
    /// Registration request delay (RFC 6076 §4.1) of a successful attempt, in nanoseconds.
    pub request_delay_ns: Option<u64>,
    /// How often the attempt's requests were sent again.
    pub repetitions: u32,
    /// Successful refreshes since it was registered.
    pub refreshes: u32,
    /// The attempt was challenged with 401 or 407.
    pub challenged: bool,
    /// First fault found in one of the attempt's messages.
    pub malformed: Option<Reason>,
    /// Told because of the end of input or a shutdown.
    pub flushed: bool,
    /// The attempt came over TCP.
    pub tcp: bool,
    /// VLAN of the attempt, 0 for none.
    pub vlan: u16,
    /// The tunnel that the attempt came through.
    pub tunnel: Option<Tunnel>,
    /// Origin of the attempt.
    pub origin: u16,
}
