//! Streams as networks carry them: silence, noise, redundancy, other clocks, two senders in one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use ringtap_media::{Codec, Packet, PayloadInfo, Pushed, Stream, StreamReport};

const MS: u64 = 1_000_000;

/// Packet `number` of a stream with 20 ms at a clock of `rate`.
fn at(rate: u32, number: u32) -> Packet {
    let clock_ns = 9_000 * MS + u64::from(number) * 20 * MS;
    Packet {
        clock_ns,
        ts_ns: clock_ns,
        timestamp: number.wrapping_mul(rate / 50),
        ssrc: 5,
        seq: number as u16,
        payload_len: 160,
        ..Packet::default()
    }
}

fn packet(number: u32) -> Packet {
    at(8000, number)
}

fn report(infos: &[PayloadInfo], packets: impl IntoIterator<Item = Packet>) -> StreamReport {
    let mut packets = packets.into_iter();
    let mut stream = Stream::new(&packets.next().unwrap());
    stream.set_codecs(infos);
    for packet in packets {
        stream.push(&packet);
    }
    stream.report()
}

fn counts(report: &StreamReport) -> [u64; 4] {
    [report.received, report.lost, report.reordered, report.duplicate]
}

#[track_caller]
fn calm(report: &StreamReport) {
    assert!(report.jitter_ms_max.unwrap() < 0.01, "{:?}", report.jitter_ms_max);
    assert_eq!((report.loss[0].lost, report.sl), (0, [0; 10]));
    assert_eq!(report.d, [0; 7]);
}

#[test]
fn clean_g711_is_rated_93_2_and_4_41() {
    for payload_type in [0, 8] {
        let report = report(&[], (0..500).map(|n| Packet { payload_type, ..packet(n) }));
        assert_eq!(report.r_f1, Some(93.2));
        for mos in [report.mos_f1, report.mos_f2, report.mos_adapt, report.mos_min] {
            assert!((mos.unwrap() - 4.41).abs() < 0.005);
        }
    }
}

#[test]
fn a_known_path_costs_what_its_delay_costs() {
    let mut report = report(&[], (0..500).map(packet));
    // 100 ms of path, 20 of packet: 170 behind 50 ms, 320 behind 200 ms.
    report.rate_with_path(100.0);
    let (near, far) = (report.mos_f1.unwrap(), report.mos_f2.unwrap());
    assert!(far < near && near < 4.41, "{near} {far}");
    assert!((report.r_f1.unwrap() - (93.2 - 0.772)).abs() < 0.005, "{:?}", report.r_f1);
    report.rate_with_path(20.0);
    assert_eq!(report.r_f1, Some(93.2), "up to 100 ms costs nothing");
}

#[test]
fn silence_is_neither_loss_nor_jitter() {
    // Talkspurts of a second with three seconds between, with and without the marker.
    for marker in [true, false] {
        let spurt = |n: u32| n + n / 50 * 150;
        let packets = (0..200).map(|n| Packet {
            seq: n as u16,
            marker: marker && n % 50 == 0,
            ..packet(spurt(n))
        });
        let report = report(&[], packets);
        assert_eq!((counts(&report), report.gaps), ([200, 0, 0, 0], 3));
        calm(&report);
    }
}

#[test]
fn a_talkspurt_whose_timestamp_stood_still_begins_anew() {
    let packets = (0..200).map(|n| Packet {
        clock_ns: packet(n + n / 50 * 50).clock_ns,
        marker: n % 50 == 0,
        ..packet(n)
    });
    let report = report(&[], packets);
    assert_eq!((counts(&report), report.gaps), ([200, 0, 0, 0], 3));
    calm(&report);
}

#[test]
fn comfort_noise_amid_silence() {
    // Noise every 160 ms while nobody talks: RFC 3389.
    let packets = (0..300u32).filter(|n| n % 100 < 50 || n % 8 == 0).enumerate().map(|(at, n)| {
        let silent = n % 100 >= 50;
        let payload_type = if silent { 13 } else { 0 };
        Packet { seq: at as u16, payload_type, marker: n % 100 == 0, ..packet(n) }
    });
    let report = report(&[], packets);
    assert_eq!((report.lost, report.codec_changes, report.codec), (0, 0, Codec::Pcmu));
    calm(&report);
}

#[test]
fn redundancy_is_no_change_of_codec() {
    let infos =
        [PayloadInfo::from_rtpmap(0, "PCMU", 8000), PayloadInfo::from_rtpmap(99, "red", 8000)];
    // RFC 2198: a redundant block of type 0, then the primary one.
    let red = |n| Packet { payload_type: 99, head: 0x8000_a0a0, payload_len: 325, ..packet(n) };
    let all = report(&infos, (0..300).map(red));
    assert_eq!((all.codec, all.payload_type, all.clock_rate), (Codec::Pcmu, 99, 8000));
    assert!((all.mos_f1.unwrap() - 4.41).abs() < 0.005);
    calm(&all);
    let some = report(&infos, (0..300).map(|n| if n % 3 == 0 { red(n) } else { packet(n) }));
    assert_eq!((counts(&some), some.codec_changes), ([300, 0, 0, 0], 0));
    calm(&some);
}

#[test]
fn error_correction_in_the_same_numbers_is_no_change_of_codec() {
    let infos =
        [PayloadInfo::from_rtpmap(0, "PCMU", 8000), PayloadInfo::from_rtpmap(100, "ulpfec", 8000)];
    // RFC 5109: one packet of correction after every four.
    let packets = (0..300).map(|n| match n % 5 {
        4 => Packet { payload_type: 100, ..packet(n) },
        _ => packet(n),
    });
    let report = report(&infos, packets);
    assert_eq!((counts(&report), report.codec_changes), ([300, 0, 0, 0], 0));
    assert_eq!((report.codec, report.sl), (Codec::Pcmu, [0; 10]));
}

#[test]
fn each_codec_has_its_clock() {
    for (name, rate, codec) in [
        ("PCMU", 8000, Codec::Pcmu),
        ("G722", 8000, Codec::G722),
        ("opus", 48_000, Codec::Opus),
        ("G729", 8000, Codec::G729),
        ("AMR", 8000, Codec::Amr),
        ("AMR-WB", 16_000, Codec::AmrWb),
        ("EVS", 16_000, Codec::Evs),
        ("iLBC", 8000, Codec::Ilbc),
        ("GSM", 8000, Codec::Gsm),
        ("speex", 32_000, Codec::Speex),
        ("H264", 90_000, Codec::H264),
    ] {
        let infos = [PayloadInfo::from_rtpmap(97, name, rate)];
        // Every second packet 5 ms late: |D| 5 ms, and jitter comes near to that.
        let packets = (0..300).map(|n| {
            let late_ns = u64::from(n % 2) * 5 * MS;
            let packet = at(rate, n);
            Packet { payload_type: 97, clock_ns: packet.clock_ns + late_ns, ..packet }
        });
        let report = report(&infos, packets);
        assert_eq!((report.codec, report.clock_rate, report.ptime_ms), (codec, rate, 20), "{name}");
        assert!((report.jitter_ms_max.unwrap() - 5.0).abs() < 0.01, "{name}");
        let rated = name != "H264";
        assert_eq!(report.mos_f1.is_some(), rated, "{name}");
    }
}

#[test]
fn a_change_of_clock_is_no_jitter() {
    let infos =
        [PayloadInfo::from_rtpmap(0, "PCMU", 8000), PayloadInfo::from_rtpmap(97, "opus", 48_000)];
    let packets = (0..400).map(|n| match n {
        0..200 => packet(n),
        _ => Packet { payload_type: 97, timestamp: (n - 200) * 960 + 77, ..packet(n) },
    });
    let report = report(&infos, packets);
    assert_eq!((counts(&report), report.codec_changes), ([400, 0, 0, 0], 1));
    calm(&report);
}

#[test]
fn a_step_of_the_system_clock_is_no_jitter() {
    let packets = (0..400).map(|n| {
        let step_ns = if n < 200 { 0 } else { 3_600_000 * MS };
        let packet = packet(n);
        Packet { ts_ns: packet.ts_ns + step_ns, ..packet }
    });
    let report = report(&[], packets);
    assert_eq!(counts(&report), [400, 0, 0, 0]);
    assert_eq!(report.duration_ns(), 399 * 20 * MS);
    calm(&report);
}

#[test]
fn two_senders_with_one_source_lose_nothing() {
    // A collision on one flow (RFC 3550 §8.2): their numbers and timestamps have nothing in common.
    let packets = (0..400u32).map(|n| {
        let own = packet(n / 2);
        let other = Packet { seq: own.seq.wrapping_add(30_000), ..own };
        let other = Packet { timestamp: own.timestamp.wrapping_add(0x4000_0000), ..other };
        let sent = if n % 2 == 0 { own } else { other };
        Packet { clock_ns: packet(n / 2).clock_ns + u64::from(n % 2) * 3 * MS, ..sent }
    });
    let report = report(&[], packets);
    assert_eq!(report.lost, 0);
    assert_eq!(report.received + report.stray + report.duplicate, 400);
}

#[test]
fn a_restart_at_any_number_loses_nothing() {
    for begin in [0u16, 40, 1000, 33_000, 65_000] {
        let packets = (0..400u32).map(|n| match n {
            0..200 => packet(n),
            _ => Packet {
                seq: begin.wrapping_add(n as u16 - 200),
                timestamp: 0x8000_0000 + n * 160,
                ..packet(n + 100)
            },
        });
        let report = report(&[], packets);
        assert_eq!(counts(&report), [400, 0, 0, 0], "{begin}");
        assert!(report.jitter_ms_max.unwrap() < 0.01, "{begin}");
    }
}

#[test]
fn holes_are_told_once_and_know_what_has_come_since() {
    let mut stream = Stream::new(&packet(0));
    assert_eq!(stream.push(&packet(1)), Pushed::Continues);
    assert_eq!(stream.push(&packet(5)), Pushed::Missing);
    let hole = stream.take_hole().unwrap();
    assert_eq!((hole.count, hole.span_ns, hole.clock_ns), (3, 80 * MS, packet(5).clock_ns));
    assert_eq!(stream.take_hole(), None);
    stream.push(&Packet { clock_ns: packet(5).clock_ns, ..packet(3) });
    assert_eq!(stream.still_missing(&hole), 2);
    let again = Packet { seq: 40_000, timestamp: 99_999_999, ..packet(6) };
    stream.push(&again);
    stream.push(&Packet { seq: 40_001, timestamp: 100_000_159, ..packet(7) });
    assert_eq!(stream.still_missing(&hole), 3, "of another numbering nothing is known");
}
