//! Where generated frames go.

use crate::pcap;
use std::io::{self, Write};

/// Takes frames in time order.
pub trait FrameSink {
    /// Takes one Ethernet frame, stamped in UNIX nanoseconds.
    fn frame(&mut self, ts_ns: u64, bytes: &[u8]) -> io::Result<()>;
}

impl<W: Write> FrameSink for pcap::Writer<W> {
    #[inline]
    fn frame(&mut self, ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        pcap::Writer::frame(self, ts_ns, bytes)
    }
}

/// Keeps all frames in one block of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    bytes: Vec<u8>,
    ends: Vec<(u64, usize)>,
}

impl Memory {
    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One frame with its stamp.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<(u64, &[u8])> {
        let start = match at {
            0 => 0,
            _ => self.ends.get(at - 1)?.1,
        };
        let (ts_ns, end) = *self.ends.get(at)?;
        Some((ts_ns, self.bytes.get(start..end)?))
    }

    /// All frames with their stamps.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl FrameSink for Memory {
    fn frame(&mut self, ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        self.ends.push((ts_ns, self.bytes.len()));
        Ok(())
    }
}

/// Only counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames taken.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
}

impl FrameSink for Count {
    fn frame(&mut self, _ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        self.frames += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
