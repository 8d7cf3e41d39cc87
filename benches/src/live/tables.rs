//! What the live part found, to read.

use super::lab::Poll;
use super::{Line, RECORDS, SPOOL, sender};
use crate::median::{median, packets, spread};

/// Frames of 214 bytes, with what Ethernet adds to each, that fill 10 Gbit/s.
const TEN_GIGABIT_PPS: f64 = 5.25e6;

/// Both tables.
pub(super) fn all(lines: &[Line], rounds: usize) -> String {
    let mut text = format!(
        "### Live, over veth\n\n{} streams of G.711, 214 bytes a frame, no two alike, all on \
         queue 0; one processor sends, one receives (kernel and application together). Median of \
         {rounds} rounds in which the receivers took turns, least and greatest in brackets.\n\n",
        sender::STREAMS
    );
    text += &busy(lines);
    text += &threaded(lines);
    for (name, _) in [RECORDS, SPOOL] {
        text += &extrapolated(lines, name);
    }
    text + "\n"
}

fn busy(all: &[Line]) -> String {
    let lines: Vec<&Line> = all.iter().filter(|line| line.poll == Poll::Busy).collect();
    let rates = rates(&lines);
    let mut text = "With busy-poll: one thread does the kernel's work and its own. The first \
                    figure is at the greatest offered rate, of which most is lost; on the right \
                    what is lost at lower ones.\n\n| receiver | packets per CPU-second | of \
                    AF_XDP |"
        .to_owned();
    let lower: Vec<f64> = rates.iter().copied().flatten().collect();
    for rate in &lower {
        text += &format!(" lost at {} a second |", packets(*rate));
    }
    text += "\n|---|---|---|";
    text += &"---|".repeat(lower.len());
    text += "\n";
    let Some(&most) = rates.last() else { return text };
    for line in lines.iter().filter(|line| line.offered == most) {
        let rate = scatter(&line.rates(), packets);
        let ratio = scatter(&line.ratios(all), percent);
        text += &format!("| {} | {rate} | {ratio} |", line.name);
        for &rate in &lower {
            let same = |other: &&&Line| other.offered == Some(rate) && other.kind == line.kind;
            let losses = lines.iter().find(same).map(|line| line.losses()).unwrap_or_default();
            text += &format!(" {} |", scatter(&losses, fine_percent));
        }
        text += "\n";
    }
    text + "\n"
}

fn threaded(all: &[Line]) -> String {
    let mut text = "With a thread of the kernel that shares the processor with the receiver, \
                    which is woken up:\n\n| offered a second | receiver | packets per receive \
                    CPU-second | of AF_XDP | lost |\n|---|---|---|---|---|\n"
        .to_owned();
    for line in all.iter().filter(|line| line.poll == Poll::Threaded) {
        let sent = packets(median(line.each(|run| run.sent / run.wall_s)));
        text += &format!(
            "| {sent} | {} | {} | {} | {} |\n",
            line.name,
            scatter(&line.rates(), packets),
            scatter(&line.ratios(all), percent),
            scatter(&line.losses(), fine_percent)
        );
    }
    text
}

fn rates(lines: &[&Line]) -> Vec<Option<f64>> {
    let mut rates: Vec<Option<f64>> = lines.iter().map(|line| line.offered).collect();
    rates.dedup();
    rates
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

/// What the best measured figure would mean at ten gigabits.
fn extrapolated(lines: &[Line], name: &str) -> String {
    let of = |line: &&Line| line.name == name && line.poll == Poll::Busy;
    let best = lines.iter().filter(of).map(|line| median(line.rates())).fold(0.0, f64::max);
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
