//! One INVITE dialog, from its first message to its summary.
//!
//! Decides nothing about other calls: whether a message begins one, belongs to one or comes too
//! late is for [`crate::Calls`].

mod asides;
mod branches;
mod bye;
mod changes;
mod correlated;
pub(crate) mod custom;
mod identity;
mod invite;
mod ladder;
mod live;
mod ties;

use std::net::{IpAddr, SocketAddr};

use compact_str::CompactString;
use ringtap_sip::{Header, Message, Method, NameAddr, Text};
use smallvec::SmallVec;

use crate::counters::Counters;
use crate::deadline::{self, Progress, Why};
use crate::event::{Event, Moment, Side};
use crate::key::{CallKey, check_of};
use crate::media::Desk;
use crate::options::Options;
use crate::side::{Reading, Tags};
use crate::summary::facts::Counts;
use crate::summary::{Bye, CallSummary, Cause, Flags, LONG_TEXT_MAX, Party, TEXT_MAX, clip};

pub use correlated::Correlation;
pub use custom::{CUSTOM_HEADERS_MAX, CustomHeader, CustomHeaders};
pub use live::{Live, Place, State};
pub use ties::{TIES_MAX, Ties};

/// Messages remembered to tell retransmissions.
const SEEN_MAX: usize = 16;

/// A call that is going on.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) summary: CallSummary,
    pub(crate) progress: Progress,
    pub(crate) check: u64,
    pub(crate) scheduled_ns: u64,
    tags: Tags,
    invite_cseq: u32,
    invited: Moment,
    hops: SmallVec<[invite::Hop; 2]>,
    seen: SmallVec<[u64; SEEN_MAX]>,
    seen_next: usize,
    sides: [bool; 2],
    acknowledged: bool,
    /// The ACK that came before the response it belongs to.
    late_ack: Option<Moment>,
    fresh_attempt: bool,
    /// The INVITE that was challenged last.
    challenged_cseq: Option<u32>,
    /// Hashes of the To-tags of [`CallSummary::branches`], in their order.
    tags_of_branches: SmallVec<[u64; 2]>,
    changes: changes::Changes,
    /// The host that the first answer came from: behind a proxy, not the one that was called.
    answerer: Option<IpAddr>,
    /// Ends of flows that agents say are the call's.
    correlated: Vec<SocketAddr>,
    /// The last answer that could set the session timer has set it.
    timer_runs: bool,
}

impl Call {
    /// A call that begins with this message: an INVITE, or a response to an unseen one.
    pub(crate) fn begin(
        key: CallKey,
        instance: u64,
        call_id: &[u8],
        reading: &Reading<'_>,
        options: &Options,
    ) -> Self {
        let meta = reading.meta;
        let at = reading.moment();
        let (caller, called) = match reading.request {
            Some(_) => (meta.src, meta.dst),
            None => (meta.dst, meta.src),
        };
        let mut summary = empty_summary(key, instance, at, Party::new(caller), Party::new(called));
        summary.call_id = clip(Text::new(call_id), LONG_TEXT_MAX);
        summary.vlan = meta.vlan;
        summary.tunnel = meta.tunnel;
        summary.origin = meta.origin;
        summary.flags.no_invite = reading.request.is_none();
        summary.flags.mid_dialog = reading.request.is_some() && reading.to_tag != 0;
        let caller = identity::caller(reading.message, &options.caller_headers);
        name_party(&mut summary.caller, caller.unwrap_or(reading.from));
        name_party(&mut summary.called, reading.to);
        let mut tags = Tags::default();
        tags.learn(Side::Caller, reading.from_tag);
        tags.learn(Side::Callee, reading.to_tag);
        Self {
            summary,
            progress: Progress { invited: at.clock_ns, last: at.clock_ns, ..Progress::default() },
            check: check_of(call_id),
            scheduled_ns: 0,
            tags,
            invite_cseq: reading.cseq,
            invited: at,
            hops: SmallVec::new(),
            seen: SmallVec::new(),
            seen_next: 0,
            sides: [false; 2],
            acknowledged: false,
            late_ack: None,
            fresh_attempt: false,
            challenged_cseq: None,
            tags_of_branches: SmallVec::new(),
            changes: changes::Changes::default(),
            answerer: None,
            correlated: Vec::new(),
            timer_runs: false,
        }
    }

    /// The caller's first tag and the last INVITE's number, for what comes after the end.
    pub(crate) fn identity(&self) -> (u64, u32) {
        (self.tags.first_caller(), self.invite_cseq)
    }

    /// This first INVITE uses the Call-ID of a call that is over for a new one.
    pub(crate) fn is_replaced_by(&self, reading: &Reading<'_>) -> bool {
        if !reading.is_first_invite() {
            return false;
        }
        let known = self.tags.is_caller(reading.from_tag);
        let newer = reading.cseq > self.invite_cseq || !known;
        let same_way = reading.meta.src == self.summary.caller.address
            && reading.meta.dst == self.summary.called.address;
        let ended = self.progress.bye.is_some() || self.progress.bye_answered.is_some();
        let failed = self.progress.failed.is_some() && self.summary.connected.is_none();
        (ended && newer)
            || (failed && (!known || (newer && self.summary.flags.cancelled)))
            || (self.summary.connected.is_some() && !known && same_way)
    }

    /// Takes one message.
    pub(crate) fn take(
        &mut self,
        reading: &Reading<'_>,
        options: &Options,
        events: &mut Vec<Event>,
        counters: &mut Counters,
    ) {
        let at = self.clamp(reading.moment());
        let side =
            self.tags.sender(reading, self.summary.caller.address, self.summary.called.address);
        self.note(reading, side, at, counters);
        let has_sdp = self.describe(reading, side, at, events, counters);
        self.draw(reading, has_sdp, counters);
        match reading.request {
            Some(Method::Invite) => self.on_invite(reading, side, at, counters),
            Some(Method::Ack) => self.on_ack(reading, side, at),
            Some(Method::Cancel) => self.on_cancel(reading, at),
            Some(Method::Bye) => self.on_bye(reading, side, at),
            Some(Method::Update) => {
                self.summary.counts.updates += u32::from(self.on_change(reading, side, at));
            }
            Some(Method::Prack) => self.summary.counts.pracks += 1,
            Some(Method::Refer) => self.on_refer(reading, side, at, counters),
            Some(Method::Notify) => self.on_notify(reading, side),
            Some(Method::Info) => self.on_info(reading, side, at, counters),
            Some(_) => {}
            None => self.on_response(reading, side, at, options, counters),
        }
    }

    fn on_response(
        &mut self,
        reading: &Reading<'_>,
        side: Side,
        at: Moment,
        options: &Options,
        counters: &mut Counters,
    ) {
        match reading.method {
            Method::Invite => {
                self.on_change_response(reading, side, at, counters);
                self.on_invite_response(reading, side, at, options, counters);
            }
            Method::Update => self.on_change_response(reading, side, at, counters),
            Method::Bye => self.on_bye_response(reading, side, at),
            Method::Refer => self.on_refer_response(reading, side),
            _ => {}
        }
    }

    /// No message is older than its call. One may be older than the message before it: the two
    /// directions of a call travel on different ways.
    fn clamp(&self, at: Moment) -> Moment {
        Moment { clock_ns: at.clock_ns.max(self.summary.first.clock_ns), ..at }
    }

    /// What every message tells, whatever it is.
    fn note(&mut self, reading: &Reading<'_>, side: Side, at: Moment, counters: &mut Counters) {
        let summary = &mut self.summary;
        summary.messages += 1;
        if at.clock_ns >= self.progress.last {
            summary.last_message = at;
            self.progress.last = at.clock_ns;
        }
        if reading.meta.tcp {
            summary.flags.tcp = true;
        } else {
            summary.flags.udp = true;
        }
        if summary.malformed.is_none() {
            summary.malformed = reading.malformed;
        }
        let party = match side {
            Side::Caller => &mut summary.caller,
            Side::Callee => &mut summary.called,
        };
        note_party(party, reading);
        if let Some(first @ false) = self.sides.get_mut(side as usize) {
            *first = true;
            party.dscp = reading.meta.dscp;
        }
        // A dialog's tags grow with its responses and with requests of either side.
        if reading.request.is_some() && !self.tags.learn(side, reading.from_tag) {
            counters.dialog_omitted += 1;
        }
        let invited = reading.method == Method::Invite && self.tags.is_caller(reading.from_tag);
        let dialog = reading.request.is_none() && invited && reading.status > 100;
        if dialog && !self.tags.learn(Side::Callee, reading.to_tag) {
            counters.dialog_omitted += 1;
        }
    }

    fn describe(
        &mut self,
        reading: &Reading<'_>,
        side: Side,
        at: Moment,
        events: &mut Vec<Event>,
        counters: &mut Counters,
    ) -> bool {
        let Some(sdp) = reading.message.sdp() else { return false };
        if reading.request.is_none() && reading.status >= 300 {
            return true;
        }
        let inside = self.summary.connected.is_some();
        self.summary.flags.early_media |= !inside && (101..200).contains(&reading.status);
        let answer = reading.request.is_none() || reading.request == Some(Method::Ack);
        let request = reading.request.is_some();
        let mut desk = Desk { summary: &mut self.summary, events, counters, request };
        desk.describe(side, at, &sdp, answer);
        true
    }

    /// Media of the call was seen.
    pub(crate) fn saw_media(&mut self, clock_ns: u64) {
        let clock_ns = clock_ns.max(self.summary.first.clock_ns);
        self.progress.media = Some(self.progress.media.map_or(clock_ns, |old| old.max(clock_ns)));
    }

    /// When this call has to be closed, and why.
    pub(crate) fn deadline(&self, options: &Options) -> (u64, Why) {
        let summary = &self.summary;
        if summary.messages > options.max_sip_packets_in_call
            || summary.invites > options.max_invite_packets_in_call
        {
            return (self.progress.last, Why::Limit(Bye::TooManyMessages));
        }
        // A message can bring an older limit back into force, such as a failure that
        // withdraws an inferred answer. The call is over then, but not before that message.
        let (due, why) = deadline::of(&self.progress, summary, options);
        (due.max(self.progress.last), why)
    }
}

/// Numbers, domain and display name of a party.
fn name_party(party: &mut Party, address: NameAddr<'_>) {
    party.number = clip(address.uri.number(), TEXT_MAX);
    party.domain = clip(address.uri.host(), TEXT_MAX);
    party.name = clip(address.display, TEXT_MAX);
}

/// What a message tells of its sender.
fn note_party(party: &mut Party, reading: &Reading<'_>) {
    let message = reading.message;
    // 100 and challenges often come from a proxy, which is not the party.
    let own = reading.request.is_some() || !matches!(reading.status, 100 | 401 | 407);
    if own && party.user_agent.is_empty() {
        let agent = match reading.request {
            Some(_) => message.user_agent().or_else(|| message.server()),
            None => message.server().or_else(|| message.user_agent()),
        };
        if let Some(agent) = agent {
            party.user_agent = clip(agent, LONG_TEXT_MAX);
        }
    }
    if own && party.asserted.is_empty() {
        let asserted = message.asserted_identity().or_else(|| message.remote_party_id());
        if let Some(address) = asserted {
            party.asserted = clip(address.uri.number(), TEXT_MAX);
        }
    }
    if party.session_id.is_empty()
        && let Some(id) = message.session_id()
    {
        party.session_id = clip(id.local, TEXT_MAX);
    }
}

/// Reason headers of a message that ends a call.
fn note_causes(summary: &mut CallSummary, message: &Message<'_>) {
    causes(message, &mut summary.reason_sip, &mut summary.reason_q850);
}

fn causes(message: &Message<'_>, sip: &mut Option<Cause>, q850: &mut Option<Cause>) {
    if message.known(Header::Reason).is_none() {
        return;
    }
    for reason in message.reasons() {
        let place = if reason.protocol.is("SIP") {
            &mut *sip
        } else if reason.protocol.is("Q.850") {
            &mut *q850
        } else {
            continue;
        };
        if let Some(cause) = reason.cause {
            *place = Some(Cause { cause, text: clip(reason.text, TEXT_MAX) });
        }
    }
}

fn empty_summary(
    call: CallKey,
    instance: u64,
    at: Moment,
    caller: Party,
    called: Party,
) -> CallSummary {
    let empty = CompactString::const_new("");
    CallSummary {
        call,
        instance,
        call_id: empty.clone(),
        first: at,
        end: at,
        last_message: at,
        closed_clock_ns: 0,
        caller,
        called,
        dialled: empty.clone(),
        diverted_from: empty.clone(),
        trying: None,
        progress: None,
        ringing: None,
        connected: None,
        refused: None,
        bye_sent: None,
        bye_answered: None,
        bye_accepted: None,
        cancelled: None,
        last_response: None,
        hung_up: None,
        bye: Bye::NotConnected,
        reason_sip: None,
        reason_q850: None,
        response_time_100_ms: None,
        response_time_xxx_ms: None,
        messages: 0,
        invites: 0,
        reinvites: 0,
        max_retransmission_invite: 0,
        counts: Counts::default(),
        branches: Vec::new(),
        timer: None,
        transfers: Vec::new(),
        digits: Vec::new(),
        redirected_to: empty.clone(),
        claims: Vec::new(),
        claims_omitted: 0,
        codec: None,
        holds: SmallVec::new(),
        path: SmallVec::new(),
        digest_username: empty.clone(),
        digest_realm: empty.clone(),
        replaces: empty,
        ties: Ties::default(),
        custom_headers: Vec::new(),
        ladder: Vec::new(),
        ladder_omitted: 0,
        malformed: None,
        flags: Flags::default(),
        vlan: 0,
        tunnel: None,
        origin: 0,
    }
}
