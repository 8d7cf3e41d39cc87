//! The store with a real server, and beside SQLite.

use super::*;
use crate::filter::Filter;
use crate::filter::outside::OutsideFilter;
use crate::fixture;
use crate::record::{CallRecord, LogLine, Record};
use crate::sqlite;
use crate::store::totals::Totals;
use crate::store::{Counts, Store, Written};
use ringtap_testkit::mariadb::MariaDb;
use std::ops::ControlFlow::Continue;

struct Lab {
    folder: tempfile::TempDir,
    server: MariaDb,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = MariaDb::start(folder.path()).unwrap();
        Self { folder, server }
    }

    fn place(&self) -> MysqlOptions {
        MysqlOptions { port: self.server.port, ..MysqlOptions::default() }
    }

    fn sql(&self, sql: &str) -> String {
        self.server.sql(sql).unwrap()
    }
}

fn boxed(call: CallRecord) -> Record {
    Record::Call(Box::new(call))
}

fn records() -> Vec<Record> {
    let odd = CallRecord { callid: "ünïcode ' \" \\ 😀 %_".into(), ..fixture::call(31) };
    let mut records: Vec<Record> = (1..30).map(|n| boxed(fixture::call(n))).collect();
    records.push(boxed(odd));
    records.push(boxed(CallRecord { calldate_us: fixture::CALLDATE_US, ..CallRecord::default() }));
    records.extend((40..50).map(fixture::lone));
    records.push(Record::Vq(Box::new(fixture::vq(60, 7))));
    records.push(Record::Log(Box::new(LogLine {
        id: 61,
        ts_us: fixture::CALLDATE_US,
        call_key: fixture::call(7).call_key,
        callid: fixture::call(7).callid,
        text: "a line".into(),
        ..LogLine::default()
    })));
    for n in 70..80 {
        records.push(Record::Transaction(Box::new(fixture::transaction(n, "MESSAGE"))));
        records.push(Record::Transaction(Box::new(fixture::transaction(n + 20, "OPTIONS"))));
        records.push(Record::Register(Box::new(fixture::register(n + 50))));
    }
    records
}

/// All that a store tells by a filter, as text.
fn told(store: &mut dyn Store, filter: &Filter) -> String {
    let mut out = String::new();
    let mut each = |call: CallRecord| {
        out.push_str(&format!("{call:?}\n"));
        Continue(())
    };
    store.calls(filter, &mut each).unwrap();
    let mut each = |lone| {
        out.push_str(&format!("{lone:?}\n"));
        Continue(())
    };
    store.streams(filter, &mut each).unwrap();
    let mut totals = Totals::default();
    store.facts(filter, &mut |fact| totals.add(&fact)).unwrap();
    out.push_str(&format!("{} {:?}\n", totals.calls, totals.mos.mean()));
    let outside = OutsideFilter { filter: filter.clone(), ..OutsideFilter::default() };
    let mut each = |register| {
        out.push_str(&format!("{register:?}\n"));
        Continue(())
    };
    store.registers(&outside, &mut each).unwrap();
    let mut each = |one| {
        out.push_str(&format!("{one:?}\n"));
        Continue(())
    };
    store.messages(&outside, &mut each).unwrap();
    store.requests(&outside, &mut each).unwrap();
    out
}

const FILTERS: &[&[(&str, &str)]] = &[
    &[],
    &[("limit", "3")],
    &[("since", "-1h")],
    &[("until", "-1h")],
    &[("caller", "alice")],
    &[("caller", "ALICE")],
    &[("called", "+4")],
    &[("ip", "10.0.0.0/8")],
    &[("ip", "2001:db8::/32")],
    &[("sensor", "0")],
    &[("sensor", "7")],
    &[("response", "200")],
    &[("mos-below", "4.3")],
    &[("codec", "pcmu")],
    &[("agent", "PHONE")],
    &[("agent", "%")],
    &[("header", "x-account=*")],
    &[("header", "X-Account=*7*")],
    &[("header", "X-Account=*7")],
    &[("header", "X-Account=7*")],
    &[("tunnel", "vxlan")],
    &[("tunnel", "vxlan:42")],
];

#[test]
fn records_and_filters_are_those_of_sqlite() {
    let lab = Lab::new();
    let mut file = sqlite::create(&lab.folder.path().join("a.db")).unwrap();
    let mut server = create(lab.place()).unwrap();
    let records = records();
    let written = server.write(&records).unwrap();
    assert_eq!(written, file.write(&records).unwrap());
    assert_eq!(written.inserted, records.len() as u64);
    assert_eq!(server.counts().unwrap(), file.counts().unwrap());
    let mut found = 0;
    for asked in FILTERS {
        let mut filter = Filter::default();
        for (name, value) in *asked {
            if *name == "limit" {
                filter.limit = value.parse().ok();
            } else {
                filter.set(name, value, fixture::CALLDATE_US + 3_600_000_000).unwrap();
            }
        }
        let text = told(&mut file, &filter);
        for (ours, theirs) in told(&mut server, &filter).lines().zip(text.lines()) {
            assert_eq!(ours, theirs, "{asked:?}");
        }
        assert_eq!(told(&mut server, &filter).len(), text.len(), "{asked:?}");
        found += usize::from(text.lines().count() > 1);
    }
    assert!(found > FILTERS.len() / 2, "{found} filters find something");
    let mut reader = open(lab.place()).unwrap();
    let seventh = reader.call(7).unwrap().unwrap();
    assert_eq!((seventh.vq.len(), seventh.log.len()), (1, 1));
    for id in [7, 31, 60] {
        assert_eq!(reader.call(id).unwrap(), file.call(id).unwrap());
    }
    assert_eq!(reader.stream(41).unwrap(), file.stream(41).unwrap());
    let name = "ünïcode ' \" \\ 😀 %_";
    assert_eq!(reader.find(name).unwrap().map(|call| call.id), Some(31));
    // A query that knows the schema works.
    let sql = "SELECT caller, duration, lastSIPresponse FROM ringtap.cdr JOIN \
               ringtap.cdr_sip_response r ON r.id = lastSIPresponse_id WHERE cdr.ID = 7";
    assert!(lab.sql(sql).contains("200 OK"), "{}", lab.sql(sql));
}

#[test]
fn a_batch_that_comes_twice_is_stored_once_and_a_taken_id_is_passed() {
    let mut lab = Lab::new();
    let mut store = create(lab.place()).unwrap();
    let batch = records();
    let all = batch.len() as u64;
    assert_eq!(store.write(&batch).unwrap().inserted, all);
    assert_eq!(store.write(&batch).unwrap(), Written { present: all, ..Written::default() });
    let other = CallRecord { callid: "other".into(), instance: 99, ..fixture::call(1) };
    // One ID twice in a batch, and an ID that is taken.
    let both =
        [boxed(CallRecord { id: 500, ..other.clone() }), boxed(fixture::call(500)), boxed(other)];
    let written = store.write(&both).unwrap();
    assert_eq!((written.inserted, written.renumbered), (3, 2));
    let before = store.counts().unwrap();
    // The server dies between batches: said, nothing lost, and the same batch goes in later.
    lab.server.kill().unwrap();
    let next = [boxed(fixture::call(600))];
    let error = store.write(&next).unwrap_err();
    assert!(error.is_transient() && error.to_string().lines().count() == 1, "{error}");
    lab.server.start_again().unwrap();
    assert_eq!(store.write(&next).unwrap().inserted, 1);
    let after = store.counts().unwrap();
    assert_eq!(after, Counts { calls: before.calls + 1, streams: before.streams + 1, ..before });
}

#[test]
fn sensors_that_start_together_make_one_schema() {
    let lab = Lab::new();
    let made = std::thread::scope(|scope| {
        let starts = [1_u64, 2, 3, 4].map(|n| {
            let place = lab.place();
            scope.spawn(move || {
                let mut store = create(place).unwrap();
                // The same new texts at the same time.
                let call = |id| boxed(CallRecord { id: n * 1000 + id, ..fixture::call(id) });
                let calls: Vec<Record> = (1..100).map(call).collect();
                store.write(&calls).unwrap().inserted
            })
        });
        starts.map(|start| start.join().unwrap())
    });
    assert_eq!(made, [99; 4]);
    let version = "SELECT GROUP_CONCAT(content ORDER BY id) FROM ringtap.system";
    assert_eq!(lab.sql(version), "0,1\n");
    assert_eq!(lab.sql("SELECT COUNT(*), COUNT(DISTINCT ua) FROM ringtap.cdr_ua"), "2\t2\n");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let lab = Lab::new();
    lab.sql(
        "CREATE USER 'sensor'@'%' IDENTIFIED BY 's3cret'; GRANT SELECT ON mysql.* TO 'sensor'@'%'",
    );
    let sensor = |password: &str| MysqlOptions {
        user: "sensor".into(),
        password: Secret(password.into()),
        ..lab.place()
    };
    let line = |place: MysqlOptions| {
        let line = create(place).unwrap_err().to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains("s3cret") && !line.contains("wr0ng"), "{line}");
        line
    };
    let at = format!("mysql://sensor@127.0.0.1:{}/ringtap: ", lab.server.port);
    let refused = line(sensor("wr0ng"));
    assert!(refused.starts_with(&format!("{at}the server does not let sensor in")), "{refused}");
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON `ringtap`.* \
                 TO 'sensor'@'%'";
    let denied = line(sensor("s3cret"));
    assert!(denied.contains(grant), "{denied}");
    // With the database there, but without CREATE in it.
    lab.sql("CREATE DATABASE ringtap; GRANT SELECT, INSERT ON ringtap.* TO 'sensor'@'%'");
    let denied = line(sensor("s3cret"));
    assert!(denied.contains(grant), "{denied}");
    // What the line says is what cures it.
    lab.sql(grant);
    drop(create(sensor("s3cret")).unwrap());
    assert_eq!(probe(sensor("s3cret")).unwrap(), Prospect::Ready { older: false });
    // A reader needs no more than to read.
    lab.sql("CREATE USER reader; GRANT SELECT ON ringtap.* TO reader");
    let reader = MysqlOptions { user: "reader".into(), ..lab.place() };
    assert_eq!(open(reader).unwrap().counts().unwrap(), Counts::default());

    lab.sql("CREATE DATABASE other; CREATE TABLE other.cdr (x int)");
    let other = MysqlOptions { database: "other".into(), ..lab.place() };
    assert!(line(other.clone()).contains("tables of another program"));
    assert_eq!(lab.sql("SHOW TABLES FROM other"), "cdr\n");
    let absent = MysqlOptions { database: "absent".into(), ..lab.place() };
    assert!(open(absent).unwrap_err().to_string().contains("`ringtap run` makes it"));
    lab.sql("INSERT INTO ringtap.system (type, content) VALUES ('ringtap_schema', '99')");
    assert!(line(lab.place()).contains("upgrade ringtap"));
    let hosts = vec!["127.0.0.1:1".into()];
    assert!(line(MysqlOptions { hosts, ..lab.place() }).contains("cannot be reached"));
    let hosts = vec!["no.such.host.invalid".into()];
    assert!(line(MysqlOptions { hosts, ..lab.place() }).contains("cannot be reached"));
    // The next host is tried.
    lab.sql("DELETE FROM ringtap.system WHERE content = '99'");
    let hosts = vec!["127.0.0.1:1".into(), "127.0.0.1".into()];
    drop(open(MysqlOptions { hosts, ..lab.place() }).unwrap());
    let socket = MysqlOptions { socket: Some(lab.server.socket()), ..lab.place() };
    drop(open(socket).unwrap());
}

#[test]
fn tables_have_partitions_by_day_two_days_ahead() {
    let lab = Lab::new();
    let mut store = create(lab.place()).unwrap();
    let names = |table: &str| {
        lab.sql(&format!(
            "SELECT GROUP_CONCAT(PARTITION_NAME ORDER BY PARTITION_ORDINAL_POSITION) FROM \
             information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'ringtap' \
             AND TABLE_NAME = '{table}'"
        ))
    };
    let day = |ahead: u32| {
        lab.sql(&format!("SELECT DATE_FORMAT(UTC_DATE() + INTERVAL {ahead} DAY, 'p%y%m%d')"))
            .trim()
            .to_owned()
    };
    let all = format!("{},{},{},pmax\n", day(0), day(1), day(2));
    for table in ["cdr", "ringtap_rtp", "sip_msg", "register_state"] {
        assert_eq!(names(table), all, "{table}");
    }
    assert_eq!(names("cdr_ua"), "NULL\n");
    // A day that is missing is made at the next batch; somebody's own ranges stay.
    lab.sql(&format!("ALTER TABLE ringtap.cdr DROP PARTITION {}", day(2)));
    let own = format!(
        "ALTER TABLE ringtap.cdr_rtp REORGANIZE PARTITION {} INTO (PARTITION old VALUES LESS THAN \
         ('2020-01-01'), PARTITION {} VALUES LESS THAN (UTC_DATE() + INTERVAL 1 DAY))",
        day(0),
        day(0)
    );
    let tomorrow = lab.sql("SELECT UTC_DATE() + INTERVAL 1 DAY");
    lab.sql(&own.replace("UTC_DATE() + INTERVAL 1 DAY", &format!("'{}'", tomorrow.trim())));
    let far = CallRecord { id: 900, calldate_us: 4_000_000_000_000_000, ..fixture::call(9) };
    assert_eq!(store.write(&[boxed(far.clone()), boxed(fixture::call(7))]).unwrap().inserted, 2);
    assert_eq!(names("cdr"), all);
    assert_eq!(names("cdr_rtp"), format!("old,{all}"));
    // Before the first day and behind the last, a row has its place.
    assert_eq!(store.call(7).unwrap(), Some(fixture::call(7)));
    assert_eq!(store.call(900).unwrap().map(|call| call.calldate_us), Some(far.calldate_us));

    let whole = MysqlOptions { database: "whole".into(), partition: false, ..lab.place() };
    let mut store = create(whole).unwrap();
    assert_eq!(store.write(&records()).unwrap().inserted, records().len() as u64);
    let sql = "SELECT COUNT(PARTITION_NAME) FROM information_schema.PARTITIONS \
               WHERE TABLE_SCHEMA = 'whole'";
    assert_eq!(lab.sql(sql), "0\n");
}

#[test]
fn a_first_start_that_broke_off_goes_on() {
    let lab = Lab::new();
    let works = || {
        let mut store = create(lab.place()).unwrap();
        let line = LogLine { id: 1, text: "a".into(), ..LogLine::default() };
        let _ = store.write(&[Record::Log(Box::new(line))]).unwrap();
        assert_eq!(lab.sql("SELECT text FROM ringtap.ringtap_log"), "a\n");
    };
    works();
    // Half of the tables, and then only the one that says how far it is.
    lab.sql("DELETE FROM ringtap.system WHERE content = '1'; DROP TABLE ringtap.ringtap_log");
    works();
    lab.sql("CREATE TABLE ringtap.kept LIKE ringtap.system; DROP TABLE ringtap.system");
    assert!(create(lab.place()).unwrap_err().to_string().contains("another program"));
    lab.sql("DROP DATABASE ringtap; CREATE DATABASE ringtap COLLATE utf8mb4_nopad_bin");
    lab.sql(
        "CREATE TABLE ringtap.system (id bigint NOT NULL AUTO_INCREMENT, type varchar(64), \
         cdate date, cdatetime datetime(6), content text, PRIMARY KEY (id))",
    );
    works();
}
