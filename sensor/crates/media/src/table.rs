//! The streams of one worker, found by flow and SSRC.
//!
//! A stream exists after [`CONFIRM_PACKETS`] consistent packets; until then it is on probation,
//! and what it has counted is kept. Slots are open addressing over a slab that grows by whole
//! segments, so that in steady state nothing is allocated. The number of streams is bounded.
//!
//! `T` is what the worker keeps with each stream. Which packets are RTP, whose a stream is and
//! when a record is written is the worker's business.

use core::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use ringtap_wire::flow::FlowKey;

use crate::stream::{Packet, Pushed, Stream};

/// Consistent packets that make a stream.
pub const CONFIRM_PACKETS: u8 = 3;
/// Steps in sequence that are consistent on probation.
const CONFIRM_STEPS: u16 = 32;
/// A stream on probation that hears nothing for so long is forgotten, ns.
const PROBATION_NS: u64 = 2_000_000_000;
/// Streams in a segment of the slab.
const SEGMENT: usize = 64;
const SEGMENT_BITS: u32 = SEGMENT.trailing_zeros();
/// More streams than this are never promised.
pub const STREAMS_MAX: usize = 1 << 24;

/// What makes a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Addresses and ports.
    pub flow: FlowKey,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// A stream's place. It is not given to another stream: a removed stream's id finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    index: u32,
    generation: u32,
}

/// The table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What a packet did to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Still on probation.
    Probation,
    /// On probation it did not fit: this many packets were discarded, and it is the first now.
    Restarted(u8),
    /// Now it is a stream; its packets so far are counted.
    Confirmed,
    /// A packet of a stream.
    Stream(Pushed),
}

/// What happened at the table's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries made.
    pub inserted: u64,
    /// Entries refused because the table was full.
    pub full: u64,
    /// Entries forgotten on probation: datagrams that only looked like RTP.
    pub forgotten: u64,
}

/// A stream and what the worker keeps with it.
#[derive(Debug)]
#[repr(C)]
pub struct Entry<T> {
    /// The stream's key.
    pub key: Key,
    /// It exists: [`CONFIRM_PACKETS`] consistent packets were seen.
    pub confirmed: bool,
    fitting: u8,
    id: Id,
    last: Last,
    hash: u64,
    born: u64,
    /// The stream.
    pub stream: Stream,
    /// The worker's own.
    pub data: T,
}

/// What the next packet on probation is compared with.
#[derive(Clone, Copy, Debug)]
struct Last {
    seq: u16,
    payload_type: u8,
    timestamp: u32,
}

impl Last {
    fn of(packet: &Packet) -> Self {
        let Packet { seq, payload_type, timestamp, .. } = *packet;
        Self { seq, payload_type, timestamp }
    }

    /// Sequence and timestamp move on plausibly, under the same payload type.
    fn fits(self, packet: &Packet) -> bool {
        let steps = packet.seq.wrapping_sub(self.seq) as i16;
        let ticks = packet.timestamp.wrapping_sub(self.timestamp) as i32;
        // A minute of the fastest usual clock.
        let near = ticks.unsigned_abs() <= 60 * 90_000;
        let moves = steps != 0 && steps.unsigned_abs() <= CONFIRM_STEPS;
        moves && near && packet.payload_type == self.payload_type
    }

    /// A copy of the packet before.
    fn same(self, packet: &Packet) -> bool {
        packet.seq == self.seq && packet.timestamp == self.timestamp
    }
}

impl<T> Entry<T> {
    /// Its place in the table.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Time without a packet, ns.
    #[must_use]
    pub fn idle_ns(&self, now_clock_ns: u64) -> u64 {
        now_clock_ns.saturating_sub(self.stream.last_clock_ns())
    }

    /// Pushes the next packet; on probation, tries whether it fits.
    #[inline]
    pub fn push(&mut self, packet: &Packet) -> Step {
        if self.confirmed {
            return Step::Stream(self.stream.push(packet));
        }
        self.prove(packet)
    }

    #[cold]
    fn prove(&mut self, packet: &Packet) -> Step {
        if self.last.same(packet) {
            self.stream.push(packet);
            return Step::Probation;
        }
        let fits = self.last.fits(packet);
        self.last = Last::of(packet);
        if !fits {
            let discarded = core::mem::replace(&mut self.fitting, 1);
            self.stream = Stream::new(packet);
            return Step::Restarted(discarded);
        }
        self.stream.push(packet);
        self.fitting += 1;
        self.confirmed = self.fitting >= CONFIRM_PACKETS;
        if self.confirmed { Step::Confirmed } else { Step::Probation }
    }
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a slab's place is as large as what it holds")]
enum Place<T> {
    /// The next free place, if any.
    Free(Option<u32>),
    Used(Entry<T>),
}

/// Streams by flow and SSRC.
#[derive(Debug)]
pub struct Table<T> {
    state: FixedState,
    /// Upper half of the hash, then the place plus one; 0 is empty.
    slots: Vec<u64>,
    segments: Vec<Vec<Place<T>>>,
    free: Option<u32>,
    /// Places ever used.
    used: u32,
    len: usize,
    limit: usize,
    generation: u32,
    sweep_at: u32,
    counters: Counters,
}

const HASH_PART: u64 = 0xffff_ffff_0000_0000;

impl<T> Table<T> {
    /// A table for at most `streams_max` streams, hashed with `seed`.
    ///
    /// The slots are allocated here (8 to 16 bytes a stream, touched only as they fill), the
    /// streams themselves in segments as they come.
    #[must_use]
    pub fn new(streams_max: usize, seed: u64) -> Self {
        let limit = streams_max.clamp(1, STREAMS_MAX);
        let slots = (limit * 3 / 2 + 1).next_power_of_two();
        Self {
            state: FixedState::with_seed(seed),
            slots: vec![0; slots],
            segments: Vec::with_capacity(limit.div_ceil(SEGMENT)),
            free: None,
            used: 0,
            len: 0,
            limit,
            generation: 0,
            sweep_at: 0,
            counters: Counters::default(),
        }
    }

    /// The hash of a key.
    #[inline]
    #[must_use]
    pub fn hash_of(&self, key: &Key) -> u64 {
        let FlowKey { src, dst, sport, dport } = key.flow;
        let ends = u64::from(sport) << 48 | u64::from(dport) << 32 | u64::from(key.ssrc);
        let mut hasher = self.state.build_hasher();
        hasher.write_u128(u128::from_ne_bytes(src));
        hasher.write_u128(u128::from_ne_bytes(dst));
        hasher.write_u64(ends);
        hasher.finish()
    }

    /// Loads what [`Table::find`] and a usual packet will need, so that the waits of a batch
    /// overlap: call it in a loop of its own. The entry is the one most likely meant, unverified.
    #[inline]
    pub fn touch(&self, hash: u64) -> Option<&Entry<T>> {
        let slot = self.slots.get(self.home(hash)).copied().unwrap_or(0);
        let entry = (slot as u32).checked_sub(1).and_then(|index| self.entry(index))?;
        core::hint::black_box(entry.stream.touch() ^ entry.hash);
        Some(entry)
    }

    /// Finds a stream.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, key: &Key) -> Option<Id> {
        let mut at = self.home(hash);
        loop {
            let slot = *self.slots.get(at)?;
            let index = (slot as u32).checked_sub(1)?;
            if (slot ^ hash) & HASH_PART == 0
                && let Some(entry) = self.entry(index)
                && entry.key == *key
            {
                return Some(entry.id);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Makes an entry for a key that [`Table::find`] did not find; the packet is its first.
    ///
    /// # Errors
    /// The table is full; this is counted.
    pub fn insert(&mut self, hash: u64, key: Key, first: &Packet, data: T) -> Result<Id, Full> {
        if self.len >= self.limit {
            self.counters.full += 1;
            return Err(Full);
        }
        let index = self.free.unwrap_or(self.used);
        self.generation = self.generation.wrapping_add(1);
        let id = Id { index, generation: self.generation };
        let entry = Entry {
            key,
            confirmed: false,
            fitting: 1,
            last: Last::of(first),
            id,
            hash,
            born: self.counters.inserted,
            stream: Stream::new(first),
            data,
        };
        self.place(index, entry);
        let mut at = self.home(hash);
        while self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = hash & HASH_PART | u64::from(index + 1);
        self.len += 1;
        self.counters.inserted += 1;
        Ok(id)
    }

    /// An entry.
    #[inline]
    #[must_use]
    pub fn get(&self, id: Id) -> Option<&Entry<T>> {
        self.entry(id.index).filter(|entry| entry.id == id)
    }

    /// An entry, to push packets to.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, id: Id) -> Option<&mut Entry<T>> {
        let segment = self.segments.get_mut((id.index >> SEGMENT_BITS) as usize)?;
        match segment.get_mut(id.index as usize % SEGMENT)? {
            Place::Used(entry) if entry.id == id => Some(entry),
            _ => None,
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, id: Id) -> Option<Entry<T>> {
        let hash = self.get(id)?.hash;
        let next = Place::Free(self.free);
        let segment = self.segments.get_mut((id.index >> SEGMENT_BITS) as usize)?;
        let place = segment.get_mut(id.index as usize % SEGMENT)?;
        let Place::Used(entry) = core::mem::replace(place, next) else { return None };
        self.free = Some(id.index);
        self.len -= 1;
        self.close_slot(hash, id.index);
        Some(entry)
    }

    /// All streams and those on probation, in the order in which they came.
    #[must_use]
    pub fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<(u64, Id)> = self.entries().map(|entry| (entry.born, entry.id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// All entries, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.segments.iter().flatten().filter_map(|place| match place {
            Place::Used(entry) => Some(entry),
            Place::Free(_) => None,
        })
    }

    /// Looks at the next `budget` places: forgets what was silent on probation, and names the
    /// streams that heard nothing for `idle_ns`. Going on from call to call, it comes around.
    pub fn sweep(&mut self, now: u64, budget: usize, idle_ns: u64, expired: &mut Vec<Id>) {
        for _ in 0..budget.min(self.used as usize) {
            self.sweep_at = if self.sweep_at + 1 < self.used { self.sweep_at + 1 } else { 0 };
            let Some(entry) = self.entry(self.sweep_at) else { continue };
            let (id, silent_ns) = (entry.id, entry.idle_ns(now));
            if entry.confirmed {
                if silent_ns > idle_ns {
                    expired.push(id);
                }
            } else if silent_ns > PROBATION_NS {
                self.remove(id);
                self.counters.forgotten += 1;
            }
        }
    }

    /// Entries, those on probation too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What happened at the limits.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn entry(&self, index: u32) -> Option<&Entry<T>> {
        let segment = self.segments.get((index >> SEGMENT_BITS) as usize)?;
        match segment.get(index as usize % SEGMENT)? {
            Place::Used(entry) => Some(entry),
            Place::Free(_) => None,
        }
    }

    /// Puts an entry into the first free place, or into a new one.
    fn place(&mut self, index: u32, entry: Entry<T>) {
        if index == self.used {
            if (index as usize).is_multiple_of(SEGMENT) {
                self.segments.push(Vec::with_capacity(SEGMENT));
            }
            self.used += 1;
            if let Some(segment) = self.segments.last_mut() {
                segment.push(Place::Used(entry));
            }
            return;
        }
        let place = &mut self.segments[(index >> SEGMENT_BITS) as usize][index as usize % SEGMENT];
        if let Place::Free(next) = core::mem::replace(place, Place::Used(entry)) {
            self.free = next;
        }
    }

    /// Empties the slot of a place and moves up those that had to pass it.
    fn close_slot(&mut self, hash: u64, index: u32) {
        let mask = self.slots.len() - 1;
        let mut hole = self.home(hash);
        while self.slots[hole] as u32 != index + 1 {
            hole = (hole + 1) & mask;
        }
        let mut at = (hole + 1) & mask;
        while let Some(passed) = (self.slots[at] as u32).checked_sub(1) {
            let home = self.entry(passed).map_or(at, |entry| self.home(entry.hash));
            // It may move when its home does not lie between the hole and itself.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = (at + 1) & mask;
        }
        self.slots[hole] = 0;
    }
}

#[cfg(test)]
mod tests;
