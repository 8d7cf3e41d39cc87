//! Every verdict of the kernel program, by frames that go through it in the kernel.
//!
//! Nothing here needs traffic: redirects are decided and not carried out. What becomes of a frame
//! after the redirect (delivery, full rings) belongs to the live tests.

#[path = "verdicts/cases.rs"]
mod cases;
#[path = "verdicts/host.rs"]
mod host;
mod kernel;

use std::collections::HashSet;
use std::time::Duration;

use cases::{A, A6, B, B6, damaged, plain_cases, udp};
use kernel::{Bench, at, rtp};
use ringtap_capture::xdp::load::Options;
use ringtap_capture::xdp::load::trial::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use ringtap_common::maps::{MediaFilter, Mode, PortSets, STAMP_LEN, stamped_ns};
use ringtap_common::tunnel::Kind;
use ringtap_common::verdict::Verdict;
use ringtap_testkit::packet::tunnel::{AUDIOCODES_PORT, VXLAN_OTHER_PORT, Wrap};
use ringtap_testkit::packet::{Packet, TCP_SYN};

const MS: u64 = 1_000_000;

#[test]
fn every_verdict_is_reached_and_does_what_it_says() {
    let mut seen = HashSet::new();
    for (mode, rest) in [(Mode::Span, XDP_DROP), (Mode::PassRest, XDP_PASS)] {
        let options = |o: &mut Options| {
            o.settings.mode = mode as u8;
            // All cases come within it, however slow the machine is.
            o.settings.dedup_window_ns = 4_000 * MS;
        };
        let Some(mut bench) = Bench::new(options) else { return };
        for (i, (expected, frame)) in plain_cases().into_iter().enumerate() {
            let (verdict, outcome) = bench.feed(&frame);
            assert_eq!(verdict, expected, "case {i}");
            let action = if verdict.is_redirected() { XDP_REDIRECT } else { rest };
            assert_eq!(outcome.action, action, "case {i}: {}", verdict.label());
            seen.insert(verdict.label());
        }
        let (verdict, outcome) = bench.feed(&udp(&rtp(1)));
        assert_eq!((verdict, outcome.action), (Verdict::Duplicate, XDP_DROP));
        seen.insert(verdict.label());
        bench.program.clear_socket(0).unwrap();
        let (verdict, outcome) = bench.feed(&udp(&rtp(100)));
        assert_eq!((verdict, outcome.action), (Verdict::NoSocket, rest));
        seen.insert(verdict.label());
    }
    let Some(mut bench) = Bench::new(|o| o.settings.media = MediaFilter::Learned as u8) else {
        return;
    };
    assert_eq!(bench.verdict(&udp(&rtp(1))), Verdict::NotVoip);
    let sip = Packet::udp(at(A), at("10.0.0.2:5060"), b"BYE").build();
    assert_eq!(bench.verdict(&sip), Verdict::SipUdp);
    let v4 = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
    bench.program.learn(v4(2), 30_000).unwrap();
    assert_eq!(bench.verdict(&udp(b"anything")), Verdict::Learned);
    assert_eq!(bench.verdict(&Packet::udp(at(B), at(A), b"back").build()), Verdict::Learned);
    bench.program.forget(v4(2), 30_000).unwrap();
    bench.program.forget(v4(2), 30_000).unwrap();
    assert_eq!(bench.verdict(&udp(&rtp(2))), Verdict::NotVoip);
    seen.insert(Verdict::Learned.label());
    let Some(mut bench) = Bench::new(|o| o.settings.mode = Mode::Tunnel as u8) else { return };
    bench.program.set_own(&[v4(2)]).unwrap();
    assert_eq!(bench.verdict(&udp(&rtp(2))), Verdict::OwnVoip);
    seen.insert(Verdict::OwnVoip.label());
    let missing: Vec<_> = Verdict::ALL.iter().filter(|v| !seen.contains(v.label())).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

#[test]
fn the_port_table_can_be_replaced() {
    let Some(mut bench) = Bench::new(|_| ()) else { return };
    let odd = Packet::udp(at(A), at("10.0.0.2:6666"), b"REGISTER").build();
    assert_eq!(bench.verdict(&odd), Verdict::NotVoip);
    let mut ports = ringtap_common::maps::PortSets::EMPTY;
    ports.sip_udp.insert_range(6000, 7000);
    bench.program.set_ports(&ports).unwrap();
    assert_eq!(bench.verdict(&odd), Verdict::SipUdp);
    assert_eq!(bench.verdict(&udp(&rtp(1))), Verdict::NotVoip);
    let tcp = Packet::tcp(at(A), at("10.0.0.2:6666"), 1, 0, TCP_SYN, b"").build();
    assert_eq!(bench.verdict(&tcp), Verdict::NotVoip);
}

#[test]
fn jumbo_frames_are_seen_through() {
    let Some(bench) = Bench::new(|_| ()) else { return };
    let mut long = rtp(1);
    long.resize(8900, 3);
    assert_eq!(bench.verdict(&udp(&long)), Verdict::Rtp);
    // Beyond its linear part a frame is not compared: a copy survives rather than a packet is lost.
    assert_eq!(bench.verdict(&udp(&long)), Verdict::Rtp);
    long.truncate(1400);
    assert_eq!(bench.verdict(&udp(&long)), Verdict::Rtp);
    assert_eq!(bench.verdict(&udp(&long)), Verdict::Duplicate);
}

#[test]
fn a_copy_is_dropped_whatever_the_way_has_rewritten() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 1000 * MS) else { return };
    let audio = rtp(1);
    let original = Packet::udp(at(A), at(B), &audio).ip_id(7);
    assert_eq!(bench.verdict(&original.build()), Verdict::Rtp);
    let copies: [(&str, Vec<u8>); 8] = [
        ("the same", original.build()),
        ("time to live", original.ttl(63).build()),
        ("type of service", original.tos(0xb8).build()),
        ("MAC", original.macs([4; 6], [6; 6]).build()),
        ("VLAN", original.vlan(5).build()),
        ("QinQ", original.tag(0x88a8, 5).vlan(6).build()),
        ("transport checksum", damaged(original.build(), 40, 0x77)),
        ("no IP id", original.ip_id(0).build()),
    ];
    for (what, copy) in copies {
        assert_eq!(bench.verdict(&copy), Verdict::Duplicate, "{what}");
    }
    let audio = rtp(2);
    let original = Packet::udp(at(A6), at(B6), &audio);
    assert_eq!(bench.verdict(&original.build()), Verdict::Rtp);
    assert_eq!(bench.verdict(&original.ttl(3).vlan(5).build()), Verdict::Duplicate);
}

#[test]
fn other_packets_are_no_copies() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 1000 * MS) else { return };
    let audio = rtp(1);
    let original = Packet::udp(at(A), at(B), &audio);
    assert_eq!(bench.verdict(&original.build()), Verdict::Rtp);
    let others: [(&str, Vec<u8>); 6] = [
        ("sequence", Packet::udp(at(A), at(B), &rtp(2)).build()),
        ("source", Packet::udp(at("10.0.0.3:20000"), at(B), &audio).build()),
        ("source port", Packet::udp(at("10.0.0.1:20002"), at(B), &audio).build()),
        ("direction", Packet::udp(at(B), at(A), &audio).build()),
        ("shorter", Packet::udp(at(A), at(B), &audio[..171]).build()),
        ("last byte", damaged(original.build(), 42 + 171, 0x77)),
    ];
    for (what, other) in others {
        assert_eq!(bench.verdict(&other), Verdict::Rtp, "{what}");
    }
}

#[test]
fn ip_ids_tell_a_retransmission_from_a_copy() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 1000 * MS) else { return };
    let pairs = [(0, 0, true), (0, 9, true), (9, 0, true), (9, 9, true), (9, 10, false)];
    for (n, (first, second, is_copy)) in (0..).zip(pairs) {
        let audio = rtp(n);
        let packet = Packet::udp(at(A), at(B), &audio);
        assert_eq!(bench.verdict(&packet.ip_id(first).build()), Verdict::Rtp);
        let expected = if is_copy { Verdict::Duplicate } else { Verdict::Rtp };
        assert_eq!(bench.verdict(&packet.ip_id(second).build()), expected, "{first}, {second}");
    }
}

#[test]
fn a_retransmission_after_half_a_second_survives() {
    // The default window; time is let pass by ageing the table, so that the test cannot be late.
    let Some(mut bench) = Bench::new(|_| ()) else { return };
    for from in ["10.0.0.1:5060", "[fd00::1]:5060"] {
        let to = if from.starts_with('[') { B6 } else { B };
        let invite = Packet::udp(at(from), at(to), b"INVITE sip:b@example.org SIP/2.0").build();
        assert_eq!(bench.verdict(&invite), Verdict::SipUdp);
        bench.program.age_duplicates(500 * MS).unwrap();
        assert_eq!(bench.verdict(&invite), Verdict::SipUdp);
        bench.program.age_duplicates(21 * MS).unwrap();
        assert_eq!(bench.verdict(&invite), Verdict::SipUdp);
    }
}

#[test]
fn without_a_window_nothing_is_a_copy() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 0) else { return };
    for _ in 0..3 {
        assert_eq!(bench.verdict(&udp(&rtp(1))), Verdict::Rtp);
    }
}

#[test]
fn redirected_frames_carry_the_time() {
    let Some(bench) = Bench::new(|_| ()) else { return };
    let frame = udp(&rtp(1));
    let (_, outcome) = bench.feed(&frame);
    assert_eq!(&outcome.frame[STAMP_LEN..], frame);
    let stamp = *outcome.frame.first_chunk().unwrap();
    let magic = bench.program.settings().stamp_magic;
    let first_ns = stamped_ns(stamp, magic).expect("a stamp");
    let (_, outcome) = bench.feed(&udp(&rtp(2)));
    let second_ns = stamped_ns(*outcome.frame.first_chunk().unwrap(), magic).expect("a stamp");
    assert!(first_ns > 0 && second_ns > first_ns);
    let dropped = bench.feed(&udp(b"neither")).1;
    assert_eq!(dropped.frame, udp(b"neither"), "what is not redirected is not touched");

    let Some(bench) = Bench::new(|o| o.settings.kernel_timestamps = 0) else { return };
    assert_eq!(bench.feed(&frame).1.frame, frame);
}

#[test]
fn a_frame_without_room_for_a_stamp_is_redirected_all_the_same() {
    let Some(bench) = Bench::new(|o| o.settings.dedup_window_ns = 0) else { return };
    let before = bench.program.counts().unwrap();
    // The kernel leaves the metadata of one run to the next, until there is no more room.
    let outcome = bench.program.try_frame(&udp(&rtp(1)), 100).unwrap();
    assert_eq!(outcome.action, XDP_REDIRECT);
    assert!(outcome.frame.len() < udp(&rtp(1)).len() + 99 * STAMP_LEN);
    assert_eq!(bench.program.counts().unwrap().since(&before).of(Verdict::Rtp), 100);
}

/// What the program looks into itself; everything else goes to user space whole.
/// What the documentation says of every shape.
const PAGE: &str = include_str!("../../../../docs/tunnels.md");

fn is_peeled(wrap: Wrap) -> bool {
    let by_udp = matches!(wrap, Wrap::Geneve | Wrap::GeneveOptions)
        || matches!(wrap, Wrap::Vxlan | Wrap::VxlanGroup | Wrap::VxlanGpe | Wrap::VxlanGpeIp);
    let is_erspan =
        matches!(wrap, Wrap::Erspan1 | Wrap::Erspan2 | Wrap::Erspan3 | Wrap::Erspan3Platform);
    let is_gre = matches!(wrap, Wrap::Gre | Wrap::GreChecksum | Wrap::GreKey | Wrap::GreSequence)
        || matches!(wrap, Wrap::GreAll | Wrap::GreIpv6 | Wrap::GreEthernet | Wrap::Nvgre);
    by_udp || is_erspan || is_gre || matches!(wrap, Wrap::InIpv4 | Wrap::InIpv6)
}

#[test]
fn tunnels_are_looked_into_or_handed_over_and_their_copies_told() {
    let options = |o: &mut Options| {
        o.settings.mode = Mode::PassRest as u8;
        o.settings.dedup_window_ns = 4_000 * MS;
    };
    let Some(mut bench) = Bench::new(options) else { return };
    let mut ports = PortSets::default();
    ports.insert_tunnel(VXLAN_OTHER_PORT, Kind::Vxlan);
    ports.insert_tunnel(AUDIOCODES_PORT, Kind::AudioCodes);
    bench.program.set_ports(&ports).unwrap();
    for (n, wrap) in (100..).zip(Wrap::ALL) {
        let plain = udp(&rtp(n));
        let peeled = is_peeled(wrap) || wrap == Wrap::VxlanOther;
        let expected = if peeled { Verdict::Rtp } else { Verdict::Tunnel };
        let (verdict, outcome) = bench.feed(&wrap.wrap(&plain));
        let got = (verdict, outcome.action);
        assert_eq!(got, (expected, XDP_REDIRECT), "{}", wrap.label());
        let told = if peeled { "opens it" } else { "hands it over" };
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {} |", wrap.label())));
        assert!(row.is_some_and(|row| row.contains(told)), "{}: {row:?}", wrap.label());
        // The same packet, plain: a copy of what was looked into.
        let copy = if peeled { Verdict::Duplicate } else { Verdict::Rtp };
        assert_eq!(bench.verdict(&plain), copy, "{}", wrap.label());
        let ping = Packet::ip(at(A).ip(), at(B).ip(), 1, &[8; 40]).build();
        let (other, action) =
            if peeled { (Verdict::OtherProto, XDP_PASS) } else { (Verdict::Tunnel, XDP_REDIRECT) };
        let (verdict, outcome) = bench.feed(&wrap.wrap(&ping));
        assert_eq!((verdict, outcome.action), (other, action), "{}", wrap.label());
    }
    // One in the other, as deep as is allowed and deeper.
    let mut frame = udp(&rtp(1));
    for depth in 1..=5 {
        frame = [Wrap::Vxlan, Wrap::Geneve, Wrap::Erspan2][depth % 3].wrap(&frame);
        let expected = if depth == 5 { Verdict::TooDeep } else { Verdict::Rtp };
        bench.program.age_duplicates(4_100 * MS).unwrap();
        assert_eq!(bench.verdict(&frame), expected, "{depth}");
    }
    // What has the port only, or cannot be read, is for user space to judge.
    let look_alike = Packet::udp(at(A), at("10.0.0.2:4789"), &rtp(7)).build();
    assert_eq!(bench.verdict(&look_alike), Verdict::Rtp);
    let arp = damaged(udp(&rtp(2)), 13, 6);
    assert_eq!(bench.verdict(&Wrap::Vxlan.wrap(&arp)), Verdict::Tunnel);
    let Some(bench) = Bench::new(|o| o.settings.tunnel_depth = 0) else { return };
    assert_eq!(bench.verdict(&Wrap::Gre.wrap(&udp(&rtp(3)))), Verdict::OtherProto);
    assert_eq!(bench.verdict(&Wrap::Vxlan.wrap(&udp(&rtp(3)))), Verdict::NotVoip);
}

#[test]
fn a_host_that_receives_tunnels_keeps_what_is_its_own() {
    let Some(mut bench) = Bench::new(|o| o.settings.mode = Mode::Tunnel as u8) else { return };
    let v4 = |ip: [u8; 4]| {
        let mut mapped = [0; 16];
        (mapped[10], mapped[11]) = (0xff, 0xff);
        mapped[12..].copy_from_slice(&ip);
        mapped
    };
    bench.program.set_own(&[v4([127, 0, 0, 1]), v4([10, 0, 0, 9])]).unwrap();
    bench.program.set_own(&[v4([127, 0, 0, 1]), v4([192, 0, 2, 2]), v4([10, 0, 0, 2])]).unwrap();
    let expect = |frame: &[u8], verdict: Verdict, action: u32, what: &str| {
        let (got, outcome) = bench.feed(frame);
        assert_eq!((got, outcome.action), (verdict, action), "{what}");
    };
    let ssh = Packet::tcp(at("10.0.0.1:40000"), at("10.0.0.2:22"), 1, 0, TCP_SYN, b"").build();
    expect(&ssh, Verdict::NotVoip, XDP_PASS, "a session with the host");
    expect(&udp(&rtp(1)), Verdict::OwnVoip, XDP_PASS, "media of the host");
    let others = Packet::udp(at(A), at("10.0.0.3:30000"), &rtp(2)).build();
    expect(&others, Verdict::Rtp, XDP_REDIRECT, "media of others, mirrored bare");
    expect(&Wrap::Vxlan.wrap(&udp(&rtp(3))), Verdict::Rtp, XDP_REDIRECT, "media in a tunnel");
    expect(&Wrap::Vxlan.wrap(&ssh), Verdict::NotVoip, XDP_DROP, "what else a tunnel brings");
    expect(&Wrap::Tzsp.wrap(&ssh), Verdict::Tunnel, XDP_REDIRECT, "a tunnel that is not opened");
    // Pieces have no ports: who sends tunnels sends pieces of tunnels.
    let pieces = |from: &str| {
        let (from, to) = (at(from), at("192.0.2.2:4789"));
        Packet::udp(from, to, &[8; 3000]).ip_id(7).fragments(1500)
    };
    for piece in pieces("192.0.2.1:40001") {
        expect(&piece, Verdict::Fragment, XDP_REDIRECT, "a piece of a tunnel's packet");
    }
    for piece in pieces("192.0.2.77:40001") {
        expect(&piece, Verdict::OwnVoip, XDP_PASS, "a piece for the host");
    }
}

#[test]
fn the_verifier_has_room_and_a_frame_is_cheap() {
    let Some(bench) = Bench::new(|o| o.settings.kernel_timestamps = 0) else { return };
    let size = bench.program.size().unwrap();
    let cost = |frame: &[u8]| bench.program.try_frame(frame, 100_000).unwrap().duration;
    let arp = cost(&damaged(udp(&rtp(1)), 13, 6));
    let copy = cost(&udp(&rtp(1)));
    let inner = bench.program.inner_size().unwrap();
    println!(
        "{size:?}; inside of tunnels {inner:?}; other EtherType {arp:?}, copy of RTP {copy:?}"
    );
    for size in [size, inner] {
        assert!(size.verified < 500_000, "half of what the kernel allows: {size:?}");
        assert!(size.instructions < 4096, "what old kernels allow: {size:?}");
    }
    assert!(copy < Duration::from_micros(5), "{copy:?}");
}

/// Collects what the kernel program says.
struct Said(std::sync::Mutex<Vec<String>>);

impl log::Log for Said {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Ok(mut lines) = self.0.lock() {
            lines.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_queue_without_a_socket_is_told_once() {
    static SAID: Said = Said(std::sync::Mutex::new(Vec::new()));
    log::set_logger(&SAID).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let Some(mut bench) = Bench::new(|o| o.log = true) else { return };
    bench.program.clear_socket(0).unwrap();
    let processors = std::thread::available_parallelism().unwrap().get();
    for n in 0..100 {
        assert_eq!(bench.verdict(&udp(&rtp(n))), Verdict::NoSocket);
    }
    bench.program.flush_log();
    let lines = SAID.0.lock().unwrap();
    let told = lines.iter().filter(|l| *l == "queue 0 has no socket: its VoIP is lost").count();
    assert!((1..=processors).contains(&told), "{lines:?}");
}
