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

/// What retention has removed, and what it saw at its last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// Looks at the root.
    pub rounds: u64,
    /// Segments of SIP that were removed,
    pub removed_sip: u64,
    /// and of RTP and RTCP;
    pub removed_media: u64,
    /// their bytes on disk, indexes included.
    pub removed_bytes: u64,
    /// Of these segments: those removed for their age,
    pub by_age: u64,
    /// because there were too many bytes,
    pub by_size: u64,
    /// to keep room free,
    pub by_free: u64,
    /// because the disk was full.
    pub by_full: u64,
    /// Segments and folders that were passed over, because they were being read or written.
    pub in_use: u64,
    /// Looks that ended beyond a limit, because nothing more could go.
    pub stuck: u64,
    /// File operations that failed.
    pub errors: u64,
    /// Bytes of SIP on disk,
    pub held_sip_bytes: u64,
    /// and of RTP and RTCP.
    pub held_media_bytes: u64,
    /// The oldest removable segment of SIP, UNIX seconds; 0: there is none.
    pub oldest_sip_s: u64,
    /// The same of RTP and RTCP.
    pub oldest_media_s: u64,
    /// Bytes free on the file system,
    pub free_bytes: u64,
    /// and all that it has.
    pub disk_bytes: u64,
}

/// A counter that one thread writes.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
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
    /// Grows for as long as the thread is not held up.
    pub(crate) beats: Count,
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

/// The keeper's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct KeeperCounts {
    pub(crate) rounds: Count,
    pub(crate) removed_sip: Count,
    pub(crate) removed_media: Count,
    pub(crate) removed_bytes: Count,
    pub(crate) by_age: Count,
    pub(crate) by_size: Count,
    pub(crate) by_free: Count,
    pub(crate) by_full: Count,
    pub(crate) in_use: Count,
    pub(crate) stuck: Count,
    pub(crate) errors: Count,
    pub(crate) held_sip: Count,
    pub(crate) held_media: Count,
    pub(crate) oldest_sip_s: Count,
    pub(crate) oldest_media_s: Count,
    pub(crate) free: Count,
    pub(crate) disk: Count,
}

impl KeeperCounts {
    pub(crate) fn read(&self) -> Retained {
        Retained {
            rounds: self.rounds.get(),
            removed_sip: self.removed_sip.get(),
            removed_media: self.removed_media.get(),
            removed_bytes: self.removed_bytes.get(),
            by_age: self.by_age.get(),
            by_size: self.by_size.get(),
            by_free: self.by_free.get(),
            by_full: self.by_full.get(),
            in_use: self.in_use.get(),
            stuck: self.stuck.get(),
            errors: self.errors.get(),
            held_sip_bytes: self.held_sip.get(),
            held_media_bytes: self.held_media.get(),
            oldest_sip_s: self.oldest_sip_s.get(),
            oldest_media_s: self.oldest_media_s.get(),
            free_bytes: self.free.get(),
            disk_bytes: self.disk.get(),
        }
    }
}

/// Everybody's counters, to be summed up.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) workers: Vec<Arc<WorkerCounts>>,
    pub(crate) writer: Arc<WriterCounts>,
    pub(crate) sealer: Arc<SealerCounts>,
    pub(crate) keeper: Arc<KeeperCounts>,
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
