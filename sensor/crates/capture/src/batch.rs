//! What every source yields: frames with their two times, over memory that the source owns.
//!
//! A [`Batch`] is borrowed for the length of one call; afterwards the source gives the memory
//! back to the kernel. Nothing here reads a frame's bytes.
#![expect(unsafe_code, reason = "a batch is a list of raw pieces of rings and mapped memory")]

use std::marker::PhantomData;

/// How the first bytes of a frame are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Link {
    /// Ethernet II or 802.3.
    Ethernet,
    /// IPv4 or IPv6 without anything in front; the version nibble tells which.
    RawIp,
    /// Linux "cooked" capture, version 1: 16 bytes, the EtherType last.
    Sll,
    /// Linux "cooked" capture, version 2: 20 bytes, the EtherType first.
    Sll2,
    /// BSD loopback: four bytes of address family, in either byte order.
    Null,
}

impl Link {
    /// The pcap `LINKTYPE_` number that a file of such frames carries.
    pub const fn dlt(self) -> u16 {
        match self {
            Link::Ethernet => 1,
            Link::RawIp => 101,
            Link::Sll => 113,
            Link::Sll2 => 276,
            Link::Null => 0,
        }
    }

    /// The link of a pcap `LINKTYPE_` (or an old `DLT_`) number; `None` if it is not read here.
    pub const fn from_dlt(dlt: u16) -> Option<Link> {
        match dlt {
            1 => Some(Link::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Link::RawIp),
            113 => Some(Link::Sll),
            276 => Some(Link::Sll2),
            0 | 108 => Some(Link::Null),
            _ => None,
        }
    }
}

/// One captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was seen: UNIX time, ns. This is what is reported.
    pub ts: u64,
    /// Order and timers, ns: monotonic arrival live, packet time in files. Never goes back.
    pub clock: u64,
    /// The place among all frames: live it equals `clock`, in files it is the frame's number.
    pub order: u64,
    /// Which interface, file or tunnel it came from.
    pub origin: u16,
    /// What its first bytes are.
    pub link: Link,
    /// Its length on the wire, bytes; at least `bytes.len()`.
    pub wire_len: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// A frame of a source without its lifetime: what a source keeps and uses again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desc {
    pub(crate) ptr: *const u8,
    pub(crate) len: u32,
    pub(crate) wire_len: u32,
    pub(crate) ts: u64,
    pub(crate) clock: u64,
    pub(crate) order: u64,
    pub(crate) origin: u16,
    pub(crate) link: Link,
}

// SAFETY: a descriptor is numbers only; the pointer is followed in one place, `Batch::get`, and
// whoever makes a `Batch` vouches there for the memory behind it.
unsafe impl Send for Desc {}

/// Frames that a source lends for the length of one call.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    descs: &'a [Desc],
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// A batch of no frames.
    pub const fn empty() -> Batch<'static> {
        Batch { descs: &[], memory: PhantomData }
    }

    /// Lends the frames that `descs` describe.
    ///
    /// # Safety
    /// Throughout `'a`, every descriptor's `ptr` is valid for reading `len` bytes, and nobody,
    /// the kernel included, writes them.
    pub(crate) const unsafe fn lend(descs: &'a [Desc]) -> Self {
        Batch { descs, memory: PhantomData }
    }

    /// Number of frames.
    pub const fn len(&self) -> usize {
        self.descs.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.descs.is_empty()
    }

    /// The frame at `index`, in order of arrival.
    pub fn get(&self, index: usize) -> Option<Frame<'a>> {
        self.descs.get(index).map(Self::frame)
    }

    /// The frames in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Frame<'a>> + Clone + use<'a> {
        self.descs.iter().map(Self::frame)
    }

    fn frame(desc: &Desc) -> Frame<'a> {
        // SAFETY: `lend` was given descriptors whose memory can be read throughout `'a`, and
        // `Gather` only keeps pieces that live for `'a`.
        let bytes = unsafe { std::slice::from_raw_parts(desc.ptr, desc.len as usize) };
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

/// A batch put together from frames that live elsewhere: for sources of other crates and tests.
#[derive(Debug, Default)]
pub struct Gather<'a> {
    descs: Vec<Desc>,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Gather<'a> {
    /// An empty one.
    pub const fn new() -> Self {
        Gather { descs: Vec::new(), memory: PhantomData }
    }

    /// Adds a frame; of more than 4 GiB only the first part.
    pub fn push(&mut self, frame: &Frame<'a>) {
        self.descs.push(Desc {
            ptr: frame.bytes.as_ptr(),
            len: u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX),
            wire_len: frame.wire_len,
            ts: frame.ts,
            clock: frame.clock,
            order: frame.order,
            origin: frame.origin,
            link: frame.link,
        });
    }

    /// Forgets the frames and keeps the room.
    pub fn clear(&mut self) {
        self.descs.clear();
    }

    /// The frames so far.
    pub fn batch(&self) -> Batch<'_> {
        Batch { descs: &self.descs, memory: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_what_was_put_in() {
        let first = [1_u8, 2, 3];
        let second: [u8; 0] = [];
        let frame = |bytes| Frame {
            ts: 5,
            clock: 6,
            order: 7,
            origin: 8,
            link: Link::Sll,
            wire_len: 9,
            bytes,
        };
        let mut gather = Gather::new();
        gather.push(&frame(&first));
        gather.push(&frame(&second));
        let batch = gather.batch();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.get(0), Some(frame(&first)));
        assert_eq!(batch.get(1), Some(frame(&second)));
        assert_eq!(batch.get(2), None);
        assert_eq!(batch.iter().map(|f| f.bytes.len()).sum::<usize>(), 3);
        assert!(Batch::empty().is_empty());
    }

    #[test]
    fn every_link_survives_the_way_through_its_number() {
        for link in [Link::Ethernet, Link::RawIp, Link::Sll, Link::Sll2, Link::Null] {
            assert_eq!(Link::from_dlt(link.dlt()), Some(link));
        }
        assert_eq!(Link::from_dlt(127), None);
    }
}
