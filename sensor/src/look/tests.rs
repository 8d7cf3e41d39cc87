//! Looks at frames made by hand: each finding has traffic that causes it, and traffic that does
//! not.

use std::net::SocketAddr;

use proptest::prelude::*;
use ringtap_capture::{Frame, Link};
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::packet::tunnel::Wrap;
use ringtap_testkit::packet::{Packet, TCP_ACK};

use super::*;
use crate::doctor::finding::{Finding, State};
use crate::plant::directions::Directions;

const SIP: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn datagram(src: &str, dst: &str, id: u32, payload: &[u8]) -> Vec<u8> {
    Packet::udp(at(src), at(dst), payload).ip_id(id).build()
}

fn rtp(seq: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    Rtp { payload_type: 0, marker: false, seq, timestamp: u32::from(seq) * 160, ssrc: 7 }
        .write(&mut payload);
    payload.extend([seq as u8; 160]);
    payload
}

/// Looks at frames a millisecond apart; each may have been longer on the wire.
fn look_at(config: &Config, frames: &[(Vec<u8>, u32)]) -> Look {
    let mut look = Look::new(config, 0);
    for (ms, (bytes, more)) in (1u64..).zip(frames) {
        let ts = ms * 1_000_000;
        let wire_len = bytes.len() as u32 + more;
        let link = Link::Ethernet;
        look.frame(Frame { ts, clock: ts, order: ms, origin: 0, link, wire_len, bytes });
    }
    look
}

fn whole(frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<(Vec<u8>, u32)> {
    frames.into_iter().map(|frame| (frame, 0)).collect()
}

fn said(look: &Look, config: &Config) -> Vec<Finding> {
    let place = Place { name: "x", seconds: None, mtu: None, directions: Directions::Unknown };
    findings(look, &place, config)
}

/// The one finding about this that holds the words.
#[track_caller]
fn one(found: &[Finding], about: &str, words: &str) -> Finding {
    let about = format!("x {about}");
    let hit = found.iter().find(|one| one.about == about && one.what.contains(words));
    hit.unwrap_or_else(|| panic!("no {about:?} with {words:?} in {found:#?}")).clone()
}

fn calm(found: &[Finding]) -> bool {
    found.iter().all(|one| one.state <= State::Note)
}

fn media(count: u16) -> Vec<Vec<u8>> {
    let stream = |src, dst, n: u16| datagram(src, dst, 1 + u32::from(n), &rtp(n));
    let both = |n| {
        [
            stream("10.0.0.1:20000", "10.0.0.2:30000", n),
            stream("10.0.0.2:30000", "10.0.0.1:20000", n),
        ]
    };
    (0..count).flat_map(both).collect()
}

#[test]
fn plain_voip_gives_nothing_to_complain_of() {
    let config = Config::default();
    let mut frames = vec![datagram("10.0.0.1:5060", "10.0.0.2:5060", 1, SIP)];
    frames.extend(media(5));
    let look = look_at(&config, &whole(frames));
    let found = said(&look, &config);
    assert!(calm(&found), "{found:#?}");
    assert!(one(&found, "sip", "1 packets").state == State::Ok);
    assert!(one(&found, "rtp", "2 streams, 10 packets").state == State::Ok);
    let mut look = look;
    assert_eq!(look.heard().len(), 2);
}

#[test]
fn nothing_and_only_media_are_named() {
    let config = Config::default();
    let none = said(&look_at(&config, &[]), &config);
    assert_eq!((none.len(), none[0].state), (1, State::Problem));
    let found = said(&look_at(&config, &whole(media(2))), &config);
    assert_eq!(one(&found, "sip", "no SIP on the ports of `sipport` (5060)").state, State::Warning);
    // Two packets are no stream.
    assert_eq!(one(&found, "rtp", "no stream").state, State::Note);
}

#[test]
fn sip_and_rtp_on_other_ports_are_found_with_their_ports() {
    let config = Config::with(|c| c.media_ports = vec![(10_000, 20_000)]);
    let mut frames: Vec<_> =
        (0..3).map(|n| datagram(&format!("10.0.0.{n}:4000{n}"), "10.0.0.9:5070", 1, SIP)).collect();
    let tcp = Packet::tcp(at("10.0.0.1:40000"), at("10.0.0.9:5080"), 1, 1, TCP_ACK, SIP);
    frames.push(tcp.build());
    frames.extend(
        (0..4).map(|n| datagram("10.0.0.1:4002", "10.0.0.2:4004", 1 + u32::from(n), &rtp(n))),
    );
    let found = said(&look_at(&config, &whole(frames)), &config);
    let udp = one(&found, "sip elsewhere", "3 messages of SIP on UDP port 5070");
    assert_eq!(udp.advice, "set `sipport = 5060,5070`");
    one(&found, "sip elsewhere", "1 messages of SIP on TCP port 5080");
    one(&found, "rtp elsewhere", "1 streams of RTP, 4 packets, to ports 4004 to 4004");
}

#[test]
fn tunnels_are_told_opened_or_not() {
    let config = Config::default();
    let frames = || media(3);
    let wrapped = |wrap: Wrap| whole(frames().iter().map(|frame| wrap.wrap(frame)));
    let found = said(&look_at(&config, &wrapped(Wrap::Vxlan)), &config);
    assert_eq!(one(&found, "tunnel", "6 packets out of VXLAN").state, State::Ok);
    let other = Config::default();
    let found = said(&look_at(&other, &wrapped(Wrap::VxlanOther)), &other);
    let hidden = one(&found, "tunnel", "6 datagrams to port 8472 look like VXLAN");
    assert!(hidden.advice.contains("udp_port_vxlan"), "{hidden:?}");
    let none = Config::with(|c| c.tunnel_depth = 0);
    let found = said(&look_at(&none, &wrapped(Wrap::Gre)), &none);
    assert_eq!(one(&found, "tunnel", "6 packets in more tunnels").state, State::Warning);
    let found = said(&look_at(&none, &wrapped(Wrap::Vxlan)), &none);
    assert_eq!(one(&found, "tunnel", "to port 4789 look like").advice, "raise `tunnel_depth`");
}

#[test]
fn copies_are_notes_where_they_are_dropped_and_late_ones_are_not() {
    let frames: Vec<_> = media(4).into_iter().flat_map(|frame| [frame.clone(), frame]).collect();
    let config = Config::default();
    let found = said(&look_at(&config, &whole(frames.clone())), &config);
    assert_eq!(one(&found, "copies", "8 of 16 frames (50.0 %)").state, State::Note);
    let config = Config::with(|c| c.deduplicate = false);
    let found = said(&look_at(&config, &whole(frames)), &config);
    assert_eq!(one(&found, "copies", "8 of 16").state, State::Warning);
    let config = Config::default();
    let late: Vec<_> = [media(30), media(30)].concat();
    let found = said(&look_at(&config, &whole(late)), &config);
    let late = one(&found, "copies", "60 of 120 frames (50.0 %) are copies of RTP that come late");
    assert!(late.advice.contains("deduplicate_window_ms"), "{late:?}");
}

#[test]
fn pieces_and_cut_frames_are_told() {
    let config = Config::default();
    let long = [SIP, &[b'x'; 3000]].concat();
    let packet = Packet::udp(at("10.0.0.1:5060"), at("10.0.0.2:5060"), &long).ip_id(9);
    let found = said(&look_at(&config, &whole(packet.fragments(1500))), &config);
    assert_eq!(one(&found, "fragments", "3 pieces of packets, 0 of them").state, State::Note);
    let tunnel = Packet::udp(at("10.0.0.1:40000"), at("10.0.0.2:4789"), &long).ip_id(9);
    let found = said(&look_at(&config, &whole(tunnel.fragments(1500))), &config);
    assert_eq!(one(&found, "fragments", "1 of them of tunnels' packets").state, State::Warning);
    let sip = datagram("10.0.0.1:5060", "10.0.0.2:5060", 1, SIP);
    let cut = sip[..sip.len() - 5].to_vec();
    let found = said(&look_at(&config, &[(cut.clone(), 5)]), &config);
    let length = one(&found, "length", &format!("1 frames are cut, at {} bytes", cut.len()));
    assert_eq!(length.state, State::Warning);
}

#[test]
fn one_direction_of_media_is_seen_from_several_streams_on() {
    let config = Config::default();
    let one_way = |from: u8| {
        (0..4u16).map(move |n| {
            let src = format!("10.0.{from}.1:20000");
            datagram(&src, "10.0.0.2:30000", 1 + u32::from(n), &rtp(n))
        })
    };
    let found = said(&look_at(&config, &whole((0..4).flat_map(one_way))), &config);
    one(&found, "directions", "none of 4 streams has one the other way");
    let found = said(&look_at(&config, &whole((0..3).flat_map(one_way))), &config);
    assert!(found.iter().all(|one| !one.about.contains("directions")), "{found:#?}");
}

#[test]
fn what_is_encrypted_or_for_somebody_else_is_a_note() {
    let config = Config::default();
    let tls = [22, 3, 3, 0, 5, 1, 2, 3, 4, 5];
    let tcp = Packet::tcp(at("10.0.0.1:40000"), at("10.0.0.9:5061"), 1, 1, TCP_ACK, &tls);
    let hep = datagram("10.0.0.1:40000", "10.0.0.9:9060", 1, b"HEP3\0\x06");
    let gtp = datagram("10.0.0.1:2152", "10.0.0.9:2152", 2, &[0x30, 0xff, 0, 4, 0, 0, 0, 1, 9]);
    let found = said(&look_at(&config, &whole([tcp.build(), hep, gtp])), &config);
    assert_eq!(one(&found, "sip", "1 packets of TLS").state, State::Note);
    assert_eq!(one(&found, "hep", "1 messages of HEP").state, State::Note);
    assert_eq!(one(&found, "tunnel", "1 packets of GTP").state, State::Note);
}

/// Frames that are odd in ways that fuzzing has found worth keeping.
#[test]
fn odd_frames_are_looked_at() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let config = Config::default();
    let (mut look, mut frames) = (Look::new(&config, 0), 0);
    for folder in ["walk", "link", "tunnel"] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for link in [Link::Ethernet, Link::RawIp, Link::Sll, Link::Sll2, Link::Null] {
                for bytes in [&bytes[..], bytes.get(1..).unwrap_or_default()] {
                    frames += 1;
                    let (ts, wire_len) = (frames, bytes.len() as u32);
                    look.frame(Frame {
                        ts,
                        clock: ts,
                        order: ts,
                        origin: 0,
                        link,
                        wire_len,
                        bytes,
                    });
                }
            }
        }
    }
    assert!(frames > 1000 && look.counts().frames == frames, "{frames} frames");
    assert!(!said(&look, &config).is_empty());
}

proptest! {
    #[test]
    fn any_frames_are_looked_at_and_counted_once(
        frames in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..200), 0u32..9),
            0..40,
        ),
        sound in 0usize..6,
    ) {
        let config = Config::default();
        let mut frames = frames;
        // Some begin soundly, and end in whatever there is.
        for (frame, _) in frames.iter_mut().take(sound) {
            let mut whole = datagram("10.0.0.1:40000", "10.0.0.2:8472", 3, frame);
            whole.truncate(whole.len().saturating_sub(sound));
            *frame = whole;
        }
        let look = look_at(&config, &frames);
        prop_assert_eq!(look.counts().frames, frames.len() as u64);
        prop_assert!(!said(&look, &config).is_empty());
    }
}
