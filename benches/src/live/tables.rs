//! What the live part found, to read.

use super::{Line, RECORDS, SPOOL, sender};
use crate::median::{median, packets, spread};

/// Frames of 214 bytes, with what Ethernet adds to each, that fill 10 Gbit/s.
const TEN_GIGABIT_PPS: f64 = 5.25e6;

/// The table.
pub(super) fn all(lines: &[Line], rounds: usize) -> String {
    let mut text = format!(
        "### Live, over veth\n\n{} streams of G.711, 214 bytes a frame, no two alike, all on \
         queue 0; one processor sends, one receives, kernel and application together; the thread \
         that takes frames has real-time priority over the kernel's, ringtap's by \
         `worker_priority` (but for the line that says otherwise). Median of {rounds} rounds in \
         which the receivers took turns, least and greatest in brackets.\n\n",
        sender::STREAMS
    );
    text += &rows(lines);
    for name in [RECORDS, SPOOL] {
        text += &extrapolated(lines, name);
    }
    text + "\n"
}

fn rows(lines: &[Line]) -> String {
    let mut text =
        "| offered a second | receiver | packets per receive CPU-second | of AF_XDP with \
                    our program | lost |\n|---|---|---|---|---|\n"
            .to_owned();
    for line in lines {
        let sent = packets(median(line.each(|run| run.sent / run.wall_s)));
        let note = if line.offered.is_none() { " (overload)" } else { "" };
        text += &format!(
            "| {sent}{note} | {} | {} | {} | {} |\n",
            line.name,
            scatter(&line.rates(), packets),
            scatter(&line.ratios(lines), percent),
            scatter(&line.losses(), fine_percent)
        );
    }
    text
}

/// Median, least and greatest.
fn scatter(values: &[f64], show: fn(f64) -> String) -> String {
    let (least, greatest) = spread(values);
    format!("{} ({} – {})", show(median(values.to_vec())), show(least), show(greatest))
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

fn fine_percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// What the figure at overload, where the processor is never idle, would mean at ten gigabits.
fn extrapolated(lines: &[Line], name: &str) -> String {
    let of = |line: &&Line| line.name == name && line.offered.is_none();
    let best = lines.iter().find(of).map_or(0.0, |line| median(line.rates()));
    if best == 0.0 {
        return String::new();
    }
    format!(
        "\nExtrapolated, not measured: 10 Gbit/s of G.711 ({} frames a second, {} calls in both \
         directions) would take {:.1} processors for \"{name}\", if queues spread it evenly.\n",
        packets(TEN_GIGABIT_PPS),
        packets(TEN_GIGABIT_PPS / 100.0),
        TEN_GIGABIT_PPS / best
    )
}
