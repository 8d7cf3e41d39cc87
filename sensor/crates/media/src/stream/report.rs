//! What is known of a stream, or of a part of it, in a form that goes into records and adds up.

use crate::codec::Codec;
use crate::delay;
use crate::dtmf::DtmfEvent;
use crate::interval::Interval;
use crate::jitter::JitterSum;
use crate::loss::LENGTHS;
use crate::rtcp::RtcpReport;
use crate::score::buffer;
use crate::score::mos::{self, Loss};

/// The quality of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamReport {
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload type that most packets had; events and noise do not count.
    pub payload_type: u8,
    /// Its codec.
    pub codec: Codec,
    /// Its RTP clock in Hz; 0 when unknown.
    pub clock_rate: u32,
    /// The clock was inferred from the packets, for want of SDP.
    pub clock_inferred: bool,
    /// First packet, UNIX ns.
    pub first_ts_ns: u64,
    /// Last packet, UNIX ns.
    pub last_ts_ns: u64,
    /// First packet on the ordering clock, ns.
    pub first_clock_ns: u64,
    /// Last packet on the ordering clock, ns.
    pub last_clock_ns: u64,
    /// Distinct packets. `received + lost` is what was sent between the first and the last.
    pub received: u64,
    /// Missing between the first and the last packet; a late packet is not missing.
    pub lost: u64,
    /// Distinct packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets whose numbers fit nowhere; not in `received`.
    pub stray: u64,
    /// Sums behind `jitter_ms_avg` and `jitter_ms_max`.
    pub jitter: JitterSum,
    /// Mean of the running jitter estimate, ms.
    pub jitter_ms_avg: Option<f32>,
    /// Greatest running jitter estimate, ms.
    pub jitter_ms_max: Option<f32>,
    /// Runs of 1 to 9 lost packets, then of 10 and more.
    pub sl: [u32; LENGTHS],
    /// Packets 50–70, 70–90, 90–120, 120–150, 150–200, 200–300 and more ms later than usual.
    pub d: [u32; delay::EDGES_MS.len()],
    /// Effective loss behind the 50 ms, the 200 ms and the adaptive buffer.
    pub loss: [Loss; 3],
    /// The same in the worst ten seconds.
    pub worst: [Loss; 3],
    /// One-way delay of the path, ms, where a round trip is known; see
    /// [`StreamReport::rate_with_path`].
    pub path_ms: Option<f32>,
    /// Depth of the adaptive buffer at the end, ms.
    pub adapt_depth_ms: f32,
    /// R factor with a fixed buffer of 50 ms, on the codec's own scale.
    pub r_f1: Option<f32>,
    /// MOS with a fixed buffer of 50 ms.
    pub mos_f1: Option<f32>,
    /// MOS with a fixed buffer of 200 ms.
    pub mos_f2: Option<f32>,
    /// MOS with an adaptive buffer of at most 500 ms.
    pub mos_adapt: Option<f32>,
    /// `mos_f1` in the worst ten seconds.
    pub mos_f1_min: Option<f32>,
    /// `mos_f2` in the worst ten seconds.
    pub mos_f2_min: Option<f32>,
    /// `mos_adapt` in the worst ten seconds.
    pub mos_adapt_min: Option<f32>,
    /// The least of the three minima.
    pub mos_min: Option<f32>,
    /// Least TTL or hop limit.
    pub ttl_min: u8,
    /// Greatest TTL or hop limit.
    pub ttl_max: u8,
    /// Mean TTL or hop limit.
    pub ttl_avg: f32,
    /// DSCP of the last packet.
    pub dscp: u8,
    /// Packetisation: ms of media in a packet; 0 when unknown.
    pub ptime_ms: u8,
    /// Length of an interval, ms.
    pub interval_ms: u32,
    /// The course over time, oldest first.
    pub intervals: Vec<Interval>,
    /// Digits sent as RTP events.
    pub dtmf: Vec<DtmfEvent>,
    /// Digits beyond the limit.
    pub dtmf_dropped: u32,
    /// Pauses of more than 200 ms.
    pub gaps: u32,
    /// How often the payload type changed to another that carries media.
    pub codec_changes: u32,
    /// What RTCP said of it.
    pub rtcp: RtcpReport,
    /// Begin and end are sure. False: the stream was divided where nothing showed the place.
    pub exact: bool,
}

impl StreamReport {
    /// Adds what came later: the same stream after a division, or its continuation under another
    /// source. What was lost between the two is not known.
    pub fn merge(&mut self, later: &Self) {
        if self.received == 0 {
            *self = later.clone();
            return;
        }
        if later.received == 0 {
            return;
        }
        let shift_ms = later.first_clock_ns.saturating_sub(self.first_clock_ns) / 1_000_000;
        self.intervals.extend(later.intervals.iter().map(|interval| Interval {
            start_ms: interval.start_ms.saturating_add(shift_ms as u32),
            ..*interval
        }));
        let all = self.received + later.received;
        self.ttl_avg = (self.ttl_avg * self.received as f32
            + later.ttl_avg * later.received as f32)
            / all as f32;
        if later.received > self.received {
            self.payload_type = later.payload_type;
            self.codec = later.codec;
            self.clock_rate = later.clock_rate;
            self.clock_inferred = later.clock_inferred;
            self.ptime_ms = later.ptime_ms;
        }
        self.received = all;
        self.lost += later.lost;
        self.reordered += later.reordered;
        self.duplicate += later.duplicate;
        self.stray += later.stray;
        self.last_ts_ns = self.last_ts_ns.max(later.last_ts_ns);
        self.last_clock_ns = self.last_clock_ns.max(later.last_clock_ns);
        self.jitter.merge(&later.jitter);
        for (mine, more) in self.sl.iter_mut().zip(later.sl) {
            *mine += more;
        }
        for (mine, more) in self.d.iter_mut().zip(later.d) {
            *mine += more;
        }
        for buffer in 0..3 {
            self.loss[buffer].merge(&later.loss[buffer]);
            self.worst[buffer] =
                super::section::worse(Some(self.codec), self.worst[buffer], later.worst[buffer]);
        }
        self.ttl_min = self.ttl_min.min(later.ttl_min);
        self.ttl_max = self.ttl_max.max(later.ttl_max);
        self.dscp = later.dscp;
        self.dtmf.extend_from_slice(&later.dtmf);
        self.dtmf_dropped += later.dtmf_dropped;
        self.interval_ms = self.interval_ms.max(later.interval_ms);
        self.gaps += later.gaps;
        self.codec_changes += later.codec_changes;
        self.adapt_depth_ms = self.adapt_depth_ms.max(later.adapt_depth_ms);
        self.rtcp.merge(&later.rtcp);
        self.exact &= later.exact;
        self.rate();
    }

    /// Rates the stream with the delay that its packets have on the way, ms.
    pub fn rate_with_path(&mut self, path_ms: f32) {
        self.path_ms = Some(path_ms);
        self.rate();
    }

    /// From mouth to ear behind a buffer, ms: one packet's time to fill it, the way, the buffer.
    fn delay_ms(&self, buffer: usize) -> Option<f32> {
        let depth_ms = match buffer {
            0 => buffer::DEPTHS_MS[0],
            1 => buffer::DEPTHS_MS[1],
            _ => self.adapt_depth_ms,
        };
        self.path_ms.map(|path_ms| path_ms + depth_ms + f32::from(self.ptime_ms))
    }

    /// Computes what follows from the sums.
    pub(crate) fn rate(&mut self) {
        self.jitter_ms_avg = self.jitter.mean_ms();
        self.jitter_ms_max = self.jitter.max_ms();
        let of = |loss: &Loss, b: usize| mos::mos(self.codec, loss, self.delay_ms(b));
        let whole = [0, 1, 2].map(|b: usize| of(&self.loss[b], b));
        let least = [0, 1, 2].map(|b: usize| least(whole[b], of(&self.worst[b], b)));
        self.r_f1 = mos::r_factor(self.codec, &self.loss[0], self.delay_ms(0));
        [self.mos_f1, self.mos_f2, self.mos_adapt] = whole;
        [self.mos_f1_min, self.mos_f2_min, self.mos_adapt_min] = least;
        self.mos_min = least.into_iter().flatten().reduce(f32::min);
    }

    /// Length from first to last packet, ns.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.last_clock_ns.saturating_sub(self.first_clock_ns)
    }
}

fn least(whole: Option<f32>, worst: Option<f32>) -> Option<f32> {
    whole.map(|whole| worst.map_or(whole, |worst| worst.min(whole)))
}
