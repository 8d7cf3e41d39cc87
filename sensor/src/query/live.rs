//! Calls that run: as a table, as JSON lines, as CSV, and one of them in full.
//!
//! It prints what the sensor has answered.

use std::io::{self, Write};

use ringtap_cdr::CallRecord;
use ringtap_cdr::text::{Align, Table, push_csv, safe};
use serde_json::Value;

use super::{Format, one};
use crate::live::COLUMNS;

/// Prints the calls of a sensor's answer; as a table, with their number below.
pub fn live_calls(answer: &Value, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let calls = answer["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    match format {
        Format::Table => table(answer, calls, out),
        Format::Json => calls.iter().try_for_each(|call| {
            let mut call = call.clone();
            if let Some(call) = call.as_object_mut() {
                call.remove("text");
                call.remove("spool");
            }
            writeln!(out, "{call}")
        }),
        Format::Csv => {
            writeln!(out, "{}", COLUMNS.join(","))?;
            calls.iter().try_for_each(|call| {
                let mut line = String::new();
                for (n, name) in COLUMNS.iter().enumerate() {
                    if n > 0 {
                        line.push(',');
                    }
                    match &call[*name] {
                        Value::Null => {}
                        Value::String(text) => push_csv(&mut line, text),
                        other => line.push_str(&other.to_string()),
                    }
                }
                writeln!(out, "{line}")
            })
        }
    }
}

fn table(answer: &Value, calls: &[Value], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("Call-ID", Align::Left),
        ("state", Align::Left),
        ("began (UTC)", Align::Left),
        ("secs", Align::Right),
        ("talk", Align::Right),
        ("caller", Align::Left),
        ("called", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("codec", Align::Left),
        ("packets a/b", Align::Right),
        ("lost a/b", Align::Right),
        ("of it not the network's", Align::Left),
        ("jitter ms a/b", Align::Right),
        ("mos a/b", Align::Right),
    ]);
    for call in calls {
        let cell = |name: &str| match &call[name] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let real = |name: &str, digits: usize| {
            call[name].as_f64().map_or_else(|| "-".into(), |n| format!("{n:.digits$}"))
        };
        let both = |a: String, b: String| if a == b && a == "-" { a } else { format!("{a}/{b}") };
        let began = cell("calldate");
        let began = began.get(..19).unwrap_or(&began).replace('T', " ");
        table.row(
            [
                cell("callid"),
                cell("state"),
                began,
                real("duration", 1),
                real("connect_duration", 1),
                cell("caller"),
                cell("called"),
                cell("sipcallerip"),
                cell("sipcalledip"),
                cell("codec"),
                both(cell("a_received"), cell("b_received")),
                both(cell("a_lost"), cell("b_lost")),
                blamed(call),
                both(real("a_jitter_ms_avg", 2), real("b_jitter_ms_avg", 2)),
                both(real("a_mos_f1", 2), real("b_mos_f1", 2)),
            ]
            .iter()
            .map(String::as_str),
        );
    }
    if !calls.is_empty() {
        out.write_all(table.render().as_bytes())?;
    }
    let running = answer["running"].as_u64().unwrap_or(0);
    let plural = if running == 1 { "" } else { "s" };
    match calls.len() as u64 {
        listed if listed == running => writeln!(out, "{running} call{plural} in progress"),
        listed => writeln!(out, "{listed} of {running} call{plural} in progress"),
    }
}

/// What of a call's loss was the sensor's own or the mirror's, as far as it is known.
fn blamed(call: &Value) -> String {
    let of = |key: &str| -> u64 {
        let streams = call["streams"].as_array().into_iter().flatten();
        streams.filter_map(|stream| stream[key].as_u64()).sum()
    };
    let parts = [("sensor", of("lost_sensor")), ("mirror", of("lost_mirror"))];
    let parts = parts.iter().filter(|(_, lost)| *lost > 0);
    let words: Vec<String> = parts.map(|(who, lost)| format!("{who} {lost}")).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// Everything of a call that runs, as text.
pub fn running(state: &str, call: &CallRecord) -> String {
    let mut out = format!("{:<10}{}\n", "state", safe(state));
    out.push_str(&one::so_far(call));
    out
}
