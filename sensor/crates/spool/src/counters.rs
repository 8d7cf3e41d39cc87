//! What became of every packet: counters with one writer each, read by anybody.
//!
//! Nothing here is locked or added to atomically: a worker owns its own, the spool thread and the
//! sealing thread theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The spool's ledger. Once nothing is pending,
/// `offered = stored + discarded + dropped_pool + dropped_disk + dropped_closed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that workers gave.
    pub offered: u64,
    /// Packets in segments.
    pub stored: u64,
    /// Packets of streams that turned out to be none.
    pub discarded: u64,
    /// Packets lost because the pool was empty: the disk is slower than the traffic.
    pub dropped_pool: u64,
    /// Packets lost because the disk was full or failed.
    pub dropped_disk: u64,
    /// Packets lost because they came after the spool was sealed.
    pub dropped_closed: u64,
    /// Stored packets that were cut to [`crate::format::SNAPLEN`].
    pub cut: u64,
    /// Chunks handed over before they were full or old, because the pool ran low.
    pub early: u64,
    /// Chunks in segments.
    pub chunks: u64,
    /// Bytes of pcap records in segments, before compression.
    pub record_bytes: u64,
    /// Bytes of chunks in segments, headers included.
    pub disk_bytes: u64,
    /// Segments begun.
    pub segments: u64,
    /// Segments sealed.
    pub sealed: u64,
    /// File operations that failed.
    pub errors: u64,
}

impl Counters {
    /// Packets in chunks that are still in memory.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let settled = self.stored
            + self.discarded
            + self.dropped_pool
            + self.dropped_disk
            + self.dropped_closed;
        self.offered.saturating_sub(settled)
    }
}

/// A counter that one thread writes.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One worker's counters, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounts {
    pub(crate) offered: Count,
    pub(crate) discarded: Count,
    pub(crate) dropped_pool: Count,
    pub(crate) dropped_closed: Count,
    pub(crate) cut: Count,
    pub(crate) early: Count,
}

/// The spool thread's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WriterCounts {
    pub(crate) stored: Count,
    pub(crate) dropped_disk: Count,
    pub(crate) chunks: Count,
    pub(crate) record_bytes: Count,
    pub(crate) disk_bytes: Count,
    pub(crate) segments: Count,
    pub(crate) errors: Count,
}

/// The sealing thread's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct SealerCounts {
    pub(crate) sealed: Count,
    pub(crate) errors: Count,
}

/// Everybody's counters, to be summed up.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) workers: Vec<Arc<WorkerCounts>>,
    pub(crate) writer: Arc<WriterCounts>,
    pub(crate) sealer: Arc<SealerCounts>,
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: (0..workers).map(|_| Arc::default()).collect(), ..Self::default() }
    }

    /// Settled packets are read before offered ones, so that none is missing while traffic runs.
    pub(crate) fn read(&self) -> Counters {
        let mut sum = Counters {
            stored: self.writer.stored.get(),
            dropped_disk: self.writer.dropped_disk.get(),
            chunks: self.writer.chunks.get(),
            record_bytes: self.writer.record_bytes.get(),
            disk_bytes: self.writer.disk_bytes.get(),
            segments: self.writer.segments.get(),
            sealed: self.sealer.sealed.get(),
            errors: self.writer.errors.get() + self.sealer.errors.get(),
            ..Counters::default()
        };
        for worker in &self.workers {
            sum.discarded += worker.discarded.get();
            sum.dropped_pool += worker.dropped_pool.get();
            sum.dropped_closed += worker.dropped_closed.get();
            sum.cut += worker.cut.get();
            sum.early += worker.early.get();
            sum.offered += worker.offered.get();
        }
        sum
    }
}
