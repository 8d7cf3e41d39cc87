//! Calls that run, shown to whoever asks at the status socket.
//!
//! The watching thread puts a question up ([`Board`]); every worker sees at its next round that
//! there is a new one, looks through its calls or streams a slice at a time and sends one bounded
//! answer back ([`Respondent`]); the watching thread joins the answers ([`Desk`]). A worker never
//! waits: it reads one number a round, and where nobody takes its answer the answer waits.

mod desk;
mod respondent;
mod row;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crossbeam::channel::{Receiver, Sender, bounded};
use ringtap_cdr::{Filter, FilterError, StreamRecord};
use serde_json::{Map, Value};

use crate::worker::endpoints::CallInstance;

pub use desk::Desk;
pub use respondent::Respondent;
pub use row::{COLUMNS, Row};

/// Calls that one answer lists at most.
pub const LISTED_MAX: usize = 1000;

/// The names of the filters that a question may carry.
const FILTERS: [&str; 11] = [
    "since",
    "until",
    "caller",
    "called",
    "ip",
    "sensor",
    "response",
    "mos-below",
    "codec",
    "agent",
    "limit",
];

/// UNIX time in microseconds.
pub fn now_us() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// What somebody wants to know of the calls that run.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Those that pass a filter, the latest first.
    Calls(Filter),
    /// The one with this Call-ID, in full.
    Call(String),
}

impl Asked {
    /// Reads the request of a client: an object whose `ask` is `calls`, with filters by the names
    /// of the command line, or `call`, with a `callid`. `None`: it is neither.
    pub fn read(request: &Map<String, Value>, now_us: u64) -> Option<Result<Self, FilterError>> {
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        match text("ask")? {
            "calls" => {
                let mut filter = Filter::default();
                for name in FILTERS {
                    if let Some(value) = text(name)
                        && let Err(error) = filter.set(name, value, now_us)
                    {
                        return Some(Err(error));
                    }
                }
                Some(Ok(Self::Calls(filter)))
            }
            "call" => Some(Ok(Self::Call(text("callid")?.to_owned()))),
            _ => None,
        }
    }
}

/// What all workers are asked.
#[derive(Debug)]
enum What {
    /// The latest of your calls that pass, at most so many.
    Calls { filter: Filter, most: usize },
    /// Your call of that Call-ID.
    Call(String),
    /// Your streams of these calls.
    Streams(Vec<CallInstance>),
}

/// A question with its number.
#[derive(Debug)]
struct Question {
    number: u64,
    what: What,
}

/// One worker's answer.
#[derive(Debug)]
struct Answer {
    number: u64,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// Calls, the latest first; how many run here, and how many of them passed the filter.
    Calls { rows: Vec<Row>, running: usize, passed: usize },
    /// For each call asked for that has streams here: its place in the question, and the streams.
    Streams(Vec<(usize, Vec<StreamRecord>)>),
}

/// Where the question of the moment stands.
#[derive(Debug, Default)]
pub struct Board {
    number: AtomicU64,
    question: Mutex<Option<Arc<Question>>>,
}

impl Board {
    fn put(&self, question: Question) {
        let number = question.number;
        *self.question.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(question));
        self.number.store(number, Ordering::Release);
    }

    /// The question, if it is not the one known; never waits.
    fn news(&self, known: u64) -> Option<Arc<Question>> {
        if self.number.load(Ordering::Acquire) == known {
            return None;
        }
        match self.question.try_lock() {
            Ok(question) => question.clone(),
            Err(TryLockError::Poisoned(error)) => error.into_inner().clone(),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A desk and as many respondents as there are workers.
pub fn open(workers: usize, id_sensor: u16) -> (Desk, Vec<Respondent>) {
    let board = Arc::new(Board::default());
    // Room for every worker's answer to a question and to the one before it.
    let (sender, answers): (Sender<Answer>, Receiver<Answer>) = bounded(2 * workers.max(1));
    let respondents = (0..workers)
        .map(|_| Respondent::new(Arc::clone(&board), sender.clone(), id_sensor))
        .collect();
    (Desk::new(board, answers, workers), respondents)
}
