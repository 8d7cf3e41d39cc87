//! Calls closed a moment ago, so that a straggler does not begin a ghost.
//!
//! Bounded; remembers no more than what a decision needs.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::key::CallKey;

/// How many closed calls are remembered.
pub(crate) const RECENT_MAX: usize = 65_536;
/// For how long: the time in which an endpoint may still retransmit (RFC 3261, 64 × T1).
pub(crate) const RECENT_NS: u64 = 32_000_000_000;

/// What is remembered of a closed call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) clock_ns: u64,
    /// The next call of its key is another one, even if it begins at the same moment.
    pub(crate) instance: u64,
    pub(crate) from_tag: u64,
    pub(crate) invite_cseq: u32,
}

/// Closed calls in the order of closing.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    by_key: HashMap<CallKey, Closed, RandomState>,
    order: VecDeque<(u64, CallKey)>,
}

impl Recent {
    /// Remembers a call; tells whether a younger one than [`RECENT_NS`] had to be forgotten.
    pub(crate) fn push(&mut self, key: CallKey, closed: Closed) -> bool {
        self.forget_old(closed.clock_ns);
        self.by_key.insert(key, closed);
        self.order.push_back((closed.clock_ns, key));
        let full = self.order.len() > RECENT_MAX;
        if full {
            self.pop();
        }
        full
    }

    /// The call of that key, if it was closed not long before `now_ns`.
    pub(crate) fn get(&self, key: CallKey, now_ns: u64) -> Option<Closed> {
        self.by_key.get(&key).copied().filter(|c| now_ns.saturating_sub(c.clock_ns) < RECENT_NS)
    }

    fn forget_old(&mut self, now_ns: u64) {
        while self.order.front().is_some_and(|(at, _)| now_ns.saturating_sub(*at) >= RECENT_NS) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some((at, key)) = self.order.pop_front() else { return };
        // A key that was closed again has a younger entry further back.
        if self.by_key.get(&key).is_some_and(|c| c.clock_ns == at) {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_in_time_and_number() {
        let mut recent = Recent::default();
        let closed =
            |clock_ns| Closed { clock_ns, instance: clock_ns, from_tag: 1, invite_cseq: 1 };
        for n in 0..RECENT_MAX as u64 {
            assert!(!recent.push(CallKey(n), closed(n)));
        }
        assert!(recent.push(CallKey(u64::MAX), closed(RECENT_MAX as u64)));
        assert_eq!((recent.by_key.len(), recent.order.len()), (RECENT_MAX, RECENT_MAX));
        assert!(recent.get(CallKey(0), 1).is_none());
        assert!(recent.get(CallKey(1), 1).is_some());
        assert!(recent.get(CallKey(1), RECENT_NS + 1).is_none());
        assert!(!recent.push(CallKey(7), closed(2 * RECENT_NS)));
        assert_eq!((recent.by_key.len(), recent.order.len()), (1, 1));
    }

    #[test]
    fn a_key_closed_twice_stays_until_its_later_end() {
        let mut recent = Recent::default();
        let closed =
            |clock_ns| Closed { clock_ns, instance: clock_ns, from_tag: 1, invite_cseq: 1 };
        recent.push(CallKey(1), closed(0));
        recent.push(CallKey(1), closed(RECENT_NS - 1));
        recent.push(CallKey(2), closed(RECENT_NS + 1));
        assert!(recent.get(CallKey(1), RECENT_NS + 1).is_some());
    }
}
