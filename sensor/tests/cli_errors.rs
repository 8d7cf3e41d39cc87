//! Wrong configurations and wrong usage: one line that says where and what to do, and an exit
//! code that scripts can go by.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::fs;
use std::path::PathBuf;

use support::{Said, ringtap, run};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self, text: &str) -> PathBuf {
        let path = self.0.path().join("ringtap.conf");
        fs::write(&path, text).unwrap();
        path
    }
}

/// `check-config` of a file with this text.
fn check(text: &str) -> Said {
    let folder = Folder::new();
    run(ringtap().arg("check-config").arg(folder.config(text)))
}

#[test]
fn a_good_configuration_passes() {
    let said = check("interface = eth0\nsipport = 5060,5080-5090\nsavertp = header\n");
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_misspelt_key_gets_its_line_and_a_suggestion() {
    let said = check("interface = eth0\n\nsavertpp = yes\n");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("ringtap.conf:3"), "{}", said.out);
    assert!(said.out.contains("savertp"), "{}", said.out);
}

#[test]
fn a_key_of_the_original_that_is_not_here_is_only_a_warning() {
    let said = check("interface = eth0\nmanagerport = 5029\n");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("ringtap.conf:2"), "{}", said.out);
    assert!(said.out.contains("managerport"), "{}", said.out);
}

#[test]
fn every_wrong_value_gets_its_own_line() {
    let said = check("sipport = 70000\nsavertp = perhaps\nspool_pool_mb = -1\n");
    assert_eq!(said.code, 1, "{said:?}");
    for line in 1..=3 {
        assert!(said.out.contains(&format!("ringtap.conf:{line}")), "{}", said.out);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_gets_one_line() {
    let folder = Folder::new();
    let absent = folder.0.path().join("absent.conf");
    for path in [absent.as_path(), folder.0.path()] {
        let name = path.file_name().unwrap().to_str().unwrap();
        run(ringtap().arg("check-config").arg(path)).one_line_with(name);
        let mut replay = ringtap();
        run(replay.args(["replay", "-"]).arg("-c").arg(path)).one_line_with(name);
    }
}

#[test]
fn a_wrong_line_stops_every_command_that_reads_it() {
    let folder = Folder::new();
    let path = folder.config("# comment\nsipport = many\n");
    for command in [&["replay", "-"][..], &["calls"], &["call", "1"], &["run"], &["status"]] {
        let said = run(ringtap().args(command).arg("-c").arg(&path));
        said.one_line_with("ringtap.conf:2");
        assert!(said.err.contains("sipport"), "{}", said.err);
    }
}

#[test]
fn options_on_the_command_line_are_checked_like_the_file() {
    for (option, word) in
        [("sipport=x", "sipport"), ("sipprot=5060", "sipport"), ("sipport", "KEY=VALUE")]
    {
        run(ringtap().args(["replay", "-", "-O", option])).one_line_with(word);
    }
}

#[test]
fn every_command_explains_itself() {
    let help = run(ringtap().arg("--help")).well().out;
    for command in ["run", "replay", "calls", "call", "pcap", "status", "doctor", "check-config"] {
        assert!(help.contains(command));
        let said = run(ringtap().args([command, "--help"])).well();
        assert!(said.out.contains(&format!("Usage: ringtap {command}")), "{}", said.out);
    }
    assert!(run(ringtap().arg("--version")).well().out.starts_with("ringtap "));
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    for arguments in [&[][..], &["rply"], &["replay"], &["replay", "x", "--workers", "0"]] {
        let said = run(ringtap().args(arguments));
        assert_eq!(said.code, 2, "{arguments:?} {said:?}");
    }
}

#[test]
fn what_needs_a_store_or_a_sensor_says_so() {
    let folder = Folder::new();
    let config = folder.config("");
    let config = config.to_str().unwrap();
    run(ringtap().args(["calls", "-c", config])).one_line_with("--store");
    let absent = format!("sqlite:{}", folder.0.path().join("absent.db").display());
    run(ringtap().args(["calls", "--store", &absent])).one_line_with("absent.db");
    run(ringtap().args(["calls", "--store", "oracle:x"])).one_line_with("oracle");
    let socket = folder.0.path().join("absent.sock");
    run(ringtap().arg("status").arg("--socket").arg(&socket)).one_line_with("absent.sock");
}

#[test]
fn wrong_filters_get_one_line() {
    let folder = Folder::new();
    let capture = folder.0.path().join("one.pcap");
    support::capture(
        &capture,
        &ringtap_testkit::traffic::Plan { calls: 1, talk_ms: 200, ..Default::default() },
        ringtap_testkit::pcap::Options::default(),
    );
    let store = format!("sqlite:{}", folder.0.path().join("calls.db").display());
    run(ringtap().args(["replay", "--quiet", "--store", &store]).arg(&capture)).well();
    for (filter, value) in [("--since", "yesterday"), ("--ip", "10.0.0.0/40"), ("--ip", "here")] {
        run(ringtap().args(["calls", "--store", &store, filter, value])).one_line_with(value);
    }
}
