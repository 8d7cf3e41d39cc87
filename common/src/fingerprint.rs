//! The duplicate rule of a mirror port: what makes two frames copies of one packet.
//!
//! Copies agree in addresses, protocol, ports and payload. They may differ in what a switch or
//! router rewrites: MAC, VLAN, TTL, type of service, IP and transport checksums. Two equal packets
//! with different non-zero IP ids, or further apart than the window, are an endpoint's own
//! retransmission and both survive.
//!
//! The key is a keyed 64-bit hash. Its keys are drawn anew for each run, because whoever can
//! predict a collision could hide a packet. It is not a cryptographic hash and does not leave the
//! machine. Fragments are not compared here: their whole packet is, after reassembly.

use crate::cursor::Cursor;
use crate::walk::{Fragment, Headers, PROTO_TCP};

/// Bytes that the hash takes in one step.
pub const BLOCK: usize = 32;

/// The keys of one run's fingerprints.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    keys: [u64; 4],
}

impl Seed {
    /// Stretches 64 random bits into keys (the finaliser is that of SplitMix64).
    #[must_use]
    pub const fn new(random: u64) -> Self {
        let mut keys = [0; 4];
        let mut state = random;
        let mut i = 0;
        while i < keys.len() {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            keys[i] = finish(state);
            i += 1;
        }
        Self { keys }
    }
}

/// What a packet is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash over everything in which copies agree.
    pub key: u64,
    /// The packet's IP id, 0 if it has none.
    pub ip_id: u32,
}

/// The fingerprint of a packet, or `None` if it cannot be compared (a fragment, or bytes beyond
/// the linear part of the frame): such a packet is never a duplicate.
#[inline(always)]
pub fn fingerprint<C: Cursor>(c: &C, h: &Headers, seed: &Seed) -> Option<Fingerprint> {
    if !matches!(h.fragment, Fragment::Whole) {
        return None;
    }
    let mut hash = Hash::new(seed);
    hash.headers(h);
    let mut at = usize::from(h.payload);
    if h.proto == PROTO_TCP {
        // Sequence, acknowledgement, flags, window: all but the checksum; then the options.
        let [a, b] = pair(c.load::<16>(usize::from(h.l4))?);
        hash.left(a);
        hash.right(b);
        at = usize::from(h.l4) + 20;
    }
    let len = (usize::from(h.payload) + h.payload_len as usize).saturating_sub(at);
    hash.left(len as u64);
    hash.bytes(c, at, len)?;
    Some(Fingerprint { key: hash.finish(), ip_id: h.ip_id })
}

/// Two accumulators, so that the multiplications of one hide behind those of the other.
struct Hash {
    left: u64,
    right: u64,
    keys: [u64; 2],
}

impl Hash {
    #[inline(always)]
    fn new(seed: &Seed) -> Self {
        let [a, b, c, d] = seed.keys;
        Self { left: a, right: b, keys: [c, d] }
    }

    #[inline(always)]
    fn left(&mut self, word: u64) {
        self.left = round(self.left, word, self.keys[0]);
    }

    #[inline(always)]
    fn right(&mut self, word: u64) {
        self.right = round(self.right, word, self.keys[1]);
    }

    #[inline(always)]
    fn headers(&mut self, h: &Headers) {
        let ([src_high, src_low], [dst_high, dst_low]) = (pair(h.src), pair(h.dst));
        self.left(src_high);
        self.right(dst_high);
        self.left(src_low);
        self.right(dst_low);
        self.right(u64::from(h.sport) | u64::from(h.dport) << 16 | u64::from(h.proto) << 32);
    }

    #[inline(always)]
    fn block(&mut self, block: [u8; BLOCK]) {
        let [a, b, c, d] = words(block);
        self.left(a);
        self.right(b);
        self.left(c);
        self.right(d);
    }

    /// Takes `len` bytes at `at`; the last block overlaps the one before it.
    #[inline(always)]
    fn bytes<C: Cursor>(&mut self, c: &C, at: usize, len: usize) -> Option<()> {
        if len < BLOCK {
            return self.short(c, at, len);
        }
        let end = c.forget(at + len);
        let mut next = c.forget(at);
        for _ in 0..C::BLOCKS_MAX {
            if next + BLOCK >= end {
                break;
            }
            self.block(c.load::<BLOCK>(next)?);
            next = c.forget(next + BLOCK);
        }
        if next + BLOCK < end {
            return None;
        }
        self.block(c.load::<BLOCK>(end - BLOCK)?);
        Some(())
    }

    /// Fewer bytes than one block: two loads that may overlap.
    #[inline(always)]
    fn short<C: Cursor>(&mut self, c: &C, at: usize, len: usize) -> Option<()> {
        let (at, end) = (c.forget(at), c.forget(at + len));
        if len >= 16 {
            let ([a, b], [x, y]) = (pair(c.load::<16>(at)?), pair(c.load::<16>(end - 16)?));
            self.left(a);
            self.right(b);
            self.left(x);
            self.right(y);
        } else if len >= 8 {
            self.left(u64::from_le_bytes(c.load::<8>(at)?));
            self.right(u64::from_le_bytes(c.load::<8>(end - 8)?));
        } else if len >= 4 {
            self.left(u64::from(u32::from_le_bytes(c.load::<4>(at)?)));
            self.right(u64::from(u32::from_le_bytes(c.load::<4>(end - 4)?)));
        } else if len > 0 {
            let ([a], [b], [z]) =
                (c.load::<1>(at)?, c.load::<1>(at + len / 2)?, c.load::<1>(end - 1)?);
            self.left(u64::from(a) | u64::from(b) << 8 | u64::from(z) << 16);
        }
        Some(())
    }

    #[inline(always)]
    fn finish(self) -> u64 {
        finish(self.left ^ finish(self.right))
    }
}

/// One step: the product of two keyed halves. The difference that a changed word makes in the
/// product depends on the key, so that no later word can be chosen to cancel it; adding the word
/// itself, halves swapped, keeps what a product with a small factor would lose.
#[inline(always)]
fn round(state: u64, word: u64, key: u64) -> u64 {
    let x = state.wrapping_add(word);
    let keyed = x ^ key;
    x.rotate_left(32).wrapping_add((keyed & 0xffff_ffff).wrapping_mul(keyed >> 32))
}

#[inline(always)]
const fn finish(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[inline(always)]
fn pair(b: [u8; 16]) -> [u64; 2] {
    [
        u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        u64::from_le_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]),
    ]
}

#[inline(always)]
fn words(b: [u8; BLOCK]) -> [u64; 4] {
    [
        u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        u64::from_le_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]),
        u64::from_le_bytes([b[16], b[17], b[18], b[19], b[20], b[21], b[22], b[23]]),
        u64::from_le_bytes([b[24], b[25], b[26], b[27], b[28], b[29], b[30], b[31]]),
    ]
}

/// Nanoseconds in a tick of the table's clock, as a shift: 262 µs.
const TICK_SHIFT: u32 = 18;
/// Widest window, ns: a quarter of the time after which the table's 16-bit clock starts again.
pub const WINDOW_NS_MAX: u64 = 0x3fff << TICK_SHIFT;
/// Fewest slots of a table.
pub const SLOTS_MIN: usize = 16;

/// One table slot in the 64 bits that a processor can exchange at once: 32 bits of the key that
/// did not choose the slot, the IP id, and the time in ticks. 0 is an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u64);

impl Slot {
    /// The slot's content for a packet seen at `now_ns`.
    #[inline(always)]
    #[must_use]
    pub fn new(fp: &Fingerprint, now_ns: u64) -> Self {
        let mut tag = fp.key >> 32;
        if tag == 0 {
            tag = 1;
        }
        Self(tag << 32 | u64::from(short_id(fp.ip_id)) << 16 | ((now_ns >> TICK_SHIFT) & 0xffff))
    }

    /// The same entry as if it had been seen `by_ns` earlier: a test's way to let time pass.
    #[must_use]
    pub fn aged(self, by_ns: u64) -> Self {
        let ticks = (self.0 & 0xffff).wrapping_sub(by_ns >> TICK_SHIFT) & 0xffff;
        Self(self.0 & !0xffff | ticks)
    }
}

/// An IPv6 fragment id has 32 bits; folded, it stays non-zero.
#[inline(always)]
fn short_id(id: u32) -> u16 {
    let folded = (id ^ id >> 16) as u16;
    if folded == 0 && id != 0 { 1 } else { folded }
}

/// The duplicate rule, shared by the kernel's table and [`Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    ticks: u64,
}

impl Window {
    /// A window of `window_ns`, cut at [`WINDOW_NS_MAX`]. Its resolution is 262 µs, rounded up.
    #[inline(always)]
    #[must_use]
    pub const fn new(window_ns: u64) -> Self {
        let ns = if window_ns < WINDOW_NS_MAX { window_ns } else { WINDOW_NS_MAX };
        Self { ticks: (ns + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT }
    }

    /// Whether `new` is a copy of what `old` remembers.
    ///
    /// The clock may differ between processors, so that `new` may even be a little older.
    #[inline(always)]
    #[must_use]
    pub fn is_duplicate(&self, old: Slot, new: Slot) -> bool {
        if (old.0 ^ new.0) >> 32 != 0 {
            return false;
        }
        let (old_id, new_id) = (old.0 >> 16 & 0xffff, new.0 >> 16 & 0xffff);
        if old_id != new_id && old_id != 0 && new_id != 0 {
            return false;
        }
        let later = new.0.wrapping_sub(old.0) & 0xffff;
        let earlier = old.0.wrapping_sub(new.0) & 0xffff;
        later <= self.ticks || earlier <= self.ticks
    }
}

/// The index of a key's slot in a table of `mask + 1` slots.
#[inline(always)]
#[must_use]
pub fn slot_index(key: u64, mask: u32) -> u32 {
    key as u32 & mask
}

// Its exchange is no part of the library for the kernel program's target.
#[cfg(not(target_arch = "bpf"))]
mod table;

#[cfg(not(target_arch = "bpf"))]
pub use table::Table;

#[cfg(test)]
mod tests;
