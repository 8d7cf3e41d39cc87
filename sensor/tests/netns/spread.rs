//! Several queues: their workers share the frames, and a call whose SIP and RTP take different
//! queues becomes one whole record; a mirror's copy is dropped on whichever queue it comes.

use ringtap_testkit::traffic::{Memory, Plan, generate};

use crate::compare::{assert_same, expected, has_rtcp};
use crate::lab::{Lab, QUEUES};
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
