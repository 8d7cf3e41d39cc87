//! Runs of lost packets, counted in the order of sequence numbers.
//!
//! A lane is a point of view: the network, and behind it each simulated jitter buffer. Whether a
//! packet is lost shows only later, because it may still arrive; so the last 64 numbers are kept
//! open as bits, and a run is counted when it leaves them. A packet that arrives later than that
//! is no longer lost in the totals, but its run has been counted.

/// Points of view: the network, then the buffers of [`crate::score::buffer`].
pub const LANES: usize = 4;
/// Run lengths told apart; the last takes all longer ones.
pub const LENGTHS: usize = 10;
const OPEN: u32 = 64;

/// Runs counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Runs on the network by length: 1 to 9, then 10 and more.
    pub by_length: [u32; LENGTHS],
    /// Runs behind each buffer.
    pub buffers: [u32; LANES - 1],
}

impl RunCounts {
    /// Counts one run of `length` packets that all points of view lost.
    pub fn push_all(&mut self, length: u32) {
        if length > 0 {
            for lane in 0..LANES {
                self.push(lane, length);
            }
        }
    }

    /// Adds a later part of the stream.
    pub fn merge(&mut self, later: &Self) {
        for (mine, more) in self.by_length.iter_mut().zip(later.by_length) {
            *mine += more;
        }
        for (mine, more) in self.buffers.iter_mut().zip(later.buffers) {
            *mine += more;
        }
    }

    fn push(&mut self, lane: usize, length: u32) {
        match lane.checked_sub(1) {
            None => self.by_length[(length as usize).clamp(1, LENGTHS) - 1] += 1,
            Some(buffer) => self.buffers[buffer] += 1,
        }
    }
}

/// The open end of a stream: one bit for each of the last 64 numbers and lane, newest lowest.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    bits: [u64; LANES],
    /// Length of the run that has begun to leave, by lane.
    begun: [u32; LANES],
}

impl Default for Runs {
    /// What lies before the first packet counts as received: it cannot be known.
    fn default() -> Self {
        Self { bits: [u64::MAX; LANES], begun: [0; LANES] }
    }
}

impl Runs {
    /// Moves ahead by `steps` numbers; the last of them arrived, in time for the lanes in `mask`.
    #[inline]
    pub fn forward(&mut self, steps: u32, mask: u8, counts: &mut RunCounts) {
        let all = self.bits[0] & self.bits[1] & self.bits[2] & self.bits[3];
        let begun = self.begun[0] | self.begun[1] | self.begun[2] | self.begun[3];
        if steps != 1 || all >> 63 == 0 || begun != 0 {
            self.leave(steps, counts);
        }
        for (lane, bits) in self.bits.iter_mut().enumerate() {
            *bits = bits.checked_shl(steps).unwrap_or(0) | u64::from(mask >> lane & 1);
        }
    }

    /// A packet `behind` the newest arrived late, in time for the lanes in `mask`.
    pub fn fill(&mut self, behind: u32, mask: u8) {
        for (lane, bits) in self.bits.iter_mut().enumerate() {
            *bits |= u64::from(mask >> lane & 1).checked_shl(behind).unwrap_or(0);
        }
    }

    /// The first packet was not the first: `steps` numbers before `behind` are missing after all.
    pub fn reopen(&mut self, behind: u32, steps: u32) {
        let first = behind.saturating_add(1);
        for distance in first..first.saturating_add(steps).min(OPEN) {
            for bits in &mut self.bits {
                *bits &= !(1 << distance);
            }
        }
    }

    /// Counts all that is still open, as at the end of a stream.
    pub fn close(&mut self, counts: &mut RunCounts) {
        self.leave(OPEN, counts);
        for (lane, begun) in self.begun.iter().enumerate() {
            if *begun > 0 {
                counts.push(lane, *begun);
            }
        }
        *self = Self::default();
    }

    #[cold]
    fn leave(&mut self, steps: u32, counts: &mut RunCounts) {
        for lane in 0..LANES {
            let mut left = steps.min(OPEN);
            let mut bits = self.bits[lane];
            while left > 0 {
                let lost = bits.leading_zeros().min(left);
                self.begun[lane] += lost;
                bits = bits.checked_shl(lost).unwrap_or(0);
                left -= lost;
                let kept = bits.leading_ones().min(left);
                if kept > 0 {
                    if self.begun[lane] > 0 {
                        counts.push(lane, self.begun[lane]);
                        self.begun[lane] = 0;
                    }
                    bits = bits.checked_shl(kept).unwrap_or(0);
                    left -= kept;
                }
            }
            // Numbers passed over that never had a bit.
            let unseen = steps.saturating_sub(OPEN);
            self.begun[lane] = self.begun[lane].saturating_add(unseen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(pattern: &[u8]) -> RunCounts {
        let (mut runs, mut counts, mut steps) = (Runs::default(), RunCounts::default(), 0);
        for mask in pattern {
            steps += 1;
            if mask & 1 != 0 {
                runs.forward(steps, *mask, &mut counts);
                steps = 0;
            }
        }
        runs.close(&mut counts);
        counts
    }

    #[test]
    fn by_hand() {
        let mut pattern = vec![15, 15, 0, 15, 0, 0, 15, 15, 1, 1, 15];
        pattern.extend([0; 12]);
        pattern.push(15);
        let counts = counted(&pattern);
        assert_eq!(counts.by_length, [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(counts.buffers, [4, 4, 4]);
    }

    #[test]
    fn a_late_packet_splits_its_run() {
        let (mut runs, mut counts) = (Runs::default(), RunCounts::default());
        runs.forward(1, 15, &mut counts);
        runs.forward(4, 15, &mut counts);
        runs.fill(2, 0b1101);
        runs.close(&mut counts);
        assert_eq!(counts.by_length[..3], [2, 0, 0]);
        assert_eq!(counts.buffers, [1, 2, 2]);
    }

    fn oracle(pattern: &[u8], lane: usize) -> Vec<u32> {
        let text: String =
            pattern.iter().map(|m| if m >> lane & 1 == 1 { 'x' } else { '.' }).collect();
        text.split('x').filter(|run| !run.is_empty()).map(|run| run.len() as u32).collect()
    }

    proptest! {
        #[test]
        fn equals_a_count_of_the_whole(
            parts in proptest::collection::vec((prop_oneof![Just(0u8), Just(1), Just(7), Just(15)],
                                                1usize..90), 1..40)
        ) {
            let mut pattern = vec![15u8];
            for (mask, times) in parts {
                pattern.extend(std::iter::repeat_n(mask, times));
            }
            pattern.push(15);
            let counts = counted(&pattern);
            let mut by_length = [0u32; LENGTHS];
            for run in oracle(&pattern, 0) {
                by_length[(run as usize).min(LENGTHS) - 1] += 1;
            }
            prop_assert_eq!(counts.by_length, by_length);
            for lane in 1..LANES {
                prop_assert_eq!(counts.buffers[lane - 1], oracle(&pattern, lane).len() as u32);
            }
        }
    }
}
