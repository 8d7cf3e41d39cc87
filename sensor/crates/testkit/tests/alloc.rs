//! The counting allocator, as the global one of a process of its own.

use ringtap_testkit::alloc::{self, CountingAllocator};
use ringtap_testkit::traffic::{self, CallTruth, Count, Plan, TruthSink};
use std::hint::black_box;
use std::io;
use std::sync::Mutex;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The peak is the process's, so tests that read it take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn counts_what_this_thread_asks_for_and_nothing_else() {
    let (sum, counts) = alloc::measure(|| (0..100u64).map(black_box).sum::<u64>());
    assert_eq!(sum, 4950);
    assert!(counts.is_zero());

    let (held, counts) = alloc::measure(|| black_box(Vec::<u8>::with_capacity(1000)));
    assert_eq!((counts.allocations, counts.bytes), (1, 1000));
    let ((), counts) = alloc::measure(|| drop(held));
    assert_eq!((counts.allocations, counts.deallocations), (0, 1));

    let mut grown = Vec::<u8>::with_capacity(16);
    let ((), counts) = alloc::measure(|| grown.reserve_exact(black_box(64)));
    assert_eq!((counts.reallocations, counts.bytes), (1, 48));

    let worker = std::thread::spawn(|| black_box(vec![1u8; 4096]));
    let before = alloc::thread_counts();
    let other = worker.join();
    let after = alloc::thread_counts();
    assert!((after - before).bytes < 4096, "another thread's memory was counted here");
    assert_eq!(other.map(|v| v.len()).ok(), Some(4096));
}

#[test]
fn the_peak_outlives_what_made_it() {
    let _turn = TURN.lock();
    let size = 8 << 20;
    alloc::reset_peak();
    let before = alloc::live_bytes();
    drop(black_box(vec![1u8; size]));
    assert!(alloc::peak_bytes() >= before + size as u64);
    assert!(alloc::live_bytes() < before + size as u64);
}

struct Nowhere;

impl TruthSink for Nowhere {
    fn call(&mut self, _call: CallTruth) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn traffic_needs_memory_for_calls_at_one_moment_not_for_its_length() {
    let _turn = TURN.lock();
    let peak = |calls| {
        let plan = Plan { calls, concurrent: 20, talk_ms: 500, mirror: 0.5, ..Plan::default() };
        let mut frames = Count::default();
        let before = alloc::live_bytes();
        alloc::reset_peak();
        let totals = traffic::generate_to(&plan, &mut frames, &mut Nowhere);
        assert_eq!(totals.map(|t| t.frames).ok(), Some(frames.frames));
        alloc::peak_bytes() - before
    };
    let (short, long) = (peak(40), peak(2000));
    assert!(long < short + short / 2, "{short} bytes, then {long}");
}
