//! Where a sequence number stands, RFC 3550 appendix A.1: cycles, lateness, duplicates.
//!
//! Remembers the last [`WINDOW`] numbers, so that a late packet and a duplicate are told apart
//! exactly within them. Whether a distance is a jump is decided by the stream, which knows the
//! timestamps too; counts are kept by the section.

/// Numbers behind the highest that are remembered.
pub const WINDOW: u32 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// The highest number seen, and which ones before it.
#[derive(Clone, Debug)]
pub struct Sequence {
    highest: u32,
    seen: [u64; WORDS],
}

impl Sequence {
    /// Begins at `first`. Extended numbers start in the second cycle, so that a packet from
    /// before the first has a number too.
    #[must_use]
    pub fn new(first: u16) -> Self {
        let mut sequence = Self { highest: 0x1_0000 | u32::from(first), seen: [0; WORDS] };
        sequence.mark(sequence.highest);
        sequence
    }

    /// The highest extended number: cycles in the upper half.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// Steps from the highest number to `number`, the short way around.
    #[must_use]
    pub fn distance(&self, number: u16) -> i16 {
        number.wrapping_sub(self.highest as u16) as i16
    }

    /// Moves ahead by `steps`; what was passed over counts as not seen.
    pub fn forward(&mut self, steps: u32) {
        if steps >= WINDOW {
            self.seen = [0; WORDS];
        } else {
            for skipped in 1..steps {
                let (word, bit) = place(self.highest.wrapping_add(skipped));
                self.seen[word] &= !bit;
            }
        }
        self.highest = self.highest.wrapping_add(steps);
        self.mark(self.highest);
    }

    /// Takes a number `behind` the highest. False: it was seen before.
    pub fn fill(&mut self, behind: u32) -> bool {
        let number = self.highest.wrapping_sub(behind);
        let (word, bit) = place(number);
        let fresh = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        fresh
    }

    /// How many of `count` numbers from `first` on were not seen; those out of reach of the window
    /// were not.
    #[must_use]
    pub fn unseen(&self, first: u32, count: u32) -> u32 {
        let reached = self.highest.saturating_sub(WINDOW - 1);
        let end = first.saturating_add(count);
        let begin = first.max(reached).min(end);
        let seen = (begin..end.min(self.highest.saturating_add(1))).filter(|number| {
            let (word, bit) = place(*number);
            self.seen[word] & bit != 0
        });
        count.saturating_sub(seen.count() as u32)
    }

    fn mark(&mut self, number: u32) {
        let (word, bit) = place(number);
        self.seen[word] |= bit;
    }
}

fn place(number: u32) -> (usize, u64) {
    ((number / 64) as usize % WORDS, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn wraps_into_the_next_cycle() {
        let mut sequence = Sequence::new(65_534);
        assert_eq!(sequence.distance(1), 3);
        sequence.forward(3);
        assert_eq!(sequence.highest(), 0x2_0001);
        assert!(sequence.fill(1));
        assert!(!sequence.fill(1));
        assert_eq!(sequence.distance(65_535), -2);
        assert!(sequence.fill(2));
        assert!(!sequence.fill(3));
    }

    #[test]
    fn the_window_forgets_what_it_passed() {
        let mut sequence = Sequence::new(0);
        sequence.forward(5);
        assert!(!sequence.fill(5));
        sequence.forward(1023);
        assert!(sequence.fill(1022));
        assert!(!sequence.fill(1023));
        sequence.forward(5000);
        assert!(sequence.fill(1023));
    }

    #[test]
    fn what_is_missing_still_can_be_asked() {
        let mut sequence = Sequence::new(10);
        sequence.forward(6);
        let first = sequence.highest() - 5;
        assert_eq!(sequence.unseen(first, 5), 5);
        assert!(sequence.fill(2) && sequence.fill(3));
        assert_eq!((sequence.unseen(first, 5), sequence.unseen(first, 1)), (3, 1));
        sequence.forward(WINDOW + 10);
        assert_eq!(sequence.unseen(first, 5), 5, "out of reach");
        assert_eq!(sequence.unseen(u32::MAX, 3), 3);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(-1023i32..40, 1..400)) {
            let mut sequence = Sequence::new(9);
            let mut seen = HashSet::from([sequence.highest()]);
            for step in steps {
                if step > 0 {
                    sequence.forward(step as u32);
                    assert!(seen.insert(sequence.highest()));
                } else {
                    let number = sequence.highest() - step.unsigned_abs();
                    assert_eq!(sequence.fill(step.unsigned_abs()), seen.insert(number));
                }
            }
        }
    }
}
