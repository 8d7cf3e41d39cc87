//! One HEP message on its way to a worker: checked, unpacked, dated, and counted once.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringtap_call::CallKey;
use ringtap_cdr::LogLine;
use ringtap_common::classify::Class;
use ringtap_wire::flow::FlowKey;
use ringtap_wire::hep::{self, Message, kind};

use super::Shared;
use super::counts::{Event, Outcome};
use super::payload::{inflate, is_json, sip};
use super::report::rtcp;
use super::{log, quality};
use crate::agents::packet::{self, PAYLOAD_MAX};
use crate::agents::post::{Letter, Post};
use crate::agents::stream::{Broken, Taker};
use crate::agents::{Way, clipped};
use crate::worker::decode::Told;

/// One thread's way of reading messages.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    pub(super) post: Post,
}

/// What is in a message.
struct Content<'a> {
    flow: FlowKey,
    payload: Cow<'a, [u8]>,
    class: Option<Class>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let post = Post::new(Arc::clone(&shared.house));
        Self { shared, post }
    }

    fn deliver(
        &mut self,
        bytes: &[u8],
        from: IpAddr,
        patience: Duration,
    ) -> Result<Outcome, Outcome> {
        let message = Message::parse(bytes).map_err(|_| Outcome::Malformed)?;
        let counts = &self.shared.counts.events;
        counts.note(
            match message.version {
                1 => Event::Version1,
                2 => Event::Version2,
                _ => Event::Version3,
            },
            1,
        );
        counts.note(Event::UnknownChunks, message.unknown.into());
        counts.note(Event::MisshapenChunks, message.misshapen.into());
        self.admit(message.auth)?;
        let name = (from, message.agent.unwrap_or_default());
        if let Some(kind::QOS | kind::QOS_SHORT) = message.kind {
            return self.quality(&message, name, patience);
        }
        if message.kind == Some(kind::LOG) {
            return self.log(&message, name, patience);
        }
        let content = content(&message)?;
        let letter = Letter {
            name,
            told_ns: message.unix_ns(),
            flow: content.flow,
            tos: message.tos.unwrap_or_default(),
            told: content.class.map(|class| Told {
                class,
                over_tcp: self.is_tcp(message.protocol),
                vlan: message.vlan.unwrap_or_default() & 0x0fff,
            }),
            token: message
                .correlation
                .filter(|id| !id.is_empty())
                .map(|id| CallKey::of(self.shared.options.realm.into(), id)),
            payload: &content.payload,
        };
        let sent = self.post.send(&letter, patience);
        if sent { Ok(Outcome::Delivered) } else { Err(Outcome::QueueFull) }
    }

    /// Figures of a stream become a record.
    fn quality(
        &mut self,
        message: &Message<'_>,
        name: (IpAddr, u32),
        patience: Duration,
    ) -> Result<Outcome, Outcome> {
        let json = unpacked(message)?;
        let (ts_ns, _) = self.post.date(name, message.unix_ns());
        let told = quality::Told { reporter: name.0, ts_ns, realm: self.shared.options.realm };
        let report = quality::report(message, &json, told)?;
        let sent = self.post.report(report, patience);
        if sent { Ok(Outcome::Reported) } else { Err(Outcome::QueueFull) }
    }

    /// A line of a log becomes a record of its call.
    fn log(
        &mut self,
        message: &Message<'_>,
        name: (IpAddr, u32),
        patience: Duration,
    ) -> Result<Outcome, Outcome> {
        let options = &self.shared.options;
        if !options.log {
            return Err(Outcome::Log);
        }
        let id = message.correlation.filter(|id| !id.is_empty()).ok_or(Outcome::NoCall)?;
        let text = log::text(&unpacked(message)?);
        if text.is_empty() {
            return Err(Outcome::Empty);
        }
        let call = CallKey::of(options.realm.into(), id).0;
        let (ts_ns, clock_ns) = self.post.date(name, message.unix_ns());
        if !self.shared.lines.admit(call, text.len(), clock_ns) {
            return Err(Outcome::LogFull);
        }
        let line = LogLine {
            id: 0,
            id_sensor: 0,
            ts_us: ts_ns / 1000,
            reporter: Some(name.0.to_canonical()),
            agent: name.1,
            call_key: call,
            callid: clipped(id),
            text,
        };
        let sent = self.post.log(line, patience);
        if sent { Ok(Outcome::Logged) } else { Err(Outcome::QueueFull) }
    }

    /// Whether the agent has the key. Where one is wrong, the time that the answer takes does not
    /// tell how far it was right.
    fn admit(&self, given: Option<&[u8]>) -> Result<(), Outcome> {
        let Some(key) = self.shared.options.key.as_ref().map(|key| key.0.as_bytes()) else {
            return Ok(());
        };
        let given = given.unwrap_or_default();
        let padded = given.iter().chain(std::iter::repeat(&0));
        let differing = key.iter().zip(padded).fold(0, |all, (a, b)| all | (a ^ b));
        let same = std::hint::black_box(differing) == 0 && given.len() == key.len();
        if same { Ok(()) } else { Err(Outcome::Unauthorised) }
    }

    /// Whether it came over TCP. Kamailio counts UDP 1, TCP 2, TLS 3, SCTP 4, WS 5, WSS 6.
    fn is_tcp(&self, protocol: Option<u8>) -> bool {
        match protocol {
            Some(6) => true,
            Some(2 | 3 | 5) => self.shared.options.kamailio,
            _ => false,
        }
    }
}

/// Over connections only version 3 comes: the others do not say their length.
impl Taker for Reader {
    fn frame(&self, stream: &[u8]) -> Result<Option<usize>, Broken> {
        hep::frame(stream).map_err(|_| Broken)
    }

    fn message(&mut self, bytes: &[u8], way: Way, patience: Duration, _answer: &mut Vec<u8>) {
        let outcome = self.deliver(bytes, way.from.ip(), patience);
        self.shared.counts.outcomes.note(outcome.unwrap_or_else(|became| became), 1);
    }

    fn broken(&mut self) {
        self.shared.counts.outcomes.note(Outcome::Malformed, 1);
    }
}

/// The payload, decompressed.
fn unpacked<'a>(message: &Message<'a>) -> Result<Cow<'a, [u8]>, Outcome> {
    match (message.payload, message.compressed) {
        (Some(plain), _) if !plain.is_empty() => Ok(Cow::Borrowed(plain)),
        (_, Some(packed)) if !packed.is_empty() => Ok(Cow::Owned(inflate(packed)?)),
        _ => Err(Outcome::Empty),
    }
}

fn content<'a>(message: &Message<'a>) -> Result<Content<'a>, Outcome> {
    let payload = unpacked(message)?;
    let (class, payload) = match message.kind {
        Some(kind::SIP | kind::SIP_JSON) if is_json(&payload) => {
            (Some(Class::Sip), Cow::Owned(sip(&payload)?))
        }
        Some(kind::SIP | kind::SIP_JSON) => (Some(Class::Sip), payload),
        Some(kind::RTP) if matches!(*payload, [_, 192..=223, ..]) => (Some(Class::Rtcp), payload),
        Some(kind::RTP) => (Some(Class::Rtp), payload),
        Some(kind::RTCP | kind::RTCP_JSON) if is_json(&payload) => {
            (Some(Class::Rtcp), Cow::Owned(rtcp(&payload)?))
        }
        Some(kind::RTCP) if payload.first().is_some_and(|first| first >> 6 == 2) => {
            (Some(Class::Rtcp), payload)
        }
        Some(kind::RTCP | kind::RTCP_JSON) => return Err(Outcome::Unreadable),
        Some(_) => return Err(Outcome::OtherProtocol),
        None => (None, payload),
    };
    let (src, dst) = message.src.zip(message.dst).ok_or(Outcome::NoAddress)?;
    let flow = packet::flow((src, message.sport), (dst, message.dport));
    if payload.len() > PAYLOAD_MAX {
        return Err(Outcome::TooLong);
    }
    Ok(Content { flow, payload, class })
}
