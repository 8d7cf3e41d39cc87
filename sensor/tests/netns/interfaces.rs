//! More than one interface, and interfaces that come and go.

use std::fs;
use std::time::Duration;

use ringtap_testkit::traffic::{Memory, Plan, Truth, generate};
use serde_json::Value;

use crate::compare::{assert_same, expected};
use crate::lab::{FAR, Lab};
use crate::sender::{Lane, one_lane, send_all};
use crate::sensor::{Files, Sensor, number, wait_for};

const NEAR_TOO: &str = "near1";
const FAR_TOO: &str = "far1";

fn calls(seed: u64, frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed,
        calls: 12,
        concurrent: 12,
        ramp_ms: 300,
        ring_ms: (50, 150),
        talk_ms: 800,
        rtcp_ms: 200,
        ..Plan::default()
    };
    generate(&plan, frames).expect("the plan is sound")
}

/// IPv4 without VLAN: sent by the lower of the two addresses.
pub(crate) fn is_upward(frame: &[u8]) -> bool {
    frame[26..30] < frame[30..34]
}

fn frames_of(ledger: &Value) -> Vec<u64> {
    let interfaces = ledger["interfaces"].as_array().expect("interfaces");
    interfaces.iter().map(|one| number(&one["frames"])).collect()
}

/// Two taps, one for each direction: SIP and RTP of one call come by both.
#[test]
fn the_directions_of_a_call_may_come_by_two_interfaces() {
    let Some(lab) = Lab::new() else { return };
    lab.near.veth(NEAR_TOO, &lab.far, FAR_TOO, 2).unwrap();
    let mut frames = Memory::default();
    let truth = calls(21, &mut frames);
    let both = format!("{FAR},{FAR_TOO}");
    let files = Files::new(&lab, "sensor");
    let sensor = Sensor::start(&lab, &files, &["-i", &both, "--capture", "xdp"]);
    let (up, down): (Vec<_>, Vec<_>) = frames.iter().partition(|(_, frame)| is_upward(frame));
    let (ups, downs) = (up.len() as u64, down.len() as u64);
    assert!(ups > 100 && downs > 100);
    let down = Lane { frames: down, via: Some(NEAR_TOO), ..Lane::default() };
    send_all(&lab, &[Lane { frames: up, ..Lane::default() }, down]);
    sensor.status_with("both interfaces, balanced", |ledger| {
        ledger["balanced"] == true && frames_of(ledger) == [ups, downs]
    });
    assert!(!sensor.messages().contains("one direction"), "{}", sensor.messages());
    sensor.finish();
    assert_same(&files.calls(), &expected(&truth));
}

/// A mirror that was told to copy one direction only.
#[test]
fn half_a_mirror_is_named_while_it_lasts() {
    let Some(lab) = Lab::new() else { return };
    let mut frames = Memory::default();
    calls(24, &mut frames);
    let files = Files::new(&lab, "sensor");
    let sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    let up: Vec<_> = frames.iter().filter(|(_, frame)| is_upward(frame)).collect();
    send_all(&lab, &[Lane { frames: up, ..Lane::default() }]);
    let directions = |ledger: &Value| ledger["interfaces"][0]["sip_directions"].clone();
    let ledger = sensor.status_with("half a mirror", |ledger| directions(ledger).is_object());
    let missing = directions(&ledger);
    assert!(["sent", "received"].contains(&missing["missing"].as_str().unwrap()), "{missing}");
    sensor.status_with("a line about it", |_| {
        sensor.messages().contains("the mirror on far0 brings one direction of SIP only")
    });
    assert!(
        !sensor.messages().contains(missing["host"].as_str().unwrap()),
        "an address in the log"
    );
    send_all(&lab, &one_lane(&frames));
    sensor.status_with("both directions", |ledger| directions(ledger) == "both");
    sensor.status_with("another line", |_| sensor.messages().contains("both directions again"));
    sensor.finish();
}

#[test]
fn an_interface_may_go_down_and_come_back() {
    let Some(lab) = Lab::new() else { return };
    for how in ["xdp", "packet"] {
        let files = Files::new(&lab, how);
        let sensor = Sensor::start(&lab, &files, &["--capture", how]);
        lab.far.ip(&["link", "set", FAR, "down"]).unwrap();
        sensor.status_with("a line about it", |_| sensor.messages().contains("is down"));
        lab.far.ip(&["link", "set", FAR, "up"]).unwrap();
        sensor.status_with("another line", |_| sensor.messages().contains("is up again"));
        let mut frames = Memory::default();
        let truth = calls(22, &mut frames);
        send_all(&lab, &one_lane(&frames));
        let totals = truth.totals;
        sensor.status_with("all frames of the calls", |ledger| {
            let user = &ledger["user"]["dispositions"];
            ["sip_udp", "rtp", "rtcp"].map(|key| number(&user[key]))
                == [totals.sip, totals.rtp, totals.rtcp]
        });
        sensor.finish();
        assert_same(&files.calls(), &expected(&truth));
    }
}

#[test]
fn an_interface_that_vanishes_is_named_and_the_others_go_on() {
    let Some(lab) = Lab::new() else { return };
    lab.near.veth(NEAR_TOO, &lab.far, FAR_TOO, 1).unwrap();
    let both = format!("{FAR},{FAR_TOO}");
    for how in ["packet", "xdp"] {
        let files = Files::new(&lab, how);
        let sensor = Sensor::start(&lab, &files, &["-i", &both, "--capture", how]);
        lab.near.remove_interface(NEAR_TOO).unwrap();
        sensor.status_with("a line about it", |_| sensor.messages().contains("far1 is gone"));
        let mut frames = Memory::default();
        let truth = calls(23, &mut frames);
        send_all(&lab, &one_lane(&frames));
        let totals = truth.totals;
        sensor.status_with("all frames of the calls", |ledger| {
            let user = &ledger["user"]["dispositions"];
            number(&user["sip_udp"]) == totals.sip && number(&user["rtp"]) == totals.rtp
        });
        sensor.finish();
        assert_same(&files.calls(), &expected(&truth));
        lab.near.veth(NEAR_TOO, &lab.far, FAR_TOO, 1).unwrap();
    }
}

#[test]
fn without_any_interface_it_ends_in_order_and_says_why() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let mut sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    lab.far.remove_interface(FAR).unwrap();
    assert_eq!(sensor.end_itself(), Some(1));
    let messages = sensor.messages();
    assert!(messages.contains("no interface is left"), "{messages}");
    assert!(!files.socket.exists(), "the status socket is removed");
    assert!(files.unsealed().is_empty());
}

/// Priority and policy of a thread, by its name.
fn urgency(pid: i32) -> Vec<(bool, String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let stats =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let one = |stat: String| {
        // After the name in brackets: fields 3, 4, …; 40 is the priority, 41 the policy.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let is_worker = stat.contains("(worker-");
        Some((is_worker, (*fields.get(37)?).to_owned(), (*fields.get(38)?).to_owned()))
    };
    stats.filter_map(one).collect()
}

#[test]
fn workers_and_nobody_else_have_the_priority_that_is_asked_for() {
    let Some(lab) = Lab::new() else { return };
    let files = Files::new(&lab, "sensor");
    let options = ["--capture", "xdp", "-O", "worker_priority=2"];
    let sensor = Sensor::start(&lab, &files, &options);
    // A thread may answer before it has taken its place.
    wait_for("the workers' priority", Duration::from_secs(5), || {
        let all = urgency(sensor.pid());
        let expected = |worker: bool| if worker { ("2", "1") } else { ("0", "0") };
        let right = all.iter().all(|(worker, priority, policy)| {
            (priority.as_str(), policy.as_str()) == expected(*worker)
        });
        (right && all.iter().any(|(worker, ..)| *worker)).then_some(())
    });
    sensor.finish();
}
