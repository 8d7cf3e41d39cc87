//! `media_filter = learned`: media passes the kernel from and to endpoints that calls have named,
//! from the naming to the call's end; what merely looks like RTP does not.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::traffic::{Memory, Plan, generate};
use serde_json::Value;

use crate::compare::{assert_same, expected};
use crate::lab::Lab;
use crate::sender::{Lane, Load, load, send, send_all};
use crate::sensor::{Files, Sensor, interface, number, wait_for};

/// Until a call that has ended is forgotten by the kernel.
const FORGET_LIMIT: Duration = Duration::from_secs(5);

fn rtp(src: SocketAddr, dst: SocketAddr, seq: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    let timestamp = u32::from(seq) * 160;
    Rtp { payload_type: 8, marker: false, seq, timestamp, ssrc: 0xabcd }.write(&mut payload);
    payload.resize(172, 0x2a);
    Packet::udp(src, dst, &payload).ip_id(u32::from(seq) + 1).build()
}

fn verdict(ledger: &Value, label: &str) -> u64 {
    number(&interface(ledger)["verdicts"][label])
}

#[test]
fn only_media_of_known_calls_passes_and_only_while_they_last() {
    let Some(lab) = Lab::new() else { return };
    // It rings long enough for the offer's endpoint to be learned before media flows.
    let plan = Plan {
        calls: 3,
        concurrent: 3,
        ramp_ms: 100,
        ring_ms: (400, 500),
        talk_ms: 1000,
        rtcp_ms: 200,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let truth = generate(&plan, &mut frames).unwrap();
    let totals = truth.totals;
    let (first_ns, last_ns) = (frames.get(0).unwrap().0, totals.last_ns);
    let stranger = |n: u16| {
        let (src, dst) = (SocketAddr::from(([10, 66, 0, 1], 30_000)), [10, 66, 0, 2]);
        rtp(src, SocketAddr::from((dst, 30_000)), n)
    };
    let strangers: Vec<Vec<u8>> = (0..60).map(stranger).collect();
    let step_ns = (last_ns - first_ns) / 60;
    let due = |n: usize| first_ns + n as u64 * step_ns;
    let lanes = [
        Lane { frames: frames.iter().collect(), ..Lane::default() },
        Lane {
            frames: strangers.iter().enumerate().map(|(n, f)| (due(n), &f[..])).collect(),
            ..Lane::default()
        },
    ];
    let options = ["--capture", "xdp", "-O", "media_filter=learned"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &options);
    send(&lab, &lanes, 1.0, &AtomicBool::new(false));
    let sent = totals.frames + 60;
    let ledger = sensor.settled(sent);
    assert_eq!(verdict(&ledger, "sip_udp"), totals.sip);
    assert_eq!(verdict(&ledger, "not_voip"), 60, "{ledger:#}");
    let media = ["learned", "rtp", "rtcp"].map(|label| verdict(&ledger, label));
    assert_eq!(media, [totals.rtp + totals.rtcp, 0, 0]);
    let user = &ledger["user"]["dispositions"];
    assert_eq!([number(&user["rtp"]), number(&user["rtcp"])], [totals.rtp, totals.rtcp]);

    let calls = wait_for("all records", Duration::from_secs(3), || {
        Some(sensor.files.calls()).filter(|calls| calls.len() == 3)
    });
    assert_same(&calls, &expected(&truth));

    // The calls have ended: what comes from and to their endpoints is a stranger's as well.
    let ends: Vec<SocketAddr> =
        truth.calls.iter().flat_map(|c| &c.streams).map(|s| s.src).collect();
    assert_eq!(ends.len(), 6);
    let (elsewhere, mut sent, mut seq) = (SocketAddr::from(([10, 67, 0, 1], 31_000)), sent, 0);
    for end in ends {
        wait_for("an ended call's endpoint is forgotten", FORGET_LIMIT, || {
            let before = verdict(&sensor.status(), "not_voip");
            seq += 1;
            let frame = rtp(end, elsewhere, seq);
            send_all(&lab, &[Lane { frames: vec![(0, &frame)], ..Lane::default() }]);
            sent += 1;
            let ledger = sensor.settled(sent);
            (verdict(&ledger, "not_voip") > before).then_some(())
        });
    }
    println!("{} frames passed after the end, before the last was forgotten", seq - 6);
    assert!(frames.iter().any(|(_, frame)| load(frame) == Load::Rtcp));
    sensor.finish();
}
