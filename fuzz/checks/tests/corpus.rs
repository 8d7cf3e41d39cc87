//! Replays what fuzzing has found worth keeping: every file of `fuzz/corpus`, by its check.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ringtap_fuzz_checks::CHECKS;

/// Limits of a committed corpus; `cargo xtask campaign fuzz --minimise` keeps to them.
const FILES_MAX: usize = 150;
const BYTES_MAX: u64 = 200 << 10;
const INPUT_BYTES_MAX: usize = 4096;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn replay(name: &str) {
    let (_, check) = CHECKS.iter().find(|(known, _)| *known == name).expect("a check");
    let folder = corpus().join(name);
    let (mut files, mut bytes, mut broken) = (0, 0, Vec::new());
    for entry in fs::read_dir(&folder).expect("the corpus is missing") {
        let path = entry.expect("a file").path();
        let input = fs::read(&path).expect("a file that can be read");
        assert!(input.len() <= INPUT_BYTES_MAX, "{} is too long", path.display());
        files += 1;
        bytes += input.len() as u64;
        if catch_unwind(|| check(&input)).is_err() {
            broken.push(path);
        }
    }
    assert!(files > 0, "{} is empty", folder.display());
    assert!(files <= FILES_MAX && bytes <= BYTES_MAX, "{files} files, {bytes} bytes");
    assert!(broken.is_empty(), "{broken:#?}");
}

macro_rules! replays {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )+

        #[test]
        fn every_check_has_its_test_and_every_corpus_its_check() {
            let names = BTreeSet::from([$(stringify!($name).to_owned()),+]);
            let checks: BTreeSet<_> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(names, checks);
            let folders = fs::read_dir(corpus()).expect("the corpora are missing");
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            let folders: BTreeSet<_> =
                folders.map(|entry| name(entry.expect("a folder"))).collect();
            assert_eq!(folders, checks);
        }
    };
}

replays! {
    walk link tunnel rtp rtcp sip_message sdp capture_file spool_read vq hep ipfix recording
    sip_frame fragments tcp_stream websocket call_machine media_stream audio
}
