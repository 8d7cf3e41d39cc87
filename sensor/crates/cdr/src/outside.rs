//! What is recorded of requests outside of calls, and of registrations: plain owned data, filled
//! by the binary.
//!
//! Times are UNIX microseconds (UTC) where they name an instant, microseconds where they are
//! spans. `None`, and an empty text, mean: not known.

use compact_str::CompactString;
use std::net::SocketAddr;

use crate::record::dialog::CustomHeader;
use crate::record::{Party, Tunnel};

/// A body, without what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The media type, without parameters.
    pub content_type: CompactString,
    /// Its length in bytes.
    pub length: u32,
}

/// A request outside of calls, with whatever answered it on one hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionRecord {
    /// The record's ID (see `id`), 0 while it has none.
    pub id: u64,
    /// The sensor that saw it, 0 for none.
    pub id_sensor: u16,
    /// The fixed hash of realm and Call-ID, by which the spool names the SIP.
    pub call_key: u64,
    /// The Call-ID, as it was on the wire; empty where there is none.
    pub callid: CompactString,
    /// The method, as sent.
    pub method: CompactString,
    /// The number of the last request's `CSeq`.
    pub cseq: u32,
    /// The first message.
    pub first_us: u64,
    /// The last message.
    pub last_us: u64,
    /// The first request; `None`: only responses were seen.
    pub request_us: Option<u64>,
    /// The final response.
    pub response_us: Option<u64>,
    /// From the request that was answered to its final response.
    pub delay_us: Option<u64>,
    /// Who asks, by From.
    pub caller: Party,
    /// Who is asked, by To.
    pub called: Party,
    /// The final response's number, else the last provisional one's; `None`: nobody answered, or
    /// the number cannot be read.
    pub response_num: Option<u16>,
    /// The response as on its status line.
    pub response: CompactString,
    /// How often requests were sent again.
    pub request_repetition: u32,
    /// SIP messages, retransmissions included.
    pub sip_messages: u32,
    /// The last request's body.
    pub request_body: Body,
    /// The final response's body.
    pub response_body: Body,
    /// What a MESSAGE says, where that is kept.
    pub content: CompactString,
    /// Values of headers that the configuration names, of a MESSAGE, sorted by name.
    pub custom_headers: Vec<CustomHeader>,
    /// The event package.
    pub event: CompactString,
    /// The user name in the digest that answered a challenge.
    pub digest_username: CompactString,
    /// It was challenged with 401 or 407.
    pub challenged: bool,
    /// The record was closed because the capture ended.
    pub sighup: bool,
    /// Some of it came over TCP.
    pub tcp: bool,
    /// The VLAN of the first message.
    pub vlan: Option<u16>,
    /// The tunnel that the first message came through.
    pub tunnel: Option<Tunnel>,
    /// Equal requests between the same parties, with equal outcome, since the last record of
    /// them: they have no records.
    pub repeats: u32,
    /// The first fault found in a message, or empty.
    pub malformed: CompactString,
}

impl TransactionRecord {
    /// It is a MESSAGE, which has a table of its own.
    pub fn is_message(&self) -> bool {
        self.method == "MESSAGE"
    }

    /// The schema's number for the method: 1 OPTIONS, 2 SUBSCRIBE, 3 NOTIFY; 0 for all others.
    pub fn type_code(&self) -> u8 {
        match self.method.as_str() {
            "OPTIONS" => 1,
            "SUBSCRIBE" => 2,
            "NOTIFY" => 3,
            _ => 0,
        }
    }

    /// For an OPTIONS that was seen: whether a final response came, of any kind but 408 and those
    /// of a server that cannot serve.
    pub fn qualify_ok(&self) -> Option<bool> {
        if self.method != "OPTIONS" || self.request_us.is_none() {
            return None;
        }
        Some(self.response_num.is_some_and(|n| (200..500).contains(&n) && n != 408))
    }

    /// Is `other` the same, whatever its ID? (For a batch that is sent a second time.)
    pub fn is_same(&self, other: &Self) -> bool {
        let of = |r: &Self| (r.first_us, r.last_us, r.call_key, r.cseq, r.caller.addr);
        of(self) == of(other) && self.method == other.method && self.id_sensor == other.id_sensor
    }
}

/// What has become of a registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegisterState {
    /// The registrar has taken it.
    #[default]
    Registered,
    /// The registrar has refused it, or does not answer.
    Failed,
    /// Its time has passed without another REGISTER.
    Expired,
    /// It was taken back.
    Unregistered,
}

impl RegisterState {
    const ALL: [Self; 4] = [Self::Registered, Self::Failed, Self::Expired, Self::Unregistered];

    /// The number in the schema.
    pub fn code(self) -> u8 {
        match self {
            Self::Registered => 1,
            Self::Failed => 2,
            Self::Expired => 5,
            Self::Unregistered => 6,
        }
    }

    /// The state with that number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unregistered => "unregistered",
        }
    }

    /// The state with that word.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.label() == label)
    }
}

/// One change in the state of a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterRecord {
    /// The record's ID (see `id`), 0 while it has none.
    pub id: u64,
    /// The sensor that saw it, 0 for none.
    pub id_sensor: u16,
    /// Names the registration: realm, address of record, contact and source address.
    pub register_key: u64,
    /// The fixed hash of realm and Call-ID of the last attempt.
    pub call_key: u64,
    /// The Call-ID of the last attempt.
    pub callid: CompactString,
    /// When the state came to be.
    pub created_us: u64,
    /// The new state.
    pub state: RegisterState,
    /// Failures that this record stands for; else 1.
    pub counter: u32,
    /// Where the REGISTER came from.
    pub src: Option<SocketAddr>,
    /// Where it went.
    pub dst: Option<SocketAddr>,
    /// User part of From.
    pub from_num: CompactString,
    /// Host part of From.
    pub from_domain: CompactString,
    /// User part of To: the address of record.
    pub to_num: CompactString,
    /// Host part of To.
    pub to_domain: CompactString,
    /// User part of the contact; `*` for all.
    pub contact_num: CompactString,
    /// Host part of the contact.
    pub contact_domain: CompactString,
    /// The user name in the digest.
    pub digest_username: CompactString,
    /// The realm of the digest or the challenge.
    pub digest_realm: CompactString,
    /// `User-Agent`.
    pub agent: CompactString,
    /// For how many seconds was asked.
    pub expires_asked: Option<u32>,
    /// How many seconds were granted.
    pub expires: Option<u32>,
    /// The deciding response's number; `None`: nobody answered, or time passed.
    pub response_num: Option<u16>,
    /// The response as on its status line.
    pub response: CompactString,
    /// Registration request delay (RFC 6076 §4.1), of a success.
    pub rrd_us: Option<u64>,
    /// How often the attempt's requests were sent again.
    pub request_repetition: u32,
    /// Refreshes since it was registered.
    pub refreshes: u32,
    /// The attempt was challenged with 401 or 407.
    pub challenged: bool,
    /// The record was made because the capture ended.
    pub sighup: bool,
    /// The attempt came over TCP.
    pub tcp: bool,
    /// The VLAN of the attempt.
    pub vlan: Option<u16>,
    /// The tunnel that the attempt came through.
    pub tunnel: Option<Tunnel>,
    /// The first fault found in one of the attempt's messages, or empty.
    pub malformed: CompactString,
}

impl RegisterRecord {
    /// Is `other` the same, whatever its ID?
    pub fn is_same(&self, other: &Self) -> bool {
        let of = |r: &Self| (r.created_us, r.register_key, r.state, r.id_sensor);
        of(self) == of(other)
    }
}
