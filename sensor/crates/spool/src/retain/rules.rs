//! Which limit wants a segment gone. Pure: numbers in, yes or no out.

use crate::counters::{Count, KeeperCounts};
use crate::format::Class;
use crate::layout::{AFTER_BASE_NS, CHUNK_SPAN_NS};
use crate::retain::queue::Candidate;
use crate::retain::{Limit, Retention};

const DAY_NS: u64 = 24 * 3_600_000_000_000;

/// What the rules are held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Bytes held, of SIP and of media.
    pub(super) held: [u64; 2],
    /// Bytes that are free,
    pub(super) free: u64,
    /// of so many.
    pub(super) disk: u64,
    /// Bytes removed in this round.
    pub(super) gained: u64,
}

impl State {
    pub(super) fn remove(&mut self, class: Class, bytes: u64) {
        if let Some(held) = self.held.get_mut(class as usize) {
            *held = held.saturating_sub(bytes);
        }
        self.gained = self.gained.saturating_add(bytes);
    }

    fn of(&self, class: Option<Class>) -> u64 {
        let [sip, media] = self.held;
        match class {
            Some(Class::Sip) => sip,
            Some(Class::Media) => media,
            None => sip.saturating_add(media),
        }
    }
}

/// One limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Whose segments it removes; `None`: the oldest of all.
    pub(super) class: Option<Class>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// No packet may be older than this, UNIX ns.
    Age(u64),
    /// So many bytes at most.
    Size(u64),
    /// So much of the disk, and so many bytes, are kept free: whichever is less.
    Free(u8, u64),
    /// The disk is full: so many bytes must go.
    Full(u64),
}

/// The rules that there are, in the order in which they are followed.
pub(super) fn all(retention: &Retention, now_ns: u64, relief: Option<u64>) -> Vec<Rule> {
    let kinds = [
        (Some(Class::Sip), retention.sip),
        (Some(Class::Media), retention.media),
        (None, retention.all),
    ];
    let mut rules = Vec::new();
    for (class, Limit { bytes, days }) in kinds {
        if days > 0 {
            let oldest = now_ns.saturating_sub(u64::from(days).saturating_mul(DAY_NS));
            rules.push(Rule { class, what: What::Age(oldest) });
        }
        if bytes > 0 {
            rules.push(Rule { class, what: What::Size(bytes) });
        }
    }
    if retention.free_percent > 0 || retention.free_bytes > 0 {
        let what = What::Free(retention.free_percent, retention.free_bytes);
        rules.push(Rule { class: None, what });
    }
    rules.extend(relief.map(|bytes| Rule { class: None, what: What::Full(bytes) }));
    rules
}

impl Rule {
    /// Whether a segment has to go, the oldest that may go being this one.
    pub(super) fn wants(&self, state: &State, oldest: Option<&Candidate>) -> bool {
        match self.what {
            // What lies in a segment is this much younger than its name at most.
            What::Age(limit) => oldest.is_some_and(|one| {
                one.base_ns.saturating_add(AFTER_BASE_NS + CHUNK_SPAN_NS) < limit
            }),
            What::Size(bytes) => state.of(self.class) > bytes,
            What::Free(percent, bytes) => state.free < floor(state.disk, percent, bytes),
            What::Full(bytes) => state.gained < bytes,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.what {
            What::Age(_) => "age",
            What::Size(_) => "size",
            What::Free(..) => "free",
            What::Full(_) => "full",
        }
    }

    pub(super) fn count<'c>(&self, counts: &'c KeeperCounts) -> &'c Count {
        match self.what {
            What::Age(_) => &counts.by_age,
            What::Size(_) => &counts.by_size,
            What::Free(..) => &counts.by_free,
            What::Full(_) => &counts.by_full,
        }
    }
}

/// Bytes that are kept free.
fn floor(disk: u64, percent: u8, bytes: u64) -> u64 {
    let part = disk / 100 * u64::from(percent);
    match (percent, bytes) {
        (0, bytes) => bytes,
        (_, 0) => part,
        (_, bytes) => part.min(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lesser_of_two_floors_is_kept_free() {
        assert_eq!(floor(1 << 40, 1, 5 << 30), 5 << 30);
        assert_eq!(floor(10_000, 1, 5 << 30), 100);
        assert_eq!(floor(10_000, 0, 7), 7);
        assert_eq!(floor(10_000, 3, 0), 300);
        assert_eq!(floor(u64::MAX, 99, u64::MAX), u64::MAX / 100 * 99);
    }

    #[test]
    fn no_limit_wants_nothing_and_a_full_disk_something() {
        let none = Retention { free_percent: 0, free_bytes: 0, ..Retention::default() };
        assert!(all(&none, u64::MAX, None).is_empty());
        let rules = all(&none, 0, Some(10));
        let mut state = State::default();
        assert!(rules[0].wants(&state, None));
        state.remove(Class::Sip, 10);
        assert!(!rules[0].wants(&state, None));
    }
}
