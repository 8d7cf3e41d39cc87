//! The memory of a BPF ring buffer, read in place: records stay until they are given back.
//!
//! The kernel appends a record with a busy mark, fills it, and takes the mark off; a reader stops
//! at the first record that is still marked. The memory is mapped twice in a row, so that no
//! record is cut at its end. <https://docs.kernel.org/bpf/ringbuf.html>
#![expect(unsafe_code, reason = "a ring of memory shared with the kernel")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use aya::maps::{Map, MapData};

/// Marks in the four bytes in front of a record, the rest of which is its length.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER_LEN: usize = 8;

/// A ring buffer.
#[derive(Debug)]
pub(super) struct Ring {
    /// A page that begins with the reader's position.
    reader: Mapping,
    /// A page that begins with the kernel's position; then all records, twice.
    records: Mapping,
    page: usize,
    bytes: usize,
    /// Up to where records were given out.
    next: usize,
    _map: MapData,
}

impl Ring {
    /// Maps a ring buffer.
    pub(super) fn open(map: Map) -> io::Result<Self> {
        let Map::RingBuf(map) = map else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no ring buffer"));
        };
        let bytes = map.info().map_err(io::Error::other)?.max_entries() as usize;
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).map_err(io::Error::other)?;
        let fd = map.fd().as_fd();
        let write = libc::PROT_READ | libc::PROT_WRITE;
        let reader = Mapping::new(&fd, page, write, 0)?;
        let records = Mapping::new(&fd, page + 2 * bytes, libc::PROT_READ, page)?;
        let next = reader.word().load(Ordering::Relaxed);
        Ok(Self { reader, records, page, bytes, next, _map: map })
    }

    /// Size, bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next record; `None` if there is none that is complete. Its memory stays as it is until
    /// [`Ring::give_back`].
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        loop {
            let written = self.records.word().load(Ordering::Acquire);
            if self.next == written {
                return None;
            }
            let at = self.page + (self.next & (self.bytes - 1));
            // SAFETY: inside the mapping, aligned to eight bytes, and only ever read and written
            // as this word, by the kernel and here.
            let header = unsafe { AtomicU32::from_ptr(self.records.memory.add(at).cast()) };
            let header = header.load(Ordering::Acquire);
            if header & BUSY != 0 {
                return None;
            }
            let len = (header & !DISCARDED) as usize;
            if len > self.bytes - HEADER_LEN {
                // The kernel writes no such thing.
                self.next = written;
                return None;
            }
            self.next = self.next.wrapping_add((HEADER_LEN + len).next_multiple_of(8));
            if header & DISCARDED == 0 {
                // SAFETY: header and record are no longer than all records, which are mapped
                // twice in a row, and `at` is in the first half. It is complete, and the kernel
                // writes there again only when it has been given back, which needs this borrow to
                // have ended.
                return Some(unsafe {
                    std::slice::from_raw_parts(self.records.memory.add(at + HEADER_LEN), len)
                });
            }
        }
    }

    /// Gives all records back that were given out.
    pub(super) fn give_back(&mut self) {
        self.reader.word().store(self.next, Ordering::Release);
    }
}

/// Memory of a map.
#[derive(Debug)]
struct Mapping {
    memory: *mut u8,
    len: usize,
}

// SAFETY: the mapping is reached through its owner alone.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(fd: &impl AsRawFd, len: usize, access: libc::c_int, at: usize) -> io::Result<Self> {
        let at = libc::off_t::try_from(at).map_err(io::Error::other)?;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let memory = unsafe {
            libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, fd.as_raw_fd(), at)
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { memory: memory.cast(), len })
    }

    /// The position that it begins with.
    fn word(&self) -> &AtomicUsize {
        // SAFETY: a mapping has a page at least, begins at the border of one, and its first word
        // is only ever read and written as such, by the kernel and here.
        unsafe { AtomicUsize::from_ptr(self.memory.cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, and nobody borrows from it any more.
        unsafe { libc::munmap(self.memory.cast(), self.len) };
    }
}
