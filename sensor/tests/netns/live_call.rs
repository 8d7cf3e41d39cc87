//! Calls as their user sees them: while they run, with their quality so far; and soon after their
//! end, their records and packets, all while the sensor goes on.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringtap_testkit::traffic::{Memory, Plan, generate};
use rusqlite::Connection;
use serde_json::Value;

use crate::compare::{assert_same, expected};
use crate::lab::Lab;
use crate::sender::{one_lane, send, send_all};
use crate::sensor::{Files, Sensor, number, ringtap, wait_for};

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

/// How long something may take that usually takes a fraction of a second.
const LIMIT: Duration = Duration::from_secs(10);

/// From the answer to a BYE to the row in the store: below a second is meant, this is failure on
/// a machine that is busy with other things.
const RECORD_LIMIT_S: f64 = 3.0;

/// The running calls that pass filters.
pub(crate) fn listed(files: &Files, filters: &[&str]) -> Vec<Value> {
    let socket = files.socket.to_string_lossy();
    let words = ["calls", "--live", "--format", "json", "--socket", &socket];
    let done = ringtap(&[&words, filters].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let lines = String::from_utf8(done.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// Peers that ask and never listen, that never ask, and that ask for nonsense.
fn a_crowd(files: &Files) -> Vec<UnixStream> {
    let peers: Vec<UnixStream> =
        (0..9).map(|_| UnixStream::connect(&files.socket).expect("the socket is open")).collect();
    for (n, mut peer) in peers.iter().enumerate() {
        let words: &[u8] = match n % 3 {
            0 => b"{\"ask\":\"calls\"}\n",
            1 => b"",
            _ => b"{\"ask\":\"everything\"}\n",
        };
        peer.write_all(words).expect("the sensor listens");
    }
    peers
}

#[test]
fn calls_are_listed_with_their_quality_while_they_run() {
    let Some(lab) = Lab::new() else { return };
    let plan = Plan {
        seed: 5,
        calls: 6,
        concurrent: 6,
        ramp_ms: 100,
        ring_ms: (50, 100),
        talk_ms: 15_000,
        rtcp_ms: 500,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).expect("the plan is sound");
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &["--capture", "xdp"]);
    let files = sensor.files.clone();
    assert_eq!(listed(&files, &[]), Vec::<Value>::new());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| send(&lab, &one_lane(&frames), 1.0, &stop));
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            look(&files, &truth.calls[0].call_id, &lab);
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = looked {
            std::panic::resume_unwind(panic);
        }
    });
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert_eq!(files.calls().len(), truth.calls.len());
}

fn look(files: &Files, callid: &str, lab: &Lab) {
    let calls = wait_for("all calls answered, both ways heard", LIMIT, || {
        let calls = listed(files, &[]);
        let heard = |c: &Value| number(&c["a_received"]) > 60 && number(&c["b_received"]) > 60;
        (calls.len() == 6 && calls.iter().all(heard)).then_some(calls)
    });
    for call in &calls {
        assert_eq!(call["state"], "answered", "{call:#}");
        assert_eq!((&call["a_lost"], &call["b_lost"]), (&0.into(), &0.into()), "{call:#}");
        assert!(call["a_mos_f1"].as_f64().is_some_and(|mos| mos > 4.0), "{call:#}");
        let (whole, talk) = (call["duration"].as_f64(), call["connect_duration"].as_f64());
        assert!(whole > talk && talk > Some(1.0), "{call:#}");
    }
    let caller = calls[3]["caller"].as_str().expect("a number");
    let same = calls.iter().filter(|c| c["caller"] == caller).count();
    assert_eq!(listed(files, &["--caller", caller]).len(), same);
    let ids =
        |calls: &[Value]| -> Vec<Value> { calls.iter().map(|c| c["callid"].clone()).collect() };
    assert_eq!(ids(&listed(files, &["--limit", "2"])), ids(&calls)[..2]);

    let crowd = a_crowd(files);
    assert_eq!(listed(files, &["--codec", "nothing"]).len(), 0);
    for mut peer in crowd.into_iter().skip(2).step_by(3) {
        let mut said = String::new();
        peer.read_to_string(&mut said).expect("an answer");
        assert!(said.contains("error"), "{said}");
    }

    let socket = files.socket.to_string_lossy();
    let shown = files.ask(&["call", callid, "--socket", &socket]);
    let text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains("answered") && text.contains("200 OK"), "{text}");
    assert!(!text.contains("BYE"), "{text}");

    let output = lab.folder().join("running.pcap");
    let (file, spool) = (output.to_string_lossy(), files.spool.to_string_lossy());
    let words = ["pcap", callid, "-o", &file, "--spool", &spool, "--socket", &socket];
    let said = wait_for("some of its packets", LIMIT, || {
        let done = files.ask(&words);
        done.status.success().then(|| String::from_utf8_lossy(&done.stderr).into_owned())
    });
    assert!(said.contains("still runs"), "{said}");
    let packets: u64 = said.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(packets > 20, "{said}");
}

/// UNIX time in seconds.
fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

#[test]
fn records_appear_within_a_second_of_a_calls_end() {
    let Some(lab) = Lab::new() else { return };
    let plan = Plan {
        seed: 6,
        calls: 8,
        concurrent: 8,
        ramp_ms: 2000,
        ring_ms: (50, 50),
        talk_ms: 700,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).expect("the plan is sound");
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &["--capture", "xdp"]);
    let files = sensor.files.clone();
    let mut seen: Vec<(String, f64)> = Vec::new();
    thread::scope(|scope| {
        let sending = scope.spawn(|| send_all(&lab, &one_lane(&frames)));
        let database = Connection::open(&files.database).expect("the database opens");
        let question = "SELECT callid, callend_us / 1e6 FROM ringtap_cdr";
        wait_for("all records", LIMIT, || {
            let mut rows = database.prepare_cached(question).expect("a question");
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            let rows: Vec<(String, f64)> =
                rows.and_then(Iterator::collect).expect("the database answers");
            for (callid, end_s) in rows {
                if !seen.iter().any(|(known, _)| *known == callid) {
                    seen.push((callid, now_s() - end_s));
                }
            }
            (seen.len() == truth.calls.len()).then_some(())
        });
        sending.join().expect("sending works");
    });
    sensor.finish();
    for (callid, after) in &seen {
        println!("{callid}: its row was there {after:.3} s after the answer to its BYE");
    }
    // Records keep their own clock's times: this is the sensor's delay, whoever sent late.
    assert!(seen.iter().all(|(_, after)| (0.0..RECORD_LIMIT_S).contains(after)), "{seen:?}");
}
