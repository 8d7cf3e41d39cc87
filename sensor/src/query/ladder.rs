//! A call's messages as a ladder in text: a lane for each host, an arrow for each message.
//!
//! Texts from the wire are made safe for a terminal, and cut where a lane ends.

use std::collections::HashSet;
use std::net::SocketAddr;

use ringtap_cdr::record::Step;
use ringtap_cdr::text::safe;

use super::list::socket;

/// Lanes side by side; messages of further hosts are written out.
const LANES_MAX: usize = 6;

/// Columns from one lane to the next.
const GAP: std::ops::RangeInclusive<usize> = 26..=46;

/// Columns before the first lane, which hold the time.
const MARGIN: usize = 11;

/// Columns of an arrow that are no text: two of line at either side, a head, and blanks.
const ARROW: usize = 8;

/// The ladder, a line for each step, the time in seconds since the first.
pub(super) fn ladder(steps: &[Step]) -> String {
    let Some(first) = steps.iter().map(|step| step.ts_us).min() else { return String::new() };
    let hosts: HashSet<_> =
        steps.iter().flat_map(|s| [s.src.ip().to_canonical(), s.dst.ip().to_canonical()]).collect();
    // Both sides on one host: their ports tell them apart.
    let ports = hosts.len() < 2;
    let mut lanes = Lanes { names: Vec::new(), gap: 0, ports };
    for step in steps {
        lanes.add(step.src);
        lanes.add(step.dst);
    }
    let texts: Vec<String> = steps.iter().map(|step| safe(&step.text)).collect();
    let longest = texts.iter().map(|text| text.chars().count() + ARROW);
    let longest = longest.chain(lanes.names.iter().map(|name| name.len() + 2)).max();
    lanes.gap = longest.unwrap_or_default().clamp(*GAP.start(), *GAP.end());
    let mut out = lanes.head();
    for (step, text) in steps.iter().zip(&texts) {
        let at_ms = step.ts_us.saturating_sub(first) / 1000;
        let time = format!("{:>5}.{:03} ", at_ms / 1000, at_ms % 1000);
        out.push_str(&lanes.line(&time, step, text));
    }
    out
}

struct Lanes {
    names: Vec<String>,
    gap: usize,
    ports: bool,
}

impl Lanes {
    fn name(&self, addr: SocketAddr) -> String {
        if self.ports { socket(addr) } else { addr.ip().to_canonical().to_string() }
    }

    fn add(&mut self, addr: SocketAddr) {
        let name = self.name(addr);
        if self.names.len() < LANES_MAX && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn lane(&self, addr: SocketAddr) -> Option<usize> {
        let name = self.name(addr);
        self.names.iter().position(|known| *known == name)
    }

    fn column(&self, lane: usize) -> usize {
        MARGIN + self.gap / 2 + lane * self.gap
    }

    /// A line with nothing but the lanes.
    fn blank(&self) -> Vec<char> {
        let width = self.column(self.names.len());
        let mut line = vec![' '; width];
        for lane in 0..self.names.len() {
            line[self.column(lane)] = '|';
        }
        line
    }

    fn head(&self) -> String {
        let mut line = vec![' '; self.column(self.names.len())];
        for (lane, name) in self.names.iter().enumerate() {
            write(&mut line, (self.column(lane) + 1).saturating_sub(name.len().div_ceil(2)), name);
        }
        text(&line) + &text(&self.blank())
    }

    fn line(&self, time: &str, step: &Step, what: &str) -> String {
        let mut line = self.blank();
        write(&mut line, 0, time);
        match (self.lane(step.src), self.lane(step.dst)) {
            (Some(from), Some(to)) if from != to => {
                let (left, right) = (self.column(from.min(to)), self.column(from.max(to)));
                line[left + 1..right].fill('-');
                if from < to {
                    line[right - 1] = '>';
                } else {
                    line[left + 1] = '<';
                }
                let room = right - left - ARROW + 1;
                let what = format!(" {} ", cut(what, room));
                write(&mut line, left + (right - left - what.chars().count()) / 2 + 1, &what);
            }
            (Some(lane), Some(_)) => {
                let what = format!(" {} (to itself)", cut(what, self.gap - ARROW));
                write(&mut line, self.column(lane) + 1, &what);
            }
            _ => {
                let (src, dst) = (socket(step.src), socket(step.dst));
                return format!("{time}{src} > {dst} {what}\n");
            }
        }
        text(&line)
    }
}

fn write(line: &mut Vec<char>, at: usize, what: &str) {
    for (at, c) in (at..).zip(what.chars()) {
        if at >= line.len() {
            line.resize(at + 1, ' ');
        }
        line[at] = c;
    }
}

fn cut(what: &str, room: usize) -> String {
    if what.chars().count() <= room {
        return what.to_owned();
    }
    what.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn text(line: &[char]) -> String {
    let line: String = line.iter().collect();
    format!("{}\n", line.trim_end())
}
