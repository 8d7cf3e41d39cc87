//! Tables: calls, the streams of a call, streams without a call.
//!
//! A dash stands for what is not known.

use std::io::{self, Write};

use ringtap_cdr::clock;
use ringtap_cdr::record::Side;
use ringtap_cdr::text::{Align, Table};
use ringtap_cdr::{CallRecord, LoneStream, StreamRecord};

/// The columns of a table of calls.
const CALL: [(&str, Align); 15] = [
    ("ID", Align::Left),
    ("calldate (UTC)", Align::Left),
    ("caller", Align::Left),
    ("called", Align::Left),
    ("from", Align::Left),
    ("to", Align::Left),
    ("secs", Align::Right),
    ("talk", Align::Right),
    ("pdd", Align::Right),
    ("resp", Align::Right),
    ("ended by", Align::Left),
    ("codec", Align::Left),
    ("packets a/b", Align::Right),
    ("lost a/b", Align::Right),
    ("mos", Align::Right),
];

/// Prints a row for each call.
pub fn calls_table(calls: &[CallRecord], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&CALL);
    for call in calls {
        table.row(call_cells(call).iter().map(String::as_str));
    }
    out.write_all(table.render().as_bytes())
}

/// The same with a first column that says which leg it is: `2/3`.
pub(super) fn legs_table(calls: &[(String, CallRecord)]) -> String {
    let mut head = vec![("leg", Align::Left)];
    head.extend(CALL);
    let mut table = Table::new(&head);
    for (leg, call) in calls {
        let cells = call_cells(call);
        table.row(std::iter::once(leg).chain(&cells).map(String::as_str));
    }
    table.render()
}

fn call_cells(call: &CallRecord) -> [String; CALL.len()] {
    let main = |side| call.main_stream(side).map(|(_, stream)| stream);
    let (a, b) = (main(Side::Caller), main(Side::Callee));
    let codec = a.or(b).map(codec).unwrap_or_default();
    let sides = |count: fn(&StreamRecord) -> u64| match (a, b) {
        (None, None) => "-".into(),
        (a, b) => format!("{}/{}", dash(a.map(count)), dash(b.map(count))),
    };
    [
        id(call.id),
        when(call.calldate_us),
        text(&call.caller.number),
        text(&call.called.number),
        dash(call.caller.addr.map(|addr| addr.ip().to_canonical())),
        dash(call.called.addr.map(|addr| addr.ip().to_canonical())),
        seconds(call.duration_us()),
        dash(call.connect_duration_us.map(seconds)),
        dash(call.progress_time_us.map(seconds)),
        dash(call.last_sip_response_num),
        dash(call.whohanged.map(Side::label)),
        text(&codec),
        sides(|stream| stream.received),
        sides(|stream| stream.lost),
        score(call.mos_min()),
    ]
}

/// Prints a row for each stream that no call claimed.
pub fn streams_table(streams: &[LoneStream], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nStreams without a call")?;
    let mut head = vec![("ID", Align::Left), ("began (UTC)", Align::Left)];
    head.extend(STREAM);
    let mut table = Table::new(&head);
    for lone in streams {
        let mut cells = vec![id(lone.id), when(lone.stream.first_us)];
        cells.extend(stream_cells(&lone.stream));
        table.row(cells.iter().map(String::as_str));
    }
    out.write_all(table.render().as_bytes())
}

/// The columns that every table of streams has.
const STREAM: [(&str, Align); 14] = [
    ("from", Align::Left),
    ("to", Align::Left),
    ("ssrc", Align::Right),
    ("codec", Align::Left),
    ("secs", Align::Right),
    ("packets", Align::Right),
    ("lost", Align::Right),
    ("loss %", Align::Right),
    ("reord", Align::Right),
    ("dup", Align::Right),
    ("jitter ms avg/max", Align::Right),
    ("mos f1", Align::Right),
    ("f2", Align::Right),
    ("adapt/min", Align::Right),
];

fn stream_cells(s: &StreamRecord) -> [String; STREAM.len()] {
    [
        socket(s.src),
        socket(s.dst),
        format!("{:08x}", s.ssrc),
        codec(s),
        seconds(s.duration_us()),
        s.received.to_string(),
        s.lost.to_string(),
        dash(s.loss_percent().map(|percent| format!("{percent:.2}"))),
        s.reordered.to_string(),
        s.duplicate.to_string(),
        match (s.jitter_ms_avg, s.jitter_ms_max) {
            (Some(avg), Some(max)) => format!("{avg:.2}/{max:.2}"),
            _ => dash(None::<f32>),
        },
        score(s.mos.f1),
        score(s.mos.f2),
        format!("{}/{}", score(s.mos.adapt), score(s.mos.min)),
    ]
}

/// Streams of a call.
pub(super) fn streams(streams: &[StreamRecord]) -> String {
    let mut head = vec![("sent by", Align::Left)];
    head.extend(STREAM);
    let mut table = Table::new(&head);
    for stream in streams {
        let mut cells = vec![dash(stream.side.map(Side::label))];
        cells.extend(stream_cells(stream));
        table.row(cells.iter().map(String::as_str));
    }
    table.render()
}

/// The codec's name, or the payload type.
pub(super) fn codec(stream: &StreamRecord) -> String {
    if stream.codec.is_empty() {
        format!("pt {}", stream.payload)
    } else {
        stream.codec.to_string()
    }
}

/// The instant without its microseconds, which nobody reads in a table.
pub(super) fn when(us: u64) -> String {
    let mut text = clock::database(us);
    text.truncate("2026-11-22 21:17:18.123".len());
    text
}

/// A span in seconds.
pub(super) fn seconds(us: u64) -> String {
    let mut text = String::new();
    clock::push_seconds(&mut text, us);
    text
}

pub(super) fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// An address without the mapping that hides IPv4 in IPv6.
pub(super) fn socket(addr: std::net::SocketAddr) -> String {
    std::net::SocketAddr::new(addr.ip().to_canonical(), addr.port()).to_string()
}

pub(super) fn text(text: &str) -> String {
    dash((!text.is_empty()).then_some(text))
}

pub(super) fn id(id: u64) -> String {
    dash((id > 0).then_some(id))
}

pub(super) fn score(mos: Option<f32>) -> String {
    dash(mos.map(|mos| format!("{mos:.2}")))
}
