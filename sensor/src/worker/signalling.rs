//! SIP out of datagrams and TCP segments, and on to the shard of its call.
//!
//! Only the Call-ID (of a REGISTER: the address of record) is looked for here; the message is
//! understood where its call lives. Segments that complete no message wait, in copy, for the one
//! that does: they belong to its call.

mod directions;

use std::collections::VecDeque;

use ringtap_assemble::stream::{Flow, Segment, Streams};
use ringtap_call::{CallKey, Meta, registration_route};
use ringtap_common::walk::PROTO_TCP;
use ringtap_sip::{Message, call_id_of, looks_like_sip};
use ringtap_wire::hep;
use smallvec::SmallVec;

use super::decode::Decoded;
use super::endpoints::socket_addr;
use super::exchange::{Exchange, Note, SipNote};
use super::spooling::{Kept, Spooling};
use crate::ledger::{Event, Tally};

pub use directions::{Directions, Heard};

/// Segments that wait for the end of their message at most; older ones are forgotten.
const WAITING_MAX: usize = 256;

/// Calls that one segment brings messages of.
type CallKeys = SmallVec<[CallKey; 4]>;

/// A copy of a segment's frame.
#[derive(Debug)]
struct Waiting {
    flow: Flow,
    ts_ns: u64,
    clock_ns: u64,
    wire_len: u32,
    link: u16,
    bytes: Box<[u8]>,
}

/// The way of SIP in one worker.
#[derive(Debug)]
pub(super) struct Signalling {
    realm: u32,
    tcp: Streams,
    waiting: VecDeque<Waiting>,
    last: Option<Meta>,
    /// Messages of connections that are no SIP.
    unreadable: u64,
    /// Segments pushed out of `waiting`.
    forgotten: u64,
    directions: Directions,
}

impl Signalling {
    /// For calls of this realm.
    pub(super) fn new(realm: u32) -> Self {
        Self {
            realm,
            tcp: Streams::new(0),
            waiting: VecDeque::new(),
            last: None,
            unreadable: 0,
            forgotten: 0,
            directions: Directions::default(),
        }
    }

    /// One datagram. `None`: there is no SIP message in it.
    pub(super) fn datagram(
        &mut self,
        decoded: &Decoded<'_>,
        place: (u64, u64),
        exchange: &mut Exchange,
    ) -> Option<CallKey> {
        let call = send(self.realm, meta(decoded), decoded.payload(), place, exchange)?;
        self.note_direction(decoded);
        Some(call)
    }

    /// One TCP segment: whatever messages it completes go on, and to the spool with it.
    pub(super) fn segment(
        &mut self,
        decoded: &Decoded<'_>,
        kept: &Kept<'_>,
        place: (u64, u64),
        exchange: &mut Exchange,
        spool: Option<&mut Spooling>,
    ) {
        let Some(segment) = Segment::read(&decoded.headers, decoded.frame.bytes) else { return };
        let (realm, meta) = (self.realm, meta(decoded));
        let mut calls = CallKeys::new();
        let unreadable = &mut self.unreadable;
        self.tcp.push(&segment, decoded.frame.clock, &mut |flow, message| match send(
            realm,
            of_flow(meta, flow),
            message,
            place,
            exchange,
        ) {
            Some(call) => calls.push(call),
            None => *unreadable += 1,
        });
        // The way of one connection says nothing of another.
        if !calls.is_empty() {
            self.note_direction(decoded);
        }
        self.last = Some(Meta { vlan: 0, tunnel: None, ..meta });
        if let Some(spool) = spool {
            self.keep(&segment, &calls, kept, spool);
        }
    }

    fn note_direction(&mut self, decoded: &Decoded<'_>) {
        let (headers, origin) = (&decoded.headers, decoded.frame.origin);
        self.directions.note(origin, headers.src, headers.dst);
    }

    /// Which hosts were heard lately, and which were spoken to.
    pub(super) fn heard(&mut self, now_ns: u64) -> Vec<Heard> {
        self.directions.heard(now_ns)
    }

    /// Steps over holes that have been open for too long: what waited behind them goes on.
    pub(super) fn expire(&mut self, clock_ns: u64, at: u64, exchange: &mut Exchange) {
        let Self { realm, tcp, unreadable, .. } = self;
        let Some(last) = self.last else { return };
        tcp.expire(clock_ns, &mut |flow, message| {
            let sent = send(*realm, of_flow(last, flow), message, (at, 0), exchange);
            *unreadable += u64::from(sent.is_none());
        });
    }

    /// No more segments will come: what waits goes on.
    pub(super) fn finish(&mut self, at: u64, exchange: &mut Exchange) {
        let Self { realm, tcp, unreadable, .. } = self;
        let Some(last) = self.last else { return };
        tcp.finish(&mut |flow, message| {
            let sent = send(*realm, of_flow(last, flow), message, (at, 0), exchange);
            *unreadable += u64::from(sent.is_none());
        });
    }

    /// Tells what has happened to connections so far.
    pub(super) fn report(&self, tally: &mut Tally) {
        let tcp = self.tcp.counters();
        let (framing, websocket) = (tcp.framing, tcp.websocket);
        for (event, value) in [
            (Event::TcpMidstream, tcp.midstream),
            (Event::TcpRetransmissions, tcp.retransmissions),
            (Event::TcpReordered, tcp.reordered),
            (Event::TcpHoles, tcp.holes),
            (Event::TcpJumps, tcp.jumps),
            (Event::TcpIdle, tcp.idle),
            (Event::TcpEvicted, tcp.evicted),
            (Event::TcpGarbageBytes, framing.garbage_bytes + websocket.skipped_bytes),
            (Event::TcpResyncs, framing.resyncs),
            (Event::TcpNoLength, framing.no_length),
            (Event::TcpCut, framing.cut),
            (Event::TcpOversized, framing.oversized + websocket.oversized),
            (Event::TcpUnreadable, self.unreadable),
            (Event::TcpUnspooled, self.forgotten),
            (Event::WebsocketUpgrades, websocket.upgrades),
            (Event::WebsocketMidstream, websocket.midstream),
            (Event::WebsocketMessages, websocket.messages),
            (Event::WebsocketCompressed, websocket.compressed),
            (Event::WebsocketBroken, websocket.broken),
            (Event::WebsocketResyncs, websocket.resyncs),
        ] {
            tally.set(event, value);
        }
    }

    /// A segment goes to the calls whose messages it completes, together with those before it
    /// that waited.
    fn keep(
        &mut self,
        segment: &Segment<'_>,
        calls: &[CallKey],
        kept: &Kept<'_>,
        spool: &mut Spooling,
    ) {
        let Some(first) = calls.first() else {
            if !segment.payload.is_empty() {
                self.wait(segment.flow, kept);
            }
            return;
        };
        self.waiting.retain(|one| {
            let mine = one.flow == segment.flow;
            if mine {
                let Waiting { ts_ns, clock_ns, wire_len, link, .. } = *one;
                let bytes = &one.bytes;
                spool.sip(first.0, &Kept { ts_ns, clock_ns, wire_len, link, bytes });
            }
            !mine
        });
        for (index, call) in calls.iter().enumerate() {
            if !calls.iter().take(index).any(|before| before == call) {
                spool.sip(call.0, kept);
            }
        }
    }

    fn wait(&mut self, flow: Flow, kept: &Kept<'_>) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
            self.forgotten += 1;
        }
        let Kept { ts_ns, clock_ns, wire_len, link, bytes } = *kept;
        self.waiting.push_back(Waiting {
            flow,
            ts_ns,
            clock_ns,
            wire_len,
            link,
            bytes: bytes.into(),
        });
    }
}

/// Sends a message to the shard of its call.
fn send(
    realm: u32,
    meta: Meta,
    bytes: &[u8],
    place: (u64, u64),
    exchange: &mut Exchange,
) -> Option<CallKey> {
    // An agent may send from its SIP port what it has seen: that is a mirrored HEP message.
    if !looks_like_sip(bytes) || bytes.starts_with(&hep::MAGIC) {
        return None;
    }
    let call = match call_id_of(bytes) {
        Some(id) => CallKey::of(u64::from(realm), id),
        // A message without one is worth a record all the same.
        None => Message::parse(bytes).ok().map(|_| meta.nameless_key(u64::from(realm)))?,
    };
    let shard =
        registration_of(u64::from(realm), bytes).unwrap_or(call.0) % exchange.workers() as u64;
    let note = SipNote { meta, bytes: bytes.into() };
    exchange.send(shard as usize, place, Note::Sip(Box::new(note)));
    Some(call)
}

/// Where a message that is about a registration goes instead of the shard of its Call-ID.
fn registration_of(realm: u64, bytes: &[u8]) -> Option<u64> {
    // Most requests say in their first byte that they are none.
    let first = bytes.trim_ascii_start().first().copied().unwrap_or_default();
    let may_be = !first.is_ascii_uppercase() || matches!(first, b'R' | b'S');
    may_be.then(|| Message::parse(bytes).ok())?.and_then(|m| registration_route(realm, &m))
}

fn meta(decoded: &Decoded<'_>) -> Meta {
    let headers = &decoded.headers;
    Meta {
        ts_ns: decoded.frame.ts,
        clock_ns: decoded.frame.clock,
        src: socket_addr((headers.src, headers.sport)),
        dst: socket_addr((headers.dst, headers.dport)),
        origin: decoded.frame.origin,
        vlan: headers.vlan,
        tunnel: decoded.tunnel,
        tcp: headers.proto == PROTO_TCP || decoded.over_tcp,
        dscp: headers.tos >> 2,
    }
}

/// The same moment on another flow: a message that a limit or a deadline has set free.
fn of_flow(meta: Meta, flow: &Flow) -> Meta {
    let (src, dst) = ((flow.src, flow.sport), (flow.dst, flow.dport));
    Meta { src: socket_addr(src), dst: socket_addr(dst), tcp: true, ..meta }
}
