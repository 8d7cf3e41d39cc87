//! Every way to capture gives the same records: those that the truth demands. Loss, reordering,
//! the senders' own duplicates and the mirror's copies are all in the traffic.

pub(crate) mod host;
mod tunnel;

use ringtap_testkit::traffic::{Loss, Memory, MirrorShape, Plan, Shares, Totals, Truth, generate};
use serde_json::Value;

use crate::compare::{assert_same, expected};
use crate::lab::Lab;
use crate::sender::{one_lane, send_all};
use crate::sensor::{Files, Sensor, interface, number};

fn traffic(frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed: 7,
        calls: 30,
        concurrent: 30,
        ramp_ms: 500,
        ring_ms: (50, 200),
        talk_ms: 1200,
        shares: Shares {
            busy: 0.1,
            cancelled: 0.1,
            rejected: 0.1,
            auth: 0.3,
            reinvite: 0.3,
            retransmitted: 0.2,
            pcma: 0.5,
            ..Shares::default()
        },
        rtcp_ms: 200,
        loss: Loss::Burst { share: 0.05, burst: 2.0 },
        reorder: 0.03,
        duplicates: 0.03,
        mirror: 0.4,
        mirror_shapes: vec![
            MirrorShape { routed: false, vlan: None },
            MirrorShape { routed: true, vlan: None },
            MirrorShape { routed: true, vlan: Some(42) },
        ],
        // Shorter than any sender takes to repeat a packet: of A, its repetition, and a copy of A
        // after that, the copy counts as a second repetition, for only the last one is remembered.
        mirror_delay_us: 100,
        ..Plan::default()
    };
    generate(&plan, frames).expect("the plan is sound")
}

/// What a sensor makes of the traffic: the ledger once it is quiet.
fn capture(how: &str, options: &[&str], said: &str) -> Option<(Value, Truth)> {
    let lab = Lab::new()?;
    let mut frames = Memory::default();
    let truth = traffic(&mut frames);
    let Totals { mirror_copies, duplicates, lost, .. } = truth.totals;
    assert!(mirror_copies > 500 && duplicates > 20 && lost > 40, "{:?}", truth.totals);
    // Wide enough for a sender that has to wait for its processor.
    let window = ["--capture", how, "-O", "deduplicate_window_ms=150"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, how), &[&window, options].concat());
    assert!(sensor.messages().contains(said), "{}", sensor.messages());
    send_all(&lab, &one_lane(&frames));
    let ledger = match how {
        "packet" => sensor.settled_user(truth.totals.frames),
        _ => sensor.settled(truth.totals.frames),
    };
    let files = sensor.files.clone();
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert_same(&files.calls(), &expected(&truth));
    let user = &ledger["user"]["dispositions"];
    let counts = ["sip_udp", "rtp", "rtcp"].map(|key| number(&user[key]));
    let totals = truth.totals;
    assert_eq!(counts, [totals.sip, totals.rtp, totals.rtcp], "{user}");
    Some((ledger, truth))
}

/// The kernel has dropped the mirror's copies, all of them and nothing else.
fn copies_dropped_in_kernel((ledger, truth): &(Value, Truth)) {
    assert_eq!(number(&interface(ledger)["verdicts"]["duplicate"]), truth.totals.mirror_copies);
    assert_eq!(number(&ledger["user"]["dispositions"]["duplicate"]), 0);
    let shown = &interface(ledger);
    assert_eq!(number(&shown["duplicates"]), truth.totals.mirror_copies);
    let share = truth.totals.mirror_copies as f64 / truth.totals.frames as f64;
    let rate = shown["duplicate_rate"].as_f64().expect("a rate");
    assert!((rate - share).abs() < 0.001, "{rate} {share}");
    let kept = truth.totals.frames - truth.totals.mirror_copies;
    assert_eq!(number(&ledger["user"]["received"]), kept);
}

fn unstamped(ledger: &Value) -> u64 {
    number(&interface(ledger)["sockets"]["unstamped"])
}

#[test]
fn native_xdp() {
    let Some(done) = capture("xdp", &[], "native XDP") else { return };
    copies_dropped_in_kernel(&done);
    assert_eq!(unstamped(&done.0), 0);
}

#[test]
fn native_xdp_without_kernel_timestamps() {
    let options = ["-O", "kernel_timestamps=no"];
    let Some(done) = capture("xdp", &options, "native XDP") else { return };
    copies_dropped_in_kernel(&done);
    assert_eq!(unstamped(&done.0), number(&done.0["user"]["received"]));
}

#[test]
fn generic_xdp() {
    let Some(done) = capture("xdp-generic", &[], "generic XDP") else { return };
    copies_dropped_in_kernel(&done);
    assert_eq!(unstamped(&done.0), 0);
}

#[test]
fn generic_xdp_without_kernel_timestamps() {
    let options = ["-O", "kernel_timestamps=no"];
    let Some(done) = capture("xdp-generic", &options, "generic XDP") else { return };
    copies_dropped_in_kernel(&done);
}

#[test]
fn packet_sockets_drop_the_same_copies_in_user_space() {
    let Some((ledger, truth)) = capture("packet", &["-O", "workers=2"], "packet socket") else {
        return;
    };
    let user = &ledger["user"];
    assert_eq!(number(&user["dispositions"]["duplicate"]), truth.totals.mirror_copies, "{user:#}");
    assert_eq!(number(&user["received"]), truth.totals.frames);
}
