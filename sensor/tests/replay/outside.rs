//! Registrations, MESSAGEs and other requests outside of calls, from the packet to the user: the
//! same records from one worker as from four, in the store, and from the commands that list them.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::support::{number, replay, ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::sip::{Dialog, Message, Method, Side};
use serde_json::Value;

const START_NS: u64 = 1_767_225_600_000_000_000;
const USERS: u64 = 20;
/// Each user sends OPTIONS once in so many seconds, for an hour.
const PING_S: u64 = 60;
const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
const ANSWER: &str = "Expires: 600\r\n\
    Authorization: Digest username=\"u\", realm=\"r\", nonce=\"n\", response=\"0\"\r\n";

fn addr(side: u8, n: u64) -> SocketAddr {
    SocketAddr::from(([10, side, 0, n as u8], 5060))
}

/// Frames with their times, to be sorted.
#[derive(Default)]
struct Traffic(Vec<(u64, Vec<u8>)>);

impl Traffic {
    fn say(&mut self, ms: u64, dialog: &Dialog, message: Message<'_>) {
        let (src, dst) = dialog.way(message.from);
        let text = dialog.text(&message);
        self.raw(ms, src, dst, &text);
    }

    fn raw(&mut self, ms: u64, src: SocketAddr, dst: SocketAddr, text: &str) {
        let frame = Packet::udp(src, dst, text.as_bytes()).build();
        self.0.push((START_NS + ms * 1_000_000, frame));
    }

    fn write(mut self, path: &Path) {
        self.0.sort();
        let mut writer = Writer::new(File::create(path).unwrap(), Options::default()).unwrap();
        for (ts_ns, frame) in &self.0 {
            writer.frame(*ts_ns, frame).unwrap();
        }
        writer.finish().unwrap();
    }
}

/// A dialog between a user and a server whose Call-ID nobody else has.
fn dialog(user: u64, n: u64) -> Dialog {
    let mut dialog = Dialog::new(user * 100_000 + n, addr(1, user), addr(2, 1));
    dialog.caller = format!("1{user:03}");
    dialog.called = "server".into();
    dialog
}

fn request(method: Method, cseq: u32) -> Message<'static> {
    let mut request = Message::request(Side::Caller, method, cseq);
    request.tagged = false;
    request
}

fn response(status: u16, method: Method, cseq: u32) -> Message<'static> {
    Message::response(Side::Called, status, method, cseq)
}

/// Registers with a challenge every 500 s, each time with another Call-ID; 18 takes its own back,
/// 19 has the wrong password, and 17 falls silent.
fn registrations(traffic: &mut Traffic, user: u64) {
    for turn in 0..7 {
        let mut dialog = dialog(user, 50_000 + turn);
        dialog.called.clone_from(&dialog.caller);
        let at = user * 10 + turn * 500_000;
        if user == 17 && turn > 2 {
            return;
        }
        let back = user == 18 && turn == 6;
        let expires = if back { "Expires: 0\r\n" } else { "Expires: 600\r\n" };
        let answer = ANSWER.replace("Expires: 600\r\n", expires);
        let (status, granted) = if user == 19 { (403, "") } else { (200, expires) };
        let register = request(Method::Register, 1).headers(expires);
        traffic.say(at, &dialog, register);
        traffic.say(at + 20, &dialog, response(401, Method::Register, 1).headers(CHALLENGE));
        traffic.say(at + 40, &dialog, request(Method::Register, 2).headers(&answer));
        traffic.say(at + 75, &dialog, response(status, Method::Register, 2).headers(granted));
    }
}

/// Qualifies every minute, each time with another Call-ID; from 1000 s to 2000 s 5 gets no answer.
fn pings(traffic: &mut Traffic, user: u64) {
    for turn in 0..3600 / PING_S {
        let (dialog, at) = (dialog(user, turn), turn * PING_S * 1000 + user);
        traffic.say(at, &dialog, request(Method::Options, 1));
        if user != 5 || !(1000..2000).contains(&(turn * PING_S)) {
            traffic.say(at + 5, &dialog, response(200, Method::Options, 1));
        }
    }
}

fn messages(traffic: &mut Traffic, user: u64) {
    let (dialog, at) = (dialog(user, 90_000), 100_000 + user * 7);
    let text = dialog.text(&request(Method::Message, 1));
    let text = text.replace(
        "Content-Length: 0\r\n\r\n",
        "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
    );
    for again in [0, 500] {
        traffic.raw(at + again, addr(1, user), addr(2, 1), &text);
    }
    traffic.say(at + 600, &dialog, response(202, Method::Message, 1));
}

fn capture(path: &Path) {
    let mut traffic = Traffic::default();
    for user in 0..USERS {
        registrations(&mut traffic, user);
        pings(&mut traffic, user);
        messages(&mut traffic, user);
    }
    // A response whose request was not seen, a method that nobody knows, and a broken message.
    let lost = dialog(0, 99_000);
    traffic.say(5000, &lost, response(200, Method::Subscribe, 9));
    let odd = dialog(1, 99_001).text(&request(Method::Info, 1)).replace("INFO", "PONDER");
    traffic.raw(6000, addr(1, 1), addr(2, 1), &odd);
    let broken = dialog(2, 99_002).text(&request(Method::Publish, 1));
    traffic.raw(7000, addr(1, 2), addr(2, 1), &broken.replace("CSeq: 1", "CSeq: one"));
    traffic.write(path);
}

fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|r| r["type"] == kind).collect()
}

fn check_registrations(records: &[Value]) {
    let registers = of(records, "register");
    let states = |user: &str| -> Vec<String> {
        let mine = registers.iter().filter(|r| r["to_num"] == user);
        mine.map(|r| format!("{} {}", r["state_name"].as_str().unwrap(), r["counter"])).collect()
    };
    assert_eq!(states("1000"), ["registered 1"], "six refreshes are no change");
    assert_eq!(states("1017"), ["registered 1", "expired 1"]);
    assert_eq!(states("1018"), ["registered 1", "unregistered 1"]);
    let failed = states("1019");
    assert!(failed.iter().all(|state| state.starts_with("failed")), "{failed:?}");
    let mine = registers.iter().filter(|r| r["to_num"] == "1019");
    assert_eq!(mine.map(|r| r["counter"].as_u64().unwrap()).sum::<u64>(), 7);
    let first = registers.iter().find(|r| r["to_num"] == "1000").unwrap();
    assert_eq!((&first["expires"], &first["rrd"]), (&600.into(), &serde_json::json!(0.035)));
    assert_eq!((&first["challenged"], &first["digestusername"]), (&1.into(), &"u".into()));
    let expired = registers.iter().find(|r| r["state_name"] == "expired").unwrap();
    assert_eq!(expired["created_at"], "2026-01-01T00:26:40.245000Z");
    assert_eq!(expired["refreshes"], 2);
}

fn check_requests(records: &[Value]) {
    let requests = of(records, "sip");
    let pings = |user: u64| -> Vec<String> {
        let number = format!("1{user:03}");
        let mine =
            requests.iter().filter(|r| r["method"] == "OPTIONS" && r["number_src"] == number);
        mine.map(|r| format!("{} {}", r["qualify_ok"], r["repeats"])).collect()
    };
    assert_eq!(pings(0), ["1 0", "1 9", "1 9", "1 9", "1 9", "1 9"]);
    assert_eq!(pings(5), ["1 0", "1 9", "0 6", "0 9", "1 6", "1 9", "1 9"]);
    let one = |method: &str| *requests.iter().find(|r| r["method"] == method).unwrap();
    let lost = one("SUBSCRIBE");
    assert_eq!((&lost["request_time"], &lost["response_number"]), (&Value::Null, &200.into()));
    assert_eq!(one("PONDER")["response_number"], Value::Null);
    assert_eq!(one("PUBLISH")["malformed"], "bad_cseq");
}

#[test]
fn from_the_packet_to_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outside.pcap");
    capture(&path);
    let (one, ledger) = replay(&[&path], 1);
    let one = one.well();
    for workers in [2, 4] {
        let (more, other) = replay(&[&path], workers);
        assert_eq!(more.well().out, one.out, "{workers} workers");
        assert_eq!(other["user"]["events"], ledger["user"]["events"]);
    }
    let records = one.records();
    assert_eq!(ledger["balanced"], true);
    check_registrations(&records);
    check_requests(&records);
    let messages = of(&records, "message");
    assert_eq!(messages.len() as u64, USERS);
    for message in &messages {
        assert_eq!(
            (&message["lastSIPresponseNum"], &message["response_time"]),
            (&202.into(), &600.into())
        );
        assert_eq!(
            (&message["request_repetition"], &message["content_length"]),
            (&1.into(), &5.into())
        );
        assert_eq!(message["message"], Value::Null, "what it says is the subscriber's own");
    }
    let event = |name: &str| number(&ledger, &format!("/user/events/{name}"));
    let (sip, repeats) = (event("sip_records"), event("sip_repeats"));
    assert_eq!(sip - repeats, of(&records, "sip").len() as u64);
    assert_eq!(sip, USERS * 3600 / PING_S + 3);
    assert_eq!(event("message_records"), USERS);
    assert_eq!(event("register_records"), of(&records, "register").len() as u64);
    assert_eq!((event("sip_refused"), event("call_records")), (0, 0));
}

/// Runs a list on the store; JSON.
#[track_caller]
fn listed(url: &str, words: &[&str]) -> Vec<Value> {
    let mut command = ringtap();
    command.args(words).args(["--store", url, "--format", "json", "--limit", "100000"]);
    run(&mut command).well().records()
}

fn stored(folder: &Path, more: &[&str]) -> (PathBuf, String) {
    let path = folder.join("outside.pcap");
    capture(&path);
    let url = format!("sqlite:{}", folder.join("a.db").display());
    let mut command = ringtap();
    command.args(["replay", "--quiet", "--store", &url]).args(more).arg(&path);
    run(&mut command).well();
    (path, url)
}

#[test]
fn the_store_gives_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = stored(folder.path(), &[]);
    let (shown, _) = replay(&[&path], 1);
    let shown = shown.records();
    for (command, kind) in [("registers", "register"), ("messages", "message"), ("requests", "sip")]
    {
        let mut listed = listed(&url, &[command]);
        let mut expected: Vec<Value> = of(&shown, kind).into_iter().cloned().collect();
        let id = |r: &Value| r["ID"].as_str().unwrap().parse::<u64>().unwrap();
        listed.sort_by_key(id);
        expected.sort_by_key(id);
        assert_eq!(listed, expected, "{command}");
    }
    let current = listed(&url, &["registers", "--current"]);
    assert_eq!(current.len() as u64, USERS);
    let state = |state: &str| listed(&url, &["registers", "--current", "--state", state]).len();
    assert_eq!(state("registered") as u64, USERS - 3);
    assert_eq!((state("expired"), state("unregistered"), state("failed")), (1, 1, 1));
    assert_eq!(listed(&url, &["messages", "--caller", "1003"]).len(), 1);
    assert_eq!(listed(&url, &["requests", "--method", "PONDER"]).len(), 1);
    assert_eq!(listed(&url, &["requests", "--since", "2026-01-01 00:59:00"]).len(), 0);
    let mut table = ringtap();
    let said = run(table.args(["registers", "--state", "failed", "--store", &url])).well();
    assert!(said.out.contains("1019@example.org"), "{}", said.out);
}

#[test]
fn what_is_not_wanted_is_counted_and_texts_are_kept_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["-O", "sip-options=no", "-O", "sip-register=no", "-O", "hide_message_content=no"];
    let (path, url) = stored(folder.path(), &options);
    assert!(listed(&url, &["registers"]).is_empty());
    assert_eq!(listed(&url, &["requests"]).len(), 3);
    assert!(listed(&url, &["messages"]).iter().all(|m| m["message"] == "hello"));
    let mut all = ringtap();
    let every = ["replay", "--format", "json", "-O", "sip-msg-repeat-time=0"];
    let said = run(all.args(every).arg(&path)).well();
    assert_eq!(of(&said.records(), "sip").len() as u64, USERS * 3600 / PING_S + 3);
}

#[test]
fn csv_and_tables_have_a_part_for_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outside.pcap");
    capture(&path);
    let shown = |format: &str| {
        let mut command = ringtap();
        run(command.args(["replay", "--format", format]).arg(&path)).well().out
    };
    let csv = shown("csv");
    for head in [
        "ID,id_sensor,created_at,state,",
        "ID,id_sensor,calldate,caller,",
        "ID,id_sensor,time,method,",
    ] {
        assert_eq!(csv.lines().filter(|line| line.starts_with(head)).count(), 1, "{head}");
    }
    let table = shown("table");
    for title in ["Registrations", "Messages", "Other requests outside of calls"] {
        assert!(table.lines().any(|line| line == title), "{title}");
    }
}
