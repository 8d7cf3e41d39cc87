//! Every frame of the interface is accounted for, in the kernel, at the sockets and in user
//! space: while the sensor runs, at its end, and after an overload; what that costs is blamed on
//! the sensor.

use std::net::SocketAddr;

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::traffic::{Memory, Plan, generate};
use serde_json::Value;

use crate::lab::Lab;
use crate::sender::{Lane, flood, one_lane, send_all};
use crate::sensor::{Files, Sensor, interface, number};

mod blame;

const LOSSES: [&str; 2] = ["rx_dropped", "rx_ring_full"];

fn sum(object: &Value) -> u64 {
    object.as_object().expect("an object").values().map(number).sum()
}

/// The three equations, from the ledger's own parts.
fn assert_exact(ledger: &Value, driver_received: u64) {
    const REDIRECTED: [&str; 8] =
        ["sip_udp", "sip_tcp", "rtp", "rtcp", "stun", "dtls", "learned", "fragment"];
    let one = interface(ledger);
    let verdicts = &one["verdicts"];
    assert_eq!(sum(verdicts), driver_received, "frames of the interface: {verdicts:#}");
    let redirected: u64 = REDIRECTED.iter().map(|key| number(&verdicts[*key])).sum();
    let received = number(&one["sockets"]["received"]);
    let lost = lost_by_sockets(ledger);
    assert_eq!(redirected, received + lost, "redirected frames: {one:#}");
    let user = &ledger["user"];
    assert_eq!(received, number(&user["received"]));
    assert_eq!(received, sum(&user["dispositions"]), "received frames: {user:#}");
    assert_eq!(ledger["balanced"], true);
}

/// Redirected frames that the sockets of the interface lost.
fn lost_by_sockets(ledger: &Value) -> u64 {
    LOSSES.iter().map(|key| number(&interface(ledger)["sockets"][*key])).sum()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address with port")
}

/// Frames of other kinds than calls have, with the verdict each ends in.
fn odd_frames() -> Vec<(&'static str, Vec<u8>)> {
    let (a, b) = (addr("10.7.0.1:9000"), addr("10.7.0.2:53"));
    let (c, d) = (addr("10.7.0.3:30000"), addr("10.7.0.4:30002"));
    let plain = Packet::udp(a, b, b"what is the address of example.org?").ip_id(1);
    let long = [0x55; 3000];
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    let mut arp = plain.build();
    arp[12..14].copy_from_slice(&[8, 6]);
    let mut cut = plain.build();
    cut.truncate(30);
    let mut bad_ip = plain.build();
    bad_ip[14] = 0x41;
    let mut all = vec![
        ("not_voip", plain.build()),
        ("other_proto", Packet::ip(a.ip(), b.ip(), 1, &[8, 0, 0, 0, 0, 0, 0, 0]).ip_id(2).build()),
        ("not_ip", arp),
        ("truncated", cut),
        ("bad_ip", bad_ip),
        ("stun", Packet::udp(c, d, &stun).ip_id(3).build()),
        ("sip_udp", Packet::udp(a, addr("10.7.0.2:5060"), b"\r\n\r\n").ip_id(4).build()),
    ];
    let pieces = Packet::udp(c, d, &long).ip_id(5).fragments(1500);
    all.extend(pieces.into_iter().map(|piece| ("fragment", piece)));
    all
}

#[test]
fn the_ledger_is_exact_while_the_sensor_runs_and_at_its_end() {
    let Some(lab) = Lab::new() else { return };
    let plan = Plan {
        calls: 6,
        concurrent: 6,
        ramp_ms: 200,
        ring_ms: (20, 50),
        talk_ms: 600,
        rtcp_ms: 100,
        ..Plan::default()
    };
    let mut frames = Memory::default();
    let totals = generate(&plan, &mut frames).unwrap().totals;
    let odd = odd_frames();
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &["--capture", "xdp"]);
    send_all(&lab, &one_lane(&frames));
    let lane = Lane { frames: odd.iter().map(|(_, f)| (0, &f[..])).collect(), ..Lane::default() };
    send_all(&lab, &[lane]);
    let all = totals.frames + odd.len() as u64;
    let ledger = sensor.settled(all);
    assert_eq!(lab.received(), all);
    assert_exact(&ledger, all);
    let verdicts = &interface(&ledger)["verdicts"];
    for label in ["not_voip", "other_proto", "not_ip", "truncated", "bad_ip", "stun", "fragment"] {
        let wanted = odd.iter().filter(|(of, _)| *of == label).count() as u64;
        assert_eq!(number(&verdicts[label]), wanted, "{label}: {verdicts:#}");
    }
    assert_eq!(number(&verdicts["sip_udp"]), totals.sip + 1);
    assert_eq!(number(&ledger["user"]["dispositions"]["sip_unreadable"]), 1);
    let spool = &ledger["spool"];
    assert_eq!(number(&spool["offered"]), number(&spool["stored"]) + number(&spool["discarded"]));
    assert!(number(&spool["stored"]) >= totals.sip + totals.rtp + totals.rtcp, "{spool:#}");
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
    assert!(messages.lines().any(|l| l.split_whitespace().eq(["frames", &all.to_string()])));
}

/// RTP of many streams, which nobody needs to understand.
fn burst() -> Vec<Vec<u8>> {
    let mut payload = Vec::new();
    let frames = (0..2000u16).map(|n| {
        let (src, dst) = ([10, 8, 0, 1 + (n % 64) as u8], [10, 8, 1, 1]);
        let rtp = Rtp {
            payload_type: 0,
            marker: false,
            seq: n / 64,
            timestamp: u32::from(n / 64) * 160,
            ssrc: u32::from(n % 64),
        };
        payload.clear();
        rtp.write(&mut payload);
        payload.resize(172, 0xd5);
        let (src, dst) = (SocketAddr::from((src, 40_000)), SocketAddr::from((dst, 20_000)));
        Packet::udp(src, dst, &payload).build()
    });
    frames.collect()
}

#[test]
fn the_ledger_is_exact_after_an_overload() {
    let Some(lab) = Lab::new() else { return };
    let options = ["--capture", "xdp", "-O", "xdp_buffers=256", "-O", "deduplicate=no"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &options);
    let mut rounds = 0;
    let sent = flood(&lab, &burst(), || {
        rounds += 1;
        rounds > 20 && rounds % 10 == 0 && lost_by_sockets(&sensor.status()) > 0
    });
    let received = lab.received();
    println!("sent {sent}, of which the interface received {received}");
    assert!(received > 20_000 && received <= sent);
    let ledger = sensor.settled(received);
    println!("sockets: {}", interface(&ledger)["sockets"]);
    assert!(lost_by_sockets(&ledger) > 0, "nothing was lost: no overload");
    assert_exact(&ledger, received);
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
}

#[test]
fn a_packet_sockets_ledger_is_exact_after_an_overload() {
    let Some(lab) = Lab::new() else { return };
    let options =
        ["--capture", "packet", "-O", "ringbuffer=1", "-O", "workers=1", "-O", "deduplicate=no"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &options);
    let counts = |ledger: &Value| {
        let sockets = &interface(ledger)["sockets"];
        [number(&sockets["received"]), number(&sockets["packet_dropped"])]
    };
    let mut rounds = 0;
    flood(&lab, &burst(), || {
        rounds += 1;
        rounds > 20 && rounds % 10 == 0 && counts(&sensor.status())[1] > 0
    });
    let received = lab.received();
    let ledger = sensor.status_with("every frame received or lost, and balanced", |ledger| {
        ledger["balanced"] == true && counts(ledger).iter().sum::<u64>() == received
    });
    println!("sockets: {}", interface(&ledger)["sockets"]);
    assert!(counts(&ledger)[1] > 0, "nothing was lost: no overload");
    assert_eq!(counts(&ledger)[0], sum(&ledger["user"]["dispositions"]));
    sensor.finish();
}
