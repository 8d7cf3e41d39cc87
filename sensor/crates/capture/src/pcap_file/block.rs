//! One run of frames out of a file, with the buffer they lie in.
//!
//! A block owns its memory and can travel to another thread. It knows nothing of file formats.

use crate::batch::{Frame, Link};

/// How much of a file one block holds at most, bytes.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Where in the block a frame lies, and its times.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileDesc {
    pub(super) ts: u64,
    pub(super) clock: u64,
    pub(super) order: u64,
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) wire_len: u32,
    pub(super) origin: u16,
    pub(super) link: Link,
}

/// A run of frames: the unit in which a file is handed on. Reused, so that reading a file
/// allocates only at its start.
#[derive(Debug, Default)]
pub struct Block {
    pub(super) buf: Vec<u8>,
    pub(super) descs: Vec<FileDesc>,
}

impl Block {
    /// An empty block; it takes its memory when it is first filled.
    pub const fn new() -> Self {
        Block { buf: Vec::new(), descs: Vec::new() }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.descs.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.descs.is_empty()
    }

    /// The frame at `index`, in the order of the file.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Frame<'_>> {
        self.descs.get(index).map(|desc| self.frame(desc))
    }

    /// The frames in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        self.descs.iter().map(|desc| self.frame(desc))
    }

    /// Forgets the frames and keeps the memory.
    pub fn clear(&mut self) {
        self.descs.clear();
    }

    /// Moves the frames from the one at `first` on, with their bytes, to the end of another block.
    pub(super) fn move_frames(&mut self, first: usize, to: &mut Block) {
        let first = first.min(self.descs.len());
        for desc in self.descs.drain(first..) {
            let start = desc.offset as usize;
            let bytes = self.buf.get(start..start + desc.len as usize).unwrap_or_default();
            // Far below 4 GiB: 63 frames of 256 KiB at most are moved.
            let offset = to.buf.len() as u32;
            to.buf.extend_from_slice(bytes);
            to.descs.push(FileDesc { offset, ..desc });
        }
    }

    #[inline]
    fn frame(&self, desc: &FileDesc) -> Frame<'_> {
        let start = desc.offset as usize;
        // The formats push only what lies inside the buffer.
        let bytes = self.buf.get(start..start + desc.len as usize).unwrap_or_default();
        Frame {
            ts: desc.ts,
            clock: desc.clock,
            order: desc.order,
            origin: desc.origin,
            link: desc.link,
            wire_len: desc.wire_len,
            bytes,
        }
    }
}
