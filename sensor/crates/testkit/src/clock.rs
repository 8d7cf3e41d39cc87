//! A clock that moves only when a test moves it.
//!
//! It has the sensor's two readings: UNIX time, which may step either way, and monotonic time,
//! which only goes on. It is shared by cloning.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A pair of readings, shared between clones and threads.
#[derive(Clone, Debug)]
pub struct ManualClock {
    inner: Arc<Readings>,
}

#[derive(Debug)]
struct Readings {
    unix_ns: AtomicU64,
    monotonic_ns: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `unix_ns` and, monotonic, `monotonic_ns`.
    #[must_use]
    pub fn new(unix_ns: u64, monotonic_ns: u64) -> Self {
        let inner = Readings {
            unix_ns: AtomicU64::new(unix_ns),
            monotonic_ns: AtomicU64::new(monotonic_ns),
        };
        Self { inner: Arc::new(inner) }
    }

    /// UNIX time in nanoseconds.
    #[must_use]
    pub fn unix_ns(&self) -> u64 {
        self.inner.unix_ns.load(Ordering::Acquire)
    }

    /// Monotonic time in nanoseconds.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        self.inner.monotonic_ns.load(Ordering::Acquire)
    }

    /// Lets time pass: both readings go on together.
    pub fn advance_ns(&self, ns: u64) {
        self.inner.unix_ns.fetch_add(ns, Ordering::AcqRel);
        self.inner.monotonic_ns.fetch_add(ns, Ordering::AcqRel);
    }

    /// Lets time pass, in milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.advance_ns(ms * 1_000_000);
    }

    /// Steps the UNIX reading alone, as a time daemon or an administrator does.
    pub fn step_unix_ns(&self, by_ns: i64) {
        self.inner.unix_ns.fetch_add(by_ns as u64, Ordering::AcqRel);
    }
}

impl Default for ManualClock {
    /// 1 January 2026 UTC, one hour after start.
    fn default() -> Self {
        Self::new(1_767_225_600_000_000_000, 3_600_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::ManualClock;

    #[test]
    fn clones_show_the_same_time_and_a_step_moves_only_unix_time() {
        let clock = ManualClock::new(1_000, 50);
        let other = clock.clone();
        clock.advance_ns(5);
        assert_eq!((other.unix_ns(), other.monotonic_ns()), (1_005, 55));
        other.step_unix_ns(-505);
        assert_eq!((clock.unix_ns(), clock.monotonic_ns()), (500, 55));
    }
}
