//! The course of a stream over time: intervals, and the ten-second windows of which the worst is
//! remembered. Called once an interval, and at cuts and reports, never for the usual packet.

use super::section::{self, Mark};
use super::{NS_PER_MS, Stream, WINDOW_NS};
use crate::interval::Interval;

impl Stream {
    /// Ends the interval, and the window when it is long enough, once their time is over.
    #[inline]
    pub(super) fn open_interval(&mut self, clock_ns: u64) {
        if clock_ns >= self.interval_end_ns {
            self.turn_interval(clock_ns);
        }
    }

    #[cold]
    fn turn_interval(&mut self, clock_ns: u64) {
        self.close_interval();
        if clock_ns.saturating_sub(self.window_start_ns) >= WINDOW_NS {
            self.close_window(1);
            self.window_start_ns = clock_ns;
        }
        let length_ns = u64::from(self.intervals.length_ms()) * NS_PER_MS;
        let offset_ns = clock_ns.saturating_sub(self.origin_clock_ns);
        let start_ns = offset_ns - offset_ns % length_ns;
        self.interval_start_ms = (start_ns / NS_PER_MS) as u32;
        self.interval_end_ns = self.origin_clock_ns + start_ns + length_ns;
        self.interval_cut = false;
    }

    pub(super) fn mark(&self) -> Mark {
        let (mut runs, mut counts) = (self.runs, self.section.runs);
        runs.close(&mut counts);
        Mark::of(&self.section, &counts)
    }

    pub(super) fn close_interval(&mut self) {
        if let Some(interval) = self.present_interval() {
            self.intervals.push(interval);
        }
        self.interval_mark = self.mark();
        self.section.jitter.max_ns = self.section.jitter.max_ns.max(self.interval_jitter_max_ns);
        self.interval_jitter_max_ns = 0.0;
    }

    /// The interval that has begun, as it stands.
    pub(super) fn present_interval(&self) -> Option<Interval> {
        let (now, was) = (self.mark(), &self.interval_mark);
        let received = now.unique - was.unique;
        if received == 0 {
            return None;
        }
        let short = |value: u32| value.min(u32::from(u16::MAX)) as u16;
        let losses = [0, 1, 2].map(|buffer| now.loss_since(was, buffer));
        let mut interval = Interval {
            start_ms: self.interval_start_ms,
            received,
            lost: short(now.expected_since(was).saturating_sub(received)),
            unplayed: losses.map(|loss| short(loss.lost)),
            runs: losses.map(|loss| loss.runs.min(u32::from(u8::MAX)) as u8),
            cut: self.interval_cut,
            ..Interval::default()
        };
        let count = now.jitter_count.saturating_sub(was.jitter_count).max(1);
        let mean_ms = (now.jitter - was.jitter) / f64::from(count) / NS_PER_MS as f64;
        let max_ms = self.interval_jitter_max_ns / NS_PER_MS as f32;
        interval.set_jitter(mean_ms as f32, max_ms);
        Some(interval)
    }

    /// Lets the window become the worst one when it is, and at least `packets_min` long.
    pub(super) fn close_window(&mut self, packets_min: u32) {
        let now = self.mark();
        if now.expected_since(&self.window_mark) >= packets_min {
            let codec = Some(self.codec());
            for buffer in 0..3 {
                let loss = now.loss_since(&self.window_mark, buffer);
                let worst = &mut self.section.worst[buffer];
                *worst = section::worse(codec, *worst, loss);
            }
        }
        self.window_mark = now;
    }
}
