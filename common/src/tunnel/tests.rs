//! Headers that are no tunnel's, and the choices that their writers have.

use super::*;
use crate::maps::PortSets;
use crate::walk::walk_ethernet;
use ringtap_testkit::packet::Packet;

fn at_port(dport: u16, payload: &[u8]) -> Option<Entry> {
    let (src, dst) = (([10, 0, 0, 1], 9), ([10, 0, 0, 2], dport));
    let frame = Packet::udp(src.into(), dst.into(), payload).build();
    let headers = walk_ethernet(&frame.as_slice()).unwrap();
    enter(&frame.as_slice(), &headers, &PortSets::default())
}

#[test]
fn kinds_have_numbers_and_names_of_their_own() {
    for (number, kind) in (0..).zip(Kind::ALL) {
        assert_eq!(Kind::from_number(number), Some(kind));
        assert_eq!(Kind::ALL.iter().filter(|other| other.label() == kind.label()).count(), 1);
    }
    assert_eq!(Kind::from_number(200), None);
}

#[test]
fn flags_that_say_no() {
    // VXLAN without a number and without a protocol; a protocol that does not exist.
    assert_eq!(at_port(4789, &[0; 60]), None);
    assert_eq!(at_port(4790, &[0x0c, 0, 0, 9, 0, 0, 1, 0]), None);
    // Geneve of another version, and a control packet.
    assert_eq!(at_port(6081, &[0x40, 0, 0x65, 0x58, 0, 0, 1, 0]), None);
    assert_eq!(at_port(6081, &[0, 0x80, 0x65, 0x58, 0, 0, 1, 0]), None);
    // TZSP of another version, of another link, and a keep-alive.
    for header in [[2, 0, 0, 1, 1], [1, 0, 0, 18, 1], [1, 4, 0, 1, 1]] {
        assert_eq!(at_port(37_008, &header), None);
    }
    // L2TP: a control message, version 1, PPP's own negotiation, session 0 of version 3.
    assert_eq!(at_port(1701, &[0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(at_port(1701, &[0, 1, 0, 1, 0, 1, 0, 0x21]), None);
    assert_eq!(at_port(1701, &[0, 2, 0, 1, 0, 1, 0xc0, 0x21, 1, 1]), None);
    assert_eq!(at_port(1701, &[0, 3, 0, 0, 0, 0, 0, 0, 1, 2]), None);
    // PPPoE that is no data; NSH whose length is shorter than itself.
    let shim_of = |ethertype, bytes: &[u8]| shim(&bytes, Layer { ethertype, at: 0 });
    assert_eq!(shim_of(ETHERTYPE_PPPOE, &[0x11, 9, 0, 1, 0, 2, 0, 0x21]), None);
    assert_eq!(shim_of(ETHERTYPE_NSH, &[0, 1, 1, 1, 0, 0, 0, 0, 0]), None);
    assert_eq!(shim_of(ETHERTYPE_IPV4, &[0x45; 40]), None);
}

#[test]
fn tags_without_an_end_are_left() {
    assert_eq!(at_port(37_008, &[1, 0, 0, 1, 0, 0, 0]), None);
    assert_eq!(at_port(37_008, &[1, 0, 0, 1, 10, 200, 1]), None);
    let mut paddings = [0; 200];
    paddings[..4].copy_from_slice(&[1, 0, 0, 1]);
    assert_eq!(at_port(37_008, &paddings), None);
    // No label says that it is the last.
    let frame = [0_u8; 200];
    assert_eq!(shim(&frame.as_slice(), Layer { ethertype: 0x8847, at: 0 }), None);
}

#[test]
fn ppp_in_every_dress() {
    let read = |bytes: &[u8]| l2tp::ppp(&bytes, 0);
    for (bytes, length) in
        [(&[0xff, 3, 0, 0x21][..], 4), (&[0, 0x21], 2), (&[0x21], 1), (&[0xff, 3, 0x21], 3)]
    {
        assert_eq!(read(bytes), Some((ETHERTYPE_IPV4, length)), "{bytes:?}");
    }
    assert_eq!(read(&[0, 0x57]), Some((ETHERTYPE_IPV6, 2)));
    assert_eq!(read(&[0, 0x31, 0, 1]), Some((ETHERTYPE_ETHERNET, 4)));
    assert_eq!(read(&[0xc0, 0x21]), None);
    assert_eq!(read(&[0xff, 3]), None);
    assert_eq!(read(&[]), None);
}

/// A recording of media: version, extra data, trace point, type, extension, payload.
fn recording(version: u8, [extra, point, media]: [u8; 3], extension: &[u8]) -> Told {
    let (length, channels) = match version {
        0..=4 => (15, 2),
        5 | 6 => (19, 2),
        7 => (23, 2),
        8 => (24, 2),
        _ => (28, 4),
    };
    let mut bytes = std::vec![0; length];
    bytes[0] = version;
    let extent = if version < 5 { length + extension.len() } else { extension.len() };
    bytes[7 + 2 * channels..][..4].copy_from_slice(&[extra, point, media, extent as u8]);
    bytes.extend(extension);
    if extra & 1 == 1 {
        bytes.extend([0; 4]);
    }
    bytes.extend(b"payload");
    let ends = (([10, 0, 0, 7], 50_925).into(), ([10, 0, 0, 2], 925).into());
    let frame = Packet::udp(ends.0, ends.1, &bytes).build();
    let mut ports = PortSets::default();
    ports.insert_tunnel(925, Kind::AudioCodes);
    let enter_cut = |frame: &[u8]| {
        let headers = walk_ethernet(&frame).ok()?;
        enter(&frame, &headers, &ports)
    };
    let Some(Entry::Told(told)) = enter_cut(&frame) else { panic!("{version}: nothing told") };
    let at = usize::from(told.headers.payload);
    assert_eq!(&frame[at..at + told.headers.payload_len as usize], b"payload", "{version}");
    // Cut anywhere it tells less or nothing, and never reaches beyond its end.
    for length in 0..frame.len() {
        if let Some(Entry::Told(told)) = enter_cut(&frame[..length]) {
            let end = usize::from(told.headers.payload) + told.headers.payload_len as usize;
            assert!(end <= length);
        }
    }
    told
}

fn ends(told: &Told) -> ([u8; 4], u16, [u8; 4], u16) {
    let h = told.headers;
    let last = |ip: [u8; 16]| [ip[12], ip[13], ip[14], ip[15]];
    (last(h.src), h.sport, last(h.dst), h.dport)
}

#[test]
fn recordings_tell_where_media_and_signalling_went() {
    let (near, far) = ([10, 0, 0, 7], [192, 0, 2, 5]);
    let media = [192, 0, 2, 5, 0x4e, 0x20, 0x75, 0x30, 0xb8];
    for version in 0..10 {
        let come = recording(version, [0, 0, 1], &media);
        assert_eq!(ends(&come), (far, 20_000, near, 30_000), "{version}");
        assert_eq!((come.headers.tos, come.class), (0xb8, None));
        let gone = recording(version, [0, 5, 54], &media);
        assert_eq!(ends(&gone), (near, 30_000, far, 20_000), "{version}");
    }
    let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &media[4..]].concat();
    let told = recording(9, [0x03, 4, 2], &six);
    assert_eq!((told.headers.version, told.headers.src[15], told.headers.sport), (6, 9, 20_000));
    let sip = [10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0xc4, 0x13, 0xc5, 17, 0];
    let told = recording(9, [0, 6, 10], &sip);
    assert_eq!(ends(&told), ([10, 0, 0, 1], 5060, [10, 0, 0, 2], 5061));
    assert_eq!(told.class, Some(Class::Sip));
    let tls = [0x13, 0xc4, 0x13, 0xc5, 10, 0, 0, 1, 10, 0, 0, 2, 3];
    assert_eq!(ends(&recording(9, [0, 6, 30], &tls)), ends(&told));
}

#[test]
fn recordings_of_other_things_are_left() {
    let ports = || {
        let mut ports = PortSets::default();
        ports.insert_tunnel(925, Kind::AudioCodes);
        ports
    };
    let media = [192, 0, 2, 5, 0x4e, 0x20, 0x75, 0x30, 0xb8];
    for (version, [extra, point, kind], length) in [
        (10, [0, 0, 1], 9),
        (0x19, [0, 0, 1], 9),
        // At the decoder, of a piece, of the processor, with too short an extension.
        (9, [0, 20, 1], 9),
        (9, [4, 0, 1], 9),
        (9, [0, 0, 29], 9),
        (9, [0, 0, 1], 8),
        (9, [8, 0, 1], 9),
    ] {
        let mut bytes = std::vec![0; 28];
        bytes[0] = version;
        bytes[15..19].copy_from_slice(&[extra, point, kind, length]);
        bytes.extend(media);
        bytes.extend([0; 30]);
        let frame = Packet::udp(([10, 0, 0, 7], 9).into(), ([10, 0, 0, 2], 925).into(), &bytes);
        let frame = frame.build();
        let headers = walk_ethernet(&frame.as_slice()).unwrap();
        assert_eq!(enter(&frame.as_slice(), &headers, &ports()), None, "{version} {point} {kind}");
    }
}
