//! Live SIP over TCP, over WebSocket, over IPv6 and in fragments gives the records that the truth
//! demands, as SIP in datagrams does.

use ringtap_testkit::traffic::{Carrier, Carry, Memory, Plan, Shares, Truth, generate};

use crate::compare::{assert_same, expected};
use crate::lab::Lab;
use crate::sender::{one_lane, send_all};
use crate::sensor::{Files, Sensor, number};

fn traffic(seed: u64, ipv6: f64, how: Option<Carry>, frames: &mut Memory) -> Truth {
    let plan = Plan {
        seed,
        calls: 8,
        concurrent: 8,
        ramp_ms: 300,
        ring_ms: (50, 100),
        talk_ms: 500,
        rtcp_ms: 200,
        shares: Shares {
            busy: 0.2,
            auth: 0.3,
            reinvite: 0.3,
            called_hangs_up: 0.5,
            ipv6,
            ..Shares::default()
        },
        ..Plan::default()
    };
    match how {
        Some(how) => generate(&plan, &mut Carrier::new(frames, how)),
        None => generate(&plan, frames),
    }
    .expect("the plan is sound")
}

/// Sends the calls like this and compares their records; all of their SIP was taken for this.
fn check(name: &str, ipv6: f64, how: Option<Carry>, disposition: &str) {
    let Some(lab) = Lab::new() else { return };
    let mut frames = Memory::default();
    let truth = traffic(17, ipv6, how, &mut frames);
    let files = Files::new(&lab, name);
    let sensor = Sensor::start(&lab, &files, &["--capture", "xdp"]);
    send_all(&lab, &one_lane(&frames));
    let sip = frames.len() as u64 - truth.totals.rtp - truth.totals.rtcp;
    sensor.status_with("all frames of the calls", |ledger| {
        let user = &ledger["user"]["dispositions"];
        [disposition, "rtp", "rtcp"].map(|key| number(&user[key]))
            == [sip, truth.totals.rtp, truth.totals.rtcp]
    });
    sensor.finish();
    assert_same(&files.calls(), &expected(&truth));
}

#[test]
fn sip_over_tcp() {
    check("tcp", 0.0, Some(Carry::TcpShuffled), "sip_tcp");
}

#[test]
fn sip_over_websocket() {
    check("websocket", 0.5, Some(Carry::WebSocketPieces), "sip_tcp");
}

#[test]
fn sip_and_rtp_over_ipv6() {
    check("ipv6", 1.0, None, "sip_udp");
}

#[test]
fn sip_in_fragments() {
    check("fragments", 0.5, Some(Carry::Fragments), "fragment");
}
