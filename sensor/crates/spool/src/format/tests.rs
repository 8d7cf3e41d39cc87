//! Tests of the byte layout.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn header() -> Header {
    Header {
        key: ChunkKey { realm: 3, kind: Kind::Rtcp, key: 0x0102_0304_0506_0708, link: 113 },
        codec: Codec::Zstd,
        segment: 99,
        first_ns: 5,
        last_ns: 6,
        packets: 7,
        records_len: 8,
        body_len: 9,
        body_hash: 10,
    }
}

fn prologue() -> Prologue {
    Prologue { class: Class::Media, sensor: 12, link: 1, segment: 13, base_ns: 14 }
}

#[test]
fn headers_stand_where_the_text_says() {
    let bytes = header().encode();
    assert_eq!(bytes[..16], *b"\x57\x2a\x4d\x18\x50\0\0\0RTCK\x01\0\x02\x01");
    assert_eq!(bytes[16..24], [3, 0, 0, 0, 113, 0, 0, 0]);
    assert_eq!(bytes[32..40], [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(Header::decode(&bytes), Ok(header()));
    let bytes = prologue().encode();
    assert_eq!(bytes[36..44], *b"\x57\x2a\x4d\x18\x54\0\0\0");
    assert_eq!(Prologue::decode(&bytes), Ok(prologue()));
}

#[test]
fn every_flipped_bit_is_noticed() {
    for bit in 0..HEADER_BYTES * 8 {
        // The frame's size is not read by us, but it is under the checksum.
        let mut bytes = header().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&bytes).is_err(), "bit {bit}");
    }
    for bit in 0..PROLOGUE_BYTES * 8 {
        let mut bytes = prologue().encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Prologue::decode(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn a_later_version_is_refused_by_name() {
    let mut bytes = header().encode();
    bytes[12] = 2;
    seal(&mut bytes);
    assert_eq!(Header::decode(&bytes), Err(Bad::Version));
    let mut bytes = prologue().encode();
    bytes[48] = 2;
    seal(&mut bytes);
    assert_eq!(Prologue::decode(&bytes), Err(Bad::Version));
}

#[test]
fn impossible_fields_are_refused() {
    for wrong in [
        Header { first_ns: 7, ..header() },
        Header { records_len: RECORDS_MAX as u32 + 1, ..header() },
        Header { body_len: u32::MAX, ..header() },
    ] {
        assert_eq!(Header::decode(&wrong.encode()), Err(Bad::Field));
    }
}

#[test]
fn raw_frames_are_valid_zstd_at_every_size() {
    for len in [0, 1, 255, 256, 16_384, 131_071, 131_072, 131_073, RECORDS_MAX] {
        let records: Vec<u8> = (0..len).map(|at| (at * 7 % 251) as u8).collect();
        let mut out = vec![0; body_bound(len)];
        let written = raw_frame(&records, &mut out).unwrap();
        let back = zstd::bulk::decompress(&out[..written], len).unwrap();
        assert!(back == records, "{len} bytes");
        assert_eq!(raw_frame(&records, &mut out[..written - 1]), None);
    }
}

#[test]
fn a_gap_covers_what_it_is_told_to() {
    assert_eq!(gap(15), None);
    assert_eq!(gap_len(&gap(16).unwrap()), Some(16));
    assert_eq!(gap_len(&gap(1 << 31).unwrap()), Some(1 << 31));
    assert_eq!(gap(u64::MAX), None);
    assert_eq!(gap_len(&header().encode()), None);
}

#[test]
fn a_window_begins_with_a_body() {
    let mut at = PROLOGUE_BYTES;
    let mut bodies = Vec::new();
    for len in (0..4000_usize).map(|number| HEADER_BYTES + number * 7919 % 16_300) {
        let shift = shift(at, len);
        assert!(shift == 0 || shift >= GAP_BYTES_MIN);
        assert!(shift < len + HEADER_BYTES + GAP_BYTES_MIN);
        at += shift + len;
        bodies.push(at - len + HEADER_BYTES);
    }
    for window in 1..at / WINDOW_BYTES {
        assert!(bodies.contains(&(window * WINDOW_BYTES)), "window {window}");
    }
    // More than a window: as it comes.
    assert_eq!(shift(128, WINDOW_BYTES), 0);
}

#[test]
fn eight_full_chunks_fill_a_window_with_little_left() {
    let len = HEADER_BYTES + body_bound_raw(crate::CHUNK_BYTES);
    let mut at = WINDOW_BYTES - HEADER_BYTES;
    for _ in 0..8 {
        assert_eq!(shift(at, len), 0);
        at += len;
    }
    assert!((16..300).contains(&shift(at, len)));
}

/// A raw body of one block.
fn body_bound_raw(records: usize) -> usize {
    raw_frame(&vec![0; records], &mut vec![0; body_bound(records)]).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_a_reason(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (Header::decode(&bytes), Prologue::decode(&bytes), gap_len(&bytes));
    }

    #[test]
    fn any_bytes_end_as_records(bytes in vec(any::<u8>(), 0..300)) {
        let mut rest = bytes.as_slice();
        let mut total = 0;
        while let Some(record) = next_record(&mut rest) {
            total += RECORD_BYTES + record.bytes.len();
        }
        prop_assert_eq!(total + rest.len(), bytes.len());
    }

    #[test]
    fn records_come_back(
        ts in 0_u64..4_294_967_295_000_000_000, wire: u32, bytes in vec(any::<u8>(), 0..99),
    ) {
        let mut all = record_header(ts, bytes.len() as u32, wire).to_vec();
        all.extend_from_slice(&bytes);
        let mut rest = all.as_slice();
        let record = next_record(&mut rest).unwrap();
        prop_assert_eq!((record.ts_ns, record.wire_len, record.bytes), (ts, wire, &bytes[..]));
        prop_assert!(rest.is_empty());
    }
}
