//! A small disk with retention: the oldest makes room, nothing is lost, and what is read stays.
//!
//! The disk is a tmpfs in a mount namespace of a child's own, which vanishes with it.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ringtap_spool::read::{Format, Wanted, export, find};
use ringtap_spool::{ChunkKey, Compression, Gatherer, Kind, Limit, Options};
use ringtap_spool::{Retention, Slot, Spool, SpoolHandle};

const ROOT: &str = "RINGTAP_TEST_SMALL_DISK";
const T0: u64 = 1_700_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;
const HOUR: u64 = 3600;

fn root() -> Option<PathBuf> {
    env::var_os(ROOT).map(PathBuf::from)
}

fn start(root: &Path, retention: Retention) -> (SpoolHandle, Gatherer) {
    let options = Options {
        compression_rtp: Compression::None,
        segment_bytes: 2 << 20,
        lossless: true,
        retention: Some(retention),
        ..Options::new(root.to_path_buf())
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    (spool, gatherers.pop().unwrap())
}

/// Packets of a stream that begins at this second.
fn write(gatherer: &mut Gatherer, second: u64, packets: u64) {
    let key = ChunkKey { realm: 0, kind: Kind::Rtp, key: second, link: 1 };
    let mut slot = Slot::default();
    for number in 0..packets {
        let ts = T0 + second * SECOND_NS + number * 1_000_000;
        let _ = gatherer.append(&mut slot, &key, ts, ts, 214, &[7; 214]);
    }
    gatherer.flush(&mut slot);
}

fn want(second: u64) -> Wanted {
    Wanted { realm: 0, kind: Kind::Rtp, key: second, from_ns: 0, to_ns: u64::MAX }
}

fn stored(root: &Path, second: u64) -> u64 {
    let done = export(root, &[want(second)], &mut std::io::sink(), Format::Pcap).unwrap();
    assert_eq!(done.damaged, 0);
    done.packets
}

/// Full only, so that limits do not come first.
fn only_when_full() -> Retention {
    Retention { free_percent: 0, free_bytes: 0, ..Retention::default() }
}

#[test]
fn child_writes_many_times_what_the_disk_holds() {
    let Some(root) = root() else { return };
    let (spool, mut gatherer) = start(&root, only_when_full());
    // 4.6 MB in each of 40 hours, which are written at once, on a disk of 24 MiB.
    (0..40).for_each(|hour| write(&mut gatherer, hour * HOUR, 20_000));
    drop(gatherer);
    let retained = spool.retained().unwrap();
    let counters = spool.seal().unwrap();
    assert_eq!((counters.stored, counters.dropped_disk), (800_000, 0), "{counters:?} {retained:?}");
    assert!(retained.by_full >= 30 && retained.errors == 0, "{retained:?}");
    assert_eq!((stored(&root, 0), stored(&root, 39 * HOUR)), (0, 20_000));
    println!("{} segments made room", retained.by_full);
}

#[test]
fn child_reads_what_would_be_removed() {
    let Some(root) = root() else { return };
    let (spool, mut gatherer) = start(&root, only_when_full());
    write(&mut gatherer, 0, 60_000);
    while spool.counters().stored < 60_000 {
        std::thread::yield_now();
    }
    let reader = find(&root, &[want(0)]).unwrap();
    write(&mut gatherer, HOUR, 200_000);
    while spool.counters().pending() > 0 {
        std::thread::yield_now();
    }
    // What came first is being read, and what came then had to go, up to what is being written.
    assert_eq!(stored(&root, 0), 60_000);
    let kept = stored(&root, HOUR);
    assert!(kept > 10_000 && kept < 200_000, "{kept}");
    // A reader who holds everything: packets are lost and counted, and nobody waits for ever.
    let all = find(&root, &[want(HOUR)]).unwrap();
    write(&mut gatherer, HOUR, 100_000);
    while spool.counters().pending() > 0 {
        std::thread::yield_now();
    }
    let (lost, stuck) = (spool.counters().dropped_disk, spool.retained().unwrap().stuck);
    assert!(lost > 10_000 && stuck > 0, "{lost} {stuck}");
    assert_eq!(stored(&root, 0), 60_000);
    drop((reader, all));
    std::thread::sleep(Duration::from_millis(1100));
    write(&mut gatherer, 2 * HOUR, 20_000);
    drop(gatherer);
    let counters = spool.seal().unwrap();
    assert_eq!(counters.dropped_disk, lost, "once they have read, it goes on");
    assert_eq!(stored(&root, 2 * HOUR), 20_000);
    println!("{lost} packets were lost to readers");
}

#[test]
fn child_keeps_room_free() {
    let Some(root) = root() else { return };
    let keep = Retention {
        free_percent: 50,
        every: Duration::from_millis(20),
        sip: Limit::default(),
        ..only_when_full()
    };
    let (spool, mut gatherer) = start(&root, keep);
    for turn in 0..10 {
        write(&mut gatherer, turn * 20, 20_000);
        let rounds = spool.retained().unwrap().rounds;
        while spool.counters().pending() > 0 || spool.retained().unwrap().rounds < rounds + 2 {
            std::thread::yield_now();
        }
    }
    let retained = spool.retained().unwrap();
    assert!(retained.by_free > 5 && retained.by_full == 0, "{retained:?}");
    assert!(retained.free_bytes >= 12 << 20, "{retained:?}");
    assert_eq!(retained.disk_bytes, 24 << 20);
    drop(gatherer);
    assert_eq!(spool.seal().unwrap().dropped_disk, 0);
    println!("room was kept free");
}

/// Runs a test of this file where the root is a disk of 24 MiB.
fn on_a_small_disk(test: &str, says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=24m none \"$0\" && exec \"$@\"";
    let child = |program: &Path, args: &[&str]| -> std::io::Result<Output> {
        Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .args([folder.path(), program])
            .args(args)
            .env(ROOT, folder.path())
            .output()
    };
    if !child(Path::new("true"), &[]).is_ok_and(|done| done.status.success()) {
        println!("skipped: no mount namespace to be had");
        return;
    }
    let this = env::current_exe().unwrap();
    let done = child(&this, &["--exact", test, "--nocapture"]).unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains(says), "{said} {errors}");
}

#[test]
fn the_oldest_makes_room_and_nothing_is_lost() {
    on_a_small_disk("child_writes_many_times_what_the_disk_holds", "segments made room");
}

#[test]
fn what_is_read_stays_and_the_loss_is_counted() {
    on_a_small_disk("child_reads_what_would_be_removed", "were lost to readers");
}

#[test]
fn room_is_kept_free() {
    on_a_small_disk("child_keeps_room_free", "room was kept free");
}
