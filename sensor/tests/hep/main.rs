//! Agents send to a sensor that listens on the loopback interface: every version by every means,
//! and what must not hurt it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod agent;
mod controller;
mod correlation;
mod ipfix;
mod kamailio;
mod rtpengine;
#[path = "../support/running.rs"]
mod running;
mod sensor;
mod tls;
mod tunnels;

use std::io::Write;
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::Duration;

use agent::{Agent, Call, SIP, Seen, chunk, message};
use sensor::Sensor;
use serde_json::Value;

/// The usual ports of a call.
const PORTS: (u16, u16) = (5060, 5060);

fn datagrams(sensor: &Sensor, messages: impl IntoIterator<Item = Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = sensor.at("udp");
    for message in messages {
        socket.send_to(&message, at).unwrap();
    }
}

/// The record of a call as [`Call::all`] has it.
#[track_caller]
fn whole(record: &Value) {
    assert_eq!(record["lastSIPresponseNum"], 200);
    assert_eq!(record["bye"], 3);
    assert!(record["connect_duration"].is_number(), "{record:#}");
    assert_eq!(record["sipcallerip"], "10.0.0.1");
}

/// Where a call's first message stands in time, as records write it.
#[track_caller]
fn began_at(record: &Value, when: Duration) {
    let text = record["calldate"].as_str().unwrap();
    let told = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let told = Duration::from_nanos(u64::try_from(told.unwrap().unix_timestamp_nanos()).unwrap());
    let off = told.abs_diff(when);
    assert!(off < Duration::from_micros(2), "{text} is {off:?} off");
}

#[test]
fn all_versions_by_udp_and_the_port_does_not_matter() {
    let sensor = Sensor::start(&[]);
    let agent = Agent { number: 7, ..Agent::default() };
    let calls = [PORTS, (0, 0), (49_152, 0)].map(|ports| Call::new(ports.0.into(), ports));
    for (version, call) in (1..=3).zip(&calls) {
        let message = |seen: &Seen| match version {
            3 => agent.hep3(seen),
            version => agent.early(version, seen),
        };
        datagrams(&sensor, call.all().iter().map(message));
    }
    let hep = sensor.settled(18);
    assert_eq!(hep["became"]["delivered"], 18, "{hep:#}");
    for version in ["version_1", "version_2", "version_3"] {
        assert_eq!(hep["events"][version], 6);
    }
    assert_eq!(
        (&hep["events"]["time_missing"], &hep["events"]["unknown_chunks"]),
        (&6.into(), &6.into())
    );
    let records = sensor.calls(3);
    for (record, call) in records.iter().filter_map(|record| {
        let call = calls.iter().find(|call| record["callid"] == call.dialog.call_id.as_str());
        Some((record, call?))
    }) {
        assert_eq!(record["lastSIPresponseNum"], 200);
        // Version 1 tells no time.
        if call.dialog.caller_addr.port() != PORTS.0 {
            whole(record);
            began_at(record, call.began);
        }
    }
    let source = &hep["sources"][0];
    assert_eq!((&source["address"], &source["believed"]), (&"127.0.0.1".into(), &true.into()));
    let said = sensor.says(&["call", &calls[1].dialog.call_id]);
    assert!(said.contains("INVITE") && said.contains("BYE"), "{said}");
    let said = sensor.end();
    assert!(said.contains("Ledger: balances") && said.contains("HEP: "), "{said}");
}

#[test]
fn what_is_no_message_is_counted_and_what_follows_is_heard() {
    let sensor = Sensor::start(&[]);
    let zero = [b"HEP3".to_vec(), vec![0; 22]].concat();
    let call = Call::new(1, PORTS);
    let good = Agent::default().hep3(&call.all()[0]);
    let empty = message(&[chunk(0, 13, &[0, 30])]);
    let from = |kind: u8, payload: &[u8]| {
        let seen = Seen { kind, payload: payload.to_vec(), ..call.all()[0].clone() };
        Agent::default().hep3(&seen)
    };
    let nowhere = message(&[chunk(0, 11, &[SIP]), chunk(0, 15, b"OPTIONS")]);
    let bomb = {
        let seen = Seen { payload: vec![0; 10_000_000], ..call.all()[0].clone() };
        Agent { compressed: true, ..Agent::default() }.hep3(&seen)
    };
    let packed = message(&[chunk(0, 16, b"no zlib")]);
    datagrams(
        &sensor,
        [
            zero,
            good[..good.len() - 1].to_vec(),
            b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(),
            Vec::new(),
            empty,
            nowhere,
            bomb,
            packed,
            from(5, b"{\"nothing\":1}"),
            from(1, b"{\"payload\":"),
            from(34, b"{}"),
            from(35, b"{}"),
            from(100, b"a line"),
            from(10, b"IAX"),
        ],
    );
    datagrams(&sensor, call.all().iter().map(|seen| Agent::default().hep3(seen)));
    let hep = sensor.settled(20);
    for (outcome, count) in [
        ("delivered", 6),
        ("malformed", 4),
        ("empty", 1),
        ("no_address", 1),
        ("too_long", 1),
        ("bad_compression", 1),
        ("unreadable", 2),
        ("no_call", 2),
        ("log", 1),
        ("other_protocol", 1),
    ] {
        assert_eq!(hep["became"][outcome], count, "{outcome}: {hep:#}");
    }
    whole(&sensor.calls(1)[0]);
}

#[test]
fn an_agent_an_hour_ahead_ends_nobodys_call() {
    let sensor = Sensor::start(&["rtptimeout=30"]);
    let (here, there) = (
        Agent { number: 1, ..Agent::default() },
        Agent { number: 2, ahead: 3600, ..Agent::default() },
    );
    let (good, ahead) = (Call::new(1, PORTS), Call::new(2, PORTS));
    datagrams(&sensor, good.answered().iter().map(|seen| here.hep3(seen)));
    let before = agent::now();
    datagrams(&sensor, ahead.all().iter().map(|seen| there.hep3(seen)));
    let record = &sensor.calls(1)[0];
    assert_eq!(record["callid"], ahead.dialog.call_id.as_str());
    let text = record["calldate"].as_str().unwrap();
    let told = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let told = told.unwrap().unix_timestamp();
    let (since, until) = (before.as_secs() as i64 - 1, agent::now().as_secs() as i64 + 1);
    assert!((since..=until).contains(&told), "{text}: the time of arrival");
    datagrams(&sensor, good.ended().iter().map(|seen| here.hep3(seen)));
    let records = sensor.calls(2);
    let record = records.iter().find(|r| r["callid"] == good.dialog.call_id.as_str()).unwrap();
    whole(record);
    began_at(record, good.began);
    let hep = sensor.settled(12);
    assert_eq!(hep["events"]["time_distrusted"], 6);
    let sources = hep["sources"].as_array().unwrap();
    let source = sources.iter().find(|source| source["agent"] == 2).unwrap();
    assert_eq!(source["believed"], false);
    let ahead_ms = source["ahead_ms"].as_i64().unwrap();
    assert!((3_590_000..3_600_000).contains(&ahead_ms), "{ahead_ms}");
}

#[test]
fn the_systems_time_instead_of_the_agents() {
    let sensor = Sensor::start(&["hep_use_system_time=yes"]);
    let before = agent::now();
    let call = Call::new(1, PORTS);
    datagrams(&sensor, call.all().iter().map(|seen| Agent::default().hep3(seen)));
    let record = &sensor.calls(1)[0];
    let text = record["calldate"].as_str().unwrap();
    let told = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    assert!(told.unwrap().unix_timestamp() >= before.as_secs() as i64 - 1, "{text}");
}

#[test]
fn media_and_reports_join_their_call() {
    let sensor = Sensor::start(&[]);
    let agent = Agent::default();
    let call = Call::new(1, PORTS);
    datagrams(&sensor, call.answered().iter().map(|seen| agent.hep3(seen)));
    datagrams(&sensor, call.rtp(50).iter().map(|seen| agent.hep3(seen)));
    sensor.settled(54);
    datagrams(&sensor, [agent.hep3(&call.rtcp_json())]);
    datagrams(&sensor, call.ended().iter().map(|seen| agent.hep3(seen)));
    let record = &sensor.calls(1)[0];
    whole(record);
    assert_eq!(record["a_received"], 50, "{record:#}");
    assert_eq!(record["a_rtcp_loss"], 3, "{record:#}");
}

#[test]
fn figures_of_streams_stand_with_their_call() {
    let sensor = Sensor::start(&[]);
    let call = Call::new(1, PORTS);
    let agent = Agent { correlation: Some(call.dialog.call_id.clone()), ..Agent::default() };
    let figures = |kind: u8, payload: &str| {
        let way = (call.media[0], call.media[1]);
        Seen { way, kind, payload: payload.as_bytes().to_vec(), ..call.all()[3].clone() }
    };
    let full = r#"{"TYPE":"FINAL","TOTAL_PK":95,"EXPECTED_PK":100,"PACKET_LOSS":5,"JITTER":1.5,
        "MOS":3.75,"RFACTOR":71,"CODEC_NAME":"PCMU"}"#;
    let short = r#"{"TYPE":"HANGUP","MOS":99,"RFACTOR":-3}"#;
    let reports = [figures(34, full), figures(35, short), figures(34, "{"), figures(35, "7")];
    datagrams(&sensor, call.all().iter().chain(&reports).map(|seen| agent.hep3(seen)));
    let packed = Agent { compressed: true, ..agent.clone() };
    datagrams(&sensor, [packed.hep3(&figures(34, full))]);
    whole(&sensor.calls(1)[0]);
    let hep = sensor.settled(11);
    let became = |outcome: &str| hep["became"][outcome].clone();
    assert_eq!((became("reported"), became("unreadable")), (2.into(), 2.into()), "{hep:#}");
    assert_eq!((became("no_figures"), became("delivered")), (1.into(), 6.into()));
    let said = sensor.says(&["call", "--format", "json", &call.dialog.call_id]);
    let told: Value = serde_json::from_str(&said).unwrap();
    let reports = told["vq_reports"].as_array().unwrap();
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!((&report["kind"], &report["codec"]), (&"qos_final".into(), &"PCMU".into()));
        assert_eq!((&report["local_mos_cq"], &report["local_r_cq"]), (&3.75.into(), &71.0.into()));
        let loss = (&report["local_loss_percent"], &report["local_jitter_ms"]);
        assert_eq!(loss, (&5.0.into(), &1.5.into()));
        assert_eq!(
            (&report["local_id"], &report["reporter"]),
            (&"10.1.0.1:4000".into(), &"127.0.0.1".into(),)
        );
    }
}

#[test]
fn lines_of_logs_stand_with_their_call_where_they_are_wanted() {
    let sensor = Sensor::start(&["hep_log=yes"]);
    let call = Call::new(1, PORTS);
    let agent =
        Agent { number: 9, correlation: Some(call.dialog.call_id.clone()), ..Agent::default() };
    let line = |text: String, at: Duration| {
        let began = call.began + at;
        Seen { kind: 100, payload: text.into_bytes(), at: began, ..call.all()[0].clone() }
    };
    let many = (0..300).map(|n| line(format!("line {n}\x1b[2J\n"), Duration::from_millis(n)));
    datagrams(&sensor, many.map(|seen| agent.hep3(&seen)));
    let nobodys = line("nobody's".to_owned(), Duration::ZERO);
    datagrams(&sensor, [Agent::default().hep3(&nobodys)]);
    datagrams(&sensor, call.all().iter().map(|seen| agent.hep3(seen)));
    whole(&sensor.calls(1)[0]);
    let hep = sensor.settled(307);
    for (outcome, count) in [("logged", 256), ("log_full", 44), ("no_call", 1), ("delivered", 6)] {
        assert_eq!(hep["became"][outcome], count, "{outcome}: {hep:#}");
    }
    let said = sensor.says(&["call", "--format", "json", &call.dialog.call_id]);
    let told: Value = serde_json::from_str(&said).unwrap();
    let log = told["log"].as_array().unwrap();
    assert_eq!(log.len(), 256);
    let texts = log.iter().map(|line| line["text"].as_str().unwrap().to_owned());
    assert!(texts.eq((0..256).map(|n| format!("line {n} [2J"))), "{log:#?}");
    assert_eq!((&log[0]["agent"], &log[0]["reporter"]), (&9.into(), &"127.0.0.1".into()));
    let said = sensor.says(&["call", &call.dialog.call_id]);
    assert!(said.contains("log of 127.0.0.1: line 7 [2J\n"), "{said}");
    assert!(!sensor.end().contains("line 7"), "what they say is nobody else's");
}

#[test]
fn by_tcp_cut_anywhere_and_several_at_once() {
    let sensor = Sensor::start(&[]);
    let at = sensor.at("tcp");
    assert_eq!(at, sensor.at("udp"));
    let agent = Agent { compressed: true, ..Agent::default() };
    let bytes =
        |call: &Call| -> Vec<u8> { call.all().iter().flat_map(|seen| agent.hep3(seen)).collect() };
    // Each byte in a segment of its own.
    let slow = Call::new(1, PORTS);
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in bytes(&slow) {
        stream.write_all(&[byte]).unwrap();
    }
    // Two calls in one.
    let (one, other) = (Call::new(2, PORTS), Call { protocol: 6, ..Call::new(3, PORTS) });
    let mut at_once = TcpStream::connect(at).unwrap();
    at_once.write_all(&[bytes(&one), bytes(&other)].concat()).unwrap();
    // Kamailio's number of TLS.
    let kamailio = Call { protocol: 3, ..Call::new(4, PORTS) };
    stream.write_all(&bytes(&kamailio)).unwrap();
    let hep = sensor.settled(24);
    assert_eq!(hep["became"]["delivered"], 24);
    let records = sensor.calls(4);
    records.iter().for_each(whole);
    // A stream that is none ends, and hurts no other.
    let mut wrong = TcpStream::connect(at).unwrap();
    wrong.write_all(&[b"HEP3".to_vec(), vec![0; 22]].concat()).unwrap();
    assert_eq!(sensor.with_event("connections_broken", 1)["became"]["malformed"], 1);
    let mut cut = TcpStream::connect(at).unwrap();
    cut.write_all(b"HEP3\x01\x00half").unwrap();
    cut.shutdown(Shutdown::Both).unwrap();
    sensor.with_event("connections_cut", 1);
    let last = Call::new(5, PORTS);
    stream.write_all(&bytes(&last)).unwrap();
    assert_eq!(sensor.calls(5).len(), 5);
}

#[test]
fn a_peer_that_does_not_finish_is_shown_out_and_only_so_many_are_let_in() {
    let sensor = Sensor::start(&["hep_connections_max=2"]);
    let at = sensor.at("tcp");
    let mut slow = TcpStream::connect(at).unwrap();
    slow.write_all(b"HEP3").unwrap();
    let mut good = TcpStream::connect(at).unwrap();
    sensor.with_event("connections", 2);
    let refused = TcpStream::connect(at).unwrap();
    sensor.with_event("connections_refused", 1);
    drop(refused);
    let call = Call::new(1, PORTS);
    for seen in call.all() {
        good.write_all(&Agent::default().hep3(&seen)).unwrap();
    }
    whole(&sensor.calls(1)[0]);
    sensor.with_event("connections_slow", 1);
}

#[test]
fn without_the_key_nobody_is_heard_and_it_is_not_told() {
    let sensor = Sensor::start(&["hep_auth_key=open sesame"]);
    let wrong = ["", "open", "open sesame ", "Open sesame"].map(Some);
    for (n, key) in (1..).zip(wrong.into_iter().chain([None])) {
        let agent = Agent { key, ..Agent::default() };
        datagrams(&sensor, Call::new(n, PORTS).all().iter().map(|seen| agent.hep3(seen)));
    }
    let early = Call::new(8, PORTS);
    datagrams(&sensor, early.all().iter().map(|seen| Agent::default().early(1, seen)));
    let agent = Agent { key: Some("open sesame"), ..Agent::default() };
    let call = Call::new(9, PORTS);
    datagrams(&sensor, call.all().iter().map(|seen| agent.hep3(seen)));
    let hep = sensor.settled(42);
    assert_eq!(
        (&hep["became"]["unauthorised"], &hep["became"]["delivered"]),
        (&36.into(), &6.into())
    );
    assert_eq!(hep["sources"].as_array().unwrap().len(), 1, "strangers have no place");
    assert_eq!(sensor.calls(1)[0]["callid"], call.dialog.call_id.as_str());
    assert!(!sensor.end().contains("sesame"));
}

#[test]
fn udp_can_be_left_out() {
    let sensor = Sensor::start(&["hep_bind_udp=no"]);
    let listening = sensor.hep()["listening"].clone();
    assert!(listening["tcp"].is_string() && listening["udp"].is_null(), "{listening}");
}

#[test]
fn a_message_of_an_agent_that_a_mirror_shows_is_no_sip() {
    let sensor = Sensor::start(&[]);
    let (agent, call) = (Agent::default(), Call::new(1, PORTS));
    let inside = |seen: &Seen| Seen { payload: agent.hep3(seen), ..seen.clone() };
    datagrams(&sensor, call.all().iter().map(|seen| agent.hep3(&inside(seen))));
    datagrams(&sensor, call.all().iter().map(|seen| agent.hep3(seen)));
    whole(&sensor.calls(1)[0]);
    assert_eq!(sensor.settled(12)["became"]["delivered"], 12);
    assert_eq!(sensor.events()["sip_messages"], 6);
}
