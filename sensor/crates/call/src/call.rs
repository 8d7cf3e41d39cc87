//! One INVITE dialog, from its first message to its summary.
//!
//! Decides nothing about other calls: whether a message begins one, belongs to one or comes too
//! late is for [`crate::Calls`].

mod invite;

use compact_str::{CompactString, format_compact};
use ringtap_sip::{Header, Message, Method, NameAddr, StartLine, Text};
use smallvec::SmallVec;

use crate::counters::Counters;
use crate::deadline::{self, Progress, Why};
use crate::event::{Event, Moment, Side};
use crate::key::{CallKey, check_of};
use crate::media::Desk;
use crate::options::Options;
use crate::side::{Reading, Tags};
use crate::summary::{
    Bye, CallSummary, Cause, Flags, LADDER_MAX, LONG_TEXT_MAX, LadderEntry, Party, TEXT_MAX, clip,
};

/// Messages remembered to tell retransmissions.
const SEEN_MAX: usize = 16;
/// Longest text of a ladder entry.
const LADDER_TEXT_MAX: usize = 48;

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
}

impl Call {
    /// A call that begins with this message: an INVITE, or a response to an unseen one.
    pub(crate) fn begin(
        key: CallKey,
        instance: u64,
        call_id: &[u8],
        reading: &Reading<'_>,
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
        summary.origin = meta.origin;
        summary.flags.no_invite = reading.request.is_none();
        summary.flags.mid_dialog = reading.request.is_some() && reading.to_tag != 0;
        name_party(&mut summary.caller, reading.from);
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
        let ended = self.progress.bye.is_some() || self.progress.bye_confirmed.is_some();
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
            Some(_) => {}
            None => match reading.method {
                Method::Invite => self.on_invite_response(reading, side, at, options, counters),
                Method::Bye => self.on_bye_response(reading, at),
                _ => {}
            },
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
        if reading.request.is_none() && invited && reading.status > 100 {
            if !self.tags.learn(Side::Callee, reading.to_tag) {
                counters.dialog_omitted += 1;
            }
            let branches = self.tags.callees();
            summary.branches = branches as u32;
            summary.flags.forked = branches > 1;
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
        let mut desk = Desk { summary: &mut self.summary, events, counters };
        desk.describe(side, at, &sdp, answer);
        if inside && matches!(reading.request, Some(Method::Invite | Method::Update)) {
            desk.note_hold(at, &sdp);
        }
        true
    }

    /// Adds the message to the ladder.
    fn draw(&mut self, reading: &Reading<'_>, sdp: bool, counters: &mut Counters) {
        let retransmission = self.is_repeated(reading);
        let summary = &mut self.summary;
        if summary.ladder.len() >= LADDER_MAX {
            summary.ladder_omitted += 1;
            counters.ladder_omitted += 1;
            return;
        }
        let text = match reading.message.start() {
            StartLine::Request { name, .. } => clip(name, LADDER_TEXT_MAX),
            StartLine::Response { status, phrase } if phrase.is_empty() => {
                format_compact!("{status}")
            }
            StartLine::Response { status, phrase } => {
                format_compact!("{status} {}", clip(phrase, LADDER_TEXT_MAX))
            }
        };
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        summary.ladder.push(LadderEntry {
            ts_ns: reading.meta.ts_ns,
            src,
            dst,
            text,
            sdp,
            retransmission,
        });
    }

    fn is_repeated(&mut self, reading: &Reading<'_>) -> bool {
        let mut mix = reading.branch ^ u64::from(reading.cseq).rotate_left(32);
        let ends = [reading.meta.src, reading.meta.dst];
        let words = ends.iter().flat_map(|a| {
            let ip = match a.ip().to_canonical() {
                std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
                std::net::IpAddr::V6(v6) => v6.to_bits(),
            };
            [ip as u64, (ip >> 64) as u64, u64::from(a.port())]
        });
        let kind = [u64::from(reading.status), reading.method as u64, reading.to_tag];
        let request = u64::from(reading.request.is_some());
        for word in words.chain(kind).chain([request]) {
            mix = (mix ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        if self.seen.contains(&mix) {
            return true;
        }
        if self.seen.len() < SEEN_MAX {
            self.seen.push(mix);
        } else if let Some(place) = self.seen.get_mut(self.seen_next % SEEN_MAX) {
            *place = mix;
            self.seen_next += 1;
        }
        false
    }

    fn on_bye(&mut self, reading: &Reading<'_>, side: Side, at: Moment) {
        let first = match self.progress.bye {
            Some((first, _)) => first,
            None => {
                self.summary.bye_sent = Some(at);
                self.summary.hung_up = Some(side);
                at.clock_ns
            }
        };
        self.progress.bye = Some((first, at.clock_ns));
        note_causes(&mut self.summary, reading.message);
    }

    fn on_bye_response(&mut self, reading: &Reading<'_>, at: Moment) {
        // A challenge is no end: the BYE comes again, with credentials.
        if reading.status < 200 || matches!(reading.status, 401 | 407) {
            return;
        }
        if self.progress.bye_confirmed.is_none() {
            self.progress.bye_confirmed = Some(at.clock_ns);
            self.summary.end = at;
        }
        if self.progress.bye.is_none() {
            // Its BYE was not seen: the answer goes to who sent it.
            self.progress.bye = Some((at.clock_ns, at.clock_ns));
            self.summary.bye_sent = Some(at);
            let answerer =
                self.tags.sender(reading, self.summary.caller.address, self.summary.called.address);
            self.summary.hung_up = Some(answerer.other());
        }
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

    /// Ends the call.
    pub(crate) fn finish(mut self, why: Why, clock_ns: u64) -> Box<CallSummary> {
        let over = self.progress.bye_confirmed.is_some()
            || (self.progress.failed.is_some() && self.progress.failure_acked.is_some());
        let summary = &mut self.summary;
        if self.progress.bye_confirmed.is_none() {
            summary.end = summary.last_message;
            if self.progress.bye.is_none()
                && let Some(media) = self.progress.media
            {
                let more = media.saturating_sub(summary.end.clock_ns);
                summary.end.clock_ns += more;
                summary.end.ts_ns = summary.end.ts_ns.saturating_add(more);
            }
        }
        summary.closed_clock_ns = clock_ns;
        summary.flags.flushed = why == Why::Flushed && !over;
        summary.flags.replaced = why == Why::Replaced;
        summary.flags.unacknowledged = summary.connected.is_some() && !self.acknowledged;
        let [caller, callee] = self.sides;
        summary.bye = match why {
            Why::Limit(bye) => bye,
            _ if caller != callee => Bye::OneWay,
            _ if self.progress.bye.is_some() && summary.progress.is_none() => Bye::WithoutResponse,
            _ if self.progress.bye_confirmed.is_some() => Bye::Confirmed,
            _ if self.progress.bye.is_some() => Bye::Unconfirmed,
            _ if summary.connected.is_some() => Bye::Missing,
            _ => Bye::NotConnected,
        };
        Box::new(self.summary)
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
    if message.known(Header::Reason).is_none() {
        return;
    }
    for reason in message.reasons() {
        let place = if reason.protocol.is("SIP") {
            &mut summary.reason_sip
        } else if reason.protocol.is("Q.850") {
            &mut summary.reason_q850
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
        bye_sent: None,
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
        branches: 0,
        claims: Vec::new(),
        claims_omitted: 0,
        codec: None,
        holds: SmallVec::new(),
        path: SmallVec::new(),
        digest_username: empty.clone(),
        digest_realm: empty.clone(),
        replaces: empty,
        ladder: Vec::new(),
        ladder_omitted: 0,
        malformed: None,
        flags: Flags::default(),
        vlan: 0,
        origin: 0,
    }
}
