//! Legs of one call, joined by Session-ID, Replaces and a configured header: the same for any
//! number of workers, in whichever shards the legs live, and shown together by every command.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ringtap_call::CallKey;
use ringtap_testkit::packet::Packet;
use ringtap_testkit::pcap;
use ringtap_testkit::sip::{Dialog, Message, Method, Side};
use serde_json::Value;
use support::{number, ringtap, run};

const MS: u64 = 1_000_000;
const START: u64 = 1_767_225_600_000 * MS;
const A: &str = "ab30317f1a784dc48ff824d0d3715d86";
const B: &str = "47755a9de7794ba387653f2099600ef2";
const NIL: &str = "00000000000000000000000000000000";

/// A call between two hosts.
fn dialog(n: u64, call_id: &str, from: u8, to: u8) -> Dialog {
    let at = |host: u8| ([10, 0, 0, host], 5060).into();
    let mut dialog = Dialog::new(n, at(from), at(to));
    dialog.call_id = call_id.to_owned();
    dialog
}

/// Messages with their times.
#[derive(Default)]
struct Script(Vec<(u64, Vec<u8>)>);

impl Script {
    fn say(&mut self, ms: u64, dialog: &Dialog, message: &Message<'_>) {
        let (src, dst) = dialog.way(message.from);
        let frame = Packet::udp(src, dst, dialog.text(message).as_bytes()).build();
        self.0.push((START + ms * MS, frame));
    }

    /// A call that is answered, with header lines of its INVITE and of the answer.
    fn answered(&mut self, ms: u64, dialog: &Dialog, asked: &str, answered: &str) {
        let invite = Message::request(Side::Caller, Method::Invite, 1).headers(asked);
        self.say(ms, dialog, &invite);
        let ok = Message::response(Side::Called, 200, Method::Invite, 1).headers(answered);
        self.say(ms + 50, dialog, &ok);
        self.say(ms + 60, dialog, &Message::request(Side::Caller, Method::Ack, 1));
    }

    fn ended(&mut self, ms: u64, dialog: &Dialog) {
        self.say(ms, dialog, &Message::request(Side::Caller, Method::Bye, 9));
        self.say(ms + 10, dialog, &Message::response(Side::Called, 200, Method::Bye, 9));
    }

    fn write(mut self, path: &Path) {
        self.0.sort_by_key(|(ts_ns, _)| *ts_ns);
        let file = BufWriter::new(File::create(path).unwrap());
        let mut writer = pcap::Writer::new(file, pcap::Options::default()).unwrap();
        for (ts_ns, frame) in &self.0 {
            writer.frame(*ts_ns, frame).unwrap();
        }
        writer.finish().unwrap();
    }
}

/// A B2BUA at .5, a transfer among .1, .2 and .3, legs with X-Call-ID, and a call of its own.
fn scene(path: &Path) {
    let mut script = Script::default();
    let inward = dialog(1, "inward@a", 1, 5);
    let onward = dialog(2, "onward-8@b", 5, 2);
    // They live in different shards, by two workers and by four.
    let shard = |call: &Dialog, workers| CallKey::of(0, call.call_id.as_bytes()).0 % workers;
    assert!([2, 4].iter().all(|n| shard(&inward, *n) != shard(&onward, *n)));
    let first = format!("Session-ID: {};remote={NIL}\r\n", A.to_uppercase());
    let second = format!("Session-ID: {B};remote={A}\r\n");
    script.answered(0, &inward, &first, &second);
    script.answered(20, &onward, &first, &second);
    script.ended(3000, &inward);
    script.ended(3020, &onward);

    let [one, two, three] = [(3, 1, 2), (4, 1, 3), (5, 2, 3)]
        .map(|(n, from, to)| dialog(n, &format!("transfer-{n}@c"), from, to));
    script.answered(100, &one, "", "");
    script.answered(1000, &two, "", "");
    let refer =
        "Refer-To: <sip:c@10.0.0.3?Replaces=transfer-4%40c%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n";
    let refer = Message::request(Side::Caller, Method::Refer, 5).headers(refer);
    script.say(1500, &one, &refer);
    script.answered(1600, &three, "Replaces: transfer-4@c;to-tag=1;from-tag=2\r\n", "");
    script.ended(1700, &two);
    script.ended(4200, &one);
    script.ended(6000, &three);

    let origin = dialog(6, "origin@d", 1, 5);
    let branches = [dialog(7, "branch-1@d", 5, 2), dialog(8, "branch-2@d", 5, 3)];
    script.answered(200, &origin, "", "");
    for branch in &branches {
        script.answered(300, branch, "X-Call-ID: origin@d\r\n", "");
        script.ended(2500, branch);
    }
    script.ended(2600, &origin);

    let alone = dialog(9, "alone@e", 1, 2);
    script.answered(400, &alone, &format!("Session-ID: {NIL};remote={NIL}\r\n"), "");
    script.ended(2000, &alone);
    script.write(path);
}

const HEADER: [&str; 2] = ["-O", "matchheader=X-Call-ID"];

fn replay(path: &Path, workers: u16, more: &[&str]) -> String {
    let mut command = ringtap();
    command.args(["replay", "--format", "json", "--workers", &workers.to_string()]);
    run(command.args(HEADER).args(more).arg(path)).well().out
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn one<'a>(records: &'a [Value], callid: &str) -> &'a Value {
    records.iter().find(|r| r["callid"] == callid).unwrap()
}

/// The Call-IDs of a record's other legs.
fn legs(record: &Value) -> BTreeSet<&str> {
    let legs = record["legs"].as_array().unwrap();
    assert!(legs.iter().all(|leg| leg["ID"].as_str().is_some_and(|id| id != "0")), "{record:#}");
    legs.iter().map(|leg| leg["callid"].as_str().unwrap()).collect()
}

struct Place {
    folder: tempfile::TempDir,
    capture: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("legs.pcap");
    scene(&capture);
    Place { folder, capture }
}

#[test]
fn each_leg_knows_those_that_closed_before_it_whatever_the_workers() {
    let place = place();
    let text = replay(&place.capture, 1, &[]);
    for workers in [2, 4] {
        assert_eq!(replay(&place.capture, workers, &[]), text, "{workers} workers");
    }
    let all = records(&text);
    assert_eq!(all.len(), 9);
    let group = |callid: &str| one(&all, callid)["leg_group"].clone();
    let known = |callid: &str| legs(one(&all, callid));
    let none = BTreeSet::new();

    assert_eq!(one(&all, "inward@a")["session_id"], format!("{};remote={B}", A.to_uppercase()));
    assert_eq!((known("inward@a"), known("onward-8@b")), (none.clone(), ["inward@a"].into()));
    assert_eq!(group("inward@a"), group("onward-8@b"));
    assert!(group("inward@a").is_string());

    assert_eq!(one(&all, "transfer-5@c")["replaces"], "transfer-4@c");
    assert_eq!(known("transfer-4@c"), none);
    assert_eq!(known("transfer-3@c"), ["transfer-4@c"].into());
    assert_eq!(known("transfer-5@c"), ["transfer-3@c", "transfer-4@c"].into());
    assert_eq!(group("transfer-3@c"), group("transfer-5@c"));

    assert_eq!(one(&all, "branch-1@d")["match_header"], "origin@d");
    assert_eq!(known("branch-2@d"), ["branch-1@d"].into());
    assert_eq!(known("origin@d"), ["branch-1@d", "branch-2@d"].into());
    assert_eq!(group("origin@d"), group("branch-1@d"));

    assert_eq!((known("alone@e"), group("alone@e")), (none, Value::Null));
    let groups = ["inward@a", "transfer-5@c", "origin@d"].map(group);
    assert!(groups[0] != groups[1] && groups[1] != groups[2], "{groups:?}");
}

#[test]
fn equal_ties_in_different_realms_join_nothing() {
    let place = place();
    let store = format!("sqlite:{}", place.folder.path().join("calls.db").display());
    for realm in ["realm=1", "realm=2"] {
        replay(&place.capture, 2, &["--store", &store, "-O", realm]);
    }
    let listed = run(ringtap().args(["calls", "--format", "json", "--store", &store])).well();
    let all = listed.records();
    let calls = records(&replay(&place.capture, 1, &[])).len();
    assert_eq!(all.len(), 2 * calls, "the calls of both realms are there");
    assert!(all.iter().all(|record| record["legs"].as_array().unwrap().len() <= 2), "{all:#?}");
}

#[test]
fn the_store_joins_all_legs_and_commands_show_them_together() {
    let place = place();
    let store = format!("sqlite:{}", place.folder.path().join("calls.db").display());
    let spool = place.folder.path().join("spool");
    replay(&place.capture, 2, &["--store", &store, "--spool", &spool.to_string_lossy()]);
    let ask = |words: &[&str]| run(ringtap().args(words).args(["--store", &store])).well();

    let all = ask(&["calls", "--format", "json"]).records();
    let groups = [
        &["inward@a", "onward-8@b"][..],
        &["transfer-3@c", "transfer-4@c", "transfer-5@c"],
        &["origin@d", "branch-1@d", "branch-2@d"],
        &["alone@e"],
    ];
    for group in groups {
        for callid in group {
            let others = group.iter().copied().filter(|other| other != callid).collect();
            assert_eq!(legs(one(&all, callid)), others, "{callid}");
        }
    }

    // A filter finds one leg, and the others come with it, each once.
    let told = ask(&["calls", "--legs", "--format", "json", "--ip", "10.0.0.5"]).records();
    let ids: Vec<&str> = told.iter().map(|r| r["callid"].as_str().unwrap()).collect();
    assert_eq!(ids, ["inward@a", "onward-8@b", "origin@d", "branch-1@d", "branch-2@d"]);
    let table = ask(&["calls", "--legs"]).out;
    assert!(table.contains("4 calls in 9 legs") && table.contains("3/3"), "{table}");

    let shown = ask(&["call", "transfer-3@c"]).out;
    for word in ["Legs of this call", "1/3 *", "\n3: Call-ID transfer-5@c", "1: REFER", "3: INVITE"]
    {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
    assert!(!ask(&["call", "alone@e"]).out.contains("Legs"));

    let packets = |words: &[&str], name: &str| -> u64 {
        let file = place.folder.path().join(name);
        let mut command = ringtap();
        command.args(["pcap", "--store", &store, "--spool"]).arg(&spool).arg("-o").arg(file);
        let said = run(command.args(words)).well().err;
        said.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(packets(&["inward@a"], "one.pcap"), 5);
    assert_eq!(packets(&["inward@a", "--legs"], "both.pcap"), 10);
    assert_eq!(packets(&["alone@e", "--legs"], "alone.pcap"), 5);
}

#[test]
fn a_flood_of_session_identifiers_is_bounded_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, stats) = (folder.path().join("flood.pcap"), folder.path().join("stats.json"));
    let mut script = Script::default();
    let calls = 36_000;
    for n in 0..calls {
        let call = dialog(n, &format!("flood-{n}@x"), 1, 2);
        let header = format!("Session-ID: {:032x};remote={NIL}\r\n", n + 1);
        let invite = Message::request(Side::Caller, Method::Invite, 1).headers(&header);
        script.say(n / 10, &call, &invite);
    }
    script.write(&capture);
    let mut command = ringtap();
    command.args(["replay", "--quiet", "--workers", "2", "--stats"]).arg(&stats);
    run(command.arg(&capture)).well();
    let ledger: Value = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
    assert_eq!(number(&ledger, "/user/events/call_records"), calls);
    // Each call is remembered by its token and its Call-ID.
    assert_eq!(number(&ledger, "/user/events/legs_forgotten"), calls - 65_536 / 2);
}
