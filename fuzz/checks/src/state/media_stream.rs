//! One RTP stream: any packets at any times, with reports, claims and divisions in between.

use ringtap_media::{Codec, Packet, PayloadInfo, Stream, StreamReport};
use ringtap_wire::rtcp::{ReportBlock, SenderInfo};

use crate::input::Input;

const MS: u64 = 1_000_000;
const TYPES: [u8; 6] = [0, 8, 18, 101, 13, 96];

/// Where the sender and the clock are.
struct Sender {
    packet: Packet,
    given: u64,
}

/// Every packet is in one count of one report, and every figure is one that can be.
pub fn media_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let start = u64::from(input.byte()) * 1_000 * MS;
    let packet = Packet {
        clock_ns: start,
        ts_ns: 1_700_000_000_000 * MS + start,
        seq: input.u16(),
        payload_len: 160,
        payload_type: input.pick(&TYPES),
        ttl: 60,
        ..Packet::default()
    };
    let mut stream = Stream::new(&packet);
    let mut sender = Sender { packet, given: 1 };
    let mut parts: Vec<StreamReport> = Vec::new();
    while !input.is_empty() {
        match input.byte() {
            choice @ 0..=239 => {
                sender.next(choice, &mut input);
                stream.push(&sender.packet);
                assert_eq!(stream.last_clock_ns().max(start), stream.last_clock_ns());
            }
            240..=243 => parts.push(divide(&mut stream, sender.packet.clock_ns, &mut input)),
            244..=247 => codecs(&mut stream, &mut input),
            248..=251 => control(&mut stream, sender.packet.clock_ns, &mut input),
            252..=255 => {
                let report = stream.report();
                check(&report);
                assert_eq!(report, stream.report(), "a report changes the stream");
            }
        }
    }
    let undivided = parts.is_empty();
    let last = stream.report();
    check(&last);
    if undivided {
        assert_eq!(counted(&last), sender.given, "{last:?}");
        assert_eq!(stream.packets(), sender.given);
        // An interval in which a stream was divided is in both parts.
        let listed: u64 = last.intervals.iter().map(|part| u64::from(part.received)).sum();
        assert!(listed <= last.received, "{listed} in intervals, {} received", last.received);
    }
    parts.push(last);
    together(&parts, sender.given);
}

impl Sender {
    /// The next packet: on time, or as far off as the input says.
    fn next(&mut self, choice: u8, input: &mut Input<'_>) {
        self.given += 1;
        let packet = &mut self.packet;
        let mut wait_ns = 20 * MS;
        let mut steps = 1;
        match choice {
            0..=127 => {}
            128..=143 => wait_ns = u64::from(input.byte()) * MS,
            144..=151 => wait_ns = u64::from(input.u16()) * 10 * MS,
            152..=167 => steps = u16::from(input.byte() % 16) + 1,
            168..=183 => steps = u16::from(input.byte() % 8).wrapping_neg(),
            184..=191 => steps = input.u16(),
            192..=199 => packet.timestamp = packet.timestamp.wrapping_add(input.u32()),
            200..=207 => packet.payload_type = input.pick(&TYPES),
            208..=215 => packet.payload_type = input.byte() & 0x7f,
            216..=223 => packet.marker = !packet.marker,
            224..=231 => (packet.head, packet.payload_len) = (input.u32(), 4),
            _ => (packet.ttl, packet.dscp) = (input.byte(), input.byte() >> 2),
        }
        packet.clock_ns += wait_ns;
        packet.ts_ns += wait_ns;
        packet.seq = packet.seq.wrapping_add(steps);
        let ticks = i32::from(steps as i16) * 160;
        packet.timestamp = packet.timestamp.wrapping_add(ticks as u32);
    }
}

fn divide(stream: &mut Stream, now_ns: u64, input: &mut Input<'_>) -> StreamReport {
    let back_ns = u64::from(input.u16()) * MS;
    let (report, exact) = stream.split(now_ns.saturating_sub(back_ns));
    assert_eq!(report.exact, exact);
    check(&report);
    report
}

fn codecs(stream: &mut Stream, input: &mut Input<'_>) {
    let codec = input.pick(&[Codec::Pcma, Codec::G729, Codec::G722, Codec::Unknown]);
    let clock_rate = input.pick(&[8000, 0, 1, 90_000, u32::MAX]);
    stream.set_codecs(&[PayloadInfo { payload_type: input.pick(&TYPES), codec, clock_rate }]);
}

fn control(stream: &mut Stream, clock_ns: u64, input: &mut Input<'_>) {
    let (ntp, rtp) = (u64::from(input.u32()) << 16, input.u32());
    stream.push_sender_report(&SenderInfo { ntp, rtp, packets: 1, octets: 1 }, clock_ns);
    let block = ReportBlock {
        ssrc: 0,
        fraction_lost: input.byte(),
        cumulative_lost: input.u32() as i32 >> 8,
        highest_sequence: input.u32(),
        jitter: input.u32(),
        last_sr: (ntp >> 16) as u32,
        delay_since_sr: input.u32(),
    };
    stream.push_report_block(&block, clock_ns);
}

fn counted(report: &StreamReport) -> u64 {
    report.received + report.duplicate + report.stray
}

fn check(report: &StreamReport) {
    let scores = [report.mos_f1, report.mos_f2, report.mos_adapt, report.mos_f1_min];
    let least = [report.mos_f2_min, report.mos_adapt_min, report.mos_min];
    for mos in scores.into_iter().chain(least).flatten() {
        assert!((1.0..=5.0).contains(&mos), "MOS {mos}");
    }
    for jitter in [report.jitter_ms_avg, report.jitter_ms_max].into_iter().flatten() {
        assert!(jitter.is_finite() && jitter >= 0.0, "jitter {jitter}");
    }
    if let (Some(mean), Some(max)) = (report.jitter_ms_avg, report.jitter_ms_max) {
        assert!(mean <= max * 1.001 + 0.001, "mean jitter {mean} above its maximum {max}");
    }
    for loss in report.loss.iter().chain(&report.worst) {
        assert!(loss.lost <= loss.expected, "{loss:?}");
        assert!(loss.burst_ratio() >= 1.0 && loss.ratio() <= 1.0, "{loss:?}");
    }
    assert!(report.reordered <= report.received);
    assert!(report.first_clock_ns <= report.last_clock_ns, "{report:?}");
    assert!(report.first_ts_ns <= report.last_ts_ns);
    assert!(report.ttl_avg.is_finite());
    let control = &report.rtcp;
    let figures = [
        control.fraction_mean(),
        control.jitter_mean_ms(8000),
        control.jitter_max_ms(8000),
        control.round_trip_mean_ms(),
    ];
    assert!(figures.into_iter().flatten().all(|figure| figure.is_finite() && figure >= 0.0));
}

/// Parts of a divided stream hold each packet at most once, and add up.
fn together(parts: &[StreamReport], given: u64) {
    let received: u64 = parts.iter().map(|part| part.received).sum();
    assert!(parts.iter().map(counted).sum::<u64>() <= given);
    let mut whole = StreamReport::default();
    parts.iter().for_each(|part| whole.merge(part));
    assert_eq!(whole.received, received);
    assert!(whole.received == 0 || whole.mos_f1.is_none_or(|mos| (1.0..=5.0).contains(&mos)));
}
