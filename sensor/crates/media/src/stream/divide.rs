//! Reports of a stream, and its division between two calls that used the same ports.

use super::report::StreamReport;
use super::section::Section;
use super::{GAP_NS, NS_PER_MS, Packet, Stream};
use crate::sequence::Sequence;

/// A natural cut this near to the wanted moment is the place that was meant, ns.
const NEAR_NS: u64 = 2_000_000_000;

impl Stream {
    /// All that is known so far.
    #[must_use]
    pub fn report(&self) -> StreamReport {
        if self.held.is_some() {
            let mut copy = self.clone();
            if copy.settle() {
                return copy.report();
            }
        }
        let sections = self.sections();
        let mut report = self.report_of(&sections);
        report.stray += u64::from(self.held.is_some());
        report
    }

    /// Gives away what came before `at_clock_ns`; the rest goes on.
    ///
    /// The division is made at the natural cut nearest to that moment, within two seconds, before
    /// or after it: media of a new call may come before the signalling that claims it. The very
    /// first packet is such a place too, and then nothing leaves; so is the end, when the stream
    /// has been silent for 200 ms. Otherwise all so far leaves and the answer is `false`: some
    /// packets may have been given to the wrong side. What is missing at the place of division
    /// belongs to nobody.
    pub fn split(&mut self, at_clock_ns: u64) -> (StreamReport, bool) {
        let mut sections = self.sections();
        let (place, exact) = place(&sections, at_clock_ns);
        let kept = sections.split_off(place);
        let mut report = self.report_of(&sections);
        report.exact = exact;
        match kept.first() {
            Some(_) if sections.is_empty() => return (report, exact),
            Some(first) => self.keep(&kept, first.first_clock_ns, first.first_ts_ns),
            None => self.vacate_at(at_clock_ns, &mut report),
        }
        (report, exact)
    }

    /// All sections, oldest first, their open runs closed.
    fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> =
            self.past.iter().flat_map(|past| past.iter()).cloned().collect();
        if !self.vacant {
            let mut copy = self.clone_scores();
            copy.close_open_parts();
            sections.push(copy.section);
        }
        sections
    }

    /// A copy without the parts that a report takes elsewhere.
    fn clone_scores(&self) -> Self {
        Self { past: None, dtmf: Default::default(), ..self.clone() }
    }

    fn close_open_parts(&mut self) {
        self.close_interval();
        self.close_window(super::WINDOW_PACKETS_MIN);
        self.runs.close(&mut self.section.runs);
    }

    fn report_of(&self, sections: &[Section]) -> StreamReport {
        let Some((first, later)) = sections.split_first() else {
            return StreamReport { ssrc: self.ssrc, exact: true, ..StreamReport::default() };
        };
        let mut all = first.clone();
        for section in later {
            all.add(section);
        }
        let info = self.meaning(all.payload_type, all.first_byte);
        let inferred = info.clock_rate == 0 && self.clock_inferred;
        let clock_rate = if inferred { self.clock_rate } else { info.clock_rate };
        let expected = i64::from(all.expected());
        let mut report = StreamReport {
            ssrc: self.ssrc,
            payload_type: all.payload_type,
            codec: info.codec,
            clock_rate,
            clock_inferred: inferred,
            first_ts_ns: all.first_ts_ns,
            last_ts_ns: all.last_ts_ns,
            first_clock_ns: all.first_clock_ns,
            last_clock_ns: all.last_clock_ns,
            received: u64::from(all.unique),
            lost: (expected - i64::from(all.unique)).max(0) as u64,
            reordered: u64::from(all.reordered),
            duplicate: u64::from(all.duplicate),
            stray: u64::from(all.stray),
            jitter: all.jitter,
            sl: all.runs.by_length,
            d: all.delays,
            loss: [0, 1, 2].map(|buffer| all.loss(buffer)),
            worst: all.worst,
            ttl_min: all.ttl_min,
            ttl_max: all.ttl_max,
            ttl_avg: all.ttl_sum as f32 / all.unique.max(1) as f32,
            dscp: all.dscp,
            ptime_ms: self.ptime_ms(clock_rate),
            gaps: all.gaps,
            codec_changes: u32::from(self.codec_changes),
            adapt_depth_ms: self.buffers.adapt_depth_ms(),
            rtcp: self.rtcp,
            exact: true,
            dtmf_dropped: self.dtmf.dropped(),
            ..StreamReport::default()
        };
        self.add_lists(&mut report);
        report.rate();
        report
    }

    /// Intervals and digits that lie within the report's time.
    fn add_lists(&self, report: &mut StreamReport) {
        let offset_ms =
            |clock_ns: u64| (clock_ns.saturating_sub(self.origin_clock_ns) / NS_PER_MS) as u32;
        let (first_ms, last_ms) =
            (offset_ms(report.first_clock_ns), offset_ms(report.last_clock_ns));
        let mut intervals = self.intervals;
        if let Some(present) = self.present_interval().filter(|_| !self.vacant) {
            intervals.push(present);
        }
        report.interval_ms = intervals.length_ms();
        let inside = intervals.as_slice().iter().filter(|interval| interval.start_ms <= last_ms);
        report.intervals = inside
            .map(|interval| {
                let mut interval = *interval;
                interval.start_ms = interval.start_ms.saturating_sub(first_ms);
                interval
            })
            .collect();
        let events = self.dtmf.events().iter();
        report.dtmf = events.filter(|event| event.ts_ns <= report.last_ts_ns).copied().collect();
    }

    fn ptime_ms(&self, clock_rate: u32) -> u8 {
        let step = if self.step == 0 { self.step_seen } else { self.step };
        let ms = (u64::from(step) * 1000).checked_div(u64::from(clock_rate)).unwrap_or(0);
        u8::try_from(ms).unwrap_or(0)
    }

    /// Forgets what lies before the first of the sections that stay.
    fn keep(&mut self, kept: &[Section], first_clock_ns: u64, first_ts_ns: u64) {
        let start_ns = first_clock_ns.saturating_sub(self.origin_clock_ns);
        self.intervals.forget_before((start_ns / NS_PER_MS) as u32);
        self.dtmf.forget_before(first_ts_ns);
        self.rtcp = Default::default();
        self.codec_changes = 0;
        if let Some(past) = self.past.as_deref_mut() {
            past.clear();
            let finished = kept.len().saturating_sub(1);
            for (at, section) in kept.iter().take(finished).enumerate() {
                let mut section = section.clone();
                if at == 0 {
                    part(&mut section);
                }
                past.push(section);
            }
        }
        if kept.len() == 1 {
            part(&mut self.section);
        }
    }

    /// Everything has left. A packet that was held back since then, or after a pause not long
    /// before, is the first of what follows.
    fn vacate_at(&mut self, at_clock_ns: u64, report: &mut StreamReport) {
        let held = self.held.take();
        let last_clock_ns = self.section.last_clock_ns;
        self.vacate();
        let follows = |held: &Packet| {
            let paused = held.clock_ns.saturating_sub(last_clock_ns) > GAP_NS;
            held.clock_ns + if paused { NEAR_NS } else { 0 } >= at_clock_ns
        };
        match held {
            Some(held) if follows(&held) => {
                self.sequence = Sequence::new(held.seq);
                self.begin(&held);
            }
            Some(_) => report.stray += 1,
            None => {}
        }
    }

    /// Everything has left; the next packet begins anew.
    fn vacate(&mut self) {
        self.intervals.forget_before(u32::MAX);
        self.dtmf = Default::default();
        self.rtcp = Default::default();
        self.codec_changes = 0;
        if let Some(past) = self.past.as_deref_mut() {
            past.clear();
        }
        let last_clock_ns = self.section.last_clock_ns;
        self.section = Section { last_clock_ns, ..Section::default() };
        self.runs = Default::default();
        self.vacant = true;
        self.usual_type = None;
    }
}

/// Frees a section from the one before it.
fn part(section: &mut Section) {
    section.base_on_own();
    section.gaps = 0;
}

/// How many sections leave, and whether that is sure.
fn place(sections: &[Section], at_ns: u64) -> (usize, bool) {
    let Some(last) = sections.last() else { return (0, true) };
    let begin = sections.first().map_or(0, |first| at_ns.saturating_sub(first.first_clock_ns));
    let mut best = (begin, 0);
    for (at, pair) in sections.windows(2).enumerate() {
        let [left, right] = pair else { continue };
        let before = left.last_clock_ns.saturating_sub(at_ns);
        let after = at_ns.saturating_sub(right.first_clock_ns);
        best = best.min((before.max(after), at + 1));
    }
    if at_ns > last.last_clock_ns {
        let missing = (last.last_clock_ns + GAP_NS).saturating_sub(at_ns);
        best = best.min((missing, sections.len()));
    }
    if best.0 <= NEAR_NS { (best.1, true) } else { (sections.len(), false) }
}
