//! One call, seen by its user: it ends, a moment later it is listed, and its packets can be had,
//! all while the sensor goes on.

use std::fs;
use std::time::{Duration, Instant};

use ringtap_testkit::traffic::{Memory, Plan, generate};

use crate::compare::{assert_same, expected};
use crate::lab::Lab;
use crate::sender::{one_lane, send_all};
use crate::sensor::{Files, Sensor, wait_for};

/// From a call's last message to its record: about a second is meant, this is failure.
const RECORD_LIMIT: Duration = Duration::from_secs(3);
/// Until all packets of a call can be had.
const PACKETS_LIMIT: Duration = Duration::from_secs(5);

/// The packets of a classic capture file with their times in ns.
fn packets(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let unit = match word(0) {
        0xa1b2_3c4d => 1,
        0xa1b2_c3d4 => 1000,
        other => panic!("no classic capture file: {other:#x}"),
    };
    assert_eq!(word(20), 1, "Ethernet");
    let mut all = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let length = word(at + 8) as usize;
        assert_eq!(length, word(at + 12) as usize, "a packet was cut");
        let ts_ns = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4)) * unit;
        all.push((ts_ns, file[at + 16..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    all
}

#[test]
fn a_call_is_listed_within_moments_and_its_packets_can_be_had() {
    let Some(lab) = Lab::new() else { return };
    let plan = Plan {
        calls: 1,
        concurrent: 1,
        ring_ms: (50, 50),
        talk_ms: 1500,
        rtcp_ms: 200,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).unwrap();
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &["--capture", "xdp"]);
    let files = sensor.files.clone();
    send_all(&lab, &one_lane(&frames));

    let ended = Instant::now();
    let calls = wait_for("the call's record", RECORD_LIMIT, || {
        Some(files.calls()).filter(|calls| !calls.is_empty())
    });
    println!("the record was there after {:?}", ended.elapsed());
    assert_same(&calls, &expected(&truth));

    let id = calls[0]["ID"].as_str().unwrap();
    let shown = String::from_utf8(files.ask(&["call", id]).stdout).unwrap();
    assert!(shown.contains("INVITE") && shown.contains("BYE"), "{shown}");

    let spool = files.spool.to_string_lossy().into_owned();
    let output = lab.folder().join("call.pcap");
    let mut sent: Vec<Vec<u8>> = frames.iter().map(|(_, frame)| frame.to_vec()).collect();
    sent.sort();
    let mut last = 0;
    let got = wait_for("all packets of the call", PACKETS_LIMIT, || {
        let file = output.to_string_lossy();
        let asked = files.ask(&["pcap", id, "-o", &file, "--spool", &spool]);
        assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
        let got = packets(&fs::read(&output).unwrap());
        last = got.len();
        (last >= sent.len()).then_some(got)
    });
    println!("its {} packets were there after {:?}", last, ended.elapsed());
    assert!(got.windows(2).all(|pair| pair[0].0 <= pair[1].0), "not in the order of time");
    let mut got: Vec<Vec<u8>> = got.into_iter().map(|(_, frame)| frame).collect();
    got.sort();
    assert!(got == sent, "other packets than those sent: {} of {}", got.len(), sent.len());

    // By Call-ID, as pcapng, after the end: the same packets.
    sensor.finish();
    let output = lab.folder().join("call.pcapng");
    let file = output.to_string_lossy();
    let asked = files.ask(&["pcap", &truth.calls[0].call_id, "-o", &file, "--spool", &spool]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.starts_with(&format!("{} packets", sent.len())), "{said}");
    assert_eq!(fs::read(&output).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
}
