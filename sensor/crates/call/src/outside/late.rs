//! Transactions closed a moment ago, so that a straggler does not begin a ghost, and the nonce of
//! their last challenge.
//!
//! Bounded in time and number.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// How many are remembered.
pub(super) const LATE_MAX: usize = 65_536;
/// For how long (RFC 3261, 64 × T1).
pub(super) const LATE_NS: u64 = 32_000_000_000;

/// Numbers remembered for some time under a key.
#[derive(Debug, Default)]
pub(super) struct Late {
    by_key: HashMap<u64, (u64, u64), RandomState>,
    order: VecDeque<(u64, u64)>,
}

impl Late {
    /// Remembers `value` from `clock_ns` on; tells whether a younger one had to be forgotten.
    pub(super) fn push(&mut self, key: u64, value: u64, clock_ns: u64) -> bool {
        while self.order.front().is_some_and(|(at, _)| clock_ns.saturating_sub(*at) >= LATE_NS) {
            self.pop();
        }
        self.by_key.insert(key, (clock_ns, value));
        self.order.push_back((clock_ns, key));
        let full = self.order.len() > LATE_MAX;
        if full {
            self.pop();
        }
        full
    }

    /// What was remembered under `key`, if that was not long before `now_ns`.
    pub(super) fn get(&self, key: u64, now_ns: u64) -> Option<u64> {
        let (at, value) = self.by_key.get(&key).copied()?;
        (now_ns.saturating_sub(at) < LATE_NS).then_some(value)
    }

    fn pop(&mut self) {
        let Some((at, key)) = self.order.pop_front() else { return };
        // A key that was remembered again has a younger entry further back.
        if self.by_key.get(&key).is_some_and(|(latest, _)| *latest == at) {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_in_time_and_number() {
        let mut late = Late::default();
        for n in 0..LATE_MAX as u64 {
            assert!(!late.push(n, n + 1, n));
        }
        assert!(late.push(u64::MAX, 1, LATE_MAX as u64));
        assert_eq!((late.by_key.len(), late.order.len()), (LATE_MAX, LATE_MAX));
        assert_eq!((late.get(0, 1), late.get(1, 1)), (None, Some(2)));
        assert_eq!(late.get(1, LATE_NS + 1), None);
        assert!(!late.push(7, 7, 2 * LATE_NS));
        assert_eq!((late.by_key.len(), late.order.len()), (1, 1));
    }
}
