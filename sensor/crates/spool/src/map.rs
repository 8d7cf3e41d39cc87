//! A file's bytes in memory, for appending: the crate's only unsafe code.
//!
//! A store into a mapping can end in SIGBUS: beyond the file's end, or where the filesystem has
//! no block for the page. So only what `fallocate` has granted is ever handed out as a slice, and
//! freshly granted pages are faulted in by a system call, which fails where a store would kill.
//! What remains is another program that shortens the file; segments are locked (`flock`) against
//! our own. It does not know what is written.

#![expect(unsafe_code, reason = "mapping a file and granting its blocks is the duty of this file")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Address room for a whole segment, of which the front is backed by blocks.
#[derive(Debug)]
pub(crate) struct Map {
    raw: MmapRaw,
    granted: usize,
}

impl Map {
    /// Reserves addresses for `capacity` bytes of a file. No block is granted yet.
    pub(crate) fn new(file: &File, capacity: usize) -> io::Result<Self> {
        let raw = MmapOptions::new().len(capacity).map_raw(file)?;
        // Where the filesystem has large folios this halves what writing costs; it is no loss if
        // the kernel declines.
        let _ = raw.advise(Advice::HugePage);
        Ok(Self { raw, granted: 0 })
    }

    /// Makes the file `to` bytes long, blocks granted, pages there to be written.
    ///
    /// # Errors
    /// What the filesystem says, for instance that it is full; what was granted before stays.
    pub(crate) fn grant(&mut self, file: &File, to: usize) -> io::Result<()> {
        let to = to.min(self.raw.len());
        let Some(more) = to.checked_sub(self.granted).filter(|more| *more > 0) else {
            return Ok(());
        };
        let (from, len) = (to_offset(self.granted)?, to_offset(more)?);
        // SAFETY: the call takes a descriptor, which `file` keeps open, and plain numbers; it
        // touches no memory of ours.
        let done = unsafe { libc::fallocate(file.as_raw_fd(), 0, from, len) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        match self.raw.advise_range(Advice::PopulateWrite, self.granted, more) {
            Ok(()) => {}
            // Kernels before 5.14: pages come one by one as they are written.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(error),
        }
        self.granted = to;
        Ok(())
    }

    /// How far blocks are granted.
    pub(crate) fn granted(&self) -> usize {
        self.granted
    }

    /// `len` bytes at `at`; `None` beyond what is granted.
    pub(crate) fn room(&mut self, at: usize, len: usize) -> Option<&mut [u8]> {
        if at.checked_add(len)? > self.granted {
            return None;
        }
        // SAFETY: `at + len <= granted <= raw.len()`, so the range lies within the mapping, whose
        // pages are readable and writable for as long as `self` lives. The borrow of `self` keeps
        // a second slice away, and no other mapping of the file exists in this process: its
        // readers use read calls. Other processes that follow the rules do not write into a
        // locked segment.
        Some(unsafe { std::slice::from_raw_parts_mut(self.raw.as_mut_ptr().add(at), len) })
    }
}

fn to_offset(bytes: usize) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_handed_out_beyond_the_granted_blocks() {
        let file = tempfile::tempfile().unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .unwrap();
        let mut map = Map::new(&file, 3 * 4096).unwrap();
        assert!(map.room(0, 1).is_none());
        map.grant(&file, 5000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5000);
        map.room(4990, 10).unwrap().copy_from_slice(b"0123456789");
        assert!(map.room(4990, 11).is_none());
        assert!(map.room(usize::MAX, 2).is_none());
        map.grant(&file, 1 << 20).unwrap();
        assert_eq!(map.granted(), 3 * 4096);
        assert_eq!(map.room(4990, 10).unwrap(), b"0123456789");
    }
}
