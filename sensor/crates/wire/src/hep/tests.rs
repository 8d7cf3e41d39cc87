//! Messages built by hand, and properties of any bytes.

use core::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn chunk(vendor: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(CHUNK_LEN + body.len()).unwrap();
    let head = [vendor, kind, len].map(u16::to_be_bytes);
    [head.as_flattened(), body].concat()
}

fn version3(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let len = u16::try_from(HEADER_LEN + body.len()).unwrap();
    [&MAGIC[..], &len.to_be_bytes(), &body].concat()
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[test]
fn version_1_and_2_with_either_length_and_either_byte_order() {
    let v4 = [1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc6, 10, 0, 0, 1, 10, 0, 0, 2, b'O', b'K'];
    let message = Message::parse(&v4).unwrap();
    assert_eq!((message.version, message.protocol), (1, Some(17)));
    assert_eq!((message.src, message.dst), (ip("10.0.0.1"), ip("10.0.0.2")));
    assert_eq!((message.sport, message.dport), (5060, 5062));
    assert_eq!(message.payload, Some(&b"OK"[..]));
    assert_eq!((message.unix_ns(), message.kind), (None, Some(kind::SIP)));

    for (len, order) in [(16, true), (28, true), (28, false)] {
        let order_of = |n: u32| if order { n.to_le_bytes() } else { n.to_be_bytes() };
        let agent = if order { 9u16.to_le_bytes() } else { 9u16.to_be_bytes() };
        let mut bytes = v4[..16].to_vec();
        (bytes[0], bytes[1]) = (2, len);
        bytes.extend(order_of(1_700_000_000));
        bytes.extend(order_of(250_000));
        bytes.extend(agent);
        bytes.extend([0, 0, b'O', b'K']);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.unix_ns(), Some(1_700_000_000_250_000_000), "{len} {order}");
        assert_eq!((message.agent, message.payload), (Some(9), Some(&b"OK"[..])));
    }

    let mut v6 = vec![1, 40, 10, 6, 0, 1, 0, 2];
    v6.extend([0; 15]);
    v6.push(1);
    v6.extend([0; 15]);
    v6.push(2);
    let message = Message::parse(&v6).unwrap();
    assert_eq!((message.src, message.dst), (ip("::1"), ip("::2")));
    assert_eq!(message.payload, Some(&b""[..]));
}

#[test]
fn every_chunk_of_version_3() {
    let bytes = version3(&[
        chunk(0, 1, &[2]),
        chunk(0, 2, &[17]),
        chunk(0, 3, &[10, 0, 0, 1]),
        chunk(0, 4, &[10, 0, 0, 2]),
        chunk(0, 7, &5060u16.to_be_bytes()),
        chunk(0, 8, &5062u16.to_be_bytes()),
        chunk(0, 9, &1_700_000_000u32.to_be_bytes()),
        chunk(0, 10, &250_000u32.to_be_bytes()),
        chunk(0, 11, &[1]),
        chunk(0, 12, &2001u32.to_be_bytes()),
        chunk(0, 13, &30u16.to_be_bytes()),
        chunk(0, 14, b"key"),
        chunk(0, 15, b"OPTIONS"),
        chunk(0, 16, b"zip"),
        chunk(0, 17, b"call@host"),
        chunk(0, 18, &100u16.to_be_bytes()),
        chunk(0, 19, b"edge"),
        chunk(0, 20, &[1; 6]),
        chunk(0, 21, &[2; 6]),
        chunk(0, 22, &0x0800u16.to_be_bytes()),
        chunk(0, 23, &[0x18]),
        chunk(0, 24, &[0xb8]),
        chunk(0, 32, &410u16.to_be_bytes()),
        chunk(0, 33, &9000u16.to_be_bytes()),
        chunk(0, 34, b"Vienna"),
        chunk(0, 35, &7u32.to_be_bytes()),
        chunk(0, 36, b"call"),
        chunk(0, 37, b"a"),
        chunk(0, 38, b"b"),
        chunk(0, 39, &3u16.to_be_bytes()),
    ]);
    let expected = Message {
        version: 3,
        family: Some(2),
        protocol: Some(17),
        src: ip("10.0.0.1"),
        dst: ip("10.0.0.2"),
        sport: 5060,
        dport: 5062,
        seconds: Some(1_700_000_000),
        micros: Some(250_000),
        kind: Some(kind::SIP),
        agent: Some(2001),
        keep_alive_s: Some(30),
        auth: Some(b"key"),
        payload: Some(b"OPTIONS"),
        compressed: Some(b"zip"),
        correlation: Some(b"call@host"),
        vlan: Some(100),
        group: Some(b"edge"),
        src_mac: Some([1; 6]),
        dst_mac: Some([2; 6]),
        ethertype: Some(0x0800),
        tcp_flags: Some(0x18),
        tos: Some(0xb8),
        mos: Some(410),
        r_factor: Some(9000),
        place: Some(b"Vienna"),
        jitter: Some(7),
        transaction: Some(b"call"),
        json_keys: Some(b"a"),
        tags: Some(b"b"),
        tag_type: Some(3),
        unknown: 0,
        misshapen: 0,
    };
    assert_eq!(Message::parse(&bytes), Ok(expected));
    let behind = [&bytes[..], b"rest"].concat();
    assert_eq!(Message::parse(&behind), Ok(expected), "what stands behind is not looked at");
    assert_eq!(expected.unix_ns(), Some(1_700_000_000_250_000_000));

    let v6 = version3(&[
        chunk(0, 5, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        chunk(0, 6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]),
    ]);
    let message = Message::parse(&v6).unwrap();
    assert_eq!((message.src, message.dst), (ip("::1"), ip("::2")));
}

#[test]
fn chunks_that_are_not_understood_do_not_spoil_the_others() {
    let bytes = version3(&[
        chunk(3, 15, b"a vendor's"),
        chunk(0, 999, b"new"),
        chunk(0, 7, &[1]),
        chunk(0, 3, &[10, 0, 0]),
        chunk(0, 15, b"payload"),
    ]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.unknown, message.misshapen), (2, 2));
    assert_eq!((message.src, message.sport), (None, 0));
    assert_eq!(message.payload, Some(&b"payload"[..]));
}

#[test]
fn wrong_lengths_have_their_reasons() {
    let mut zero = [0u8; 26];
    zero[..4].copy_from_slice(&MAGIC);
    assert_eq!(Message::parse(&zero), Err(Reject::Length));
    assert_eq!(frame(&zero), Err(Reject::Length));
    let long = [&MAGIC[..], &7u16.to_be_bytes()].concat();
    assert_eq!(Message::parse(&long), Err(Reject::Length));
    assert_eq!(frame(&long), Ok(Some(7)));
    let mut cut = version3(&[chunk(0, 15, b"payload")]);
    for len in [0, 5, 14] {
        cut[HEADER_LEN + 5] = len;
        assert_eq!(Message::parse(&cut), Err(Reject::Chunk), "{len}");
    }
    assert_eq!(Message::parse(&version3(&[vec![0; 3]])), Err(Reject::Chunk));
    assert_eq!(Message::parse(b""), Err(Reject::Short));
    assert_eq!(Message::parse(b"HEP"), Err(Reject::Short));
    assert_eq!(Message::parse(b"HEP3\0"), Err(Reject::Short));
    assert_eq!(Message::parse(b"OPTIONS sip:a SIP/2.0"), Err(Reject::Version));
    assert_eq!(Message::parse(&[1, 16, 3, 17, 0, 0, 0, 0]), Err(Reject::Family));
    assert_eq!(Message::parse(&[1, 99, 2, 17, 0, 0, 0, 0]), Err(Reject::Length));
    assert_eq!(Message::parse(&[1, 16, 2, 17, 0, 0, 0, 0]), Err(Reject::Short));
    assert_eq!(frame(b"HE"), Ok(None));
    assert_eq!(frame(b"HX"), Err(Reject::Version));
}

#[test]
fn what_is_no_time_is_none() {
    let told = |seconds: u32, micros: u32| {
        Message { seconds: Some(seconds), micros: Some(micros), ..Message::default() }.unix_ns()
    };
    assert_eq!(told(1, 999_999), Some(1_999_999_000));
    assert_eq!(told(u32::MAX, 0), Some(4_294_967_295_000_000_000));
    assert_eq!((told(1, 1_000_000), told(0, 1)), (None, None));
}

proptest! {
    #[test]
    fn any_bytes_give_a_message_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Message::parse(&bytes), frame(&bytes));
        let mut marked = MAGIC.to_vec();
        marked.extend(&bytes);
        let _ = Message::parse(&marked);
    }

    #[test]
    fn chunks_come_back_as_they_were_put_in(
        chunks in prop::collection::vec((any::<u16>(), any::<u16>(),
            prop::collection::vec(any::<u8>(), 0..20)), 0..20),
    ) {
        let parts: Vec<_> = chunks.iter().map(|(v, k, body)| chunk(*v, *k, body)).collect();
        let bytes = version3(&parts);
        let back: Vec<_> = Chunks::new(&bytes).unwrap()
            .map(|chunk| chunk.map(|c| (c.vendor, c.kind, c.body.to_vec()))).collect();
        let expected: Vec<_> = chunks.into_iter().map(Ok).collect();
        prop_assert_eq!(back, expected);
        prop_assert_eq!(frame(&bytes), Ok(Some(bytes.len())));
        for cut in 0..bytes.len() {
            prop_assert!(Message::parse(&bytes[..cut]).is_err());
        }
    }
}
