//! What is printed, to the letter.

use super::*;
use ringtap_cdr::record::{Party, Reason, Step};
use ringtap_cdr::{LoneStream, Mos, MysqlOptions, Side, StreamRecord, open};
use std::ops::ControlFlow::Continue;

const BEGAN_US: u64 = 1_795_382_238_123_456; // 2026-11-22T21:17:18.123456Z

fn stream(side: Side, lost: u64) -> StreamRecord {
    StreamRecord {
        src: "10.0.0.1:4000".parse().unwrap(),
        dst: "10.0.0.2:5000".parse().unwrap(),
        side: Some(side),
        ssrc: 0xdead_beef,
        payload: 8,
        codec: "PCMA".into(),
        first_us: BEGAN_US + 200_000,
        last_us: BEGAN_US + 10_200_000,
        received: 500 - lost,
        lost,
        jitter_ms_avg: Some(1.25),
        jitter_ms_max: Some(12.4),
        sl: [lost as u32, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        mos: Mos { f1: Some(4.3), min: Some(4.1), ..Mos::default() },
        ..StreamRecord::default()
    }
}

fn call(id: u64) -> CallRecord {
    let step = |ms: u64, src: &str, dst: &str, text: &str| Step {
        ts_us: BEGAN_US + ms * 1000,
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        text: text.into(),
    };
    let (a, b) = ("10.0.0.1:5060", "10.0.0.2:5060");
    let party = |number: &str, addr: &str| Party {
        number: number.into(),
        addr: Some(addr.parse().unwrap()),
        ..Party::default()
    };
    CallRecord {
        id,
        callid: format!("call-{id}").into(),
        calldate_us: BEGAN_US,
        callend_us: BEGAN_US + 12_500_000,
        connect_duration_us: Some(10_000_000),
        progress_time_us: Some(180_000),
        caller: party("alice\u{1b}[2J", a),
        called: party("200", b),
        whohanged: Some(Side::Callee),
        bye: 3,
        last_sip_response_num: Some(200),
        last_sip_response: "200 OK".into(),
        reason_q850: Reason { cause: Some(16), text: "clear\u{7}ing".into() },
        streams: vec![stream(Side::Caller, 2), stream(Side::Callee, 0)],
        ladder: vec![
            step(0, a, b, "INVITE (SDP)"),
            step(180, b, a, "180 Ringing"),
            step(2500, a, a, "OPTIONS"),
            step(12_400, b, "10.0.0.9:5060", &"x".repeat(300)),
        ],
        ladder_dropped: 2,
        ..CallRecord::default()
    }
}

fn store(calls: u64) -> (tempfile::TempDir, Box<dyn Store>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store =
        open(&format!("sqlite:{}", dir.path().join("a.db").display()), &MysqlOptions::default())
            .unwrap();
    let records: Vec<Record> = (1..=calls).map(|n| Record::Call(Box::new(call(n)))).collect();
    store.write(&records).unwrap();
    (dir, store)
}

fn listed(format: Format, count: u64) -> String {
    let (_dir, mut store) = store(count);
    let mut out = Vec::new();
    calls(store.as_mut(), &Filter::default(), format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_list_is_a_table_with_its_sum() {
    let text = listed(Format::Table, 2);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("ID  calldate (UTC)           caller"), "{text}");
    assert_eq!(
        lines[1],
        "1   2026-11-22 21:17:18.123  alice\\u{1b}[2J  200     10.0.0.1  10.0.0.2  12.500  \
         10.000  0.180   200  callee    PCMA       498/500       2/0  4.10"
    );
    assert_eq!(lines[3], "2 calls");
    assert_eq!(listed(Format::Table, 0), "0 calls\n");
}

#[test]
fn json_and_csv_have_a_line_for_each_call() {
    let json = listed(Format::Json, 3);
    assert_eq!(json.lines().count(), 3);
    assert!(json.lines().all(|line| line.starts_with("{\"type\":\"call\",\"ID\":\"")));
    let csv = listed(Format::Csv, 3);
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.starts_with("ID,id_sensor,calldate,"));
}

#[test]
fn what_a_store_tells_of_a_call_is_what_was_written() {
    let (_dir, mut store) = store(1);
    let mut told = String::new();
    let mut each = |call| {
        json::push_line(&mut told, &Record::Call(Box::new(call)));
        Continue(())
    };
    store.calls(&Filter::default(), &mut each).unwrap();
    let mut written = String::new();
    json::push_line(&mut written, &Record::Call(Box::new(call(1))));
    assert_eq!(told, written);
}

#[test]
fn one_call_in_full() {
    let (_dir, mut store) = store(1);
    let mut out = Vec::new();
    assert!(
        super::call(store.as_mut(), "call-1", Format::Table, Detail::default(), &mut out).unwrap()
    );
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{7}']));
    for line in [
        "Call-ID   call-1",
        "began     2026-11-22 21:17:18.123 UTC",
        concat!(
            "lasted    12.500 s, answered for 10.000 s, post-dial delay 0.180 s, ",
            "first RTP after 0.200 s"
        ),
        "response  200 OK",
        "end       BYE, confirmed, by the callee",
        "2 more before the last 16",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("caller to callee: lowest MOS 4.10; loss bursts 2 of 1;"), "{text}");

    let mut out = Vec::new();
    assert!(super::call(store.as_mut(), "1", Format::Json, Detail::default(), &mut out).unwrap());
    assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
    assert!(!super::call(store.as_mut(), "2", Format::Table, Detail::default(), &mut out).unwrap());
}

#[test]
fn the_ladder_has_a_lane_for_each_host() {
    let text = ladder::ladder(&call(1).ladder);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    let place = |line: &str, c: char| line.chars().position(|found| found == c);
    assert!(lines[0].contains("10.0.0.1") && lines[0].contains("10.0.0.9"));
    let lanes: Vec<usize> =
        (0..).zip(lines[1].chars()).filter(|(_, c)| *c == '|').map(|(at, _)| at).collect();
    assert_eq!(lanes.len(), 3);
    assert!(lines[2].starts_with("    0.000 ") && lines[2].contains("- INVITE (SDP) -"));
    assert_eq!(place(lines[2], '>'), Some(lanes[1] - 1));
    assert_eq!(place(lines[3], '<'), Some(lanes[0] + 1));
    assert!(lines[4].contains("OPTIONS (to itself)"));
    assert!(lines[5].contains("x… -") && place(lines[5], '>') == Some(lanes[2] - 1), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 160));
}

#[test]
fn a_ladder_on_one_host_goes_by_ports() {
    let step = Step {
        ts_us: 0,
        src: "127.0.0.1:5060".parse().unwrap(),
        dst: "127.0.0.1:5070".parse().unwrap(),
        text: "INVITE".into(),
    };
    let text = ladder::ladder(&[step]);
    assert!(text.contains("127.0.0.1:5060") && text.contains("127.0.0.1:5070"), "{text}");
    assert!(text.contains("->"));
}

#[test]
fn more_hosts_than_lanes_are_written_out() {
    let steps: Vec<Step> = (1..20)
        .map(|n: u8| Step {
            ts_us: u64::from(n),
            src: ([10, 0, 0, n], 5060).into(),
            dst: ([10, 0, 0, n + 1], 5060).into(),
            text: "INVITE".into(),
        })
        .collect();
    let text = ladder::ladder(&steps);
    assert_eq!(text.lines().count(), 21);
    assert!(text.contains("10.0.0.19:5060 > 10.0.0.20:5060 INVITE"), "{text}");
    assert_eq!(ladder::ladder(&[]), "");
}

#[test]
fn streams_without_a_call_have_a_table() {
    let lone = LoneStream { id: 5, id_sensor: 0, stream: stream(Side::Caller, 2), after: None };
    let mut out = Vec::new();
    streams_table(&[lone], &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("\nStreams without a call\nID  began (UTC)"), "{text}");
    assert!(text.contains("deadbeef  PCMA   10.000      498     2    0.40"), "{text}");
}

#[test]
fn a_reader_that_goes_away_ends_the_list() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (_dir, mut store) = store(3);
    for format in [Format::Table, Format::Json, Format::Csv] {
        let error = calls(store.as_mut(), &Filter::default(), format, &mut Gone).unwrap_err();
        assert!(matches!(error, QueryError::Print(_)));
    }
}

#[test]
fn branches_transfers_and_marks_are_told() {
    let mut one = call(7);
    let branch = |tag: &str, won| ringtap_cdr::record::dialog::Branch {
        tag: tag.into(),
        cseq: 1,
        addr: "10.0.0.2:5060".parse().unwrap(),
        number: "201".into(),
        domain: "b".into(),
        agent: "".into(),
        first_us: BEGAN_US + 100_000,
        ringing_us: None,
        answered_us: Some(BEGAN_US + 900_000),
        ended_us: None,
        bye: 1,
        response_num: 200,
        response: "200 OK".into(),
        reason_sip: Reason::default(),
        reason_q850: Reason::default(),
        won,
    };
    one.hold = "2.000-3.000".into();
    one.dialog.marks = "early_media forked".into();
    one.dialog.dialled = "0200".into();
    one.dialog.branches = vec![branch("a\u{7}", false), branch("b", true)];
    one.dialog.transfers = vec![ringtap_cdr::record::dialog::Transfer {
        at_us: BEGAN_US + 5_000_000,
        by: Side::Callee,
        refer_to: "<sip:3@c>".into(),
        number: "3".into(),
        attended: true,
        status: Some(202),
        result: Some(200),
    }];
    one.dialog.timer = Some(ringtap_cdr::record::dialog::Timer {
        expires_s: 90,
        refresher: Some(Side::Caller),
        refreshes: 2,
        missed: true,
        ended_call: false,
    });
    let text = one::text(&one);
    for line in [
        "way       dialled 0200\n",
        "on hold   2.000-3.000\n",
        "session   timer of 90 s, refreshed by the caller, 2 times, a refresh was missed\n",
        "marks     early media, forked\n",
        "0.100     0.900      -  carried the call\n",
        "attended transfer at 5.000 s by the callee to <sip:3@c>, answered 202, outcome 200\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains('\u{7}'));
}

#[test]
fn sums_as_a_table_and_as_json() {
    let (_dir, mut store) = store(2);
    let mut print = |json, filter: &Filter| {
        let mut out = Vec::new();
        summary(store.as_mut(), filter, json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let text = print(false, &Filter::default());
    assert!(text.starts_with("calls   "), "{text}");
    assert!(text.contains("ASR   answered                                  100.00 %"), "{text}");
    assert!(text.contains("SRD, s                            0          -"), "{text}");
    let parsed: serde_json::Value = serde_json::from_str(&print(true, &Filter::default())).unwrap();
    assert_eq!((&parsed["calls"], &parsed["scr"]), (&2.into(), &100.0.into()));
    assert_eq!(parsed["acd"]["p95"], 10.0);
    assert_eq!(parsed["srd"]["mean"], serde_json::Value::Null);
    let none = Filter { response: Some(486), ..Filter::default() };
    assert!(print(true, &none).contains("\"asr\":null"));
}
