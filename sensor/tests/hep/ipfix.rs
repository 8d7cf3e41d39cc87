//! A session border controller sends IPFIX to a sensor that listens on the loopback interface.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{self, Call, Seen};
use crate::controller::{greeted, media, message, quality, set, sip_tcp, sip_udp};
use crate::sensor::Sensor;
use crate::{PORTS, began_at, whole};

const LISTEN: [&str; 4] = ["hep=no", "ipfix=yes", "ipfix_bind_ip=127.0.0.1", "ipfix_bind_port=0"];

fn started(options: &[&str]) -> Sensor {
    Sensor::start(&[&LISTEN[..], options].concat())
}

/// What the caller's side brings is received, the rest is sent, with its Call-ID.
fn sets(call: &Call, of: fn(&Seen, Option<&str>) -> Vec<u8>) -> Vec<Vec<u8>> {
    let call_id = call.dialog.call_id.as_str();
    let sent = |seen: &Seen| seen.way.0.ip() != call.dialog.caller_addr.ip();
    call.all().iter().map(|seen| of(seen, Some(call_id).filter(|_| sent(seen)))).collect()
}

fn counts(part: &Value, wanted: &[(&str, u64)]) {
    for (name, count) in part.as_object().unwrap() {
        let wanted = wanted.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
        assert_eq!(count, wanted, "{name}: {part:#}");
    }
}

#[test]
fn calls_over_udp_and_tcp_cut_at_every_byte() {
    let sensor = started(&[]);
    let mut stream = greeted(sensor.at_of("ipfix", "tcp"));
    let (udp, tcp) = (Call::new(1, PORTS), Call::new(2, (49_152, 5060)));
    for sets in [sets(&udp, sip_udp), sets(&tcp, sip_tcp)] {
        for byte in sets.iter().flat_map(|set| message(std::slice::from_ref(set))) {
            stream.write_all(&[byte]).unwrap();
        }
    }
    let records = sensor.calls(2);
    for (call, over_tcp) in [(&udp, false), (&tcp, true)] {
        let id = call.dialog.call_id.as_str();
        let record = records.iter().find(|record| record["callid"] == id).unwrap();
        whole(record);
        began_at(record, call.began);
        let said = sensor.says(&["call", id]);
        let over = if over_tcp { "SIP over TCP" } else { "SIP over UDP" };
        assert!(said.contains(over) && said.contains("INVITE") && said.contains("BYE"), "{said}");
        assert_eq!(record["vlan"], 7, "{record:#}");
    }
    let ipfix = sensor.settled_of("ipfix", 13);
    counts(&ipfix["became"], &[("answered", 1), ("delivered", 12)]);
    let kinds = [("sip_udp_in", 3), ("sip_udp_out", 3), ("sip_tcp_in", 3), ("sip_tcp_out", 3)];
    counts(&ipfix["sets"], &[&kinds[..], &[("handshake", 1)]].concat());
    counts(&ipfix["events"], &[("connections", 1)]);
    let source = &ipfix["sources"][0];
    assert_eq!((&source["address"], &source["agent"]), (&"127.0.0.1".into(), &42.into()));
    let said = sensor.end();
    assert!(said.contains("Ledger: balances") && said.contains("IPFIX: tcp"), "{said}");
}

#[test]
fn quality_stands_with_the_call_of_each_side() {
    let sensor = started(&[]);
    let mut stream = greeted(sensor.at_of("ipfix", "tcp"));
    let (inner, outer) = (Call::new(1, PORTS), Call::new(2, PORTS));
    let ids = [&inner, &outer].map(|call| call.dialog.call_id.as_str());
    let ended = inner.began + Duration::from_secs(6);
    // Several sets in a message, and several messages in a segment.
    let (first, second) = (message(&sets(&inner, sip_udp)), message(&sets(&outer, sip_udp)));
    let figures = message(&[quality(ended, ids), quality(ended, ["", ""])]);
    stream.write_all(&[first, second, figures].concat()).unwrap();
    sensor.calls(2);
    let ipfix = sensor.settled_of("ipfix", 4);
    counts(
        &ipfix["became"],
        &[("answered", 1), ("delivered", 12), ("reported", 1), ("no_call", 1)],
    );
    for (id, kind) in ids.iter().zip(["qos_in", "qos_out"]) {
        let said = sensor.says(&["call", id, "--format", "json"]);
        let call: Value = serde_json::from_str(&said).unwrap();
        let reports = call["vq_reports"].as_array().unwrap();
        let [report] = &reports[..] else { panic!("{call:#}") };
        assert_eq!((&report["kind"], &report["callid"]), (&kind.into(), &(*id).into()));
        assert_eq!(report["reporter"], "127.0.0.1");
        if kind == "qos_in" {
            assert_eq!(
                (&report["local_id"], &report["remote_id"]),
                (&"access".into(), &"core".into())
            );
            assert_eq!(
                (&report["local_loss_percent"], &report["remote_loss_percent"]),
                (&1.0.into(), &20.0.into())
            );
            assert_eq!(
                (&report["local_jitter_ms"], &report["remote_round_trip_ms"]),
                (&5.0.into(), &30.0.into())
            );
            assert_eq!(
                (&report["local_r_cq"], &report["local_mos_cq"]),
                (&90.0.into(), &4.31.into())
            );
        } else {
            assert_eq!(report["local_id"], "core");
            assert_eq!(report["local_loss_percent"], 0.0);
            for unknown in
                ["remote_loss_percent", "remote_jitter_ms", "remote_round_trip_ms", "local_mos_cq"]
            {
                assert!(report[unknown].is_null(), "{report:#}");
            }
        }
    }
    let said = sensor.says(&["call", ids[0]]);
    assert!(said.contains("4.31"), "{said}");
}

/// What the SDP announces is received; what is sent says whose it is, and goes elsewhere.
#[test]
fn media_is_scored_and_belongs_to_its_call() {
    let sensor = started(&["media_ports=40000-65535"]);
    let mut stream = greeted(sensor.at_of("ipfix", "tcp"));
    let call = Call::new(1, PORTS);
    let id = call.dialog.call_id.as_str();
    let mut signalling = sets(&call, sip_udp);
    let end = signalling.split_off(4);
    let here = ([192, 0, 2, 7], 3000).into();
    let rtp = call.rtp(30);
    let away = |seen: &Seen| Seen { way: (here, ([192, 0, 2, 9], 5000).into()), ..seen.clone() };
    let received = rtp.iter().map(|seen| media(seen, None));
    let sent = rtp.iter().take(20).map(|seen| media(&away(seen), Some(id)));
    let all: Vec<Vec<u8>> = signalling.into_iter().chain(received).chain(sent).collect();
    stream.write_all(&message(&all)).unwrap();
    sensor.settled_of("ipfix", 2);
    let until = Instant::now() + Duration::from_secs(20);
    while sensor.events()["correlated_flows"] != 1 {
        assert!(Instant::now() < until, "{:#}", sensor.events());
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(&message(&end)).unwrap();
    let records = sensor.calls(1);
    whole(&records[0]);
    let streams = records[0]["streams"].as_array().unwrap();
    let mut counts: Vec<u64> = streams.iter().filter_map(|one| one["received"].as_u64()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [20, 30], "{streams:#?}");
    let ipfix = sensor.settled_of("ipfix", 3);
    assert_eq!((&ipfix["sets"]["rtp_in"], &ipfix["sets"]["rtp_out"]), (&30.into(), &20.into()));
    assert!(sensor.end().contains("Ledger: balances"));
}

#[test]
fn what_is_not_read_is_counted_and_what_follows_is_heard() {
    let sensor = started(&[]);
    let mut stream = greeted(sensor.at_of("ipfix", "tcp"));
    let call = Call::new(1, PORTS);
    let good = sets(&call, sip_udp);
    let seen = &call.all()[0];
    let mut no_udp = sip_udp(seen, None);
    no_udp[4 + 12 + 3 + 9] = 6;
    let more = [&sip_tcp(seen, None)[4..], b"more"].concat();
    let others = [
        set(2, b"\x01\x00\0\x01\0\x08\0\x04"),
        set(3, &[]),
        set(4711, b"data of a template"),
        set(4, b"x"),
        set(257, b"not theirs to send"),
        set(266, &[0; 40]),
        set(267, &[0; 40]),
        no_udp,
        set(258, &good[0][4..40]),
        set(268, b"short"),
        sip_udp(&Seen { payload: Vec::new(), ..seen.clone() }, None),
        set(258, &more[..20]),
    ];
    stream.write_all(&message(&others)).unwrap();
    let torn = message(&[set(4711, b"x"), vec![1, 2, 0, 3]]);
    stream.write_all(&torn).unwrap();
    stream.write_all(&message(&good)).unwrap();
    stream.write_all(&message(&[set(256, b"")])).unwrap();
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(stream.read(&mut answer).unwrap(), 0, "it hangs up");
    whole(&sensor.calls(1)[0]);
    let ipfix = sensor.settled_of("ipfix", 5);
    counts(
        &ipfix["became"],
        &[
            ("answered", 2),
            ("delivered", 6),
            ("skipped", 6),
            ("other_packet", 1),
            ("misshapen", 5),
            ("empty", 1),
        ],
    );
    let sets = ipfix["sets"].as_object().unwrap();
    assert_eq!(sets.values().filter_map(Value::as_u64).sum::<u64>(), 21);
    assert_eq!(
        (&sets["unknown"], &sets["rtp_in"], &sets["template"]),
        (&2.into(), &1.into(), &1.into())
    );
    counts(&ipfix["events"], &[("malformed", 2), ("connections", 1), ("connections_broken", 1)]);
}

#[test]
fn the_controllers_time_is_believed_or_not() {
    let sensor = started(&["ipfix_use_system_time=yes"]);
    let before = agent::now();
    let call = Call::new(1, PORTS);
    let mut stream = greeted(sensor.at_of("ipfix", "tcp"));
    stream.write_all(&message(&sets(&call, sip_udp))).unwrap();
    let record = &sensor.calls(1)[0];
    let text = record["calldate"].as_str().unwrap();
    let told = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    assert!(told.unwrap().unix_timestamp() >= before.as_secs() as i64 - 1, "{text}");
}

#[test]
fn a_peer_that_takes_no_answer_hurts_nobody() {
    let sensor = started(&[]);
    let at = sensor.at_of("ipfix", "tcp");
    let mut deaf = greeted(at);
    let flood = std::thread::spawn(move || {
        let hello = message(&[set(256, &[0; 60_000])]);
        while deaf.write_all(&hello).is_ok() {}
    });
    let call = Call::new(1, PORTS);
    greeted(at).write_all(&message(&sets(&call, sip_udp))).unwrap();
    whole(&sensor.calls(1)[0]);
    let ipfix = sensor.with_event_of("ipfix", "connections_deaf", 1);
    assert_eq!(ipfix["events"]["malformed"], 0, "{ipfix:#}");
    flood.join().unwrap();
}

#[test]
fn connections_are_bounded_and_a_cut_one_is_counted() {
    let sensor = started(&["ipfix_connections_max=2"]);
    let at = sensor.at_of("ipfix", "tcp");
    let (mut first, _second) = (greeted(at), greeted(at));
    let mut third = TcpStream::connect(at).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0, "it is shown out");
    first.write_all(&message(&[set(256, b"half")])[..19]).unwrap();
    drop(first);
    let ipfix = sensor.with_event_of("ipfix", "connections_cut", 1);
    counts(
        &ipfix["events"],
        &[("connections", 2), ("connections_refused", 1), ("connections_cut", 1)],
    );
}
