//! How a frame of one of the host's own interfaces comes to user space: a record in a ring.
//!
//! A record is a [`Head`] and the frame behind it. Records have a few sizes only, since the kernel
//! wants to know a record's size before it knows the frame's; what is behind the frame is noise.

/// What stands in front of a frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// CLOCK_MONOTONIC when it passed, ns.
    pub clock_ns: u64,
    /// The frame's length, bytes; a packet that is segmented later counts as it passed.
    pub wire_len: u32,
    /// Bytes of it that follow.
    pub len: u32,
    /// [`SENT`], [`BARE`].
    pub flags: u64,
}

/// The host sent the frame; otherwise it came in.
pub const SENT: u8 = 1;
/// The frame begins with the IP header; otherwise with an Ethernet header.
pub const BARE: u8 = 2;

/// Bytes in front of a frame.
pub const HEAD_LEN: usize = size_of::<Head>();
/// Longest frame that is carried whole, bytes: an IP packet with an Ethernet header and a tag.
pub const FRAME_MAX: usize = 65_568;
/// First bytes of a frame that the program looks at.
pub const LOOK_LEN: usize = 256;

impl Head {
    /// Reads a head; `None` if the record is too short for it, or for the frame that it promises.
    #[must_use]
    pub fn read(record: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_ne_bytes(*record.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u32::from_ne_bytes(*record.get(at..)?.first_chunk()?));
        let head =
            Self { clock_ns: word(0)?, wire_len: half(8)?, len: half(12)?, flags: word(16)? };
        record.get(HEAD_LEN..)?.get(..head.len as usize)?;
        Some(head)
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn is(&self, flag: u8) -> bool {
        self.flags & flag as u64 != 0
    }
}

const _: () = assert!(HEAD_LEN == 24);

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn record(len: u32, flags: u64, frame: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(7u64.to_ne_bytes());
        bytes.extend(90u32.to_ne_bytes());
        bytes.extend(len.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(frame);
        bytes
    }

    #[test]
    fn a_head_is_read_as_it_is_laid_out() {
        let head = Head::read(&record(3, u64::from(SENT), &[1, 2, 3, 0, 0])).unwrap();
        assert_eq!(head, Head { clock_ns: 7, wire_len: 90, len: 3, flags: 1 });
        assert!(head.is(SENT) && !head.is(BARE));
    }

    #[test]
    fn a_promise_beyond_the_record_is_not_believed() {
        assert_eq!(Head::read(&record(4, 0, &[1, 2, 3])), None);
        assert_eq!(Head::read(&record(u32::MAX, 0, &[])), None);
        assert_eq!(Head::read(&record(0, 0, &[])[..23]), None);
        assert_eq!(Head::read(&[]), None);
    }
}
