//! A writer that is killed in the middle of its work: what it had stored is found again.
//!
//! The test starts itself once more as the writer, by an environment variable.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringtap_spool::read::{Format, Wanted, export};
use ringtap_spool::{ChunkKey, Compression, Kind, Options, Slot, Spool, recover};

const ROOT: &str = "RINGTAP_TEST_SPOOL_ROOT";
const T0: u64 = 1_700_000_000_000_000_000;
const STREAMS: u64 = 50;
const KILLS: u64 = 6;

fn key(stream: u64) -> ChunkKey {
    ChunkKey { realm: 0, kind: Kind::Rtp, key: stream, link: 1 }
}

/// The writer: never ends, and tells now and then how many packets are in segments.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(root) = env::var_os(ROOT).map(PathBuf::from) else { return };
    let options = Options {
        compression_sip: Compression::None,
        compression_rtp: Compression::None,
        segment_bytes: 2 << 20,
        lossless: true,
        ..Options::new(root)
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let mut slots = [Slot::default(); STREAMS as usize];
    for number in 0_u64.. {
        for (stream, slot) in (0..STREAMS).zip(slots.iter_mut()) {
            let ts = T0 + number * 20_000_000;
            let packet = [(stream * 31 + number) as u8; 214];
            let _ = gatherers[0].append(slot, &key(stream), ts, ts, 214, &packet);
        }
        if number % 64 == 0 {
            let mut out = std::io::stdout().lock();
            writeln!(out, "stored {}", spool.counters().stored).unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn what_was_stored_before_a_kill_is_there_after_it() {
    let root = tempfile::tempdir().unwrap();
    let (mut stored_before, mut repaired) = (0, 0);
    for kill in 1..=KILLS {
        stored_before += kill_a_writer(root.path(), kill * 20_000);
        let done = recover(root.path()).unwrap();
        assert_eq!(done.failed, 0, "{done:?}");
        // A kill may hit between two segments, or before the first chunk of one.
        repaired += done.segments;
        let again = recover(root.path()).unwrap();
        assert_eq!((again.segments, again.indexes, again.removed), (0, 0, 0));
        let found = all_packets(root.path());
        assert!(found >= stored_before, "{found} packets of {stored_before} and more");
        stored_before = found;
    }
    assert!(repaired > 0, "no kill left a segment to repair");
}

/// Lets a writer store so many packets and kills it; tells how many it had stored for sure.
fn kill_a_writer(root: &Path, packets: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("stored ")?.parse::<u64>().ok())
        .find(|stored| *stored >= packets);
    child.kill().unwrap();
    child.wait().unwrap();
    told.expect("the writer writes until it is killed")
}

/// Reads everything back; each packet must be what its stream and time say.
fn all_packets(root: &Path) -> u64 {
    (0..STREAMS)
        .map(|stream| {
            let ChunkKey { realm, kind, key, .. } = key(stream);
            let want = Wanted { realm, kind, key, from_ns: 0, to_ns: u64::MAX };
            let mut file = Vec::new();
            let done = export(root, &[want], &mut file, Format::Pcap).unwrap();
            assert_eq!(done.damaged, 0);
            let mut rest = &file[24..];
            let mut packets = 0;
            while let Some(record) = ringtap_spool::format::next_record(&mut rest) {
                let number = (record.ts_ns - T0) / 20_000_000;
                assert_eq!(record.bytes, [(stream * 31 + number) as u8; 214]);
                packets += 1;
            }
            assert_eq!((packets, rest.len()), (done.packets, 0));
            packets
        })
        .sum()
}
