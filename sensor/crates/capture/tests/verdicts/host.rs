//! The programs for a host's own interfaces: the mirror port's verdicts, every frame passes as it
//! is, and what is wanted lies in a ring, whole.

use ringtap_capture::tcx::load::Rings;
use ringtap_capture::tcx::trial::{GO_ON, Trial};
use ringtap_capture::xdp::load::Options;
use ringtap_common::record::{Head, SENT};
use ringtap_common::verdict::Verdict;
use ringtap_testkit::packet::Packet;

use crate::cases::{A, B, plain_cases, udp};
use crate::kernel::{at, is_root, rtp};

fn trial(rings: Rings) -> Option<Trial> {
    if !is_root() {
        eprintln!("skipped: loading a kernel program needs root");
        return None;
    }
    Some(Trial::new(&Options::default(), rings).unwrap_or_else(|error| panic!("{error}")))
}

fn records(trial: &mut Trial) -> Vec<(usize, Head, Vec<u8>)> {
    let mut all = Vec::new();
    trial.records(|ring, record| {
        let (head, frame) = record.expect("a sound record");
        all.push((ring, head, frame.to_vec()));
    });
    all
}

#[test]
fn every_frame_passes_and_what_is_wanted_is_copied_whole() {
    let Some(mut trial) = trial(Rings { count: 1, bytes: 1 << 20 }) else { return };
    for (i, (expected, frame)) in plain_cases().into_iter().enumerate() {
        for sent in [false, true] {
            let before = trial.counts().unwrap();
            let outcome = trial.try_frame(&frame, sent, 1).unwrap();
            let counted = trial.counts().unwrap().since(&before);
            assert_eq!((counted.total(), counted.of(expected)), (1, 1), "case {i}: {counted:?}");
            assert_eq!(outcome.action, GO_ON, "case {i}");
            assert!(outcome.frame == frame, "case {i} was changed");
            let got = records(&mut trial);
            if !expected.is_redirected() {
                assert!(got.is_empty(), "case {i}: {got:?}");
                continue;
            }
            let [(0, head, copy)] = &got[..] else { panic!("case {i}: {got:?}") };
            assert!(*copy == frame, "case {i}: {copy:?}");
            assert_eq!((head.wire_len as usize, head.is(SENT)), (frame.len(), sent), "case {i}");
        }
    }
    assert_eq!(trial.lost(), 0);
}

/// Around the sizes of records, which are a few only.
#[test]
fn a_frame_of_any_length_is_copied_whole() {
    let Some(mut trial) = trial(Rings { count: 1, bytes: 1 << 20 }) else { return };
    let mut last_ns = 0;
    for len in (60..360).chain([475, 476, 477, 988, 989, 1514, 2012, 2013, 3000]) {
        let mut audio = rtp(1);
        audio.extend((0..len as u16).flat_map(u16::to_be_bytes));
        audio.truncate(len - 42);
        let frame = udp(&audio);
        assert_eq!(frame.len(), len);
        trial.try_frame(&frame, false, 1).unwrap();
        let got = records(&mut trial);
        let [(0, head, copy)] = &got[..] else { panic!("{len}: {got:?}") };
        assert!(*copy == frame, "{len}: {copy:?}");
        assert!(head.clock_ns > last_ns, "time stands still");
        last_ns = head.clock_ns;
    }
}

#[test]
fn what_a_full_ring_cannot_take_is_counted() {
    let Some(mut trial) = trial(Rings { count: 1, bytes: 1 << 18 }) else { return };
    const FRAMES: u32 = 5000;
    let outcome = trial.try_frame(&udp(&rtp(1)), false, FRAMES).unwrap();
    assert_eq!(outcome.action, GO_ON);
    let lost = trial.lost();
    let got = records(&mut trial).len() as u64;
    assert!(lost > 0 && got > 500, "{lost} lost, {got} there");
    assert_eq!(lost + got, FRAMES.into());
    assert_eq!(trial.counts().unwrap().of(Verdict::Rtp), FRAMES.into());
    // There is room again, and all of it can be used again and again.
    for _ in 0..20 {
        trial.try_frame(&udp(&rtp(2)), false, 400).unwrap();
        assert_eq!(records(&mut trial).len(), 400);
    }
    assert_eq!(trial.lost(), lost);
}

#[test]
fn both_directions_of_a_flow_share_a_ring_and_flows_use_all_rings() {
    let Some(mut trial) = trial(Rings { count: 5, bytes: 1 << 18 }) else { return };
    let mut used = [0; 5];
    for port in (10_000..12_000).step_by(20) {
        let (near, far) = (at(&format!("10.0.0.1:{port}")), at(B));
        let there = Packet::udp(near, far, &rtp(1)).build();
        let back = Packet::udp(far, near, &rtp(2)).build();
        trial.try_frame(&there, false, 1).unwrap();
        trial.try_frame(&back, true, 1).unwrap();
        let rings: Vec<_> = records(&mut trial).into_iter().map(|(ring, ..)| ring).collect();
        assert!(rings.len() == 2 && rings[0] == rings[1], "{rings:?}");
        used[rings[0]] += 1;
    }
    assert!(used.iter().all(|flows| *flows > 5), "{used:?}");
    let pieces = Packet::udp(at(A), at(B), &[9; 3000]).ip_id(7).fragments(1500);
    for piece in &pieces {
        trial.try_frame(piece, false, 1).unwrap();
    }
    let rings: Vec<_> = records(&mut trial).into_iter().map(|(ring, ..)| ring).collect();
    assert!(rings.len() == pieces.len() && rings.iter().all(|ring| *ring == rings[0]), "{rings:?}");
}
