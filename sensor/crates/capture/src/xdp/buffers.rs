//! The buffers of an AF_XDP socket: where a frame lies, the stamp in front of it, and frames
//! that come in several buffers.
//!
//! Nothing here talks to the kernel. What a descriptor says is checked before it is followed.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

use std::ptr::NonNull;

use ringtap_common::maps::{STAMP_LEN, stamped_ns};

use crate::batch::Desc;

/// Size of a buffer.
pub(super) const BUFFER_BYTES: usize = 4096;
/// The longest frame that is put together from pieces.
const FRAME_BYTES_MAX: usize = 1 << 18;

/// What a descriptor turned out to be.
pub(super) enum Piece {
    /// A whole frame, or the end of one.
    Frame {
        /// Where it lies; settled by [`Pieces::settle`] if it came in pieces.
        ptr: *const u8,
        /// Its length, bytes.
        len: u32,
        /// When it arrived, if it was stamped.
        stamp: Option<u64>,
    },
    /// Part of a frame that goes on.
    Part,
    /// A frame, or the end of one, that cannot be given on.
    Unusable,
}

/// The buffers of one socket, and its frames in pieces.
#[derive(Debug)]
pub(super) struct Buffers {
    base: *mut u8,
    len: usize,
    /// The magic of stamps, if frames carry any.
    magic: Option<u64>,
    pieces: Pieces,
}

// SAFETY: the memory is reached through this owner alone.
unsafe impl Send for Buffers {}

impl Buffers {
    /// # Safety
    /// `len` bytes from `base`, a multiple of [`BUFFER_BYTES`], can be read and written for as long
    /// as this lives; a buffer is not touched by anybody else between the time its descriptor is
    /// given to [`Buffers::take`] and the time it goes back to the kernel.
    pub(super) unsafe fn new(base: *mut u8, len: usize, magic: Option<u64>) -> Self {
        Buffers { base, len, magic, pieces: Pieces::default() }
    }

    /// A new batch begins; frames of the last one are gone.
    pub(super) fn begin(&mut self) {
        self.pieces.begin();
    }

    /// Follows a descriptor. `more`: the frame goes on in the next one; `number`: the place in the
    /// batch that the frame will have.
    #[inline]
    pub(super) fn take(&mut self, addr: usize, len: usize, more: bool, number: usize) -> Piece {
        let Some(data) = self.range(addr, len) else {
            return self.pieces.add(None, None, more, number);
        };
        if !more && self.pieces.open.is_none() {
            return Piece::Frame { ptr: data, len: len as u32, stamp: self.take_stamp(addr) };
        }
        let first = self.pieces.open.is_none();
        let stamp = if first { self.take_stamp(addr) } else { None };
        // SAFETY: `range` checked these bytes, and they are ours until given back.
        let bytes = unsafe { std::slice::from_raw_parts(data, len) };
        self.pieces.add(Some(bytes), stamp, more, number)
    }

    /// Tells frames that came in pieces where they lie; after the last [`Buffers::take`].
    pub(super) fn settle(&self, descs: &mut [Desc]) {
        self.pieces.settle(descs);
    }

    /// Where `len` bytes from `addr` lie, if they are all in one buffer.
    #[inline]
    fn range(&self, addr: usize, len: usize) -> Option<*mut u8> {
        let room = BUFFER_BYTES - addr % BUFFER_BYTES;
        if addr >= self.len || len > room {
            return None;
        }
        // SAFETY: `addr` is inside the memory, whose length is a multiple of a buffer's.
        Some(unsafe { self.base.add(addr) })
    }

    /// The stamp in front of a frame whose address was checked. It is overwritten, so that it
    /// cannot be taken for that of a later frame in the same buffer.
    #[inline]
    fn take_stamp(&mut self, addr: usize) -> Option<u64> {
        let magic = self.magic?;
        if addr % BUFFER_BYTES < STAMP_LEN {
            return None;
        }
        let place = self.range(addr - STAMP_LEN, STAMP_LEN)?.cast::<[u8; STAMP_LEN]>();
        // SAFETY: the bytes lie in the frame's own buffer, which is ours until given back.
        unsafe {
            let found = stamped_ns(place.read_unaligned(), magic);
            if found.is_some() {
                place.cast::<u8>().write(!magic.to_ne_bytes()[0]);
            }
            found
        }
    }
}

/// Frames that came in several buffers, copied together.
#[derive(Debug, Default)]
struct Pieces {
    side: Vec<u8>,
    open: Option<Open>,
    /// Frames of this batch that lie in `side`: number in the batch and place.
    placed: Vec<(usize, usize)>,
}

/// A frame that is not complete yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where in the side buffer it begins.
    start: usize,
    stamp: Option<u64>,
    usable: bool,
}

impl Pieces {
    /// Only a frame that is not complete stays.
    fn begin(&mut self) {
        match &mut self.open {
            Some(open) => {
                self.side.drain(..open.start.min(self.side.len()));
                open.start = 0;
            }
            None => self.side.clear(),
        }
        self.placed.clear();
    }

    /// Adds a piece, or something that is none; the frame's fate is told with its last one.
    fn add(
        &mut self,
        bytes: Option<&[u8]>,
        stamp: Option<u64>,
        more: bool,
        number: usize,
    ) -> Piece {
        let start = self.side.len();
        let open = self.open.get_or_insert(Open { start, stamp, usable: true });
        match bytes {
            Some(bytes) if start - open.start + bytes.len() <= FRAME_BYTES_MAX => {
                self.side.extend_from_slice(bytes);
            }
            _ => open.usable = false,
        }
        if more {
            return Piece::Part;
        }
        let Open { start, stamp, usable } = *open;
        self.open = None;
        if !usable {
            self.side.truncate(start);
            return Piece::Unusable;
        }
        self.placed.push((number, start));
        let len = (self.side.len() - start) as u32;
        Piece::Frame { ptr: NonNull::dangling().as_ptr(), len, stamp }
    }

    fn settle(&self, descs: &mut [Desc]) {
        for &(number, start) in &self.placed {
            let Some(desc) = descs.get_mut(number) else { continue };
            match self.side.get(start..).and_then(|rest| rest.get(..desc.len as usize)) {
                Some(frame) => desc.ptr = frame.as_ptr(),
                None => desc.len = 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringtap_common::maps::stamp;

    use super::*;
    use crate::batch::{Batch, Link};

    const MAGIC: u64 = 0x1122_3344_5566_7788;
    const COUNT: usize = 4;

    /// A frame's bytes and stamp.
    type Got = (Vec<u8>, Option<u64>);

    /// Buffers over ordinary memory.
    struct Bench {
        memory: Box<[u8; COUNT * BUFFER_BYTES]>,
        buffers: Buffers,
        descs: Vec<Desc>,
    }

    impl Bench {
        fn new() -> Self {
            let mut memory = Box::new([0; COUNT * BUFFER_BYTES]);
            // SAFETY: the memory lives as long, and is written only between batches.
            let buffers =
                unsafe { Buffers::new(memory.as_mut_ptr(), COUNT * BUFFER_BYTES, Some(MAGIC)) };
            Bench { memory, buffers, descs: Vec::new() }
        }

        fn write(&mut self, addr: usize, bytes: &[u8]) {
            self.memory[addr..addr + bytes.len()].copy_from_slice(bytes);
            self.buffers.base = self.memory.as_mut_ptr();
        }

        /// One batch of descriptors: the frames' bytes and stamps, and how many were unusable.
        fn batch(&mut self, taken: &[(usize, usize, bool)]) -> (Vec<Got>, usize) {
            self.buffers.begin();
            self.descs.clear();
            let (mut stamps, mut unusable) = (Vec::new(), 0);
            for &(addr, len, more) in taken {
                match self.buffers.take(addr, len, more, self.descs.len()) {
                    Piece::Frame { ptr, len, stamp } => {
                        stamps.push(stamp);
                        let (ts, clock, order, origin) = (0, 0, 0, 0);
                        let (wire_len, link) = (len, Link::Ethernet);
                        self.descs.push(Desc {
                            ptr,
                            len,
                            wire_len,
                            ts,
                            clock,
                            order,
                            origin,
                            link,
                        });
                    }
                    Piece::Part => {}
                    Piece::Unusable => unusable += 1,
                }
            }
            self.buffers.settle(&mut self.descs);
            // SAFETY: the memory is not written before the next batch.
            let batch = unsafe { Batch::lend(&self.descs) };
            (batch.iter().map(|f| f.bytes.to_vec()).zip(stamps).collect(), unusable)
        }
    }

    fn stamped(ns: u64) -> Vec<u8> {
        stamp(MAGIC, ns).iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_stamp_is_read_once() {
        let mut bench = Bench::new();
        bench.write(240, &stamped(77));
        bench.write(256, b"frame");
        assert_eq!(bench.batch(&[(256, 5, false)]), (vec![(b"frame".to_vec(), Some(77))], 0));
        assert_eq!(bench.batch(&[(256, 5, false)]).0[0].1, None, "an old stamp");
        bench.write(BUFFER_BYTES - STAMP_LEN, &stamped(78));
        for addr in [0, BUFFER_BYTES] {
            assert_eq!(bench.batch(&[(addr, 5, false)]).0[0].1, None, "no room for a stamp");
        }
    }

    #[test]
    fn descriptors_outside_a_buffer_are_not_followed() {
        let mut bench = Bench::new();
        let end = COUNT * BUFFER_BYTES;
        for (addr, len) in
            [(end, 0), (end - 1, 2), (4000, 97), (usize::MAX, 1), (0, usize::MAX), (256, 4096)]
        {
            assert_eq!(bench.batch(&[(addr, len, false)]), (vec![], 1), "{addr} {len}");
        }
        assert_eq!(bench.batch(&[(end - 1, 1, false), (4000, 96, false)]).0.len(), 2);
    }

    #[test]
    fn pieces_make_one_frame_also_across_batches() {
        let mut bench = Bench::new();
        bench.write(240, &stamped(5));
        bench.write(256, b"abc");
        bench.write(BUFFER_BYTES, b"def");
        bench.write(2 * BUFFER_BYTES, b"g");
        let (frames, _) = bench.batch(&[
            (2 * BUFFER_BYTES, 1, false),
            (256, 3, true),
            (BUFFER_BYTES, 3, false),
            (256, 2, true),
        ]);
        assert_eq!(frames, [(b"g".to_vec(), None), (b"abcdef".to_vec(), Some(5))]);
        assert_eq!(bench.batch(&[]).0, []);
        let (frames, _) = bench.batch(&[(BUFFER_BYTES, 2, true)]);
        assert_eq!(frames, []);
        let (frames, _) = bench.batch(&[(2 * BUFFER_BYTES, 1, false), (256, 1, false)]);
        assert_eq!(frames, [(b"abdeg".to_vec(), None), (b"a".to_vec(), None)]);
    }

    #[test]
    fn a_frame_beyond_all_bounds_or_with_a_bad_piece_is_one_unusable_frame() {
        let mut bench = Bench::new();
        let endless = [(0, BUFFER_BYTES, true); 200];
        assert_eq!(bench.batch(&endless), (vec![], 0));
        let (frames, unusable) = bench.batch(&[(0, 1, false), (0, 2, false)]);
        assert_eq!((frames, unusable), (vec![(vec![0, 0], None)], 1));
        assert!(bench.buffers.pieces.side.capacity() <= 2 * FRAME_BYTES_MAX);
        let (frames, unusable) =
            bench.batch(&[(0, 9, true), (usize::MAX, 9, true), (0, 9, false), (0, 3, false)]);
        assert_eq!((frames, unusable), (vec![(vec![0; 3], None)], 1));
    }
}
