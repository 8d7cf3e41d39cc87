//! The tables of what is outside of calls, with real files.

use super::raw;
use crate::filter::outside::OutsideFilter;
use crate::fixture;
use crate::outside::{RegisterRecord, RegisterState, TransactionRecord};
use crate::record::Record;
use crate::sql::Database;
use crate::sqlite::create;
use crate::store::{Store, Written};
use std::ops::ControlFlow::Continue;

fn store() -> (tempfile::TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir.path().join("a.db")).unwrap();
    (dir, store)
}

fn transaction(n: u64, method: &str) -> TransactionRecord {
    fixture::transaction(n, method)
}

fn registers(store: &mut Database, filter: &OutsideFilter) -> Vec<RegisterRecord> {
    let mut found = Vec::new();
    let mut each = |record| {
        found.push(record);
        Continue(())
    };
    store.registers(filter, &mut each).unwrap();
    found
}

fn requests(store: &mut Database, filter: &OutsideFilter) -> [Vec<TransactionRecord>; 2] {
    let (mut messages, mut others) = (Vec::new(), Vec::new());
    let into = |found: &mut Vec<_>, record| {
        found.push(record);
        Continue(())
    };
    store.messages(filter, &mut |record| into(&mut messages, record)).unwrap();
    store.requests(filter, &mut |record| into(&mut others, record)).unwrap();
    [messages, others]
}

fn asked(name: &str, value: &str) -> OutsideFilter {
    let mut filter = OutsideFilter::default();
    filter.set(name, value, fixture::CALLDATE_US + 1).unwrap();
    filter
}

#[test]
fn what_went_in_comes_back_and_twice_is_once() {
    let (_dir, mut store) = store();
    let (message, options) = (transaction(5, "MESSAGE"), transaction(6, "OPTIONS"));
    let empty = TransactionRecord { id: 9, ..TransactionRecord::default() };
    let register = fixture::register(7);
    let failed =
        RegisterRecord { state: RegisterState::Failed, counter: 3, ..fixture::register(8) };
    let batch: Vec<Record> = [&message, &options, &empty]
        .map(|t| Record::Transaction(Box::new(t.clone())))
        .into_iter()
        .chain([&register, &failed].map(|r| Record::Register(Box::new(r.clone()))))
        .collect();
    assert_eq!(store.write(&batch).unwrap(), Written { inserted: 5, ..Written::default() });
    assert_eq!(store.write(&batch).unwrap(), Written { present: 5, ..Written::default() });
    let all = OutsideFilter::default();
    assert_eq!(requests(&mut store, &all), [vec![message], vec![empty, options]]);
    assert_eq!(registers(&mut store, &all), [register, failed]);
}

#[test]
fn another_record_with_a_taken_id_gets_the_next() {
    let (_dir, mut store) = store();
    let first = Record::Register(Box::new(fixture::register(7)));
    let other = RegisterRecord { register_key: 1, ..fixture::register(7) };
    let written = store.write(&[first, Record::Register(Box::new(other))]).unwrap();
    assert_eq!(written, Written { inserted: 2, present: 0, renumbered: 1 });
    let ids: Vec<u64> =
        registers(&mut store, &OutsideFilter::default()).iter().map(|r| r.id).collect();
    assert_eq!(ids, [7, 8]);
}

#[test]
fn each_filter_finds_its_records() {
    let (_dir, mut store) = store();
    let mut late = transaction(6, "NOTIFY");
    late.first_us += 1_000_000;
    late.caller.agent = "Other".into();
    late.response_num = None;
    let expired = RegisterRecord {
        state: RegisterState::Expired,
        register_key: fixture::register(1).register_key,
        created_us: fixture::CALLDATE_US + 300_000_000,
        ..fixture::register(3)
    };
    let batch = [
        Record::Transaction(Box::new(transaction(5, "OPTIONS"))),
        Record::Transaction(Box::new(late)),
        Record::Register(Box::new(fixture::register(1))),
        Record::Register(Box::new(fixture::register(2))),
        Record::Register(Box::new(expired)),
    ];
    store.write(&batch).unwrap();
    for (name, value, found, changes) in [
        ("since", "2026-11-22T21:17:19Z", &[6][..], &[3][..]),
        ("caller", "+493010", &[5, 6], &[]),
        ("caller", "102", &[], &[2]),
        ("ip", "10.0.0.0/8", &[5, 6], &[1, 2, 3]),
        ("ip", "10.9.0.0/16", &[], &[]),
        ("response", "200", &[5], &[1, 2, 3]),
        ("agent", "OTHER", &[6], &[]),
        ("method", "NOTIFY", &[6], &[1, 2, 3]),
        ("state", "expired", &[5, 6], &[3]),
        ("limit", "1", &[6], &[3]),
        ("sensor", "4", &[], &[]),
    ] {
        let filter = asked(name, value);
        let [_, others] = requests(&mut store, &filter);
        let ids: Vec<u64> = others.iter().map(|t| t.id).collect();
        assert_eq!(ids, found, "{name} {value}");
        let ids: Vec<u64> = registers(&mut store, &filter).iter().map(|r| r.id).collect();
        assert_eq!(ids, changes, "{name} {value}");
    }
    let current = OutsideFilter { current: true, ..OutsideFilter::default() };
    let ids: Vec<u64> = registers(&mut store, &current).iter().map(|r| r.id).collect();
    assert_eq!(ids, [2, 3]);
    let still = OutsideFilter { current: true, ..asked("state", "registered") };
    assert_eq!(registers(&mut store, &still).len(), 1);
}

#[test]
fn a_query_that_knows_the_schema_works() {
    let (dir, mut store) = store();
    let batch = [
        Record::Transaction(Box::new(transaction(5, "MESSAGE"))),
        Record::Transaction(Box::new(transaction(6, "OPTIONS"))),
        Record::Register(Box::new(fixture::register(7))),
        Record::Register(Box::new(RegisterRecord {
            state: RegisterState::Failed,
            counter: 3,
            ..fixture::register(8)
        })),
    ];
    store.write(&batch).unwrap();
    let file = raw(&dir.path().join("a.db"));
    let line = |sql: &str| -> String { file.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        line(
            "SELECT caller || ' ' || called_reverse || ' ' || hex(sipcallerip) || ' ' || \
             lastSIPresponse || ' ' || contenttype.contenttype || ' ' || content_length || ' ' \
             || response_time || ' ' || fbasename FROM message \
             JOIN contenttype ON contenttype.id = id_contenttype \
             JOIN cdr_sip_response ON cdr_sip_response.id = lastSIPresponse_id"
        ),
        "+49301005 002 0A000001 200 OK text/plain 12 701 call-5@example.com"
    );
    assert_eq!(
        line(
            "SELECT type || ' ' || number_src || ' ' || response_number || ' ' || \
             response_duration_ms || ' ' || qualify_ok || ' ' || request_repetition || ' ' || \
             request_time_us FROM sip_msg"
        ),
        "1 +49301006 200 701 1 1 123456"
    );
    assert_eq!(
        line("SELECT state || ' ' || expires || ' ' || digestusername FROM register_state"),
        "1 300 alice"
    );
    assert_eq!(line("SELECT counter || ' ' || contact_num FROM register_failed"), "3 108");
}
