//! SIP out of datagrams and TCP segments, and on to the shard of its call.
//!
//! Only the Call-ID is looked for here; the message is understood where its call lives. Segments
//! that complete no message wait, in copy, for the one that does: they belong to its call.

use std::collections::VecDeque;

use ringtap_assemble::stream::{Flow, Segment, Streams};
use ringtap_call::{CallKey, Meta};
use ringtap_common::walk::PROTO_TCP;
use ringtap_sip::{call_id_of, looks_like_sip};
use smallvec::SmallVec;

use super::decode::Decoded;
use super::endpoints::socket_addr;
use super::exchange::{Exchange, Note, SipNote};
use super::spooling::{Kept, Spooling};

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
}

impl Signalling {
    /// For calls of this realm.
    pub(super) fn new(realm: u32) -> Self {
        Self { realm, tcp: Streams::new(0), waiting: VecDeque::new(), last: None }
    }

    /// One datagram. `None`: there is no SIP message in it.
    pub(super) fn datagram(
        &mut self,
        decoded: &Decoded<'_>,
        place: (u64, u64),
        exchange: &mut Exchange,
    ) -> Option<CallKey> {
        send(self.realm, meta(decoded), decoded.payload(), place, exchange)
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
        self.tcp.push(&segment, decoded.frame.clock, &mut |flow, message| {
            let meta = of_flow(meta, flow);
            calls.extend(send(realm, meta, message, place, exchange));
        });
        self.last = Some(meta);
        if let Some(spool) = spool {
            self.keep(&segment, &calls, kept, spool);
        }
    }

    /// Steps over holes that have been open for too long: what waited behind them goes on.
    pub(super) fn expire(&mut self, clock_ns: u64, at: u64, exchange: &mut Exchange) {
        let Some(last) = self.last else { return };
        let realm = self.realm;
        self.tcp.expire(clock_ns, &mut |flow, message| {
            send(realm, of_flow(last, flow), message, (at, 0), exchange);
        });
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
    if !looks_like_sip(bytes) {
        return None;
    }
    let call = CallKey::of(u64::from(realm), call_id_of(bytes)?);
    let shard = call.0 % exchange.workers() as u64;
    let note = SipNote { meta, bytes: bytes.into() };
    exchange.send(shard as usize, place, Note::Sip(Box::new(note)));
    Some(call)
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
        tcp: headers.proto == PROTO_TCP,
        dscp: headers.tos >> 2,
    }
}

/// The same moment on another flow: a message that a limit or a deadline has set free.
fn of_flow(meta: Meta, flow: &Flow) -> Meta {
    let (src, dst) = ((flow.src, flow.sport), (flow.dst, flow.dport));
    Meta { src: socket_addr(src), dst: socket_addr(dst), tcp: true, ..meta }
}
