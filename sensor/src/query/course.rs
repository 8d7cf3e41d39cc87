//! The media of a call as text: whose loss it was, what the scores rest on, the course over time.

use std::fmt::Write;

use ringtap_cdr::quality::{Interval, Quality};
use ringtap_cdr::text::safe;
use ringtap_cdr::{CallRecord, LINES_MAX, StreamRecord};

use super::list::when;

/// Intervals that are shown one by one: the worst.
const WORST_MAX: usize = 3;
/// Columns of a course at most.
const COLUMNS_MAX: u32 = 64;

/// A line of the marks that a call's media has, if any.
pub(super) fn marks(call: &CallRecord) -> String {
    let names: Vec<String> = call.media_marks.names().map(|name| name.replace('_', " ")).collect();
    names.join(", ")
}

/// What is known of one direction beyond its figures.
pub(super) fn more(stream: &StreamRecord) -> String {
    let mut out = String::new();
    let q = &stream.quality;
    if stream.lost > 0 {
        let network = q.lost_network(stream.lost);
        let (sensor, mirror) = (q.lost_sensor, q.lost_mirror);
        let _ = writeln!(out, "  whose loss: network {network}, mirror {mirror}, sensor {sensor}");
    }
    for one in &q.evidence {
        let _ = write!(out, "    {} lost {}: ", when(one.ts_us), one.lost);
        let _ = match one.of {
            0 => writeln!(out, "the sensor's sockets dropped {} frames", one.seen),
            of => writeln!(out, "{} of {of} streams lost packets at once", one.seen),
        };
    }
    if !q.mos_scale.is_empty() {
        let _ = write!(out, "  scored by {} (Ie, Bpl: {})", q.mos_scale, q.mos_figures);
        if let Some(ms) = q.path_ms {
            let _ = write!(out, ", {ms:.1} ms of path delay");
        }
        out.push('\n');
    }
    if let Some(xr) = &q.xr {
        let mos = |mos: Option<f32>| mos.map_or("-".to_owned(), |mos| format!("{mos:.1}"));
        let (avg, min) = (mos(xr.mos_avg), mos(xr.mos_min));
        let _ = writeln!(out, "  its receiver says (XR): MOS avg/min {avg}/{min}");
    }
    if let Some(label) = q.encryption.label() {
        let _ = writeln!(out, "  {label}: scored by headers");
    }
    out.push_str(&course(q));
    out
}

/// A line for each report of an endpoint.
pub(super) fn reports(call: &CallRecord) -> String {
    let mut out = String::new();
    for report in &call.vq {
        let from = report.reporter.map(|at| at.ip().to_string()).unwrap_or_default();
        let _ = write!(out, "{from} reports ({})", safe(&report.kind));
        for (side, figures) in [("local", &report.local), ("remote", &report.remote)] {
            for (name, unit, figure) in [
                ("loss", " %", figures.loss_percent),
                ("discarded", " %", figures.discard_percent),
                ("round trip", " ms", figures.round_trip_ms),
                ("MOS-LQ", "", figures.mos_lq),
                ("MOS-CQ", "", figures.mos_cq),
            ] {
                if let Some(figure) = figure {
                    let _ = write!(out, ", {side} {name} {figure}{unit}");
                }
            }
        }
        out.push('\n');
    }
    out
}

/// The lines of logs that name the call.
pub(super) fn log(call: &CallRecord) -> String {
    let mut out = String::new();
    for line in &call.log {
        let from = line.reporter.map(|ip| ip.to_string()).unwrap_or_default();
        let _ = writeln!(out, "{} log of {from}: {}", when(line.ts_us), safe(&line.text));
    }
    if call.log.len() == LINES_MAX {
        let _ = writeln!(out, "(more lines are not shown)");
    }
    out
}

/// One mark an interval, and the worst ones in figures.
fn course(q: &Quality) -> String {
    let Some(last) = q.intervals.last() else { return String::new() };
    let length_ms = q.interval_ms.max(1);
    // Intervals of a long call are coarser, so the columns are few; pieces of a call may be not.
    let per_column = (last.start_ms / length_ms) / COLUMNS_MAX + 1;
    let columns = last.start_ms / length_ms / per_column + 1;
    let mut marks = vec!['_'; columns as usize];
    for one in &q.intervals {
        let at = (one.start_ms / length_ms / per_column) as usize;
        if let Some(place) = marks.get_mut(at) {
            *place = worse(*place, mark(one));
        }
    }
    let marks: String = marks.into_iter().collect();
    let seconds = f64::from(length_ms) * f64::from(per_column) / 1000.0;
    let mut out = format!("  course, {seconds} s a mark: {marks}\n");
    let mut worst: Vec<&Interval> = q.intervals.iter().filter(|one| one.lost > 0).collect();
    worst.sort_by_key(|one| (std::cmp::Reverse(one.lost), one.start_ms));
    for one in worst.into_iter().take(WORST_MAX) {
        let sent = one.received + one.lost;
        let jitter_ms = f64::from(one.jitter_max_10us) / 100.0;
        let from = f64::from(one.start_ms) / 1000.0;
        let _ = write!(out, "    from {from:.1} s: {} of {sent} lost", one.lost);
        let _ = write!(out, ", jitter up to {jitter_ms:.1} ms");
        let _ = match one.mos(0) {
            Some(mos) => writeln!(out, ", MOS {mos:.2}"),
            None => writeln!(out),
        };
    }
    out
}

/// Marks from good to bad: as good as can be, good, fair, poor, bad; `o`: came, was not scored.
const MARKS: [char; 7] = ['_', 'o', '.', ':', '-', '+', '#'];

fn mark(one: &Interval) -> char {
    match one.mos(0) {
        None if one.lost > 0 => ':',
        None => 'o',
        Some(mos) if mos >= 4.3 => '.',
        Some(mos) if mos >= 4.0 => ':',
        Some(mos) if mos >= 3.6 => '-',
        Some(mos) if mos >= 3.1 => '+',
        Some(_) => '#',
    }
}

fn worse(a: char, b: char) -> char {
    let rank = |mark| MARKS.iter().position(|known| *known == mark);
    if rank(b) > rank(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(second: u32, lost: u32, mos_x100: u32) -> Interval {
        let (start_ms, received) = (second * 1000, 50 - lost);
        Interval { start_ms, received, lost, mos_mult100: [mos_x100; 3], ..Interval::default() }
    }

    #[test]
    fn a_course_has_a_mark_a_second() {
        let intervals =
            vec![interval(0, 0, 441), interval(1, 1, 410), interval(2, 9, 250), interval(5, 0, 0)];
        let q = Quality { interval_ms: 1000, intervals, ..Quality::default() };
        let text = course(&q);
        assert!(text.starts_with("  course, 1 s a mark: .:#__o\n"), "{text}");
        assert!(text.contains("from 2.0 s: 9 of 50 lost"), "{text}");
        let marks = [430, 429, 400, 399, 360, 359, 310, 309].map(|mos| mark(&interval(0, 0, mos)));
        assert_eq!(marks.iter().collect::<String>(), ".::--++#");
        let long = Quality { intervals: vec![interval(0, 0, 441), interval(639, 5, 300)], ..q };
        let text = course(&long);
        assert!(text.starts_with("  course, 10 s a mark: .___"), "{text}");
        assert!(text.lines().next().unwrap().ends_with("_#"), "{text}");
    }
}
