//! A disk that fills up: packets are lost and counted, nobody is killed, and what was stored
//! before stays readable.
//!
//! The small disk is a tmpfs in a mount namespace of a child's own, which vanishes with it.

use std::env;
use std::path::Path;
use std::process::Command;

use ringtap_spool::read::{Format, Wanted, export};
use ringtap_spool::{ChunkKey, Compression, Kind, Options, Slot, Spool};

const ROOT: &str = "RINGTAP_TEST_SMALL_DISK";
const T0: u64 = 1_700_000_000_000_000_000;

#[test]
fn child_fills_the_disk() {
    let Some(root) = env::var_os(ROOT) else { return };
    let root = Path::new(&root);
    let options = Options {
        compression_sip: Compression::None,
        compression_rtp: Compression::None,
        segment_bytes: 16 << 20,
        lossless: true,
        ..Options::new(root.to_path_buf())
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let key = ChunkKey { realm: 0, kind: Kind::Rtp, key: 1, link: 1 };
    let mut slot = Slot::default();
    for number in 0..200_000 {
        let ts = T0 + number * 1_000_000;
        let _ = gatherers[0].append(&mut slot, &key, ts, ts, 214, &[7; 214]);
    }
    drop(gatherers);
    let counters = spool.seal().unwrap();
    assert!(counters.dropped_disk > 0 && counters.stored > 10_000, "{counters:?}");
    assert_eq!(counters.offered, counters.stored + counters.dropped_disk);
    let want = Wanted { realm: 0, kind: Kind::Rtp, key: 1, from_ns: 0, to_ns: u64::MAX };
    let done = export(root, &[want], &mut std::io::sink(), Format::Pcap).unwrap();
    assert_eq!((done.packets, done.damaged), (counters.stored, 0));
    println!("the disk was full after {} packets", counters.stored);
}

#[test]
fn a_full_disk_costs_packets_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=12m none \"$0\" && exec \"$@\"";
    let child = |program: &Path, args: &[&str]| {
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
    let done = child(&this, &["--exact", "child_fills_the_disk", "--nocapture"]).unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{:?} {said} {:?}", done.status, done.stderr);
    assert!(said.contains("the disk was full after"), "{said}");
}
