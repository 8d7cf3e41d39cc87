//! Registrations and requests outside of calls as JSON and CSV.

use super::{push_headers, push_pair, push_plain, push_tunnel};
use crate::column::outside::{MESSAGE, REGISTER, SIP_MSG};
use crate::column::{Column, Value};
use crate::outside::{RegisterRecord, TransactionRecord};
use crate::text;

/// The columns of a transaction's table.
fn columns(transaction: &TransactionRecord) -> &'static [Column<TransactionRecord>] {
    if transaction.is_message() { MESSAGE } else { SIP_MSG }
}

/// Appends a request outside of calls, without a line feed: `message`, or `sip` for all others.
pub fn push_transaction(out: &mut String, transaction: &TransactionRecord) {
    let kind = if transaction.is_message() { "message" } else { "sip" };
    push_pairs(out, kind, columns(transaction), transaction);
    push_tunnel(out, transaction.tunnel.as_ref());
    push_headers(out, &transaction.custom_headers);
    out.push('}');
}

/// Appends a change of a registration, without a line feed.
pub fn push_register(out: &mut String, register: &RegisterRecord) {
    push_pairs(out, "register", REGISTER, register);
    push_tunnel(out, register.tunnel.as_ref());
    out.push('}');
}

fn push_pairs<T>(out: &mut String, kind: &str, columns: &[Column<T>], record: &T) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push('"');
    for column in columns {
        push_pair(out, column.name, (column.value)(record));
    }
}

/// The first line of CSV for registrations, with its line feed.
pub fn register_csv_head() -> String {
    head(REGISTER)
}

/// The first line of CSV for MESSAGEs, with its line feed.
pub fn message_csv_head() -> String {
    head(MESSAGE)
}

/// The first line of CSV for other requests outside of calls, with its line feed.
pub fn sip_csv_head() -> String {
    head(SIP_MSG)
}

/// Appends a registration as a line of CSV.
pub fn push_register_csv(out: &mut String, register: &RegisterRecord) {
    push_row(out, REGISTER, register);
}

/// Appends a request outside of calls as a line of CSV: in the columns of its own table.
pub fn push_transaction_csv(out: &mut String, transaction: &TransactionRecord) {
    push_row(out, columns(transaction), transaction);
}

fn head<T>(columns: &[Column<T>]) -> String {
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

fn push_row<T>(out: &mut String, columns: &[Column<T>], record: &T) {
    for (n, column) in columns.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        match (column.value)(record) {
            Value::Null => {}
            Value::Text(value) => text::push_csv(out, value),
            value => push_plain(out, value),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::json::push_line;
    use crate::record::Record;
    use serde_json::Value as Json;

    fn parsed(record: &Record) -> Json {
        let mut out = String::new();
        push_line(&mut out, record);
        assert_eq!(out.matches('\n').count(), 1);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_registration() {
        let json = parsed(&Record::Register(Box::new(fixture::register(4))));
        assert_eq!((&json["type"], &json["ID"]), (&"register".into(), &"4".into()));
        assert_eq!((&json["state"], &json["state_name"]), (&1.into(), &"registered".into()));
        assert_eq!(json["created_at"], "2026-11-22T21:17:18.123456Z");
        assert_eq!((&json["expires"], &json["rrd"]), (&300.into(), &serde_json::json!(0.020)));
        assert_eq!(json["sipcalledport"], 5062);
        assert_eq!(json["malformed"], Json::Null);
    }

    #[test]
    fn a_message_and_another_request() {
        let message = parsed(&Record::Transaction(Box::new(fixture::transaction(5, "MESSAGE"))));
        assert_eq!((&message["type"], &message["response_time"]), (&"message".into(), &701.into()));
        assert_eq!(
            (&message["contenttype"], &message["message"]),
            (&"text/plain".into(), &Json::Null)
        );
        assert_eq!(message["custom_headers"]["X-App"], "chat");
        let options = parsed(&Record::Transaction(Box::new(fixture::transaction(6, "OPTIONS"))));
        assert_eq!((&options["type"], &options["method"]), (&"sip".into(), &"OPTIONS".into()));
        assert_eq!((&options["qualify_ok"], &options["repeats"]), (&1.into(), &9.into()));
        assert_eq!(options["malformed"], "bad_version");
    }

    #[test]
    fn csv_has_as_many_fields_as_its_head() {
        let fields = |line: &str| line.matches(',').count();
        let mut line = String::new();
        push_register_csv(&mut line, &fixture::register(1));
        assert_eq!(fields(&line), fields(&register_csv_head()));
        for (method, head) in [("MESSAGE", message_csv_head()), ("PUBLISH", sip_csv_head())] {
            line.clear();
            push_transaction_csv(&mut line, &fixture::transaction(1, method));
            assert_eq!(fields(&line), fields(&head), "{method}");
        }
    }
}
