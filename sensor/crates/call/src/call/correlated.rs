//! Flows of which an agent says that they are a call's, though no description announced their
//! ends: claims of the call beside those of its descriptions.

use std::net::SocketAddr;

use ringtap_sip::sdp::MediaKind;
use smallvec::SmallVec;

use super::Call;
use crate::event::{Claim, Event, Side};

/// Ends of such flows that one call keeps.
const ENDS_MAX: usize = 64;

/// What has become of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// It belongs to the call from now on.
    New,
    /// It belonged to it before: by a description, or because it was said before.
    Known,
    /// The call has too many of them.
    Refused,
    /// There is no such call.
    NoCall,
}

impl Call {
    /// A flow from the first end to the second belongs to this call.
    pub(crate) fn correlate(
        &mut self,
        (src, dst): (SocketAddr, SocketAddr),
        at_clock_ns: u64,
        events: &mut Vec<Event>,
    ) -> Correlation {
        let announced = |end: &SocketAddr| self.summary.claims.iter().any(|c| c.endpoint == *end);
        let ends = [dst, src].map(|end| (end, announced(&end) || self.correlated.contains(&end)));
        // Where one end is known, the flow is: its other end may be anybody's.
        if ends.iter().any(|(_, known)| *known) {
            return Correlation::Known;
        }
        if self.correlated.len() + ends.len() > ENDS_MAX {
            return Correlation::Refused;
        }
        let sender = self.sender(src, dst);
        for (end, side) in [(dst, sender.other()), (src, sender)] {
            self.correlated.push(end);
            events.push(Event::Claim(self.claim_of(end, side, at_clock_ns)));
        }
        Correlation::New
    }

    /// Who sends a flow: a NAT often leaves the port as it was announced, and media often comes
    /// from the host that the signalling came from. Else it is taken for the caller's.
    fn sender(&self, src: SocketAddr, dst: SocketAddr) -> Side {
        let claims = &self.summary.claims;
        let of_port = |port: u16| {
            let mut sides = claims.iter().filter(|c| c.endpoint.port() == port).map(|c| c.side);
            let first = sides.next()?;
            sides.all(|side| side == first).then_some(first)
        };
        let [caller, asked] =
            [&self.summary.caller, &self.summary.called].map(|party| party.address.ip());
        // Media that goes by the host of a proxy does not begin there.
        let called = self.answerer.unwrap_or(asked);
        let of_host = |end: SocketAddr| match (end.ip() == caller, end.ip() == called) {
            (true, false) => Some(Side::Caller),
            (false, true) => Some(Side::Callee),
            _ => None,
        };
        let sent = of_port(src.port()).or_else(|| of_port(dst.port()).map(Side::other));
        let sent = sent.or_else(|| of_host(src)).or_else(|| of_host(dst).map(Side::other));
        sent.unwrap_or(Side::Caller)
    }

    /// A claim with the payload types that the side, or else the other one, has announced.
    fn claim_of(&self, endpoint: SocketAddr, side: Side, at_clock_ns: u64) -> Claim {
        let claims = &self.summary.claims;
        let like = claims.iter().find(|claim| claim.side == side).or(claims.first());
        Claim {
            call: self.summary.call,
            instance: self.summary.instance,
            endpoint,
            rtcp: None,
            side,
            at_clock_ns,
            kind: like.map_or(MediaKind::Audio, |claim| claim.kind),
            candidate: false,
            correlated: true,
            secure: like.is_some_and(|claim| claim.secure),
            payload_types: like.map(|claim| claim.payload_types.clone()).unwrap_or_default(),
            ptime_ms: like.map_or(0, |claim| claim.ptime_ms),
            ssrcs: SmallVec::new(),
        }
    }
}
