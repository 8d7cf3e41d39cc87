//! Where the legs of one call meet: the writer, past which all records come in one order, from
//! whatever shard they are.
//!
//! A call that closes is joined with those that closed before and carry one of its tokens, or its
//! Call-ID, or whose Call-ID it carries. What is remembered is bounded: the oldest groups are
//! forgotten first, and counted. The store keeps the ties themselves, and joins legs again when it
//! is asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_cdr::CallRecord;
use ringtap_cdr::record::{LEGS_MAX, Leg};
use smallvec::SmallVec;

/// Tokens and Call-IDs remembered at most.
const KEYS_MAX: usize = 65_536;

/// Tokens and Call-IDs of one group at most.
const GROUP_KEYS_MAX: usize = 128;

/// By what a call is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A token that it carries.
    Carries(u64),
    /// Its own Call-ID.
    Is(u64),
}

/// Legs that were joined.
#[derive(Debug, Default)]
struct Group {
    id: u64,
    legs: SmallVec<[Leg; 1]>,
    omitted: u32,
    keys: SmallVec<[Key; 2]>,
}

/// The meeting place.
#[derive(Debug)]
pub struct Meeting {
    found: HashMap<Key, u64, RandomState>,
    groups: HashMap<u64, Group, RandomState>,
    /// Groups from the oldest to the youngest, by number; some have been merged into older ones.
    order: VecDeque<u64>,
    next: u64,
    keys_max: usize,
    /// Calls with ties that later legs will not find here.
    forgotten: Arc<AtomicU64>,
}

impl Default for Meeting {
    fn default() -> Self {
        Self::new(KEYS_MAX)
    }
}

impl Meeting {
    fn new(keys_max: usize) -> Self {
        Self {
            found: HashMap::default(),
            groups: HashMap::default(),
            order: VecDeque::new(),
            next: 0,
            keys_max,
            forgotten: Arc::default(),
        }
    }

    /// Where the number of forgotten calls can be read.
    pub fn forgotten(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.forgotten)
    }

    /// Joins a call, which has its ID, with the legs that closed before it.
    pub fn join(&mut self, call: &mut CallRecord) {
        let (number, met) = self.group_of(call);
        let Some(group) = self.groups.get_mut(&number) else { return };
        let legs = &mut call.legs;
        if met || !legs.tokens.is_empty() {
            legs.leg_group = Some(group.id);
        }
        legs.known = group.legs.to_vec();
        legs.omitted = group.omitted;
        if group.legs.len() < LEGS_MAX {
            group.legs.push(Leg { id: call.id, callid: call.callid.clone() });
        } else {
            group.omitted = group.omitted.saturating_add(1);
        }
        let carries = legs.tokens.iter().map(|token| Key::Carries(*token));
        for key in carries.chain([Key::Is(call.call_key)]) {
            // A Call-ID used again names the newer call.
            if self.found.get(&key) == Some(&number) {
                continue;
            }
            if group.keys.len() >= GROUP_KEYS_MAX {
                self.forgotten.fetch_add(1, Ordering::Relaxed);
                break;
            }
            self.found.insert(key, number);
            group.keys.push(key);
        }
        self.forget_oldest();
    }

    /// The group that a call belongs to, merged from all that it touches; or a new one.
    fn group_of(&mut self, call: &CallRecord) -> (u64, bool) {
        let tokens = call.legs.tokens.iter();
        let sought = tokens.flat_map(|token| [Key::Carries(*token), Key::Is(*token)]);
        let sought = sought.chain([Key::Carries(call.call_key)]);
        let mut touched: SmallVec<[u64; 4]> =
            sought.filter_map(|key| self.found.get(&key).copied()).collect();
        touched.sort_unstable();
        touched.dedup();
        let Some((&oldest, others)) = touched.split_first() else {
            let number = self.next;
            self.next += 1;
            self.groups.insert(number, Group { id: call.own_group(), ..Group::default() });
            self.order.push_back(number);
            return (number, false);
        };
        for other in others {
            self.merge(*other, oldest);
        }
        (oldest, true)
    }

    fn merge(&mut self, from: u64, into: u64) {
        let Some(from) = self.groups.remove(&from) else { return };
        let Some(group) = self.groups.get_mut(&into) else { return };
        group.omitted = group.omitted.saturating_add(from.omitted);
        for leg in from.legs {
            if group.legs.len() < LEGS_MAX {
                group.legs.push(leg);
            } else {
                group.omitted = group.omitted.saturating_add(1);
            }
        }
        for key in from.keys {
            if group.keys.len() < GROUP_KEYS_MAX {
                group.keys.push(key);
                self.found.insert(key, into);
            } else {
                self.found.remove(&key);
                self.forgotten.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn forget_oldest(&mut self) {
        while self.found.len() > self.keys_max {
            let Some(number) = self.order.pop_front() else { return };
            let Some(group) = self.groups.remove(&number) else { continue };
            for key in &group.keys {
                if self.found.get(key) == Some(&number) {
                    self.found.remove(key);
                }
            }
            // A call without ties is missed only by one that replaces it so much later.
            if group.keys.iter().any(|key| matches!(key, Key::Carries(_))) {
                let legs = group.legs.len() as u64 + u64::from(group.omitted);
                self.forgotten.fetch_add(legs, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: u64, callid: u64, tokens: &[u64]) -> CallRecord {
        let mut call = CallRecord {
            id,
            callid: format!("call-{callid}").into(),
            call_key: callid,
            calldate_us: id,
            ..CallRecord::default()
        };
        call.legs.tokens = tokens.to_vec();
        call
    }

    fn joined(meeting: &mut Meeting, mut call: CallRecord) -> (Option<u64>, Vec<u64>) {
        meeting.join(&mut call);
        (call.legs.leg_group, call.legs.known.iter().map(|leg| leg.id).collect())
    }

    #[test]
    fn legs_that_share_a_token_know_those_before_them() {
        let mut meeting = Meeting::default();
        let (first, known) = joined(&mut meeting, call(1, 101, &[7, 8]));
        assert!(first.is_some() && known.is_empty());
        assert_eq!(joined(&mut meeting, call(2, 102, &[9])), (joined_id(2, 102), vec![]));
        assert_eq!(joined(&mut meeting, call(3, 103, &[8])), (first, vec![1]));
        assert_eq!(joined(&mut meeting, call(4, 104, &[])), (None, vec![]));
        // One that carries tokens of both joins them; the older group gives the number.
        assert_eq!(joined(&mut meeting, call(5, 105, &[9, 7])), (first, vec![1, 3, 2]));
        assert_eq!(joined(&mut meeting, call(6, 106, &[9])), (first, vec![1, 3, 2, 5]));
    }

    fn joined_id(id: u64, callid: u64) -> Option<u64> {
        Some(call(id, callid, &[]).own_group())
    }

    #[test]
    fn a_call_is_met_by_its_call_id_whichever_closes_first() {
        for order in [[0, 1], [1, 0]] {
            let mut meeting = Meeting::default();
            let calls = [call(1, 101, &[]), call(2, 102, &[101])];
            let [first, second] = order.map(|at: usize| calls[at].clone());
            let ended = first.id;
            let _ = joined(&mut meeting, first);
            let (group, known) = joined(&mut meeting, second);
            assert!(group.is_some());
            assert_eq!(known, [ended]);
        }
    }

    #[test]
    fn a_call_id_used_again_ties_nothing() {
        let mut meeting = Meeting::default();
        let _ = joined(&mut meeting, call(1, 101, &[]));
        assert_eq!(joined(&mut meeting, call(2, 101, &[])), (None, vec![]));
        // Who names it means the newer one.
        assert_eq!(joined(&mut meeting, call(3, 103, &[101])).1, [2]);
    }

    #[test]
    fn a_flood_of_tokens_stays_bounded_and_is_counted() {
        let mut meeting = Meeting::new(1000);
        for n in 0..10_000u64 {
            let _ = joined(&mut meeting, call(n + 1, n, &[1_000_000 + n]));
            assert!(meeting.found.len() <= 1000);
        }
        assert_eq!((meeting.groups.len(), meeting.order.len()), (500, 500));
        assert_eq!(meeting.forgotten.load(Ordering::Relaxed), 9500);
        assert_eq!(joined(&mut meeting, call(20_000, 20_000, &[1_009_999])).1, [10_000]);
        assert_eq!(joined(&mut meeting, call(20_001, 20_001, &[1_000_000])).1, [0u64; 0]);
    }

    #[test]
    fn a_group_without_end_is_bounded_too() {
        let mut meeting = Meeting::default();
        for n in 0..10_000u64 {
            let (_, known) = joined(&mut meeting, call(n + 1, n, &[1 << 40, (1 << 41) + n]));
            assert!(known.len() <= LEGS_MAX);
        }
        assert_eq!(meeting.groups.len(), 1);
        assert!(meeting.found.len() <= GROUP_KEYS_MAX);
        assert!(meeting.forgotten.load(Ordering::Relaxed) > 9000);
    }

    #[test]
    fn merging_keeps_to_the_limits() {
        let mut meeting = Meeting::default();
        for n in 0..1000u64 {
            let _ = joined(&mut meeting, call(n + 1, n, &[1_000_000 + n]));
        }
        for n in 1..1000u64 {
            let tokens = [1_000_000, 1_000_000 + n];
            let (_, known) = joined(&mut meeting, call(5000 + n, 5000 + n, &tokens));
            assert!(known.len() <= LEGS_MAX);
        }
        let most = meeting.groups.values().map(|g| g.keys.len().max(g.legs.len())).max();
        assert!(most <= Some(GROUP_KEYS_MAX));
        let keys: usize = meeting.groups.values().map(|group| group.keys.len()).sum();
        assert!(meeting.found.len() <= keys);
    }
}
