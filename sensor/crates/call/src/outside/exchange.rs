//! One request with its retransmissions, its challenge and its responses, from its first message
//! to its summary.
//!
//! Decides nothing about other requests, and nothing about registrations.

use compact_str::CompactString;
use ringtap_sip::{Header, Message, Method, NameAddr, Text};

use super::name::{Conversation, ends, fingerprint, method_name};
use super::summary::{Body, TransactionSummary};
use crate::event::Moment;
use crate::key::{CallKey, token_of};
use crate::options::Options;
use crate::side::Reading;
use crate::summary::{LONG_TEXT_MAX, Party, Response, TEXT_MAX, clip};

const SECOND_NS: u64 = 1_000_000_000;
const MILLI_NS: u64 = 1_000_000;
/// Requests that may follow each other as one, each asked for by a challenge.
const ROUNDS_MAX: u8 = 4;
/// Addresses looked through in a response for the contact that was asked for.
const CONTACTS_MAX: usize = 64;
/// Seconds that a registrar grants where neither side says anything (RFC 3261 §10.2).
const EXPIRES_DEFAULT: u32 = 3600;

/// What a transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// A response.
    Response,
    /// The request again, with credentials or a longer time, since then.
    NextRequest(u64),
    /// Nothing but retransmissions, since then.
    Nothing(u64),
}

/// What a REGISTER asks for, and what it gets.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// User part of the contact; `*` for all, empty where no contact is named.
    pub(super) number: CompactString,
    pub(super) domain: CompactString,
    pub(super) asked: Option<u32>,
    pub(super) granted: Option<u32>,
    /// Hash of the address of record.
    pub(super) address_of_record: u64,
}

/// A transaction that is going on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) summary: Box<TransactionSummary>,
    pub(super) wish: Option<Box<Wish>>,
    pub(super) conversation: Conversation,
    pub(super) fingerprint: u64,
    pub(super) scheduled_ns: u64,
    /// Hash of the last challenge's nonce, 0 for none.
    pub(super) nonce: u64,
    /// The nonce of the current request's credentials, 0 for none.
    used_nonce: u64,
    waits: Waits,
    /// The first sending of the current request, and the last.
    round: Moment,
    sent_ns: u64,
    rounds: u8,
}

impl Exchange {
    /// A transaction that begins with this message.
    pub(super) fn begin(
        key: CallKey,
        call_id: &[u8],
        conversation: Conversation,
        nonce: u64,
        reading: &Reading<'_>,
    ) -> Self {
        let at = reading.moment();
        let (source, target) = ends(reading);
        let mut summary = empty_summary(key, at, Party::new(source), Party::new(target));
        summary.call_id = clip(Text::new(call_id), LONG_TEXT_MAX);
        summary.method = reading.method;
        summary.name = clip(Text::new(method_name(reading)), TEXT_MAX);
        summary.cseq = reading.cseq;
        name_party(&mut summary.caller, reading.from);
        name_party(&mut summary.called, reading.to);
        summary.tcp = reading.meta.tcp;
        summary.vlan = reading.meta.vlan;
        summary.tunnel = reading.meta.tunnel;
        summary.origin = reading.meta.origin;
        Self {
            summary,
            wish: None,
            conversation,
            fingerprint: fingerprint(reading),
            scheduled_ns: u64::MAX,
            nonce,
            used_nonce: 0,
            waits: Waits::Response,
            round: at,
            sent_ns: at.clock_ns,
            rounds: 0,
        }
    }

    /// This request is not the one that was answered: it begins a transaction of its own.
    pub(super) fn is_followed_by(&self, reading: &Reading<'_>) -> bool {
        reading.request.is_some()
            && self.summary.requested.is_some()
            && matches!(self.waits, Waits::Nothing(_))
            && fingerprint(reading) != self.fingerprint
    }

    /// Everything that was waited for has come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.waits, Waits::Nothing(_))
    }

    /// It waits for a request with a higher number than its own.
    pub(super) fn wants(&self, reading: &Reading<'_>) -> bool {
        matches!(self.waits, Waits::NextRequest(_)) && reading.cseq > self.summary.cseq
    }

    /// Takes one message.
    pub(super) fn take(&mut self, reading: &Reading<'_>, options: &Options) {
        let at = reading.moment();
        let summary = &mut *self.summary;
        summary.messages = summary.messages.saturating_add(1);
        if at.clock_ns >= summary.last.clock_ns {
            summary.last = at;
        }
        if summary.malformed.is_none() {
            summary.malformed = reading.malformed;
        }
        match reading.request {
            // The ACK to an INVITE's failure tells nothing more.
            Some(Method::Ack) if summary.method == Method::Invite => {}
            Some(_) => self.on_request(reading, at, options),
            None => self.on_response(reading, at),
        }
    }

    fn on_request(&mut self, reading: &Reading<'_>, at: Moment, options: &Options) {
        let print = fingerprint(reading);
        let anew = matches!(self.waits, Waits::NextRequest(_)) && print != self.fingerprint;
        let first = self.summary.requested.is_none();
        if !anew && !first {
            self.summary.repetitions = self.summary.repetitions.saturating_add(1);
            self.sent_ns = self.sent_ns.max(at.clock_ns);
            return;
        }
        self.fingerprint = print;
        (self.round, self.sent_ns) = (at, at.clock_ns);
        if anew {
            self.waits = Waits::Response;
            self.rounds += 1;
            self.summary.response = None;
        }
        let summary = &mut *self.summary;
        summary.requested = summary.requested.or(Some(at));
        summary.cseq = reading.cseq;
        summary.request_body = body(reading.message);
        note_agent(&mut summary.caller, reading);
        summary.caller.dscp = reading.meta.dscp;
        if let Some(event) = reading.message.known(Header::Event) {
            summary.event = clip(Text::new(event), TEXT_MAX);
        }
        if reading.method == Method::Message && options.message_text_max > 0 {
            summary.text = text(reading.message.body(), options.message_text_max);
        }
        self.note_credentials(reading.message);
        if reading.method == Method::Register {
            self.wish = Some(Box::new(wish(reading.message, options.realm, reading.to)));
        }
    }

    fn note_credentials(&mut self, message: &Message<'_>) {
        self.used_nonce = 0;
        let Some(credentials) = message.credentials() else { return };
        let summary = &mut *self.summary;
        self.used_nonce = nonce_of(credentials.param("nonce"));
        let username = credentials.username().unwrap_or_default();
        summary.digest_username = clip(username, TEXT_MAX);
        summary.digest_realm = clip(credentials.realm().unwrap_or_default(), TEXT_MAX);
    }

    fn on_response(&mut self, reading: &Reading<'_>, at: Moment) {
        let message = reading.message;
        // A status that cannot be read ends the transaction, too: nothing else will come.
        let last = !(100..200).contains(&reading.status);
        if matches!(self.waits, Waits::Nothing(_)) || (!last && self.summary.responded.is_some()) {
            return;
        }
        let repeated_challenge = matches!(self.waits, Waits::NextRequest(_));
        if last && !repeated_challenge && self.asks_again(reading) {
            self.waits = Waits::NextRequest(at.clock_ns);
        } else if last && !repeated_challenge {
            self.waits = Waits::Nothing(at.clock_ns);
        } else if repeated_challenge {
            return;
        }
        if let Some(wish) = &mut self.wish
            && (200..300).contains(&reading.status)
        {
            wish.granted = Some(granted(message, wish));
        }
        let summary = &mut *self.summary;
        let text = message_phrase(message);
        summary.response = Some(Response { status: reading.status, text });
        if last {
            note_agent(&mut summary.called, reading);
            summary.called.dscp = reading.meta.dscp;
            summary.responded = Some(at);
            summary.response_body = body(message);
            summary.delay_ns = summary.requested.map(|_| at.since_ns(self.round));
        }
    }

    /// Whether the sender is asked to try again: a challenge, or 423 to a REGISTER (RFC 3261
    /// §10.3). A challenge to credentials that answer the last challenge is a refusal.
    fn asks_again(&mut self, reading: &Reading<'_>) -> bool {
        if self.summary.requested.is_none() || self.rounds >= ROUNDS_MAX {
            return false;
        }
        match reading.status {
            401 | 407 => {}
            423 => return reading.method == Method::Register,
            _ => return false,
        }
        let challenge = reading.message.challenge();
        let stale = challenge.and_then(|c| c.param("stale")).is_some_and(|s| s.is("true"));
        let refused = self.used_nonce != 0 && self.used_nonce == self.nonce && !stale;
        self.nonce = nonce_of(challenge.and_then(|c| c.param("nonce")));
        self.summary.challenged = true;
        if self.summary.digest_realm.is_empty()
            && let Some(realm) = challenge.and_then(|c| c.realm())
        {
            self.summary.digest_realm = clip(realm, TEXT_MAX);
        }
        !refused
    }

    /// When it has to be closed.
    pub(super) fn deadline(&self, options: &Options) -> u64 {
        let register = u64::from(options.sip_register_timeout) * SECOND_NS;
        let whole = u64::from(options.transaction_ms) * MILLI_NS;
        let linger = u64::from(options.linger_ms) * MILLI_NS;
        match self.waits {
            Waits::Nothing(since) => since.saturating_add(linger),
            Waits::NextRequest(since) => {
                since.saturating_add(u64::from(options.challenge_timeout) * SECOND_NS)
            }
            Waits::Response => {
                let sent = self.round.clock_ns;
                match self.summary.method {
                    Method::Ack => sent.saturating_add(linger),
                    Method::Register => {
                        let idle = self.sent_ns.saturating_add(register);
                        idle.min(sent.saturating_add(whole.max(register)))
                    }
                    _ => sent.saturating_add(whole),
                }
            }
        }
    }
}

/// Hash of a nonce, never 0 where there is one.
fn nonce_of(nonce: Option<Text<'_>>) -> u64 {
    token_of(nonce.map(|n| n.as_bytes()).filter(|n| !n.is_empty()))
}

fn wish(message: &Message<'_>, realm: u64, to: NameAddr<'_>) -> Wish {
    let address_of_record = super::name::address_of_record(realm, to.uri);
    let header = message.expires();
    let Some(contact) = message.contact() else {
        return Wish { asked: header, address_of_record, ..Wish::default() };
    };
    let (number, domain) = if contact.uri.as_bytes() == b"*" {
        (CompactString::const_new("*"), CompactString::const_new(""))
    } else {
        (clip(contact.uri.number(), TEXT_MAX), clip(contact.uri.host(), TEXT_MAX))
    };
    let asked = seconds(contact).or(header);
    Wish { number, domain, asked, granted: None, address_of_record }
}

/// The seconds that a success grants to the contact that was asked for: its own parameter, else
/// the header's, else what was asked.
fn granted(message: &Message<'_>, wish: &Wish) -> u32 {
    let same = |contact: &NameAddr<'_>| {
        clip(contact.uri.number(), TEXT_MAX) == wish.number
            && clip(contact.uri.host(), TEXT_MAX).eq_ignore_ascii_case(&wish.domain)
    };
    let mut contacts = message.addresses(Header::Contact).take(CONTACTS_MAX);
    let own = if wish.asked == Some(0) { Some(0) } else { contacts.find(same).and_then(seconds) };
    own.or_else(|| message.expires()).or(wish.asked).unwrap_or(EXPIRES_DEFAULT)
}

fn seconds(contact: NameAddr<'_>) -> Option<u32> {
    let value = contact.params().get("expires")?;
    let text: CompactString = clip(value, 16);
    text.parse::<u64>().ok().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

fn body(message: &Message<'_>) -> Body {
    let body = message.body();
    Body {
        content_type: message.content_type().map(|t| clip(t, TEXT_MAX)).unwrap_or_default(),
        length: u32::try_from(body.len()).unwrap_or(u32::MAX),
    }
}

/// The body as text, line ends kept, at most `max` bytes.
fn text(body: &[u8], max: usize) -> CompactString {
    let part = body.get(..max.min(body.len())).unwrap_or(body);
    let mut text = CompactString::const_new("");
    for chunk in part.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

fn message_phrase(message: &Message<'_>) -> CompactString {
    match message.start() {
        ringtap_sip::StartLine::Response { phrase, .. } => clip(phrase, TEXT_MAX),
        ringtap_sip::StartLine::Request { .. } => CompactString::const_new(""),
    }
}

fn name_party(party: &mut Party, address: NameAddr<'_>) {
    party.number = clip(address.uri.number(), TEXT_MAX);
    party.domain = clip(address.uri.host(), TEXT_MAX);
    party.name = clip(address.display, TEXT_MAX);
}

fn note_agent(party: &mut Party, reading: &Reading<'_>) {
    let message = reading.message;
    let agent = match reading.request {
        Some(_) => message.user_agent().or_else(|| message.server()),
        None => message.server().or_else(|| message.user_agent()),
    };
    if let Some(agent) = agent {
        party.user_agent = clip(agent, LONG_TEXT_MAX);
    }
}

fn empty_summary(
    call: CallKey,
    at: Moment,
    caller: Party,
    called: Party,
) -> Box<TransactionSummary> {
    let empty = CompactString::const_new("");
    Box::new(TransactionSummary {
        call,
        call_id: empty.clone(),
        method: Method::Other,
        name: empty.clone(),
        cseq: 0,
        first: at,
        last: at,
        requested: None,
        caller,
        called,
        response: None,
        responded: None,
        delay_ns: None,
        repetitions: 0,
        messages: 0,
        request_body: Body::default(),
        response_body: Body::default(),
        text: empty.clone(),
        custom_headers: Vec::new(),
        event: empty.clone(),
        digest_username: empty.clone(),
        digest_realm: empty,
        challenged: false,
        malformed: None,
        flushed: false,
        tcp: false,
        vlan: 0,
        tunnel: None,
        origin: 0,
    })
}
