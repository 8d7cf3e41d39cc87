//! The part of the recording that is not written yet: two channels, silence where nobody has
//! spoken.
//!
//! Where two streams of one side speak at once, the one of higher rank is heard and the other is
//! not: they are the same words on both sides of a proxy, or early media of a branch that lost,
//! and a sum of the two would be neither.

use std::collections::VecDeque;
use std::io;

use crate::wav::Sink;

/// Frames that are written at once.
const BLOCK: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    samples: [i16; 2],
    /// Whose they are; 0: nobody's.
    ranks: [u16; 2],
}

/// The frames from `base` on.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    base: i64,
    cells: VecDeque<Cell>,
    block: Vec<[i16; 2]>,
}

impl Canvas {
    /// The first frame that is not written.
    pub(crate) fn base(&self) -> i64 {
        self.base
    }

    /// Says where the recording begins, before anything is in it.
    pub(crate) fn begin(&mut self, base: i64) {
        self.base = base;
    }

    /// Puts samples of a channel from `at` on. The number of those for which a stream of another
    /// rank had something to say too. What is before the base has been written, and is left out.
    pub(crate) fn place(&mut self, channel: usize, rank: u16, at: i64, samples: &[i16]) -> u64 {
        let past = usize::try_from(self.base.saturating_sub(at)).unwrap_or(0);
        let samples = samples.get(past..).unwrap_or_default();
        let from = usize::try_from(at.saturating_sub(self.base)).unwrap_or(0);
        if samples.is_empty() {
            return 0;
        }
        let to = from.saturating_add(samples.len());
        if self.cells.len() < to {
            self.cells.resize(to, Cell::default());
        }
        let mut shared = 0;
        for (cell, sample) in self.cells.range_mut(from..to).zip(samples) {
            let place = cell.samples.get_mut(channel).zip(cell.ranks.get_mut(channel));
            let Some((place, owner)) = place else { continue };
            shared += u64::from(*owner != 0 && *owner != rank);
            if *owner <= rank {
                (*place, *owner) = (*sample, rank);
            }
        }
        shared
    }

    /// Writes all frames before `to`; silence where there are none.
    pub(crate) fn write(&mut self, to: i64, sink: &mut dyn Sink) -> io::Result<()> {
        while self.base < to {
            let left = usize::try_from(to.saturating_sub(self.base)).unwrap_or(BLOCK).min(BLOCK);
            let spoken = left.min(self.cells.len());
            self.block.clear();
            self.block.extend(self.cells.drain(..spoken).map(|cell| cell.samples));
            self.block.resize(left, [0; 2]);
            sink.frames(&self.block)?;
            self.base += left as i64;
        }
        Ok(())
    }

    /// Writes all that is there.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        self.write(self.base.saturating_add(self.cells.len() as i64), sink)
    }
}
