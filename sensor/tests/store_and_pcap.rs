//! Records go into the store and come out by every filter; packets go into the spool and come
//! out as one call's capture file, all of them and in order of time. Neither breaks when the
//! process is killed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringtap_testkit::pcap::Options;
use ringtap_testkit::traffic::{CallTruth, Loss, Plan, Shares, Truth};
use serde_json::Value;
use support::{RINGTAP, Said, capture, classic, ringtap, run};

/// A capture, and what a replay with store and spool made of it.
struct Kept {
    folder: tempfile::TempDir,
    capture: PathBuf,
    truth: Truth,
    store: String,
    spool: PathBuf,
}

impl Kept {
    fn new(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traffic.pcap");
        let truth = capture(&path, plan, Options { nanos: true, ..Options::default() });
        let store = format!("sqlite:{}", folder.path().join("calls.db").display());
        let spool = folder.path().join("spool");
        Self { folder, capture: path, truth, store, spool }
    }

    fn command(&self, program: &mut Command) {
        program.args(["replay", "--quiet", "--workers", "2", "--store", &self.store, "--spool"]);
        program.arg(&self.spool).arg(&self.capture);
    }

    fn replay(&self) -> &Self {
        let mut command = ringtap();
        self.command(&mut command);
        run(&mut command).well();
        self
    }

    fn calls(&self, filters: &[&str]) -> Vec<Value> {
        let mut command = ringtap();
        command.args(["calls", "--format", "json", "--store", &self.store]).args(filters);
        run(&mut command).well().records()
    }

    /// Call-IDs of the calls that pass the filters, sorted.
    fn ids(&self, filters: &[&str]) -> Vec<String> {
        let id = |r: &Value| r["callid"].as_str().unwrap().to_owned();
        let mut ids: Vec<String> = self.calls(filters).iter().map(id).collect();
        ids.sort();
        ids
    }

    /// The same of the truth.
    fn true_ids(&self, passes: impl Fn(&CallTruth) -> bool) -> Vec<String> {
        let calls = self.truth.calls.iter().filter(|call| passes(call));
        let mut ids: Vec<String> = calls.map(|call| call.call_id.clone()).collect();
        ids.sort();
        ids
    }

    fn pcap(&self, id: &str, name: &str) -> (Said, PathBuf) {
        let path = self.folder.path().join(name);
        let mut command = ringtap();
        command.args(["pcap", id, "--store", &self.store, "--spool"]).arg(&self.spool);
        (run(command.arg("-o").arg(&path)), path)
    }
}

fn plan() -> Plan {
    let shares =
        Shares { busy: 0.2, rejected: 0.2, pcma: 0.5, called_hangs_up: 0.5, ..Shares::default() };
    let loss = Loss::Independent(0.02);
    Plan {
        seed: 31,
        calls: 12,
        concurrent: 4,
        talk_ms: 1500,
        rtcp_ms: 500,
        shares,
        loss,
        ..Plan::default()
    }
}

/// What the generator wrote for a call: SIP, RTP and RTCP.
fn packets(call: &CallTruth) -> [u64; 3] {
    let rtp = call.streams.iter().map(|s| s.received + s.duplicate).sum();
    [call.sip_messages, rtp, call.streams.iter().map(|s| s.rtcp).sum()]
}

#[test]
fn every_filter_finds_its_calls_and_no_others() {
    let kept = Kept::new(&plan());
    kept.replay();
    assert_eq!(kept.ids(&[]), kept.true_ids(|_| true));
    let first = &kept.truth.calls[0];
    let caller = first.caller.as_str();
    assert_eq!(kept.ids(&["--caller", caller]), kept.true_ids(|c| c.caller.starts_with(caller)));
    let called = first.called.as_str();
    assert_eq!(kept.ids(&["--called", called]), kept.true_ids(|c| c.called.starts_with(called)));
    for response in [200u16, 486, 404] {
        let found = kept.ids(&["--response", &response.to_string()]);
        assert!(!found.is_empty(), "the plan has calls with {response}");
        assert_eq!(found, kept.true_ids(|c| c.response == response));
    }
    for codec in ["PCMU", "PCMA"] {
        let with = |c: &CallTruth| c.streams.iter().any(|s| s.codec == codec && s.received > 2);
        assert_eq!(kept.ids(&["--codec", codec]), kept.true_ids(with));
    }
    let ip = first.caller_addr.ip().to_string();
    let there =
        |c: &CallTruth| [c.caller_addr.ip(), c.called_addr.ip()].contains(&first.caller_addr.ip());
    assert_eq!(kept.ids(&["--ip", &ip]), kept.true_ids(there));
    assert_eq!(kept.ids(&["--ip", "192.0.2.0/24"]), [""; 0]);
    let agent = &first.caller_agent;
    assert_eq!(kept.ids(&["--agent", agent]), kept.true_ids(|c| c.caller_agent == *agent));
    let middle = kept.truth.calls[6].invite_ns / 1_000_000_000;
    let since = kept.ids(&["--since", &middle.to_string()]);
    assert_eq!(since, kept.true_ids(|c| c.invite_ns >= middle * 1_000_000_000));
    let until = kept.ids(&["--until", &middle.to_string()]);
    assert_eq!(until, kept.true_ids(|c| c.invite_ns < middle * 1_000_000_000));
    let mos = |r: &Value| r["mos_min_mult10"].as_u64().is_some_and(|mos| mos < 41);
    let low: usize = kept.calls(&[]).iter().filter(|r| mos(r)).count();
    assert_eq!(kept.ids(&["--mos-below", "4.1"]).len(), low);
    assert_eq!(kept.ids(&["--sensor", "77"]), [""; 0]);
    assert_eq!(kept.calls(&["--limit", "3"]).len(), 3);
}

#[test]
fn one_call_is_shown_by_either_name() {
    let kept = Kept::new(&plan());
    kept.replay();
    let record = &kept.calls(&["--response", "200"])[0];
    let (id, callid) = (record["ID"].as_str().unwrap(), record["callid"].as_str().unwrap());
    let show = |name: &str| run(ringtap().args(["call", name, "--store", &kept.store])).well().out;
    let shown = show(id);
    assert_eq!(shown, show(callid));
    for word in [callid, "INVITE", "200 OK", "BYE"] {
        assert!(shown.contains(word), "{word} is not in {shown}");
    }
}

#[test]
fn a_calls_packets_come_out_whole_and_in_order() {
    let kept = Kept::new(&plan());
    kept.replay();
    let ids: HashMap<String, String> = kept
        .calls(&[])
        .iter()
        .map(|r| (r["callid"].as_str().unwrap().into(), r["ID"].as_str().unwrap().into()))
        .collect();
    let given = classic(&kept.capture);
    for call in &kept.truth.calls {
        let wanted = packets(call);
        let total: u64 = wanted.iter().sum();
        let (said, by_callid) = kept.pcap(&call.call_id, "one.pcap");
        said.well();
        let frames = classic(&by_callid);
        assert_eq!(frames.len() as u64, total, "{} {wanted:?}", call.call_id);
        assert!(frames.is_sorted_by_key(|(ts, _)| *ts), "{}", call.call_id);
        for (_, frame) in &frames {
            assert!(given.iter().any(|(_, other)| other == frame), "a frame that nobody sent");
        }
        let (said, by_id) = kept.pcap(&ids[&call.call_id], "two.pcapng");
        said.well();
        assert_eq!(&fs::read(&by_id).unwrap()[..4], &[0x0a, 0x0d, 0x0d, 0x0a]);
        tshark_agrees(&by_id, total);
    }
}

#[test]
fn packets_come_out_by_time_and_by_the_filters_of_calls() {
    let kept = Kept::new(&plan());
    kept.replay();
    let pcap = |filters: &[&str], name: &str| {
        let path = kept.folder.path().join(name);
        let mut command = ringtap();
        command.args(["pcap", "--spool"]).arg(&kept.spool).args(filters);
        (run(command.arg("-o").arg(&path)), path)
    };
    // All between two times, without a store, whoever they belong to.
    let given = classic(&kept.capture);
    let seconds = |call: usize| kept.truth.calls[call].invite_ns / 1_000_000_000;
    let (since, until) = (seconds(3), seconds(8));
    let (said, path) =
        pcap(&["--since", &since.to_string(), "--until", &until.to_string()], "time.pcap");
    said.well();
    let sorted = |mut frames: Vec<(u64, Vec<u8>)>| {
        assert!(frames.is_sorted_by_key(|(ts, _)| *ts));
        frames.sort();
        frames
    };
    let range = since * 1_000_000_000..until * 1_000_000_000;
    let mut expected: Vec<_> = given.into_iter().filter(|(ts, _)| range.contains(ts)).collect();
    expected.sort();
    assert!(expected.len() > 100);
    assert!(sorted(classic(&path)) == expected, "{}", expected.len());
    // Whole calls, by number, by address, and by both.
    let with_store =
        |filters: &[&str], name: &str| pcap(&[filters, &["--store", &kept.store]].concat(), name);
    let first = &kept.truth.calls[0];
    let (number, ip) = (first.caller.as_str(), first.caller_addr.ip().to_string());
    for filters in [&["--caller", number][..], &["--ip", &ip], &["--ip", &ip, "--called", ""]] {
        let ids = kept.ids(filters);
        assert!(!ids.is_empty());
        let called = |call: &&CallTruth| ids.contains(&call.call_id);
        let calls: Vec<&CallTruth> = kept.truth.calls.iter().filter(called).collect();
        let (said, path) = with_store(filters, "calls.pcap");
        assert!(said.err.contains(&format!("of {} calls", calls.len())), "{said:?}");
        said.well();
        let total: u64 = calls.into_iter().flat_map(packets).sum();
        assert_eq!(sorted(classic(&path)).len() as u64, total, "{filters:?}");
    }
    let one = |args: &[&str]| with_store(args, "none.pcap").0;
    for (args, why) in [
        (&[][..], "which packets?"),
        (&["someone", "--ip", "10.0.0.1"], "not both"),
        (&["--caller", "nobody"], "no call passes"),
        (&["--until", "1"], "no packets of that time"),
        (&["--since", "teatime"], "--since"),
    ] {
        let said = one(args);
        assert!(said.code == 1 && said.err.contains(why), "{said:?}");
        assert!(!kept.folder.path().join("none.pcap").exists());
    }
}

#[test]
fn several_spools_are_read_as_one_and_a_dead_one_is_named() {
    let kept = Kept::new(&plan());
    kept.replay();
    let call = &kept.truth.calls[0];
    let (said, before) = kept.pcap(&call.call_id, "before.pcap");
    said.well();
    // The media goes to another place.
    let other = kept.folder.path().join("other");
    for segment in fs::read_dir(&kept.spool).unwrap() {
        let day = segment.unwrap();
        for hour in fs::read_dir(day.path()).unwrap() {
            let hour = hour.unwrap();
            let there = other.join(day.file_name()).join(hour.file_name());
            fs::create_dir_all(&there).unwrap();
            fs::rename(hour.path().join("RTP"), there.join("RTP")).unwrap();
        }
    }
    let both = format!("{}:{}", kept.spool.display(), other.display());
    let pcap = |roots: &str, name: &str| {
        let path = kept.folder.path().join(name);
        let mut command = ringtap();
        command.args(["pcap", &call.call_id, "--store", &kept.store, "--spool", roots]);
        (run(command.arg("-o").arg(&path)), path)
    };
    let (said, after) = pcap(&both, "both.pcap");
    said.well();
    let sorted = |path: &Path| {
        let mut frames = classic(path);
        assert!(frames.is_sorted_by_key(|(ts, _)| *ts));
        frames.sort();
        frames
    };
    assert!(sorted(&before) == sorted(&after));
    let (said, _) = pcap(&format!("{}:/etc/hostname", kept.spool.display()), "part.pcap");
    assert!(said.err.contains("packets of the root /etc/hostname are missing"), "{said:?}");
    said.well();
}

#[test]
fn headers_alone_keep_times_and_sequence_in_a_fraction_of_the_space() {
    let kept = Kept::new(&Plan { talk_ms: 6000, ..plan() });
    let out = |name: &str| kept.folder.path().join(name);
    let keep = |how: &str| {
        let (spool, pcap) = (out(how), out(&format!("{how}.pcap")));
        let mut command = ringtap();
        command.args(["replay", "--quiet", "-O", "savesip=yes", "-O", "savertcp=yes"]);
        command.args(["-O", &format!("savertp={how}"), "--spool"]).arg(&spool);
        run(command.arg(&kept.capture)).well();
        let mut command = ringtap();
        command.args(["pcap", "--since", "0", "--spool"]).arg(&spool);
        run(command.arg("-o").arg(&pcap)).well();
        pcap
    };
    let (whole, bare) = (keep("yes"), keep("header"));
    // Of packets with one time stamp any may come first.
    let sorted = |path: &Path| {
        let mut frames = classic(path);
        frames.sort_by_key(|(ts, frame)| (*ts, frame[..54].to_vec()));
        frames
    };
    let (whole_frames, bare_frames) = (sorted(&whole), sorted(&bare));
    assert_eq!(whole_frames.len(), bare_frames.len());
    let mut cut = 0;
    for ((ts, frame), (bare_ts, bare)) in whole_frames.iter().zip(&bare_frames) {
        assert_eq!(ts, bare_ts);
        assert!(frame.starts_with(bare), "nothing but the end is missing");
        // Link, IP, UDP and RTP headers.
        if bare.len() < frame.len() {
            assert_eq!((bare.len(), frame.len()), (14 + 20 + 8 + 12, 14 + 20 + 8 + 12 + 160));
            cut += 1;
        }
    }
    let streams = kept.truth.calls.iter().flat_map(|call| &call.streams);
    assert_eq!(cut, streams.map(|one| one.received + one.duplicate).sum::<u64>());
    // And what is measured is the same, read back out of it.
    let records = |path: &Path| {
        let mut all =
            run(ringtap().args(["replay", "--format", "json"]).arg(path)).well().records();
        all.iter_mut().for_each(|record| record["ID"] = Value::Null);
        all
    };
    let figures = |path: &Path| -> Vec<Value> {
        let keys = ["received", "lost", "duplicate", "reordered", "jitter_ms_avg", "mos_f1"];
        let of = |stream: &Value| keys.iter().map(|key| stream[*key].clone()).collect::<Value>();
        let streams = |record: &Value| record["streams"].as_array().cloned().unwrap_or_default();
        records(path).iter().flat_map(streams).map(|stream| of(&stream)).collect()
    };
    assert!(!figures(&whole).is_empty());
    assert_eq!(figures(&whole), figures(&bare));
    let size = |how: &str| {
        let said =
            run(ringtap().args(["spool", "list", "--format", "json", "--spool"]).arg(out(how)));
        let all = said.well().records();
        let rtp = all.iter().filter(|one| one["kind"] == "RTP").map(|one| one["bytes"].as_u64());
        rtp.map(Option::unwrap).sum::<u64>()
    };
    let (yes, header) = (size("yes"), size("header"));
    assert!(header * 5 < yes * 2, "{header} of {yes} bytes");
}

#[test]
fn a_spool_without_indexes_is_rebuilt_and_gives_the_same_packets() {
    let kept = Kept::new(&plan());
    kept.replay();
    let call = &kept.truth.calls[0];
    let (said, before) = kept.pcap(&call.call_id, "before.pcap");
    said.well();
    let spool = |what: &str| {
        run(ringtap().args(["spool", what, "--format", "json", "--spool"]).arg(&kept.spool))
    };
    let segments = spool("verify").well().records();
    assert!(segments.len() >= 2);
    let held: u64 = segments.iter().map(|one| one["packets"].as_u64().unwrap()).sum();
    let sent: u64 = kept.truth.calls.iter().flat_map(packets).sum();
    assert_eq!(held, sent);
    for one in &segments {
        assert_eq!((one["index"].as_str(), one["state"].as_str()), (Some("ok"), Some("sealed")));
        let segment = kept.spool.join(one["path"].as_str().unwrap());
        let name = segment.to_str().unwrap().replace(".pcap.zst", ".idx");
        fs::remove_file(name).unwrap();
    }
    let said = spool("verify");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("`ringtap spool rebuild`"), "{said:?}");
    let done = spool("rebuild").well().records();
    assert_eq!(done[0]["indexes"], segments.len());
    assert_eq!((&done[0]["mended"], &done[0]["lost_bytes"]), (&0.into(), &0.into()));
    assert_eq!(spool("list").well().records(), segments);
    let (said, after) = kept.pcap(&call.call_id, "after.pcap");
    said.well();
    assert!(fs::read(before).unwrap() == fs::read(after).unwrap());
    let nowhere = run(ringtap().args(["spool", "verify", "--spool", "/no/such/folder"]));
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("there is no spool at /no/such/folder"), "{nowhere:?}");
}

fn tshark_agrees(path: &Path, total: u64) {
    let Ok(output) = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(["-T", "fields", "-e", "frame.number"])
        .output()
    else {
        println!("skipped: no tshark");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count() as u64, total);
}

#[test]
fn wrong_names_get_one_line() {
    let kept = Kept::new(&Plan { calls: 1, ..plan() });
    kept.replay();
    let (said, path) = kept.pcap("nobody@nowhere", "none.pcap");
    said.one_line_with("nobody@nowhere");
    assert!(!path.exists(), "nothing is left behind");
    run(ringtap().args(["call", "12345", "--store", &kept.store])).one_line_with("12345");
    let call_id = kept.truth.calls[0].call_id.clone();
    let absent = format!("sqlite:{}", kept.folder.path().join("absent.db").display());
    let elsewhere = Kept { store: absent, ..kept };
    elsewhere.pcap(&call_id, "none.pcap").0.one_line_with("absent.db");
}

#[test]
fn a_wrong_spool_gets_one_line() {
    let kept = Kept::new(&Plan { calls: 1, ..plan() });
    kept.replay();
    let spool = kept.folder.path().join("elsewhere");
    let call_id = kept.truth.calls[0].call_id.clone();
    let kept = Kept { spool, ..kept };
    let (said, path) = kept.pcap(&call_id, "none.pcap");
    said.one_line_with("elsewhere");
    assert!(!path.exists());
}

/// Killed in the middle, whatever it was doing: the store is sound, the spool opens, and the
/// next run goes on in both.
#[test]
fn a_killed_replay_leaves_a_sound_store_and_spool() {
    let plan = Plan { calls: 150, concurrent: 30, talk_ms: 4000, ..plan() };
    let kept = Kept::new(&plan);
    let mut command = Command::new(RINGTAP);
    kept.command(&mut command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // Killed as soon as something is in the spool.
    while child.try_wait().unwrap().is_none() && !has_a_segment(&kept.spool) {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed before its end");
    check_integrity(&kept.store);
    kept.replay();
    check_integrity(&kept.store);
    let calls = kept.calls(&[]);
    assert!(calls.len() >= kept.truth.calls.len());
    let last = kept.truth.calls.last().unwrap();
    let (said, path) = kept.pcap(&last.call_id, "last.pcap");
    said.well();
    assert!(classic(&path).len() as u64 >= packets(last).iter().sum());
}

fn has_a_segment(spool: &Path) -> bool {
    let Ok(entries) = fs::read_dir(spool) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            has_a_segment(&path)
        } else {
            path.metadata().is_ok_and(|m| m.len() > 0)
        }
    })
}

fn check_integrity(store: &str) {
    let path = store.strip_prefix("sqlite:").unwrap();
    if !Path::new(path).exists() {
        return;
    }
    let Ok(output) = Command::new("sqlite3").args([path, "PRAGMA integrity_check"]).output() else {
        println!("skipped: no sqlite3");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
}
