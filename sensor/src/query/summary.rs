//! Sums over the calls that a filter finds: ratios, delays, durations, scores.
//!
//! What each figure means is said in `ringtap_cdr::store::totals`.

use std::fmt::Write as _;
use std::io::Write;

use ringtap_cdr::store::totals::Spread;
use ringtap_cdr::{Filter, Store, Totals};

use super::QueryError;

/// Percentiles that are shown of a delay or a duration.
const HIGH: [f64; 3] = [50.0, 95.0, 99.0];
/// … and of a score, where low is bad.
const LOW: [f64; 3] = [50.0, 5.0, 1.0];

/// Prints the sums.
pub fn summary(
    store: &mut dyn Store,
    filter: &Filter,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let mut totals = Totals::default();
    store.facts(filter, &mut |fact| totals.add(&fact))?;
    let text = if json { as_json(&mut totals) } else { as_text(&mut totals) };
    Ok(out.write_all(text.as_bytes())?)
}

/// A ratio: key, name for people, value.
type Ratio = (&'static str, &'static str, Option<f64>);

fn ratios(totals: &Totals) -> [Ratio; 6] {
    [
        ("asr", "ASR   answered", totals.asr()),
        ("ner", "NER   answered, busy, no answer, declined", totals.ner()),
        ("ser", "SER   answered of those not redirected", totals.ser()),
        ("seer", "SEER  the same with refusals by users", totals.seer()),
        ("isa", "ISA   408, 500, 503, 504", totals.isa()),
        ("scr", "SCR   answered and ended in order", totals.scr()),
    ]
}

/// A spread: key, name for people, values, percentiles.
type Row<'a> = (&'static str, &'static str, &'a mut Spread, [f64; 3]);

fn spreads(t: &mut Totals) -> [Row<'_>; 9] {
    [
        ("pdd", "post-dial delay, s", &mut t.pdd, HIGH),
        ("srd", "SRD, s", &mut t.srd, HIGH),
        ("srd_failed", "SRD of refused calls, s", &mut t.srd_failed, HIGH),
        ("sdd", "SDD, s", &mut t.sdd, HIGH),
        ("sdt", "SDT, s", &mut t.sdt, HIGH),
        ("sdt_failed", "SDT, BYE not answered, s", &mut t.sdt_failed, HIGH),
        ("acd", "duration (ACD), s", &mut t.duration, HIGH),
        ("mos", "MOS", &mut t.mos, LOW),
        ("mos_min", "lowest MOS", &mut t.mos_min, LOW),
    ]
}

fn as_text(totals: &mut Totals) -> String {
    let mut out = String::new();
    let percent = |part: Option<f64>| part.map_or("-".into(), |p| format!("{p:.2} %"));
    for (name, count) in [
        ("calls", totals.calls),
        ("answered", totals.answered),
        ("completed", totals.completed),
        ("redirected", totals.redirected),
    ] {
        let _ = writeln!(out, "{name:<44}{count:>12}");
    }
    for (_, name, value) in ratios(totals) {
        let _ = writeln!(out, "{name:<44}{:>12}", percent(value));
    }
    let _ = writeln!(
        out,
        "\n{:<26}{:>9}{:>11}{:>11}{:>11}{:>11}",
        "", "calls", "mean", "half", "1 in 20", "1 in 100"
    );
    let figure = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    for (_, name, spread, percents) in spreads(totals) {
        let _ = write!(out, "{name:<26}{:>9}{:>11}", spread.count(), figure(spread.mean()));
        for value in spread.percentiles(percents) {
            let _ = write!(out, "{:>11}", figure(value));
        }
        out.push('\n');
    }
    out.push_str("\nhalf, 1 in 20, 1 in 100: so many calls are as bad or worse.\n");
    out
}

fn as_json(totals: &mut Totals) -> String {
    let mut out = format!(
        "{{\"calls\":{},\"answered\":{},\"completed\":{},\"redirected\":{}",
        totals.calls, totals.answered, totals.completed, totals.redirected
    );
    let number = |value: Option<f64>| value.map_or("null".into(), |value| format!("{value:.3}"));
    for (key, _, value) in ratios(totals) {
        let _ = write!(out, ",\"{key}\":{}", number(value));
    }
    for (key, _, spread, percents) in spreads(totals) {
        let (count, mean) = (spread.count(), number(spread.mean()));
        let _ = write!(out, ",\"{key}\":{{\"calls\":{count},\"mean\":{mean}");
        for (percent, value) in percents.iter().zip(spread.percentiles(percents)) {
            let _ = write!(out, ",\"p{percent}\":{}", number(value));
        }
        out.push('}');
    }
    out.push_str("}\n");
    out
}
