//! Tests of the IPFIX views.

use core::net::IpAddr;

use super::*;
use proptest::prelude::*;

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(SET_LEN + body.len()).unwrap();
    [&id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

fn message(sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    let len = u16::try_from(HEADER_LEN + body.len()).unwrap();
    let words = [1_700_000_000_u32, 7, 42].map(u32::to_be_bytes).concat();
    [&[0, 10][..], &len.to_be_bytes(), &words, &body].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&[255][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text].concat()
}

/// Time, interface and VLAN.
fn start() -> Vec<u8> {
    let time = [1_700_000_000_u32, 250_000].map(u32::to_be_bytes).concat();
    [&time[..], &[1, 2, 0, 100]].concat()
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).unwrap().to_be_bytes();
    [&5060_u16.to_be_bytes()[..], &5080_u16.to_be_bytes(), &len, &[0, 0], payload].concat()
}

fn v4(payload: &[u8]) -> Vec<u8> {
    let header = [0x45, 0xb8, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], &udp(payload)].concat()
}

fn v6(payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x6b, 0x80, 0, 0, 0, 0, 17, 64];
    for last in [1, 2] {
        header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    [header, udp(payload)].concat()
}

fn tcp_ends() -> Vec<u8> {
    [10, 0, 0, 2, 10, 0, 0, 1, 0x13, 0xd8, 0x13, 0xc4, 9, 9, 9, 9].to_vec()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_message_has_a_header_and_sets() {
    let bytes = message(&[set(256, b"hello"), set(2, &[]), set(4711, b"x")]);
    let read = Message::parse(&bytes).unwrap();
    assert_eq!((read.export_s, read.sequence, read.domain), (1_700_000_000, 7, 42));
    let sets: Vec<_> = read.sets().map(Result::unwrap).collect();
    let kinds: Vec<_> = sets.iter().map(Set::kind).collect();
    assert_eq!(kinds, [Kind::Handshake, Kind::Template, Kind::Unknown]);
    assert_eq!(sets[0].body, b"hello");
    assert_eq!(frame(&bytes), Ok(Some(bytes.len())));
    let more = [&bytes[..], b"next"].concat();
    assert_eq!(Message::parse(&more), Ok(read));
}

#[test]
fn kinds_by_id() {
    for (id, kind) in [
        (0, Kind::Reserved),
        (2, Kind::Template),
        (3, Kind::OptionsTemplate),
        (4, Kind::Reserved),
        (255, Kind::Reserved),
        (257, Kind::Answer),
        (258, Kind::SipUdp),
        (259, Kind::SipUdp),
        (260, Kind::SipTcp),
        (261, Kind::SipTcp),
        (262, Kind::Unknown),
        (266, Kind::Rtp),
        (267, Kind::Rtp),
        (268, Kind::Qos),
        (u16::MAX, Kind::Unknown),
    ] {
        assert_eq!(Set { id, body: &[] }.kind(), kind, "{id}");
    }
}

#[test]
fn the_answer_to_a_handshake_is_the_same_but_for_its_id() {
    let bytes = message(&[set(256, b"\0\x01hello")]);
    let read = Message::parse(&bytes).unwrap();
    let hello = read.sets().next().unwrap().unwrap();
    let answer: Vec<u8> = read.answer(&hello, 257).collect();
    let mut wanted = bytes.clone();
    wanted[16..18].copy_from_slice(&257_u16.to_be_bytes());
    assert_eq!(answer, wanted);
}

#[test]
fn what_is_no_message_and_what_is_no_set() {
    let good = message(&[set(258, b"abcd")]);
    assert_eq!(frame(&[]), Ok(None));
    assert_eq!(frame(&good[..3]), Ok(None));
    assert_eq!(Message::parse(&good[..3]), Err(Reject::Short));
    assert_eq!(Message::parse(&good[..good.len() - 1]), Err(Reject::Length));
    assert_eq!(frame(&[0, 9, 0, 20]), Err(Reject::Version));
    assert_eq!(frame(&[1]), Err(Reject::Version));
    assert_eq!(frame(&[0, 10, 0, 15]), Err(Reject::Length));
    assert_eq!(frame(&[0, 10, 0, 0]), Err(Reject::Length));
    for wrong in [&[1, 2, 0, 3][..], &[1, 2, 0, 0], &[1, 2, 0, 99], &[1, 2, 0]] {
        let bytes = message(&[set(258, b"abcd"), wrong.to_vec()]);
        let sets: Vec<_> = Message::parse(&bytes).unwrap().sets().collect();
        assert_eq!((sets.len(), sets[1]), (2, Err(Reject::Set)));
    }
}

#[test]
fn sip_over_udp_with_and_without_a_call_id() {
    let bodies = [
        [start(), long(&v4(b"INVITE"))].concat(),
        [start(), short(&v4(b"INVITE"))].concat(),
        [start(), short(b""), long(&v4(b"INVITE"))].concat(),
        [start(), short(b"1@a"), long(&v4(b"INVITE")), vec![0; 3]].concat(),
        [start(), long(b"1@a"), long(&v4(b"INVITE")), vec![0; 9]].concat(),
        [start(), long(&v4(b"INVITE")), start(), long(&v4(b"BYE"))].concat(),
    ];
    for (at, body) in bodies.iter().enumerate() {
        let sip = Sip::udp(body).unwrap();
        assert_eq!(sip.message, b"INVITE", "{at}");
        assert_eq!(sip.src, (ip("10.0.0.1"), 5060));
        assert_eq!(sip.dst, (ip("10.0.0.2"), 5080));
        assert_eq!((sip.tos, sip.vlan, sip.interface), (0xb8, 100, (1, 2)));
        assert_eq!(sip.unix_ns(), Some(1_700_000_000_250_000_000));
        assert_eq!(sip.call_id, if at % 5 < 3 { &b""[..] } else { b"1@a" });
        assert_eq!(sip.beyond, [0, 0, 0, 3, 9, 46][at]);
    }
}

#[test]
fn sip_over_udp_and_ip_version_6() {
    let body = [start(), long(&v6(b"BYE"))].concat();
    let sip = Sip::udp(&body).unwrap();
    assert_eq!((sip.src, sip.dst), ((ip("2001:db8::1"), 5060), (ip("2001:db8::2"), 5080)));
    assert_eq!((sip.tos, sip.message), (0xb8, &b"BYE"[..]));
}

#[test]
fn sip_over_tcp_with_and_without_a_call_id() {
    for body in [
        [start(), tcp_ends(), long(b"ACK")].concat(),
        [start(), tcp_ends(), short(b""), long(b"ACK")].concat(),
        [start(), tcp_ends(), short(b"1@a"), long(b"ACK")].concat(),
    ] {
        let sip = Sip::tcp(&body).unwrap();
        assert_eq!((sip.src, sip.dst), ((ip("10.0.0.1"), 5060), (ip("10.0.0.2"), 5080)));
        assert_eq!(sip.message, b"ACK");
    }
}

#[test]
fn sip_that_cannot_be_read() {
    let read = |packet: &[u8]| Sip::udp(&[start(), long(packet)].concat()).unwrap_err();
    let with = |at: usize, byte: u8| {
        let mut packet = v4(b"x");
        packet[at] = byte;
        packet
    };
    assert_eq!(read(&with(0, 0x55)), Reject::Family);
    assert_eq!(read(&with(9, 6)), Reject::Protocol);
    assert_eq!(read(&with(6, 0x20)), Reject::Fragment);
    assert_eq!(read(&with(0, 0x4f)), Reject::Short);
    assert_eq!(read(&v4(b"")[..27]), Reject::Short);
    assert_eq!(read(&[]), Reject::Short);
    let body = [start(), long(&v4(b"INVITE"))].concat();
    for len in 0..body.len() {
        let why = Sip::udp(&body[..len]).unwrap_err();
        assert!(matches!(why, Reject::Short | Reject::Field), "{len}: {why:?}");
    }
    // A UDP length that cannot be true does not count.
    for len in [0_u16, 7, 999] {
        let mut packet = v4(b"INVITE");
        packet[24..26].copy_from_slice(&len.to_be_bytes());
        let body = [start(), long(&packet)].concat();
        assert_eq!(Sip::udp(&body).unwrap().message, b"INVITE");
    }
}

fn quality() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((1..=28_u32).map(|n| if n == 4 { u32::MAX } else { n }).flat_map(u32::to_be_bytes));
    body.push(8);
    for last in 1..=4 {
        body.extend([10, 0, 0, last, 10, 1, 0, last, 0x0f, 0xa0, 0x17, 0x70]);
    }
    body.extend([1, 2, 0, 3, 4, 5, 0, 6]);
    body.extend([100_u32, 1, 200, 500_000].into_iter().flat_map(u32::to_be_bytes));
    for text in ["access", "core", "in@a", "out@b"] {
        body.extend(long(text.as_bytes()));
    }
    body
}

#[test]
fn quality_of_a_call() {
    let body = quality();
    let qos = Qos::parse(&body).unwrap();
    assert_eq!((qos.incoming.rtp_bytes, qos.incoming.rtp_lost), (Some(1), Some(3)));
    assert_eq!((qos.incoming.rtp_jitter_ms, qos.incoming.mos), (None, Some(14)));
    assert_eq!((qos.outgoing.rtp_bytes, qos.outgoing.r_factor), (Some(15), Some(27)));
    assert_eq!(qos.codec, 8);
    assert_eq!(qos.flows[3].src, ([10, 0, 0, 4].into(), 4000));
    assert_eq!(qos.flows[0].dst, ([10, 1, 0, 1].into(), 6000));
    assert_eq!(qos.interfaces, [(1, 2, 3), (4, 5, 6)]);
    assert_eq!((qos.begin, qos.end_ns()), ((100, 1), Some(200_500_000_000)));
    assert_eq!(qos.realms, [&b"access"[..], b"core"]);
    assert_eq!(qos.call_ids, [&b"in@a"[..], b"out@b"]);
    assert_eq!(qos.beyond, 0);
    for len in 0..body.len() {
        assert!(Qos::parse(&body[..len]).is_err(), "{len}");
    }
}

#[test]
fn times_that_are_none() {
    assert_eq!(unix_ns((0, 5)), None);
    assert_eq!(unix_ns((5, 1_000_000)), None);
    assert_eq!(unix_ns((5, 999_999)), Some(5_999_999_000));
}

proptest! {
    #[test]
    fn any_bytes_are_something_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Sip::udp(&bytes), Sip::tcp(&bytes), Qos::parse(&bytes), frame(&bytes));
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(message.sets().count() <= bytes.len());
        }
    }

    #[test]
    fn sets_come_back(bodies in prop::collection::vec(
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..50)), 0..8,
    )) {
        let sets: Vec<_> = bodies.iter().map(|(id, body)| set(*id, body)).collect();
        let bytes = message(&sets);
        let read = Message::parse(&bytes).unwrap();
        let back: Vec<_> =
            read.sets().map(Result::unwrap).map(|set| (set.id, set.body.to_vec())).collect();
        prop_assert_eq!(back, bodies);
    }

    #[test]
    fn messages_of_any_content_come_back(text in prop::collection::vec(any::<u8>(), 0..2000)) {
        let body = [start(), long(b"1@a"), long(&v4(&text))].concat();
        prop_assert_eq!(Sip::udp(&body).unwrap().message, &text[..]);
        let body = [start(), tcp_ends(), long(&text)].concat();
        prop_assert_eq!(Sip::tcp(&body).unwrap().message, &text[..]);
    }

    #[test]
    fn damaged_quality_is_read_or_refused(at in 0_usize..240, byte in any::<u8>()) {
        let mut body = quality();
        let at = at % body.len();
        body[at] = byte;
        let _ = Qos::parse(&body);
    }
}
