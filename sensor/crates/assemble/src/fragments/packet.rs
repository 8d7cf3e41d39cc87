//! One packet that is being put together: what has come of it, and how it is written out.
//!
//! The table, its limits and its clock are elsewhere.

use ringtap_common::walk::Headers;

use super::piece::{IPV6_LEN, Piece};
use super::{DATA_MAX, Overlap, PIECES_MAX, Reason};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Gathering,
    /// Put together; remembered for the sake of copies.
    Done,
    /// Given up; remembered so that its other fragments do not start it again.
    Poisoned,
}

#[derive(Debug)]
pub(super) struct Packet<T> {
    pub(super) state: State,
    /// Tells this use of the slot from later ones in the queues.
    pub(super) serial: u64,
    pub(super) born_ns: u64,
    pub(super) last_ns: u64,
    pub(super) tag: T,
    prefix: Vec<u8>,
    pub(super) l3: usize,
    next: Option<(usize, u8)>,
    data: Vec<u8>,
    /// Start and end of what has come, in order, without overlaps.
    pub(super) ranges: Vec<(usize, usize)>,
    filled: usize,
    total: Option<usize>,
    /// Fragments held.
    pub(super) pieces: u64,
}

impl<T> Packet<T> {
    /// A packet of which nothing has been taken yet.
    pub(super) fn new(serial: u64, headers: &Headers, tag: T, clock_ns: u64) -> Self {
        Self {
            state: State::Gathering,
            serial,
            born_ns: clock_ns,
            last_ns: clock_ns,
            tag,
            prefix: Vec::new(),
            l3: usize::from(headers.l3),
            next: None,
            data: Vec::new(),
            ranges: Vec::new(),
            filled: 0,
            total: None,
            pieces: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.prefix.len()
    }

    pub(super) fn release(&mut self) {
        self.prefix = Vec::new();
        self.data = Vec::new();
        self.ranges = Vec::new();
        self.pieces = 0;
    }

    /// Whether exactly these bytes have already come, in a fragment of their own.
    pub(super) fn has(&self, piece: &Piece<'_>) -> bool {
        let end = piece.start + piece.data.len();
        let known = match self.state {
            // A finished packet's ranges are gone.
            State::Done => true,
            _ => self.ranges.binary_search(&(piece.start, end)).is_ok(),
        };
        known && self.data.get(piece.start..end) == Some(piece.data)
    }

    /// Takes a fragment in. An error gives the whole packet up.
    pub(super) fn take(&mut self, piece: &Piece<'_>, overlap: Overlap) -> Result<(), Reason> {
        let end = piece.start + piece.data.len();
        if end > DATA_MAX {
            return Err(Reason::TooLong);
        }
        let reached = self.ranges.last().map_or(0, |range| range.1);
        let total = if piece.more { self.total } else { Some(end) };
        if self.total.is_some_and(|known| Some(known) != total)
            || total.is_some_and(|total| end > total || reached > total)
        {
            return Err(Reason::Overlap);
        }
        if self.ranges.len() >= PIECES_MAX {
            return Err(Reason::TooManyPieces);
        }
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        // From the first range that ends behind the fragment's start.
        let mut at = self.ranges.partition_point(|range| range.1 <= piece.start);
        let mut from = piece.start;
        while from < end {
            let (next_start, next_end) = self.ranges.get(at).copied().unwrap_or((end, end));
            let to = next_start.min(end);
            if next_start < end && overlap == Overlap::Reject {
                return Err(Reason::Overlap);
            }
            if from < to {
                let source = piece.data.get(from - piece.start..to - piece.start);
                if let (Some(target), Some(source)) = (self.data.get_mut(from..to), source) {
                    target.copy_from_slice(source);
                }
                self.ranges.insert(at, (from, to));
                self.filled += to - from;
                at += 1;
            }
            if to == end {
                break;
            }
            from = next_end.max(from);
            at += 1;
        }
        self.total = total;
        if piece.start == 0 && self.prefix.is_empty() {
            self.prefix.extend_from_slice(piece.prefix);
            self.next = piece.next;
        }
        self.pieces += 1;
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total == Some(self.filled)
    }

    /// Writes the whole packet to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), Reason> {
        out.clear();
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(self.data.get(..self.filled).unwrap_or_default());
        let length = out.len().saturating_sub(self.l3);
        let ip = out.get_mut(self.l3..).unwrap_or_default();
        if let Some((at, number)) = self.next {
            let field = u16::try_from(length.saturating_sub(IPV6_LEN));
            let field = field.map_err(|_| Reason::TooLong)?;
            ip.get_mut(4..6).ok_or(Reason::Truncated)?.copy_from_slice(&field.to_be_bytes());
            *out.get_mut(at).ok_or(Reason::Truncated)? = number;
        } else {
            let field = u16::try_from(length).map_err(|_| Reason::TooLong)?;
            let header_len = self.prefix.len().saturating_sub(self.l3);
            let header = ip.get_mut(..header_len).ok_or(Reason::Truncated)?;
            for (at, value) in [(2, field), (6, 0), (10, 0)] {
                put(header, at, value);
            }
            put(header, 10, checksum(header));
        }
        Ok(())
    }
}

pub(super) fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// The IPv4 header checksum (RFC 1071).
pub(super) fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
