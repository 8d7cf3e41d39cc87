//! Headers that the configuration names: from its file into the records, the store, and what
//! commands show and find.

use std::path::Path;

use crate::support::{ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::sip::{Dialog, Message, Method, Side};
use serde_json::json;

const MS: u64 = 1_000_000;
const START: u64 = 1_767_225_600_000 * MS;

/// Two calls and a MESSAGE, by two tenants.
fn scene(path: &Path) {
    let mut frames = Vec::new();
    let mut say = |at_ms: u64, dialog: &Dialog, message: Message<'_>| {
        let (src, dst) = dialog.way(message.from);
        frames.push((at_ms, Packet::udp(src, dst, dialog.text(&message).as_bytes()).build()));
    };
    let dialog = |n: u64| {
        let (a, b) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
        Dialog { call_id: format!("call-{n}"), ..Dialog::new(n, a, b) }
    };
    for (n, tenant) in [(1, "X-Tenant: acme-1\r\n"), (2, "x-tenant: other\r\n")] {
        let dialog = dialog(n);
        let at_ms = n * 1000;
        say(at_ms, &dialog, Message::request(Side::Caller, Method::Invite, 1).headers(tenant));
        let busy = Message::response(Side::Called, 486, Method::Invite, 1);
        say(at_ms + 10, &dialog, busy.headers("X-Cause: \"no one\"\r\nX-Tenant: last\r\n"));
        say(at_ms + 20, &dialog, Message::request(Side::Caller, Method::Ack, 1));
    }
    let (chat, app) = (dialog(3), "X-App: chat; v=2\r\nX-Tenant: acme-1\r\n");
    say(5000, &chat, Message::request(Side::Caller, Method::Message, 1).headers(app));
    say(5010, &chat, Message::response(Side::Called, 200, Method::Message, 1));
    let mut writer = Writer::new(std::fs::File::create(path).unwrap(), Options::default()).unwrap();
    for (at_ms, frame) in &frames {
        writer.frame(START + at_ms * MS, frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn from_the_configuration_to_records_and_back_out_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let [capture, config, db] = ["a.pcap", "ringtap.conf", "a.db"].map(|n| folder.path().join(n));
    scene(&capture);
    let lines = "custom_headers_cdr = X-Tenant:; X-Cause, X-Nowhere\n\
                 custom_headers_message = X-App\ncustom_headers_last_value = no\n\
                 custom_headers_max_size = 9\n";
    std::fs::write(&config, format!("{lines}store = sqlite:{}\n", db.display())).unwrap();
    let ask = |words: &[&str]| run(ringtap().args(words).arg("-c").arg(&config)).well();

    let json = ["--format", "json"];
    let mut replay = ringtap();
    replay.args(["replay", "--workers", "2"]).args(json).arg("-c").arg(&config).arg(&capture);
    let store = format!("sqlite:{}", db.display());
    let records = run(replay.args(["--store", &store])).well().records();
    let headers: Vec<_> = records.iter().map(|record| record["custom_headers"].clone()).collect();
    let wanted = [
        json!({"X-Tenant": "acme-1", "X-Cause": "\"no one\""}),
        json!({"X-Tenant": "other", "X-Cause": "\"no one\""}),
        json!({"X-App": "chat; v=2"}),
    ];
    assert_eq!(headers, wanted);

    let found = |header: &str| -> Vec<String> {
        let said = ask(&["calls", "--format", "json", "--header", header]);
        said.records().iter().map(|r| r["callid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("X-Tenant=acme-1"), ["call-1"]);
    assert_eq!(found("x-tenant=*"), ["call-1", "call-2"]);
    assert_eq!(found("X-Cause=*one\""), ["call-1", "call-2"]);
    assert_eq!(found("X-Tenant=last"), [""; 0]);
    let call = ask(&["call", "call-1"]).out;
    assert!(call.contains("header    X-Tenant: acme-1\n"), "{call}");
    assert_eq!(ask(&["messages", "--format", "json"]).records()[0]["custom_headers"], wanted[2]);
    let wrong = run(ringtap().args(["calls", "--header", "X-Tenant", "-c"]).arg(&config));
    wrong.one_line_with("--header: \"X-Tenant\" is not NAME=VALUE");

    // As a query that knows the original's tables would look.
    let database = rusqlite::Connection::open(&db).unwrap();
    let column: u32 = database
        .query_row(
            "SELECT dynamic_column FROM cdr_custom_headers \
             WHERE header_field = 'X-Tenant' AND dynamic_table = 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let sql = format!(
        "SELECT custom_header_{column} FROM cdr JOIN cdr_next_1 ON cdr_next_1.cdr_ID = cdr.ID \
         ORDER BY cdr.calldate"
    );
    let mut statement = database.prepare(&sql).unwrap();
    let values = statement.query_map([], |row| row.get(0)).unwrap();
    assert_eq!(values.map(Result::unwrap).collect::<Vec<String>>(), ["acme-1", "other"]);
}

#[test]
fn the_last_value_unless_the_first_is_wanted_and_none_unless_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    scene(&capture);
    let mut replay = ringtap();
    replay.args(["replay", "--format", "json", "-O", "custom_headers_cdr=X-Tenant"]);
    let records = run(replay.arg(&capture)).well().records();
    assert_eq!(records[0]["custom_headers"], json!({"X-Tenant": "last"}));
    assert!(records[2].get("custom_headers").is_none(), "{}", records[2]);
}
