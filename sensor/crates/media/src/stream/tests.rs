//! Streams by hand, against an oracle that knows every packet, and divided.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::StreamReport;

const MS: u64 = 1_000_000;
const START: u64 = 1_700_000_000_000_000_000;

/// Packet `number` of a G.711 stream with 20 ms, arriving `late_ms` after its time.
fn packet(number: u32, late_ms: u64) -> Packet {
    let clock_ns = 5_000 * MS + u64::from(number) * 20 * MS + late_ms * MS;
    Packet {
        clock_ns,
        ts_ns: START + clock_ns,
        timestamp: number.wrapping_mul(160),
        ssrc: 7,
        seq: number as u16,
        payload_len: 160,
        payload_type: 8,
        ttl: 60,
        dscp: 46,
        ..Packet::default()
    }
}

fn stream(packets: &[Packet]) -> Stream {
    let mut stream = Stream::new(&packets[0]);
    for packet in &packets[1..] {
        stream.push(packet);
    }
    stream
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Stream {
    stream(&numbers.into_iter().map(|number| packet(number, 0)).collect::<Vec<_>>())
}

fn counts(report: &StreamReport) -> [u64; 4] {
    [report.received, report.lost, report.reordered, report.duplicate]
}

#[test]
fn a_clean_stream() {
    let report = numbers(65_400..65_900).report();
    assert_eq!(counts(&report), [500, 0, 0, 0]);
    assert_eq!((report.codec, report.clock_rate, report.ptime_ms), (Codec::Pcma, 8000, 20));
    assert_eq!((report.jitter_ms_avg, report.jitter_ms_max), (Some(0.0), Some(0.0)));
    for mos in [report.mos_f1, report.mos_f2, report.mos_adapt, report.mos_min] {
        assert!((mos.unwrap() - 4.409).abs() < 0.001, "{mos:?}");
    }
    assert_eq!((report.ttl_min, report.ttl_max, report.dscp), (60, 60, 46));
    assert!((report.ttl_avg - 60.0).abs() < 0.01);
    assert_eq!(report.duration_ns(), 499 * 20 * MS);
    assert_eq!(report.intervals.len(), 10);
    assert!(report.intervals.iter().all(|interval| interval.received == 50));
    assert!(report.exact);
}

#[test]
fn too_few_packets_have_no_mos() {
    let report = numbers(0..49).report();
    assert_eq!((report.mos_f1, report.mos_min), (None, None));
    assert_eq!(numbers([3]).report().jitter_ms_avg, None);
}

#[test]
fn loss_and_its_runs() {
    let lost = [10, 20, 21, 30, 31, 32, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61];
    let report = numbers((0..200).filter(|number| !lost.contains(number))).report();
    assert_eq!(counts(&report), [182, 18, 0, 0]);
    assert_eq!(report.sl, [1, 1, 1, 0, 0, 0, 0, 0, 0, 1]);
    // The longest run is a pause of 260 ms, yet the loss is one.
    assert_eq!(report.gaps, 1);
    for loss in report.loss {
        assert_eq!((loss.expected, loss.lost, loss.runs), (200, 18, 4));
    }
}

#[test]
fn late_double_and_early_packets() {
    // 0 is late at the very start; 5 comes twice; 9 is late, 12 too late for the first buffer.
    let mut packets: Vec<Packet> =
        [1, 0, 2, 3, 4, 5, 5, 6, 7, 8, 10, 9, 11].map(|n| packet(n, 0)).into();
    packets.extend([packet(13, 0), packet(14, 0), packet(15, 0), packet(16, 0)]);
    packets.push(packet(12, 81));
    packets.extend([packet(17, 0), packet(18, 0)]);
    let report = stream(&packets).report();
    assert_eq!(counts(&report), [19, 0, 3, 1]);
    assert_eq!(report.sl, [0; 10]);
    assert_eq!((report.loss[0].lost, report.loss[1].lost), (1, 0));
    assert_eq!((report.loss[0].runs, report.loss[1].runs), (1, 0));
    assert_eq!(report.d, [0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_jump_of_sequence_is_not_loss() {
    let mut stream = numbers(0..100);
    let later = |number: u32| Packet {
        seq: (number + 20_000) as u16,
        timestamp: 77_000 + number * 160,
        ..packet(number, 0)
    };
    assert_eq!(stream.push(&later(100)), Pushed::Continues);
    assert_eq!(stream.packets(), 101);
    assert_eq!(stream.push(&later(101)), Pushed::Cut(Cut::Sequence));
    for number in 102..200 {
        assert_eq!(stream.push(&later(number)), Pushed::Continues);
    }
    let report = stream.report();
    assert_eq!(counts(&report), [200, 0, 0, 0]);
    assert_eq!((report.stray, report.gaps), (0, 0));
    assert!((report.mos_min.unwrap() - 4.409).abs() < 0.001);
}

#[test]
fn one_strange_packet_is_a_stray() {
    let mut stream = numbers(0..100);
    stream.push(&Packet { seq: 40_000, ..packet(100, 0) });
    for number in 100..200 {
        stream.push(&packet(number, 0));
    }
    let report = stream.report();
    assert_eq!(counts(&report), [200, 0, 0, 0]);
    assert_eq!((report.stray, stream.packets()), (1, 201));
}

#[test]
fn a_long_outage_is_loss() {
    // 80 s, more numbers than RFC 3550 would take for loss, but the timestamps agree.
    let report = numbers((0..100).chain(4100..4200)).report();
    assert_eq!(counts(&report), [200, 4000, 0, 0]);
    assert_eq!((report.gaps, report.sl[9]), (1, 1));
    assert!(report.mos_f1.unwrap() < 1.5);
}

#[test]
fn the_same_recording_played_again_is_a_new_section() {
    let mut stream = numbers(0..100);
    for again in 0..100 {
        let at = packet(0, 4000 + u64::from(again) * 20);
        let pushed =
            stream.push(&Packet { clock_ns: at.clock_ns, ts_ns: at.ts_ns, ..packet(again, 0) });
        assert_eq!(pushed == Pushed::Cut(Cut::Sequence), again == 1, "{again}");
    }
    assert_eq!(counts(&stream.report()), [200, 0, 0, 0]);
}

/// After 0..100 and a pause of 1.5 s: `number` at `at` of what follows, with its own timestamp.
fn afterwards(number: u32, at: u32) -> Packet {
    let moment = packet(99, 1500 + u64::from(at) * 20);
    let timestamp = 99 * 160 - 5_001 + at * 160;
    Packet { clock_ns: moment.clock_ns, ts_ns: moment.ts_ns, timestamp, ..packet(number, 0) }
}

#[test]
fn near_numbers_after_a_pause_can_begin_anew() {
    // Numbers and timestamps alone could be those of late packets.
    for first in [40, 98, 99] {
        let mut stream = numbers(0..100);
        assert_eq!(stream.push(&afterwards(first, 0)), Pushed::Continues);
        assert_eq!(stream.push(&afterwards(first + 1, 1)), Pushed::Cut(Cut::Sequence), "{first}");
        for at in 2..50 {
            assert_eq!(stream.push(&afterwards(first + at, at)), Pushed::Continues);
        }
        let (report, exact) = stream.split(afterwards(0, 0).clock_ns);
        assert_eq!((counts(&report), exact), ([100, 0, 0, 0], true));
        assert_eq!(counts(&stream.report()), [50, 0, 0, 0]);
    }
}

#[test]
fn a_claim_after_the_first_packet_anew_does_not_lose_it() {
    for claim_ms in [0, 10] {
        let mut stream = numbers(0..100);
        stream.push(&afterwards(40, 0));
        let (report, exact) = stream.split(afterwards(0, 0).clock_ns + claim_ms * MS);
        assert_eq!((counts(&report), report.stray, exact), ([100, 0, 0, 0], 0, true));
        for at in 1..50 {
            stream.push(&afterwards(40 + at, at));
        }
        assert_eq!(counts(&stream.report()), [50, 0, 0, 0]);
    }
}

#[test]
fn a_packet_in_doubt_is_late_when_the_old_numbers_go_on() {
    let mut stream = numbers((0..40).chain(41..100));
    stream.push(&afterwards(40, 0));
    assert_eq!(counts(&stream.report()), [100, 0, 1, 0]);
    assert_eq!(stream.packets(), 100);
    stream.push(&afterwards(40, 1));
    assert_eq!(counts(&stream.report()), [100, 0, 1, 1]);
    stream.push(&packet(130, 1000));
    let report = stream.report();
    assert_eq!((counts(&report), report.stray), ([101, 30, 1, 1], 0));
}

#[test]
fn jitter_by_hand() {
    // Transit 0, 16, 16, -16 ms: |D| 16, 0, 32.
    let packets = [packet(0, 20), packet(1, 36), packet(2, 36), packet(3, 4)];
    let report = stream(&packets).report();
    let (j1, j2) = (16.0 / 16.0, 15.0 / 16.0);
    let j3: f32 = j2 + (32.0 - j2) / 16.0;
    assert!((report.jitter_ms_avg.unwrap() - (j1 + j2 + j3) / 3.0).abs() < 1e-5);
    assert!((report.jitter_ms_max.unwrap() - j3).abs() < 1e-5);
    assert!((report.jitter.mean_difference_ms().unwrap() - 16.0).abs() < 1e-5);
}

#[test]
fn jitter_counts_late_packets_but_no_markers() {
    // 2 comes at 40 ms, 1 at 50, 3 at 60: |D| 0, 30, 30 ms.
    let mut talk = packet(4, 16);
    talk.marker = true;
    let report = stream(&[packet(0, 0), packet(2, 0), packet(1, 30), packet(3, 0), talk]).report();
    let j1 = 0.0;
    let j2: f32 = j1 + (30.0 - j1) / 16.0;
    let j3 = j2 + (30.0 - j2) / 16.0;
    assert!((report.jitter_ms_avg.unwrap() - (j1 + j2 + j3) / 3.0).abs() < 1e-5);
    assert!((report.jitter_ms_max.unwrap() - j3).abs() < 1e-5);
}

#[test]
fn digits_disturb_nothing() {
    let info = [PayloadInfo::from_rtpmap(101, "telephone-event", 8000)];
    for known in [true, false] {
        let mut stream = numbers(0..50);
        if known {
            stream.set_codecs(&info);
        }
        for number in 50..60 {
            let duration = (number - 49) * 160;
            let pushed = stream.push(&Packet {
                payload_type: 101,
                payload_len: 4,
                timestamp: 50 * 160,
                marker: number == 50,
                head: 9 << 24 | u32::from(number > 57) << 23 | duration,
                ..packet(number, 0)
            });
            assert_eq!(pushed, Pushed::Continues);
        }
        for number in 60..110 {
            assert_eq!(stream.push(&packet(number, 0)), Pushed::Continues);
        }
        let report = stream.report();
        assert_eq!(counts(&report), [110, 0, 0, 0]);
        assert_eq!((report.jitter_ms_max, report.payload_type), (Some(0.0), 8));
        let [digit] = report.dtmf[..] else { panic!("{:?}", report.dtmf) };
        assert_eq!((digit.digit(), digit.duration_ms, digit.ended), (Some('9'), 200, true));
        assert_eq!(report.loss[0].lost, 0);
    }
}

#[test]
fn comfort_noise_and_talkspurts() {
    let mut stream = numbers(0..50);
    stream.push(&Packet { payload_type: 13, payload_len: 1, ..packet(50, 0) });
    // The talkspurt begins 1 s later, 30 ms off the old timing.
    let talk = |number: u32| {
        let clock_ns = packet(number + 50, 30).clock_ns;
        let timestamp = (number + 50) * 160;
        Packet { clock_ns, timestamp, marker: number == 51, ..packet(number, 0) }
    };
    assert_eq!(stream.push(&talk(51)), Pushed::Cut(Cut::Gap));
    for number in 52..110 {
        assert_eq!(stream.push(&talk(number)), Pushed::Continues);
    }
    let report = stream.report();
    assert_eq!(counts(&report), [110, 0, 0, 0]);
    assert_eq!((report.gaps, report.loss[0].lost), (1, 0));
    // The marker's own jitter sample is left out of the mean, its echo is not.
    assert!(report.jitter_ms_max.unwrap() < 30.0 / 16.0);
}

#[test]
fn a_codec_change_is_a_cut() {
    let mut stream = numbers(0..50);
    let other = |number: u32| Packet { payload_type: 18, payload_len: 20, ..packet(number, 0) };
    assert_eq!(stream.push(&other(51)), Pushed::Cut(Cut::PayloadType));
    for number in 52..200 {
        assert_eq!(stream.push(&other(number)), Pushed::Continues);
    }
    let report = stream.report();
    assert_eq!(counts(&report), [199, 1, 0, 0]);
    assert_eq!((report.codec, report.payload_type), (Codec::G729, 18));
}

#[test]
fn a_timestamp_jump_is_a_cut() {
    let mut stream = numbers(0..50);
    let jumped = |number: u32| Packet { timestamp: number * 160 + 999_999, ..packet(number, 0) };
    assert_eq!(stream.push(&jumped(50)), Pushed::Cut(Cut::Timestamp));
    for number in 51..100 {
        assert_eq!(stream.push(&jumped(number)), Pushed::Continues);
    }
    let report = stream.report();
    assert_eq!(counts(&report), [100, 0, 0, 0]);
    assert_eq!(report.jitter_ms_max, Some(0.0));
}

#[test]
fn an_unknown_clock_is_inferred() {
    let wide = |number: u32| Packet {
        payload_type: 96,
        timestamp: number * 960,
        payload_len: 80,
        ..packet(number, u64::from(number % 2))
    };
    let mut stream = Stream::new(&wide(0));
    for number in 1..100 {
        stream.push(&wide(number));
    }
    let report = stream.report();
    assert_eq!(
        (report.clock_rate, report.clock_inferred, report.codec),
        (48_000, true, Codec::Unknown)
    );
    assert!((report.jitter_ms_max.unwrap() - 1.0).abs() < 0.02);
    assert_eq!((report.mos_f1, report.ptime_ms), (None, 20));
    stream.set_codecs(&[PayloadInfo::from_rtpmap(96, "opus", 48_000)]);
    let report = stream.report();
    assert_eq!((report.clock_inferred, report.codec), (false, Codec::Opus));
    assert!(report.mos_f1.is_some() && report.jitter_ms_max.is_some());
}

#[test]
fn the_worst_ten_seconds_show() {
    // One minute; in the third ten seconds one packet in ten is lost.
    let sent = (0..3000).filter(|n| !(1000..1500).contains(n) || n % 10 != 3);
    let report = numbers(sent).report();
    assert_eq!(report.lost, 50);
    let (all, worst) = (report.mos_f1.unwrap(), report.mos_min.unwrap());
    assert!(all > 4.2 && worst < 3.5, "{all} {worst}");
    let bad = report.intervals.iter().filter(|interval| interval.lost > 0).count();
    assert_eq!(bad, 10 * 1000 / interval_ms(&report));
}

fn interval_ms(report: &StreamReport) -> usize {
    (report.intervals[1].start_ms - report.intervals[0].start_ms) as usize
}

fn call(first: u32, count: u32, at_ms: u64) -> Vec<Packet> {
    (0..count)
        .map(|at| {
            let moment = packet(0, at_ms + u64::from(at) * 20);
            Packet { clock_ns: moment.clock_ns, ts_ns: moment.ts_ns, ..packet(first + at, 0) }
        })
        .collect()
}

fn at(ms: u64) -> u64 {
    packet(0, ms).clock_ns
}

#[test]
fn two_calls_on_one_port() {
    // Numbers go on as if nothing had happened, with ten missing between the calls.
    let (one, two) = (call(0, 100, 0), call(110, 100, 4200));
    // The claim may come in the pause, a little after the media, or when all is long over.
    for (claim_ms, seen) in [(3000, 100), (3000, 101), (3000, 200), (4300, 110), (4300, 200)] {
        let all = [one.clone(), two.clone()].concat();
        let mut both = stream(&all[..seen]);
        let (first, exact) = both.split(at(claim_ms));
        all[seen..].iter().for_each(|packet| {
            both.push(packet);
        });
        let second = both.report();
        assert!(exact, "claim at {claim_ms} ms, {seen} seen");
        assert_eq!((counts(&first), counts(&second)), ([100, 0, 0, 0], [100, 0, 0, 0]));
        assert_eq!(first.last_clock_ns, at(1980));
        assert_eq!((second.first_clock_ns, second.gaps), (at(4200), 0));
        let of = |report: &StreamReport| -> u32 {
            report.intervals.iter().map(|interval| interval.received).sum()
        };
        assert_eq!((of(&first), of(&second)), (100, 100));
        assert_eq!(second.intervals[0].start_ms, 0);
        let mut sum = first.clone();
        sum.merge(&second);
        assert_eq!((counts(&sum), sum.intervals.len()), ([200, 0, 0, 0], 5));
    }
}

#[test]
fn a_claim_after_its_first_media_takes_them_all() {
    let mut fresh = stream(&call(0, 50, 0));
    let (nothing, exact) = fresh.split(at(400));
    assert_eq!((counts(&nothing), exact), ([0; 4], true));
    assert_eq!(counts(&fresh.report()), [50, 0, 0, 0]);
}

#[test]
fn a_division_without_a_sign_is_not_exact() {
    let mut running = stream(&call(0, 1000, 0));
    let (first, exact) = running.split(at(10_000));
    assert!(!exact && !first.exact);
    assert_eq!(counts(&first), [1000, 0, 0, 0]);
    assert_eq!(running.packets(), 0);
    assert!(running.report().exact);
}

#[test]
fn many_cuts_add_up() {
    let mut all = Vec::new();
    for spurt in 0..40 {
        all.extend(call(spurt * 60, 50, u64::from(spurt) * 1500));
    }
    let mut stream = stream(&all);
    let report = stream.report();
    assert_eq!(counts(&report), [2000, 390, 0, 0]);
    assert_eq!((report.gaps, report.sl[9]), (39, 39));
    let (first, exact) = stream.split(at(1500 * 38));
    assert!(exact);
    assert_eq!(counts(&first), [1900, 370, 0, 0]);
    assert_eq!(counts(&stream.report()), [100, 10, 0, 0]);
}

#[test]
fn a_stream_stays_small() {
    assert!(size_of::<Stream>() <= 2048, "{}", size_of::<Stream>());
}

#[derive(Debug, Clone)]
struct Sent {
    lost: bool,
    late_ms: u64,
    again_ms: Option<u64>,
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let one = (
        prop_oneof![8 => Just(false), 2 => Just(true)],
        prop_oneof![6 => 0u64..5, 2 => 0u64..150],
        prop_oneof![12 => Just(None), 1 => (0u64..150).prop_map(Some)],
    );
    proptest::collection::vec(
        one.prop_map(|(lost, late_ms, again_ms)| Sent { lost, late_ms, again_ms }),
        1..400,
    )
}

/// Arrivals in their order, as (packet, number).
fn arrivals(first: u16, sent: &[Sent]) -> Vec<(Packet, u32)> {
    let mut list = Vec::new();
    for (at, one) in sent.iter().enumerate() {
        let number = at as u32 + u32::from(first);
        if !one.lost {
            list.push((packet(number, one.late_ms), number));
            list.extend(one.again_ms.map(|ms| (packet(number, one.late_ms + ms), number)));
        }
    }
    list.sort_by_key(|(packet, _)| packet.clock_ns);
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn equals_an_oracle_that_sees_all(first: u16, sent in sent()) {
        let arrivals = arrivals(first, &sent);
        prop_assume!(!arrivals.is_empty());
        let packets: Vec<Packet> = arrivals.iter().map(|(packet, _)| *packet).collect();
        let stream = stream(&packets);
        let report = stream.report();

        let mut seen = BTreeSet::new();
        let (mut reordered, mut duplicate) = (0, 0);
        for (_, number) in &arrivals {
            let behind = seen.last().is_some_and(|highest| number < highest);
            if !seen.insert(*number) {
                duplicate += 1;
            } else if behind {
                reordered += 1;
            }
        }
        let (low, high) = (*seen.first().unwrap(), *seen.last().unwrap());
        let received = seen.len() as u64;
        let lost = u64::from(high - low + 1) - received;
        prop_assert_eq!(counts(&report), [received, lost, reordered, duplicate]);
        prop_assert_eq!(stream.packets(), packets.len() as u64);
        let listed: u32 = report.intervals.iter().map(|interval| interval.received).sum();
        prop_assert_eq!(u64::from(listed), received);
        prop_assert_eq!(u64::from(report.loss[1].lost), lost);
        prop_assert!(u64::from(report.loss[0].lost) >= lost);
        let mut runs = [0; 10];
        let numbers: Vec<u32> = seen.into_iter().collect();
        for pair in numbers.windows(2) {
            let missing = (pair[1] - pair[0] - 1) as usize;
            if missing > 0 {
                runs[missing.min(10) - 1] += 1;
            }
        }
        prop_assert_eq!(report.sl, runs);
        prop_assert_eq!(report.loss[1].runs, runs.iter().sum::<u32>());
    }

    #[test]
    fn any_packets_at_all_are_survived(
        packets in proptest::collection::vec(
            (any::<u16>(), any::<u32>(), 0u64..10_000_000_000, any::<(u8, bool, u16)>(),
             any::<u32>(), 0u8..12), 1..200),
        claim in 0u64..100_000_000_000,
    ) {
        let mut clock_ns = 0;
        let mut stream = Stream::new(&Packet::default());
        let mut given = 0;
        for (at, (seq, timestamp, pause, (pt, marker, len), head, kind)) in
            packets.iter().enumerate()
        {
            clock_ns += if kind % 3 == 0 { *pause } else { 20_000_000 };
            let near = Packet {
                clock_ns,
                ts_ns: clock_ns,
                seq: at as u16,
                timestamp: at as u32 * 160,
                ..Packet::default()
            };
            let wild = Packet {
                seq: *seq,
                timestamp: *timestamp,
                payload_type: pt & 0x7f,
                marker: *marker,
                payload_len: *len,
                head: *head,
                ..near
            };
            stream.push(if kind % 2 == 0 { &wild } else { &near });
            if *kind == 11 {
                given += stream.split(claim).0.received;
            }
        }
        let report = stream.report();
        prop_assert!(given + report.received + report.duplicate + report.stray
            <= packets.len() as u64 + 1);
    }
}
