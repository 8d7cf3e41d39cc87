//! Whatever tunnel packets come through, the records are the same, and say which it was.
//!
//! One capture is compared with others that hold the same frames in tunnels. That every tunnel is
//! found in a frame is tested where tunnels are opened.

use std::path::{Path, PathBuf};

use crate::support::{classic, number, ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::traffic::{self, Carrier, Carry, Loss, Memory, Plan, Shares};
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

type Frames = Vec<(u64, Vec<u8>)>;

/// Calls by UDP, by TCP and in fragments, with loss, early media, digits and RTCP.
fn traffic() -> Frames {
    let shares = Shares { auth: 0.5, early_media: 0.5, dtmf: 0.5, ipv6: 0.4, ..Shares::default() };
    let mut all = Memory::default();
    for (seed, how) in [(51, None), (52, Some(Carry::TcpMidstream)), (53, Some(Carry::Fragments))] {
        let base = Plan::default();
        let plan = Plan {
            seed,
            start_ns: base.start_ns + seed * 10_000 * MS,
            calls: 3,
            talk_ms: 800,
            rtcp_ms: 300,
            ring_ms: (100, 200),
            loss: Loss::Independent(0.03),
            shares,
            ..base
        };
        match how {
            None => traffic::generate(&plan, &mut all).unwrap(),
            Some(how) => traffic::generate(&plan, &mut Carrier::new(&mut all, how)).unwrap(),
        };
    }
    all.iter().map(|(ts_ns, frame)| (ts_ns, frame.to_vec())).collect()
}

/// Captures in a folder of their own.
struct Captures {
    folder: tempfile::TempDir,
}

impl Captures {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What replay says of these frames, and its ledger.
    #[track_caller]
    fn replay(&self, frames: &Frames, workers: u16, more: &[&str]) -> (Vec<Value>, Value) {
        let (path, stats) = (self.path("traffic.pcap"), self.path("stats.json"));
        write(&path, frames);
        let mut command = ringtap();
        command.args(["replay", "--format", "json", "--workers", &workers.to_string()]);
        command.args(["-O", "udp_port_vxlan=4789,4790,8472", "-O", "audiocodes=yes"]);
        command.arg("--stats").arg(&stats).args(more);
        let said = run(command.arg(&path)).well();
        let ledger = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
        (said.records(), ledger)
    }
}

fn write(path: &Path, frames: &Frames) {
    let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let mut file = Writer::new(file, Options { nanos: true, ..Options::default() }).unwrap();
    frames.iter().for_each(|(ts_ns, frame)| file.frame(*ts_ns, frame).unwrap());
    file.finish().unwrap();
}

fn wrapped(frames: &Frames, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Frames {
    frames.iter().map(|(ts_ns, frame)| (*ts_ns, wrap(frame))).collect()
}

/// The records without what tells of tunnels, and each tunnel that they told.
fn bare(mut records: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let mut tunnels = Vec::new();
    for record in &mut records {
        take(record, &mut tunnels);
        for stream in record["streams"].as_array_mut().into_iter().flatten() {
            take(stream, &mut tunnels);
        }
    }
    (records, tunnels)
}

fn take(record: &mut Value, tunnels: &mut Vec<Value>) {
    let record = record.as_object_mut().unwrap();
    // The VLAN around a tunnel holds for what has none of its own.
    record.remove("vlan");
    tunnels.push(record.remove("tunnel").expect("a key"));
}

/// Equal records; shows the columns that differ.
#[track_caller]
fn same(got: &[Value], wanted: &[Value], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (got, wanted) in got.iter().zip(wanted) {
        for (key, wanted) in wanted.as_object().unwrap() {
            assert_eq!(&got[key], wanted, "{what}: {key} of {}", got["callid"]);
        }
    }
}

/// Its name in the records.
fn kind(wrap: Wrap) -> &'static str {
    match wrap {
        Wrap::InIpv4 | Wrap::InIpv6 => "ipip",
        Wrap::Gre | Wrap::GreChecksum | Wrap::GreKey | Wrap::GreSequence | Wrap::GreAll => "gre",
        Wrap::GreIpv6 | Wrap::GreEthernet | Wrap::Nvgre | Wrap::GreMpls => "gre",
        Wrap::Pptp => "pptp",
        Wrap::Erspan1 => "erspan1",
        Wrap::Erspan2 => "erspan2",
        Wrap::Erspan3 | Wrap::Erspan3Platform => "erspan3",
        Wrap::Mpls | Wrap::MplsVlan | Wrap::MplsEthernet | Wrap::MplsIp | Wrap::MplsUdp => "mpls",
        Wrap::Pppoe | Wrap::PppoeVlan => "pppoe",
        Wrap::Vxlan | Wrap::VxlanGroup | Wrap::VxlanOther => "vxlan",
        Wrap::VxlanGpe | Wrap::VxlanGpeIp | Wrap::VxlanGpeNsh => "vxlan",
        Wrap::Nsh => "nsh",
        Wrap::Geneve | Wrap::GeneveOptions => "geneve",
        Wrap::Tzsp | Wrap::TzspTags => "tzsp",
        Wrap::L2tp | Wrap::L2tpAll | Wrap::L2tpCompressed => "l2tp",
        Wrap::L2tp3 | Wrap::L2tp3Cookie | Wrap::L2tp3Ip => "l2tp",
        Wrap::GreUdp => "gre_udp",
        Wrap::EtherIp => "etherip",
        Wrap::HpErm => "hperm",
        Wrap::VnTag => "vntag",
        Wrap::AudioCodes => "audiocodes",
    }
}

/// As the records have it.
fn tunnel(wrap: Wrap) -> Value {
    let (src, dst) = match wrap {
        _ if wrap.is_on_ethernet() => (Value::Null, Value::Null),
        Wrap::InIpv6 | Wrap::GreIpv6 => ("2001:db8::1".into(), "2001:db8::2".into()),
        _ => ("192.0.2.1".into(), "192.0.2.2".into()),
    };
    json!({ "type": kind(wrap), "id": wrap.id(), "src": src, "dst": dst })
}

/// The records of the traffic as it is.
fn plain(captures: &Captures, frames: &Frames) -> (Vec<Value>, Value) {
    let (records, ledger) = captures.replay(frames, 1, &[]);
    let (records, tunnels) = bare(records);
    assert_eq!(records.iter().filter(|record| record["type"] == "call").count(), 9);
    assert!(tunnels.iter().all(Value::is_null));
    assert_eq!(ledger["balanced"], true);
    (records, ledger["user"]["dispositions"].clone())
}

#[test]
fn the_way_of_packets_does_not_show_in_their_records_but_where_it_is_told() {
    let (captures, frames) = (Captures::new(), traffic());
    let (wanted, dispositions) = plain(&captures, &frames);
    for wrap in Wrap::ALL {
        let frames = wrapped(&frames, |frame| wrap.wrap(frame));
        for workers in [1, 4] {
            let what = format!("{}, {workers} workers", wrap.label());
            let (records, ledger) = captures.replay(&frames, workers, &[]);
            let (records, tunnels) = bare(records);
            same(&records, &wanted, &what);
            let other = tunnels.iter().find(|found| **found != tunnel(wrap));
            assert_eq!(other, None, "{what}");
            assert_eq!(ledger["user"]["dispositions"], dispositions, "{what}");
            assert_eq!(ledger["balanced"], true, "{what}");
            let count = number(&ledger, &format!("/user/events/tunnel_{}", kind(wrap)));
            assert_eq!(count, frames.len() as u64, "{what}");
        }
    }
}

/// One call, all of whose packets are sent by Ethernet addresses of zeros, as those have that come
/// out of a tunnel for IP.
fn one_call() -> (String, Frames) {
    let plan = Plan { seed: 61, calls: 1, talk_ms: 300, rtcp_ms: 100, ..Plan::default() };
    let mut all = Memory::default();
    let truth = traffic::generate(&plan, &mut all).unwrap();
    let frames = all.iter().map(|(ts_ns, frame)| (ts_ns, [&[0; 12], &frame[12..]].concat()));
    (truth.calls[0].call_id.clone(), frames.collect())
}

#[test]
fn a_call_comes_out_of_the_spool_with_its_tunnel_or_without() {
    let (call_id, plain) = one_call();
    for wrap in Wrap::ALL {
        let captures = Captures::new();
        let wrapped = wrapped(&plain, |frame| wrap.wrap(frame));
        let (spool, store) = (captures.path("spool"), captures.path("calls.db"));
        let (spool, store) = (spool.to_str().unwrap(), format!("sqlite:{}", store.display()));
        captures.replay(&wrapped, 2, &["--store", &store, "--spool", spool]);
        for (options, wanted) in [(&[][..], &wrapped), (&["--decapsulate"], &plain)] {
            let out = captures.path(if options.is_empty() { "whole.pcap" } else { "bare.pcap" });
            let mut command = ringtap();
            command.args(["pcap", &call_id, "--store", &store, "--spool", spool]).args(options);
            command.args(["-O", "udp_port_vxlan=4789,4790,8472", "-O", "audiocodes=yes"]);
            run(command.arg("-o").arg(&out)).well();
            let mut got: Vec<Vec<u8>> = classic(&out).into_iter().map(|(_, frame)| frame).collect();
            let mut wanted: Vec<Vec<u8>> = wanted.iter().map(|(_, frame)| frame.clone()).collect();
            got.sort();
            wanted.sort();
            assert!(got == wanted, "{} {options:?}", wrap.label());
        }
    }
}

#[test]
fn the_page_about_tunnels_names_every_shape_and_no_other() {
    let page = include_str!("../../../../docs/tunnels.md");
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let shapes: Vec<Vec<&str>> =
        rows.map(|line| line.split('|').map(str::trim).skip(1).take(2).collect()).collect();
    assert_eq!(shapes, Wrap::ALL.map(|wrap| vec![wrap.label(), kind(wrap)]));
}

#[test]
fn of_tunnels_in_tunnels_the_outermost_is_told() {
    let (captures, frames) = (Captures::new(), traffic());
    let (wanted, _) = plain(&captures, &frames);
    for (outer, inner) in [
        (Wrap::Erspan2, Wrap::Vxlan),
        (Wrap::Vxlan, Wrap::Geneve),
        (Wrap::MplsVlan, Wrap::Gre),
        (Wrap::InIpv6, Wrap::L2tpAll),
        (Wrap::Tzsp, Wrap::PppoeVlan),
        (Wrap::GreAll, Wrap::InIpv4),
    ] {
        let frames = wrapped(&frames, |frame| outer.wrap(&inner.wrap(frame)));
        for workers in [1, 4] {
            let what = format!("{} in {}, {workers}", inner.label(), outer.label());
            let (records, tunnels) = bare(captures.replay(&frames, workers, &[]).0);
            same(&records, &wanted, &what);
            assert!(tunnels.iter().all(|found| *found == tunnel(outer)), "{what}");
        }
    }
}

#[test]
fn copies_that_come_by_another_way_count_once() {
    let (captures, frames) = (Captures::new(), traffic());
    let (wanted, _) = plain(&captures, &frames);
    let none = |frame: &[u8]| frame.to_vec();
    let gre = |frame: &[u8]| Wrap::GreKey.wrap(frame);
    let vxlan = |frame: &[u8]| Wrap::Vxlan.wrap(frame);
    let mpls = |frame: &[u8]| Wrap::MplsEthernet.wrap(frame);
    type Way<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let ways: [(Way<'_>, Way<'_>, Value); 4] = [
        (&none, &gre, Value::Null),
        (&vxlan, &none, tunnel(Wrap::Vxlan)),
        (&gre, &vxlan, tunnel(Wrap::GreKey)),
        (&mpls, &gre, tunnel(Wrap::MplsEthernet)),
    ];
    for (first, second, told) in ways {
        let copies = frames.iter().map(|(ts_ns, frame)| (ts_ns + 5 * MS, second(frame)));
        let mut all: Frames = wrapped(&frames, first).into_iter().chain(copies).collect();
        all.sort_by_key(|(ts_ns, _)| *ts_ns);
        for workers in [1, 4] {
            let what = format!("{told}, {workers} workers");
            let (records, ledger) = captures.replay(&all, workers, &[]);
            let (records, tunnels) = bare(records);
            same(&records, &wanted, &what);
            assert!(tunnels.iter().all(|found| *found == told), "{what}");
            let duplicates = number(&ledger, "/user/dispositions/duplicate");
            assert_eq!(duplicates, frames.len() as u64, "{what}");
        }
    }
}

/// The frame in a tunnel's packet that comes in two pieces. The first of them reaches to the
/// frame's addresses, as all do that come of a path's MTU: short packets stay whole.
fn in_pieces(frame: &[u8], number: usize, udp: bool) -> Vec<Vec<u8>> {
    let (src, dst) = (([192, 0, 2, 1], 40_001), ([192, 0, 2, 2], 4789));
    let header: &[u8] = if udp { &[8, 0, 0, 0, 0, 0x12, 0x34, 0] } else { &[0, 0, 0x65, 0x58] };
    let payload = [header, frame].concat();
    let packet = match udp {
        true => Packet::udp(src.into(), dst.into(), &payload),
        false => Packet::ip(src.0.into(), dst.0.into(), 47, &payload),
    };
    let half = ((payload.len() + 8).div_ceil(16) * 8).max(96);
    packet.ip_id(1 + number as u32 % 60_000).fragments(20 + half)
}

#[test]
fn a_tunnels_packet_may_come_in_pieces() {
    let (captures, frames) = (Captures::new(), traffic());
    let (wanted, _) = plain(&captures, &frames);
    for (udp, wrap) in [(true, Wrap::Vxlan), (false, Wrap::GreEthernet)] {
        let pieces = |(number, (ts_ns, frame)): (usize, &(u64, Vec<u8>))| {
            let pieces = in_pieces(frame, number, udp);
            let ts_ns = *ts_ns;
            pieces.into_iter().map(move |piece| (ts_ns, piece)).collect::<Vec<_>>()
        };
        let all: Frames = frames.iter().enumerate().flat_map(pieces).collect();
        for workers in [1, 4] {
            let what = format!("{}, {workers} workers", wrap.label());
            let (records, ledger) = captures.replay(&all, workers, &[]);
            let (records, tunnels) = bare(records);
            same(&records, &wanted, &what);
            assert!(tunnels.iter().all(|found| *found == tunnel(wrap)), "{what}");
            assert_eq!(ledger["balanced"], true, "{what}");
            let count = number(&ledger, &format!("/user/events/tunnel_{}", kind(wrap)));
            assert_eq!(count, frames.len() as u64, "{what}");
            let reassembled = number(&ledger, "/user/events/reassembled");
            assert!(reassembled > frames.len() as u64 / 2, "{what}: {reassembled}");
        }
    }
}

#[test]
fn the_store_the_filter_and_the_spool_know_the_way() {
    let (captures, frames) = (Captures::new(), traffic());
    let store = format!("sqlite:{}", captures.path("calls.db").display());
    let spool = captures.path("spool");
    let spool = spool.to_str().unwrap();
    let frames = wrapped(&frames, |frame| Wrap::Vxlan.wrap(frame));
    let (replayed, _) = captures.replay(&frames, 2, &["--store", &store, "--spool", spool]);
    let ask = |words: &[&str]| run(ringtap().args(words).args(["--store", &store]));
    let calls = |more: &[&str]| {
        let words: Vec<&str> = ["calls", "--format", "json"].iter().chain(more).copied().collect();
        ask(&words).well().records()
    };
    let replayed: Vec<&Value> = replayed.iter().filter(|record| record["type"] == "call").collect();
    let stored = calls(&[]);
    for record in &replayed {
        let found = stored.iter().find(|found| found["callid"] == record["callid"]).unwrap();
        assert_eq!(found["tunnel"], tunnel(Wrap::Vxlan));
        assert_eq!(found["streams"], record["streams"]);
    }
    assert_eq!(calls(&["--tunnel", "vxlan"]).len(), replayed.len());
    assert_eq!(calls(&["--tunnel", "vxlan:4660"]).len(), replayed.len());
    assert_eq!(calls(&["--tunnel", "vxlan:4661"]).len(), 0);
    assert_eq!(calls(&["--tunnel", "gre"]).len(), 0);
    assert_eq!(ask(&["calls", "--tunnel", "vlan"]).code, 2, "no such kind");

    let id =
        replayed.iter().find(|call| call["streams"][1].is_object()).unwrap()["callid"].as_str();
    let id = id.unwrap();
    let shown = ask(&["call", id]).well().out;
    assert!(shown.contains("through VXLAN 4660 from 192.0.2.1 to 192.0.2.2"), "{shown}");
    let wav = captures.path("call.wav");
    ask(&["audio", id, "--spool", spool, "-o", wav.to_str().unwrap()]).well();
    assert!(std::fs::metadata(&wav).unwrap().len() > 8000, "half a second at least");
}

/// What a gateway records of a frame that it received: the payload behind a header that names both
/// ends of SIP, and the far end of media; the gateway is the near one.
fn recorded(frame: &[u8]) -> Vec<u8> {
    let (src, dst) = (&frame[26..30], &frame[30..34]);
    let (ports, payload) = (&frame[34..38], &frame[42..]);
    let is_sip = ports[..2] == [0x13, 0xc4] || ports[2..] == [0x13, 0xc4];
    let (point, kind) = if is_sip { (6, 10) } else { (0, 1) };
    let extension =
        if is_sip { [src, dst, ports, &[17, 0]].concat() } else { [src, ports, &[0]].concat() };
    let header = [9, 0, 0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, point, kind];
    let session = [0, 0, 1, 3, 0, 0, 0, 0, 77];
    let length = [extension.len() as u8];
    let recording = [&header[..], &length, &session, &extension, payload].concat();
    let gateway: [u8; 4] = dst.try_into().unwrap();
    Packet::udp((gateway, 50_925).into(), ([192, 0, 2, 9], 925).into(), &recording).build()
}

#[test]
fn calls_that_a_gateway_records_are_calls() {
    let plan = Plan { calls: 4, talk_ms: 800, loss: Loss::Independent(0.03), ..Plan::default() };
    let mut memory = Memory::default();
    traffic::generate(&plan, &mut memory).unwrap();
    let frames: Frames = memory.iter().map(|(ts_ns, frame)| (ts_ns, frame.to_vec())).collect();
    let captures = Captures::new();
    let facts = |records: &[Value]| -> Vec<Value> {
        let stream = |s: &Value| {
            json!([s["saddr"], s["sport"], s["daddr"], s["ssrc"], s["received"], s["lost"]])
        };
        let call = |r: &Value| {
            let streams: Vec<Value> = r["streams"].as_array().unwrap().iter().map(stream).collect();
            json!([r["callid"], r["caller"], r["sipcallerip"], r["bye"], r["duration"], streams])
        };
        records.iter().map(call).collect()
    };
    let wanted = facts(&captures.replay(&frames, 1, &[]).0);
    assert_eq!(wanted.len(), 4);
    let recording = wrapped(&frames, recorded);
    for workers in [1, 4] {
        let (records, ledger) = captures.replay(&recording, workers, &[]);
        assert_eq!(facts(&records), wanted, "{workers} workers");
        assert_eq!(ledger["balanced"], true);
        assert_eq!(records[0]["tunnel"]["type"], "audiocodes");
        assert_eq!(records[0]["tunnel"]["id"], 77);
    }
    // Whoever does not want them has none.
    let (records, _) = captures.replay(&recording, 1, &["-O", "audiocodes=no"]);
    assert_eq!(records, [Value::Null; 0]);
}
