//! The legs of one call together: grouped in a list, and on one ladder.
//!
//! Which calls are legs of each other is the store's to say.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write;
use std::ops::ControlFlow;

use ringtap_cdr::text::safe;
use ringtap_cdr::{CallRecord, Filter, Step, Store, json};

use super::list::legs_table;
use super::{Format, QueryError, ladder, one};

/// Calls whose legs are looked for in one list at most: the latest.
const FOUND_MAX: usize = 10_000;

/// Steps of all legs on one ladder at most.
const STEPS_MAX: usize = 500;

/// A call with its legs, itself among them, in the order in which they began.
pub fn with_legs(store: &mut dyn Store, call: CallRecord) -> Result<Vec<CallRecord>, QueryError> {
    let mut all = Vec::with_capacity(call.legs.known.len() + 1);
    for leg in &call.legs.known {
        all.extend(store.call(leg.id)?);
    }
    all.push(call);
    all.sort_by_key(|leg| (leg.calldate_us, leg.id));
    Ok(all)
}

/// Prints the calls that the filter finds, each followed by its legs; none is printed twice.
pub fn grouped(
    store: &mut dyn Store,
    filter: &Filter,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let limit = filter.limit.unwrap_or(FOUND_MAX).min(FOUND_MAX);
    let mut found = Vec::new();
    store.calls(&Filter { limit: Some(limit), ..filter.clone() }, &mut |call| {
        found.push(call);
        ControlFlow::Continue(())
    })?;
    let mut printed = HashSet::new();
    let (mut rows, mut groups) = (Vec::new(), 0u64);
    if format == Format::Csv {
        out.write_all(json::csv_head().as_bytes())?;
    }
    for call in found {
        if printed.contains(&call.id) {
            continue;
        }
        groups += 1;
        let legs = with_legs(store, call)?;
        let count = legs.len();
        for (place, leg) in (1..).zip(legs) {
            if !printed.insert(leg.id) {
                continue;
            }
            let mut line = String::new();
            match format {
                Format::Table if count == 1 => rows.push(("-".to_owned(), leg)),
                Format::Table => rows.push((format!("{place}/{count}"), leg)),
                Format::Json => {
                    json::push_call(&mut line, &leg);
                    line.push('\n');
                }
                Format::Csv => json::push_csv(&mut line, &leg),
            }
            out.write_all(line.as_bytes())?;
        }
    }
    if format == Format::Table {
        if !rows.is_empty() {
            out.write_all(legs_table(&rows).as_bytes())?;
        }
        let plural =
            |n: u64, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        writeln!(out, "{} in {}", plural(groups, "call"), plural(rows.len() as u64, "leg"))?;
    }
    Ok(())
}

/// One leg in full, with a table of all legs and one ladder for them.
pub(super) fn text(call: &CallRecord, legs: Vec<CallRecord>) -> String {
    let mut steps: Vec<Step> = Vec::new();
    for (place, leg) in (1..).zip(&legs) {
        let numbered = |step: &Step| Step {
            text: compact_str::format_compact!("{place}: {}", step.text),
            ..step.clone()
        };
        steps.extend(leg.ladder.iter().map(numbered));
    }
    steps.sort_by_key(|step| step.ts_us);
    let more = steps.len().saturating_sub(STEPS_MAX)
        + legs.iter().map(|leg| leg.ladder_dropped as usize).sum::<usize>();
    steps.truncate(STEPS_MAX);
    let mut drawn = "\nLegs of this call\n".to_owned();
    let count = legs.len();
    let rows: Vec<(String, CallRecord)> = (1..)
        .zip(legs)
        .map(|(place, leg)| {
            let this = if leg.id == call.id { " *" } else { "" };
            (format!("{place}/{count}{this}"), leg)
        })
        .collect();
    drawn.push_str(&legs_table(&rows));
    for (place, (_, leg)) in (1..).zip(&rows) {
        let _ = writeln!(drawn, "{place}: Call-ID {}", safe(&leg.callid));
    }
    drawn.push('\n');
    drawn.push_str(&ladder::ladder(&steps));
    if more > 0 {
        let _ = writeln!(drawn, "and {more} more messages");
    }
    one::text_with(call, &drawn)
}
