//! A store that is away for a while, or for good.

use std::ops::ControlFlow;
use std::sync::Mutex;

use ringtap_cdr::store::{Counts, totals::Fact};
use ringtap_cdr::{
    CallRecord, Filter, LoneStream, OutsideFilter, RegisterRecord, TransactionRecord,
};

use super::*;

/// Refuses so many times, and keeps what comes then.
#[derive(Debug)]
struct Fickle {
    refusals: u32,
    kept: Arc<Mutex<Vec<u64>>>,
}

impl Store for Fickle {
    fn write(&mut self, records: &[Record]) -> Result<ringtap_cdr::Written, StoreError> {
        assert!(records.len() <= BATCH_MAX);
        if self.refusals > 0 {
            self.refusals -= 1;
            let server = "mysql://a@b/c".into();
            return Err(StoreError::Away { server, detail: "gone".into() });
        }
        self.kept.lock().unwrap().extend(records.iter().map(Record::id));
        Ok(ringtap_cdr::Written::default())
    }

    fn calls(
        &mut self,
        _: &Filter,
        _: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn streams(
        &mut self,
        _: &Filter,
        _: &mut dyn FnMut(LoneStream) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn call(&mut self, _: u64) -> Result<Option<CallRecord>, StoreError> {
        Ok(None)
    }

    fn call_by_callid(&mut self, _: &str) -> Result<Option<CallRecord>, StoreError> {
        Ok(None)
    }

    fn stream(&mut self, _: u64) -> Result<Option<LoneStream>, StoreError> {
        Ok(None)
    }

    fn facts(&mut self, _: &Filter, _: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        Ok(())
    }

    fn registers(
        &mut self,
        _: &OutsideFilter,
        _: &mut dyn FnMut(RegisterRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn messages(
        &mut self,
        _: &OutsideFilter,
        _: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn requests(
        &mut self,
        _: &OutsideFilter,
        _: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn counts(&mut self) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }
}

/// Keeps `calls` calls in rounds, as [`Writer::run`] does; what was kept, and what is said of it.
fn rounds(refusals: u32, calls: u64, rounds: u32) -> (Vec<u64>, Written, usize) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (_, records) = crossbeam::channel::bounded(1);
    let mut writer = Writer {
        records,
        progress: None,
        store: Some(Box::new(Fickle { refusals, kept: Arc::clone(&kept) })),
        show: None,
        ids: IdSource::new(1),
        meeting: Meeting::default(),
        repeats: Repeats::new(0, Arc::default()),
    };
    let call = |id| Record::Call(Box::new(CallRecord { id, ..CallRecord::default() }));
    let mut batch: Vec<Record> = (1..=calls).map(call).collect();
    let mut written = Written::default();
    for _ in 0..rounds {
        writer.keep(&mut batch, &mut written);
    }
    written.give_up(batch.len());
    let kept = kept.lock().unwrap().clone();
    (kept, written, batch.len())
}

#[test]
fn records_wait_for_a_store_that_is_away_and_arrive_in_order() {
    let calls = 2 * BATCH_MAX as u64 + 1;
    let (kept, written, left) = rounds(3, calls, 4);
    assert_eq!(kept, (1..=calls).collect::<Vec<_>>());
    assert_eq!((written.stored, written.failed, left), (calls, 0, 0));
    // It is over, and nothing is missing: no error.
    assert_eq!(written.error, None);
}

#[test]
fn the_oldest_of_too_many_are_given_up_and_counted() {
    let calls = RETRY_MAX as u64 + 7;
    let (kept, written, left) = rounds(1, calls, 2);
    assert_eq!(kept, (8..=calls).collect::<Vec<_>>());
    assert_eq!((written.stored, written.failed, left), (RETRY_MAX as u64, 7, 0));
    assert_eq!(written.error.as_deref(), Some("mysql://a@b/c: gone"));
    let (kept, written, _) = rounds(9, 5, 2);
    assert_eq!((kept.len(), written.failed), (0, 5));
    assert!(written.error.is_some());
}
