//! `ringtap replay --explain`: what is in capture files, what becomes of it, and what would be
//! missed.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use ringtap_cdr::{MediaMarks, Record};

use super::doctor::code;
use super::replay::{ledger, workers, write_stats};
use crate::cli::{Format, ReplayArgs};
use crate::config::Config;
use crate::doctor::finding::{Finding, State, Style, print};
use crate::ledger::{Event, Tally};
use crate::look::{Look, Place, findings};
use crate::plant::directions;
use crate::plant::replay::{Replayed, explained};
use crate::writer::Show;

/// What findings call the files.
const NAME: &str = "capture";

/// A call that was seen by half (`bye` of its record).
const ONE_SIDE: u8 = 101;

/// Records, counted.
#[derive(Clone, Debug, Default)]
struct Recorded {
    calls: u64,
    answered: u64,
    silent: u64,
    one_way: u64,
    by_half: u64,
    streams: u64,
    lone: u64,
    registers: u64,
    requests: u64,
    reports: u64,
}

impl Recorded {
    fn count(&mut self, record: &Record) {
        match record {
            Record::Call(call) => {
                let marked = |mark: MediaMarks| u64::from(call.media_marks.0 & mark.0 != 0);
                self.calls += 1;
                self.answered += u64::from(call.connect_duration_us.is_some());
                self.silent += marked(MediaMarks::NO_MEDIA);
                self.one_way +=
                    marked(MediaMarks::CALLER_MISSING) | marked(MediaMarks::CALLEE_MISSING);
                self.by_half += u64::from(call.bye == ONE_SIDE);
                self.streams += call.streams.len() as u64;
            }
            Record::Stream(_) => self.lone += 1,
            Record::Vq(_) => self.reports += 1,
            // Only agents tell them.
            Record::Log(_) => {}
            Record::Transaction(_) => self.requests += 1,
            Record::Register(_) => self.registers += 1,
        }
    }
}

struct Counter(Arc<Mutex<Recorded>>);

impl Show for Counter {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(record);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the files and says what is in them.
pub(super) fn explain(config: &Config, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let style = match args.format {
        Format::Table => Style::Lines,
        Format::Json => Style::Json,
        Format::Csv => bail!("--explain has no CSV: --format table or json"),
    };
    let workers = workers(&args);
    let recorded = Arc::new(Mutex::new(Recorded::default()));
    let show = Box::new(Counter(Arc::clone(&recorded)));
    let mut done = explained(config, args.files, workers, show)?;
    write_stats(args.stats.as_deref(), &ledger(&done).to_json())?;
    let recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut all: Vec<Finding> = done.outcome.remarks.iter().map(|r| remark(r)).collect();
    if let Some(mut look) = done.outcome.look.take() {
        all.extend(seen(&mut look, config));
    }
    all.extend(records(&recorded));
    all.extend(trouble(&done));
    let mut out = io::stdout().lock();
    all.iter().try_for_each(|one| print(one, style, &mut out)).context("cannot print")?;
    Ok(code(all.iter().map(|one| one.state).max().unwrap_or(State::Ok)))
}

fn new(state: State, about: &str, what: impl Into<String>) -> Finding {
    Finding::new(state, format!("{NAME} {about}"), what)
}

fn remark(remark: &str) -> Finding {
    new(State::Warning, "file", remark).means("what it holds beyond that is not seen")
}

fn seen(look: &mut Look, config: &Config) -> Vec<Finding> {
    let heard = [Arc::new(Mutex::new(look.heard()))];
    let directions = directions::judge(&heard, look.origin());
    let place = Place { name: NAME, seconds: None, mtu: None, directions };
    findings(look, &place, config)
}

/// What a sensor would write down.
fn records(recorded: &Recorded) -> Vec<Finding> {
    let Recorded { calls, answered, streams, lone, registers, requests, reports, .. } = *recorded;
    let what = format!(
        "{calls} calls, {answered} of them answered, with {streams} streams; {lone} streams of \
         no call; {registers} changes of registrations, {requests} other requests, \
         {reports} quality reports"
    );
    let mut all = vec![new(State::Ok, "records", what)];
    let mut warn = |count: u64, what: &str, means: &str, advice: &str| {
        if count > 0 {
            let finding = new(State::Warning, "records", format!("{count} {what}"));
            all.push(finding.means(means).advice(advice));
        }
    };
    warn(
        lone,
        "streams without a call",
        "the SIP that announces them is not here",
        "capture it too; see whether it is on other ports, encrypted, or from before",
    );
    warn(
        recorded.silent,
        "answered calls without any RTP",
        "their media goes another way",
        "mirror that way too",
    );
    warn(
        recorded.one_way,
        "calls with RTP of one side only",
        "one-way audio, or a mirror of one direction",
        "see whether it is the same side in all of them (`ringtap replay`)",
    );
    warn(
        recorded.by_half,
        "calls of which one side's SIP was seen",
        "the other direction is missing",
        "mirror both ingress and egress",
    );
    all
}

/// What went wrong on the way.
fn trouble(done: &Replayed) -> Vec<Finding> {
    let mut all = Vec::new();
    let clock = &done.outcome.clock;
    if clock.steps > 0 {
        let what = format!("{} jumps of its clock, or gaps of more than an hour", clock.steps);
        all.push(
            new(State::Warning, "clock", what)
                .means("what lasts over a jump seems shorter or longer by it")
                .advice("if these are no gaps, synchronise the capturing host's clock"),
        );
    }
    if clock.held > 0 {
        let what = format!("{} frames with times far from all others'", clock.held);
        all.push(new(State::Note, "clock", what).means("their times are not believed"));
    }
    if clock.back > 0 {
        let what = format!("{} frames are a little behind earlier ones", clock.back);
        all.push(new(State::Note, "clock", what).means("several queues or ports were captured"));
    }
    let malformed = done.tally.events_of(Event::SipMalformed);
    if malformed > 0 {
        let what = format!("{malformed} malformed messages of SIP");
        all.push(new(State::Note, "signalling", what).means("they are recorded, with the reason"));
    }
    let lost = happened(&done.tally);
    if !lost.is_empty() {
        all.push(new(State::Note, "signalling", lost.join(", ")).means("some messages lack parts"));
    }
    all
}

fn happened(tally: &Tally) -> Vec<String> {
    const WORDS: [(Event, &str); 6] = [
        (Event::TcpMidstream, "TCP connections without their beginning"),
        (Event::TcpHoles, "holes in TCP connections"),
        (Event::DatagramsExpired, "datagrams without all of their fragments"),
        (Event::FragmentsUnusable, "fragments that contradict each other"),
        (Event::WebsocketCompressed, "compressed WebSocket messages"),
        (Event::TcpUnreadable, "messages of TCP connections that are no SIP"),
    ];
    let counts = WORDS.into_iter().map(|(event, what)| (tally.events_of(event), what));
    counts.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
}
