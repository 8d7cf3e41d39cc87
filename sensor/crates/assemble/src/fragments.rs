//! IPv4 and IPv6 reassembly: fragments in any order in, whole packets out.
//!
//! A packet comes back as one frame: the link header and the IP header of its first fragment,
//! with lengths, fragment fields and IPv4 checksum made right, then all data. The usual walk can
//! be run on it. Copies of fragments (a mirror sends them) are recognised while a packet is
//! gathered and for a short time afterwards.
//!
//! Limits: packets, fragments a packet, bytes together, time. What does not fit pushes the
//! oldest out. Nothing here judges the packet's contents.

mod packet;
mod piece;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_common::walk::{Fragment, Headers, Ip};

use packet::{Packet, State};
use piece::Piece;

/// Packets that are gathered at one time, at most.
pub const PACKETS_MAX: usize = 4096;
/// Fragments of one packet, at most.
pub const PIECES_MAX: usize = 128;
/// Bytes held for all packets together, at most.
pub const BYTES_MAX: usize = 16 << 20;
/// The fragmented part of a packet, at most: what the 16-bit lengths allow.
pub const DATA_MAX: usize = 65_535;
/// How long a packet may take until all its fragments have come.
pub const GATHER_NS: u64 = 5_000_000_000;

/// What happens when two fragments claim the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The packet is given up, as RFC 5722 demands for IPv6: honest senders never overlap.
    #[default]
    Reject,
    /// Bytes that are there already stay.
    FirstWins,
}

/// How fragments are treated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What happens when two fragments claim the same bytes.
    pub overlap: Overlap,
    /// How long after its last fragment a finished packet is remembered, so that copies of its
    /// fragments are known as copies. 0: not at all.
    pub duplicate_window_ns: u64,
    /// For the table's hash.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { overlap: Overlap::Reject, duplicate_window_ns: 20_000_000, seed: 0 }
    }
}

/// Why a fragment could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The walk found a whole packet.
    NotAFragment,
    /// The frame ends before the fragment does.
    Truncated,
    /// No fragment header where the walk saw one.
    BadHeader,
    /// It carries nothing, or not a multiple of eight bytes though others follow.
    BadLength,
    /// The packet would be longer than a packet can be.
    TooLong,
    /// It claims bytes that another one has, or lies beyond the packet's end.
    Overlap,
    /// The packet is in more pieces than are kept.
    TooManyPieces,
}

/// A packet put together again.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a, T> {
    /// The frame: link header, IP header, data. Its link type is that of the fragments.
    pub frame: &'a [u8],
    /// Where in `frame` the IP header starts.
    pub l3: usize,
    /// What was given with the fragment that came first.
    pub tag: T,
    /// Fragments it came in.
    pub pieces: u64,
}

impl<'a, T> Whole<'a, T> {
    /// The packet without its link header.
    pub fn packet(&self) -> &'a [u8] {
        self.frame.get(self.l3..).unwrap_or_default()
    }
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a, T> {
    /// Kept; others are missing.
    Held,
    /// It was the last one missing.
    Whole(Whole<'a, T>),
    /// A copy of one that had already come.
    Duplicate,
    /// Not usable.
    Rejected(Reason),
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Fragments given.
    pub pieces: u64,
    /// Packets put together.
    pub whole: u64,
    /// Copies of fragments.
    pub duplicates: u64,
    /// Fragments that could not be used when they came.
    pub rejected: u64,
    /// Fragments that were held and then lost, because their packet was given up: others never
    /// came, overlapped, or a limit was reached.
    pub lost_pieces: u64,
    /// Packets given up because others never came.
    pub expired: u64,
    /// Packets given up because of overlapping or impossible fragments.
    pub poisoned: u64,
    /// Packets pushed out by a limit of packets or bytes.
    pub evicted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
    vlan: u16,
    /// 0 in IPv6, whose fragments may name different protocols.
    proto: u8,
    version: u8,
}

/// Fragments that wait for the others.
#[derive(Debug)]
pub struct Fragments<T> {
    options: Options,
    index: HashMap<Key, usize, FixedState>,
    slots: Vec<Option<(Key, Packet<T>)>>,
    free: Vec<usize>,
    /// Slots in the order of their birth, with their serial.
    order: VecDeque<(usize, u64)>,
    /// Finished packets in the order of their end.
    done: VecDeque<(usize, u64)>,
    bytes: usize,
    serial: u64,
    out: Vec<u8>,
    counters: Counters,
}

impl<T: Copy> Fragments<T> {
    /// An empty table; memory is taken as it is needed.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            index: HashMap::with_hasher(FixedState::with_seed(options.seed)),
            slots: Vec::new(),
            free: Vec::new(),
            order: VecDeque::new(),
            done: VecDeque::new(),
            bytes: 0,
            serial: 0,
            out: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Takes the fragment in `frame`, as the walk has described it. `tag` comes back with the
    /// packet whose first fragment to arrive this is. `clock_ns` must not go back.
    pub fn push(
        &mut self,
        headers: &Headers,
        frame: &[u8],
        tag: T,
        clock_ns: u64,
    ) -> Outcome<'_, T> {
        self.counters.pieces += 1;
        self.expire(clock_ns);
        let piece = match headers.fragment {
            Fragment::Whole => Err(Reason::NotAFragment),
            Fragment::First | Fragment::Later => Piece::read(headers, frame),
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(reason) => return self.reject(reason),
        };
        let key = key(headers);
        let slot = match self.index.get(&key).copied() {
            Some(slot) => match self.known(slot, &piece, clock_ns) {
                Known::Gathering => slot,
                Known::Duplicate => {
                    self.counters.duplicates += 1;
                    return Outcome::Duplicate;
                }
                Known::Poisoned => return self.reject(Reason::Overlap),
                Known::Over => {
                    self.remove(slot);
                    self.start(key, headers, tag, clock_ns)
                }
            },
            None => self.start(key, headers, tag, clock_ns),
        };
        self.take(slot, &piece, clock_ns)
    }

    /// Gives up what has waited for too long.
    pub fn expire(&mut self, clock_ns: u64) {
        let window_ns = self.options.duplicate_window_ns;
        while let Some(&(slot, serial)) = self.done.front() {
            if let Some(entry) = self.entry(slot, serial) {
                if clock_ns.saturating_sub(entry.last_ns) <= window_ns {
                    break;
                }
                self.remove(slot);
            }
            self.done.pop_front();
        }
        while let Some(&(slot, serial)) = self.order.front() {
            if let Some(entry) = self.entry(slot, serial) {
                if clock_ns.saturating_sub(entry.born_ns) <= GATHER_NS {
                    break;
                }
                self.counters.expired += u64::from(entry.state == State::Gathering);
                self.remove(slot);
            }
            self.order.pop_front();
        }
    }

    /// Gives up everything: no more frames will come.
    pub fn finish(&mut self) {
        self.expire(u64::MAX);
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Packets in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn reject(&mut self, reason: Reason) -> Outcome<'_, T> {
        self.counters.rejected += 1;
        Outcome::Rejected(reason)
    }

    fn entry(&self, slot: usize, serial: u64) -> Option<&Packet<T>> {
        let (_, entry) = self.slots.get(slot)?.as_ref()?;
        (entry.serial == serial).then_some(entry)
    }

    /// What a known packet makes of another fragment.
    fn known(&self, slot: usize, piece: &Piece<'_>, clock_ns: u64) -> Known {
        let Some(Some((_, entry))) = self.slots.get(slot) else { return Known::Over };
        let fresh = clock_ns.saturating_sub(entry.last_ns) <= self.options.duplicate_window_ns;
        match entry.state {
            State::Poisoned => Known::Poisoned,
            State::Gathering if entry.has(piece) => Known::Duplicate,
            State::Gathering => Known::Gathering,
            State::Done if fresh && entry.has(piece) => Known::Duplicate,
            State::Done => Known::Over,
        }
    }

    /// Makes room and a new entry.
    fn start(&mut self, key: Key, headers: &Headers, tag: T, clock_ns: u64) -> usize {
        while self.index.len() >= PACKETS_MAX {
            self.evict(usize::MAX);
        }
        self.serial += 1;
        let entry = Packet::new(self.serial, headers, tag, clock_ns);
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some((key, entry)),
            None => self.slots.push(Some((key, entry))),
        }
        self.index.insert(key, slot);
        self.order.push_back((slot, self.serial));
        slot
    }

    fn take(&mut self, slot: usize, piece: &Piece<'_>, clock_ns: u64) -> Outcome<'_, T> {
        let Some(Some((_, entry))) = self.slots.get_mut(slot) else {
            return self.reject(Reason::BadHeader);
        };
        let before = entry.bytes();
        entry.last_ns = clock_ns;
        let taken = entry.take(piece, self.options.overlap);
        self.bytes = self.bytes - before + entry.bytes();
        let taken = match taken {
            Ok(()) if entry.is_whole() => entry.write(&mut self.out).map(|()| true),
            Ok(()) => Ok(false),
            Err(reason) => Err(reason),
        };
        match taken {
            Err(reason) => {
                // The one that could not be written was taken, and is lost here as one refused.
                let whole = u64::from(entry.is_whole());
                self.counters.lost_pieces += entry.pieces.saturating_sub(whole);
                self.counters.poisoned += 1;
                self.bytes -= entry.bytes();
                entry.release();
                entry.state = State::Poisoned;
                self.reject(reason)
            }
            Ok(false) => {
                while self.bytes > BYTES_MAX {
                    self.evict(slot);
                }
                Outcome::Held
            }
            Ok(true) => self.end(slot),
        }
    }

    /// The packet in `slot` is in `out`.
    fn end(&mut self, slot: usize) -> Outcome<'_, T> {
        self.counters.whole += 1;
        let Some(Some((_, entry))) = self.slots.get_mut(slot) else {
            return self.reject(Reason::BadHeader);
        };
        let (tag, l3, pieces) = (entry.tag, entry.l3, entry.pieces);
        entry.state = State::Done;
        entry.ranges = Vec::new();
        entry.pieces = 0;
        let serial = entry.serial;
        if self.options.duplicate_window_ns == 0 {
            self.remove(slot);
        } else {
            self.done.push_back((slot, serial));
        }
        Outcome::Whole(Whole { frame: &self.out, l3, tag, pieces })
    }

    /// Pushes one out: finished ones first, then the oldest, but not `spared` if there are
    /// others.
    fn evict(&mut self, spared: usize) {
        while let Some((slot, serial)) = self.done.pop_front() {
            if self.entry(slot, serial).is_some() {
                self.remove(slot);
                return;
            }
        }
        let mut kept = None;
        while let Some((slot, serial)) = self.order.pop_front() {
            let Some(entry) = self.entry(slot, serial) else { continue };
            if slot == spared && kept.is_none() && !self.order.is_empty() {
                kept = Some((slot, serial));
                continue;
            }
            self.counters.evicted += u64::from(entry.state == State::Gathering);
            self.remove(slot);
            break;
        }
        if let Some(kept) = kept {
            self.order.push_front(kept);
        }
    }

    fn remove(&mut self, slot: usize) {
        let Some((key, entry)) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.index.remove(&key);
        self.bytes -= entry.bytes();
        if entry.state == State::Gathering {
            self.counters.lost_pieces += entry.pieces;
        }
        self.free.push(slot);
        // The queues find out by the serial; they must not grow on that account.
        let limit = 2 * PACKETS_MAX;
        if self.order.len() > limit {
            let slots = &self.slots;
            self.order.retain(|&(slot, serial)| alive(slots, slot, serial));
        }
        if self.done.len() > limit {
            let slots = &self.slots;
            self.done.retain(|&(slot, serial)| alive(slots, slot, serial));
        }
    }
}

fn alive<T>(slots: &[Option<(Key, Packet<T>)>], slot: usize, serial: u64) -> bool {
    matches!(slots.get(slot), Some(Some((_, entry))) if entry.serial == serial)
}

enum Known {
    Gathering,
    Duplicate,
    Poisoned,
    /// A later packet that uses the same identification.
    Over,
}

fn key(headers: &Headers) -> Key {
    let proto = if headers.version == 4 { headers.proto } else { 0 };
    let Headers { src, dst, ip_id, vlan, version, .. } = *headers;
    Key { src, dst, id: ip_id, vlan, proto, version }
}
