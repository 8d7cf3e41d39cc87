//! Invariants of the truth, and what an independent reader finds in the frames.

use super::{Count, IpId, Loss, Memory, MirrorShape, Outcome, Plan, Shares, StreamTruth, generate};
use crate::packet::checksum::{add, finish, pseudo};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A bit of everything.
fn rough(seed: u64) -> Plan {
    Plan {
        seed,
        calls: 40,
        concurrent: 12,
        ramp_ms: 500,
        talk_ms: 4000,
        ring_ms: (50, 200),
        duration: super::Duration::Uniform(0.5),
        rtcp_ms: 1000,
        shares: Shares {
            busy: 0.1,
            cancelled: 0.1,
            no_answer: 0.1,
            rejected: 0.05,
            auth: 0.3,
            reinvite: 0.3,
            early_media: 0.3,
            unconfirmed: 0.1,
            abandoned: 0.1,
            retransmitted: 0.2,
            dtmf: 0.5,
            ipv6: 0.3,
            pcma: 0.5,
            ..Shares::default()
        },
        loss: Loss::Burst { share: 0.05, burst: 2.5 },
        jitter_ms: 8.0,
        reorder: 0.02,
        duplicates: 0.02,
        mirror: 0.2,
        mirror_shapes: vec![
            MirrorShape { routed: true, vlan: None },
            MirrorShape { routed: true, vlan: Some(200) },
            MirrorShape { routed: false, vlan: None },
        ],
        vlans: vec![100],
        ..Plan::default()
    }
}

fn frames(plan: &Plan) -> (Memory, super::Truth) {
    let mut memory = Memory::default();
    let truth = generate(plan, &mut memory).unwrap();
    (memory, truth)
}

/// A UDP datagram as read here, without the builders: sender, receiver, IP id, payload.
struct Datagram<'a> {
    src: SocketAddr,
    dst: SocketAddr,
    id: u16,
    ttl: u8,
    payload: &'a [u8],
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn read(frame: &[u8]) -> Datagram<'_> {
    let mut at = 12;
    while be16(frame, at) == 0x8100 {
        at += 4;
    }
    let (ip, v6) = (&frame[at + 2..], be16(frame, at) == 0x86dd);
    let address = |from: usize| {
        if v6 {
            let octets: [u8; 16] = ip[from..from + 16].try_into().unwrap();
            IpAddr::from(octets)
        } else {
            IpAddr::V4(Ipv4Addr::new(ip[from], ip[from + 1], ip[from + 2], ip[from + 3]))
        }
    };
    let (src, dst) = if v6 { (address(8), address(24)) } else { (address(12), address(16)) };
    let (udp, id, ttl) = if v6 {
        assert_eq!(usize::from(be16(ip, 4)) + 40, ip.len());
        (&ip[40..], 0, ip[7])
    } else {
        assert_eq!(finish(add(0, &ip[..20])), 0, "IP checksum");
        assert_eq!(usize::from(be16(ip, 2)), ip.len());
        (&ip[20..], be16(ip, 4), ip[8])
    };
    assert_eq!(finish(add(pseudo(src, dst, 17, udp.len()), udp)), 0, "UDP checksum");
    Datagram {
        src: SocketAddr::new(src, be16(udp, 0)),
        dst: SocketAddr::new(dst, be16(udp, 2)),
        id,
        ttl,
        payload: &udp[8..],
    }
}

#[test]
fn same_seed_same_bytes_and_other_seed_other_bytes() {
    let (first, truth) = frames(&rough(7));
    let (again, same) = frames(&rough(7));
    assert!(first == again);
    assert_eq!(truth, same);
    assert!(first != frames(&rough(8)).0);
}

#[test]
fn stamps_never_go_back_and_have_the_resolution() {
    let (memory, truth) = frames(&rough(1));
    let mut last = 0;
    for (ts_ns, _) in memory.iter() {
        assert!(ts_ns >= last && ts_ns % 1000 == 0);
        last = ts_ns;
    }
    assert_eq!(memory.len() as u64, truth.totals.frames);
    assert_eq!((last, memory.get(0).unwrap().0), (truth.totals.last_ns, truth.totals.first_ns));
}

#[test]
fn sums_hold() {
    for seed in 0..20 {
        let (_, truth) = frames(&rough(seed));
        let totals = truth.totals;
        assert_eq!(totals.calls, 40);
        assert!(totals.concurrent <= 12);
        assert_eq!(totals.frames, totals.sip + totals.rtp + totals.rtcp + totals.mirror_copies);
        truth.calls.iter().flat_map(|c| &c.streams).for_each(stream_sums_hold);
        let sum = |of: fn(&StreamTruth) -> u64| -> u64 {
            truth.calls.iter().flat_map(|c| &c.streams).map(of).sum()
        };
        assert_eq!(totals.rtp, sum(|s| s.received + s.duplicate));
        assert_eq!(totals.lost, sum(|s| s.lost_inside + s.lost_edges));
        assert_eq!(totals.duplicates, sum(|s| s.duplicate));
        assert_eq!(totals.rtcp, sum(|s| s.rtcp));
        assert_eq!(totals.sip, truth.calls.iter().map(|c| c.sip_messages).sum::<u64>());
        let again: u64 = truth.calls.iter().map(|c| c.retransmissions).sum();
        let exercised =
            [totals.lost, totals.duplicates, sum(|s| s.reordered), totals.mirror_copies, again];
        assert!(!exercised.contains(&0), "{exercised:?}");
    }
}

fn stream_sums_hold(stream: &StreamTruth) {
    assert_eq!(stream.sent, stream.received + stream.lost_inside + stream.lost_edges);
    let short = stream.bursts.iter().zip(1..).take(9);
    let in_short: u64 = short.map(|(count, length)| count * length).sum();
    let in_long = stream.lost_inside.checked_sub(in_short);
    match stream.bursts[9] {
        0 => assert_eq!(in_long, Some(0)),
        count => assert!(in_long >= Some(10 * count)),
    }
}

/// One stream as counted from the file.
#[derive(Default)]
struct Seen {
    packets: HashMap<u16, u32>,
    ids: HashSet<u16>,
    highest: u16,
    reordered: u64,
    mirrored: u64,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
}

impl Seen {
    fn take(&mut self, ts_ns: u64, id: u16, first_seq: u16, payload: &[u8]) {
        if !self.ids.insert(id) {
            self.mirrored += 1;
            return;
        }
        let number = be16(payload, 2).wrapping_sub(first_seq);
        let count = self.packets.entry(number).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.reordered += u64::from(number < self.highest);
            self.highest = self.highest.max(number);
        }
        self.first_ns.get_or_insert(ts_ns);
        self.last_ns = Some(ts_ns);
    }
}

/// Counts streams anew from the frames' bytes alone. Mirror copies are known by their equal IP
/// id, which only IPv4 has.
#[test]
fn the_frames_agree_with_the_truth() {
    let mut plan = rough(3);
    plan.shares.ipv6 = 0.0;
    let (memory, truth) = frames(&plan);
    let streams = || truth.calls.iter().flat_map(|c| &c.streams);
    let firsts: HashMap<_, _> = streams().map(|s| ((s.src, s.dst), s.first_seq)).collect();
    let mut counted: HashMap<_, Seen> = HashMap::new();
    for (ts_ns, frame) in memory.iter() {
        let Datagram { src, dst, id, payload, .. } = read(frame);
        if let Some(first_seq) = firsts.get(&(src, dst)) {
            counted.entry((src, dst)).or_default().take(ts_ns, id, *first_seq, payload);
        }
    }
    for stream in streams() {
        let seen = &counted[&(stream.src, stream.dst)];
        let received = seen.packets.len() as u64;
        let all: u32 = seen.packets.values().sum();
        assert_eq!(received, stream.received);
        assert_eq!(u64::from(all) - received, stream.duplicate);
        assert_eq!(seen.reordered, stream.reordered);
        assert_eq!(seen.mirrored, stream.mirror_copies);
        assert_eq!((seen.first_ns, seen.last_ns), (stream.first_ns, stream.last_ns));
        let numbers = || seen.packets.keys().copied();
        let span = numbers().max().unwrap() - numbers().min().unwrap() + 1;
        assert_eq!(u64::from(span) - received, stream.lost_inside);
    }
}

#[test]
fn every_frame_has_right_checksums_and_copies_differ_only_where_they_may() {
    let (memory, truth) = frames(&rough(4));
    let mut tagged = HashMap::new();
    let mut lower_ttl = 0;
    for (_, frame) in memory.iter() {
        let datagram = read(frame);
        *tagged.entry(be16(frame, 14)).or_insert(0) += 1;
        lower_ttl += u64::from(datagram.ttl == 63);
        assert!(datagram.ttl == 64 || frame[6..12] == [2, 0, 0, 0, 0, 0xfe]);
    }
    assert!(lower_ttl > 0 && lower_ttl < truth.totals.mirror_copies);
    assert_eq!(tagged.len(), 2);
    assert!(tagged[&200] < truth.totals.mirror_copies);
}

#[test]
fn outcomes_have_their_messages_and_times() {
    let mut plan = rough(5);
    plan.calls = 200;
    let (_, truth) = frames(&plan);
    for outcome in [
        (Outcome::Answered, 200),
        (Outcome::Busy, 486),
        (Outcome::Cancelled, 487),
        (Outcome::NoAnswer, 480),
        (Outcome::Rejected, 404),
    ] {
        assert!(truth.calls.iter().any(|c| (c.outcome, c.response) == outcome), "{outcome:?}");
    }
    for call in &truth.calls {
        let answered = call.outcome == Outcome::Answered;
        assert_eq!(call.answer_ns.is_some(), answered);
        assert_eq!(call.bye_ns.is_some(), call.bye_code >= 2);
        assert_eq!(call.bye_code > 0, answered);
        assert_eq!(call.streams.len(), if answered { 2 } else { usize::from(call.early_media) });
        let order = [Some(call.invite_ns), call.ringing_ns, call.answer_ns, call.bye_ns];
        assert!(order.iter().flatten().is_sorted());
        assert!(call.end_ns >= order.into_iter().flatten().max().unwrap());
        if let Some(bye_ns) = call.bye_ns {
            let last_ns = call.streams.iter().filter_map(|s| s.last_ns).max();
            assert!(last_ns.unwrap() < bye_ns);
        }
    }
}

#[test]
fn sequence_numbers_wrap_and_one_ssrc_serves_all() {
    let plan = Plan {
        calls: 5,
        concurrent: 5,
        talk_ms: 3000,
        wrap: true,
        ssrc_reuse: true,
        loss: Loss::Independent(0.02),
        ..Plan::default()
    };
    let (_, truth) = frames(&plan);
    let streams: Vec<_> = truth.calls.iter().flat_map(|c| &c.streams).collect();
    assert!(streams.iter().all(|s| u64::from(s.first_seq) + s.received > 65_535));
    assert!(streams.iter().all(|s| s.ssrc == streams[0].ssrc));
    assert!(streams.iter().all(|s| s.received + s.lost_inside <= s.sent));
}

#[test]
fn a_clean_plan_loses_nothing_and_has_no_jitter() {
    let shares = Shares { dtmf: 1.0, ..Shares::default() };
    let plan = Plan { calls: 3, talk_ms: 5000, shares, ..Plan::default() };
    let (_, truth) = frames(&plan);
    for call in &truth.calls {
        assert_eq!(call.streams[0].dtmf.len(), 4);
        assert_eq!(call.streams[1].dtmf, "");
        for stream in &call.streams {
            assert_eq!(stream.sent, stream.received);
            assert_eq!((stream.reordered, stream.duplicate, stream.mirror_copies), (0, 0, 0));
            assert!(stream.jitter_ms_max < 0.001, "{}", stream.jitter_ms_max);
        }
    }
}

#[test]
fn ports_are_distinct_unless_reuse_is_asked_for() {
    let plan = Plan { calls: 60, concurrent: 20, talk_ms: 200, ..Plan::default() };
    let pairs = |plan: &Plan| {
        let (_, truth) = frames(plan);
        let streams = truth.calls.iter().flat_map(|c| &c.streams);
        streams.map(|s| s.src).collect::<HashSet<_>>().len()
    };
    assert_eq!(pairs(&plan), 120);
    assert_eq!(pairs(&Plan { reuse_ports: true, ..plan }), 40);
}

#[test]
fn without_ip_ids_a_senders_repetition_stays_out_of_the_mirrors_window() {
    let plan =
        Plan { calls: 5, duplicates: 0.1, talk_ms: 2000, ip_id: IpId::Zero, ..Plan::default() };
    let (memory, truth) = frames(&plan);
    assert!(truth.totals.duplicates > 0);
    let mut last: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut repeated = 0;
    for (ts_ns, frame) in memory.iter() {
        if let Some(before) = last.insert(frame.to_vec(), ts_ns) {
            assert!(ts_ns - before >= 25_000_000 - 1000);
            repeated += 1;
        }
    }
    assert_eq!(repeated, truth.totals.duplicates);
}

#[test]
fn audio_is_never_silence() {
    let (memory, _) = frames(&Plan { calls: 1, talk_ms: 2000, ..Plan::default() });
    let mut audio = 0;
    for (_, frame) in memory.iter() {
        let payload = read(frame).payload;
        if payload.len() == 172 {
            audio += 1;
            let different: HashSet<_> = payload[12..].iter().collect();
            assert!(different.len() > 60);
        }
    }
    assert!(audio > 150);
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    for plan in [
        Plan { calls: 0, ..Plan::default() },
        Plan { loss: Loss::Independent(1.0), ..Plan::default() },
        Plan { vlans: vec![0], ..Plan::default() },
        Plan { reorder: 1.5, ..Plan::default() },
        Plan { mirror: f64::NAN, ..Plan::default() },
        Plan {
            shares: Shares { busy: 0.6, no_answer: 0.6, ..Shares::default() },
            ..Plan::default()
        },
    ] {
        let error = generate(&plan, &mut Count::default()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{plan:?}");
    }
}

#[test]
fn the_truth_file_has_one_sound_object_a_line() {
    let (_, truth) = frames(&rough(6));
    let mut bytes = Vec::new();
    truth.write_json_lines(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), truth.calls.len() + 1);
    for line in text.lines() {
        assert!(line.starts_with("{\"type\":\"") && line.ends_with('}'));
        let depth = line.chars().fold(0i32, |depth, c| match c {
            '{' | '[' => depth + 1,
            '}' | ']' => depth - 1,
            _ => depth,
        });
        assert_eq!(depth, 0);
    }
    let first = text.lines().next().unwrap();
    let stream = &truth.calls.iter().find(|c| !c.streams.is_empty()).unwrap().streams[0];
    assert!(first.contains(&format!("\"callid\":\"{}\"", truth.calls[0].call_id)));
    assert!(text.contains(&format!("\"sent\":{},\"received\":{}", stream.sent, stream.received)));
    assert!(text.lines().last().unwrap().contains(&format!("\"rtp\":{}", truth.totals.rtp)));
}
