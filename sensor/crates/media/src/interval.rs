//! A stream's course over time: one record a second at first, coarser as the stream grows long.
//!
//! At most [`INTERVALS_MAX`] records are kept in place. When they are full, the length of an
//! interval doubles and neighbours are joined. A natural cut ends an interval early, so that a
//! stream can be divided there.

use crate::codec::Codec;
use crate::score::mos::{self, Loss};

/// Records kept for one stream.
pub const INTERVALS_MAX: usize = 32;
const FIRST_LENGTH_MS: u32 = 1000;

/// One interval. Empty ones are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Begin, ms after the stream's (in a report: the report's) first packet.
    pub start_ms: u32,
    /// Distinct packets that arrived in it.
    pub received: u32,
    /// Packets found missing in it, less the late ones that came in it.
    pub lost: u16,
    /// Missing or too late, for the 50 ms, the 200 ms and the adaptive buffer.
    pub unplayed: [u16; 3],
    /// Runs of those, counted about 64 packets late.
    pub runs: [u8; 3],
    /// It begins at a natural cut: a pause, or a jump of sequence, timestamp or payload type.
    pub cut: bool,
    /// Mean jitter in steps of 10 µs; see [`Interval::jitter_mean_ms`].
    pub jitter_mean_10us: u16,
    /// Greatest jitter in steps of 10 µs.
    pub jitter_max_10us: u16,
}

/// Jitter is stored in steps of 10 µs.
const JITTER_STEPS_PER_MS: f32 = 100.0;

impl Interval {
    /// Stores jitter, ms.
    pub fn set_jitter(&mut self, mean_ms: f32, max_ms: f32) {
        self.jitter_mean_10us = (mean_ms * JITTER_STEPS_PER_MS) as u16;
        self.jitter_max_10us = (max_ms * JITTER_STEPS_PER_MS) as u16;
    }

    /// Mean jitter, ms; capped at 655 ms.
    #[must_use]
    pub fn jitter_mean_ms(&self) -> f32 {
        f32::from(self.jitter_mean_10us) / JITTER_STEPS_PER_MS
    }

    /// Greatest jitter, ms; capped at 655 ms.
    #[must_use]
    pub fn jitter_max_ms(&self) -> f32 {
        f32::from(self.jitter_max_10us) / JITTER_STEPS_PER_MS
    }

    /// MOS behind buffer 0 (50 ms), 1 (200 ms) or 2 (adaptive), if there were packets enough.
    #[must_use]
    pub fn mos(&self, codec: Codec, buffer: usize) -> Option<f32> {
        let loss = Loss {
            expected: self.received + u32::from(self.lost),
            lost: u32::from(*self.unplayed.get(buffer)?),
            runs: u32::from(*self.runs.get(buffer)?),
        };
        mos::mos_of_interval(codec, &loss)
    }

    fn join(&mut self, later: &Self) {
        let all = u64::from(self.received) + u64::from(later.received);
        let weighed = u64::from(self.jitter_mean_10us) * u64::from(self.received)
            + u64::from(later.jitter_mean_10us) * u64::from(later.received);
        self.jitter_mean_10us = weighed.checked_div(all).unwrap_or(0) as u16;
        self.jitter_max_10us = self.jitter_max_10us.max(later.jitter_max_10us);
        self.received = self.received.saturating_add(later.received);
        self.lost = self.lost.saturating_add(later.lost);
        for buffer in 0..3 {
            self.unplayed[buffer] = self.unplayed[buffer].saturating_add(later.unplayed[buffer]);
            self.runs[buffer] = self.runs[buffer].saturating_add(later.runs[buffer]);
        }
    }
}

/// The records of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    list: [Interval; INTERVALS_MAX],
    len: u8,
    length_ms: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { list: [Interval::default(); INTERVALS_MAX], len: 0, length_ms: FIRST_LENGTH_MS }
    }
}

impl Intervals {
    /// Present length of an interval, ms.
    #[must_use]
    pub fn length_ms(&self) -> u32 {
        self.length_ms
    }

    /// The records, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Interval] {
        self.list.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Adds a finished interval.
    pub fn push(&mut self, interval: Interval) {
        while usize::from(self.len) == INTERVALS_MAX {
            self.coarsen();
        }
        if let Some(place) = self.list.get_mut(usize::from(self.len)) {
            *place = interval;
            self.len += 1;
        }
    }

    /// Drops those that begin before `start_ms`.
    pub fn forget_before(&mut self, start_ms: u32) {
        let gone = self.as_slice().partition_point(|interval| interval.start_ms < start_ms);
        self.list.copy_within(gone.., 0);
        self.len -= gone as u8;
    }

    fn coarsen(&mut self) {
        self.length_ms = self.length_ms.saturating_mul(2);
        let mut kept = 0;
        for at in 1..usize::from(self.len) {
            let next = self.list[at];
            if self.list[kept].start_ms / self.length_ms == next.start_ms / self.length_ms {
                self.list[kept].join(&next);
            } else {
                kept += 1;
                self.list[kept] = next;
            }
        }
        self.len = kept as u8 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_hours_fit() {
        let mut intervals = Intervals::default();
        let mut second = 0;
        while second < 36_000 {
            let seconds = intervals.length_ms() / 1000;
            let mut one = Interval {
                start_ms: second * 1000,
                received: 49 * seconds,
                lost: seconds as u16,
                ..Interval::default()
            };
            one.set_jitter(2.0, 5.0);
            intervals.push(one);
            second += seconds;
        }
        let list = intervals.as_slice();
        assert!(list.len() >= INTERVALS_MAX / 2);
        let received: u32 = list.iter().map(|interval| interval.received).sum();
        let lost: u32 = list.iter().map(|interval| u32::from(interval.lost)).sum();
        assert_eq!((received, lost), (49 * second, second));
        assert!(list.iter().all(|interval| (interval.jitter_mean_ms() - 2.0).abs() < 0.02));
        assert!(list.is_sorted_by_key(|interval| interval.start_ms));
    }

    #[test]
    fn many_cuts_in_one_second_still_fit() {
        let mut intervals = Intervals::default();
        for at in 0..1000 {
            let one = Interval { start_ms: at * 7, received: 1, cut: true, ..Interval::default() };
            intervals.push(one);
        }
        let received: u32 = intervals.as_slice().iter().map(|interval| interval.received).sum();
        assert_eq!(received, 1000);
        intervals.forget_before(4000);
        assert!(intervals.as_slice().iter().all(|interval| interval.start_ms >= 4000));
    }

    #[test]
    fn mos_of_a_second() {
        let one = Interval {
            received: 47,
            lost: 3,
            unplayed: [3, 0, 0],
            runs: [3, 0, 0],
            ..Interval::default()
        };
        let bad = one.mos(Codec::Pcma, 0).unwrap();
        let good = one.mos(Codec::Pcma, 1).unwrap();
        assert!(bad < 3.9 && (good - 4.409).abs() < 0.001, "{bad} {good}");
        let of = |received| Interval { received, ..Interval::default() }.mos(Codec::Pcma, 0);
        assert_eq!((of(24), of(25).is_some()), (None, true), "too few packets have no value");
    }
}
