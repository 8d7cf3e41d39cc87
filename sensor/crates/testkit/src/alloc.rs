//! An allocator that counts, for tests and benchmarks which claim that something allocates
//! nothing, or how much it holds at most.
//!
//! ```
//! use ringtap_testkit::alloc::{self, CountingAllocator};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! let (text, counts) = alloc::measure(|| String::from("kept"));
//! assert_eq!(counts.allocations, 1);
//! assert_eq!(counts.bytes, text.len() as u64);
//! ```
//!
//! Counts of [`measure`] are those of the calling thread only; other threads neither disturb
//! them nor are seen. [`live_bytes`] and [`peak_bytes`] are of the whole process. All stay zero
//! unless [`CountingAllocator`] is the global allocator.
#![expect(unsafe_code, reason = "a global allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hands every request on to the system's allocator and counts it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// What a thread asked of the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls for new memory.
    pub allocations: u64,
    /// Calls that change a block's size.
    pub reallocations: u64,
    /// Calls that give memory back.
    pub deallocations: u64,
    /// Bytes asked for: new blocks, and what blocks grew by.
    pub bytes: u64,
}

impl Counts {
    /// Whether no memory was asked for. Giving back is allowed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.allocations == 0 && self.reallocations == 0
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            allocations: self.allocations.wrapping_sub(before.allocations),
            reallocations: self.reallocations.wrapping_sub(before.reallocations),
            deallocations: self.deallocations.wrapping_sub(before.deallocations),
            bytes: self.bytes.wrapping_sub(before.bytes),
        }
    }
}

thread_local! {
    // Const-initialised and without a destructor, so that touching it allocates nothing and is
    // possible until the thread's very end.
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { allocations: 0, reallocations: 0, deallocations: 0, bytes: 0 })
    };
}

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// What the calling thread has asked for since it began.
#[must_use]
pub fn thread_counts() -> Counts {
    COUNTS.with(Cell::get)
}

/// Runs `work` and gives its result with what it asked for on this thread.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, Counts) {
    let before = thread_counts();
    let result = work();
    let after = thread_counts();
    (result, after - before)
}

/// Bytes the process holds now.
#[must_use]
pub fn live_bytes() -> u64 {
    LIVE.load(Ordering::Relaxed)
}

/// Most bytes the process has held since its start or the last [`reset_peak`].
#[must_use]
pub fn peak_bytes() -> u64 {
    PEAK.load(Ordering::Relaxed)
}

/// Starts a new search for the peak from what is held now.
pub fn reset_peak() {
    PEAK.store(live_bytes(), Ordering::Relaxed);
}

fn count(change: impl FnOnce(&mut Counts)) {
    COUNTS.with(|cell| {
        let mut counts = cell.get();
        change(&mut counts);
        cell.set(counts);
    });
}

fn grow(bytes: u64) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
    PEAK.fetch_max(live, Ordering::Relaxed);
}

fn shrink(bytes: u64) {
    LIVE.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every method hands its arguments unchanged to `System`, which keeps the contract, and
// returns `System`'s answer; the counting around it touches no memory of the caller, does not
// allocate and does not unwind.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|c| {
            c.allocations += 1;
            c.bytes += layout.size() as u64;
        });
        grow(layout.size() as u64);
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(|c| {
            c.allocations += 1;
            c.bytes += layout.size() as u64;
        });
        grow(layout.size() as u64);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract, which is `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (layout.size() as u64, size as u64);
        count(|c| {
            c.reallocations += 1;
            c.bytes += new.saturating_sub(old);
        });
        grow(new);
        shrink(old);
        // SAFETY: `block` came from this allocator with `layout`, so it came from `System`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(|c| c.deallocations += 1);
        shrink(layout.size() as u64);
        // SAFETY: `block` came from this allocator with `layout`, so it came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}
