//! Which call a media endpoint belongs to, and which streams touch it: one worker's view.
//!
//! The newest claim of an endpoint wins. An endpoint whose call has ended is forgotten when its
//! last stream has gone; whose it was is remembered for a while. Nothing here is touched per
//! packet: only when a stream begins or ends and when a claim or a close arrives.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_call::{CallKey, Claim};
use ringtap_common::walk::Ip;
use ringtap_media::Id;
use smallvec::SmallVec;

/// Endpoints one worker knows at most.
pub const ENDPOINTS_MAX: usize = 1 << 19;

/// Endpoints of ended calls that are remembered in each of two generations.
const ENDED_MAX: usize = 1 << 16;

/// RTP that begins within this time behind a call's end, where the call had it, is told with it.
const AFTER_NS: u64 = 10_000_000_000;

/// An address and port; IPv4 is v4-mapped.
pub type Endpoint = (Ip, u16);

/// The endpoint of a socket address.
pub fn endpoint(addr: SocketAddr) -> Endpoint {
    let ip = match addr.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    (ip, addr.port())
}

/// The socket address of an endpoint.
pub fn socket_addr((ip, port): Endpoint) -> SocketAddr {
    SocketAddr::new(std::net::Ipv6Addr::from(ip).to_canonical(), port)
}

/// Which call of which Call-ID.
pub type CallInstance = (CallKey, u64);

/// A call that has been closed.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub call: CallInstance,
    /// Its Call-ID.
    pub call_id: CompactString,
    /// When it was closed, on the ordering clock.
    pub closed_clock_ns: u64,
}

#[derive(Debug, Default)]
struct Place {
    claim: Option<Arc<Claim>>,
    streams: SmallVec<[Id; 4]>,
}

/// All endpoints one worker knows.
#[derive(Debug)]
pub struct Endpoints {
    places: HashMap<Endpoint, Place, FixedState>,
    /// Endpoints of RTCP that `a=rtcp` has put elsewhere than one port above, with their media's.
    rtcp: HashMap<Endpoint, Endpoint, FixedState>,
    /// Whose endpoints were: the younger half, and the older.
    ended: [HashMap<Endpoint, Arc<Ended>, FixedState>; 2],
    turned_clock_ns: u64,
    /// Endpoints of ended calls forgotten before their time.
    ended_forgotten: u64,
}

impl Endpoints {
    /// No endpoints yet. `seed` guards the table against chosen collisions.
    pub fn new(seed: u64) -> Self {
        Self {
            places: HashMap::with_hasher(FixedState::with_seed(seed)),
            rtcp: HashMap::with_hasher(FixedState::with_seed(seed)),
            ended: [0, 1].map(|_| HashMap::with_hasher(FixedState::with_seed(seed))),
            turned_clock_ns: 0,
            ended_forgotten: 0,
        }
    }

    /// Sets the newest claim of an endpoint. False: there is no room for it.
    pub fn claim(&mut self, at: Endpoint, claim: &Arc<Claim>) -> bool {
        if self.places.len() >= ENDPOINTS_MAX && !self.places.contains_key(&at) {
            return false;
        }
        self.places.entry(at).or_default().claim = Some(Arc::clone(claim));
        true
    }

    /// RTCP of the media at `media` comes to `at`. False: there is no room, or nothing to learn.
    pub fn claim_rtcp(&mut self, at: Endpoint, media: Endpoint) -> bool {
        let usual = at.0 == media.0 && at.1.checked_sub(1) == Some(media.1);
        let full = self.rtcp.len() >= ENDPOINTS_MAX && !self.rtcp.contains_key(&at);
        !usual && !full && self.rtcp.insert(at, media) != Some(media)
    }

    /// The media whose RTCP comes to `at`, where `a=rtcp` has said so.
    pub fn media_of(&self, at: &Endpoint) -> Option<Endpoint> {
        self.rtcp.get(at).copied()
    }

    /// Forgets where RTCP comes.
    pub fn release_rtcp(&mut self, at: &Endpoint) {
        self.rtcp.remove(at);
    }

    /// The claim of an endpoint.
    pub fn claim_of(&self, at: &Endpoint) -> Option<&Arc<Claim>> {
        self.places.get(at)?.claim.as_ref()
    }

    /// Forgets an endpoint's claim if it is still this call's, and remembers whose it was.
    pub fn release(&mut self, at: &Endpoint, ended: &Arc<Ended>) {
        let Some(place) = self.places.get_mut(at) else { return };
        if place.claim.as_ref().is_some_and(|c| (c.call, c.instance) == ended.call) {
            place.claim = None;
            if place.streams.is_empty() {
                self.places.remove(at);
            }
            self.remember(*at, ended);
        }
    }

    fn remember(&mut self, at: Endpoint, ended: &Arc<Ended>) {
        let now_ns = ended.closed_clock_ns;
        let [young, old] = &mut self.ended;
        let full = young.len() >= ENDED_MAX;
        if full || now_ns.saturating_sub(self.turned_clock_ns) >= AFTER_NS {
            std::mem::swap(young, old);
            let early = |e: &&Arc<Ended>| now_ns.saturating_sub(e.closed_clock_ns) < AFTER_NS;
            self.ended_forgotten += young.values().filter(early).count() as u64;
            young.clear();
            self.turned_clock_ns = now_ns;
        }
        young.insert(at, Arc::clone(ended));
    }

    /// The call that had this endpoint until shortly before `clock_ns`.
    pub fn ended_before(&self, at: &Endpoint, clock_ns: u64) -> Option<&Arc<Ended>> {
        let [young, old] = &self.ended;
        let ended = young.get(at).or_else(|| old.get(at))?;
        let since_ns = clock_ns.checked_sub(ended.closed_clock_ns)?;
        (since_ns < AFTER_NS).then_some(ended)
    }

    /// Endpoints of ended calls forgotten before their time.
    pub fn ended_forgotten(&self) -> u64 {
        self.ended_forgotten
    }

    /// A stream begins at this endpoint. False: there is no room for it.
    pub fn add_stream(&mut self, at: Endpoint, id: Id) -> bool {
        if self.places.len() >= ENDPOINTS_MAX && !self.places.contains_key(&at) {
            return false;
        }
        self.places.entry(at).or_default().streams.push(id);
        true
    }

    /// A stream has gone from this endpoint.
    pub fn remove_stream(&mut self, at: &Endpoint, id: Id) {
        let Some(place) = self.places.get_mut(at) else { return };
        place.streams.retain(|other| *other != id);
        if place.streams.is_empty() && place.claim.is_none() {
            self.places.remove(at);
        }
    }

    /// The streams at this endpoint, in the order in which they began.
    pub fn streams_at(&self, at: &Endpoint) -> SmallVec<[Id; 4]> {
        self.places.get(at).map(|place| place.streams.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_calls_are_remembered_for_their_time_and_within_bounds() {
        let mut all = Endpoints::new(1);
        let ended = |n: u64, closed_clock_ns| {
            let call = (CallKey(n), 1);
            Arc::new(Ended { call, call_id: CompactString::default(), closed_clock_ns })
        };
        let place = |n: usize| {
            let bytes = (n as u128).to_be_bytes();
            (bytes, 4000)
        };
        let of =
            |all: &Endpoints, n, clock_ns| all.ended_before(&place(n), clock_ns).map(|e| e.call.0);
        all.remember(place(1), &ended(1, 5));
        all.remember(place(2), &ended(2, AFTER_NS));
        assert_eq!(of(&all, 1, 4), None, "it began before the end");
        assert_eq!(of(&all, 1, 5), Some(CallKey(1)));
        assert_eq!(of(&all, 1, 4 + AFTER_NS), Some(CallKey(1)), "out of the older half");
        assert_eq!(of(&all, 1, 5 + AFTER_NS), None);
        all.remember(place(1), &ended(3, AFTER_NS + 1));
        assert_eq!(of(&all, 1, AFTER_NS + 1), Some(CallKey(3)), "the last to have it");
        assert_eq!(all.ended_forgotten(), 0);
        for n in 0..3 * ENDED_MAX {
            all.remember(place(n), &ended(4, 3 * AFTER_NS));
        }
        assert_eq!(all.ended.each_ref().map(HashMap::len), [ENDED_MAX; 2]);
        assert_eq!(all.ended_forgotten(), ENDED_MAX as u64);
    }
}
