//! What decides about a message: the essentials read once, and which side sent it.
//!
//! By dialog role: tags first, addresses only where tags say nothing.

use std::net::SocketAddr;

use ringtap_sip::{Message, Method, NameAddr, Reason};
use smallvec::SmallVec;

use crate::event::{Moment, Side};
use crate::key::{Meta, token_of};

/// Tags kept of each side.
const TAGS_MAX: usize = 16;

/// The essentials of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) meta: &'a Meta,
    pub(crate) message: &'a Message<'a>,
    /// A request's method.
    pub(crate) request: Option<Method>,
    /// A response's status.
    pub(crate) status: u16,
    /// The transaction's method: of the request, or by the response's `CSeq`.
    pub(crate) method: Method,
    pub(crate) cseq: u32,
    pub(crate) from: NameAddr<'a>,
    pub(crate) to: NameAddr<'a>,
    pub(crate) from_tag: u64,
    pub(crate) to_tag: u64,
    pub(crate) branch: u64,
    pub(crate) malformed: Option<Reason>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(meta: &'a Meta, message: &'a Message<'a>) -> Self {
        let request = message.method();
        let cseq = message.cseq();
        let from = message.from().unwrap_or_default();
        let to = message.to().unwrap_or_default();
        Self {
            meta,
            message,
            request,
            status: message.status().unwrap_or(0),
            method: request.or(cseq.map(|c| c.method)).unwrap_or(Method::Other),
            cseq: cseq.map_or(0, |c| c.number),
            from_tag: token_of(from.tag()),
            to_tag: token_of(to.tag()),
            from,
            to,
            malformed: message.malformed(),
            branch: token_of(message.via().and_then(|v| v.branch())),
        }
    }

    /// An INVITE outside of any dialog.
    pub(crate) fn is_first_invite(&self) -> bool {
        self.request == Some(Method::Invite) && self.to_tag == 0
    }

    /// A provisional or successful response to an INVITE.
    pub(crate) fn is_invite_progress(&self) -> bool {
        self.method == Method::Invite && self.request.is_none() && (100..300).contains(&self.status)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { ts_ns: self.meta.ts_ns, clock_ns: self.meta.clock_ns }
    }
}

/// The tags of both sides of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    caller: SmallVec<[u64; 2]>,
    callee: SmallVec<[u64; 2]>,
}

impl Tags {
    /// Knows this tag as the caller's.
    pub(crate) fn is_caller(&self, tag: u64) -> bool {
        self.caller.contains(&tag)
    }

    /// The caller's first tag.
    pub(crate) fn first_caller(&self) -> u64 {
        self.caller.first().copied().unwrap_or(0)
    }

    /// Remembers a side's tag; false where there is no room.
    pub(crate) fn learn(&mut self, side: Side, tag: u64) -> bool {
        let list = match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        };
        if tag == 0 || list.contains(&tag) {
            return true;
        }
        if list.len() >= TAGS_MAX {
            return false;
        }
        list.push(tag);
        true
    }

    /// The side that sent this message, in a call between these addresses.
    pub(crate) fn sender(
        &self,
        reading: &Reading<'_>,
        caller: SocketAddr,
        called: SocketAddr,
    ) -> Side {
        if reading.is_first_invite() && !self.callee.contains(&reading.from_tag) {
            return Side::Caller;
        }
        let meta = reading.meta;
        let is_request = reading.request.is_some();
        // Who sent the request; its own way, or the response's reversed.
        let (src, dst) = if is_request { (meta.src, meta.dst) } else { (meta.dst, meta.src) };
        let requester = self
            .by_tags(reading.from_tag, reading.to_tag)
            .or_else(|| by_address(src, dst, caller, called))
            .unwrap_or(Side::Caller);
        if is_request { requester } else { requester.other() }
    }

    fn by_tags(&self, from: u64, to: u64) -> Option<Side> {
        let known = |tag: u64| match (self.caller.contains(&tag), self.callee.contains(&tag)) {
            (true, false) => Some(Side::Caller),
            (false, true) => Some(Side::Callee),
            _ => None,
        };
        known(from).or_else(|| known(to).map(Side::other))
    }
}

fn by_address(
    src: SocketAddr,
    dst: SocketAddr,
    caller: SocketAddr,
    called: SocketAddr,
) -> Option<Side> {
    let mut sides =
        [(src, caller), (dst, called)].into_iter().map(|(a, b)| (a == b, a.ip() == b.ip()));
    let forwards = sides.clone().any(|(whole, _)| whole);
    let backwards = src == called || dst == caller;
    if forwards != backwards {
        return Some(if forwards { Side::Caller } else { Side::Callee });
    }
    let forwards = sides.any(|(_, ip)| ip);
    let backwards = src.ip() == called.ip() || dst.ip() == caller.ip();
    (forwards != backwards).then_some(if forwards { Side::Caller } else { Side::Callee })
}
