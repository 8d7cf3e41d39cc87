//! The thread that takes finished records to the store and to the screen.
//!
//! From files, records come out in an order that does not depend on the workers: by tick, then
//! by time. Live, they go out as they come. A store that fails does not stop the capture: records
//! wait in memory and are tried again, which the log says at the outage's begin and end; those
//! that find no room are given up, counted, and reported at the end.

mod meeting;
mod repeats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use ringtap_cdr::{IdSource, Record, Store, StoreError};

use crate::worker::exchange::Progress;

pub use meeting::Meeting;
pub use repeats::Repeats;

/// Records one transaction takes at most.
const BATCH_MAX: usize = 2000;

/// A record waits this long for company.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// Records that wait for a store which refuses them, at most; older ones are given up, counted.
const RETRY_MAX: usize = 200_000;

/// How long a store that failed is left alone.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// A record that a worker has made.
#[derive(Debug)]
pub struct Made {
    /// Tick (files) or clock (live) in which it was made.
    pub at: u64,
    /// The record, without its ID.
    pub record: Record,
}

/// Where records are shown.
pub trait Show: Send {
    /// Shows one record.
    fn show(&mut self, record: &Record) -> std::io::Result<()>;
    /// Nothing follows.
    fn end(&mut self) -> std::io::Result<()>;
}

/// What the writer did.
#[derive(Debug, Default)]
pub struct Written {
    /// Records that came.
    pub records: u64,
    /// Records stored.
    pub stored: u64,
    /// Records that the store did not take.
    pub failed: u64,
    /// Why records are missing in the store or on the screen: the first reason.
    pub error: Option<String>,
    /// What the store said when it last refused; `None`: it takes records.
    refused: Option<String>,
}

/// The writer.
pub struct Writer {
    /// Records from the workers.
    pub records: Receiver<Made>,
    /// The order of files; `None` live.
    pub progress: Option<Arc<Progress>>,
    /// Where records are kept.
    pub store: Option<Box<dyn Store>>,
    /// Where records are shown.
    pub show: Option<Box<dyn Show>>,
    /// Gives records their IDs.
    pub ids: IdSource,
    /// Joins the legs of one call.
    pub meeting: Meeting,
    /// Tells requests that are only repetitions.
    pub repeats: Repeats,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Where a record stands among those of one tick. Records that are equal in this come from one
/// shard, and keep its order.
fn order(made: &Made) -> (u64, u64, &str, u64) {
    match &made.record {
        Record::Call(call) => (made.at, call.calldate_us, call.callid.as_str(), 0),
        Record::Vq(report) => (made.at, report.ts_us, report.callid.as_str(), 0),
        Record::Log(line) => (made.at, line.ts_us, line.callid.as_str(), 0),
        Record::Stream(lone) => (made.at, lone.stream.first_us, "", u64::from(lone.stream.ssrc)),
        Record::Transaction(one) => (made.at, one.first_us, one.callid.as_str(), 1),
        Record::Register(one) => {
            (made.at, one.created_us, one.callid.as_str(), one.register_key.max(2))
        }
    }
}

impl Writer {
    /// Works until all workers have let go of their end.
    pub fn run(mut self) -> Written {
        let mut written = Written::default();
        let mut waiting: Vec<Made> = Vec::new();
        let mut batch: Vec<Record> = Vec::new();
        let mut due = Instant::now() + BATCH_WAIT;
        loop {
            let before = self.progress.as_ref().map_or(u64::MAX, |p| p.records());
            let open = match self.records.recv_timeout(Duration::from_millis(50)) {
                Ok(made) => {
                    waiting.push(made);
                    waiting.extend(self.records.try_iter());
                    true
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            // What was read into `waiting` after `before` was taken may be incomplete from there.
            let until = if open { before } else { u64::MAX };
            Self::release(&mut waiting, until, &mut self.repeats, &mut batch);
            written.records += self.number_and_show(&mut batch, &mut written.error);
            if batch.len() >= BATCH_MAX || Instant::now() >= due || !open {
                let failed = !self.keep(&mut batch, &mut written);
                due = Instant::now() + if failed { RETRY_WAIT } else { BATCH_WAIT };
            }
            if !open {
                written.give_up(batch.len());
                if let Some(show) = &mut self.show {
                    note_error(&mut written.error, show.end());
                }
                return written;
            }
        }
    }

    /// Moves what is complete from `waiting` to `batch`, in order, without mere repetitions.
    fn release(
        waiting: &mut Vec<Made>,
        before: u64,
        repeats: &mut Repeats,
        batch: &mut Vec<Record>,
    ) {
        if waiting.is_empty() {
            return;
        }
        waiting.sort_by(|a, b| order(a).cmp(&order(b)));
        let ready = waiting.partition_point(|made| made.at < before);
        batch.extend(waiting.drain(..ready).map(|made| made.record).filter_map(|mut record| {
            let news = match &mut record {
                Record::Transaction(one) => repeats.is_news(one),
                _ => true,
            };
            news.then_some(record)
        }));
    }

    /// Gives new records their IDs and shows them; those that wait for the store have theirs.
    fn number_and_show(&mut self, batch: &mut [Record], error: &mut Option<String>) -> u64 {
        let mut new = 0;
        for record in batch {
            if record.id() != 0 {
                continue;
            }
            new += 1;
            match record {
                Record::Call(call) => {
                    call.id = self.ids.next(call.calldate_us);
                    self.meeting.join(call);
                }
                Record::Stream(lone) => lone.id = self.ids.next(lone.stream.first_us),
                Record::Vq(report) => report.id = self.ids.next(report.ts_us),
                Record::Log(line) => line.id = self.ids.next(line.ts_us),
                Record::Transaction(one) => one.id = self.ids.next(one.first_us),
                Record::Register(one) => one.id = self.ids.next(one.created_us),
            }
            if let Some(show) = &mut self.show {
                note_error(error, show.show(record));
            }
        }
        new
    }

    /// Stores the batch, a transaction after the other; what fails stays for the next try, up to
    /// a limit. False: failed.
    fn keep(&mut self, batch: &mut Vec<Record>, written: &mut Written) -> bool {
        let Some(store) = &mut self.store else {
            batch.clear();
            return true;
        };
        while let Some(some) = batch.chunks(BATCH_MAX).next() {
            let count = some.len();
            if let Err(error) = store.write(some) {
                written.refused(&error);
                let excess = batch.len().saturating_sub(RETRY_MAX);
                batch.drain(..excess);
                written.give_up(excess);
                return false;
            }
            batch.drain(..count);
            written.stored += count as u64;
            if written.refused.take().is_some() {
                tracing::info!(waiting = batch.len(), "the store takes records again");
            }
        }
        true
    }
}

impl Written {
    fn refused(&mut self, error: &StoreError) {
        if self.refused.is_none() {
            tracing::warn!(%error, "records cannot be stored; they wait and are tried again");
        }
        self.refused = Some(error.to_string());
    }

    /// Records that are lost.
    fn give_up(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        if self.failed == 0 {
            tracing::warn!(
                count,
                "records that waited for the store are given up; more may follow"
            );
        }
        self.failed += count as u64;
        if self.error.is_none() {
            self.error.clone_from(&self.refused);
        }
    }
}

fn note_error(slot: &mut Option<String>, result: std::io::Result<()>) {
    if let (Err(error), None) = (result, slot.as_ref()) {
        *slot = Some(format!("cannot print records: {error}"));
    }
}
