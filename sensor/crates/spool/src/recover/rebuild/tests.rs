//! Tests of listing, verifying and rebuilding.

use std::fs;

use tempfile::TempDir;

use super::list as list_now;
use super::*;
use crate::format::Kind;
use crate::layout::INDEX;
use crate::recover::tests::{PACKETS, Sample, sample};
use crate::tests::{MS, T0, chunk_key, folder, options, packet, stored};
use crate::{Compression, Slot, Spool};

const STREAMS: u64 = 30;

/// Some segments of both kinds in two hours.
fn filled() -> TempDir {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    for stream in 0..STREAMS {
        for kind in [Kind::Sip, Kind::Rtp] {
            let mut slot = Slot::default();
            for number in 0..500 {
                let ts = T0 + (stream % 2) * 3_600_000 * MS + number * 20 * MS;
                let key = chunk_key(kind, stream);
                let bytes = packet(stream, number);
                let _ = gatherers[0].append(&mut slot, &key, ts, ts, 99, &bytes);
            }
        }
    }
    drop(gatherers);
    spool.seal().unwrap();
    root
}

fn everything(root: &Path) -> Vec<(u64, Vec<u8>)> {
    let of = |stream| [Kind::Sip, Kind::Rtp].map(|kind| stored(root, kind, stream)).concat();
    (0..STREAMS).flat_map(of).collect()
}

fn files(root: &Path, ending: &str) -> Vec<PathBuf> {
    let all = class_folders(root).unwrap().into_iter().flat_map(|at| files_in(&at).unwrap());
    all.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

type Teller = fn(&Path, &mut dyn FnMut(Result<Segment, SpoolError>)) -> Result<(), SpoolError>;

fn told(root: &Path, by: Teller) -> Vec<Segment> {
    let mut all = Vec::new();
    by(root, &mut |segment| all.push(segment.unwrap())).unwrap();
    all
}

#[test]
fn indexes_come_back_from_the_segments_alone() {
    let root = filled();
    let before = everything(root.path());
    assert_eq!(before.len() as u64, STREAMS * 2 * 500);
    let indexes = files(root.path(), INDEX);
    assert!(indexes.len() > 4, "{}", indexes.len());
    let right: Vec<Vec<u8>> = indexes.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(rebuild(root.path()).unwrap(), Recovered::default(), "all is well");
    // Gone, cut, flipped, another's, none at all.
    for (number, path) in indexes.iter().enumerate() {
        let mut bytes = right[number].clone();
        match number % 5 {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            2 => {
                bytes[70] ^= 1;
                fs::write(path, bytes).unwrap();
            }
            3 => fs::write(path, &right[0]).unwrap(),
            _ => fs::write(path, b"").unwrap(),
        }
    }
    let states = told(root.path(), list_now);
    assert!(states.iter().all(|one| one.index == IndexState::Missing));
    assert!(everything(root.path()) == before, "readers do without");
    let done = rebuild(root.path()).unwrap();
    let expected = Recovered { indexes: indexes.len() as u64, ..Recovered::default() };
    assert_eq!(done, expected);
    for (path, right) in indexes.iter().zip(&right) {
        assert!(fs::read(path).unwrap() == *right, "{}", path.display());
    }
    assert!(everything(root.path()) == before);
}

#[test]
fn an_index_that_is_whole_and_lies_is_found_out() {
    let root = filled();
    let before = everything(root.path());
    let place = segments_in(&class_folders(root.path()).unwrap()[0]).unwrap().remove(0);
    let file = File::open(place.path()).unwrap();
    let index = Index::read(&place, &file).unwrap();
    let survey = survey(&file).unwrap();
    let facts = facts(&survey, &file).unwrap().unwrap();
    Index::encode(facts, &survey.entries[1..]).write(&place).unwrap();
    assert!(everything(root.path()).len() < before.len());
    let states = |by| told(root.path(), by).iter().map(|one| one.index).collect::<Vec<_>>();
    assert_eq!(states(list_now)[0], IndexState::Whole, "a glance does not see it");
    assert_eq!(states(verify)[0], IndexState::Wrong);
    assert_eq!(rebuild(root.path()).unwrap().indexes, 1);
    assert_eq!(Index::read(&place, &file), Some(index));
    assert!(everything(root.path()) == before);
}

#[test]
fn what_is_listed_adds_up() {
    let root = filled();
    for by in [list_now as Teller, verify] {
        let all = told(root.path(), by);
        assert_eq!(all.iter().map(|one| one.packets).sum::<u64>(), STREAMS * 1000);
        for one in &all {
            assert_eq!((one.index, one.damages, one.lost_bytes), (IndexState::Whole, 0, 0));
            assert_eq!(one.bytes, fs::metadata(&one.path).unwrap().len());
            assert!(one.chunks > 0 && one.first_ns >= T0 && one.last_ns > one.first_ns);
            assert!(!one.busy);
        }
        let sip = all.iter().filter(|one| one.class == Class::Sip).map(|one| one.packets);
        assert_eq!(sip.sum::<u64>(), STREAMS * 500);
    }
}

/// A root with this sealed segment, without an index.
fn sealed(sample: &Sample, bytes: &[u8]) -> TempDir {
    let root = folder();
    let path = root.path().join(&sample.name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    root
}

/// One bit flipped at every byte of a sealed segment: one chunk is lost at most, readers find the
/// others at once, and a rebuild leaves a file that stock tools read through.
#[test]
fn a_bit_that_flips_in_a_sealed_segment_costs_one_chunk() {
    let sample = sample(Compression::Zstd(1));
    for at in 0..sample.bytes.len() {
        let mut bytes = sample.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let root = sealed(&sample, &bytes);
        let hit = |stream: u64| {
            let (from, to) = sample.chunks[stream as usize];
            (from..to).contains(&(at as u64))
        };
        let whole: Vec<u64> = (0..4).filter(|stream| !hit(*stream)).collect();
        let seen = told(root.path(), verify).remove(0);
        assert_eq!((seen.damages, seen.chunks), (1, whole.len() as u64), "at {at}");
        let done = rebuild(root.path()).unwrap();
        assert_eq!((done.segments, done.damages, done.indexes), (1, 1, 1), "at {at}: {done:?}");
        assert_eq!(done.packets, whole.len() as u64 * PACKETS);
        assert!(done.lost_bytes > 0 && done.failed == 0);
        for stream in 0..4 {
            let packets = stored(root.path(), Kind::Rtp, stream).len() as u64;
            assert_eq!(packets, if hit(stream) { 0 } else { PACKETS }, "at {at}");
        }
        let mended = fs::read(root.path().join(&sample.name)).unwrap();
        assert!(zstd::decode_all(mended.as_slice()).is_ok(), "at {at}");
        let again = rebuild(root.path()).unwrap();
        assert_eq!(again, Recovered::default(), "at {at}: nothing is left to be done");
    }
}

#[test]
fn what_holds_nothing_whole_is_left_as_it_is() {
    let sample = sample(Compression::None);
    let root = sealed(&sample, &[7; 5000]);
    let done = rebuild(root.path()).unwrap();
    assert_eq!((done.failed, done.removed), (1, 0));
    assert_eq!(fs::read(root.path().join(&sample.name)).unwrap(), [7; 5000]);
}
