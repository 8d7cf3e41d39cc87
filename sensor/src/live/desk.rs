//! The watching thread's side: puts questions up, joins the answers, and keeps to its time.
//!
//! One question at a time; whoever has another waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use ringtap_cdr::Filter;
use serde_json::{Value, json};

use super::{Answer, Asked, Board, LISTED_MAX, Part, Question, Row, What};
use crate::query;

/// How long workers may take for the calls, and then for their streams.
const LIMIT: Duration = Duration::from_millis(1000);

/// Bytes of the calls in one answer at most; what finds no room is counted as omitted.
const BYTES_MAX: usize = 2 << 20;

/// The watching thread's side.
#[derive(Debug)]
pub struct Desk {
    board: Arc<Board>,
    answers: Receiver<Answer>,
    workers: usize,
    number: u64,
    job: Option<Job>,
}

/// A question on its way.
#[derive(Debug)]
struct Job {
    asked: Asked,
    rows: Vec<Row>,
    running: usize,
    passed: usize,
    /// Workers that have not answered the question of the moment.
    waiting: usize,
    /// Answers that came too late, or not at all.
    missing: usize,
    streams: bool,
    until: Instant,
}

impl Desk {
    pub(super) fn new(board: Arc<Board>, answers: Receiver<Answer>, workers: usize) -> Self {
        Self { board, answers, workers, number: 0, job: None }
    }

    /// Whether a question can be put up.
    pub fn is_free(&self) -> bool {
        self.job.is_none()
    }

    /// Puts a question up.
    pub fn ask(&mut self, asked: Asked, now: Instant) {
        let what = match &asked {
            Asked::Calls(filter) => What::Calls { most: most(filter), filter: filter.clone() },
            Asked::Call(callid) => What::Call(callid.clone()),
        };
        self.put(what);
        self.job = Some(Job {
            asked,
            rows: Vec::new(),
            running: 0,
            passed: 0,
            waiting: self.workers,
            missing: 0,
            streams: false,
            until: now + LIMIT,
        });
    }

    /// Takes what has come; gives the answer once it is whole, or its time is up.
    pub fn step(&mut self, now: Instant) -> Option<Value> {
        while let Ok(answer) = self.answers.try_recv() {
            self.take(answer);
        }
        let job = self.job.as_mut()?;
        if job.waiting > 0 && now < job.until {
            return None;
        }
        job.missing = job.missing.max(job.waiting);
        if !job.streams && !job.rows.is_empty() {
            job.streams = true;
            job.waiting = self.workers;
            job.until = now + LIMIT;
            job.rows.sort_by(|a, b| {
                let place = |row: &Row| (row.record.calldate_us, row.call);
                place(b).cmp(&place(a))
            });
            if let Asked::Calls(filter) = &job.asked {
                job.rows.truncate(most(filter));
            }
            let calls = job.rows.iter().map(|row| row.call).collect();
            self.put(What::Streams(calls));
            return None;
        }
        let job = self.job.take()?;
        Some(job.answer())
    }

    fn put(&mut self, what: What) {
        self.number += 1;
        self.board.put(Question { number: self.number, what });
    }

    fn take(&mut self, answer: Answer) {
        let Some(job) = self.job.as_mut().filter(|_| answer.number == self.number) else { return };
        job.waiting = job.waiting.saturating_sub(1);
        match answer.part {
            Part::Calls { rows, running, passed } => {
                job.rows.extend(rows);
                job.running += running;
                job.passed += passed;
            }
            Part::Streams(streams) => {
                for (index, streams) in streams {
                    if let Some(row) = job.rows.get_mut(index) {
                        row.add(streams);
                    }
                }
            }
        }
    }
}

/// How many calls a worker has to give: where streams decide too, as many as are ever looked at.
fn most(filter: &Filter) -> usize {
    match (filter.mos_below, &filter.codec) {
        (None, None) => filter.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX),
        _ => LISTED_MAX,
    }
}

impl Job {
    fn answer(self) -> Value {
        match &self.asked {
            Asked::Call(_) => {
                let call = self.rows.first().map_or(Value::Null, |row| {
                    let mut call = row.to_json();
                    call["ID"] = Value::Null;
                    call["spool"] = spool(row);
                    call["text"] = query::running(row.state.label(), &row.record).into();
                    call
                });
                json!({ "running": self.running, "silent_workers": self.missing, "call": call })
            }
            Asked::Calls(filter) => {
                let (mut calls, mut bytes) = (Vec::new(), 0);
                let looked_at = self.rows.len();
                let limit = filter.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX);
                let mut passing = 0;
                for row in self.rows.iter().filter(|row| row.media_passes(filter)) {
                    passing += 1;
                    let call = row.to_json();
                    bytes += call.to_string().len();
                    if calls.len() < limit && bytes <= BYTES_MAX {
                        calls.push(call);
                    }
                }
                // Of those beyond the limit it is not known whether their streams would pass.
                let omitted = passing - calls.len() + self.passed.saturating_sub(looked_at);
                json!({
                    "running": self.running,
                    "omitted": omitted,
                    "silent_workers": self.missing,
                    "calls": calls,
                })
            }
        }
    }
}

/// Where the spool keeps the call's packets: the key of its SIP, and of each stream.
fn spool(row: &Row) -> Value {
    let streams: Vec<Value> = row
        .record
        .streams
        .iter()
        .map(|s| json!({ "key": s.spool_key, "first_us": s.first_us, "last_us": s.last_us }))
        .collect();
    json!({
        "call_key": row.record.call_key,
        "calldate_us": row.record.calldate_us,
        "callend_us": row.record.callend_us,
        "streams": streams,
    })
}
