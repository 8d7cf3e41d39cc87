//! Decoders against the Recommendations' values, an independent implementation, and noise.

use opus_pure::{Application, OpusEncoder};
use proptest::prelude::*;

use super::*;

/// ITU-T G.711 tables 1a and 2a: decoder output values of the positive codes that begin each
/// segment, smallest first, in the Recommendation's own units (13 bits A-law, 14 bits µ-law).
const ALAW_STARTS: [i16; 8] = [1, 33, 66, 132, 264, 528, 1056, 2112];
const ULAW_STARTS: [i16; 8] = [0, 33, 99, 231, 495, 1023, 2079, 4191];

#[test]
fn g711_has_the_values_of_the_recommendation() {
    for segment in 0..8_u8 {
        let at = usize::from(segment);
        let (alaw, ulaw) = (0xd5 ^ (segment << 4), 0xff ^ (segment << 4));
        assert_eq!(g711::alaw(alaw), ALAW_STARTS[at] * 8, "{segment}");
        assert_eq!(g711::ulaw(ulaw), ULAW_STARTS[at] * 4, "{segment}");
    }
    // The greatest of either sign: 4032 and 8031.
    assert_eq!((g711::alaw(0xaa), g711::alaw(0x2a)), (4032 * 8, -4032 * 8));
    assert_eq!((g711::ulaw(0x80), g711::ulaw(0x00)), (8031 * 4, -8031 * 4));
}

#[test]
fn g711_codes_rise_and_mirror() {
    for decode in [|n: u8| g711::alaw((n | 0x80) ^ 0x55), |n: u8| g711::ulaw(!n)] {
        let values: Vec<i16> = (0..128).map(decode).collect();
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
    }
    for code in 0..=255_u8 {
        assert_eq!(g711::alaw(code), -g711::alaw(code ^ 0x80));
        assert_eq!(g711::ulaw(code), -g711::ulaw(code ^ 0x80));
    }
}

/// FNV-1a over the samples.
fn digest(samples: &[i16]) -> u64 {
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The digest was computed with another implementation of G.722 from the same 20,000 bytes, in
/// which both bands overflow often.
#[test]
fn g722_agrees_with_another_implementation_on_noise() {
    let mut state = 1_u32;
    let mut decoder = g722::Decoder::default();
    let mut samples = Vec::new();
    for _ in 0..20_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        samples.extend(decoder.decode((state >> 24) as u8));
    }
    assert_eq!(samples[..16], [0, 0, -1, -1, 0, 0, 0, -1, -1, 0, 1, -4, 3, -5, -4, -5]);
    assert_eq!(digest(&samples), 0xf68e_74b2_6d06_8ea5);
}

/// 1 kHz at 8,000 of 32,767, coded by another implementation.
const G722_TONE: [u8; 80] = [
    0xfa, 0x94, 0x25, 0x88, 0x21, 0x91, 0xa0, 0xa0, 0x60, 0xaf, 0xc8, 0xc6, 0xd1, 0xde, 0xf0, 0xeb,
    0xee, 0x7b, 0xd4, 0xd0, 0xd3, 0xbe, 0xb0, 0xec, 0xf0, 0xfc, 0x55, 0xd1, 0x94, 0xfe, 0xf1, 0xad,
    0xf1, 0xfd, 0xd6, 0x52, 0xd6, 0xbf, 0xf2, 0xef, 0xf3, 0xff, 0xd6, 0xd4, 0x97, 0xfd, 0xf2, 0xef,
    0x74, 0xfd, 0x97, 0xd4, 0x96, 0xfd, 0xf2, 0xb0, 0xf3, 0x7e, 0xd6, 0x94, 0xd7, 0xfb, 0xb4, 0xef,
    0xf4, 0xfd, 0x57, 0xd4, 0x97, 0xfd, 0xf2, 0xb0, 0xf3, 0xdf, 0xd8, 0x53, 0x99, 0xfd, 0xf3, 0xb1,
];

#[test]
fn g722_gives_the_tone_back() {
    let coding = Coding::new(Codec::G722, 8000).unwrap();
    let mut samples = Vec::new();
    assert!(Decoder::new(coding).unwrap().decode(&G722_TONE, coding, &mut samples));
    assert_eq!(samples.len(), 160);
    // Both filters together delay by 22 samples.
    let tone = |n: usize| 8000.0 * (n as f64 * std::f64::consts::TAU / 16.0).sin();
    for (n, got) in samples.iter().enumerate().skip(80) {
        let (got, wanted) = (f64::from(*got), tone(n - 22));
        assert!((got - wanted).abs() < 500.0, "{n}: {got} for {wanted}");
    }
}

/// How alike two signals are at the best delay, 0 to 1.
fn likeness(one: &[i16], other: &[i16]) -> f64 {
    let at = |delay: usize| {
        let (mut product, mut power, mut other_power) = (0.0, 0.0, 0.0);
        for (a, b) in one.iter().zip(other.iter().skip(delay)) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            (product, power, other_power) = (product + a * b, power + a * a, other_power + b * b);
        }
        product / (power * other_power).sqrt().max(1.0)
    };
    (0..1000).map(at).fold(0.0, f64::max)
}

/// A chirp from 200 to 600 Hz at 48 kHz: alike at one delay only.
fn chirp(seconds: f64) -> Vec<i16> {
    let phase = |t: f64| std::f64::consts::TAU * (200.0 * t + 200.0 * t * t / seconds);
    let sample = |n: usize| 9000.0 * phase(n as f64 / 48_000.0).sin();
    (0..(seconds * 48_000.0) as usize).map(|n| sample(n) as i16).collect()
}

#[test]
fn opus_gives_back_what_was_coded() {
    let coding = Coding::new(Codec::Opus, 48_000).unwrap();
    let given = chirp(1.0);
    for channels in [1, 2] {
        let mut encoder = OpusEncoder::new(48_000, channels, Application::Voip).unwrap();
        encoder.bitrate_bps = 32_000;
        let mut decoder = Decoder::new(coding).unwrap();
        let (mut heard, mut samples, mut packet) = (Vec::new(), Vec::new(), vec![0; 4000]);
        for block in given.chunks_exact(960) {
            let block: Vec<i16> = block.iter().flat_map(|s| vec![*s; channels]).collect();
            let len = encoder.encode_s16(&block, 960, &mut packet).unwrap();
            assert!(decoder.decode(&packet[..len], coding, &mut samples));
            assert_eq!(samples.len(), 960);
            heard.extend_from_slice(&samples);
        }
        let alike = likeness(&given[..40_000], &heard);
        assert!(alike > 0.95, "{channels} channels: {alike}");
    }
}

#[test]
fn a_recording_has_the_lowest_rate_that_holds_all() {
    let coding = |codec, clock| Coding::new(codec, clock).unwrap();
    let narrow = coding(Codec::Pcmu, 8000);
    let wide = coding(Codec::G722, 8000);
    let full = coding(Codec::Opus, 48_000);
    assert_eq!(rate([]), 8000);
    assert_eq!(rate([narrow, coding(Codec::Pcma, 8000)]), 8000);
    assert_eq!(rate([narrow, wide]), 16_000);
    assert_eq!(rate([wide, full]), 48_000);
    assert_eq!(rate([coding(Codec::Pcma, 12_000)]), 48_000);
    for clock in [0, 1, 4000, 7999, 11_025, 44_100, 90_000, u32::MAX] {
        assert_eq!(Coding::new(Codec::Pcmu, clock), None);
    }
}

proptest! {
    #[test]
    fn any_payload_is_decoded_or_refused(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8),
    ) {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let coding = Coding::new(codec, 48_000).unwrap();
            let mut decoder = Decoder::new(coding).unwrap();
            let mut samples = Vec::new();
            for payload in &payloads {
                let good = decoder.decode(payload, coding, &mut samples);
                prop_assert_eq!(good, !samples.is_empty());
                prop_assert!(!payload.is_empty() || !good);
                prop_assert!(samples.len() <= 48_000);
            }
        }
    }
}
