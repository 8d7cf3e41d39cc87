//! Tests of what goes and what stays, on real folders with a clock by hand.

use std::collections::BTreeSet;
use std::fs::File;

use tempfile::TempDir;

use super::*;
use crate::format::Kind;
use crate::layout::{class_folders, segments_in};
use crate::read::{Wanted, find};
use crate::tests::{MS, T0, chunk_key, folder, options, packet};
use crate::{Slot, Spool};

const HOUR_NS: u64 = 3_600_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;
const HOURS: u64 = 4;

/// Four hours, each with a segment of SIP and some more of RTP.
fn filled() -> TempDir {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    for hour in 0..HOURS {
        for (kind, packets) in [(Kind::Sip, 500), (Kind::Rtp, 12_000)] {
            let mut slot = Slot::default();
            for number in 0..packets {
                let ts = T0 + hour * HOUR_NS + number * MS;
                let key = chunk_key(kind, hour);
                let _ = gatherers[0].append(&mut slot, &key, ts, ts, 99, &packet(hour, number));
            }
        }
    }
    drop(gatherers);
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.errors), (HOURS * 12_500, 0));
    root
}

fn cleaner(root: &TempDir, change: impl FnOnce(&mut Retention)) -> Cleaner {
    let mut retention = Retention { free_percent: 0, free_bytes: 0, ..Retention::default() };
    change(&mut retention);
    Cleaner::new(root.path(), &retention, 1 << 20, Arc::default())
}

/// The hours that have segments of a class, and how many there are.
fn left(root: &TempDir, class: Class) -> (BTreeSet<u64>, usize) {
    let folders = class_folders(root.path()).unwrap();
    let of_class = folders.iter().filter(|folder| folder.ends_with(class.folder()));
    let places: Vec<Place> = of_class.flat_map(|folder| segments_in(folder).unwrap()).collect();
    let hour = |place: &Place| (place.base_ns().unwrap() + 1_000_000_000 - T0) / HOUR_NS;
    (places.iter().map(hour).collect(), places.len())
}

fn hours(hours: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    hours.into_iter().collect()
}

fn held(root: &TempDir) -> [u64; 2] {
    let mut stock = Stock::default();
    stock.look(root.path()).unwrap();
    stock.held()
}

#[test]
fn without_a_limit_everything_stays() {
    let root = filled();
    assert_eq!(cleaner(&root, |_| {}).round(u64::MAX, false), 0);
    assert_eq!(left(&root, Class::Sip), (hours(0..4), 4));
}

#[test]
fn each_kind_goes_by_its_own_days() {
    let root = filled();
    let limits = |keep: &mut Retention| (keep.sip.days, keep.media.days) = (3, 2);
    let mut cleaner = cleaner(&root, limits);
    // Two days and six minutes after the second hour's last packet.
    let now = T0 + HOUR_NS + 2 * DAY_NS + 400_000_000_000;
    assert_eq!(cleaner.round(now - 380_000_000_000 - HOUR_NS, false), 0, "not a minute sooner");
    assert!(cleaner.round(now, false) > 0);
    assert_eq!(left(&root, Class::Media).0, hours(2..4));
    assert_eq!(left(&root, Class::Sip).0, hours(0..4));
    cleaner.round(now + DAY_NS, false);
    assert_eq!(left(&root, Class::Sip).0, hours(2..4));
    assert_eq!(left(&root, Class::Media).1, 0);
    let counts = cleaner.counts.read();
    assert_eq!(counts.by_age, counts.removed_sip + counts.removed_media);
    assert_eq!((counts.removed_sip, counts.errors, counts.stuck), (2, 0, 0));
    assert_eq!(counts.held_sip_bytes, held(&root)[0]);
    assert_eq!(counts.oldest_sip_s, (T0 + 2 * HOUR_NS) / 1_000_000_000);
    // Empty folders are gone with their segments.
    assert_eq!(class_folders(root.path()).unwrap().len(), 2);
}

#[test]
fn bytes_are_kept_within_limits_and_the_oldest_go() {
    let root = filled();
    let [sip, media] = held(&root);
    let segments = left(&root, Class::Media).1;
    let mut cleaner = cleaner(&root, |keep| keep.media.bytes = media - 1);
    assert_eq!(cleaner.round(u64::MAX, false), 1, "one is enough");
    assert_eq!(left(&root, Class::Media).1, segments - 1);
    cleaner.retention.media.bytes = media / 2;
    cleaner.round(u64::MAX, false);
    assert_eq!(left(&root, Class::Media).0, hours(2..4));
    let [sip_now, media_now] = held(&root);
    assert!(sip_now == sip && media_now <= media / 2);
    // Of all kinds together: the oldest, whatever they are.
    cleaner.retention.all.bytes = (sip + media) / 3;
    cleaner.round(u64::MAX, false);
    let (sip_left, media_left) = (left(&root, Class::Sip).0, left(&root, Class::Media).0);
    assert!(sip_left.len() < 4 && sip_left.is_superset(&media_left), "{sip_left:?} {media_left:?}");
    assert!(held(&root).iter().sum::<u64>() <= (sip + media) / 3);
    assert_eq!(cleaner.counts.read().stuck, 0);
    assert_eq!(cleaner.round(u64::MAX, false), 0, "and then no more");
}

#[test]
fn what_is_being_read_stays_until_it_has_been_read() {
    let root = filled();
    let want = Wanted { realm: 1, kind: Kind::Rtp, key: 0, from_ns: 0, to_ns: u64::MAX };
    let hits = find(root.path(), &[want]).unwrap();
    assert!(!hits.chunks.is_empty());
    let mut cleaner = cleaner(&root, |keep| keep.media.bytes = 1);
    cleaner.round(u64::MAX, false);
    assert_eq!(left(&root, Class::Media).0, hours([0]), "only the first hour is being read");
    let counts = cleaner.counts.read();
    assert_eq!((counts.in_use, counts.stuck), (1, 1));
    drop(hits);
    cleaner.round(u64::MAX, false);
    assert_eq!(left(&root, Class::Media).1, 0);
    assert_eq!((cleaner.counts.read().stuck, left(&root, Class::Sip).1), (1, 4));
}

#[test]
fn what_is_being_written_stays_and_what_was_left_behind_goes() {
    let root = filled();
    let folders = class_folders(root.path()).unwrap();
    for folder in &folders {
        for place in segments_in(folder).unwrap() {
            std::fs::rename(place.sealed_path(), place.part_path()).unwrap();
        }
    }
    let parts = |class| left(&root, class).1;
    let mut cleaner = cleaner(&root, |keep| keep.sip.bytes = 1);
    // Just made: its writer may not have come to lock it yet.
    assert_eq!(cleaner.round(u64::MAX, false), 0);
    let mut written = Vec::new();
    for folder in folders.iter().filter(|folder| folder.ends_with("SIP")) {
        let path = segments_in(folder).unwrap()[0].path();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
        written.push(file);
    }
    written[3].try_lock().unwrap();
    assert_eq!(cleaner.round(u64::MAX, false), 3);
    assert_eq!((parts(Class::Sip), left(&root, Class::Sip).0), (1, hours([3])));
    assert_eq!(cleaner.counts.read().stuck, 2);
}

#[test]
fn a_full_disk_is_relieved_by_the_oldest() {
    let root = filled();
    let before: u64 = held(&root).iter().sum();
    let mut cleaner = cleaner(&root, |_| {});
    assert!(cleaner.round(u64::MAX, true) >= 1);
    let after: u64 = held(&root).iter().sum();
    assert!(before - after >= 1 << 20, "{before} {after}");
    let counts = cleaner.counts.read();
    assert_eq!(counts.by_full, counts.removed_sip + counts.removed_media);
    assert!(left(&root, Class::Media).0.contains(&1), "and no more than that");
}

#[test]
fn free_room_is_kept() {
    let root = filled();
    // More than there is, so that everything goes.
    let free = Retention { free_percent: 200, free_bytes: 0, ..Retention::default() };
    let mut cleaner = cleaner(&root, |keep| *keep = free);
    cleaner.round(u64::MAX, false);
    assert_eq!((left(&root, Class::Sip).1, left(&root, Class::Media).1), (0, 0));
    let counts = cleaner.counts.read();
    assert!(counts.by_free > 8 && counts.stuck == 1 && counts.free_bytes <= counts.disk_bytes);
}

#[test]
fn strangers_in_the_root_stay() {
    let root = filled();
    let folder = class_folders(root.path()).unwrap().remove(0);
    let strange = [root.path().join("notes"), folder.join("notes"), folder.join("x.pcap.zst")];
    strange.iter().for_each(|path| std::fs::write(path, b"mine").unwrap());
    let mut cleaner = cleaner(&root, |keep| keep.all.bytes = 1);
    cleaner.round(u64::MAX, false);
    assert!(strange.iter().all(|path| path.exists()));
}
