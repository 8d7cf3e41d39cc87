//! One worker's side of the spool: packets into chunks, full chunks to the spool thread.
//!
//! It allocates nothing after the start, takes no lock, reads no clock and makes no system call,
//! save one to wake the spool thread when the pool runs low. It compresses nothing and touches no
//! file.
//!
//! A worker's chunks are its own: each is spare, open, with the spool thread, or on its way back.
//! Both rings hold all of them, so neither can be full. At most seven eighths are open; beyond
//! that the oldest open one goes early. So a pool that is empty always has chunks at the spool
//! thread, which waits for nobody, and waiting for one (`lossless`) ends.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use rtrb::{Consumer, Producer};

use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::counters::WorkerCounts;
use crate::format::{ChunkKey, RECORD_BYTES, SNAPLEN};

/// No entry.
const NONE: u32 = u32::MAX;
/// How often a waiting worker yields before it sleeps.
const YIELDS_MAX: u32 = 32;
const WAIT: Duration = Duration::from_micros(100);

/// A stream's (or a call's) place in the spool: its open chunk, if it has one. Starts empty, may
/// be dropped at any time; what the chunk holds is stored all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    entry: u32,
    /// 0 in an empty slot, which is the generation of no entry.
    generation: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// It is in a chunk.
    Kept,
    /// It is lost, and counted.
    Dropped(Reason),
}

/// Why a packet was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All chunks are with the spool thread: the disk is slower than the traffic.
    PoolEmpty,
    /// The spool was sealed before.
    Closed,
}

/// One worker's chunks.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "the boxes travel over the rings and back")]
pub struct Gatherer {
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    spare: Vec<Box<Chunk>>,
    spare_large: Vec<Box<Chunk>>,
    full: Producer<Box<Chunk>>,
    returned: Consumer<Box<Chunk>>,
    counts: Arc<WorkerCounts>,
    spool: Thread,
    lossless: bool,
    chunk_age_ns: u64,
    open_max: usize,
    wake_below: usize,
    oldest: u32,
    newest: u32,
    /// When the oldest open chunk has its age.
    due_ns: u64,
}

#[derive(Debug)]
struct Entry {
    chunk: Option<Box<Chunk>>,
    generation: u32,
    older: u32,
    newer: u32,
    opened_ns: u64,
}

/// What a gatherer is made of.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "the boxes travel over the rings and back")]
pub(crate) struct Parts {
    pub(crate) spare: Vec<Box<Chunk>>,
    pub(crate) spare_large: Vec<Box<Chunk>>,
    pub(crate) full: Producer<Box<Chunk>>,
    pub(crate) returned: Consumer<Box<Chunk>>,
    pub(crate) counts: Arc<WorkerCounts>,
    pub(crate) spool: Thread,
    pub(crate) lossless: bool,
    pub(crate) chunk_age_ns: u64,
}

impl Gatherer {
    pub(crate) fn new(parts: Parts) -> Self {
        let chunks = parts.spare.len();
        let entry =
            |_| Entry { chunk: None, generation: 0, older: NONE, newer: NONE, opened_ns: 0 };
        Self {
            entries: (0..chunks).map(entry).collect(),
            vacant: (0..chunks as u32).rev().collect(),
            spare: parts.spare,
            spare_large: parts.spare_large,
            full: parts.full,
            returned: parts.returned,
            counts: parts.counts,
            spool: parts.spool,
            lossless: parts.lossless,
            chunk_age_ns: parts.chunk_age_ns,
            open_max: chunks - chunks / 8,
            wake_below: chunks / 4,
            oldest: NONE,
            newest: NONE,
            due_ns: u64::MAX,
        }
    }

    /// Appends a packet to the chunk in `slot`, handing over chunks that are full or old and
    /// opening a new one as needed. `ts_ns` is stored, `clock_ns` (never going back) is what ages
    /// chunks. `bytes` may be fewer than `wire_len`, which is stored beside them.
    ///
    /// Live, a packet that finds the pool empty is dropped and counted. With
    /// [`crate::Options::lossless`] the call waits for the spool thread instead.
    #[inline]
    pub fn append(
        &mut self,
        slot: &mut Slot,
        key: &ChunkKey,
        ts_ns: u64,
        clock_ns: u64,
        wire_len: u32,
        bytes: &[u8],
    ) -> Stored {
        self.counts.offered.add(1);
        if clock_ns >= self.due_ns {
            self.expire(clock_ns);
        }
        if let Some(chunk) = self.chunk_mut(*slot) {
            if chunk.key() == key && chunk.append(ts_ns, wire_len, bytes) {
                return Stored::Kept;
            }
            self.flush(slot);
        }
        self.append_to_new(slot, key, (ts_ns, clock_ns), wire_len, bytes)
    }

    /// Loads what appending `len` bytes to `slot` will touch, so that the waits of a batch
    /// overlap: call it in a loop of its own. The value says nothing; hand it to
    /// `core::hint::black_box`, or the loads may be left out.
    #[inline]
    #[must_use]
    pub fn touch(&self, slot: Slot, len: usize) -> u8 {
        let entry = self.entries.get(slot.entry as usize);
        entry.and_then(|entry| entry.chunk.as_deref()).map_or(0, |chunk| chunk.touch(len))
    }

    /// Hands over what `slot` has gathered, for instance when its stream has ended.
    pub fn flush(&mut self, slot: &mut Slot) {
        if let Some(chunk) = self.close(std::mem::take(slot)) {
            self.hand_over(chunk);
        }
    }

    /// Throws away what `slot` has gathered and not yet handed over: the stream was none.
    pub fn discard(&mut self, slot: &mut Slot) {
        if let Some(chunk) = self.close(std::mem::take(slot)) {
            self.counts.discarded.add(u64::from(chunk.packets()));
            self.spare.push(chunk);
        }
    }

    /// Hands over every chunk that has reached its age; for a worker without traffic, which calls
    /// it with its clock now and then.
    pub fn tick(&mut self, clock_ns: u64) {
        if clock_ns >= self.due_ns {
            self.expire(clock_ns);
        }
    }

    /// Hands over all open chunks. Dropping the gatherer does the same.
    pub fn flush_all(&mut self) {
        while self.oldest != NONE {
            self.hand_over_oldest();
        }
        self.spool.unpark();
    }

    #[cold]
    fn append_to_new(
        &mut self,
        slot: &mut Slot,
        key: &ChunkKey,
        (ts_ns, clock_ns): (u64, u64),
        wire_len: u32,
        bytes: &[u8],
    ) -> Stored {
        let kept = bytes.get(..SNAPLEN as usize).unwrap_or(bytes);
        let large = RECORD_BYTES + kept.len() > CHUNK_BYTES;
        let mut chunk = match self.take(large) {
            Ok(chunk) => chunk,
            Err(reason) => {
                match reason {
                    Reason::PoolEmpty => self.counts.dropped_pool.add(1),
                    Reason::Closed => self.counts.dropped_closed.add(1),
                }
                return Stored::Dropped(reason);
            }
        };
        chunk.begin(key);
        let _ = chunk.append(ts_ns, wire_len, kept);
        self.counts.cut.add(u64::from(kept.len() < bytes.len()));
        if large {
            self.hand_over(chunk);
        } else {
            *slot = self.open(chunk, clock_ns);
        }
        Stored::Kept
    }

    /// A chunk from the pool.
    fn take(&mut self, large: bool) -> Result<Box<Chunk>, Reason> {
        let mut waits = 0_u32;
        loop {
            let spare = if large { &mut self.spare_large } else { &mut self.spare };
            if let Some(chunk) = spare.pop() {
                return Ok(chunk);
            }
            // Asked before the ring is emptied: what was returned before the end counts.
            let closed = self.returned.is_abandoned();
            while let Ok(chunk) = self.returned.pop() {
                self.put_back(chunk);
            }
            let spare = if large { &self.spare_large } else { &self.spare };
            if !spare.is_empty() {
                continue;
            }
            if closed {
                return Err(Reason::Closed);
            }
            self.spool.unpark();
            if !self.lossless {
                return Err(Reason::PoolEmpty);
            }
            waits = waits.saturating_add(1);
            if waits < YIELDS_MAX { thread::yield_now() } else { thread::sleep(WAIT) }
        }
    }

    fn put_back(&mut self, chunk: Box<Chunk>) {
        if chunk.is_large() { self.spare_large.push(chunk) } else { self.spare.push(chunk) }
    }

    /// Gives a chunk an entry, at the young end of the list.
    fn open(&mut self, chunk: Box<Chunk>, clock_ns: u64) -> Slot {
        while self.entries.len() - self.vacant.len() >= self.open_max && self.oldest != NONE {
            self.counts.early.add(1);
            self.hand_over_oldest();
        }
        if self.spare.len() < self.wake_below {
            self.spool.unpark();
        }
        let older = self.newest;
        let Some(at) = self.vacant.pop() else {
            self.hand_over(chunk);
            return Slot::default();
        };
        let Some(entry) = self.entries.get_mut(at as usize) else { return Slot::default() };
        entry.generation = entry.generation.wrapping_add(1).max(1);
        (entry.older, entry.newer, entry.opened_ns) = (older, NONE, clock_ns);
        entry.chunk = Some(chunk);
        let slot = Slot { entry: at, generation: entry.generation };
        match self.entries.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        self.set_due();
        slot
    }

    fn chunk_mut(&mut self, slot: Slot) -> Option<&mut Chunk> {
        let entry = self.entries.get_mut(slot.entry as usize)?;
        if entry.generation != slot.generation {
            return None;
        }
        entry.chunk.as_deref_mut()
    }

    /// Takes the chunk out of its entry and the entry out of the list.
    fn close(&mut self, slot: Slot) -> Option<Box<Chunk>> {
        let entry = self.entries.get_mut(slot.entry as usize)?;
        if entry.generation != slot.generation {
            return None;
        }
        let chunk = entry.chunk.take()?;
        let (older, newer) = (entry.older, entry.newer);
        match self.entries.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer as usize) {
            Some(neighbour) => neighbour.older = older,
            None => self.newest = older,
        }
        self.vacant.push(slot.entry);
        self.set_due();
        Some(chunk)
    }

    #[cold]
    fn expire(&mut self, clock_ns: u64) {
        while self.oldest != NONE && clock_ns >= self.due_ns {
            self.hand_over_oldest();
        }
    }

    fn hand_over_oldest(&mut self) {
        let Some(entry) = self.entries.get(self.oldest as usize) else { return };
        let slot = Slot { entry: self.oldest, generation: entry.generation };
        if let Some(chunk) = self.close(slot) {
            self.hand_over(chunk);
        }
    }

    fn set_due(&mut self) {
        let oldest = self.entries.get(self.oldest as usize);
        self.due_ns =
            oldest.map_or(u64::MAX, |entry| entry.opened_ns.saturating_add(self.chunk_age_ns));
    }

    fn hand_over(&mut self, chunk: Box<Chunk>) {
        if self.full.is_abandoned() {
            self.counts.dropped_closed.add(u64::from(chunk.packets()));
            self.put_back(chunk);
            return;
        }
        // The ring holds all chunks there are, so this cannot fail.
        if let Err(rtrb::PushError::Full(chunk)) = self.full.push(chunk) {
            self.counts.dropped_closed.add(u64::from(chunk.packets()));
            self.put_back(chunk);
        }
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        self.flush_all();
    }
}

#[cfg(test)]
mod tests {
    use rtrb::RingBuffer;

    use super::*;
    use crate::counters::Ledger;
    use crate::format::Kind;

    const KEY: ChunkKey = ChunkKey { realm: 0, kind: Kind::Rtp, key: 0, link: 1 };

    /// A gatherer of 16 chunks whose spool thread is this test.
    fn alone() -> (Gatherer, Consumer<Box<Chunk>>, Producer<Box<Chunk>>, Ledger) {
        let ledger = Ledger::new(1);
        let chunk = |_| Box::new(Chunk::new(CHUNK_BYTES).unwrap());
        let (full, taken) = RingBuffer::new(16);
        let (give, returned) = RingBuffer::new(16);
        let gatherer = Gatherer::new(Parts {
            spare: (0..16).map(chunk).collect(),
            spare_large: Vec::new(),
            full,
            returned,
            counts: Arc::clone(&ledger.workers[0]),
            spool: thread::current(),
            lossless: false,
            chunk_age_ns: 100,
        });
        (gatherer, taken, give, ledger)
    }

    #[test]
    fn live_an_empty_pool_drops_and_counts() {
        let (mut gatherer, mut taken, mut give, ledger) = alone();
        let mut slot = Slot::default();
        let packet = vec![3; CHUNK_BYTES - RECORD_BYTES];
        let mut append = || gatherer.append(&mut slot, &KEY, 0, 0, 1, &packet);
        for _ in 0..16 {
            assert_eq!(append(), Stored::Kept);
        }
        for _ in 0..9 {
            assert_eq!(append(), Stored::Dropped(Reason::PoolEmpty));
        }
        give.push(taken.pop().unwrap()).unwrap();
        assert_eq!(append(), Stored::Kept);
        assert_eq!(append(), Stored::Dropped(Reason::PoolEmpty));
        let counters = ledger.read();
        assert_eq!((counters.offered, counters.dropped_pool, counters.pending()), (27, 10, 17));
    }

    #[test]
    fn the_oldest_goes_first_when_the_pool_runs_low() {
        let (mut gatherer, mut taken, _give, ledger) = alone();
        let mut slots = [Slot::default(); 15];
        for (stream, slot) in (0_u64..).zip(slots.iter_mut()) {
            let kept = gatherer.append(slot, &ChunkKey { key: stream, ..KEY }, 0, stream, 1, b"x");
            assert_eq!(kept, Stored::Kept);
        }
        // Seven eighths of 16 are open.
        assert_eq!(taken.slots(), 1);
        assert_eq!(taken.pop().unwrap().key().key, 0);
        assert_eq!(ledger.read().early, 1);
        gatherer.tick(103);
        let aged: Vec<u64> = std::iter::from_fn(|| taken.pop().ok()).map(|c| c.key().key).collect();
        assert_eq!(aged, [1, 2, 3]);
        gatherer.flush(&mut slots[7]);
        gatherer.discard(&mut slots[9]);
        drop(gatherer);
        let rest: Vec<u64> = std::iter::from_fn(|| taken.pop().ok()).map(|c| c.key().key).collect();
        assert_eq!(rest, [7, 4, 5, 6, 8, 10, 11, 12, 13, 14]);
    }
}
