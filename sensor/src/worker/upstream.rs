//! The one arrow that goes upstream: media endpoints that calls announce, for the kernel's map.
//!
//! Every worker hears of every claim, so one of them is enough to tell.

use crossbeam::channel::Sender;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_call::Claim;

use super::endpoints::{Endpoint, endpoint};

/// Changes on their way to the kernel at most; more are lost, and counted by who sends them.
pub const UPSTREAM_MAX: usize = 65_536;

/// A change of the kernel's map of media endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Packets from and to here are media.
    Learn(Endpoint),
    /// They are no longer.
    Forget(Endpoint),
}

/// A worker's end of the way up.
#[derive(Debug)]
pub struct Teller {
    sender: Sender<Upstream>,
    lost: u64,
}

impl Teller {
    /// Tells it there.
    pub fn new(sender: Sender<Upstream>) -> Self {
        Self { sender, lost: 0 }
    }

    /// A call has announced an endpoint.
    pub fn learn(&mut self, claim: &Claim) {
        let rtp = endpoint(claim.endpoint);
        self.tell(Upstream::Learn(rtp));
        self.tell(Upstream::Learn(rtcp_of(rtp)));
    }

    /// A call has let go of an endpoint.
    pub fn forget(&mut self, rtp: Endpoint) {
        self.tell(Upstream::Forget(rtp));
        self.tell(Upstream::Forget(rtcp_of(rtp)));
    }

    /// Changes that found no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn tell(&mut self, news: Upstream) {
        self.lost += u64::from(self.sender.try_send(news).is_err());
    }
}

/// Where RTCP goes unless something else is said (RFC 3550 §11).
fn rtcp_of((ip, port): Endpoint) -> Endpoint {
    (ip, port.wrapping_add(1))
}

/// What is in the kernel's map, and for how many calls.
#[derive(Debug, Default)]
pub struct Learned {
    users: HashMap<Endpoint, u32, RandomState>,
    complained: bool,
}

impl Learned {
    /// One more call uses it. True: it is new.
    pub fn add(&mut self, at: Endpoint) -> bool {
        let users = self.users.entry(at).or_insert(0);
        *users += 1;
        *users == 1
    }

    /// One call less uses it. True: it was the last.
    pub fn remove(&mut self, at: Endpoint) -> bool {
        let Some(users) = self.users.get_mut(&at) else { return false };
        *users -= 1;
        let last = *users == 0;
        if last {
            self.users.remove(&at);
        }
        last
    }

    /// True the first time: a full map is logged once.
    pub fn complain(&mut self) -> bool {
        !std::mem::replace(&mut self.complained, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_stays_until_its_last_call_has_gone() {
        let mut learned = Learned::default();
        let at = ([7; 16], 4000);
        assert!(learned.add(at));
        assert!(!learned.add(at));
        assert!(!learned.remove(at));
        assert!(learned.remove(at));
        assert!(!learned.remove(at), "gone already");
    }
}
