//! Records as one JSON object a line, and as rows of CSV.
//!
//! Keys are the schema's columns in a fixed order; what is not known is `null`; instants are
//! RFC 3339 with microseconds (UTC), spans are seconds with three digits. `ID` is a string, since
//! many readers of JSON keep only 53 bits of a number. It reads nothing back.

mod outside;

use crate::clock;
use crate::column::{CDR, Column, LEG, LEGS, STREAM, TEXTS, Value};
use crate::quality::Quality;
use crate::record::dialog::{BRANCH, CustomHeader, DIALOG, TRANSFER};
use crate::record::{CallRecord, LogLine, LoneStream, Record, Tunnel};
use crate::stream::StreamRecord;
use crate::text;
use crate::vq::{VQ, VqReport};
use std::fmt::Write;

pub use outside::{
    message_csv_head, push_register, push_register_csv, push_transaction, push_transaction_csv,
    register_csv_head, sip_csv_head,
};

/// How much of a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The course of each stream over time.
    pub intervals: bool,
}

/// Appends the record and a line feed.
pub fn push_line(out: &mut String, record: &Record) {
    push_line_with(out, record, Detail::default());
}

/// The same with more or less detail.
pub fn push_line_with(out: &mut String, record: &Record, detail: Detail) {
    match record {
        Record::Call(call) => push_call_with(out, call, detail),
        Record::Stream(stream) => push_lone_stream(out, stream, detail),
        Record::Vq(report) => push_vq(out, report),
        Record::Log(line) => push_log(out, line),
        Record::Transaction(transaction) => push_transaction(out, transaction),
        Record::Register(register) => push_register(out, register),
    }
    out.push('\n');
}

/// Appends a call, without a line feed.
pub fn push_call(out: &mut String, call: &CallRecord) {
    push_call_with(out, call, Detail::default());
}

fn push_call_with(out: &mut String, call: &CallRecord, detail: Detail) {
    out.push_str("{\"type\":\"call\"");
    for (name, value) in call_values(call) {
        push_pair(out, &name, value);
    }
    push_tunnel(out, call.tunnel.as_ref());
    push_headers(out, &call.dialog.custom_headers);
    out.push_str(",\"media_marks\":[");
    for (n, name) in call.media_marks.names().enumerate() {
        let _ = write!(out, "{}\"{name}\"", if n == 0 { "" } else { "," });
    }
    out.push_str("],\"streams\":[");
    for (n, stream) in call.streams.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        push_stream_pairs(out, stream, detail);
        out.push('}');
    }
    out.push_str("],\"legs\":[");
    for (n, leg) in call.legs.known.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        push_first(out, "callid", Value::Text(&leg.callid));
        push_pair(out, "ID", if leg.id == 0 { Value::Null } else { Value::Id(leg.id) });
        out.push('}');
    }
    out.push_str("],\"dtmf\":[");
    for (n, dtmf) in call.dtmf.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        let mut digit = [0; 4];
        push_first(out, "firsttime", Value::Seconds(dtmf.firsttime_us));
        push_pair(out, "dtmf", Value::Text(dtmf.digit.encode_utf8(&mut digit)));
        push_pair(out, "type", Value::Int(i64::from(dtmf.kind.code())));
        push_pair(out, "saddr", Value::Ip(dtmf.saddr.to_canonical()));
        push_pair(out, "daddr", Value::Ip(dtmf.daddr.to_canonical()));
        out.push('}');
    }
    out.push_str("],\"branches\":");
    push_array(out, BRANCH, &call.dialog.branches);
    out.push_str(",\"transfers\":");
    push_array(out, TRANSFER, &call.dialog.transfers);
    if !call.after.is_empty() {
        out.push_str(",\"after_streams\":[");
        for (n, stream) in call.after.iter().enumerate() {
            out.push_str(if n == 0 { "{" } else { ",{" });
            push_stream_pairs(out, stream, detail);
            out.push('}');
        }
        out.push(']');
    }
    if !call.vq.is_empty() {
        out.push_str(",\"vq_reports\":[");
        for (n, report) in call.vq.iter().enumerate() {
            out.push_str(if n == 0 { "" } else { "," });
            push_vq(out, report);
        }
        out.push(']');
    }
    if !call.log.is_empty() {
        out.push_str(",\"log\":[");
        for (n, line) in call.log.iter().enumerate() {
            out.push_str(if n == 0 { "" } else { "," });
            push_log(out, line);
        }
        out.push(']');
    }
    out.push('}');
}

/// An object with the values of configured headers, if there are any.
fn push_headers(out: &mut String, headers: &[CustomHeader]) {
    for (n, one) in headers.iter().enumerate() {
        out.push_str(if n == 0 { ",\"custom_headers\":{" } else { "," });
        push_first(out, &one.name, Value::Text(&one.value));
    }
    out.push_str(if headers.is_empty() { "" } else { "}" });
}

/// An array of objects, each with these columns as its keys.
fn push_array<T>(out: &mut String, columns: &[Column<T>], all: &[T]) {
    out.push('[');
    for (n, one) in all.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        for (n, Column { name, value }) in columns.iter().enumerate() {
            let push = if n == 0 { push_first } else { push_pair };
            push(out, name, value(one));
        }
        out.push('}');
    }
    out.push(']');
}

/// Appends a voice quality report, without a line feed.
fn push_vq(out: &mut String, report: &VqReport) {
    out.push_str("{\"type\":\"vq_report\"");
    push_pair(out, "ID", if report.id == 0 { Value::Null } else { Value::Id(report.id) });
    let sensor = i64::from(report.id_sensor);
    push_pair(out, "id_sensor", if sensor == 0 { Value::Null } else { Value::Int(sensor) });
    push_pair(out, "time", Value::Time(report.ts_us));
    for Column { name, value } in VQ {
        push_pair(out, name, value(report));
    }
    out.push('}');
}

/// Appends a line of a log, without a line feed.
fn push_log(out: &mut String, line: &LogLine) {
    let some = |number: i64| if number == 0 { Value::Null } else { Value::Int(number) };
    out.push_str("{\"type\":\"log\"");
    push_pair(out, "ID", if line.id == 0 { Value::Null } else { Value::Id(line.id) });
    push_pair(out, "id_sensor", some(line.id_sensor.into()));
    push_pair(out, "time", Value::Time(line.ts_us));
    push_pair(out, "callid", Value::Text(&line.callid));
    let reporter = line.reporter.map_or(Value::Null, |ip| Value::Ip(ip.to_canonical()));
    push_pair(out, "reporter", reporter);
    push_pair(out, "agent", some(line.agent.into()));
    push_pair(out, "text", Value::Text(&line.text));
    out.push('}');
}

/// Appends a stream that no call claimed, without a line feed.
fn push_lone_stream(out: &mut String, lone: &LoneStream, detail: Detail) {
    out.push_str("{\"type\":\"stream\"");
    push_pair(out, "ID", if lone.id == 0 { Value::Null } else { Value::Id(lone.id) });
    let sensor = i64::from(lone.id_sensor);
    push_pair(out, "id_sensor", if sensor == 0 { Value::Null } else { Value::Int(sensor) });
    out.push(',');
    push_stream_pairs(out, &lone.stream, detail);
    let after = lone.after.as_ref().map_or(Value::Null, |call| Value::Text(&call.callid));
    push_pair(out, "after_call", after);
    out.push('}');
}

/// A call's columns with their values, in their order: identity and texts, then the caller's
/// direction, then the callee's, then what is said of the signalling besides.
pub fn call_values(
    call: &CallRecord,
) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, Value<'_>)> {
    let plain = CDR.iter().map(|column| (column.name.into(), (column.value)(call)));
    let texts = TEXTS.iter().map(|column| (column.name.into(), (column.value)(call)));
    let legs = LEGS.iter().flat_map(move |&(prefix, side)| {
        let main = call.main_stream(side);
        LEG.iter().map(move |column| {
            let value = main.map_or(Value::Null, |(index, s)| (column.value)(call, s, index));
            (format!("{prefix}{}", column.name).into(), value)
        })
    });
    let dialog = DIALOG.iter().map(|column| (column.name.into(), (column.value)(call)));
    plain.chain(texts).chain(legs).chain(dialog)
}

/// The first line of CSV for calls, with its line feed.
pub fn csv_head() -> String {
    let head = CallRecord::default();
    let names: Vec<_> = call_values(&head).map(|(name, _)| name.into_owned()).collect();
    format!("{},streams\n", names.join(","))
}

/// Appends a call as a line of CSV (RFC 4180, but lines end with a line feed alone). `streams` is
/// the number of streams.
pub fn push_csv(out: &mut String, call: &CallRecord) {
    let mut field = String::new();
    for (_, value) in call_values(call) {
        match value {
            Value::Null => {}
            Value::Text(value) => text::push_csv(out, value),
            value => {
                field.clear();
                push_plain(&mut field, value);
                out.push_str(&field);
            }
        }
        out.push(',');
    }
    let _ = writeln!(out, "{}", call.streams.len());
}

/// The first line of CSV for streams, with its line feed.
pub fn stream_csv_head() -> String {
    let names: Vec<_> = STREAM.iter().map(|column| column.name).collect();
    format!("ID,id_sensor,{}\n", names.join(","))
}

/// Appends a stream that no call claimed as a line of CSV.
pub fn push_stream_csv(out: &mut String, lone: &LoneStream) {
    let _ = write!(out, "{},{}", lone.id, lone.id_sensor);
    for column in STREAM {
        out.push(',');
        match (column.value)(&lone.stream) {
            Value::Null => {}
            Value::Text(value) => text::push_csv(out, value),
            value => push_plain(out, value),
        }
    }
    out.push('\n');
}

fn push_stream_pairs(out: &mut String, stream: &StreamRecord, detail: Detail) {
    for (n, Column { name, value }) in STREAM.iter().enumerate() {
        let value = value(stream);
        if n == 0 { push_first(out, name, value) } else { push_pair(out, name, value) }
    }
    push_tunnel(out, stream.tunnel.as_ref());
    push_evidence(out, &stream.quality);
    if detail.intervals {
        push_intervals(out, &stream.quality);
    }
}

/// An object with the tunnel that packets came through, if they did.
fn push_tunnel(out: &mut String, tunnel: Option<&Tunnel>) {
    let Some(Tunnel { kind, id, src, dst }) = tunnel else {
        return push_pair(out, "tunnel", Value::Null);
    };
    let ip = |address: &Option<std::net::IpAddr>| address.map_or(Value::Null, Value::Ip);
    out.push_str(",\"tunnel\":{");
    push_first(out, "type", Value::Text(kind));
    push_pair(out, "id", Value::Int(i64::from(*id)));
    push_pair(out, "src", ip(src));
    push_pair(out, "dst", ip(dst));
    out.push('}');
}

fn push_evidence(out: &mut String, quality: &Quality) {
    out.push_str(",\"loss_evidence\":[");
    for (n, one) in quality.evidence.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        push_first(out, "time", Value::Time(one.ts_us));
        push_pair(out, "lost", Value::Int(one.lost.into()));
        push_pair(out, "cause", Value::Text(one.cause.label()));
        push_pair(out, "seen", Value::Int(one.seen.into()));
        push_pair(out, "of", Value::Int(one.of.into()));
        out.push('}');
    }
    out.push(']');
}

fn push_intervals(out: &mut String, quality: &Quality) {
    let _ = write!(out, ",\"interval_ms\":{},\"intervals\":[", quality.interval_ms);
    for (n, one) in quality.intervals.iter().enumerate() {
        out.push_str(if n == 0 { "{" } else { ",{" });
        let mos = |buffer| one.mos(buffer).map_or(Value::Null, |mos| Value::Real(mos.into()));
        push_first(out, "start_ms", Value::Int(one.start_ms.into()));
        push_pair(out, "received", Value::Int(one.received.into()));
        push_pair(out, "lost", Value::Int(one.lost.into()));
        push_pair(out, "jitter_ms_avg", Value::Real(f64::from(one.jitter_avg_10us) / 100.0));
        push_pair(out, "jitter_ms_max", Value::Real(f64::from(one.jitter_max_10us) / 100.0));
        push_pair(out, "mos_f1", mos(0));
        push_pair(out, "mos_f2", mos(1));
        push_pair(out, "mos_adapt", mos(2));
        out.push('}');
    }
    out.push(']');
}

fn push_pair(out: &mut String, name: &str, value: Value<'_>) {
    out.push(',');
    push_first(out, name, value);
}

fn push_first(out: &mut String, name: &str, value: Value<'_>) {
    let _ = write!(out, "\"{name}\":");
    match value {
        Value::Text(text) => text::push_json(out, text),
        Value::Id(_) | Value::Ip(_) | Value::Time(_) => {
            out.push('"');
            push_plain(out, value);
            out.push('"');
        }
        value => push_plain(out, value),
    }
}

/// A value without quotes.
pub fn push_plain(out: &mut String, value: Value<'_>) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Null => {
            out.push_str("null");
            Ok(())
        }
        Value::Int(number) => write!(out, "{number}"),
        Value::Id(number) => write!(out, "{number}"),
        Value::Real(number) => write!(out, "{number:.3}"),
        Value::Ip(address) => write!(out, "{address}"),
        Value::Seconds(us) => {
            clock::push_seconds(out, us);
            Ok(())
        }
        Value::Time(us) => {
            clock::push_rfc3339(out, us);
            Ok(())
        }
        Value::Text(text) => {
            text::push_safe(out, text);
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::Value as Json;

    fn parsed(record: &Record) -> Json {
        let mut out = String::new();
        push_line_with(&mut out, record, Detail { intervals: true });
        assert_eq!(out.matches('\n').count(), 1);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_call() {
        let mut line = String::new();
        push_line(&mut line, &Record::Call(Box::new(fixture::call(7))));
        let (call, streams) = line.split_once("\"streams\":[").unwrap();
        for (key, value) in [
            ("type", "\"call\""),
            ("ID", "\"7\""),
            ("calldate", "\"2026-11-22T21:17:18.123456Z\""),
            ("callend", "\"2026-11-22T21:17:30.623456Z\""),
            ("callid", "\"call-7@example.com\""),
            ("caller", "\"+49301007\""),
            ("sipcallerip", "\"10.0.0.1\""),
            ("sipcallerport", "5060"),
            ("sipcalledip", "\"2001:db8::2\""),
            ("duration", "12.500"),
            ("connect_duration", "10.000"),
            ("progress_time", "0.180"),
            ("first_rtp_time", "0.200"),
            ("lastSIPresponseNum", "200"),
            ("lastSIPresponse", "\"200 OK\""),
            ("whohanged", "\"callee\""),
            ("bye", "3"),
            ("reason_q850_cause", "16"),
            ("response_time_100", "null"),
            ("a_received", "498"),
            ("a_lost", "2"),
            ("a_reordered", "1"),
            ("a_mos_f1_mult10", "43"),
            ("a_maxjitter", "12"),
            ("a_sl1", "2"),
            ("a_last_rtp_from_end", "2"),
            ("b_received", "null"),
            ("custom_headers", "{\"X-Cause\":\"ä\\\"\",\"X-Tenant\":\"acme-7\"}"),
            ("lost", "2"),
            ("packet_loss_perc_mult1000", "400"),
            (
                "tunnel",
                "{\"type\":\"vxlan\",\"id\":4660,\"src\":\"192.0.2.1\",\"dst\":\"2001:db8::2\"}",
            ),
        ] {
            assert!(call.contains(&format!("\"{key}\":{value},")), "{key}: {call}");
        }
        for (key, value) in [
            ("saddr", "\"10.0.0.1\""),
            ("sport", "4000"),
            ("daddr", "\"10.0.0.2\""),
            ("ssrc", "3735928559"),
            ("codec", "\"PCMA\""),
            ("received", "498"),
            ("duplicate", "4"),
            ("jitter_ms_avg", "1.250"),
            ("mos_adapt", "null"),
            ("mos_min", "4.100"),
            ("first", "\"2026-11-22T21:17:18.323456Z\""),
        ] {
            assert!(streams.contains(&format!("\"{key}\":{value},")), "{key}: {streams}");
        }
        let dtmf = "\"dtmf\":[{\"firsttime\":3.200,\"dtmf\":\"#\",\"type\":2,";
        assert!(streams.contains(dtmf), "{streams}");
        assert!(serde_json::from_str::<Json>(&line).is_ok());
    }

    #[test]
    fn evidence_is_always_there_and_intervals_when_asked_for() {
        let call = fixture::call(7);
        let json = parsed(&Record::Call(Box::new(call.clone())));
        let stream = &json["streams"][0];
        assert_eq!(stream["lost_mirror"], 1);
        assert_eq!((&stream["lost_sensor"], &stream["lost_network"]), (&0.into(), &1.into()));
        assert_eq!(stream["loss_evidence"][0]["cause"], "mirror");
        assert_eq!(stream["loss_evidence"][0]["of"], 20);
        assert_eq!(
            (&stream["interval_ms"], &stream["intervals"][1]["lost"]),
            (&1000.into(), &2.into())
        );
        assert_eq!(stream["intervals"][0]["mos_f1"], 4.41);
        assert_eq!(stream["intervals"][1]["mos_f2"], Json::Null);
        assert_eq!(stream["encryption"], "DTLS");
        assert_eq!(json["media_marks"], serde_json::json!(["callee_missing", "encrypted"]));
        assert_eq!((&json["a_ssrc_count"], &json["a_mos_xr_min_mult10"]), (&1.into(), &38.into()));
        let mut line = String::new();
        push_line(&mut line, &Record::Call(Box::new(call)));
        assert!(!line.contains("intervals"), "{line}");
    }

    #[test]
    fn keys_keep_their_order_and_are_there_for_an_empty_call() {
        let keys = |call: &CallRecord| -> Vec<String> {
            call_values(call).map(|(name, _)| name.into_owned()).collect()
        };
        let empty = CallRecord::default();
        assert_eq!(keys(&empty), keys(&fixture::call(1)));
        let mut unique = keys(&empty);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), keys(&empty).len());
        let json = parsed(&Record::Call(Box::new(empty)));
        assert_eq!(json["streams"], serde_json::json!([]));
        assert_eq!((&json["ID"], &json["tunnel"]), (&Json::Null, &Json::Null));
        assert_eq!(json["a_lost"], Json::Null);
    }

    #[test]
    fn a_stream_without_a_call() {
        let json = parsed(&fixture::lone(9));
        assert_eq!(json["type"], "stream");
        assert_eq!(json["ID"], "9");
        assert_eq!(json["id_sensor"], 3);
        assert_eq!(json["received"], 498);
        let tunnel = serde_json::json!({ "type": "mpls", "id": 7, "src": null, "dst": null });
        assert_eq!(json["tunnel"], tunnel);
    }

    #[test]
    fn numbers_that_are_none_are_null() {
        let mut call = fixture::call(1);
        call.streams[0].jitter_ms_avg = Some(f32::NAN);
        call.streams[0].mos.f1 = Some(f32::INFINITY);
        let json = parsed(&Record::Call(Box::new(call)));
        assert_eq!(json["streams"][0]["jitter_ms_avg"], Json::Null);
        assert_eq!(json["streams"][0]["mos_f1"], Json::Null);
    }

    #[test]
    fn csv_has_as_many_fields_as_its_head() {
        let mut call = fixture::call(1);
        call.caller.name = "a \"b\", c\u{1b}".into();
        let mut line = String::new();
        push_csv(&mut line, &call);
        assert!(line.contains(",\"a \"\"b\"\", c\\u{1b}\","), "{line}");
        call.caller.name = "plain".into();
        line.clear();
        push_csv(&mut line, &call);
        assert_eq!(line.matches(',').count(), csv_head().matches(',').count());
        line.clear();
        let Record::Stream(lone) = fixture::lone(9) else { panic!("not a stream") };
        push_stream_csv(&mut line, &lone);
        assert_eq!(line.matches(',').count(), stream_csv_head().matches(',').count());
    }
}
