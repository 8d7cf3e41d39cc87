//! The store with real files.

mod headers;
mod legs;
mod outside;

use super::schema::CURRENT;

use super::*;
use crate::filter::Filter;
use crate::fixture;
use crate::record::{CallRecord, LogLine, Record};
use crate::store::{Counts, Store, Written};
use std::ops::ControlFlow::{Break, Continue};

fn at(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    (dir, path)
}

/// The same file by the library alone.
fn raw(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn calls_of(store: &mut Database, filter: &Filter) -> Vec<CallRecord> {
    let mut found = Vec::new();
    let mut each = |call| {
        found.push(call);
        Continue(())
    };
    store.calls(filter, &mut each).unwrap();
    found
}

fn ids(store: &mut Database, filters: &[(&str, &str)]) -> Vec<u64> {
    let mut filter = Filter::default();
    for (name, value) in filters {
        filter.set(name, value, fixture::CALLDATE_US + 3_600_000_000).unwrap();
    }
    calls_of(store, &filter).iter().map(|call| call.id).collect()
}

fn boxed(call: CallRecord) -> Record {
    Record::Call(Box::new(call))
}

#[test]
fn a_call_comes_back_as_it_went_in() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let call = fixture::call(7);
    let written = store.write(&[boxed(call.clone()), fixture::lone(8)]).unwrap();
    assert_eq!(written, Written { inserted: 2, present: 0, renumbered: 0 });

    let mut store = open(&path).unwrap();
    assert_eq!(store.call(7).unwrap(), Some(call.clone()));
    assert_eq!(store.call_by_callid(&call.callid).unwrap(), Some(call.clone()));
    assert_eq!(store.find("7").unwrap(), Some(call.clone()));
    assert_eq!(store.find(&call.callid).unwrap(), Some(call.clone()));
    assert_eq!(store.find("8").unwrap(), None);
    let listed = calls_of(&mut store, &Filter::default());
    assert_eq!(listed, [CallRecord { ladder: Vec::new(), ..call }]);
    let Record::Stream(lone) = fixture::lone(8) else { panic!("not a stream") };
    assert_eq!(store.stream(8).unwrap(), Some(*lone));
    assert_eq!(store.counts().unwrap(), Counts { calls: 1, streams: 1, lone_streams: 1 });
}

#[test]
fn streams_after_a_call_are_found_with_it_and_no_other() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let Record::Stream(mut lone) = fixture::lone(8) else { panic!("not a stream") };
    lone.after = Some(fixture::after(7));
    let mut again = fixture::call(6);
    again.call_key = fixture::call(7).call_key;
    again.instance += 1;
    let records = [boxed(fixture::call(7)), boxed(again), Record::Stream(lone.clone())];
    store.write(&records).unwrap();
    assert_eq!(store.call(7).unwrap().unwrap().after, [lone.stream]);
    assert_eq!(store.call(6).unwrap().unwrap().after, []);
}

#[test]
fn a_call_of_which_nothing_is_known_is_stored() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    store.write(&[boxed(CallRecord::default())]).unwrap();
    let found = calls_of(&mut store, &Filter::default());
    assert_eq!(found.len(), 1);
    assert_ne!(found[0].id, 0);
    assert_eq!(CallRecord { id: 0, ..found[0].clone() }, CallRecord::default());
}

#[test]
fn a_batch_that_is_sent_again_doubles_nothing() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let batch: Vec<Record> =
        (1..50).map(|n| boxed(fixture::call(n))).chain([fixture::lone(1)]).collect();
    assert_eq!(store.write(&batch[..20]).unwrap().inserted, 20);
    assert_eq!(store.write(&batch).unwrap(), Written { inserted: 30, present: 20, renumbered: 0 });
    assert_eq!(store.write(&batch).unwrap().present, 50);
    assert_eq!(store.counts().unwrap(), Counts { calls: 49, streams: 49, lone_streams: 1 });
    let digits = "SELECT count(*) FROM cdr_dtmf";
    let count = raw(&path).query_row(digits, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count, 49);
}

#[test]
fn two_calls_with_one_id_are_both_kept() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let other = CallRecord { callid: "another".into(), ..fixture::call(5) };
    let batch = [boxed(fixture::call(5)), boxed(other.clone())];
    assert_eq!(store.write(&batch).unwrap(), Written { inserted: 2, present: 0, renumbered: 1 });
    assert_eq!(store.write(&batch).unwrap(), Written { present: 2, ..Written::default() });
    assert_eq!(store.call(6).unwrap(), Some(CallRecord { id: 6, ..other }));

    let Record::Stream(mut lone) = fixture::lone(5) else { panic!("not a stream") };
    lone.stream.ssrc = 1;
    let batch = [fixture::lone(5), Record::Stream(lone)];
    assert_eq!(store.write(&batch).unwrap().renumbered, 1);
    assert_eq!(store.write(&batch).unwrap().present, 2);
}

#[test]
fn each_filter_finds_its_calls_and_no_others() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let first = fixture::call(1);
    let mut second = fixture::call(2);
    second.calldate_us += 60_000_000;
    second.callend_us += 60_000_000;
    second.id_sensor = 0;
    second.tunnel = None;
    second.caller.number = "al%ice".into();
    second.called.number = "300".into();
    second.caller.addr = Some("192.168.1.9:5060".parse().unwrap());
    second.called.addr = None;
    second.caller.agent = "Soft_Phone 100%".into();
    second.last_sip_response_num = Some(486);
    second.streams[0].codec = "opus".into();
    second.streams[0].src = "172.16.0.1:1000".parse().unwrap();
    second.streams[0].dst = "172.16.0.2:1000".parse().unwrap();
    second.streams[0].mos.min = Some(2.5);
    store.write(&[boxed(first), boxed(second)]).unwrap();

    assert_eq!(ids(&mut store, &[]), [1, 2]);
    for (name, value, found) in [
        ("since", "2026-11-22T21:17:18.123457Z", &[2][..]),
        ("since", "2026-11-22T21:17:18.123456Z", &[1, 2]),
        ("until", "2026-11-22T21:18:00Z", &[1]),
        ("until", "2026-11-22T21:17:18.123456Z", &[]),
        ("since", "-59m", &[2]),
        ("caller", "+4930", &[1]),
        ("caller", "al%", &[2]),
        ("caller", "al_ce", &[]),
        ("called", "30", &[2]),
        ("ip", "10.0.0.0/24", &[1]),
        ("ip", "2001:db8::/64", &[1]),
        ("ip", "192.168.1.9", &[2]),
        ("ip", "172.16.0.2", &[2]),
        ("ip", "0.0.0.0/0", &[1, 2]),
        ("sensor", "3", &[1]),
        ("sensor", "0", &[2]),
        ("response", "486", &[2]),
        ("mos-below", "3.6", &[2]),
        ("mos-below", "2.5", &[]),
        ("codec", "OPUS", &[2]),
        ("codec", "pcma", &[1]),
        ("agent", "soft_phone", &[2]),
        ("agent", "softyphone", &[]),
        ("agent", "100%", &[2]),
        ("tunnel", "vxlan", &[1]),
        ("tunnel", "vxlan:4660", &[1]),
        ("tunnel", "vxlan:4661", &[]),
        ("tunnel", "mpls", &[]),
        ("limit", "1", &[2]),
        ("limit", "0", &[]),
    ] {
        assert_eq!(ids(&mut store, &[(name, value)]), found, "{name} {value}");
    }
    assert_eq!(ids(&mut store, &[("response", "200"), ("codec", "PCMA")]), [1]);
    assert_eq!(ids(&mut store, &[("response", "200"), ("codec", "opus")]), [0; 0]);
    assert_eq!(ids(&mut store, &[("response", "200"), ("limit", "1")]), [1]);
}

#[test]
fn streams_without_a_call_are_found_by_what_they_have() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    store.write(&[fixture::lone(1), fixture::lone(2)]).unwrap();
    let mut count = |name: &str, value: &str| {
        let mut filter = Filter::default();
        filter.set(name, value, 0).unwrap();
        let mut count = 0;
        let mut each = |_| {
            count += 1;
            Continue(())
        };
        store.streams(&filter, &mut each).unwrap();
        count
    };
    assert_eq!(count("ip", "10.0.0.0/8"), 2);
    assert_eq!(count("ip", "10.0.1.0/24"), 0);
    assert_eq!(count("caller", "1"), 0);
    assert_eq!(count("codec", "pcma"), 2);
    assert_eq!(count("mos-below", "4.2"), 2);
    assert_eq!(count("sensor", "4"), 0);
    assert_eq!(count("limit", "1"), 1);
}

#[test]
fn reading_stops_when_it_is_told_to() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let batch: Vec<Record> = (1..10).map(|n| boxed(fixture::call(n))).collect();
    store.write(&batch).unwrap();
    let mut seen = 0;
    let mut each = |_| {
        seen += 1;
        if seen == 3 { Break(()) } else { Continue(()) }
    };
    store.calls(&Filter::default(), &mut each).unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_query_that_knows_the_schema_works() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    store.write(&[boxed(fixture::call(7))]).unwrap();
    let sql = "SELECT cdr.caller || ' ' || cdr_sip_response.lastSIPresponse || ' ' || a_lost \
               || ' ' || a_mos_f1_mult10 || ' ' || cdr.duration || ' ' || hex(sipcallerip) \
               || ' ' || fbasename || ' ' || caller_reverse || ' ' || cdr_rtp.received \
               || ' ' || cdr_rtp.flags || ' ' || cdr_ua.ua || ' ' || cdr_reason.reason \
               FROM cdr JOIN cdr_next ON cdr_next.cdr_ID = cdr.ID \
               AND cdr_next.calldate = cdr.calldate \
               JOIN cdr_rtp ON cdr_rtp.cdr_ID = cdr.ID \
               JOIN cdr_sip_response ON cdr_sip_response.id = lastSIPresponse_id \
               JOIN cdr_ua ON cdr_ua.id = a_ua_id \
               JOIN cdr_reason ON cdr_reason.id = reason_q850_text_id \
               WHERE cdr.calldate BETWEEN '2026-11-22 21:17:18' AND '2026-11-22 21:17:19'";
    let line: String = raw(&path).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        line,
        "+49301007 200 OK 2 43 12.5 0A000001 call-7@example.com 70010394+ 498 6 phone/1.0 \
         Normal call clearing"
    );
}

#[test]
fn hostile_texts_are_kept_harmless() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let mut call = fixture::call(1);
    call.callid = format!("../../etc/passwd\0\u{1b}{}", "é".repeat(5_000)).into();
    call.caller.number = "'; DROP TABLE cdr; --".into();
    call.caller.agent = "x".repeat(70_000).into();
    call.ladder[0].text = "a\tb\nc".into();
    store.write(&[boxed(call.clone())]).unwrap();
    assert_eq!(store.write(&[boxed(call.clone())]).unwrap().present, 1);
    let found = store.call(1).unwrap().unwrap();
    assert_eq!(found.caller.number, call.caller.number);
    assert_eq!(found.caller.agent.len(), 512);
    assert_eq!(found.ladder.len(), 2);
    assert_eq!(found.ladder[0].text, "a\u{fffd}b\u{fffd}c");
    let name: String =
        raw(&path).query_row("SELECT fbasename FROM cdr_next", [], |row| row.get(0)).unwrap();
    assert!(name.starts_with(".._.._etc_passwd__"), "{name}");
}

#[test]
fn a_reader_in_the_middle_of_writing_sees_whole_batches() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    store.write(&[boxed(fixture::call(1))]).unwrap();
    let mut reader = open(&path).unwrap();
    let writing = raw(&path);
    let writer = writing.unchecked_transaction().unwrap();
    writer.execute("DELETE FROM cdr", []).unwrap();
    assert_eq!(reader.counts().unwrap().calls, 1);
    writer.commit().unwrap();
    assert_eq!(reader.counts().unwrap().calls, 0);
}

#[test]
fn a_locked_database_is_said_and_the_batch_can_be_sent_again() {
    let (_dir, path) = at("a.db");
    drop(create(&path).unwrap());
    let mut holder = raw(&path);
    let mut second = connect(&path, OpenFlags::empty(), 10).unwrap();
    let lock = holder.transaction_with_behavior(TransactionBehavior::Immediate);
    let lock = lock.unwrap();
    let error = second.write(&[boxed(fixture::call(1))]).unwrap_err();
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        format!("{}: locked by another process for more than 10 ms", path.display())
    );
    drop(lock);
    assert_eq!(second.write(&[boxed(fixture::call(1))]).unwrap().inserted, 1);
}

#[test]
fn a_failed_batch_leaves_nothing_and_no_false_memory() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let ban = "CREATE TRIGGER ban BEFORE INSERT ON cdr_dtmf WHEN new.dtmf = 'X' \
               BEGIN SELECT RAISE(ABORT, 'no'); END";
    raw(&path).execute_batch(ban).unwrap();
    let mut bad = fixture::call(2);
    bad.dtmf[0].digit = 'X';
    let error = store.write(&[boxed(fixture::call(1)), boxed(bad)]).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1);
    assert_eq!(store.counts().unwrap(), Counts::default());
    store.write(&[boxed(fixture::call(1))]).unwrap();
    assert_eq!(store.call(1).unwrap(), Some(fixture::call(1)));
}

#[test]
fn files_that_are_no_database_of_ours_get_one_line() {
    let (dir, path) = at("a.db");
    let line = |path: &Path| open(path).map_or_else(|e| e.to_string(), |_| "ok".into());
    let shown = path.display();
    assert!(line(&path).starts_with(&format!("{shown}: cannot open the database: No such file")));

    std::fs::write(&path, "this is a text file, not a database, and long enough").unwrap();
    let expected = format!("{shown}: not a ringtap database (the file is not SQLite)");
    assert_eq!(line(&path), expected);

    let path = dir.path().join("foreign.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE cdr (x)").unwrap();
    assert!(line(&path).ends_with("(it has tables of another program)"));

    let path = dir.path().join("newer.db");
    drop(create(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let newer = format!("made by a newer ringtap (schema 99; this one knows up to {CURRENT})");
    assert!(line(&path).contains(&newer));

    assert!(line(dir.path()).starts_with(&format!("{}: cannot", dir.path().display())));
    let absent = dir.path().join("no/such/a.db");
    let error = create(&absent).unwrap_err().to_string();
    assert!(error.contains("there is no directory"), "{error}");
}

#[test]
fn a_damaged_database_gets_one_line() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let batch: Vec<Record> = (1..200).map(|n| boxed(fixture::call(n))).collect();
    store.write(&batch).unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    // All but the first page, which says what the file is.
    for byte in bytes.iter_mut().skip(8192) {
        *byte = 0xa5;
    }
    std::fs::write(&path, bytes).unwrap();
    let error = open(&path)
        .and_then(|mut store| store.calls(&Filter::default(), &mut |_| Continue(())))
        .unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[test]
fn processes_that_start_at_once_make_one_schema() {
    let (_dir, path) = at("a.db");
    let starts: Vec<_> = (1..=4)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut store = create(&path).unwrap();
                store.write(&[boxed(fixture::call(n))]).unwrap().inserted
            })
        })
        .collect();
    for start in starts {
        assert_eq!(start.join().unwrap(), 1);
    }
    let mut store = open(&path).unwrap();
    assert_eq!(store.counts().unwrap().calls, 4);
    let sql = "SELECT count(*) FROM system WHERE type = 'ringtap_schema'";
    let count: i64 = raw(&path).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(count, CURRENT);
}

#[test]
fn branches_and_side_tables_have_the_schema_s_rows() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let mut call = fixture::call(7);
    let told = |us, text: &str, status| crate::record::dialog::Told {
        since_us: us,
        text: text.into(),
        status,
    };
    call.dialog.side_tables = crate::record::dialog::SideTables {
        sdp: vec![crate::record::dialog::Announced {
            addr: "10.0.0.1:4000".parse().unwrap(),
            side: crate::record::Side::Caller,
            ptime_ms: Some(20),
        }],
        proxies: vec!["10.0.0.9".parse().unwrap(), "10.0.0.2".parse().unwrap()],
        responses: vec!["180 Ringing".into(), "200 OK".into()],
        history: vec![told(12_000, "BYE", None), told(13_000, "200 OK", Some(200))],
    };
    store.write(&[boxed(call.clone()), boxed(CallRecord { id: 8, ..call })]).unwrap();
    let text = |sql: &str| {
        let c = raw(&path);
        let mut statement = c.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cell = |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                rusqlite::types::Value::Null => "-".to_owned(),
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            };
            Ok((0..width).map(cell).collect::<Vec<_>>().join(" "))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(
        text(
            "SELECT called, called_reverse, hex(sipcalledip), hex(proxyip_1), proxyip_2, bye, \
             lastSIPresponse, reason_q850_cause, reason, ua, call_id FROM cdr_next_branches b \
             LEFT JOIN cdr_sip_response r ON r.id = b.lastSIPresponse_id \
             LEFT JOIN cdr_reason q ON q.id = b.reason_q850_text_id \
             LEFT JOIN cdr_ua u ON u.id = b.b_ua_id WHERE cdr_ID = 7"
        ),
        [
            "201 102 0A000002 0A000009 - 1 486 Busy Here 17 User busy phone/2.0 call-7@example.com",
            "201 102 0A000002 0A000009 - 1 200 OK 17 User busy phone/2.0 call-7@example.com"
        ]
    );
    assert_eq!(
        text("SELECT hex(ip), port, is_caller, ptime FROM cdr_sdp WHERE cdr_ID = 7"),
        ["0A000001 4000 1 20"]
    );
    assert_eq!(text("SELECT hex(dst) FROM cdr_proxy WHERE cdr_ID = 7"), ["0A000009", "0A000002"]);
    assert_eq!(
        text(
            "SELECT lastSIPresponse, SIPresponseNum FROM cdr_sipresp s \
             JOIN cdr_sip_response r ON r.id = s.SIPresponse_id WHERE cdr_ID = 8"
        ),
        ["180 Ringing 180", "200 OK 200"]
    );
    assert_eq!(
        text(
            "SELECT time, request, lastSIPresponse, SIPresponseNum FROM cdr_siphistory h \
             LEFT JOIN cdr_sip_request q ON q.id = h.SIPrequest_id \
             LEFT JOIN cdr_sip_response r ON r.id = h.SIPresponse_id WHERE cdr_ID = 7"
        ),
        ["12000 BYE - -", "13000 - 200 OK 200"]
    );
}

#[test]
fn a_database_of_the_first_version_is_brought_up_and_its_calls_stay() {
    let (_dir, path) = at("a.db");
    {
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(include_str!("../schema/schema.sql")).unwrap();
        old.execute_batch(
            "PRAGMA application_id = 0x52544150; PRAGMA user_version = 1;
             INSERT INTO cdr (ID, calldate, callend) VALUES (5, '2026-11-22', '2026-11-22');
             INSERT INTO ringtap_cdr VALUES (5, '2026-11-22', 1, 2, 'old', 3, 4, NULL, 0, 1, 0);",
        )
        .unwrap();
    }
    let mut store = create(&path).unwrap();
    let old = store.call(5).unwrap().unwrap();
    assert_eq!((old.callid.as_str(), &old.dialog), ("old", &crate::Dialog::default()));
    store.write(&[boxed(fixture::call(7))]).unwrap();
    assert_eq!(store.call(7).unwrap(), Some(fixture::call(7)));
}

#[test]
fn sums_are_over_the_calls_that_a_filter_finds() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let busy = CallRecord {
        connect_duration_us: None,
        bye: 0,
        last_sip_response_num: Some(486),
        streams: Vec::new(),
        dialog: crate::Dialog { srd_failed_us: Some(50_000), ..crate::Dialog::default() },
        ..fixture::call(3)
    };
    store.write(&[boxed(fixture::call(1)), boxed(fixture::call(2)), boxed(busy)]).unwrap();
    let sum = |store: &mut Database, filter: &Filter| {
        let mut totals = crate::Totals::default();
        store.facts(filter, &mut |fact| totals.add(&fact)).unwrap();
        totals
    };
    let all = sum(&mut store, &Filter::default());
    assert_eq!((all.calls, all.answered, all.completed, all.refused_by_user), (3, 2, 2, 1));
    assert_eq!((all.srd.count(), all.srd.mean()), (2, Some(0.09)));
    assert_eq!(
        (all.srd_failed.mean(), all.sdd.mean(), all.sdt.mean()),
        (Some(0.05), Some(0.001), Some(10.0))
    );
    assert_eq!((all.mos.count(), all.mos_min.count()), (2, 2));
    assert!(all.mos.mean().is_some_and(|mos| (mos - 4.3).abs() < 1e-6));
    let mut filter = Filter { agent: Some("PHONE".into()), ..Filter::default() };
    assert_eq!(sum(&mut store, &filter).calls, 3);
    filter.response = Some(486);
    assert_eq!(sum(&mut store, &filter).calls, 1);
    filter = Filter { limit: Some(2), ..Filter::default() };
    assert_eq!(sum(&mut store, &filter).calls, 2);
}

#[test]
fn lines_of_logs_are_found_with_the_call_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(&dir.path().join("a.db")).unwrap();
    let call = fixture::call(7);
    let line = |id: u64, call_key: u64, text: &str| LogLine {
        id,
        id_sensor: 3,
        ts_us: call.calldate_us + id,
        reporter: Some([10, 0, 0, 1].into()),
        agent: 9,
        call_key,
        callid: call.callid.clone(),
        text: text.to_owned(),
    };
    let (second, first) = (line(92, call.call_key, "b"), line(91, call.call_key, "a \"quote\""));
    let other = line(93, call.call_key ^ 1, "another realm's");
    let records = [&second, &first, &other].map(|line| Record::Log(Box::new(line.clone())));
    assert_eq!(store.write(&records).unwrap().inserted, 3);
    assert_eq!(store.write(&records).unwrap().present, 3, "sent a second time");
    store.write(&[boxed(call)]).unwrap();
    let call = store.call(7).unwrap().unwrap();
    assert_eq!(call.log, [first, second]);
    let mut text = String::new();
    crate::json::push_call(&mut text, &call);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["log"][0]["text"], "a \"quote\"");
    assert_eq!((&json["log"][1]["agent"], &json["log"][1]["type"]), (&9.into(), &"log".into()));
}

#[test]
fn voice_quality_reports_are_found_with_the_call_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(&dir.path().join("a.db")).unwrap();
    let report = |id| Record::Vq(Box::new(fixture::vq(id, 7)));
    let mut other = fixture::vq(93, 7);
    other.call_key ^= 1;
    let batch = [report(91), boxed(fixture::call(7)), Record::Vq(Box::new(other))];
    assert_eq!(store.write(&batch).unwrap().inserted, 3);
    assert_eq!(store.write(&[report(91)]).unwrap().present, 1, "sent a second time");
    let call = store.call(7).unwrap().unwrap();
    assert_eq!(call.vq, [fixture::vq(91, 7)], "not that of another realm");
    let later: Vec<Record> = (100..140).map(report).collect();
    store.write(&later).unwrap();
    let ids: Vec<u64> = store.call(7).unwrap().unwrap().vq.iter().map(|one| one.id).collect();
    assert_eq!(ids, (108..140).collect::<Vec<_>>(), "the latest");
    let mut line = String::new();
    crate::json::push_call(&mut line, &call);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["vq_reports"][0]["local_mos_lq"], 4.2);
    assert_eq!(json["vq_reports"][0]["remote_round_trip_ms"], 40.0);
}
