//! Segments and exports before the eyes of zstd and tshark.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringtap_spool::read::{Format, Wanted, export, find};
use ringtap_spool::{ChunkKey, Compression, Kind, Options, Slot, Spool};

const T0: u64 = 1_700_000_000_000_000_000;
/// Enough for many of Wireshark's windows.
const PACKETS: u64 = 12_000;

fn wanted() -> [Wanted; 1] {
    [Wanted { realm: 0, kind: Kind::Rtp, key: 1, from_ns: 0, to_ns: u64::MAX }]
}

fn write(root: &Path, compression: Compression) -> PathBuf {
    let options = Options {
        compression_sip: compression,
        compression_rtp: compression,
        lossless: true,
        ..Options::new(root.to_path_buf())
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let key = ChunkKey { realm: 0, kind: Kind::Rtp, key: 1, link: 1 };
    let mut slot = Slot::default();
    let mut noise = 1_u64;
    for number in 0..PACKETS {
        let ts = T0 + number * 20_000_001;
        let mut packet = [0; 214];
        packet.fill_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8 & 0x3F
        });
        let _ = gatherers[0].append(&mut slot, &key, ts, ts, 300, &packet);
    }
    drop(gatherers);
    assert_eq!(spool.seal().unwrap().stored, PACKETS);
    find(root, &wanted()).unwrap().segments.remove(0)
}

/// What tshark says of each packet: epoch time and both lengths.
fn tshark(file: &str, stdin: Stdio) -> Vec<String> {
    let fields = ["frame.time_epoch", "frame.len", "frame.cap_len"];
    let done = Command::new("tshark")
        .args(["-r", file, "-T", "fields"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .stdin(stdin)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success());
    if !found {
        println!("skipped: {tool} is not installed");
    }
    found
}

#[test]
fn zstd_and_tshark_open_a_segment() {
    if !installed("tshark") || !installed("zstd") {
        return;
    }
    let expected: Vec<String> = (0..PACKETS)
        .map(|number| {
            let ts = T0 + number * 20_000_001;
            format!("{}.{:09}\t300\t214", ts / 1_000_000_000, ts % 1_000_000_000)
        })
        .collect();
    for compression in [Compression::None, Compression::Zstd(1), Compression::Zstd(9)] {
        let root = tempfile::tempdir().unwrap();
        let segment = write(root.path(), compression);
        assert!(tshark(segment.to_str().unwrap(), Stdio::null()) == expected, "{compression:?}");
        let mut zstd =
            Command::new("zstd").arg("-dc").arg(&segment).stdout(Stdio::piped()).spawn().unwrap();
        let plain = zstd.stdout.take().unwrap();
        assert!(tshark("-", plain.into()) == expected, "{compression:?} through a pipe");
        assert!(zstd.wait().unwrap().success());
        for format in [Format::Pcap, Format::PcapNg] {
            let path = root.path().join("export");
            let mut file = std::fs::File::create(&path).unwrap();
            export(root.path(), &wanted(), &mut file, format).unwrap();
            assert!(tshark(path.to_str().unwrap(), Stdio::null()) == expected, "{format:?}");
        }
    }
}
