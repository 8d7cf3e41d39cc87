//! Tests of recovery: files torn at every byte, damaged anywhere.

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::format::{ChunkKey, HEADER_BYTES, Kind};
use crate::layout::{PART, SEALED};
use crate::tests::{MS, T0, chunk_key, folder, options, packet, stored};
use crate::{Compression, Options, Slot, Spool};

/// A sealed segment of four chunks of four packets each: its bytes, name, and chunks' places.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    pub(super) name: PathBuf,
    pub(super) chunks: Vec<(u64, u64)>,
}

pub(super) const PACKETS: u64 = 4;

pub(super) fn sample(compression: Compression) -> Sample {
    let root = folder();
    let options = Options {
        compression_sip: compression,
        compression_rtp: compression,
        ..options(root.path())
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    for stream in 0..4 {
        let mut slot = Slot::default();
        for number in 0..PACKETS {
            let ts = T0 + number * MS;
            let key = chunk_key(Kind::Rtp, stream);
            let _ = gatherers[0].append(&mut slot, &key, ts, ts, 99, &packet(stream, number));
        }
    }
    drop(gatherers);
    spool.seal().unwrap();
    let folder = class_folders(root.path()).unwrap().pop().unwrap();
    let is_segment = |path: &PathBuf| path.to_str().unwrap().ends_with(SEALED);
    let path = list(&folder).unwrap().into_iter().find(is_segment).unwrap();
    let file = File::open(&path).unwrap();
    let mut walk = Walk::new(&file, Care::Everything).unwrap();
    let mut chunks = Vec::new();
    while let Some(step) = walk.step().unwrap() {
        let Step::Chunk { at, header } = step else { panic!("{step:?}") };
        chunks.push((at, at + header.chunk_len()));
    }
    assert_eq!(chunks.len(), 4);
    let name = path.strip_prefix(root.path()).unwrap().to_path_buf();
    Sample { bytes: fs::read(path).unwrap(), name, chunks }
}

/// A root in which a writer died and left these bytes.
fn left_behind(sample: &Sample, bytes: &[u8]) -> TempDir {
    let root = folder();
    let name = sample.name.to_str().unwrap().strip_suffix(SEALED).unwrap();
    let path = root.path().join(format!("{name}{PART}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    root
}

/// Recovers and expects just these chunks, each with all its packets.
fn check(root: &TempDir, sample: &Sample, whole: &[u64]) -> Recovered {
    let done = recover(root.path()).unwrap();
    assert_eq!((done.failed, done.busy), (0, 0));
    assert_eq!(done.chunks, whole.len() as u64, "{done:?}");
    for stream in 0..4 {
        let packets = stored(root.path(), Kind::Rtp, stream);
        let expected = if whole.contains(&stream) { PACKETS } else { 0 };
        assert_eq!(packets.len() as u64, expected, "stream {stream}");
    }
    if !whole.is_empty() {
        // Stock tools read on to the last packet.
        let bytes = fs::read(root.path().join(&sample.name)).unwrap();
        let plain = zstd::decode_all(bytes.as_slice()).unwrap();
        let mut rest = &plain[24..];
        let mut packets = 0;
        while crate::format::next_record(&mut rest).is_some() {
            packets += 1;
        }
        assert_eq!((packets, rest.len() as u64), (done.packets, 0));
    }
    let again = recover(root.path()).unwrap();
    assert_eq!(again, Recovered::default(), "nothing is left to be done");
    done
}

fn torn_at_every_byte(compression: Compression) {
    let sample = sample(compression);
    for len in 0..=sample.bytes.len() {
        let root = left_behind(&sample, &sample.bytes[..len]);
        let whole: Vec<u64> =
            (0..4).filter(|at| sample.chunks[*at as usize].1 <= len as u64).collect();
        let done = check(&root, &sample, &whole);
        assert_eq!(done.removed, u64::from(whole.is_empty()));
        let kept = whole.last().map_or(0, |at| sample.chunks[*at as usize].1);
        assert!(whole.is_empty() || done.lost_bytes <= len as u64 - kept);
    }
}

#[test]
fn a_raw_segment_torn_anywhere_keeps_its_whole_chunks() {
    torn_at_every_byte(Compression::None);
}

#[test]
fn a_compressed_segment_torn_anywhere_keeps_its_whole_chunks() {
    torn_at_every_byte(Compression::Zstd(1));
}

/// As a crash leaves it whose last pages never came to the disk: zeros from any byte on, up to
/// where blocks were granted.
#[test]
fn a_segment_that_is_zeros_from_anywhere_on_keeps_its_whole_chunks() {
    let sample = sample(Compression::Zstd(1));
    for len in 0..=sample.bytes.len() {
        let mut bytes = sample.bytes[..len].to_vec();
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        bytes.resize(sample.bytes.len() + 4096, 0);
        // Zeros may be what was to come.
        let whole: Vec<u64> = (0..4)
            .filter(|at| {
                let (from, to) = sample.chunks[*at as usize];
                let range = from as usize..to as usize;
                bytes[range.clone()] == sample.bytes[range]
            })
            .collect();
        let done = check(&left_behind(&sample, &bytes), &sample, &whole);
        let kept = whole.last().map_or(0, |at| sample.chunks[*at as usize].1);
        if !whole.is_empty() {
            assert_eq!(done.lost_bytes, written.saturating_sub(kept), "zeros from {len} on");
            assert_eq!(done.damages, u64::from(written > kept));
        }
    }
}

/// One bit flipped at every byte of a torn segment.
#[test]
fn a_bit_that_flips_anywhere_costs_one_chunk_at_most() {
    let sample = sample(Compression::None);
    for at in 0..sample.bytes.len() {
        let mut bytes = sample.bytes.clone();
        bytes[at] ^= 0x80 >> (at % 8);
        let hit = |chunk: &u64| {
            let (from, to) = sample.chunks[*chunk as usize];
            (from..to).contains(&(at as u64))
        };
        let whole: Vec<u64> = (0..4).filter(|chunk| !hit(chunk)).collect();
        let done = check(&left_behind(&sample, &bytes), &sample, &whole);
        assert_eq!(done.damages, 1, "at {at}");
        assert!(done.lost_bytes >= HEADER_BYTES as u64, "at {at}");
    }
}

#[test]
fn a_tail_of_zeros_is_cut_and_is_no_loss() {
    let sample = sample(Compression::Zstd(1));
    let mut bytes = sample.bytes.clone();
    bytes.resize(3 << 20, 0);
    let root = left_behind(&sample, &bytes);
    let done = check(&root, &sample, &[0, 1, 2, 3]);
    assert_eq!((done.damages, done.lost_bytes, done.segments), (0, 0, 1));
    assert_eq!(fs::read(root.path().join(&sample.name)).unwrap(), sample.bytes);
}

#[test]
fn pages_that_never_reached_the_disk_are_stepped_across() {
    let sample = sample(Compression::None);
    // The first page is gone, with the prologue and the first chunk's header.
    let mut bytes = sample.bytes.clone();
    bytes[..sample.chunks[0].0 as usize + 10].fill(0);
    let done = check(&left_behind(&sample, &bytes), &sample, &[1, 2, 3]);
    assert_eq!(done.damages, 2);
    // Two chunks in the middle are gone.
    let mut bytes = sample.bytes.clone();
    bytes[sample.chunks[1].0 as usize + 5..sample.chunks[2].1 as usize - 5].fill(0);
    let done = check(&left_behind(&sample, &bytes), &sample, &[0, 3]);
    assert_eq!((done.damages, done.lost_bytes), (1, sample.chunks[3].0 - sample.chunks[1].0));
}

#[test]
fn a_chunk_of_another_segment_in_a_payload_is_not_taken_for_real() {
    let inner = sample(Compression::None);
    let root = folder();
    let options = Options { compression_rtp: Compression::None, ..options(root.path()) };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let mut slot = Slot::default();
    let key = ChunkKey { key: 77, ..chunk_key(Kind::Rtp, 0) };
    let _ = gatherers[0].append(&mut slot, &key, T0, 0, 99, &inner.bytes);
    drop(gatherers);
    spool.seal().unwrap();
    let path = root.path().join(&inner.name);
    let folder = path.parent().unwrap();
    let find = |ending| {
        let ends = |path: &PathBuf| path.to_str().unwrap().ends_with(ending);
        list(folder).unwrap().into_iter().find(ends)
    };
    let sealed = find(SEALED).unwrap();
    let mut bytes = fs::read(&sealed).unwrap();
    // The outer chunk's header is destroyed; whole chunks lie in its body.
    bytes[PROLOGUE_BYTES + 20] ^= 1;
    let part = format!("{}.part", sealed.to_str().unwrap());
    fs::remove_file(&sealed).unwrap();
    fs::write(part, bytes).unwrap();
    let done = recover(root.path()).unwrap();
    assert_eq!((done.chunks, done.removed), (0, 1));
}

#[test]
fn a_segment_of_a_living_writer_is_left_alone() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let mut slot = Slot::default();
    let _ = gatherers[0].append(&mut slot, &chunk_key(Kind::Rtp, 1), T0, 0, 3, b"abc");
    gatherers[0].flush(&mut slot);
    while spool.counters().stored == 0 {
        std::thread::yield_now();
    }
    let done = recover(root.path()).unwrap();
    assert_eq!((done.busy, done.segments), (1, 0));
    drop(gatherers);
    spool.seal().unwrap();
    assert_eq!(stored(root.path(), Kind::Rtp, 1).len(), 1);
}

#[test]
fn leftovers_are_tidied_and_strangers_stay() {
    let sample = sample(Compression::None);
    let root = left_behind(&sample, &sample.bytes);
    let folder = root.path().join(sample.name.parent().unwrap());
    for name in ["a.idx.new", "b.idx", "notes.txt"] {
        fs::write(folder.join(name), b"x").unwrap();
    }
    check(&root, &sample, &[0, 1, 2, 3]);
    let mut names: Vec<String> = list(&folder)
        .unwrap()
        .iter()
        .map(|path| path.extension().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["idx", "txt", "zst"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_damaged_byte_costs_one_chunk_at_most(at: prop::sample::Index, flip in 1_u8..) {
        let sample = sample(Compression::Zstd(1));
        let mut bytes = sample.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let whole: Vec<u64> = (0..4)
            .filter(|chunk| {
                let (from, to) = sample.chunks[*chunk as usize];
                !(from..to).contains(&(at as u64))
            })
            .collect();
        let done = check(&left_behind(&sample, &bytes), &sample, &whole);
        prop_assert_eq!(done.damages, 1);
        prop_assert!(done.lost_bytes >= HEADER_BYTES as u64);
    }
}
