//! The key of one direction of a UDP or TCP flow.
//!
//! Knows addresses and ports only: realm, SSRC and call belong to the tables that use it.

use ringtap_common::walk::{Headers, Ip};

/// Addresses and ports of one direction. IPv4 is stored v4-mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// Source address.
    pub src: Ip,
    /// Destination address.
    pub dst: Ip,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

impl FlowKey {
    /// The key of a walked frame.
    #[must_use]
    pub fn from_headers(headers: &Headers) -> Self {
        Self { src: headers.src, dst: headers.dst, sport: headers.sport, dport: headers.dport }
    }

    /// The other direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport }
    }

    /// A hash that both directions share, for handing flows to workers.
    ///
    /// The same `seed` gives the same value on every machine. It is fast and spreads well, but
    /// is not meant to withstand somebody who knows the seed.
    #[must_use]
    pub fn symmetric_hash(&self, seed: u64) -> u64 {
        let one = end_hash(&self.src, self.sport, seed);
        let other = end_hash(&self.dst, self.dport, seed);
        fold(one.wrapping_add(other) ^ seed, one ^ other)
    }
}

const ODD_A: u64 = 0x9e37_79b9_7f4a_7c15;
const ODD_B: u64 = 0xd6e8_feb8_6659_fd93;

fn end_hash(address: &Ip, port: u16, seed: u64) -> u64 {
    let whole = u128::from_be_bytes(*address);
    let (high, low) = ((whole >> 64) as u64, whole as u64);
    let first = fold(high ^ seed ^ ODD_A, low ^ ODD_B);
    fold(first ^ u64::from(port), ODD_A)
}

/// Both halves of the 128-bit product, folded together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ ODD_B).wrapping_mul(u128::from(b | 1));
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(last: u8) -> Ip {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]
    }

    #[test]
    fn shards_are_even() {
        let mut shards = [0u32; 4];
        for host in 0..=255 {
            for port in (10_000..10_400).step_by(2) {
                let key = FlowKey { src: v4(host), dst: v4(1), sport: port, dport: port + 1000 };
                shards[(key.symmetric_hash(7) % 4) as usize] += 1;
            }
        }
        for count in shards {
            assert!((12_000..13_600).contains(&count), "{shards:?}");
        }
    }

    #[test]
    fn reversing_twice_changes_nothing() {
        let key = FlowKey { src: v4(1), dst: v4(2), sport: 3, dport: 4 };
        assert_ne!(key, key.reversed());
        assert_eq!(key, key.reversed().reversed());
    }

    proptest! {
        #[test]
        fn both_directions_hash_alike(src: [u8; 16], dst: [u8; 16], sport: u16, dport: u16,
                                      seed: u64) {
            let key = FlowKey { src, dst, sport, dport };
            prop_assert_eq!(key.symmetric_hash(seed), key.reversed().symmetric_hash(seed));
        }
    }
}
