//! Which hosts are heard to send SIP, and which to be sent some: a mirror that brings one direction
//! only shows no host that does both.
//!
//! Counts fade, so that they speak of the last seconds. What they mean is judged where the counts
//! of all workers meet.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_common::walk::Ip;

/// Hosts that are counted at one time; others wait until some have faded.
const HOSTS_MAX: usize = 256;
/// How often counts are halved.
const HALF_NS: u64 = 5_000_000_000;

/// What was heard of one host lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The interface.
    pub origin: u16,
    /// The host.
    pub host: Ip,
    /// Packets with SIP that it sent.
    pub sent: u32,
    /// Packets with SIP that were sent to it.
    pub received: u32,
}

/// Counts by interface and host.
#[derive(Debug)]
pub struct Directions {
    hosts: HashMap<(u16, Ip), [u32; 2], FixedState>,
    halved_ns: u64,
}

impl Default for Directions {
    fn default() -> Self {
        Self { hosts: HashMap::with_hasher(FixedState::default()), halved_ns: 0 }
    }
}

impl Directions {
    /// A packet with SIP has passed.
    pub fn note(&mut self, origin: u16, src: Ip, dst: Ip) {
        for (host, direction) in [(src, 0), (dst, 1)] {
            let room = self.hosts.len() < HOSTS_MAX;
            if let Some(counts) = self.hosts.get_mut(&(origin, host)) {
                counts[direction] = counts[direction].saturating_add(1);
            } else if room {
                let mut counts = [0; 2];
                counts[direction] = 1;
                self.hosts.insert((origin, host), counts);
            }
        }
    }

    /// The counts now.
    pub fn heard(&mut self, now_ns: u64) -> Vec<Heard> {
        if now_ns.saturating_sub(self.halved_ns) >= HALF_NS {
            self.halved_ns = now_ns;
            self.hosts.retain(|_, counts| {
                *counts = counts.map(|count| count / 2);
                *counts != [0; 2]
            });
        }
        let heard = |(&(origin, host), &[sent, received]): (&(u16, Ip), &[u32; 2])| Heard {
            origin,
            host,
            sent,
            received,
        };
        self.hosts.iter().map(heard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fade_and_hosts_are_bounded() {
        let host = |n: u16| {
            let mut ip = [0; 16];
            ip[14..].copy_from_slice(&n.to_be_bytes());
            ip
        };
        let mut directions = Directions::default();
        for n in 1..1000 {
            directions.note(0, host(n), host(0));
        }
        for _ in 0..6 {
            directions.note(1, host(1), host(2));
        }
        assert_eq!(directions.heard(1).len(), HOSTS_MAX);
        // Half of nothing is nothing: those that were heard once make room.
        let heard = directions.heard(1 + HALF_NS);
        assert_eq!(heard, [Heard { origin: 0, host: host(0), sent: 0, received: 499 }]);
        directions.note(1, host(1), host(2));
        assert_eq!(directions.heard(2 + HALF_NS).len(), 3);
    }
}
