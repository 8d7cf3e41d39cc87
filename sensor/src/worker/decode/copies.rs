//! Copies that mirrors make of a packet, told in user space by the kernel program's own rule.
//!
//! One memory serves all workers that run at a time: a copy may come by another queue, another
//! interface, or from an agent. For files each worker has its own, since all that two hosts send
//! each other goes to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringtap_common::fingerprint::{Fingerprint, Seed, Table, fingerprint};

use super::Decoded;

/// Slots for each worker: 20 ms at 2 M packets a second, four times over.
const SLOTS: usize = 1 << 18;

/// Slots at most.
const SLOTS_MAX: usize = 1 << 22;

/// Who tells copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// We do, of all frames.
    Told,
    /// The kernel does; we do once there are tunnels that it does not open.
    ToldBefore,
}

/// What has been seen within the window.
pub struct Memory {
    table: Table<Box<[AtomicU64]>>,
    seed: Seed,
    /// All frames are compared.
    all: AtomicBool,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("all", &self.all).finish()
    }
}

impl Memory {
    /// For so many workers. `window_ns`: how long copies are recognised; 0: they are not.
    /// `random` keys the fingerprints.
    pub fn new(copies: Copies, window_ns: u64, random: u64, workers: usize) -> Option<Arc<Self>> {
        if window_ns == 0 {
            return None;
        }
        let slots = SLOTS.saturating_mul(workers.max(1).next_power_of_two()).min(SLOTS_MAX);
        let slots = (0..slots).map(|_| AtomicU64::new(0)).collect();
        let table = Table::new(slots, window_ns, workers > 1)?;
        let all = AtomicBool::new(copies == Copies::Told);
        Some(Arc::new(Self { table, seed: Seed::new(random), all }))
    }

    /// From now on a copy may come by a way on which the kernel does not meet it.
    #[cold]
    pub(in crate::worker) fn compare_all(&self) {
        // A line that all workers read is written once.
        if !self.all.load(Ordering::Relaxed) {
            self.all.store(true, Ordering::Relaxed);
        }
    }

    /// By what a copy of this frame is known; `None`: nobody asks, or it has no copies.
    #[inline(always)]
    pub(in crate::worker) fn fingerprint(&self, decoded: &Decoded<'_>) -> Option<Fingerprint> {
        if !self.all.load(Ordering::Relaxed) {
            return None;
        }
        fingerprint(&decoded.frame.bytes, &decoded.headers, &self.seed)
    }

    /// Whether a copy of this frame was seen within the window; remembers it if not.
    #[inline(always)]
    pub(in crate::worker) fn is_duplicate(&self, print: &Fingerprint, clock_ns: u64) -> bool {
        self.table.is_duplicate(print, clock_ns)
    }
}
