//! Asks a driver about its device (`SIOCETHTOOL`). What the answers mean is not known here.
//!
//! Drivers tell how long an answer will be, and may then give a longer one. So the memory for
//! answers ends at a page that nobody can write: an answer that is too long is an error.
//!
//! <https://docs.kernel.org/networking/statistics.html>, `linux/ethtool.h`
#![expect(unsafe_code, reason = "a system call that writes to memory, and that memory")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys;

/// Bytes of an answer at most.
pub(super) const ANSWER_MAX: usize = 1 << 20;

/// Bytes behind it that cannot be written: a page of any architecture.
const GUARD: usize = 1 << 16;

/// Asks about one interface.
#[derive(Debug)]
pub(super) struct Asker {
    socket: OwnedFd,
    name: String,
    room: Room,
}

impl Asker {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM)?;
        Ok(Self { socket, name: name.to_owned(), room: Room::new()? })
    }

    /// Asks by a structure that begins with the command's number; the answer has the structure's
    /// place, and zeros behind it.
    pub(super) fn ask(&mut self, question: &[u8]) -> io::Result<&[u8]> {
        let room = self.room.bytes();
        room.fill(0);
        let Some(to) = room.get_mut(..question.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        to.copy_from_slice(question);
        let mut request = sys::request(&self.name)?;
        request.ifr_ifru.ifru_data = self.room.memory.cast();
        let fd = self.socket.as_raw_fd();
        // SAFETY: the kernel reads and writes memory from the room's beginning on. It writes
        // through the page tables like everybody, so what goes beyond the room meets the guard
        // and ends the call with an error.
        sys::check(unsafe { libc::ioctl(fd, libc::SIOCETHTOOL as _, &raw mut request) })?;
        Ok(self.room.bytes())
    }
}

/// Memory with a guard behind it.
#[derive(Debug)]
struct Room {
    memory: *mut u8,
}

impl Room {
    fn new() -> io::Result<Self> {
        let (none, both) = (libc::PROT_NONE, libc::PROT_READ | libc::PROT_WRITE);
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), ANSWER_MAX + GUARD, none, kind, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let room = Self { memory: memory.cast() };
        // SAFETY: the first part of the mapping just made, which nobody else knows.
        sys::check(unsafe { libc::mprotect(memory, ANSWER_MAX, both) })?;
        Ok(room)
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes are mapped, readable, writable and zero at first; the borrow of
        // the room keeps the kernel and others away.
        unsafe { std::slice::from_raw_parts_mut(self.memory, ANSWER_MAX) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, and nobody borrows from it any more.
        unsafe { libc::munmap(self.memory.cast(), ANSWER_MAX + GUARD) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_beyond_the_room_gets_an_error() {
        let mut room = Room::new().unwrap();
        room.bytes()[ANSWER_MAX - 1] = 7;
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        let read = |at: usize, len: usize| {
            // SAFETY: the room's own memory and the guard behind it, which refuses.
            unsafe { libc::read(zeros.as_raw_fd(), room.memory.add(at).cast(), len) }
        };
        assert_eq!(read(ANSWER_MAX, 1), -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(read(ANSWER_MAX - 1, 1), 1);
        assert_eq!(room.bytes()[ANSWER_MAX - 1], 0);
    }

    #[test]
    fn an_absent_interface_and_a_question_without_sense_are_errors() {
        assert!(Asker::new("absent0").unwrap().ask(&3u32.to_ne_bytes()).is_err());
        assert!(Asker::new("lo").unwrap().ask(&u32::MAX.to_ne_bytes()).is_err());
        assert!(Asker::new("lo").unwrap().ask(&[0; ANSWER_MAX + 1]).is_err());
    }
}
