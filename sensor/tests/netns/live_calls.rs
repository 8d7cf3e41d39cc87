//! Calls seen while they run, by whoever asks; and their records, soon after their end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringtap_testkit::traffic::{Memory, Plan, generate};
use rusqlite::Connection;
use serde_json::Value;

use crate::lab::Lab;
use crate::sender::{one_lane, send, send_all};
use crate::sensor::{Files, Sensor, number, ringtap, wait_for};

/// How long something may take that usually takes a fraction of a second.
const LIMIT: Duration = Duration::from_secs(10);

/// From the answer to a BYE to the row in the store: below a second is meant, this is failure on
/// a machine that is busy with other things.
const RECORD_LIMIT_S: f64 = 3.0;

fn listed(files: &Files, filters: &[&str]) -> Vec<Value> {
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
