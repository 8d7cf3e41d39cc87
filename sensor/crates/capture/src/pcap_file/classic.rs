//! The pcap format: a file header of 24 bytes, then frames behind headers of 16 bytes (24 in
//! files of some old patched kernels).
//!
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>

use super::block::FileDesc;
use super::order::{Found, Order};
use super::{FRAME_BYTES_MAX, Flaw, Taken};
use crate::batch::Link;

const HEADER_BYTES: usize = 24;

/// What a pcap file's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic {
    big_endian: bool,
    /// Nanoseconds in one unit of a stamp's fraction.
    unit_ns: u64,
    record_bytes: usize,
    link: Result<Link, u16>,
}

impl Classic {
    /// Tells byte order and resolution by a file's first bytes.
    pub(super) fn from_magic(magic: [u8; 4]) -> Option<Self> {
        let (unit_ns, record_bytes, big_endian) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (1000, 16, false),
            [0xa1, 0xb2, 0xc3, 0xd4] => (1000, 16, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (1, 16, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (1, 16, true),
            [0x34, 0xcd, 0xb2, 0xa1] => (1000, 24, false),
            [0xa1, 0xb2, 0xcd, 0x34] => (1000, 24, true),
            _ => return None,
        };
        Some(Classic { big_endian, unit_ns, record_bytes, link: Err(0) })
    }

    /// Reads the link type; `false` if the header is cut off.
    pub(super) fn header(&mut self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
        let number = self.number([head[20], head[21], head[22], head[23]]);
        // The upper half may tell the length of a frame check sequence.
        let dlt = (number & 0xffff) as u16;
        self.link = Link::from_dlt(dlt).ok_or(dlt);
        true
    }

    /// Takes all whole frames.
    pub(super) fn take(&self, buf: &[u8], descs: &mut Vec<FileDesc>, order: &mut Order) -> Taken {
        let origin = order.origin(0);
        let mut used = 0;
        let mut flaw = None;
        while let Some(head) = buf.get(used..).and_then(<[u8]>::first_chunk::<16>) {
            let number =
                |at: usize| self.number([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let (seconds, fraction, len, wire_len) = (number(0), number(4), number(8), number(12));
            if len as usize > FRAME_BYTES_MAX {
                flaw = Some(Flaw::FrameTooLong(len));
                break;
            }
            if (seconds | fraction | len | wire_len) == 0 {
                flaw = Some(Flaw::Blank);
                break;
            }
            let offset = used + self.record_bytes;
            let end = offset + len as usize;
            if end > buf.len() {
                break;
            }
            let ts = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit_ns;
            order.push(descs, &Found { ts, offset, len, wire_len }, origin, self.link);
            used = end;
        }
        Taken { used, skip: 0, flaw }
    }

    #[inline]
    fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}
