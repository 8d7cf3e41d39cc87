//! One RTP stream: every packet is pushed once, reports and divisions can be had at any time.
//!
//! The usual packet, next in sequence and on time, takes the short way through [`Stream::push`];
//! all else goes through `unusual`, and what is counted lies in the present section.
//! A stream has a fixed size; only natural cuts, digits and reports allocate, never a packet.
//! Whether datagrams are RTP at all is decided by [`crate::table`].

pub mod hole;
pub mod report;

mod course;
mod divide;
mod section;
mod unusual;

use ringtap_common::walk::Headers;
use ringtap_wire::rtcp::xr::VoipMetrics;
use ringtap_wire::rtcp::{ReportBlock, SenderInfo};
use ringtap_wire::rtp::View;

use crate::codec::{self, Codec, Kind, PayloadInfo, Payloads};
use crate::delay::Delay;
use crate::dtmf::Dtmf;
use crate::interval::Intervals;
use crate::jitter::Jitter;
use crate::loss::Runs;
use crate::rtcp::RtcpReport;
use crate::score::buffer::{self, Buffers};
use crate::sequence::Sequence;
use crate::stream::hole::Hole;

use section::{Mark, Past, Section};

/// Longer without a packet is a pause: a natural cut, ns.
pub const GAP_NS: u64 = 200_000_000;
/// Timestamp and arrival further apart than this is a jump of the timestamp, ns.
pub const TIMESTAMP_JUMP_NS: f64 = 2e9;
/// Span of a window whose effective loss can become the worst one, ns.
const WINDOW_NS: u64 = 10_000_000_000;
/// Expected packets that a window needs when a cut ends it early.
const WINDOW_PACKETS_MIN: u32 = 100;
/// Time over which a clock is inferred, ns.
const INFER_NS: u64 = 300_000_000;

const NS_PER_MS: u64 = 1_000_000;

/// What a stream wants to know of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Arrival on the ordering clock, ns.
    pub clock_ns: u64,
    /// Arrival to be reported, UNIX ns.
    pub ts_ns: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload's first four bytes, 0 when it has fewer: what an event packet says.
    pub head: u32,
    /// Sequence number.
    pub seq: u16,
    /// Bytes of payload.
    pub payload_len: u16,
    /// Payload type.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Differentiated services code point.
    pub dscp: u8,
}

impl Packet {
    /// From a walked frame and its RTP header.
    #[must_use]
    #[inline]
    pub fn new(view: &View<'_>, headers: &Headers, clock_ns: u64, ts_ns: u64) -> Self {
        let payload = view.payload();
        let head = payload.first_chunk().map_or(0, |head| u32::from_be_bytes(*head));
        Self {
            clock_ns,
            ts_ns,
            timestamp: view.timestamp(),
            ssrc: view.ssrc(),
            head,
            seq: view.sequence(),
            payload_len: payload.len() as u16,
            payload_type: view.payload_type(),
            marker: view.marker(),
            ttl: headers.ttl,
            dscp: headers.tos >> 2,
        }
    }
}

/// Why a new section began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// No packet for more than [`GAP_NS`].
    Gap,
    /// The sequence number jumped.
    Sequence,
    /// The timestamp jumped.
    Timestamp,
    /// The payload type changed.
    PayloadType,
}

/// What a packet did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The stream goes on.
    Continues,
    /// The stream goes on, and numbers are missing before this packet: see
    /// [`Stream::take_hole`].
    Missing,
    /// A natural cut lies before this packet (for [`Cut::Sequence`]: before the one held back).
    /// Numbers may be missing as well.
    Cut(Cut),
}

/// One stream.
///
/// The order of fields is the order of use: what a usual packet touches lies together at the
/// front, so that it costs few cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Stream {
    media_clock_ns: u64,
    /// Length of a clock tick; 0 when unknown.
    tick_ns: f64,
    /// Transit time of the last media packet, from the first one of the section.
    transit_ns: f64,
    jitter: Jitter,
    delay: Delay,
    interval_end_ns: u64,
    /// Timestamp and (above) arrival of the media packet that arrived last.
    media_ts: u32,
    interval_jitter_max_ns: f32,
    /// Timestamp step from packet to packet, and one that was seen once.
    step: u32,
    step_seen: u32,
    buffers: Buffers,
    runs: Runs,
    /// When the packet with the highest number came; the timestamp of the newest media packet.
    top_clock_ns: u64,
    top_ts: u32,
    /// The payload type of usual packets; none when the stream has begun with events or noise.
    usual_type: Option<u8>,
    follows_noise: bool,
    /// Nothing was counted since the last division.
    vacant: bool,
    section: Section,
    sequence: Sequence,
    interval_cut: bool,
    clock_inferred: bool,
    payload_type: u8,
    ssrc: u32,
    clock_rate: u32,
    interval_start_ms: u32,
    interval_mark: Mark,
    window_mark: Mark,
    window_start_ns: u64,
    origin_clock_ns: u64,
    infer_ts: u32,
    infer_clock_ns: u64,
    /// The last numbers that were passed over, until somebody takes them.
    hole: Option<Hole>,
    /// How often numbers have begun anew.
    numbering: u16,
    /// First byte of the section's first payload: what it carries, where that is redundancy.
    first_byte: u8,
    /// Another type that carries media has followed the first one.
    codec_changes: u16,
    /// A packet far off, until the next one tells whether the stream has jumped there.
    held: Option<Packet>,
    payloads: Payloads,
    rtcp: RtcpReport,
    dtmf: Dtmf,
    intervals: Intervals,
    past: Option<Box<Past>>,
}

impl Stream {
    /// Begins with its first packet, which is counted.
    #[must_use]
    pub fn new(first: &Packet) -> Self {
        let mut stream = Self {
            usual_type: None,
            follows_noise: false,
            vacant: true,
            media_ts: first.timestamp,
            media_clock_ns: first.clock_ns,
            tick_ns: 0.0,
            transit_ns: 0.0,
            jitter: Jitter::default(),
            delay: Delay::default(),
            interval_end_ns: 0,
            interval_jitter_max_ns: 0.0,
            step: 0,
            step_seen: 0,
            top_ts: first.timestamp,
            top_clock_ns: first.clock_ns,
            buffers: Buffers::default(),
            runs: Runs::default(),
            section: Section::default(),
            sequence: Sequence::new(first.seq),
            ssrc: first.ssrc,
            payload_type: first.payload_type,
            clock_rate: 0,
            clock_inferred: false,
            interval_cut: false,
            interval_start_ms: 0,
            interval_mark: Mark::default(),
            window_mark: Mark::default(),
            window_start_ns: first.clock_ns,
            origin_clock_ns: first.clock_ns,
            infer_ts: first.timestamp,
            infer_clock_ns: first.clock_ns,
            hole: None,
            numbering: 0,
            first_byte: 0,
            codec_changes: 0,
            held: None,
            payloads: Payloads::default(),
            rtcp: RtcpReport::default(),
            dtmf: Dtmf::default(),
            intervals: Intervals::default(),
            past: None,
        };
        stream.begin(first);
        stream
    }

    /// Takes the next packet in the order of arrival.
    #[inline]
    pub fn push(&mut self, packet: &Packet) -> Pushed {
        let distance = self.sequence.distance(packet.seq);
        let elapsed_ns = packet.clock_ns.saturating_sub(self.section.last_clock_ns);
        let difference_ns = self.difference(packet);
        let usual = distance == 1
            && self.usual_type == Some(packet.payload_type)
            && elapsed_ns <= GAP_NS
            && difference_ns.abs() <= TIMESTAMP_JUMP_NS;
        if !usual {
            return self.unusual(packet, distance, elapsed_ns, difference_ns);
        }
        let step = packet.timestamp.wrapping_sub(self.media_ts);
        if step != self.step {
            self.note_step(step);
        }
        self.open_interval(packet.clock_ns);
        let played = self.score(packet, difference_ns);
        self.arrive(packet, 1, 1, played);
        self.top_ts = packet.timestamp;
        Pushed::Continues
    }

    /// Takes what SDP says of payload types; it may come at any time.
    ///
    /// When the clock turns out to be another, jitter begins anew.
    pub fn set_codecs(&mut self, infos: &[PayloadInfo]) {
        self.payloads.set(infos, self.payload_type);
        let before = self.clock_rate;
        self.take_type(self.payload_type);
        if self.clock_rate != before {
            self.jitter = Jitter::default();
            self.section.jitter = Default::default();
            self.interval_mark.jitter = 0.0;
            self.interval_mark.jitter_count = 0;
            self.transit_ns = 0.0;
            self.delay.anchor(0.0);
            self.buffers.anchor(0.0);
        }
    }

    /// The numbers that the last packet has jumped over; they are told once.
    pub fn take_hole(&mut self) -> Option<Hole> {
        self.hole.take()
    }

    /// How many numbers of a hole have not come late in the meantime.
    #[must_use]
    pub fn still_missing(&self, hole: &Hole) -> u32 {
        if hole.numbering == self.numbering {
            // What is out of the window's reach counts as unseen there.
            self.sequence.unseen(hole.first, hole.count).min(hole.missing)
        } else {
            hole.missing
        }
    }

    /// Synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets of all kinds, duplicates too.
    #[must_use]
    pub fn packets(&self) -> u64 {
        let past = self.past.as_deref().map_or(0, |past| past.iter().map(Section::packets).sum());
        past + self.section.packets() + u64::from(self.held.is_some())
    }

    /// Arrival of the last packet on the ordering clock, ns.
    #[must_use]
    pub fn last_clock_ns(&self) -> u64 {
        self.section.last_clock_ns
    }

    /// RTP clock in Hz; 0 when unknown.
    #[must_use]
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// A sender report of this stream's source passed.
    pub fn push_sender_report(&mut self, info: &SenderInfo, clock_ns: u64) {
        self.rtcp.push_sender(info, clock_ns);
    }

    /// VoIP metrics about this stream passed (RFC 3611 §4.7).
    pub fn push_voip_metrics(&mut self, metrics: &VoipMetrics) {
        self.rtcp.push_voip(metrics);
    }

    /// The stream's source said good-bye.
    pub fn push_bye(&mut self) {
        self.rtcp.byes = self.rtcp.byes.saturating_add(1);
    }

    /// A report block about this stream passed.
    pub fn push_report_block(&mut self, block: &ReportBlock, clock_ns: u64) {
        self.rtcp.push_block(block, clock_ns);
    }

    /// Loads what a usual packet touches, so that the waits of a batch overlap. The value says
    /// nothing.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        self.media_clock_ns
            ^ self.top_clock_ns
            ^ self.section.last_clock_ns
            ^ u64::from(self.sequence.highest())
    }

    fn codec(&self) -> Codec {
        self.meaning(self.payload_type, self.first_byte).codec
    }

    /// What a payload type means; of redundancy (RFC 2198) the meaning of what is in it, which
    /// the first header names.
    fn meaning(&self, payload_type: u8, first_byte: u8) -> PayloadInfo {
        let info = self.payloads.get(payload_type);
        if info.codec != Codec::Red {
            return info;
        }
        let inner = self.payloads.get(first_byte & 0x7f);
        let clock_rate = if info.clock_rate == 0 { inner.clock_rate } else { info.clock_rate };
        let audio = matches!(inner.codec.kind(), Kind::Audio | Kind::Video | Kind::Other);
        if audio { PayloadInfo { payload_type, clock_rate, ..inner } } else { info }
    }

    /// Change of transit time since the media packet before, RFC 3550 §6.4.1, ns.
    #[inline]
    fn difference(&self, packet: &Packet) -> f64 {
        let ticks = packet.timestamp.wrapping_sub(self.media_ts) as i32;
        let arrival = packet.clock_ns.wrapping_sub(self.media_clock_ns) as i64;
        // Without a clock all packets are on time.
        if self.tick_ns == 0.0 { 0.0 } else { arrival as f64 - f64::from(ticks) * self.tick_ns }
    }

    /// Jitter, delay and buffers; the buffers that play it.
    #[inline]
    fn score(&mut self, packet: &Packet, difference_ns: f64) -> u8 {
        if self.tick_ns == 0.0 {
            self.infer(packet);
            return buffer::ALL;
        }
        let elapsed_ns = packet.clock_ns.saturating_sub(self.media_clock_ns) as f64;
        self.sway(packet, difference_ns);
        if let Some(late) = self.delay.push(self.transit_ns) {
            self.section.delays[late] += 1;
        }
        self.buffers.push(self.transit_ns, self.delay.mean_ns(), elapsed_ns)
    }

    /// Jitter alone.
    #[inline]
    fn sway(&mut self, packet: &Packet, difference_ns: f64) {
        let estimate_ns = self.jitter.push(difference_ns);
        if !(packet.marker | self.follows_noise) {
            self.section.jitter.push(estimate_ns, difference_ns);
            self.interval_jitter_max_ns = self.interval_jitter_max_ns.max(estimate_ns as f32);
        }
        self.follows_noise = false;
        self.transit_ns += difference_ns;
        self.media_ts = packet.timestamp;
        self.media_clock_ns = packet.clock_ns;
    }

    /// Counts a packet that is `steps` ahead, of which `open` are counted as runs.
    #[inline]
    fn arrive(&mut self, packet: &Packet, steps: u32, open: u32, played: u8) {
        self.sequence.forward(steps);
        let section = &mut self.section;
        self.runs.forward(open, played << 1 | 1, &mut section.runs);
        section.top = self.sequence.highest();
        self.top_clock_ns = packet.clock_ns;
        self.count(packet, played);
    }

    /// Counts a distinct packet.
    #[inline]
    fn count(&mut self, packet: &Packet, played: u8) {
        let section = &mut self.section;
        section.unique += 1;
        for (buffer, count) in section.played.iter_mut().enumerate() {
            *count += u32::from(played >> buffer & 1);
        }
        section.last_clock_ns = section.last_clock_ns.max(packet.clock_ns);
        section.last_ts_ns = section.last_ts_ns.max(packet.ts_ns);
        section.ttl_sum += u64::from(packet.ttl);
        section.ttl_min = section.ttl_min.min(packet.ttl);
        section.ttl_max = section.ttl_max.max(packet.ttl);
        section.dscp = packet.dscp;
    }

    /// A timestamp step counts when it comes twice.
    #[cold]
    fn note_step(&mut self, step: u32) {
        if step == self.step_seen {
            self.step = step;
        }
        self.step_seen = step;
    }

    /// Finds the clock of a type that nothing explains.
    #[cold]
    fn infer(&mut self, packet: &Packet) {
        let elapsed_ns = packet.clock_ns.saturating_sub(self.infer_clock_ns);
        let ticks = packet.timestamp.wrapping_sub(self.infer_ts);
        (self.media_ts, self.media_clock_ns) = (packet.timestamp, packet.clock_ns);
        if elapsed_ns < INFER_NS {
            return;
        }
        if let Some(rate) = codec::infer_clock(ticks, elapsed_ns) {
            self.clock_rate = rate;
            self.clock_inferred = true;
            self.tick_ns = 1e9 / f64::from(rate);
        }
    }

    /// Takes a payload type as the stream's own.
    fn take_type(&mut self, payload_type: u8) {
        let info = self.payloads.get(payload_type);
        let media = !matches!(info.codec.kind(), Kind::Event | Kind::Noise);
        self.usual_type = (media && !self.vacant).then_some(payload_type);
        let same = self.payload_type == payload_type;
        self.payload_type = payload_type;
        self.section.payload_type = payload_type;
        if info.clock_rate == 0 && same && self.clock_inferred {
            return;
        }
        self.clock_inferred = false;
        self.clock_rate = info.clock_rate;
        self.tick_ns = if info.clock_rate == 0 { 0.0 } else { 1e9 / f64::from(info.clock_rate) };
    }
}

#[cfg(test)]
mod tests;
