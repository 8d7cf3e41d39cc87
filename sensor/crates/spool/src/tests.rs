//! The spool as its users see it: what goes in comes out, or is counted.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::read::{Format, Wanted, export};

pub(crate) const T0: u64 = 1_700_000_000_000_000_000;
pub(crate) const MS: u64 = 1_000_000;

/// A folder in memory where there is one: these tests are not about disks.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

pub(crate) fn options(root: &Path) -> Options {
    Options { segment_bytes: 1 << 20, lossless: true, ..Options::new(root.to_path_buf()) }
}

pub(crate) fn chunk_key(kind: Kind, key: u64) -> ChunkKey {
    ChunkKey { realm: 1, kind, key, link: 1 }
}

/// A packet that tells its stream and number.
pub(crate) fn packet(stream: u64, number: u64) -> Vec<u8> {
    let mut noise = stream << 32 | number;
    let mut bytes = vec![0; 54 + (number % 7) as usize * 30];
    bytes.fill_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    });
    bytes[..8].copy_from_slice(&stream.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Time and bytes of each.
type Packets = Vec<(u64, Vec<u8>)>;

/// Everything that one key has in a root.
pub(crate) fn stored(root: &Path, kind: Kind, key: u64) -> Packets {
    let want = Wanted { realm: 1, kind, key, from_ns: 0, to_ns: u64::MAX };
    let mut file = Vec::new();
    let done = export(root, &[want], &mut file, Format::Pcap).unwrap();
    assert_eq!(done.damaged, 0);
    let mut rest = &file[24..];
    let mut packets = Vec::new();
    while let Some(record) = format::next_record(&mut rest) {
        packets.push((record.ts_ns, record.bytes.to_vec()));
    }
    assert!(rest.is_empty());
    packets
}

fn balanced(counters: &Counters) -> bool {
    counters.pending() == 0
        && counters.offered
            == counters.stored
                + counters.discarded
                + counters.dropped_pool
                + counters.dropped_disk
                + counters.dropped_closed
}

fn round_trip(compression: Compression) {
    let root = folder();
    let options = Options {
        compression_sip: compression,
        compression_rtp: compression,
        ..options(root.path())
    };
    let (spool, gatherers) = Spool::start(&options, 3).unwrap();
    let mut expected: BTreeMap<(Kind, u64), Packets> = BTreeMap::new();
    for (worker, mut gatherer) in gatherers.into_iter().enumerate() {
        for (kind, stream) in [(Kind::Sip, 0), (Kind::Rtp, 1), (Kind::Rtp, 2), (Kind::Rtcp, 1)] {
            let stream = stream + 10 * worker as u64;
            let mut slot = Slot::default();
            for number in 0..3000 {
                let bytes = packet(stream, number);
                let ts = T0 + number * 20 * MS;
                let key = chunk_key(kind, stream);
                let wire = bytes.len() as u32;
                assert_eq!(gatherer.append(&mut slot, &key, ts, ts, wire, &bytes), Stored::Kept);
                expected.entry((kind, stream)).or_default().push((ts, bytes));
            }
        }
    }
    let counters = spool.seal().unwrap();
    assert_eq!((counters.offered, counters.stored), (36_000, 36_000));
    assert!(balanced(&counters) && counters.errors == 0, "{counters:?}");
    assert_eq!(counters.segments, counters.sealed);
    assert!(counters.segments > 2, "the segments are small enough to need several");
    for ((kind, stream), packets) in expected {
        assert!(stored(root.path(), kind, stream) == packets, "{kind:?} {stream}");
    }
}

#[test]
fn what_goes_in_raw_comes_out() {
    round_trip(Compression::None);
}

#[test]
fn what_goes_in_compressed_comes_out() {
    round_trip(Compression::Zstd(3));
}

#[test]
fn chunks_go_when_they_are_old_even_without_packets() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slots = [Slot::default(); 3];
    for (stream, slot) in slots.iter_mut().enumerate() {
        let clock = 100 * MS * stream as u64;
        let key = chunk_key(Kind::Rtp, stream as u64);
        let _ = gatherer.append(slot, &key, T0, clock, 4, b"abcd");
    }
    gatherer.tick(2_100 * MS);
    // The first two are gone, so there is nothing left in them to discard.
    slots.iter_mut().for_each(|slot| gatherer.discard(slot));
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.discarded), (2, 1));
    assert!(balanced(&counters));
}

#[test]
fn a_stream_that_was_none_leaves_nothing() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slot = Slot::default();
    let _ = gatherer.append(&mut slot, &chunk_key(Kind::Rtp, 1), T0, 0, 4, b"abcd");
    gatherer.discard(&mut slot);
    assert_eq!(slot, Slot::default());
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.offered, counters.discarded, counters.segments), (1, 1, 0));
    assert!(layout::class_folders(root.path()).unwrap().is_empty());
}

#[test]
fn more_streams_than_chunks_share_the_pool() {
    let root = folder();
    let options = Options { pool_bytes: 0, ..options(root.path()) };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slots = vec![Slot::default(); 200];
    for number in 0..50 {
        for (stream, slot) in (0_u64..).zip(slots.iter_mut()) {
            let ts = T0 + number * 20 * MS;
            let bytes = packet(stream, number);
            let key = chunk_key(Kind::Rtp, stream);
            let kept = gatherer.append(slot, &key, ts, ts, bytes.len() as u32, &bytes);
            assert_eq!(kept, Stored::Kept);
        }
    }
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.offered), (10_000, 10_000));
    assert!(counters.early > 0);
    let last = stored(root.path(), Kind::Rtp, 199);
    let numbers = (0..50).map(|number| packet(199, number));
    assert!(last.into_iter().map(|(_, bytes)| bytes).eq(numbers));
}

#[test]
fn large_packets_have_chunks_of_their_own() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slot = Slot::default();
    let key = chunk_key(Kind::Sip, 5);
    let sizes = [100, CHUNK_BYTES - 16, CHUNK_BYTES - 15, 9000, 65_549, 300_000, 100];
    for (number, size) in (0_u64..).zip(sizes.into_iter().cycle().take(140)) {
        let kept =
            gatherer.append(&mut slot, &key, T0 + number, number, size as u32, &vec![1; size]);
        assert_eq!(kept, Stored::Kept);
    }
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.cut), (140, 20));
    let lens = stored(root.path(), Kind::Sip, 5).into_iter().map(|(_, bytes)| bytes.len());
    let cut = sizes.into_iter().cycle().take(140).map(|size| size.min(262_144));
    assert!(lens.eq(cut));
}

#[test]
fn a_slot_of_a_chunk_that_is_gone_is_harmless() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slot = Slot::default();
    let _ = gatherer.append(&mut slot, &chunk_key(Kind::Rtp, 1), T0, 0, 1, b"a");
    let mut stale = slot;
    gatherer.flush(&mut slot);
    // The same entry, taken by another stream.
    let _ = gatherer.append(&mut slot, &chunk_key(Kind::Rtp, 2), T0, 0, 1, b"b");
    gatherer.discard(&mut stale);
    let _ = gatherer.append(&mut stale, &chunk_key(Kind::Rtp, 3), T0, 0, 1, b"c");
    drop(gatherer);
    assert_eq!(spool.seal().unwrap().stored, 3);
    for (stream, byte) in [(1, b"a"), (2, b"b"), (3, b"c")] {
        assert_eq!(stored(root.path(), Kind::Rtp, stream), [(T0, byte.to_vec())]);
    }
}

#[test]
fn packets_after_the_end_are_counted() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 2).unwrap();
    let mut late = gatherers.pop().unwrap();
    drop(gatherers);
    let ledger = Ledger { workers: spool.ledger.workers.clone(), ..Ledger::default() };
    // Holding a gatherer costs the patience of the spool thread, not its end.
    spool.seal().unwrap();
    let mut slot = Slot::default();
    for number in 0..20_000 {
        let _ = late.append(&mut slot, &chunk_key(Kind::Rtp, 1), T0, number, 9, b"too late!");
    }
    drop(late);
    let counters = ledger.read();
    assert_eq!((counters.offered, counters.dropped_closed), (20_000, 20_000));
}

#[test]
fn times_far_apart_have_segments_of_their_own() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slots = [Slot::default(); 2];
    let hour = 3_600_000 * MS;
    for number in 0..1000_u64 {
        // Two sources whose clocks are hours apart, in turns.
        for (stream, slot) in (0_u64..).zip(slots.iter_mut()) {
            let ts = T0 + stream * 5 * hour + number * 20 * MS;
            let bytes = packet(stream, number);
            let key = chunk_key(Kind::Rtp, stream);
            let _ = gatherer.append(slot, &key, ts, number * 20 * MS, 999, &bytes);
        }
    }
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.segments), (2000, 2));
    assert_eq!(stored(root.path(), Kind::Rtp, 1).len(), 1000);
    assert_eq!(layout::class_folders(root.path()).unwrap().len(), 2);
}

#[test]
fn options_out_of_bounds_are_named() {
    let root = folder();
    let good = options(root.path());
    for (options, workers) in [
        (good.clone(), 0),
        (good.clone(), WORKERS_MAX + 1),
        (Options { segment_bytes: 1, ..good.clone() }, 1),
        (Options { segment_bytes: 1 << 40, ..good.clone() }, 1),
        (Options { compression_rtp: Compression::Zstd(99), ..good }, 1),
    ] {
        let refused = Spool::start(&options, workers).map(|_| ());
        assert!(matches!(refused, Err(SpoolError::Options(_))), "{options:?} {workers}");
    }
}

#[test]
fn a_root_that_cannot_be_written_costs_packets_not_the_sensor() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    // A file where the day's folder should be.
    fs::write(root.path().join("2023-11-14"), b"").unwrap();
    let mut gatherer = gatherers.pop().unwrap();
    let mut slot = Slot::default();
    for number in 0..5000 {
        let bytes = packet(1, number);
        let key = chunk_key(Kind::Rtp, 1);
        let stored = gatherer.append(&mut slot, &key, T0, number, 999, &bytes);
        assert_eq!(stored, Stored::Kept, "kept, as far as the worker knows");
    }
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.dropped_disk, counters.stored), (5000, 0));
    assert!(counters.errors >= 1 && counters.errors < 5, "tried once a second");
    assert!(balanced(&counters));
}
