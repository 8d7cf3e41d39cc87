//! Records against the table, against each other, and against tshark.
//!
//! Everything that differs is one line; nothing ends at the first.

use serde_json::{Value, json};

use crate::ladder::{self, Message, Side, Start};
use crate::message::phrase;
use crate::play::Call;
use crate::records::{Record, Records};
use crate::table::{COUNTED, Stream as Heard};
use crate::witness::{Counts, Stream};

/// How much later than its ladder a call may be, in seconds: the machine may be busy.
const LATE_MAX: f64 = 4.0;
/// How much earlier: sipp's clock ticks in milliseconds.
const EARLY_MAX: f64 = 0.02;
/// How far live and replayed times may be apart, in seconds: the frames are stamped where they
/// leave and where they arrive.
const APART_MAX: f64 = 0.5;

/// The records against the table.
pub(crate) fn with_table(calls: &[Call], records: &Records, differences: &mut Vec<String>) {
    for call in calls {
        match records.get(&call.part.call_id) {
            None => differences.push(format!("{}: no record", call.shape.name)),
            Some(record) => with_row(call, record, differences),
        }
    }
    let known = |id: &String| calls.iter().any(|call| call.part.call_id == **id);
    let strangers = records.keys().filter(|id| !known(id));
    differences.extend(strangers.map(|id| format!("a record that nobody called for: {id}")));
}

fn with_row(call: &Call, record: &Record, differences: &mut Vec<String>) {
    let (row, got) = (&call.shape.record, &record.json);
    let mut check = |what: &str, got: &Value, wanted: Value| {
        if *got != wanted {
            differences.push(format!("{}: {what} is {got}, must be {wanted}", call.shape.name));
        }
    };
    for (key, wanted) in [
        ("lastSIPresponseNum", json!(row.response)),
        ("whohanged", json!(row.hung_up.map(Side::label))),
        ("bye", json!(row.bye)),
        ("max_retransmission_invite", json!(row.invites_again)),
        ("reason_sip_cause", json!(row.reasons[0])),
        ("reason_q850_cause", json!(row.reasons[1])),
        ("digest_username", json!(row.user)),
        ("sighup", if row.open { json!(1) } else { Value::Null }),
        ("caller", json!(call.part.ends.numbers[0])),
        ("called", json!(call.part.ends.numbers[1])),
        ("sipcallerip", json!(call.part.ends.addresses[0])),
        ("sipcalledip", json!(call.part.ends.addresses[1])),
    ] {
        check(key, &got[key], wanted);
    }
    for (side, key) in Side::BOTH.into_iter().zip(["a_ua", "b_ua"]) {
        let agent = format!("ringtap shapes {}", side.label());
        check(key, &got[key], json!(ladder::speaks(&call.lines, side).then_some(agent)));
    }
    let line = row.response.map(|status| format!("{status} {}", phrase(status)));
    check("lastSIPresponse", &got["lastSIPresponse"], json!(line));
    let text = (!row.marks.is_empty()).then_some(row.marks);
    check("marks", &got["marks"], json!(text));
    check("redirected_to", &got["redirected_to"], json!(row.redirected_to));
    for (key, times) in
        ["requests_again", "responses_again"].into_iter().zip(ladder::repeated(&call.lines))
    {
        check(key, &got[key], json!(times));
    }
    for key in COUNTED {
        let wanted = row.counted.iter().find(|(name, _)| *name == key).map_or(0, |(_, n)| *n);
        check(key, &json!(got[key].as_u64().unwrap_or(0)), json!(wanted));
    }
    check("flags", &got["flags"], json!(flags(call)));
    let branches = got["branches"].as_array().into_iter().flatten();
    let branches: Vec<Value> =
        branches.map(|b| json!([b["tag"], b["bye"], b["lastSIPresponseNum"], b["won"]])).collect();
    check("branches (tag, bye, response, won)", &json!(branches), json!(row.branches));
    let transfers = got["transfers"].as_array().into_iter().flatten();
    let transfers: Vec<Value> =
        transfers.map(|t| json!([t["by"], t["number"], t["status"], t["result"]])).collect();
    let wanted: Vec<_> = row.transfer.iter().collect();
    check("transfers (by, to, status, result)", &json!(transfers), json!(wanted));
    check(
        "streams (sender, codec; received, lost, reordered, duplicate)",
        &streams(got),
        heard(row.streams),
    );
    for (side, key) in ["a_received", "b_received"].into_iter().enumerate() {
        let mine = row.streams.iter().filter(|(from, ..)| *from as usize == side);
        check(key, &got[key], json!(mine.map(|(.., received)| received).max()));
    }
    let digits = got["dtmf"].as_array().into_iter().flatten();
    let digits: Vec<Value> = digits.map(|digit| json!([digit["dtmf"], digit["type"]])).collect();
    let pressed: Vec<Value> = row.digits.iter().map(|digit| json!(digit)).collect();
    check("digits", &json!(digits), json!(pressed));
    check("messages", &json!(record.ladder), json!(ladder::recorded(&call.lines)));
    let times = [
        ("duration", Some(row.lasts)),
        ("connect_duration", row.talk),
        ("progress_time", ladder::progress(&call.lines)),
    ];
    let [held, resumed] = hold(got);
    let holds = [
        ("the hold's begin", held, row.held.map(|(from, _)| from)),
        ("the hold's end", resumed, row.held.map(|(_, to)| to)),
    ];
    let times = times.map(|(key, wanted)| (key, got[key].as_f64(), wanted));
    for (key, seconds, wanted) in times.into_iter().chain(holds) {
        let right = match (seconds, wanted) {
            (Some(got), Some(wanted)) => (wanted - EARLY_MAX..wanted + LATE_MAX).contains(&got),
            (None, None) => true,
            _ => false,
        };
        if !right {
            let name = call.shape.name;
            differences.push(format!("{name}: {key} is {seconds:?}, must be {wanted:?}"));
        }
    }
}

/// Bits of the schema's `flags`: what was announced, and what carried the signalling.
fn flags(call: &Call) -> u64 {
    let messages = || ladder::messages(&call.lines);
    let is_request = |message: &Message| matches!(message.start, Start::Request(_));
    let events = |m: &&Message| m.sdp == Some("events");
    let is_tcp = call.shape.over.is_tcp();
    let bits = [
        (8, messages().filter(events).any(is_request)),
        (9, messages().filter(events).any(|message| !is_request(message))),
        (12, messages().any(|message| message.sdp.is_some_and(|kind| kind != "fax"))),
        (13, messages().any(|message| message.sdp == Some("fax"))),
        (31, is_tcp),
        (32, !is_tcp),
    ];
    bits.iter().filter(|(_, is)| *is).fold(0, |all, (bit, _)| all | 1 << bit)
}

/// Begin and end of the only time on hold: `2.000-3.000`.
fn hold(record: &Value) -> [Option<f64>; 2] {
    let ends = record["hold"].as_str().and_then(|text| text.split_once('-'));
    ends.map_or([None, None], |(from, to)| [from.parse().ok(), to.parse().ok()])
}

fn heard(streams: &[Heard]) -> Value {
    let mut all: Vec<_> = streams
        .iter()
        .map(|(from, codec, count)| (from.label(), *codec, [*count, 0, 0, 0]))
        .collect();
    all.sort();
    json!(all)
}

fn streams(record: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let mut all: Vec<_> = record["streams"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| {
            let counts = ["received", "lost", "reordered", "duplicate"].map(|k| number(&s[k]));
            (text(&s["side"]), text(&s["codec"]), counts)
        })
        .collect();
    all.sort();
    json!(all)
}

/// Live records against replayed ones: all columns, times within reason.
pub(crate) fn live_with_replay(live: &Records, replay: &Records, differences: &mut Vec<String>) {
    for (id, live) in live {
        let Some(replay) = replay.get(id) else { continue };
        let id = id.split('@').next().unwrap_or(id);
        same(id, &live.json, &replay.json, differences);
        if live.ladder != replay.ladder {
            let (live, replay) = (&live.ladder, &replay.ladder);
            differences.push(format!("{id}: messages live {live:?}, replayed {replay:?}"));
        }
    }
}

fn same(place: &str, live: &Value, replay: &Value, differences: &mut Vec<String>) {
    match (live, replay) {
        (Value::Object(live), Value::Object(replay)) => {
            for (key, value) in live.iter().filter(|(key, _)| !follows_arrival(key)) {
                let other = replay.get(key).unwrap_or(&Value::Null);
                same(&format!("{place}: {key}"), value, other, differences);
            }
        }
        (Value::Array(live), Value::Array(replay)) if live.len() == replay.len() => {
            // Two streams that begin in the same moment may stand in either order.
            let [live, replay] = [live, replay].map(|all| {
                let mut all: Vec<&Value> = all.iter().collect();
                all.sort_by_key(|one| format!("{}{}", one["saddr"], one["sport"]));
                all
            });
            for (live, replay) in live.into_iter().zip(replay) {
                same(place, live, replay, differences);
            }
        }
        (live, replay) if live == replay => {}
        (live, replay) => {
            let near = live
                .as_f64()
                .zip(replay.as_f64())
                .is_some_and(|(live, replay)| is_time(place) && (live - replay).abs() < APART_MAX);
            if !near {
                differences.push(format!("{place} is {live} live, {replay} replayed"));
            }
        }
    }
}

/// Columns in seconds.
fn is_time(place: &str) -> bool {
    let ends = ["duration", "_time", "_delay", "srd", "sdd", "sdt", "_failed"];
    ends.iter().any(|end| place.ends_with(end))
}

/// Columns that follow how the frames were stamped: instants, jitter, and what follows from it.
fn follows_arrival(key: &str) -> bool {
    let exact = [
        "ID",
        "calldate",
        "callend",
        "first",
        "last",
        "hold",
        "firsttime",
        "ringing",
        "answered",
        "ended",
        "at",
        "a_index",
        "b_index",
    ];
    let exact = exact.contains(&key);
    let parts = ["jitter", "mos", "delay_", "response_time", "last_rtp_from_end", "time_ms"];
    let classes = ["d50", "d70", "d90", "d120", "d150", "d200", "d300"];
    let delay_class = classes.iter().any(|class| key.ends_with(class));
    exact || delay_class || parts.iter().any(|part| key.contains(part))
}

/// The messages of all records, and those that come after their records, against tshark's.
pub(crate) fn sip_with_tshark(
    calls: &[Call],
    records: &Records,
    tshark: &Counts,
    differences: &mut Vec<String>,
) {
    let mut ours = Counts::new();
    let mut count = |text: &str| {
        let name = text.split(' ').next().unwrap_or_default();
        *ours.entry(name.to_owned()).or_default() += 1;
    };
    records.values().flat_map(|record| &record.ladder).for_each(|text| count(text));
    for call in calls {
        let unrecorded = ladder::messages(&call.lines).skip(ladder::recorded(&call.lines).len());
        for message in unrecorded {
            match message.start {
                Start::Request(method) => count(method),
                Start::Response(status, _) => count(&status.to_string()),
            }
        }
    }
    for name in ours.keys().chain(tshark.keys().filter(|name| !ours.contains_key(*name))) {
        let (ours, tshark) = (ours.get(name), tshark.get(name));
        if ours != tshark {
            differences.push(format!("{name}: {ours:?} in the records, {tshark:?} by tshark"));
        }
    }
}

/// The streams of all records against tshark's.
pub(crate) fn rtp_with_tshark(records: &Records, tshark: &[Stream], differences: &mut Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let streams = records.values().filter_map(|record| record.json["streams"].as_array());
    let mut ours: Vec<Stream> = streams
        .flatten()
        .map(|s| {
            let [sport, dport, ssrc, received] =
                ["sport", "dport", "ssrc", "received"].map(|key| number(&s[key]));
            let lost = s["lost"].as_i64().unwrap_or(i64::MAX);
            (text(&s["saddr"]), sport, text(&s["daddr"]), dport, ssrc, received, lost)
        })
        .collect();
    ours.sort();
    let only = |all: &[Stream], others: &[Stream], whose: &str| -> Vec<String> {
        let alone = all.iter().filter(|stream| !others.contains(stream));
        alone.map(|stream| format!("only {whose}: {stream:?}")).collect()
    };
    differences.extend(only(&ours, tshark, "the records have"));
    differences.extend(only(tshark, &ours, "tshark has"));
}
