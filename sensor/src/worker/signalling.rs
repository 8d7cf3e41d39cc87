//! SIP out of datagrams and segments, and on to the shard of its call.
//!
//! Only the Call-ID is looked for here; the message is understood where its call lives.

use std::net::SocketAddr;

use ringtap_call::{CallKey, Meta};
use ringtap_sip::{call_id_of, looks_like_sip};

use super::decode::Decoded;
use super::endpoints::socket_addr;
use super::exchange::{Exchange, Note, SipNote};

/// The way of SIP in one worker.
#[derive(Debug)]
pub(super) struct Signalling {
    realm: u32,
}

impl Signalling {
    /// For calls of this realm.
    pub(super) fn new(realm: u32) -> Self {
        Self { realm }
    }

    /// One datagram. `None`: there is no SIP message in it.
    pub(super) fn datagram(
        &mut self,
        decoded: &Decoded<'_>,
        place: (u64, u64),
        exchange: &mut Exchange,
    ) -> Option<CallKey> {
        self.message(decoded, decoded.payload(), place, exchange)
    }

    /// One TCP segment that begins with a message. `None`: no message begins in it.
    pub(super) fn segment(
        &mut self,
        decoded: &Decoded<'_>,
        place: (u64, u64),
        exchange: &mut Exchange,
    ) -> Option<CallKey> {
        self.message(decoded, decoded.payload(), place, exchange)
    }

    fn message(
        &mut self,
        decoded: &Decoded<'_>,
        bytes: &[u8],
        place: (u64, u64),
        exchange: &mut Exchange,
    ) -> Option<CallKey> {
        if !looks_like_sip(bytes) {
            return None;
        }
        let call = CallKey::of(u64::from(self.realm), call_id_of(bytes)?);
        let note = SipNote { meta: meta(decoded), bytes: bytes.into() };
        let shard = call.0 % exchange.workers() as u64;
        exchange.send(shard as usize, place, Note::Sip(Box::new(note)));
        Some(call)
    }
}

fn meta(decoded: &Decoded<'_>) -> Meta {
    let headers = &decoded.headers;
    let addr = |ip, port| -> SocketAddr { socket_addr((ip, port)) };
    Meta {
        ts_ns: decoded.frame.ts,
        clock_ns: decoded.frame.clock,
        src: addr(headers.src, headers.sport),
        dst: addr(headers.dst, headers.dport),
        origin: decoded.frame.origin,
        vlan: headers.vlan,
        tcp: headers.proto == ringtap_common::walk::PROTO_TCP,
        dscp: headers.tos >> 2,
    }
}
