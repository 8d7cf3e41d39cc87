//! Records as rows: the statements that write and read them, the same for every database.
//!
//! One transaction a batch. It does not wait and does not queue: whoever writes keeps the batch
//! until it is stored. It opens no database and makes no tables.

mod bind;
mod dialog;
mod facts;
mod legs;
mod media;
mod names;
mod outside;
mod read;
mod tunnel;
mod write;

use crate::db::{Connection, Error};
use crate::filter::Filter;
use crate::filter::outside::OutsideFilter;
use crate::outside::{RegisterRecord, TransactionRecord};
use crate::record::{CallRecord, LoneStream, Record};
use crate::store::totals::Fact;
use crate::store::{Counts, Store, StoreError, Written};
use std::ops::ControlFlow;

/// How often a batch is made anew that another sensor was in the way of.
const RACES_MAX: u32 = 4;

/// A database that has our tables.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    names: names::Names,
}

impl Database {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, names: names::Names::default() }
    }

    fn line(&self, task: &'static str, error: Error) -> StoreError {
        self.connection.engine().line(task, error)
    }
}

impl Store for Database {
    fn write(&mut self, records: &[Record]) -> Result<Written, StoreError> {
        let mut again = RACES_MAX;
        loop {
            let error = match write::batch(&self.connection, &mut self.names, records) {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            // Names of a transaction that was rolled back have no row.
            self.names.clear();
            if again == 0 || !self.connection.engine().is_race(&error) {
                return Err(self.line("store the records", error));
            }
            again -= 1;
        }
    }

    fn calls(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = read::calls(&self.connection, filter, each);
        found.map_err(|error| self.line("read the calls", error))
    }

    fn streams(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(LoneStream) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = read::lone_streams(&self.connection, filter, each);
        found.map_err(|error| self.line("read the streams", error))
    }

    fn call(&mut self, id: u64) -> Result<Option<CallRecord>, StoreError> {
        let found = read::call(&self.connection, id);
        found.map_err(|error| self.line("read the call", error))
    }

    fn call_by_callid(&mut self, callid: &str) -> Result<Option<CallRecord>, StoreError> {
        let found = read::call_by_callid(&self.connection, callid);
        found.map_err(|error| self.line("read the call", error))
    }

    fn stream(&mut self, id: u64) -> Result<Option<LoneStream>, StoreError> {
        let found = read::lone_stream(&self.connection, id);
        found.map_err(|error| self.line("read the stream", error))
    }

    fn facts(&mut self, filter: &Filter, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError> {
        let found = facts::facts(&self.connection, filter, each);
        found.map_err(|error| self.line("sum the calls", error))
    }

    fn registers(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(RegisterRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = outside::registers(&self.connection, filter, each);
        found.map_err(|error| self.line("read the registrations", error))
    }

    fn messages(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let which = outside::Requests::Messages;
        let found = outside::transactions(&self.connection, which, filter, each);
        found.map_err(|error| self.line("read the messages", error))
    }

    fn requests(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let which = outside::Requests::Others;
        let found = outside::transactions(&self.connection, which, filter, each);
        found.map_err(|error| self.line("read the requests", error))
    }

    fn counts(&mut self) -> Result<Counts, StoreError> {
        let found = read::counts(&self.connection);
        found.map_err(|error| self.line("count the records", error))
    }
}
