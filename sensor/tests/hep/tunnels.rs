//! Tunnels that the host's own sockets receive: the same calls as from an interface, and what must
//! not hurt.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::tunnel::{ID, Wrap};
use ringtap_testkit::pcap::{Options, Writer};
use serde_json::{Value, json};

use crate::agent::{Agent, Call, Seen};
use crate::sensor::Sensor;
use crate::{PORTS, datagrams, whole};

/// Ethernet, IPv4 and UDP in front of what a tunnel's datagram is.
const OUTER_LEN: usize = 14 + 20 + 8;

/// Kinds of tunnels, and tunnels of each.
const KINDS: [(&str, &str, &[Wrap]); 8] = [
    ("vxlan", "vxlan", &[Wrap::Vxlan, Wrap::VxlanGroup]),
    ("geneve", "geneve", &[Wrap::GeneveOptions]),
    ("tzsp", "tzsp", &[Wrap::Tzsp, Wrap::TzspTags]),
    ("l2tp", "l2tp", &[Wrap::L2tp3]),
    ("gre_udp", "gre", &[Wrap::GreUdp]),
    ("mpls", "mpls", &[Wrap::MplsUdp]),
    ("hperm", "hperm", &[Wrap::HpErm]),
    ("audiocodes", "audiocodes", &[Wrap::AudioCodes]),
];

/// Ports that are free now, below those that the system gives to whoever asks for any.
fn ports<const N: usize>() -> [u16; N] {
    let first = 20_000 + (std::process::id() % 600) as u16 * 20;
    let mut free =
        (first..first + 2000).filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
    let sockets = [(); N].map(|()| free.next().expect("a port is free"));
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

fn start(options: &[&str]) -> Sensor {
    Sensor::start(&[&["hep=no", "listen_bind_ip=127.0.0.1"], options].concat())
}

/// The frame that a mirror would have.
fn frame(seen: &Seen) -> Vec<u8> {
    Packet::udp(seen.way.0, seen.way.1, &seen.payload).build()
}

/// A call with audio of both.
fn call(n: u64) -> Vec<Vec<u8>> {
    let media = [1, 2].map(|host| ([10, 1, n as u8, host], 4000).into());
    let call = Call { media, ..Call::new(n, PORTS) };
    let rtp = call.rtp(50);
    let back =
        rtp.iter().skip(10).map(|seen| Seen { way: (seen.way.1, seen.way.0), ..seen.clone() });
    let all = [call.answered(), rtp.clone(), back.collect(), call.ended()].concat();
    all.iter().map(frame).collect()
}

fn datagram(wrap: Wrap, frame: &[u8]) -> Vec<u8> {
    wrap.wrap(frame).split_off(OUTER_LEN)
}

fn send(port: u16, datagrams: impl IntoIterator<Item = Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in datagrams {
        socket.send_to(&datagram, ("127.0.0.1", port)).unwrap();
    }
}

/// What of a record does not depend on when packets came.
fn timeless(record: &Value) -> Value {
    const KEYS: [&str; 14] = [
        "callid",
        "caller",
        "called",
        "sipcallerip",
        "sipcalledip",
        "sipcallerport",
        "lastSIPresponseNum",
        "whohanged",
        "bye",
        "a_received",
        "b_received",
        "a_lost",
        "a_codec",
        "media_marks",
    ];
    const STREAM: [&str; 8] =
        ["saddr", "sport", "daddr", "dport", "ssrc", "payload", "received", "lost"];
    let of = |value: &Value, keys: &[&str]| -> Value {
        keys.iter().map(|key| ((*key).to_owned(), value[*key].clone())).collect()
    };
    let streams = record["streams"].as_array().unwrap().iter();
    json!([of(record, &KEYS), streams.map(|s| of(s, &STREAM)).collect::<Vec<_>>()])
}

/// The records of these frames as they came from a file.
fn replayed(calls: &[Vec<Vec<u8>>]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bare.pcap");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = Writer::new(file, Options { nanos: true, ..Options::default() }).unwrap();
    for (at, frame) in (0..).zip(calls.iter().flatten()) {
        writer.frame(1_700_000_000_000_000_000 + at * 1_000_000, frame).unwrap();
    }
    writer.finish().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtap"));
    let said = command.args(["replay", "--format", "json"]).arg(&path).output().unwrap();
    let lines = String::from_utf8(said.stdout).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    records.filter(|record: &Value| record["type"] == "call").collect()
}

fn by_call(records: &[Value], call_id: &Value) -> Value {
    records.iter().find(|record| record["callid"] == *call_id).expect("its record").clone()
}

#[test]
fn calls_in_datagrams_are_the_bare_calls() {
    let ports: [u16; KINDS.len()] = ports();
    let kinds = KINDS.map(|(kind, ..)| kind).join(",");
    let mut options = vec![format!("listen_udp_tunnels={kinds}")];
    options.extend(KINDS.iter().zip(ports).map(|((_, key, _), at)| format!("udp_port_{key}={at}")));
    let sensor = start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let wraps: Vec<(&str, Wrap, u16)> = KINDS
        .iter()
        .zip(ports)
        .flat_map(|((kind, _, wraps), port)| wraps.iter().map(move |wrap| (*kind, *wrap, port)))
        .collect();
    let calls: Vec<_> = (1..=wraps.len() as u64).map(call).collect();
    let mut sent = 0;
    for ((_, wrap, port), call) in wraps.iter().zip(&calls) {
        send(*port, call.iter().map(|frame| datagram(*wrap, frame)));
        sent += call.len() as u64;
    }
    let tunnels = sensor.settled_of("tunnels", sent);
    assert_eq!(tunnels["became"]["delivered"], sent, "{tunnels:#}");
    assert_eq!(tunnels["sources"][0]["address"], "127.0.0.1");
    let records = sensor.calls(calls.len());
    let events = sensor.events();
    for (bare, (kind, wrap, _)) in replayed(&calls).iter().zip(&wraps) {
        let record = by_call(&records, &bare["callid"]);
        assert_eq!(timeless(&record), timeless(bare), "{kind}");
        let tunnel = json!({
            "type": kind, "id": wrap.id(), "src": "127.0.0.1", "dst": "127.0.0.1",
        });
        assert_eq!((&record["tunnel"], &record["streams"][0]["tunnel"]), (&tunnel, &tunnel));
        let of_kind = wraps.iter().zip(&calls).filter(|((other, ..), _)| other == kind);
        let packets: usize = of_kind.map(|(_, call)| call.len()).sum();
        assert_eq!(events[format!("tunnel_{kind}")], packets);
    }
    let call_id = records[0]["callid"].as_str().unwrap();
    let said = sensor.says(&["call", call_id]);
    assert!(said.contains("INVITE") && said.contains("BYE"), "{said}");
    let said = sensor.end();
    assert!(said.contains("Ledger: balances") && said.contains("Tunnels: "), "{said}");
}

#[test]
fn what_is_no_tunnel_or_no_voip_is_counted_and_what_follows_is_heard() {
    let ports: [u16; 3] = ports();
    let [vxlan, tzsp, audiocodes] = ports;
    let keys = ["vxlan", "tzsp", "audiocodes"];
    let options = keys.iter().zip(ports).map(|(kind, at)| format!("udp_port_{kind}={at}"));
    let options: Vec<String> = options.collect();
    let mut all = vec!["listen_udp_tunnels=vxlan,tzsp,audiocodes"];
    all.extend(options.iter().map(String::as_str));
    let sensor = start(&all);
    let call = call(1);
    let whole = datagram(Wrap::Vxlan, &call[0]);
    let http = Packet::udp(([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 53).into(), b"name?");
    let icmp = Packet::ip([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 1, &[8; 20]);
    for port in ports {
        send(port, [Vec::new(), vec![0], vec![0xff; 65_507], b"OPTIONS sip:a SIP/2.0".to_vec()]);
    }
    send(vxlan, (1..whole.len().min(49)).map(|len| whole[..len].to_vec()));
    send(vxlan, [&http, &icmp].map(|packet| datagram(Wrap::Vxlan, &packet.build())));
    send(tzsp, [datagram(Wrap::Vxlan, &call[0])]);
    send(audiocodes, [[9; 40].to_vec()]);
    let hostile = 3 * 4 + 48 + 2 + 2;
    let tunnels = sensor.settled_of("tunnels", hostile);
    assert_eq!(tunnels["became"]["delivered"], 0, "{tunnels:#}");
    assert_eq!(tunnels["became"]["not_voip"], 1, "{tunnels:#}");
    assert_eq!(tunnels["became"]["unopened"], hostile - 1, "{tunnels:#}");
    send(vxlan, call.iter().map(|frame| datagram(Wrap::Vxlan, frame)));
    assert_eq!(sensor.calls(1)[0]["bye"], 3);
    let tunnels = sensor.settled_of("tunnels", hostile + call.len() as u64);
    assert_eq!(tunnels["became"]["delivered"], call.len());
    assert!(sensor.end().contains("Ledger: balances"));
}

#[test]
fn pieces_of_packets_inside_are_put_together() {
    let [port] = ports();
    let key = format!("udp_port_vxlan={port}");
    let sensor = start(&["listen_udp_tunnels=vxlan", &key]);
    let call = Call::new(1, PORTS);
    let pieces = |seen: &Seen| {
        let packet = Packet::udp(seen.way.0, seen.way.1, &seen.payload).ip_id(7);
        packet.fragments(200).into_iter().map(|piece| datagram(Wrap::Vxlan, &piece))
    };
    for seen in call.all() {
        send(port, pieces(&seen));
    }
    let record = &sensor.calls(1)[0];
    assert_eq!((&record["lastSIPresponseNum"], &record["bye"]), (&200.into(), &3.into()));
    assert_eq!(sensor.events()["reassembled"], 6);
}

#[test]
fn a_port_that_is_taken_and_what_cannot_be_meant_have_one_line() {
    let [port, other] = ports();
    let key = format!("udp_port_vxlan={port}");
    let sensor = start(&["listen_udp_tunnels=vxlan", &key]);
    let twice = format!("udp_port_tzsp={other}");
    let again = format!("udp_port_vxlan={other}");
    for (options, word) in [
        (vec!["listen_udp_tunnels=vxlan", &key], port.to_string()),
        (vec!["listen_udp_tunnels=vxlan,tzsp", &twice, &again], other.to_string()),
        (vec!["listen_udp_tunnels=vxlan", "udp_port_vxlan=no"], "udp_port_vxlan".to_owned()),
        (vec!["listen_udp_tunnels=vxlan", "tunnel_depth=0"], "tunnel_depth".to_owned()),
        (vec!["listen_udp_tunnels=vxlan", "udp_port_vxlan=1-100"], "16".to_owned()),
        (vec!["listen_udp_tunnels=vxlan,erspan1"], "gre_udp".to_owned()),
        (vec!["listen_udp_tunnels=tzsp", &twice, "listen_bind_ip=192.0.2.7"], "name".to_owned()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtap"));
        let socket = format!("status_socket={}", folder.path().join("status").display());
        command.args(["run", "-O", &socket, "-O", "listen_bind_ip=127.0.0.1"]);
        for option in options {
            command.args(["-O", option]);
        }
        let said = command.env("RINGTAP_LOG", "error").output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(&word), "{word}: {text}");
    }
    drop(sensor);
}

#[test]
fn a_flood_at_one_listener_hurts_no_other_and_all_of_it_is_counted() {
    const FLOOD: u64 = 30_000;
    let [port] = ports();
    let key = format!("udp_port_vxlan={port}");
    let sensor = start(&["hep=yes", "listen_udp_tunnels=vxlan", &key, "listen_memory=1"]);
    let (flood, call) = (Call::new(1, PORTS).rtp(1000), Call::new(2, PORTS));
    std::thread::scope(|scope| {
        let rtp = flood.iter().cycle().take(FLOOD as usize);
        scope.spawn(move || send(port, rtp.map(|seen| datagram(Wrap::Vxlan, &frame(seen)))));
        datagrams(&sensor, call.all().iter().map(|seen| Agent::default().hep3(seen)));
        whole(&sensor.calls(1)[0]);
    });
    let tunnels = sensor.part_with("tunnels", |tunnels| {
        let lost = tunnels["events"]["socket_dropped"].as_u64();
        tunnels["messages"].as_u64().zip(lost).is_some_and(|(came, lost)| came + lost == FLOOD)
    });
    let became = |outcome: &str| tunnels["became"][outcome].as_u64().unwrap();
    assert_eq!(became("delivered") + became("queue_full"), tunnels["messages"], "{tunnels:#}");
    assert_eq!(sensor.settled(6)["became"]["delivered"], 6);
    assert!(sensor.end().contains("Ledger: balances"));
}

/// A recording by AudioCodes, version 0.9, of SIP: what it names is where it went.
fn recorded_sip(seen: &Seen) -> Vec<u8> {
    let mut bytes = vec![9, 0, 0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 6, 10, 14];
    bytes.extend([0, 0, 1, 3, 0]);
    bytes.extend(ID.to_be_bytes());
    for end in [seen.way.0, seen.way.1] {
        let std::net::IpAddr::V4(ip) = end.ip() else { panic!("IPv4 only") };
        bytes.extend(ip.octets());
    }
    bytes.extend([seen.way.0.port(), seen.way.1.port()].map(u16::to_be_bytes).as_flattened());
    bytes.extend([17, 0]);
    bytes.extend(&seen.payload);
    bytes
}

#[test]
fn recordings_over_tcp_in_any_pieces_and_peers_that_do_not_finish() {
    let options =
        ["listen_tcp_audiocodes=yes", "tcp_port_audiocodes=0", "listen_connections_max=2"];
    let sensor = start(&options);
    let at = sensor.at_of("tunnels", "audiocodes_tcp");
    let mut slow = TcpStream::connect(at).unwrap();
    slow.write_all(&[9, 0, 0]).unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    sensor.with_event_of("tunnels", "connections", 2);
    let refused = TcpStream::connect(at).unwrap();
    sensor.with_event_of("tunnels", "connections_refused", 1);
    drop(refused);
    let (whole, told) = (call(1), Call::new(2, PORTS));
    let mut bytes: Vec<u8> = whole.iter().flat_map(|f| datagram(Wrap::AudioCodes, f)).collect();
    bytes.extend(told.all().iter().flat_map(recorded_sip));
    for (piece, len) in bytes.chunks(97).zip((1..97).cycle()) {
        let (first, rest) = piece.split_at(len.min(piece.len()));
        stream.write_all(first).unwrap();
        stream.write_all(rest).unwrap();
    }
    let records = sensor.calls(2);
    let bare = replayed(std::slice::from_ref(&whole));
    let record = by_call(&records, &bare[0]["callid"]);
    assert_eq!(timeless(&record), timeless(&bare[0]));
    assert_eq!(record["tunnel"]["type"], "audiocodes");
    assert_eq!(record["tunnel"]["src"], "127.0.0.1");
    let record = by_call(&records, &told.dialog.call_id.as_str().into());
    assert_eq!((&record["bye"], &record["tunnel"]["id"]), (&3.into(), &ID.into()));
    let sent = whole.len() as u64 + 6;
    assert_eq!(sensor.settled_of("tunnels", sent)["became"]["delivered"], sent);
    // Of a payload of RTP nothing tells the end: the connection is of no use any more.
    let mut rtp = recorded_sip(&told.rtp(1)[0]);
    (rtp[16], rtp[17]) = (0, 1);
    stream.write_all(&rtp).unwrap();
    sensor.with_event_of("tunnels", "recordings_without_length", 1);
    sensor.with_event_of("tunnels", "connections_broken", 1);
    let mut garbage = TcpStream::connect(at).unwrap();
    garbage.write_all(b"GET / HTTP/1.0\r\n\r\n and so on").unwrap();
    sensor.with_event_of("tunnels", "connections_broken", 2);
    sensor.with_event_of("tunnels", "connections_slow", 1);
    assert!(sensor.end().contains("Ledger: balances"));
}
