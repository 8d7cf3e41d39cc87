//! Whether a mirror brings both directions, told within seconds of traffic.
//!
//! Signalling is always answered: where many packets have passed and no host is seen both to send
//! and to be sent SIP, half of it is missing. Media alone would not do, since it may rightly go one
//! way.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::worker::signalling::Heard;

/// Packets from which on there is something to say.
const PACKETS_MIN: u32 = 20;

/// What one worker has heard, where others can read it.
pub(crate) type Shared = Arc<Mutex<Vec<Heard>>>;

/// What an interface's mirror brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directions {
    /// Too little has passed lately.
    #[default]
    Unknown,
    /// Both.
    Both,
    /// What this host, the busiest, sends is missing.
    WithoutSent(IpAddr),
    /// What is sent to this host, the busiest, is missing.
    WithoutReceived(IpAddr),
}

/// Judges by what all workers have heard on one interface. A tap for each direction is no half
/// mirror: what is missing here may come by another interface.
pub(crate) fn judge(shared: &[Shared], origin: u16) -> Directions {
    let hosts = sums(shared, |heard| heard.origin == origin);
    if hosts.iter().any(|(_, sent, received)| *sent > 0 && *received > 0) {
        return Directions::Both;
    }
    let packets = hosts.iter().fold(0_u32, |sum, (_, sent, _)| sum.saturating_add(*sent));
    let busiest = hosts.iter().max_by_key(|(_, sent, received)| sent.max(received));
    let Some((host, sent, _)) = busiest.filter(|_| packets >= PACKETS_MIN) else {
        return Directions::Unknown;
    };
    let elsewhere = sums(shared, |heard| heard.origin != origin);
    let other = elsewhere.iter().find(|(known, ..)| known == host);
    match other {
        Some((_, 1.., _)) if *sent == 0 => Directions::Both,
        Some((_, _, 1..)) if *sent > 0 => Directions::Both,
        _ if *sent == 0 => Directions::WithoutSent(*host),
        _ => Directions::WithoutReceived(*host),
    }
}

/// What was heard of each host, over all workers: sent, received.
fn sums(shared: &[Shared], counts: impl Fn(&Heard) -> bool) -> Vec<(IpAddr, u32, u32)> {
    let mut hosts: Vec<(IpAddr, u32, u32)> = Vec::new();
    for one in shared {
        let heard = one.lock().unwrap_or_else(PoisonError::into_inner);
        for heard in heard.iter().filter(|heard| counts(heard)) {
            let host = Ipv6Addr::from(heard.host).to_canonical();
            match hosts.iter_mut().find(|(known, ..)| *known == host) {
                Some((_, sent, received)) => {
                    *sent = sent.saturating_add(heard.sent);
                    *received = received.saturating_add(heard.received);
                }
                None => hosts.push((host, heard.sent, heard.received)),
            }
        }
    }
    hosts
}

/// Says in the log what has changed. Addresses are for whoever asks for them.
pub(super) fn tell(interface: &str, before: Directions, now: Directions) {
    let half = |one: Directions| {
        matches!(one, Directions::WithoutSent(_) | Directions::WithoutReceived(_))
    };
    if half(now) && !half(before) {
        let missing = match now {
            Directions::WithoutSent(_) => "what the busiest host sends is missing",
            _ => "what is sent to the busiest host is missing",
        };
        tracing::warn!(
            "the mirror on {interface} brings one direction of SIP only: {missing} (`ringtap \
             status` names it); mirror both ingress and egress"
        );
    } else if half(before) && now == Directions::Both {
        tracing::info!("the mirror on {interface} brings both directions again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    const B: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2];
    const C: [u8; 16] = [0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];

    fn worker(heard: &[([u8; 16], u32, u32)]) -> Shared {
        let one = |&(host, sent, received)| Heard { origin: 1, host, sent, received };
        Arc::new(Mutex::new(heard.iter().map(one).collect()))
    }

    #[test]
    fn half_of_a_mirror_is_seen_over_all_workers() {
        let a = IpAddr::from([10, 0, 0, 1]);
        let judged = |workers: &[Shared]| judge(workers, 1);
        // Requests at one worker, answers at the other.
        let there = || worker(&[(A, 15, 0), (B, 0, 15)]);
        assert_eq!(judged(&[there(), worker(&[(B, 15, 0), (A, 0, 15)])]), Directions::Both);
        assert_eq!(judged(&[there()]), Directions::Unknown);
        let more = worker(&[(A, 15, 0), (C, 0, 15)]);
        assert_eq!(judged(&[there(), more]), Directions::WithoutReceived(a));
        let to_a = worker(&[(A, 0, 40), (B, 15, 0), (C, 25, 0)]);
        assert_eq!(judged(std::slice::from_ref(&to_a)), Directions::WithoutSent(a));
        assert_eq!(judge(std::slice::from_ref(&to_a), 0), Directions::Unknown);
        // What A sends comes by another tap.
        let from_a = Heard { origin: 2, host: A, sent: 30, received: 0 };
        let both = [to_a, Arc::new(Mutex::new(vec![from_a]))];
        assert_eq!(judged(&both), Directions::Both);
        assert_eq!(judge(&both[1..], 2), Directions::WithoutReceived(a));
    }
}
