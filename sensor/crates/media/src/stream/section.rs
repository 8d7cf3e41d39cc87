//! What is counted between two natural cuts of a stream, and what is kept of earlier sections.
//!
//! Sections add up: the whole stream is the sum of its sections and of the packets missing
//! between them. So a stream can be divided at a cut without doubt.

use crate::codec::Codec;
use crate::delay;
use crate::jitter::JitterSum;
use crate::loss::RunCounts;
use crate::score::Loss;
use crate::score::mos::{self, Impairment};

/// Sections before the present one that are kept apart; older ones are added together.
pub(crate) const RECENT_MAX: usize = 3;

/// Counts of one section; what every packet touches comes first.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(crate) struct Section {
    pub(crate) last_clock_ns: u64,
    pub(crate) last_ts_ns: u64,
    pub(crate) ttl_sum: u64,
    pub(crate) jitter: JitterSum,
    /// Distinct packets.
    pub(crate) unique: u32,
    /// Distinct packets in time for each buffer.
    pub(crate) played: [u32; 3],
    /// Last extended sequence number.
    pub(crate) top: u32,
    pub(crate) ttl_min: u8,
    pub(crate) ttl_max: u8,
    pub(crate) dscp: u8,
    pub(crate) payload_type: u8,
    /// First byte of its first payload.
    pub(crate) first_byte: u8,
    /// First extended sequence number.
    pub(crate) base: u32,
    /// Expected packets of sections that were added to this one.
    pub(crate) added: u32,
    /// Numbers missing between the section before and this one: how many, and how many still.
    pub(crate) lead_span: u32,
    pub(crate) lead: u32,
    /// Which of the last 64 of them are missing still; the nearest is the lowest bit.
    pub(crate) lead_bits: u64,
    pub(crate) first_clock_ns: u64,
    pub(crate) first_ts_ns: u64,
    pub(crate) reordered: u32,
    pub(crate) duplicate: u32,
    pub(crate) stray: u32,
    pub(crate) gaps: u32,
    pub(crate) runs: RunCounts,
    pub(crate) delays: [u32; delay::EDGES_MS.len()],
    /// The worst ten seconds behind each buffer.
    pub(crate) worst: [Loss; 3],
    /// Numbers go on from the section before, so that its late packets may come here.
    pub(crate) continues: bool,
}

impl Section {
    /// Packets that should have come, by their numbers.
    pub(crate) fn expected(&self) -> u32 {
        if self.unique == 0 {
            return self.added;
        }
        let own = self.top.wrapping_sub(self.base).wrapping_add(1);
        own.saturating_add(self.lead_span - self.lead).saturating_add(self.added)
    }

    /// Begins with so many numbers missing before it.
    pub(crate) fn lead_in(&mut self, missing: u32) {
        (self.lead_span, self.lead) = (missing, missing);
        self.lead_bits = u64::MAX.checked_shr(64 - missing.min(64)).unwrap_or(0);
    }

    /// One of them came after all, `behind` the first number; false when it is none of them.
    pub(crate) fn fill_lead(&mut self, behind: u32) -> bool {
        let inside = behind <= self.lead_span && self.lead > 0;
        if inside {
            self.lead -= 1;
            self.lead_bits &= !(1u64.checked_shl(behind.wrapping_sub(1)).unwrap_or(0));
        }
        inside
    }

    /// Adds the runs that are missing before it.
    fn add_lead_runs(&self, counts: &mut RunCounts) {
        // Those out of the bits' reach are taken for one run, which goes on into the bits.
        let mut run = self.lead.saturating_sub(self.lead_bits.count_ones());
        for bit in (0..self.lead_span.min(64)).rev() {
            if self.lead_bits >> bit & 1 == 1 {
                run += 1;
            } else {
                counts.push_all(run);
                run = 0;
            }
        }
        counts.push_all(run);
    }

    /// Drops what is missing before it.
    pub(crate) fn base_on_own(&mut self) {
        self.added = self.added.saturating_add(self.lead_span - self.lead);
        self.lead_in(0);
    }

    /// Effective loss behind a buffer.
    pub(crate) fn loss(&self, buffer: usize) -> Loss {
        let expected = self.expected();
        Loss {
            expected,
            lost: expected.saturating_sub(self.played[buffer]),
            runs: self.runs.buffers[buffer],
        }
    }

    /// Packets of all kinds.
    pub(crate) fn packets(&self) -> u64 {
        u64::from(self.unique) + u64::from(self.duplicate) + u64::from(self.stray)
    }

    /// Adds the section that follows, and what is missing between the two.
    pub(crate) fn add(&mut self, next: &Self) {
        if self.packets() == 0 {
            let added = self.added;
            *self = next.clone();
            self.added = self.added.saturating_add(added);
            return;
        }
        self.added = self.added.saturating_add(next.expected()).saturating_add(next.lead);
        self.runs.merge(&next.runs);
        next.add_lead_runs(&mut self.runs);
        if next.unique > self.unique {
            self.payload_type = next.payload_type;
            self.first_byte = next.first_byte;
        }
        // A packet that was held back may begin a section later than it came.
        self.first_clock_ns = self.first_clock_ns.min(next.first_clock_ns);
        self.first_ts_ns = self.first_ts_ns.min(next.first_ts_ns);
        self.last_clock_ns = self.last_clock_ns.max(next.last_clock_ns);
        self.last_ts_ns = self.last_ts_ns.max(next.last_ts_ns);
        self.unique += next.unique;
        self.reordered += next.reordered;
        self.duplicate += next.duplicate;
        self.stray += next.stray;
        self.gaps += next.gaps;
        self.jitter.merge(&next.jitter);
        for (mine, more) in self.delays.iter_mut().zip(next.delays) {
            *mine += more;
        }
        for buffer in 0..3 {
            self.played[buffer] += next.played[buffer];
            self.worst[buffer] = worse(None, self.worst[buffer], next.worst[buffer]);
        }
        self.ttl_sum += next.ttl_sum;
        self.ttl_min = self.ttl_min.min(next.ttl_min);
        self.ttl_max = self.ttl_max.max(next.ttl_max);
        self.dscp = next.dscp;
    }
}

/// The one that hurts more, by a codec's figures or by G.711's.
pub(crate) fn worse(codec: Option<Codec>, a: Loss, b: Loss) -> Loss {
    let figures: Option<Impairment> =
        codec.and_then(mos::impairment).or_else(|| mos::impairment(Codec::Pcmu));
    let hurt = |loss: &Loss| figures.map_or(0.0, |figures| figures.effective(loss));
    if a.expected == 0 || (b.expected > 0 && hurt(&b) > hurt(&a)) { b } else { a }
}

/// A moment's totals; the difference of two is what lies between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) expected: u32,
    pub(crate) unique: u32,
    pub(crate) played: [u32; 3],
    pub(crate) runs: [u32; 3],
    pub(crate) jitter: f64,
    pub(crate) jitter_count: u32,
}

impl Mark {
    /// Totals of a section whose open runs were closed in a copy.
    pub(crate) fn of(section: &Section, closed: &RunCounts) -> Self {
        Self {
            expected: section.expected(),
            unique: section.unique,
            played: section.played,
            runs: closed.buffers,
            jitter: section.jitter.estimates_ns,
            jitter_count: section.jitter.count,
        }
    }

    /// Packets that became expected since `earlier`.
    pub(crate) fn expected_since(&self, earlier: &Self) -> u32 {
        self.expected.saturating_sub(earlier.expected)
    }

    /// Effective loss behind a buffer since `earlier`.
    pub(crate) fn loss_since(&self, earlier: &Self, buffer: usize) -> Loss {
        let expected = self.expected_since(earlier);
        let played = self.played[buffer] - earlier.played[buffer];
        Loss {
            expected,
            lost: expected.saturating_sub(played),
            // A late packet can join two runs that were counted before.
            runs: self.runs[buffer].saturating_sub(earlier.runs[buffer]),
        }
    }
}

/// The sections before the present one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    before: Section,
    recent: [Section; RECENT_MAX],
    len: usize,
}

impl Past {
    /// Keeps a finished section.
    pub(crate) fn push(&mut self, section: Section) {
        if self.len == RECENT_MAX {
            self.before.add(&self.recent[0]);
            self.recent.rotate_left(1);
            self.len -= 1;
        }
        self.recent[self.len] = section;
        self.len += 1;
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Section> {
        let older = core::iter::once(&self.before).filter(|section| section.packets() > 0);
        older.chain(self.recent.iter().take(self.len))
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.before = Section::default();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_reaches_from_the_first_packet_to_the_last_in_whatever_order_sections_began() {
        let section = |first_ns, last_ns| Section {
            unique: 1,
            first_clock_ns: first_ns,
            first_ts_ns: first_ns + 1000,
            last_clock_ns: last_ns,
            last_ts_ns: last_ns + 1000,
            ..Section::default()
        };
        let mut sum = section(120, 120);
        sum.add(&section(100, 110));
        assert_eq!((sum.first_clock_ns, sum.last_clock_ns), (100, 120));
        assert_eq!((sum.first_ts_ns, sum.last_ts_ns), (1100, 1120));
    }
}
