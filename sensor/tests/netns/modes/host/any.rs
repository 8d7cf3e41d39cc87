//! All interfaces at once: what passes by several of them counts once, and those that come later
//! are captured too.

use ringtap_testkit::traffic::Memory;

use super::calls;
use crate::compare::{assert_same, expected};
use crate::interfaces::is_upward;
use crate::lab::{FAR, Lab};
use crate::sender::{Lane, send_all};
use crate::sensor::{Files, Sensor, number};

const NEAR_TOO: &str = "near1";
const FAR_TOO: &str = "far1";

/// A host that carries calls from one interface to the other: each packet comes in at one of them,
/// and goes out at the other. All in all the sensor sees it so many times.
fn once_over_a_bridge(how: &str, mode: &str, times: u64, said: &str) {
    let Some(lab) = Lab::new() else { return };
    lab.near.veth(NEAR_TOO, &lab.far, FAR_TOO, 2).expect("ip can do it");
    lab.far.ip(&["link", "add", "br0", "type", "bridge"]).expect("ip can do it");
    for port in [FAR, FAR_TOO] {
        lab.far.ip(&["link", "set", port, "master", "br0"]).expect("ip can do it");
    }
    lab.far.ip(&["link", "set", "br0", "up"]).expect("ip can do it");
    let mut frames = Memory::default();
    let truth = calls(41, &mut frames);
    let files = Files::new(&lab, how);
    let options = ["-i", "any", "--capture", how, "-O", mode, "-O", "deduplicate_window_ms=150"];
    let sensor = Sensor::start(&lab, &files, &options);
    assert!(sensor.messages().contains(said), "{}", sensor.messages());
    let (up, down) = frames.iter().partition(|(_, frame)| is_upward(frame));
    let down = Lane { frames: down, via: Some(NEAR_TOO), ..Lane::default() };
    send_all(&lab, &[Lane { frames: up, ..Lane::default() }, down]);
    let all = truth.totals.frames;
    let ledger = sensor.status_with("each packet as often as it passes", |ledger| {
        ledger["balanced"] == true && number(&ledger["user"]["received"]) == times * all
    });
    let user = &ledger["user"]["dispositions"];
    let counts = ["sip_udp", "rtp", "rtcp", "duplicate"].map(|key| number(&user[key]));
    let totals = truth.totals;
    assert_eq!(counts, [totals.sip, totals.rtp, totals.rtcp, (times - 1) * all], "{user:#}");
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert_same(&files.calls(), &expected(&truth));
}

#[test]
fn a_call_over_two_interfaces_counts_once_by_tcx() {
    once_over_a_bridge("auto", "mode=host", 2, "any ring 0 of 1: TCX");
}

#[test]
fn a_call_over_two_interfaces_counts_once_by_packet_sockets() {
    once_over_a_bridge("packet", "mode=host", 2, "any socket 0 of 1: packet socket");
}

#[test]
fn on_a_mirror_port_any_takes_nothing_either() {
    // A promiscuous bridge takes in what it carries.
    once_over_a_bridge("auto", "mode=span", 3, "any ring 0 of 1: TCX");
}

#[test]
fn interfaces_may_come_and_go() {
    let Some(lab) = Lab::new() else { return };
    for how in ["tcx", "packet"] {
        let files = Files::new(&lab, how);
        let options = ["-i", "any", "--capture", how, "-O", "mode=host"];
        let sensor = Sensor::start(&lab, &files, &options);
        lab.near.veth(NEAR_TOO, &lab.far, FAR_TOO, 2).expect("ip can do it");
        // A socket for all interfaces needs nobody to tell it.
        if how == "tcx" {
            sensor.status_with("a line about the new one", |_| {
                sensor.messages().contains("capturing on far1 too")
            });
        }
        let mut frames = Memory::default();
        let truth = calls(42, &mut frames);
        let frames = frames.iter().collect();
        send_all(&lab, &[Lane { frames, via: Some(NEAR_TOO), ..Lane::default() }]);
        sensor.settled(truth.totals.frames);
        lab.near.remove_interface(NEAR_TOO).expect("ip can do it");
        if how == "tcx" {
            sensor.status_with("a line about its end", |_| {
                sensor.messages().contains("far1 is gone")
            });
        }
        sensor.finish();
        assert_same(&files.calls(), &expected(&truth));
    }
}
