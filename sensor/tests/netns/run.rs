//! The life of `ringtap run`: its orderly end, its sudden one and what comes after, and what it
//! refuses.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringtap_testkit::pcap;
use ringtap_testkit::traffic::{Memory, Plan, Truth, generate};
use rusqlite::Connection;

use crate::compare::{assert_same, expected, streams};
use crate::lab::{FAR, Lab};
use crate::sender::{one_lane, send, send_all};
use crate::sensor::{Files, Sensor, number, ringtap, wait_for};

/// Calls that go on for longer than the tests do.
pub(crate) fn endless(frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed: 3,
        calls: 5,
        concurrent: 5,
        ramp_ms: 100,
        ring_ms: (20, 50),
        talk_ms: 15_000,
        rtcp_ms: 200,
        ..Plan::default()
    };
    generate(&plan, frames).expect("the plan is sound")
}

/// Calls that are over soon.
fn brief(seed: u64, frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed,
        calls: 4,
        concurrent: 4,
        ramp_ms: 100,
        ring_ms: (20, 50),
        talk_ms: 400,
        rtcp_ms: 100,
        ..Plan::default()
    };
    generate(&plan, frames).expect("the plan is sound")
}

/// Sends until `work` is done with the sensor that sees it.
pub(crate) fn while_sending(lab: &Lab, frames: &Memory, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(lab, &one_lane(frames), 1.0, &stop));
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        sending.join().expect("sending works");
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Waits until RTP of all calls flows, and the spool has written some of it.
fn in_full_swing(sensor: &Sensor) {
    sensor.status_with("RTP of all calls, on disk", |ledger| {
        number(&ledger["user"]["dispositions"]["rtp"]) >= 300
            && number(&ledger["user"]["events"]["streams"]) >= 10
            && number(&ledger["spool"]["stored"]) >= 200
    });
}

fn a_signal_ends_it_in_order(signal: &str) {
    let Some(lab) = Lab::new() else { return };
    let mut frames = Memory::default();
    let truth = endless(&mut frames);
    let files = Files::new(&lab, "sensor");
    let mut sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    while_sending(&lab, &frames, || {
        in_full_swing(&sensor);
        assert!(!files.unsealed().is_empty(), "the spool is open while it runs");
        assert_eq!(sensor.end(signal), Some(0));
    });
    let messages = sensor.messages();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert!(!files.socket.exists(), "the status socket is removed");
    assert_eq!(files.unsealed(), Vec::<std::path::PathBuf>::new());
    assert!(!files.segments().is_empty());
    let calls = files.calls();
    assert_eq!(calls.len(), truth.calls.len());
    for call in &calls {
        assert_eq!(call["sighup"], 1, "{call:#}");
        assert_eq!(call["bye"], 1, "connected, without BYE: {call:#}");
        assert_eq!(streams(call).count(), 2);
        assert!(streams(call).all(|s| number(&s["received"]) > 10 && s["lost"] == 0), "{call:#}");
    }
    let id = calls[0]["ID"].as_str().expect("an ID");
    let output = lab.folder().join("call.pcapng");
    let spool = files.spool.to_string_lossy();
    let asked = files.ask(&["pcap", id, "-o", &output.to_string_lossy(), "--spool", &spool]);
    assert!(asked.status.success(), "{asked:?}");
}

#[test]
fn sigterm_makes_records_of_running_calls_and_seals_the_spool() {
    a_signal_ends_it_in_order("TERM");
}

#[test]
fn sigint_makes_records_of_running_calls_and_seals_the_spool() {
    a_signal_ends_it_in_order("INT");
}

/// Packets of a call that the spool gives.
fn packets_of(files: &Files, lab: &Lab, id: &str) -> u64 {
    let output = lab.folder().join("packets.pcapng");
    let spool = files.spool.to_string_lossy();
    let asked = files.ask(&["pcap", id, "-o", &output.to_string_lossy(), "--spool", &spool]);
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{said}");
    said.split(' ').next().and_then(|n| n.parse().ok()).expect("a number of packets")
}

fn assert_sound(files: &Files) {
    let database = Connection::open(&files.database).expect("the database opens");
    let check = |question: &str| -> String {
        database.query_row(question, [], |row| row.get(0)).expect("the database answers")
    };
    assert_eq!(check("PRAGMA integrity_check"), "ok");
    let mut orphans = database.prepare("PRAGMA foreign_key_check").expect("a question");
    assert!(!orphans.exists([]).expect("the database answers"));
}

/// A sensor is killed in the middle of calls, after some others have ended.
fn killed(lab: &Lab, files: &Files) -> Truth {
    let mut sensor = Sensor::start(lab, files, &["--capture", "xdp"]);
    let mut frames = Memory::default();
    let truth = brief(11, &mut frames);
    send_all(lab, &one_lane(&frames));
    wait_for("the first records", Duration::from_secs(3), || {
        (files.calls().len() == truth.calls.len()).then_some(())
    });
    sensor.settled(truth.totals.frames);
    let mut frames = Memory::default();
    endless(&mut frames);
    while_sending(lab, &frames, || {
        sensor.status_with("media of running calls", |ledger| {
            number(&ledger["user"]["received"]) > truth.totals.frames + 400
        });
        assert_eq!(sensor.end("KILL"), None);
    });
    assert!(!files.unsealed().is_empty(), "a killed sensor seals nothing");
    truth
}

#[test]
fn after_a_kill_the_next_run_goes_on_with_the_same_spool_and_store() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let before = killed(&lab, &files);
    assert_sound(&files);
    assert_same(&files.calls(), &expected(&before));

    let sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    let messages = sensor.messages();
    assert!(messages.contains("recovered"), "{messages}");
    let mut frames = Memory::default();
    let after = brief(12, &mut frames);
    send_all(&lab, &one_lane(&frames));
    sensor.settled(after.totals.frames);
    sensor.finish();
    assert_eq!(files.unsealed(), Vec::<std::path::PathBuf>::new());
    assert_sound(&files);
    let mut all = expected(&before);
    all.extend(expected(&after));
    assert_same(&files.calls(), &all);
    for call in before.calls.iter().chain(&after.calls) {
        let media: u64 = call.streams.iter().map(|s| s.received + s.duplicate + s.rtcp).sum();
        assert_eq!(packets_of(&files, &lab, &call.call_id), call.sip_messages + media);
    }
}

#[test]
fn after_a_kill_a_replay_goes_on_with_the_same_spool_and_store() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let before = killed(&lab, &files);
    let mut file = Vec::new();
    let mut writer = pcap::Writer::new(&mut file, pcap::Options::default()).unwrap();
    let plan = Plan { seed: 13, calls: 2, talk_ms: 1000, ..Plan::default() };
    let after = generate(&plan, &mut writer).unwrap();
    writer.finish().unwrap();
    let path = lab.folder().join("calls.pcap");
    std::fs::write(&path, &file).unwrap();
    let spool = files.spool.to_string_lossy();
    let done = files.ask(&["replay", &path.to_string_lossy(), "--quiet", "--spool", &spool]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("recovered"), "{said}");
    assert_eq!(files.unsealed(), Vec::<std::path::PathBuf>::new());
    assert_sound(&files);
    let mut all = expected(&before);
    all.extend(expected(&after));
    assert_same(&files.calls(), &all);
    for call in before.calls.iter().chain(&after.calls) {
        let media: u64 = call.streams.iter().map(|s| s.received + s.duplicate + s.rtcp).sum();
        assert_eq!(packets_of(&files, &lab, &call.call_id), call.sip_messages + media);
    }
}

/// One line, exit code 1, and the line says this.
pub(crate) fn refused(done: &Output, why: &str) {
    let said = String::from_utf8_lossy(&done.stderr);
    println!("{}", said.trim_end());
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("ringtap: ") && said.contains(why), "{said}");
}

/// What becomes of a sensor that cannot start: it must end by itself, and soon.
pub(crate) fn ends(command: &mut Command) -> Output {
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("ip can be run");
    let mut waited = 0;
    while child.try_wait().expect("a child can be waited for").is_none() {
        waited += 1;
        if waited > 500 {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("its messages can be read")
}

#[test]
fn an_interface_with_an_own_address_is_refused_unless_allowed() {
    let Some(lab) = Lab::new() else { return };
    lab.far.address(FAR, "10.9.8.7/24").unwrap();
    let files = Files::new(&lab, "sensor");
    for how in ["auto", "xdp", "xdp-generic"] {
        let done = ends(&mut files.run_command(&lab, &["--capture", how]));
        refused(&done, "10.9.8.7");
        assert!(String::from_utf8_lossy(&done.stderr).contains("allow"), "it says what to do");
    }
    let options = ["--capture", "xdp", "--allow-own-address"];
    let sensor = Sensor::start(&lab, &files, &options);
    // The kernel's own ARP may be among the frames; the calls come whole all the same.
    let mut frames = Memory::default();
    let truth = brief(14, &mut frames);
    send_all(&lab, &one_lane(&frames));
    sensor.status_with("all frames of the calls", |ledger| {
        let user = &ledger["user"]["dispositions"];
        let totals = truth.totals;
        ["sip_udp", "rtp", "rtcp"].map(|key| number(&user[key]))
            == [totals.sip, totals.rtp, totals.rtcp]
    });
    sensor.finish();
    assert_same(&files.calls(), &expected(&truth));
}

#[test]
fn what_cannot_be_captured_is_refused_in_one_line() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    for how in ["auto", "xdp", "xdp-generic", "packet"] {
        let absent = files.run_by(&lab, &[], &["-i", "absent0", "--capture", how]).output();
        refused(&absent.unwrap(), "absent0");
        lab.far.ip(&["link", "set", FAR, "down"]).unwrap();
        refused(&ends(&mut files.run_command(&lab, &["--capture", how])), FAR);
        lab.far.ip(&["link", "set", FAR, "up"]).unwrap();
        let powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
        refused(&ends(&mut files.run_by(&lab, &powerless, &["--capture", how])), "CAP_");
    }
}

#[test]
fn a_second_sensor_on_the_same_status_socket_is_refused() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let sensor = Sensor::start(&lab, &files, &["--capture", "packet"]);
    let mut second = files.run_command(&lab, &["--capture", "packet"]);
    refused(&ends(&mut second), "another sensor");
    // The first one is none the worse for it.
    sensor.status();
    sensor.finish();
}

#[test]
fn status_without_a_sensor_says_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("status");
    let done = ringtap(&["status", "--socket", &socket.to_string_lossy()]);
    refused(&done, "status");
}
