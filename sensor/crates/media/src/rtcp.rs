//! What RTCP says about a stream: loss and jitter at the far end, and the time to it and back.
//!
//! The way back is measured from the observer's own place: from the moment a sender report passes
//! to the moment its answer passes, less the time that the far end held it. With the same from
//! the other direction it makes the whole round trip.

use ringtap_wire::rtcp::xr::VoipMetrics;
use ringtap_wire::rtcp::{ReportBlock, SenderInfo};

/// Round trips longer than this are taken for a misread report, ns.
const ROUND_TRIP_MAX_NS: u64 = 10_000_000_000;

/// What a receiver said of the voice, RFC 3611 §4.7.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct XrReport {
    /// Blocks seen.
    pub blocks: u32,
    /// Blocks with a MOS for listening, the sum of these times 10, and the least times 10.
    pub mos_lq: (u32, u32, u8),
    /// The same for conversation.
    pub mos_cq: (u32, u32, u8),
    /// R factor of the last block that had one.
    pub r_factor: Option<u8>,
    /// Packets lost on the way, in 1/256, by the last block.
    pub loss_rate: u8,
    /// Packets that the jitter buffer discarded, in 1/256, by the last block.
    pub discard_rate: u8,
    /// Round trip between the RTP interfaces, ms, by the last block that knew it.
    pub round_trip_ms: u16,
    /// Delay inside the endpoint, ms, by the last block that knew it.
    pub end_system_ms: u16,
}

impl XrReport {
    fn push(&mut self, metrics: &VoipMetrics) {
        let note = |sums: &mut (u32, u32, u8), mos_x10: Option<u8>| {
            if let Some(mos_x10) = mos_x10.filter(|mos| (10..=50).contains(mos)) {
                let least = if sums.0 == 0 { mos_x10 } else { sums.2.min(mos_x10) };
                *sums = (sums.0 + 1, sums.1 + u32::from(mos_x10), least);
            }
        };
        self.blocks = self.blocks.saturating_add(1);
        note(&mut self.mos_lq, metrics.mos_lq_x10);
        note(&mut self.mos_cq, metrics.mos_cq_x10);
        self.r_factor = metrics.r_factor.or(self.r_factor);
        (self.loss_rate, self.discard_rate) = (metrics.loss_rate, metrics.discard_rate);
        let known = |value: u16, before| if value == 0 { before } else { value };
        self.round_trip_ms = known(metrics.round_trip_delay_ms, self.round_trip_ms);
        self.end_system_ms = known(metrics.end_system_delay_ms, self.end_system_ms);
    }

    /// Mean and least MOS, for listening or, where no block has that, for conversation.
    #[must_use]
    pub fn mos(&self) -> Option<(f32, f32)> {
        let (count, sum, least) = if self.mos_lq.0 > 0 { self.mos_lq } else { self.mos_cq };
        (count > 0).then(|| (sum as f32 / count as f32 / 10.0, f32::from(least) / 10.0))
    }

    fn merge(&mut self, later: &Self) {
        let join = |mine: &mut (u32, u32, u8), more: (u32, u32, u8)| {
            let least = match (mine.0, more.0) {
                (0, _) => more.2,
                (_, 0) => mine.2,
                _ => mine.2.min(more.2),
            };
            *mine = (mine.0 + more.0, mine.1 + more.1, least);
        };
        if later.blocks == 0 {
            return;
        }
        join(&mut self.mos_lq, later.mos_lq);
        join(&mut self.mos_cq, later.mos_cq);
        let before = *self;
        *self = Self {
            blocks: before.blocks + later.blocks,
            mos_lq: before.mos_lq,
            mos_cq: before.mos_cq,
            r_factor: later.r_factor.or(before.r_factor),
            ..*later
        };
        let known = |value: u16, before| if value == 0 { before } else { value };
        self.round_trip_ms = known(later.round_trip_ms, before.round_trip_ms);
        self.end_system_ms = known(later.end_system_ms, before.end_system_ms);
    }
}

/// RTCP statistics of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RtcpReport {
    /// Sender reports seen.
    pub sender_reports: u32,
    /// Packets sent, by the last sender report.
    pub packets_sent: u32,
    /// Report blocks about the stream seen.
    pub blocks: u32,
    /// Blocks that said there was loss since the one before.
    pub lossy_blocks: u32,
    /// Good-byes of its source.
    pub byes: u16,
    /// VoIP metrics.
    pub xr: XrReport,
    /// Packets lost, by the last block; duplicates can make it negative.
    pub lost: i32,
    /// Greatest fraction lost, in 1/256.
    pub fraction_max: u8,
    /// Sum of fractions lost, in 1/256.
    pub fraction_sum: u32,
    /// Greatest jitter, in units of the stream's clock.
    pub jitter_max: u32,
    /// Sum of jitter, in units of the stream's clock.
    pub jitter_sum: u64,
    /// Round trips from the observer to the receiver and back that were measured.
    pub round_trips: u32,
    /// Their sum, µs.
    pub round_trip_sum_us: u64,
    /// The longest, µs.
    pub round_trip_max_us: u32,
    /// NTP time of the last sender report, and when it passed.
    last_sr: u32,
    last_sr_clock_ns: u64,
}

impl RtcpReport {
    /// A sender report of the stream's source passed.
    pub fn push_sender(&mut self, info: &SenderInfo, clock_ns: u64) {
        self.sender_reports += 1;
        self.packets_sent = info.packets;
        self.last_sr = info.ntp_middle();
        self.last_sr_clock_ns = clock_ns;
    }

    /// A report block about the stream passed.
    pub fn push_block(&mut self, block: &ReportBlock, clock_ns: u64) {
        self.blocks += 1;
        self.lossy_blocks += u32::from(block.fraction_lost > 0);
        self.lost = block.cumulative_lost;
        self.fraction_max = self.fraction_max.max(block.fraction_lost);
        self.fraction_sum = self.fraction_sum.saturating_add(u32::from(block.fraction_lost));
        self.jitter_max = self.jitter_max.max(block.jitter);
        self.jitter_sum = self.jitter_sum.saturating_add(u64::from(block.jitter));
        if block.last_sr == 0 || block.last_sr != self.last_sr {
            return;
        }
        let held_ns = (u64::from(block.delay_since_sr) * 1_000_000_000) >> 16;
        let passed = clock_ns.checked_sub(self.last_sr_clock_ns);
        let Some(way_ns) = passed.and_then(|passed| passed.checked_sub(held_ns)) else { return };
        if way_ns <= ROUND_TRIP_MAX_NS {
            let way_us = (way_ns / 1000) as u32;
            self.round_trips += 1;
            self.round_trip_sum_us += u64::from(way_us);
            self.round_trip_max_us = self.round_trip_max_us.max(way_us);
        }
    }

    /// VoIP metrics about the stream passed.
    pub fn push_voip(&mut self, metrics: &VoipMetrics) {
        self.xr.push(metrics);
    }

    /// Mean fraction lost, 0 to 1.
    #[must_use]
    pub fn fraction_mean(&self) -> Option<f32> {
        (self.blocks > 0).then(|| self.fraction_sum as f32 / self.blocks as f32 / 256.0)
    }

    /// Mean jitter in ms at a clock of `rate` Hz.
    #[must_use]
    pub fn jitter_mean_ms(&self, rate: u32) -> Option<f32> {
        let known = self.blocks > 0 && rate > 0;
        known.then(|| self.jitter_sum as f32 / self.blocks as f32 / rate as f32 * 1000.0)
    }

    /// Greatest jitter in ms at a clock of `rate` Hz.
    #[must_use]
    pub fn jitter_max_ms(&self, rate: u32) -> Option<f32> {
        let known = self.blocks > 0 && rate > 0;
        known.then(|| self.jitter_max as f32 / rate as f32 * 1000.0)
    }

    /// Mean round trip, ms.
    #[must_use]
    pub fn round_trip_mean_ms(&self) -> Option<f32> {
        let sum = self.round_trip_sum_us as f32;
        (self.round_trips > 0).then(|| sum / self.round_trips as f32 / 1000.0)
    }

    /// Adds a later part of the stream.
    pub fn merge(&mut self, later: &Self) {
        self.sender_reports += later.sender_reports;
        if later.sender_reports > 0 {
            self.packets_sent = later.packets_sent;
            (self.last_sr, self.last_sr_clock_ns) = (later.last_sr, later.last_sr_clock_ns);
        }
        if later.blocks > 0 {
            self.lost = later.lost;
        }
        self.blocks += later.blocks;
        self.lossy_blocks += later.lossy_blocks;
        self.byes = self.byes.saturating_add(later.byes);
        self.xr.merge(&later.xr);
        self.fraction_max = self.fraction_max.max(later.fraction_max);
        self.fraction_sum = self.fraction_sum.saturating_add(later.fraction_sum);
        self.jitter_max = self.jitter_max.max(later.jitter_max);
        self.jitter_sum = self.jitter_sum.saturating_add(later.jitter_sum);
        self.round_trips += later.round_trips;
        self.round_trip_sum_us += later.round_trip_sum_us;
        self.round_trip_max_us = self.round_trip_max_us.max(later.round_trip_max_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_receiver_and_back() {
        let mut report = RtcpReport::default();
        let info = SenderInfo { ntp: 0x1234_5678_9abc_def0, rtp: 0, packets: 50, octets: 8000 };
        report.push_sender(&info, 1_000_000_000);
        let mut block = ReportBlock {
            ssrc: 1,
            fraction_lost: 64,
            cumulative_lost: 3,
            highest_sequence: 0,
            jitter: 80,
            last_sr: 0x5678_9abc,
            delay_since_sr: 32768,
        };
        report.push_block(&block, 1_540_000_000);
        assert_eq!((report.round_trips, report.round_trip_max_us), (1, 40_000));
        block.last_sr = 1;
        block.fraction_lost = 0;
        report.push_block(&block, 1_600_000_000);
        assert_eq!(report.round_trips, 1);
        assert_eq!(report.fraction_mean(), Some(0.125));
        assert_eq!(report.jitter_max_ms(8000), Some(10.0));
        assert_eq!(report.round_trip_mean_ms(), Some(40.0));
        let mut both = report;
        both.merge(&report);
        assert_eq!((both.blocks, both.lost, both.fraction_mean()), (4, 3, Some(0.125)));
    }
}
