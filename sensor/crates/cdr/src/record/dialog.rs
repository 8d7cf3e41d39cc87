//! What is recorded of a call's signalling beyond the schema's columns: delays by RFC 6076, counts,
//! branches, transfers, the session timer; and what goes to the schema's side tables.
//!
//! Filled by the binary; nothing is derived here.

use crate::column::{Column, Value};
use crate::record::{CallRecord, Reason, Side};
use compact_str::CompactString;
use std::net::{IpAddr, SocketAddr};

/// The signalling of one call. Spans are microseconds; `None`, and an empty text: not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialog {
    /// First INVITE to 180.
    pub ringing_time_us: Option<u64>,
    /// First INVITE to the answer.
    pub setup_time_us: Option<u64>,
    /// Session Request Delay of a call that was not refused (RFC 6076 §4.3.1).
    pub srd_us: Option<u64>,
    /// Session Request Delay of one that was (RFC 6076 §4.3.2).
    pub srd_failed_us: Option<u64>,
    /// Session Disconnect Delay: BYE to its 2xx (RFC 6076 §4.4).
    pub sdd_us: Option<u64>,
    /// Session Duration Time: answer to BYE (RFC 6076 §4.5.1).
    pub sdt_us: Option<u64>,
    /// The same where nobody answered the BYE: to the expiry of its timer (RFC 6076 §4.5.2).
    pub sdt_failed_us: Option<u64>,
    /// INVITEs inside of the dialog.
    pub reinvites: u32,
    /// UPDATEs.
    pub updates: u32,
    /// PRACKs.
    pub pracks: u32,
    /// 401 and 407 to INVITE.
    pub challenges: u32,
    /// 491.
    pub glares: u32,
    /// Requests that were sent again.
    pub requests_again: u32,
    /// Responses that were sent again.
    pub responses_again: u32,
    /// The session timer.
    pub timer: Option<Timer>,
    /// Number of the first Request-URI.
    pub dialled: CompactString,
    /// Number of the topmost Diversion.
    pub diverted_from: CompactString,
    /// Contact of the last redirection.
    pub redirected_to: CompactString,
    /// What else was the case, as words (`early_media forked`).
    pub marks: CompactString,
    /// The dialogs that the INVITE led to, where there were several.
    pub branches: Vec<Branch>,
    /// Transfers.
    pub transfers: Vec<Transfer>,
    /// Values of headers that the configuration names, sorted by name.
    pub custom_headers: Vec<CustomHeader>,
    /// What goes to side tables of the schema and is not read back.
    pub side_tables: SideTables,
}

/// The value of a header that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomHeader {
    /// The header's name.
    pub name: CompactString,
    /// Its value, never empty.
    pub value: CompactString,
}

/// A session timer (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The interval.
    pub expires_s: u32,
    /// Who refreshes.
    pub refresher: Option<Side>,
    /// Refreshes seen.
    pub refreshes: u32,
    /// A refresh did not come in time.
    pub missed: bool,
    /// The call was hung up when a refresh was due.
    pub ended_call: bool,
}

/// One dialog of a forked INVITE. Instants are UNIX microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its To-tag.
    pub tag: CompactString,
    /// Number of the INVITE.
    pub cseq: u32,
    /// Where its responses came from.
    pub addr: SocketAddr,
    /// Number that was asked for there.
    pub number: CompactString,
    /// Domain that was asked for there.
    pub domain: CompactString,
    /// `Server` or `User-Agent`.
    pub agent: CompactString,
    /// Its first response above 100.
    pub first_us: u64,
    /// Its 180.
    pub ringing_us: Option<u64>,
    /// Its 2xx.
    pub answered_us: Option<u64>,
    /// Its BYE.
    pub ended_us: Option<u64>,
    /// How it ended, in the code of the schema.
    pub bye: u8,
    /// Its final response's number, else its last one's.
    pub response_num: u16,
    /// That response as on its status line.
    pub response: CompactString,
    /// `Reason: SIP`.
    pub reason_sip: Reason,
    /// `Reason: Q.850`.
    pub reason_q850: Reason,
    /// It carried the call.
    pub won: bool,
}

/// A transfer by REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When, UNIX microseconds.
    pub at_us: u64,
    /// Who asked for it.
    pub by: Side,
    /// Refer-To.
    pub refer_to: CompactString,
    /// Number in it.
    pub number: CompactString,
    /// After consultation: it names a dialog to be replaced.
    pub attended: bool,
    /// Final response to the REFER.
    pub status: Option<u16>,
    /// What NOTIFY said last of the new call.
    pub result: Option<u16>,
}

/// Rows of side tables, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideTables {
    /// `cdr_sdp`: announced media endpoints.
    pub sdp: Vec<Announced>,
    /// `cdr_proxy`: where the INVITE went besides.
    pub proxies: Vec<IpAddr>,
    /// `cdr_sipresp`: the different responses, as on their status lines.
    pub responses: Vec<CompactString>,
    /// `cdr_siphistory`: messages.
    pub history: Vec<Told>,
}

/// A media endpoint of a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Where RTP is received.
    pub addr: SocketAddr,
    /// Who receives there.
    pub side: Side,
    /// Packet interval in ms, where announced.
    pub ptime_ms: Option<u8>,
}

/// One message of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Since the call's first message, microseconds.
    pub since_us: u64,
    /// A request's method, or a status line.
    pub text: CompactString,
    /// A response's number.
    pub status: Option<u16>,
}

fn count(number: u32) -> Value<'static> {
    Value::Int(i64::from(number))
}

fn span(us: Option<u64>) -> Value<'static> {
    us.map_or(Value::Null, Value::Seconds)
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

fn timer(call: &CallRecord, value: fn(&Timer) -> Value<'static>) -> Value<'static> {
    call.dialog.timer.as_ref().map_or(Value::Null, value)
}

macro_rules! columns {
    ($($name:literal: $value:expr,)*) => { &[$(Column { name: $name, value: $value }),*] };
}

/// The columns of `ringtap_dialog`, which are keys in JSON and fields of CSV too.
pub static DIALOG: &[Column<CallRecord>] = columns! {
    "ringing_time": |c| span(c.dialog.ringing_time_us),
    "setup_time": |c| span(c.dialog.setup_time_us),
    "srd": |c| span(c.dialog.srd_us),
    "srd_failed": |c| span(c.dialog.srd_failed_us),
    "sdd": |c| span(c.dialog.sdd_us),
    "sdt": |c| span(c.dialog.sdt_us),
    "sdt_failed": |c| span(c.dialog.sdt_failed_us),
    "reinvites": |c| count(c.dialog.reinvites),
    "updates": |c| count(c.dialog.updates),
    "pracks": |c| count(c.dialog.pracks),
    "challenges": |c| count(c.dialog.challenges),
    "glares": |c| count(c.dialog.glares),
    "requests_again": |c| count(c.dialog.requests_again),
    "responses_again": |c| count(c.dialog.responses_again),
    "session_expires": |c| timer(c, |t| count(t.expires_s)),
    "session_refresher": |c| timer(c, |t| {
        t.refresher.map_or(Value::Null, |side| Value::Text(side.label()))
    }),
    "session_refreshes": |c| timer(c, |t| count(t.refreshes)),
    "session_missed": |c| timer(c, |t| Value::Int(i64::from(t.missed))),
    "session_ended_call": |c| timer(c, |t| Value::Int(i64::from(t.ended_call))),
    "dialled": |c| text(&c.dialog.dialled),
    "diverted_from": |c| text(&c.dialog.diverted_from),
    "redirected_to": |c| text(&c.dialog.redirected_to),
    "marks": |c| text(&c.dialog.marks),
};

/// The keys of a branch in JSON, in their order.
pub static BRANCH: &[Column<Branch>] = columns! {
    "tag": |b| Value::Text(&b.tag),
    "sipcalledip": |b| Value::Ip(b.addr.ip().to_canonical()),
    "sipcalledport": |b| Value::Int(i64::from(b.addr.port())),
    "called": |b| text(&b.number),
    "called_domain": |b| text(&b.domain),
    "b_ua": |b| text(&b.agent),
    "first": |b| Value::Time(b.first_us),
    "ringing": |b| b.ringing_us.map_or(Value::Null, Value::Time),
    "answered": |b| b.answered_us.map_or(Value::Null, Value::Time),
    "ended": |b| b.ended_us.map_or(Value::Null, Value::Time),
    "bye": |b| Value::Int(i64::from(b.bye)),
    "lastSIPresponseNum": |b| Value::Int(i64::from(b.response_num)),
    "lastSIPresponse": |b| text(&b.response),
    "won": |b| Value::Int(i64::from(b.won)),
};

/// The keys of a transfer in JSON, in their order.
pub static TRANSFER: &[Column<Transfer>] = columns! {
    "at": |t| Value::Time(t.at_us),
    "by": |t| Value::Text(t.by.label()),
    "refer_to": |t| Value::Text(&t.refer_to),
    "number": |t| text(&t.number),
    "attended": |t| Value::Int(i64::from(t.attended)),
    "status": |t| t.status.map_or(Value::Null, |n| Value::Int(i64::from(n))),
    "result": |t| t.result.map_or(Value::Null, |n| Value::Int(i64::from(n))),
};
