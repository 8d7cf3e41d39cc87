//! What is recorded of one RTP stream, whether a call claimed it or not.
//!
//! Sums and scores come ready from the media crate; nothing is computed here but ratios.

use crate::quality::Quality;
use crate::record::{Side, Tunnel};
use compact_str::CompactString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One RTP stream: one source, one destination, one SSRC.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamRecord {
    /// From where.
    pub src: SocketAddr,
    /// To where.
    pub dst: SocketAddr,
    /// Who sends it, where a call knows.
    pub side: Option<Side>,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The RTP payload type.
    pub payload: u16,
    /// The codec's name (`PCMA`, `opus`), empty if not known.
    pub codec: CompactString,
    /// RTP clock rate in Hz, 0 if not known.
    pub clock_rate: u32,
    /// The clock rate was inferred from the packets, not announced.
    pub clock_inferred: bool,
    /// The first packet, UNIX microseconds.
    pub first_us: u64,
    /// The last packet, UNIX microseconds.
    pub last_us: u64,
    /// Packets that came.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// RFC 3550 jitter, mean over the packets.
    pub jitter_ms_avg: Option<f32>,
    /// RFC 3550 jitter, the largest.
    pub jitter_ms_max: Option<f32>,
    /// Loss bursts of exactly 1, 2, … 9 packets; the last counts those of 10 or more.
    pub sl: [u32; 10],
    /// Packets 50–70, 70–90, 90–120, 120–150, 150–200, 200–300 and 300 or more ms off.
    pub d: [u32; 7],
    /// The scores.
    pub mos: Mos,
    /// What its receiver said of it.
    pub rtcp: Option<Rtcp>,
    /// Packet interval that SDP announced, in ms.
    pub sdp_ptime_ms: Option<u8>,
    /// Packet interval that the packets show, in ms.
    pub rtp_ptime_ms: Option<u8>,
    /// IP time to live.
    pub ttl: Option<Ttl>,
    /// SRTP.
    pub srtp: bool,
    /// The payload type changed on the way.
    pub codec_change: bool,
    /// More than one call claims it.
    pub multi_call: bool,
    /// The border to the stream before or after it is exact.
    pub exact: bool,
    /// By which the spool names its packets.
    pub spool_key: u64,
    /// The tunnel that its first packets came through.
    pub tunnel: Option<Tunnel>,
    /// More of its quality.
    pub quality: Quality,
}

/// Mean opinion scores, 1 to 4.5, by simulated jitter buffer. `None`: not scored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mos {
    /// Fixed buffer of 50 ms, mean.
    pub f1: Option<f32>,
    /// Fixed buffer of 200 ms, mean.
    pub f2: Option<f32>,
    /// Adaptive buffer, mean.
    pub adapt: Option<f32>,
    /// Fixed buffer of 50 ms, lowest interval.
    pub f1_min: Option<f32>,
    /// Fixed buffer of 200 ms, lowest interval.
    pub f2_min: Option<f32>,
    /// Adaptive buffer, lowest interval.
    pub adapt_min: Option<f32>,
    /// The lowest of all.
    pub min: Option<f32>,
}

/// RTCP reports about one stream, by its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rtcp {
    /// Cumulative loss at the end.
    pub loss: i32,
    /// Highest fraction lost, in 1/256.
    pub maxfr: u16,
    /// Mean fraction lost, in 1/256.
    pub avgfr: f32,
    /// Highest interarrival jitter in ms.
    pub maxjitter_ms: f32,
    /// Mean interarrival jitter in ms.
    pub avgjitter_ms: f32,
    /// Highest round trip in ms.
    pub maxrtd_ms: Option<f32>,
    /// Mean round trip in ms.
    pub avgrtd_ms: Option<f32>,
    /// Reports that said there was loss.
    pub fraclost_pktcount: u32,
}

/// IP time to live over the packets of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ttl {
    /// Lowest.
    pub min: u8,
    /// Highest.
    pub max: u8,
    /// Mean.
    pub avg: f32,
}

impl Default for StreamRecord {
    fn default() -> Self {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            src: nowhere,
            dst: nowhere,
            side: None,
            ssrc: 0,
            payload: 0,
            codec: CompactString::default(),
            clock_rate: 0,
            clock_inferred: false,
            first_us: 0,
            last_us: 0,
            received: 0,
            lost: 0,
            reordered: 0,
            duplicate: 0,
            jitter_ms_avg: None,
            jitter_ms_max: None,
            sl: [0; 10],
            d: [0; 7],
            mos: Mos::default(),
            rtcp: None,
            sdp_ptime_ms: None,
            rtp_ptime_ms: None,
            ttl: None,
            srtp: false,
            codec_change: false,
            multi_call: false,
            exact: true,
            spool_key: 0,
            tunnel: None,
            quality: Quality::default(),
        }
    }
}

impl StreamRecord {
    /// From the first packet to the last.
    pub fn duration_us(&self) -> u64 {
        self.last_us.saturating_sub(self.first_us)
    }

    /// Loss in percent of what was sent; `None` without packets.
    pub fn loss_percent(&self) -> Option<f64> {
        let sent = self.received.saturating_add(self.lost);
        (sent > 0).then(|| self.lost as f64 * 100.0 / sent as f64)
    }

    /// Packets in any of the delay classes.
    pub fn delay_cnt(&self) -> u64 {
        self.d.iter().copied().map(u64::from).sum()
    }

    /// The delay classes, each weighed by its middle in ms.
    pub fn delay_sum(&self) -> u64 {
        const WEIGHT_MS: [u64; 7] = [60, 80, 105, 135, 175, 250, 300];
        self.d.iter().zip(WEIGHT_MS).map(|(&count, weight)| u64::from(count) * weight).sum()
    }

    /// The delay of a packet in the delay classes, on average; `None` when there is none.
    pub fn delay_avg_ms(&self) -> Option<f64> {
        let count = self.delay_cnt();
        (count > 0).then(|| self.delay_sum() as f64 / count as f64)
    }
}
