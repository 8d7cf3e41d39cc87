//! Requests that are repeated for ever (qualifying OPTIONS, subscriptions): of equal ones with
//! equal outcome between the same parties, one in a while becomes a record.
//!
//! This stands where the records of all shards meet: such requests have a Call-ID each, and are
//! spread over all of them. Bounded; what is forgotten too early gives a record too many.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use ringtap_cdr::TransactionRecord;

/// Relations remembered in each of two generations.
const RELATIONS_MAX: usize = 65_536;

/// What was recorded last of a relation.
#[derive(Clone, Copy, Debug)]
struct Last {
    outcome: u64,
    at_us: u64,
    repeats: u32,
}

/// Which requests are repetitions.
#[derive(Debug, Default)]
pub struct Repeats {
    window_us: u64,
    seed: RandomState,
    young: HashMap<u64, Last, RandomState>,
    old: HashMap<u64, Last, RandomState>,
    count: Arc<AtomicU64>,
}

impl Repeats {
    /// One record in `seconds`; 0: one each. `count` is raised by every request without one.
    pub fn new(seconds: u32, count: Arc<AtomicU64>) -> Self {
        Self { window_us: u64::from(seconds) * 1_000_000, count, ..Self::default() }
    }

    /// Whether this request is to be recorded; then it is told how many before it were not.
    pub(super) fn is_news(&mut self, transaction: &mut TransactionRecord) -> bool {
        if self.window_us == 0 || transaction.is_message() {
            return true;
        }
        let (relation, outcome) = self.names(transaction);
        let last = self.young.remove(&relation).or_else(|| self.old.remove(&relation));
        let at_us = transaction.first_us;
        let kept = match last {
            Some(last)
                if last.outcome == outcome && at_us.abs_diff(last.at_us) < self.window_us =>
            {
                self.count.fetch_add(1, Ordering::Relaxed);
                Last { repeats: last.repeats.saturating_add(1), ..last }
            }
            other => {
                transaction.repeats = other.map_or(0, |last| last.repeats);
                Last { outcome, at_us, repeats: 0 }
            }
        };
        if self.young.len() >= RELATIONS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        let news = kept.at_us == at_us && kept.repeats == 0;
        self.young.insert(relation, kept);
        news
    }

    /// Who asks whom for what, and what came of it.
    fn names(&self, t: &TransactionRecord) -> (u64, u64) {
        let numbers = (&t.caller.number, &t.called.number, &t.caller.domain, &t.called.domain);
        let called = t.called.addr.map(|addr| addr.ip());
        let relation = (&t.method, &t.event, t.caller.addr, called, numbers, t.id_sensor);
        let outcome = (t.response_num, t.request_us.is_some(), t.challenged, &t.malformed);
        (self.seed.hash_one(relation), self.seed.hash_one(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(second: u64, response: Option<u16>) -> TransactionRecord {
        TransactionRecord {
            method: "OPTIONS".into(),
            first_us: second * 1_000_000,
            request_us: Some(second * 1_000_000),
            response_num: response,
            ..TransactionRecord::default()
        }
    }

    #[test]
    fn a_change_is_news_and_so_is_the_end_of_the_time() {
        let count = Arc::new(AtomicU64::new(0));
        let mut repeats = Repeats::new(600, Arc::clone(&count));
        let mut told = Vec::new();
        for second in (0..1200).step_by(60) {
            let response = if (300..420).contains(&second) { None } else { Some(200) };
            let mut ping = ping(second, response);
            if repeats.is_news(&mut ping) {
                told.push((second, ping.repeats));
            }
        }
        assert_eq!(told, [(0, 0), (300, 4), (420, 1), (1020, 9)]);
        assert_eq!(count.load(Ordering::Relaxed), 16);
    }

    #[test]
    fn others_and_messages_are_no_repetitions() {
        let mut repeats = Repeats::new(600, Arc::default());
        assert!(repeats.is_news(&mut ping(0, Some(200))));
        let mut other = ping(1, Some(200));
        other.caller.number = "100".into();
        assert!(repeats.is_news(&mut other));
        for second in 2..5 {
            let mut message = TransactionRecord { method: "MESSAGE".into(), ..ping(second, None) };
            assert!(repeats.is_news(&mut message));
        }
        let mut all = Repeats::new(0, Arc::default());
        assert!((0..3).all(|second| all.is_news(&mut ping(second, Some(200)))));
    }

    #[test]
    fn memory_is_bounded() {
        let mut repeats = Repeats::new(600, Arc::default());
        for n in 0..3 * RELATIONS_MAX {
            let mut ping = ping(1, Some(200));
            ping.caller.number = n.to_string().into();
            assert!(repeats.is_news(&mut ping));
        }
        assert!(repeats.young.len() + repeats.old.len() <= 2 * RELATIONS_MAX);
    }
}
