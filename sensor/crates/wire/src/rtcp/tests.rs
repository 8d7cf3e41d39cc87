//! Compounds built by hand from the diagrams of RFC 3550 and RFC 3611, and any bytes at all.

use super::source::CNAME;
use super::xr::{Block, LastReference};
use super::*;
use proptest::prelude::*;

fn packet(kind: u8, count: u8, body: &[u8]) -> Vec<u8> {
    assert_eq!(body.len() % 4, 0);
    let words = (body.len() / 4) as u16;
    [&[0x80 | count, kind][..], &words.to_be_bytes(), body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn only(bytes: &[u8]) -> Packet<'_> {
    let mut compound = Compound::new(bytes);
    let first = compound.next().unwrap().unwrap();
    assert!(compound.next().is_none());
    first
}

#[test]
fn sender_report_with_a_block() {
    let body = words(&[
        0x11,
        0xe000_0001,
        0x8000_0000,
        160,
        50,
        8000, // the sender's own
        0x22,
        0x40ff_fffe,
        0x0001_0005,
        12,
        0x0001_8000,
        65536, // about 0x22
    ]);
    let bytes = packet(200, 1, &body);
    let Packet::Sender(report) = only(&bytes) else { panic!("{bytes:?}") };
    assert_eq!(report.ssrc, 0x11);
    assert_eq!(
        report.info,
        SenderInfo { ntp: 0xe000_0001_8000_0000, rtp: 160, packets: 50, octets: 8000 }
    );
    assert_eq!(report.info.ntp_middle(), 0x0001_8000);
    let block = ReportBlock {
        ssrc: 0x22,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 0x0001_0005,
        jitter: 12,
        last_sr: 0x0001_8000,
        delay_since_sr: 65536,
    };
    assert_eq!(report.blocks().collect::<Vec<_>>(), [block]);
    assert!(report.extension.is_empty());
}

#[test]
fn receiver_report_sdes_and_bye_in_one_datagram() {
    let sdes = [&words(&[7])[..], b"\x01\x03abc\x02\x01x\0", &[0, 0, 0]].concat();
    let two = [&sdes[..], &words(&[8]), b"\x01\x01z\0"].concat();
    let bye = [&words(&[7, 8])[..], b"\x03end"].concat();
    let bytes =
        [packet(201, 0, &words(&[9, 0xffff])), packet(202, 2, &two), packet(203, 2, &bye)].concat();
    let packets: Vec<_> = Compound::new(&bytes).map(Result::unwrap).collect();
    let [Packet::Receiver(rr), Packet::Sdes(sdes), Packet::Bye(bye)] = &packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!((rr.ssrc, rr.blocks().count(), rr.extension.len()), (9, 0, 4));
    let items: Vec<_> = sdes.items().map(|item| (item.ssrc, item.kind, item.text)).collect();
    assert_eq!(items, [(7, CNAME, &b"abc"[..]), (7, 2, b"x"), (8, CNAME, b"z")]);
    assert_eq!(bye.sources().collect::<Vec<_>>(), [7, 8]);
    assert_eq!(bye.reason, Some(&b"end"[..]));
}

#[test]
fn app_and_unknown() {
    let bytes = packet(204, 3, &[&words(&[5])[..], b"TESTdata"].concat());
    let Packet::App(app) = only(&bytes) else { panic!("{bytes:?}") };
    assert_eq!((app.subtype, app.ssrc, &app.name, app.data), (3, 5, b"TEST", &b"data"[..]));
    let bytes = packet(205, 15, &words(&[1, 2]));
    assert!(matches!(only(&bytes), Packet::Other(205, 15, body) if body.len() == 8));
}

#[test]
fn extended_report() {
    let voip = [
        &words(&[0x22])[..],
        &[10, 5, 128, 2, 0, 100, 3, 232, 0, 40, 0, 60, 0xec, 127, 127, 16],
        &[90, 127, 41, 40, 0x3c, 0, 0, 50, 0, 100, 0, 200],
    ]
    .concat();
    let body = [
        &words(&[0x33])[..],
        &words(&[0x0400_0002, 1, 2]),
        &words(&[0x0500_0003, 0x44, 0xaaaa, 0xbbbb]),
        &words(&[0x0700_0008]),
        &voip,
        &words(&[0x0100_0001, 9]),
    ]
    .concat();
    let bytes = packet(207, 0, &body);
    let Packet::Extended(report) = only(&bytes) else { panic!("{bytes:?}") };
    assert_eq!(report.ssrc, 0x33);
    let blocks: Vec<_> = report.blocks().collect();
    assert!(matches!(blocks[0], Block::ReferenceTime(0x1_0000_0002)));
    let Block::LastReference(list) = blocks[1] else { panic!("{blocks:?}") };
    let expected = LastReference { ssrc: 0x44, last_rr: 0xaaaa, delay: 0xbbbb };
    assert_eq!(list.iter().collect::<Vec<_>>(), [expected]);
    let Block::Voip(metrics) = blocks[2] else { panic!("{blocks:?}") };
    assert_eq!((metrics.ssrc, metrics.loss_rate, metrics.discard_rate), (0x22, 10, 5));
    assert_eq!((metrics.burst_duration_ms, metrics.gap_duration_ms), (100, 1000));
    assert_eq!((metrics.round_trip_delay_ms, metrics.end_system_delay_ms), (40, 60));
    assert_eq!((metrics.signal_level, metrics.noise_level, metrics.rerl), (Some(-20), None, None));
    assert_eq!((metrics.r_factor, metrics.ext_r_factor), (Some(90), None));
    assert_eq!((metrics.mos_lq_x10, metrics.mos_cq_x10), (Some(41), Some(40)));
    assert_eq!((metrics.jb_nominal_ms, metrics.jb_abs_max_ms), (50, 200));
    assert!(matches!(blocks[3], Block::Other(1, 0, body) if body == [0, 0, 0, 9]));
}

#[test]
fn padding_is_taken_off() {
    let mut bytes = packet(201, 0, &words(&[9, 4]));
    bytes[0] |= 0x20;
    let Packet::Receiver(report) = only(&bytes) else { panic!("{bytes:?}") };
    assert_eq!(report.extension.len(), 0);
    let end = bytes.len() - 1;
    bytes[end] = 0;
    assert_eq!(Compound::new(&bytes).next().unwrap().unwrap_err(), Reject::Padding);
    bytes[end] = 99;
    assert_eq!(Compound::new(&bytes).next().unwrap().unwrap_err(), Reject::Padding);
}

#[test]
fn reasons_end_the_datagram() {
    let good = packet(201, 0, &words(&[9]));
    let cases = [
        (vec![0x80, 201, 0], Reject::Short),
        (vec![0x40, 201, 0, 0], Reject::Version),
        (vec![0x80, 201, 0, 1], Reject::Length),
        (packet(201, 1, &words(&[9])), Reject::Body),
        (packet(200, 0, &words(&[9])), Reject::Body),
        (packet(203, 2, &words(&[9])), Reject::Body),
        (packet(204, 0, &words(&[9])), Reject::Body),
        (packet(207, 0, &[]), Reject::Body),
    ];
    for (bad, reason) in cases {
        let bytes = [&good[..], &bad, &good].concat();
        let mut compound = Compound::new(&bytes);
        assert!(compound.next().unwrap().is_ok());
        let found = compound.next().unwrap();
        if reason == Reject::Body || reason == Reject::Version {
            assert_eq!(found.unwrap_err(), reason);
            assert!(compound.next().is_none());
        }
        let alone = Compound::new(&bad).next().unwrap();
        assert_eq!(alone.unwrap_err(), reason, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_walked_to_an_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
                                      kind in 200u8..208, force: bool) {
        if force && bytes.len() >= 4 {
            bytes[0] = bytes[0] & 0x1f | 0x80;
            bytes[1] = kind;
            bytes[2] = 0;
            bytes[3] = ((bytes.len() / 4).saturating_sub(1)) as u8;
        }
        let mut seen = 0;
        for packet in Compound::new(&bytes).flatten() {
            seen += 1;
            match packet {
                Packet::Sender(report) => prop_assert!(report.blocks().count() <= 31),
                Packet::Receiver(report) => prop_assert!(report.blocks().count() <= 31),
                Packet::Sdes(sdes) => prop_assert!(sdes.items().count() <= bytes.len()),
                Packet::Bye(bye) => prop_assert!(bye.sources().count() <= 31),
                Packet::Extended(report) => prop_assert!(report.blocks().count() <= bytes.len()),
                Packet::App(app) => prop_assert!(app.data.len() <= bytes.len()),
                Packet::Other(_, _, body) => prop_assert!(body.len() <= bytes.len()),
            }
        }
        prop_assert!(seen <= bytes.len() / 4);
    }
}
