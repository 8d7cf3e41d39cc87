//! A call's signalling in words: what was special, its branches, its transfers.
//!
//! Nothing is said where there is nothing special.

use std::fmt::Write;

use ringtap_cdr::CallRecord;
use ringtap_cdr::text::{Align, Table, safe};

use super::list::{seconds, socket};

/// Facts of a call: name and value, empty ones among them.
pub(super) fn facts(call: &CallRecord) -> [(&'static str, String); 4] {
    let dialog = &call.dialog;
    let mut on_the_way = Vec::new();
    let called = call.called.number.as_str();
    for (what, text) in [
        ("dialled", dialog.dialled.as_str()),
        ("diverted from", dialog.diverted_from.as_str()),
        ("redirected to", dialog.redirected_to.as_str()),
    ] {
        if !text.is_empty() && text != called {
            on_the_way.push(format!("{what} {}", safe(text)));
        }
    }
    let session = dialog.timer.map(|timer| {
        let mut text = format!("timer of {} s", timer.expires_s);
        if let Some(side) = timer.refresher {
            let _ = write!(text, ", refreshed by the {}", side.label());
        }
        let _ = write!(text, ", {} times", timer.refreshes);
        if timer.missed {
            text.push_str(", a refresh was missed");
        }
        if timer.ended_call {
            text.push_str(", hung up when one was due");
        }
        text
    });
    let marks = dialog.marks.split(' ').map(|mark| mark.replace('_', " ")).collect::<Vec<_>>();
    [
        ("way", on_the_way.join(", ")),
        ("on hold", safe(&call.hold)),
        ("session", session.unwrap_or_default()),
        ("marks", marks.join(", ")),
    ]
}

/// The branches and the transfers.
pub(super) fn details(call: &CallRecord) -> String {
    let dialog = &call.dialog;
    let since = |us: u64| seconds(us.saturating_sub(call.calldate_us));
    let mut out = String::new();
    if !dialog.branches.is_empty() {
        let mut table = Table::new(&[
            ("branch", Align::Left),
            ("at", Align::Left),
            ("asked for", Align::Left),
            ("response", Align::Left),
            ("began", Align::Right),
            ("answered", Align::Right),
            ("ended", Align::Right),
            ("", Align::Left),
        ]);
        for one in &dialog.branches {
            let when = |us: Option<u64>| us.map_or("-".into(), since);
            let (at, began) = (socket(one.addr), since(one.first_us));
            let (answered, ended) = (when(one.answered_us), when(one.ended_us));
            let won = if one.won { "carried the call" } else { "" };
            let cells = [&*one.tag, &*at, &*one.number, &*one.response, &*began, &*answered];
            table.row(cells.into_iter().chain([ended.as_str(), won]));
        }
        out.push('\n');
        out.push_str(&table.render());
    }
    for one in &dialog.transfers {
        let (at, by) = (since(one.at_us), one.by.label());
        let kind = if one.attended { "attended " } else { "" };
        let _ = write!(out, "\n{kind}transfer at {at} s by the {by} to {}", safe(&one.refer_to));
        for (what, status) in [("answered", one.status), ("outcome", one.result)] {
            if let Some(status) = status {
                let _ = write!(out, ", {what} {status}");
            }
        }
        out.push('\n');
    }
    out
}
