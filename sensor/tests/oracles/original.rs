//! The records that VoIPmonitor made of a capture, column by column.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::differences::Differences;

/// Columns of a call that both have, and that do not speak of the quality of media.
const CALL_COLUMNS: [&str; 30] = [
    "calldate",
    "callend",
    "duration",
    "connect_duration",
    "progress_time",
    "first_rtp_time",
    "post_bye_delay",
    "caller",
    "caller_domain",
    "callername",
    "called",
    "called_domain",
    "sipcallerip",
    "sipcallerport",
    "sipcalledip",
    "sipcalledport",
    "whohanged",
    "bye",
    "lastSIPresponseNum",
    "reason_sip_cause",
    "reason_q850_cause",
    "response_time_100",
    "response_time_xxx",
    "max_retransmission_invite",
    "a_payload",
    "a_saddr",
    "a_received",
    "a_lost",
    "b_received",
    "b_lost",
];
/// Columns of a stream.
const STREAM_COLUMNS: [&str; 9] =
    ["saddr", "sport", "daddr", "dport", "ssrc", "received", "loss", "payload", "rtp_ptime"];
/// Columns that are instants, in whole seconds.
const TIMES: [&str; 3] = ["calldate", "callend", "created_at"];
/// Columns in whole seconds, cut off.
const SECONDS: [&str; 5] =
    ["duration", "connect_duration", "progress_time", "first_rtp_time", "post_bye_delay"];

pub(crate) type Row = BTreeMap<String, String>;

/// The rows of one of their tables; none where they found nothing.
pub(crate) fn table(folder: &Path, file: &str, table: &str) -> Vec<Row> {
    let path = folder.join(format!("{file}.{table}.tsv"));
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.split('\t'));
    let names: Vec<&str> = lines.next().unwrap().collect();
    lines
        .map(|cells| {
            let cells = cells.map(|cell| if cell == "NULL" { "" } else { cell });
            let cells = cells.map(|cell| cell.replace(r"\\", r"\"));
            names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell)).collect()
        })
        .collect()
}

/// A column of ours as they write it.
pub(crate) fn cell(record: &Value, column: &str) -> String {
    match &record[column] {
        Value::Null => String::new(),
        Value::String(text) if TIMES.contains(&column) => {
            text.get(..19).unwrap_or_default().replace('T', " ")
        }
        Value::String(text) => text.clone(),
        Value::Number(number) if SECONDS.contains(&column) => {
            format!("{:.0}", number.as_f64().unwrap().floor())
        }
        other => other.to_string(),
    }
}

/// Every call of theirs is one of ours, and the columns agree.
pub(crate) fn calls(folder: &Path, file: &str, ours: &[Value], differences: &mut Differences) {
    let mut left: Vec<&Value> = ours.iter().filter(|record| record["type"] == "call").collect();
    for row in table(folder, file, "cdr") {
        let id = &row["ID"];
        let columns = ["calldate", "sipcallerip", "sipcallerport", "sipcalledip", "sipcalledport"];
        let same =
            |record: &&&Value| columns.iter().all(|column| row[*column] == cell(record, column));
        let Some(found) = left.iter().position(|record| same(&record)) else {
            let who = format!("call {} at {}", row["caller"], row["calldate"]);
            differences.compare(file, &who, "a record", "none");
            continue;
        };
        let record = left.remove(found);
        for column in CALL_COLUMNS {
            let what = format!("cdr {id} {column}");
            differences.compare(file, &what, &row[column], &cell(record, column));
        }
    }
    for record in left {
        let who = format!("call {} at {}", cell(record, "caller"), cell(record, "calldate"));
        differences.compare(file, &who, "none", "a record");
    }
}

/// Every stream of theirs is one of ours, in a call, and the columns agree.
pub(crate) fn streams(folder: &Path, file: &str, ours: &[Value], differences: &mut Differences) {
    let all: Vec<&Value> = ours
        .iter()
        .flat_map(|record| record["streams"].as_array().into_iter().flatten().chain([record]))
        .filter(|stream| stream["ssrc"].is_number())
        .collect();
    for row in table(folder, file, "cdr_rtp") {
        let stream = all.iter().find(|stream| cell(stream, "ssrc") == row["ssrc"]);
        let where_is = match stream {
            Some(stream) if stream["type"].is_null() => "in its call",
            Some(stream) if !stream["after_call"].is_null() => "after its call",
            _ => "alone",
        };
        let what = format!("stream {}", row["ssrc"]);
        differences.compare(file, &what, "in its call", where_is);
        for column in STREAM_COLUMNS {
            let ours = if column == "loss" { "lost" } else { column };
            let ours = stream.map(|stream| cell(stream, ours)).unwrap_or_default();
            differences.compare(file, &format!("{what} {column}"), &row[column], &ours);
        }
    }
}
