//! A worker's side: answers the question of the moment, a slice a round.
//!
//! It runs outside of the way of packets, changes nothing, and never waits.

use std::sync::Arc;

use crossbeam::channel::{Sender, TrySendError};
use ringtap_call::Place;
use ringtap_cdr::StreamRecord;

use super::row::{Row, passes};
use super::{Answer, Board, Part, Question, What};
use crate::worker::shard::Shard;
use crate::worker::streams::Streams;

/// Calls looked at in one round.
const LOOKED_MAX: usize = 2048;

/// Calls described in one round.
const DESCRIBED_MAX: usize = 64;

/// Calls whose streams are reported in one round: a report of a long stream takes some ten
/// microseconds, and a round is to stay below a millisecond.
const REPORTED_MAX: usize = 32;

/// A worker's side.
#[derive(Debug)]
pub struct Respondent {
    board: Arc<Board>,
    answers: Sender<Answer>,
    id_sensor: u16,
    known: u64,
    task: Option<Task>,
}

/// A question that is being answered.
#[derive(Debug)]
struct Task {
    question: Arc<Question>,
    rows: Vec<Row>,
    passed: usize,
    before: Option<Place>,
    streams: Vec<(usize, Vec<StreamRecord>)>,
    next: usize,
    ready: Option<Answer>,
}

impl Respondent {
    pub(super) fn new(board: Arc<Board>, answers: Sender<Answer>, id_sensor: u16) -> Self {
        Self { board, answers, id_sensor, known: 0, task: None }
    }

    /// One round: takes up a new question, or goes on with the one at hand.
    #[inline]
    pub fn round(&mut self, shard: &Shard, streams: &Streams, now_clock_ns: u64) {
        if let Some(question) = self.board.news(self.known) {
            self.known = question.number;
            self.task = Some(Task::new(question));
        }
        if self.task.is_some() {
            self.go_on(shard, streams, now_clock_ns);
        }
    }

    #[cold]
    fn go_on(&mut self, shard: &Shard, streams: &Streams, now_clock_ns: u64) {
        let Some(task) = &mut self.task else { return };
        if task.ready.is_none() {
            task.slice(shard, streams, self.id_sensor, now_clock_ns);
        }
        let Some(answer) = task.ready.take() else { return };
        match self.answers.try_send(answer) {
            Err(TrySendError::Full(answer)) => task.ready = Some(answer),
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.task = None,
        }
    }
}

impl Task {
    fn new(question: Arc<Question>) -> Self {
        Self {
            question,
            rows: Vec::new(),
            passed: 0,
            before: None,
            streams: Vec::new(),
            next: 0,
            ready: None,
        }
    }

    /// Works for one round; afterwards the answer is ready, or there is more to do.
    fn slice(&mut self, shard: &Shard, streams: &Streams, id_sensor: u16, now_clock_ns: u64) {
        let question = Arc::clone(&self.question);
        let part = match &question.what {
            What::Call(callid) => {
                let found = shard.describe(callid.as_bytes());
                let rows: Vec<Row> = found
                    .map(|(live, record)| Row::new(&live, record, now_clock_ns))
                    .into_iter()
                    .collect();
                Part::Calls { passed: rows.len(), running: shard.live(), rows }
            }
            What::Calls { filter, most } => {
                let mut looked = 0;
                let mut described = 0;
                for (place, live) in shard.latest(self.before) {
                    looked += 1;
                    self.before = Some(place);
                    if passes(filter, live.summary, id_sensor) {
                        self.passed += 1;
                        if self.rows.len() < *most {
                            described += 1;
                            let mut record = shard.record_of(live.summary);
                            record.ladder = Vec::new();
                            self.rows.push(Row::new(&live, record, now_clock_ns));
                        }
                    }
                    if looked >= LOOKED_MAX || described >= DESCRIBED_MAX {
                        return;
                    }
                }
                let rows = std::mem::take(&mut self.rows);
                Part::Calls { rows, running: shard.live(), passed: self.passed }
            }
            What::Streams(calls) => {
                for (index, call) in calls.iter().enumerate().skip(self.next).take(REPORTED_MAX) {
                    let found = streams.look(*call);
                    if !found.is_empty() {
                        self.streams.push((index, found));
                    }
                }
                self.next += REPORTED_MAX;
                if self.next < calls.len() {
                    return;
                }
                Part::Streams(std::mem::take(&mut self.streams))
            }
        };
        self.ready = Some(Answer { number: question.number, part });
    }
}
