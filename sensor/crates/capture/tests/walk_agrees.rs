//! The same frames, sound and damaged, through the program in the kernel and through the same
//! walk here: they agree on every one.

mod kernel;

use std::collections::{HashMap, HashSet};

use kernel::{Bench, at, rtp};
use ringtap_common::classify::classify;
use ringtap_common::fingerprint::{Slot, fingerprint};
use ringtap_common::maps::PortSets;
use ringtap_common::peel::DEPTH;
use ringtap_common::tunnel::{self, Entry};
use ringtap_common::verdict::Verdict;
use ringtap_common::walk::{Fragment, Headers, Layer, Stop, walk_layer};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::rng::Rng;

/// Damaged frames made from each sound one.
const MUTATIONS: usize = 400;
/// The kernel runs no shorter frame.
const FRAME_MIN: usize = 14;

/// What user space says about a frame, without the table of copies: layer by layer, as the kernel
/// program goes.
fn judge(frame: &[u8], ports: &PortSets) -> (Verdict, Option<Headers>) {
    let mut layer = Layer::ethernet(0);
    for depth in 0..=DEPTH {
        let h = match walk_layer(&frame, layer) {
            Err(Stop::OtherProto) => return (Verdict::OtherProto, None),
            Err(stop) if depth == 0 => return (stop.into(), None),
            Err(_) => return (Verdict::Tunnel, None),
            Ok(h) => h,
        };
        if h.fragment != Fragment::Whole {
            return (Verdict::Fragment, Some(h));
        }
        let unopened = h.is_tunnel() || tunnel::by_port(&h, ports).is_some_and(|k| !k.is_cheap());
        match tunnel::enter(&frame, &h, ports) {
            Some(Entry::Layer(inner)) if inner.kind.is_cheap() => layer = inner.layer,
            None if !unopened => {
                return (Verdict::of(classify(&frame, &h, ports), h.proto), Some(h));
            }
            _ => return (Verdict::Tunnel, None),
        }
    }
    (Verdict::TooDeep, None)
}

fn sound_frames() -> Vec<Vec<u8>> {
    let (a, b) = (at("10.0.0.1:20000"), at("10.0.0.2:30000"));
    let (a6, b6) = (at("[fd00::1]:20000"), at("[fd00::2]:5060"));
    let audio = rtp(1);
    let mut with_list = rtp(2);
    with_list[0] = 0x93;
    with_list[24..28].copy_from_slice(&[0xbe, 0xde, 0, 4]);
    let mut report = vec![0x81, 201, 0, 7];
    report.resize(32, 5);
    let stun = [&[0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42][..], &[1; 16]].concat();
    let long = vec![b'x'; 3000];
    let mut frames = vec![
        Packet::udp(a, b, &audio).ip_id(1).build(),
        Packet::udp(a, b, &with_list).vlan(7).build(),
        Packet::udp(a, b, &report).tag(0x88a8, 1).vlan(2).build(),
        Packet::udp(a, b, &stun).options(&[1; 12]).build(),
        Packet::udp(a, b, &[20, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]).build(),
        Packet::udp(a6, b6, b"INVITE sip:b SIP/2.0\r\n\r\n").build(),
        Packet::udp(a6, b6, b"\r\n").extensions(&[(0, &[1; 6][..]), (60, &[2; 14])]).build(),
        Packet::udp(a6, a6, &audio).extensions(&[(43, &[0; 22][..]), (60, &[0; 6])]).build(),
        Packet::tcp(a, at("10.0.0.2:5060"), 7, 8, 0x18, b"REGISTER sip:b SIP/2.0").build(),
        Packet::tcp(a6, b6, 7, 8, 0x02, b"").vlan(1).vlan(2).vlan(3).build(),
        Packet::ip(a.ip(), b.ip(), 1, &[8; 60]).build(),
        Packet::ip(a6.ip(), b6.ip(), 58, &[8; 60]).build(),
    ];
    let plain = frames.clone();
    frames.extend(Wrap::ALL.iter().map(|wrap| wrap.wrap(&plain[0])));
    frames.extend([Wrap::Vxlan, Wrap::GreAll].map(|wrap| wrap.wrap(&Wrap::Geneve.wrap(&plain[8]))));
    frames.extend(Packet::udp(a, b, &long).ip_id(9).fragments(1500));
    frames.extend(Packet::udp(a6, b6, &long).ip_id(9).fragments(1500));
    frames
}

/// A few bytes of the headers changed, often to values that mean something; sometimes cut.
fn mutate(frame: &[u8], rng: &mut Rng) -> Vec<u8> {
    const TELLING: [u8; 18] =
        [0, 1, 4, 5, 6, 8, 17, 41, 43, 44, 51, 58, 60, 0x45, 0x4f, 0x60, 0x80, 0xff];
    let mut frame = frame.to_vec();
    for _ in 0..rng.between(1, 4) {
        let reach = if rng.chance(0.8) { frame.len().min(100) } else { frame.len() };
        let place = rng.between(12, reach as u64 - 1) as usize;
        frame[place] = match rng.below(3) {
            0 => TELLING[rng.below(TELLING.len() as u64) as usize],
            1 => frame[place] ^ 1 << rng.below(8),
            _ => rng.next_u32() as u8,
        };
    }
    if rng.chance(0.2) {
        frame.truncate(rng.between(FRAME_MIN as u64, frame.len() as u64) as usize);
    }
    frame
}

/// Calls `check` with thousands of frames, the same in every run.
fn for_all_frames(mut check: impl FnMut(&[u8])) -> usize {
    let mut rng = Rng::new(0x72_74_61_70);
    let mut frames = 0;
    for sound in sound_frames() {
        check(&sound);
        for _ in 0..MUTATIONS {
            check(&mutate(&sound, &mut rng));
        }
        frames += 1 + MUTATIONS;
    }
    frames
}

#[test]
fn verdicts_are_the_same() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 0) else { return };
    let ports = PortSets::default();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let frames = for_all_frames(|frame| {
        let (expected, headers) = judge(frame, &ports);
        assert_eq!(bench.verdict(frame), expected, "{headers:?} {frame:02x?}");
        *seen.entry(expected.label()).or_default() += 1;
    });
    println!("{frames} frames: {seen:?}");
    // The damage reaches every branch, or agreement would mean little.
    for label in ["truncated", "bad_ip", "bad_udp", "bad_tcp", "not_ip", "other_proto", "rtp"] {
        assert!(seen.get(label).is_some_and(|n| *n >= 5), "{label}: {seen:?}");
    }
}

/// Frames in tunnels, cut behind every byte.
#[test]
fn verdicts_are_the_same_for_what_is_cut_anywhere() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 0) else { return };
    let ports = PortSets::default();
    let inner = Packet::udp(at("10.0.0.1:20000"), at("10.0.0.2:30000"), &rtp(1)).build();
    for wrap in Wrap::ALL {
        let frame = wrap.wrap(&inner);
        for length in FRAME_MIN..=frame.len() {
            let (expected, headers) = judge(&frame[..length], &ports);
            let got = bench.verdict(&frame[..length]);
            assert_eq!(got, expected, "{} {length}: {headers:?}", wrap.label());
        }
    }
}

#[test]
fn fingerprints_are_the_same() {
    let Some(bench) = Bench::new(|_| ()) else { return };
    let ports = PortSets::default();
    let seed = bench.program.settings().seed;
    let mut compared = HashSet::new();
    for_all_frames(|frame| {
        let (expected, headers) = judge(frame, &ports);
        let Some(h) = headers.filter(|_| expected.is_redirected()) else { return };
        let Some(print) = fingerprint(&frame, &h, &seed) else { return };
        // Frames of equal fingerprint come close together here, and would be dropped as copies.
        if !compared.insert(print.key) {
            return;
        }
        assert_eq!(bench.verdict(frame), expected);
        let slot = bench.program.duplicate_slot(print.key).unwrap();
        // All but the time.
        assert_eq!(slot.0 >> 16, Slot::new(&print, 0).0 >> 16, "{h:?} {frame:02x?}");
    });
    assert!(compared.len() > 1000, "{}", compared.len());
}
