//! Several queues: their workers share the frames, and a call whose SIP and RTP take different
//! queues becomes one whole record; a mirror's copy is dropped on whichever queue it comes.

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::traffic::{Memory, Plan, Truth, generate};
use serde_json::Value;

use crate::compare::{assert_same, expected, has_rtcp};
use crate::lab::{FAR, Lab, QUEUES};
use crate::sender::{Lane, Load, load, processors, send_all};
use crate::sensor::{Files, Sensor, interface, number};

#[test]
fn calls_are_whole_though_their_sip_and_rtp_take_different_queues() {
    let Some(lab) = Lab::new() else { return };
    let cpus = processors();
    let &[first, second, ..] = cpus.as_slice() else {
        println!("skipped: needs two processors");
        return;
    };
    lab.queues_by_processor([first, second]);
    // Two directions of one call may share a queue, so there are several calls.
    let plan = Plan {
        calls: 12,
        concurrent: 12,
        ramp_ms: 400,
        ring_ms: (50, 100),
        talk_ms: 1500,
        rtcp_ms: 100,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).unwrap();
    let mut lanes = [
        Lane { cpu: Some(first), ..Lane::default() },
        Lane { cpu: Some(second), ..Lane::default() },
    ];
    for (ts_ns, frame) in frames.iter() {
        let lane = if load(frame) == Load::Rtp { 1 } else { 0 };
        lanes[lane].frames.push((ts_ns, frame));
    }

    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &["--capture", "xdp"]);
    send_all(&lab, &lanes);
    let totals = truth.totals;
    let ledger = sensor.settled(totals.frames);

    let queues: Vec<u64> =
        interface(&ledger)["queues"].as_array().unwrap().iter().map(number).collect();
    println!("frames of each queue: {queues:?}");
    assert_eq!(queues.len(), QUEUES as usize);
    assert_eq!(ledger["workers"], interface(&ledger)["queues"], "worker i has queue i");
    // SIP and RTCP were alone on their two queues, RTP on the others: no call has both on one.
    assert_eq!(queues[0] + queues[2], totals.sip + totals.rtcp);
    assert_eq!(queues[1] + queues[3], totals.rtp);
    let share = |frames: u64| frames * 10 >= totals.frames;
    let busy = queues.iter().filter(|frames| share(**frames)).count();
    assert!(busy >= 2, "only {busy} workers carry 10 % of the frames: {queues:?}");

    let user = &ledger["user"]["dispositions"];
    let counts = ["sip_udp", "rtp", "rtcp"].map(|key| number(&user[key]));
    assert_eq!(counts, [totals.sip, totals.rtp, totals.rtcp]);
    let files = sensor.files.clone();
    sensor.finish();
    let calls = files.calls();
    assert_same(&calls, &expected(&truth));
    assert!(calls.iter().all(has_rtcp), "a record without RTCP");
    assert!(calls.iter().all(|call| call["sighup"].is_null()), "a call was cut by the end");
}

#[test]
fn copies_that_take_another_queue_are_dropped_too() {
    let Some(lab) = Lab::new() else { return };
    let cpus = processors();
    let &[first, second, ..] = cpus.as_slice() else {
        println!("skipped: needs two processors");
        return;
    };
    lab.queues_by_processor([first, second]);
    let plan = Plan {
        calls: 10,
        concurrent: 10,
        ramp_ms: 200,
        ring_ms: (20, 50),
        talk_ms: 700,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let totals = generate(&plan, &mut frames).unwrap().totals;
    // Which of the two comes first does not matter, so only their number is looked at.
    let lanes = [first, second].map(|cpu| Lane {
        cpu: Some(cpu),
        frames: frames.iter().collect(),
        ..Lane::default()
    });
    let options = ["--capture", "xdp", "-O", "deduplicate_window_ms=400"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &options);
    send_all(&lab, &lanes);
    let ledger = sensor.settled(2 * totals.frames);
    assert_eq!(number(&interface(&ledger)["verdicts"]["duplicate"]), totals.frames);
    assert_eq!(number(&ledger["user"]["received"]), totals.frames);
    sensor.finish();
}

/// Frames with their times.
type Timed = Vec<(u64, Vec<u8>)>;

fn many_calls(seed: u64) -> (Memory, Truth) {
    let plan = Plan {
        seed,
        calls: 16,
        concurrent: 16,
        ramp_ms: 300,
        ring_ms: (50, 100),
        talk_ms: 1200,
        rtcp_ms: 200,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).expect("the plan is sound");
    (frames, truth)
}

fn numbers(values: &Value) -> Vec<u64> {
    values.as_array().expect("a list").iter().map(number).collect()
}

fn lane(frames: &Timed) -> Lane<'_> {
    let cpu = processors().first().copied();
    let frames = frames.iter().map(|(ts_ns, frame)| (*ts_ns, frame.as_slice())).collect();
    Lane { cpu, frames, ..Lane::default() }
}

/// Sends frames by one queue to a sensor whose workers share them; the records are the truth's.
fn check_one_queue(name: &str, frames: &Timed, pieces: u64, truth: &Truth) {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, name);
    let sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    let lane = lane(frames);
    lab.one_queue(lane.cpu.expect("there is a processor"));
    send_all(&lab, &[lane]);
    let ledger = sensor.settled(frames.len() as u64);
    let queues = numbers(&interface(&ledger)["queues"]);
    let workers = numbers(&ledger["workers"]);
    println!("{name}: frames of each queue: {queues:?}, of each worker: {workers:?}");
    let all: u64 = queues.iter().sum();
    assert!(queues.contains(&all), "one queue has all: {queues:?}");
    assert_eq!(workers.iter().sum::<u64>(), all);
    assert!(workers.iter().all(|frames| frames * 100 > all), "a worker without work: {workers:?}");
    let became = &ledger["user"]["dispositions"];
    assert_eq!(["spread_lost", "fragment"].map(|key| number(&became[key])), [0, pieces]);
    sensor.finish();
    let calls = files.calls();
    assert_same(&calls, &expected(truth));
    assert!(calls.iter().all(has_rtcp), "a record without RTCP");
}

#[test]
fn flows_of_a_tunnel_that_the_kernel_opens_are_shared() {
    let (frames, truth) = many_calls(31);
    let wrapped = frames.iter().map(|(ts_ns, frame)| (ts_ns, Wrap::Erspan2.wrap(frame)));
    check_one_queue("erspan", &wrapped.collect(), 0, &truth);
}

#[test]
fn flows_of_a_tunnel_that_the_kernel_hands_over_whole_are_shared() {
    let (frames, truth) = many_calls(32);
    let wrapped = frames.iter().map(|(ts_ns, frame)| (ts_ns, Wrap::Tzsp.wrap(frame)));
    check_one_queue("tzsp", &wrapped.collect(), 0, &truth);
}

/// Some packets of a stream come in pieces, the rest whole: all go to one worker.
#[test]
fn a_stream_of_whole_packets_and_pieces_is_one() {
    let (frames, truth) = many_calls(33);
    let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let (mut sent, mut pieces) = (Timed::new(), 0);
    for ((ts_ns, frame), number) in frames.iter().zip(1..) {
        let gre = [&[0, 0, 0x65, 0x58][..], frame].concat();
        let packet = Packet::ip(src, dst, 47, &gre).ip_id(number);
        if number % 3 == 0 {
            let all = packet.fragments(160);
            pieces += if all.len() > 1 { all.len() as u64 } else { 0 };
            sent.extend(all.into_iter().map(|piece| (ts_ns, piece)));
        } else {
            sent.push((ts_ns, packet.build()));
        }
    }
    check_one_queue("pieces", &sent, pieces, &truth);
}

/// Link aggregation: the packets of each flow come by two interfaces in turn.
#[test]
fn a_flow_that_comes_by_two_interfaces_is_scored_once_and_whole() {
    let Some(lab) = Lab::new() else { return };
    lab.near.veth("near1", &lab.far, "far1", 3).unwrap();
    let (frames, truth) = many_calls(34);
    let both = format!("{FAR},far1");
    for (name, how) in [("lag-xdp", "xdp"), ("lag-packet", "packet")] {
        let files = Files::new(&lab, name);
        let options = ["-i", &both, "--capture", how, "-O", "auto_enable_use_blocks=yes"];
        let sensor = Sensor::start(&lab, &files, &options);
        let all = frames.iter().collect();
        send_all(&lab, &[Lane { frames: all, also: Some("near1"), ..Lane::default() }]);
        let ledger = sensor.settled_user(frames.len() as u64);
        println!("{name}: frames of each worker: {}", ledger["workers"]);
        sensor.finish();
        assert_same(&files.calls(), &expected(&truth));
        assert!(files.calls().iter().all(has_rtcp), "a record without RTCP");
    }
}

/// Both interfaces bring everything, the second one in a tunnel that the kernel does not open.
#[test]
fn copies_by_another_interface_and_in_a_tunnel_count_once() {
    let Some(lab) = Lab::new() else { return };
    lab.near.veth("near1", &lab.far, "far1", 3).unwrap();
    let (frames, truth) = many_calls(35);
    let wrapped: Timed =
        frames.iter().map(|(ts_ns, frame)| (ts_ns, Wrap::MplsUdp.wrap(frame))).collect();
    let files = Files::new(&lab, "sensor");
    // The one with fewer queues first: the last queue's worker has the other one's only.
    let both = format!("far1,{FAR}");
    let options = ["-i", &both, "--capture", "xdp", "-O", "deduplicate_window_ms=400"];
    let sensor = Sensor::start(&lab, &files, &options);
    let plain = Lane { frames: frames.iter().collect(), ..Lane::default() };
    send_all(&lab, &[plain, Lane { via: Some("near1"), ..lane(&wrapped) }]);
    let count = frames.len() as u64;
    let ledger = sensor.settled_user(2 * count);
    assert_eq!(number(&ledger["user"]["dispositions"]["duplicate"]), count);
    let interfaces = ledger["interfaces"].as_array().expect("a list");
    let copies = interfaces.iter().map(|one| number(&one["duplicates"])).sum::<u64>();
    assert_eq!(copies, count, "each by the interface that was later");
    assert!(interfaces.iter().all(|one| one["frames"] == count), "{interfaces:#?}");
    sensor.finish();
    assert_same(&files.calls(), &expected(&truth));
}
