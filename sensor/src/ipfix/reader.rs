//! One message's sets on their way: answered, delivered, reported or skipped, each counted once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringtap_call::CallKey;
use ringtap_common::classify::Class;
use ringtap_wire::ipfix::{self, Kind, Message, Qos, Reject, Set, Sip};

use super::Shared;
use super::counts::{self, Event, Outcome};
use super::quality;
use crate::agents::Way;
use crate::agents::packet::{self, PAYLOAD_MAX};
use crate::agents::post::{Letter, Post};
use crate::agents::stream::{Broken, Taker};
use crate::worker::decode::Told;

/// The set that answers a handshake.
const ANSWER: u16 = 257;

/// One connection's way of reading messages.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    post: Post,
}

/// What a set's packet carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Sip,
    SipOverTcp,
    /// RTP, RTCP, or what else comes to their ports.
    Media,
}

/// Where a set comes from, and how long it may wait.
#[derive(Clone, Copy)]
struct Origin {
    name: (IpAddr, u32),
    patience: Duration,
}

impl Taker for Reader {
    fn frame(&self, stream: &[u8]) -> Result<Option<usize>, Broken> {
        ipfix::frame(stream).map_err(|_| Broken)
    }

    fn message(&mut self, bytes: &[u8], way: Way, patience: Duration, answer: &mut Vec<u8>) {
        let Ok(message) = Message::parse(bytes) else { return self.broken() };
        self.shared.counts.events.note(Event::Messages, 1);
        let origin = Origin { name: (way.from.ip(), message.domain), patience };
        for set in message.sets() {
            let Ok(set) = set else {
                self.shared.counts.events.note(Event::Malformed, 1);
                return;
            };
            self.shared.counts.sets.note(counts::kind(&set), 1);
            let outcome = match set.kind() {
                Kind::Handshake => {
                    answer.extend(message.answer(&set, ANSWER));
                    Ok(Outcome::Answered)
                }
                Kind::SipUdp => self.packet(Sip::udp(set.body), Carries::Sip, origin),
                Kind::SipTcp => self.packet(Sip::tcp(set.body), Carries::SipOverTcp, origin),
                Kind::Rtp => self.packet(Sip::udp(set.body), Carries::Media, origin),
                Kind::Qos => self.quality(&set, origin),
                Kind::Answer
                | Kind::Template
                | Kind::OptionsTemplate
                | Kind::Unknown
                | Kind::Reserved => Ok(Outcome::Skipped),
            };
            self.shared.counts.outcomes.note(outcome.unwrap_or_else(|became| became), 1);
        }
    }

    fn broken(&mut self) {
        self.shared.counts.events.note(Event::Malformed, 1);
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let post = Post::new(Arc::clone(&shared.house));
        Self { shared, post }
    }

    fn packet(
        &mut self,
        read: Result<Sip<'_>, Reject>,
        carries: Carries,
        origin: Origin,
    ) -> Result<Outcome, Outcome> {
        let sip = read.map_err(refused)?;
        self.note_beyond(sip.beyond);
        if sip.message.is_empty() {
            return Err(Outcome::Empty);
        }
        if sip.message.len() > PAYLOAD_MAX {
            return Err(Outcome::TooLong);
        }
        let class = match carries {
            Carries::Sip | Carries::SipOverTcp => Some(Class::Sip),
            Carries::Media => media(sip.message),
        };
        let over_tcp = carries == Carries::SipOverTcp;
        // SIP names its call itself.
        let names = carries == Carries::Media && !sip.call_id.is_empty();
        let realm = u64::from(self.shared.realm);
        let letter = Letter {
            name: origin.name,
            told_ns: sip.unix_ns(),
            flow: packet::flow(sip.src, sip.dst),
            tos: sip.tos,
            told: class.map(|class| Told { class, over_tcp, vlan: sip.vlan & 0x0fff }),
            token: names.then(|| CallKey::of(realm, sip.call_id)),
            payload: sip.message,
        };
        let sent = self.post.send(&letter, origin.patience);
        if sent { Ok(Outcome::Delivered) } else { Err(Outcome::QueueFull) }
    }

    fn quality(&mut self, set: &Set<'_>, origin: Origin) -> Result<Outcome, Outcome> {
        let qos = Qos::parse(set.body).map_err(refused)?;
        self.note_beyond(qos.beyond);
        let reporter = origin.name.0;
        let (ts_ns, _) = self.post.date(origin.name, qos.end_ns());
        let mut became = Outcome::NoCall;
        for report in quality::reports(&qos, reporter, ts_ns, self.shared.realm) {
            if !self.post.report(report, origin.patience) {
                return Err(Outcome::QueueFull);
            }
            became = Outcome::Reported;
        }
        Ok(became)
    }

    fn note_beyond(&self, beyond: usize) {
        // Up to three bytes fill a set up (RFC 7011 §3.3.1).
        self.shared.counts.events.note(Event::Beyond, u64::from(beyond > 3));
    }
}

/// RTP and RTCP by their first bytes (RFC 5761 §4), whatever the ports.
fn media(payload: &[u8]) -> Option<Class> {
    match *payload {
        [first, 192..=223, ..] if first >> 6 == 2 => Some(Class::Rtcp),
        [first, ..] if first >> 6 == 2 => Some(Class::Rtp),
        _ => None,
    }
}

fn refused(why: Reject) -> Outcome {
    match why {
        Reject::Protocol | Reject::Fragment => Outcome::OtherPacket,
        _ => Outcome::Misshapen,
    }
}
