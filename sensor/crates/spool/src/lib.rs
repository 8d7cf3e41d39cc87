//! Memory-mapped PCAP that survives a crash.
//!
//! Workers gather packets into chunks ([`Gatherer`]), one thread writes the chunks into segments
//! ([`Spool::start`]), [`read`] gives one call's packets back, [`recover()`] repairs what a crash
//! has left behind, [`Retention`] says what is removed and when. It knows neither calls nor
//! streams: both are a key and a time.

#![deny(missing_docs)]

pub mod format;
pub mod layout;

mod chunk;
mod gatherer;

mod map;
mod segment;
mod writer;

pub mod read;
mod recover;
mod retain;

mod counters;
mod error;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rtrb::RingBuffer;

use crate::chunk::Chunk;
use crate::counters::Ledger;
use crate::format::RECORDS_MAX;
use crate::gatherer::Parts;
use crate::retain::Keeper;
use crate::segment::Packer;
use crate::writer::{Lane, Packers, Plan, Writer};

pub use crate::chunk::CHUNK_BYTES;
pub use crate::counters::{Counters, Retained};
pub use crate::error::SpoolError;
pub use crate::format::{ChunkKey, Class, Kind};
pub use crate::gatherer::{Gatherer, Reason, Slot, Stored};
pub use crate::recover::{IndexState, Recovered, Segment, list_segments, rebuild, recover, verify};
pub use crate::retain::{Limit, Retention};

/// Workers that one spool serves at most.
pub const WORKERS_MAX: usize = 1024;
/// Chunks for packets too large for an ordinary chunk, for each worker.
pub const LARGE_CHUNKS: usize = 8;
/// Chunks that a worker has at least, whatever the pool's size.
pub const CHUNKS_MIN: usize = 16;
const CHUNKS_MAX: usize = 1 << 22;
const SEGMENT_BYTES_MIN: u64 = 1 << 20;
const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// How records are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are, in frames that zstd reads.
    None,
    /// By zstd at this level.
    Zstd(i32),
}

/// How a spool is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder, on a local filesystem.
    pub root: PathBuf,
    /// The sensor's number, which every segment bears.
    pub sensor: u32,
    /// How SIP is packed.
    pub compression_sip: Compression,
    /// How RTP and RTCP are packed.
    pub compression_rtp: Compression,
    /// Memory of all chunks together; taken from the system as it is first used. A stream that
    /// flows holds a chunk of 16 KiB; with more streams than seven eighths of the chunks, chunks
    /// go to disk early and small, which costs time and space but no packet.
    pub pool_bytes: usize,
    /// A chunk is written at this age, full or not: what a crash may cost. In the workers' clock.
    pub chunk_age_ns: u64,
    /// A segment is sealed at this size,
    pub segment_bytes: u64,
    /// or at this age.
    pub segment_age: Duration,
    /// Whether a worker that finds the pool empty waits (files) or drops the packet (live).
    pub lossless: bool,
    /// When old segments are removed; `None`: never, not even from a full disk.
    pub retention: Option<Retention>,
}

impl Options {
    /// The defaults for a folder: SIP by zstd level 1, RTP as it is, 64 MiB of chunks written
    /// after 2 s at the latest, segments of 128 MiB or 5 minutes, for live traffic, never removed.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            sensor: 0,
            compression_sip: Compression::Zstd(1),
            compression_rtp: Compression::None,
            pool_bytes: 64 << 20,
            chunk_age_ns: 2_000_000_000,
            segment_bytes: 128 << 20,
            segment_age: Duration::from_secs(300),
            lossless: false,
            retention: None,
        }
    }
}

/// The way into a spool.
#[derive(Debug)]
pub struct Spool;

/// A running spool.
#[derive(Debug)]
pub struct SpoolHandle {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    root: PathBuf,
    keeper: Option<Keeper>,
    ledger: Ledger,
}

impl Spool {
    /// Creates the folder and starts the spool thread; one gatherer for each worker. What an
    /// earlier run has left unsealed is not touched: that is [`recover()`]'s, to be called before.
    ///
    /// # Errors
    /// Options outside their limits, a folder that cannot be made, a thread or memory refused.
    pub fn start(
        options: &Options,
        workers: usize,
    ) -> Result<(SpoolHandle, Vec<Gatherer>), SpoolError> {
        let plan = check(options, workers)?;
        let chunks = (options.pool_bytes / CHUNK_BYTES / workers).clamp(CHUNKS_MIN, CHUNKS_MAX);
        fs::create_dir_all(&options.root)
            .map_err(|source| SpoolError::io("create", &options.root, source))?;
        let no_memory = |source| SpoolError::io("take memory for", &options.root, source);
        let packer = |compression| {
            let level = match compression {
                Compression::None => None,
                Compression::Zstd(level) => Some(level),
            };
            Packer::new(level).map_err(no_memory)
        };
        let packers = Packers {
            sip: packer(options.compression_sip)?,
            rtp: packer(options.compression_rtp)?,
        };
        let ledger = Ledger::new(workers);
        let mut lanes = Vec::with_capacity(workers);
        let mut ends = Vec::with_capacity(workers);
        for counts in &ledger.workers {
            let pool = |number: usize, bytes| -> Result<Vec<_>, SpoolError> {
                (0..number).map(|_| Chunk::new(bytes).map(Box::new).map_err(no_memory)).collect()
            };
            let spare = pool(chunks, CHUNK_BYTES)?;
            let spare_large = pool(LARGE_CHUNKS, RECORDS_MAX)?;
            let (give_full, full) = RingBuffer::new(chunks + LARGE_CHUNKS);
            let (free, returned) = RingBuffer::new(chunks + LARGE_CHUNKS);
            lanes.push(Lane { full, free });
            ends.push((spare, spare_large, give_full, returned, Arc::clone(counts)));
        }
        let keep = |retention| {
            let counts = Arc::clone(&ledger.keeper);
            Keeper::start(&options.root, retention, options.segment_bytes, counts)
        };
        let keeper = options.retention.as_ref().map(keep).transpose()?;
        let room = keeper.as_ref().map(Keeper::room);
        let counts = (Arc::clone(&ledger.writer), Arc::clone(&ledger.sealer));
        let writer = Writer::new(plan, packers, counts, room)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("spool".into())
            .spawn(move || writer.run(lanes, &stopped))
            .map_err(|error| SpoolError::Thread(format!("cannot start a thread: {error}")))?;
        let gatherers = ends
            .into_iter()
            .map(|(spare, spare_large, full, returned, counts)| {
                Gatherer::new(Parts {
                    spare,
                    spare_large,
                    full,
                    returned,
                    counts,
                    spool: thread.thread().clone(),
                    lossless: options.lossless,
                    chunk_age_ns: options.chunk_age_ns,
                })
            })
            .collect();
        let root = options.root.clone();
        Ok((SpoolHandle { thread: Some(thread), stop, root, keeper, ledger }, gatherers))
    }
}

impl SpoolHandle {
    /// The ledger as it stands.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.ledger.read()
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A number that grows as long as the root takes what is written. Where it stands still for
    /// seconds, the disk does not answer: packets wait in the pool, and are lost when it is empty.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.ledger.writer.beats.get()
    }

    /// What retention has done; `None` without any.
    #[must_use]
    pub fn retained(&self) -> Option<Retained> {
        self.keeper.as_ref().map(|_| self.ledger.keeper.read())
    }

    /// Writes what the workers have given, seals all segments and ends the thread. Drop the
    /// gatherers before: one that lives on is waited for, for a few seconds of silence, and what
    /// it still holds is lost.
    ///
    /// # Errors
    /// The spool thread has died.
    pub fn seal(mut self) -> Result<Counters, SpoolError> {
        self.end()?;
        Ok(self.ledger.read())
    }

    fn end(&mut self) -> Result<(), SpoolError> {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.thread().unpark();
        thread.join().map_err(|_| SpoolError::Thread("the spool thread has died".into()))
    }
}

impl Drop for SpoolHandle {
    /// Seals too; only the counters are not told.
    fn drop(&mut self) {
        if self.end().is_err() {
            tracing::error!("the spool thread has died");
        }
    }
}

/// The key of a call's or a stream's identity: of its bytes, as the caller lays them out.
#[must_use]
pub fn key(identity: &[u8]) -> u64 {
    format::hash(identity)
}

fn check(options: &Options, workers: usize) -> Result<Plan, SpoolError> {
    if !(1..=WORKERS_MAX).contains(&workers) {
        return Err(SpoolError::Options("between 1 and 1024 workers are served"));
    }
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&options.segment_bytes) {
        return Err(SpoolError::Options("a segment has between 1 MiB and 2 GiB"));
    }
    for compression in [options.compression_sip, options.compression_rtp] {
        if let Compression::Zstd(level) = compression
            && !zstd::compression_level_range().contains(&level)
        {
            return Err(SpoolError::Options("zstd has no such compression level"));
        }
    }
    Ok(Plan {
        root: options.root.clone(),
        sensor: options.sensor,
        segment_bytes: options.segment_bytes as usize,
        segment_age: options.segment_age,
    })
}

#[cfg(test)]
mod tests;
