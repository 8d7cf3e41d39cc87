//! Which call a media endpoint belongs to, and which streams touch it: one worker's view.
//!
//! The newest claim of an endpoint wins. An endpoint whose call has ended is forgotten when its
//! last stream has gone. Nothing here is touched per packet: only when a stream begins or ends
//! and when a claim or a close arrives.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_call::{CallKey, Claim};
use ringtap_common::walk::Ip;
use ringtap_media::Id;
use smallvec::SmallVec;

/// Endpoints one worker knows at most.
pub const ENDPOINTS_MAX: usize = 1 << 19;

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
}

impl Endpoints {
    /// No endpoints yet. `seed` guards the table against chosen collisions.
    pub fn new(seed: u64) -> Self {
        Self {
            places: HashMap::with_hasher(FixedState::with_seed(seed)),
            rtcp: HashMap::with_hasher(FixedState::with_seed(seed)),
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

    /// Forgets an endpoint's claim if it is still this call's.
    pub fn release(&mut self, at: &Endpoint, call: CallInstance) {
        let Some(place) = self.places.get_mut(at) else { return };
        if place.claim.as_ref().is_some_and(|c| (c.call, c.instance) == call) {
            place.claim = None;
            if place.streams.is_empty() {
                self.places.remove(at);
            }
        }
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
