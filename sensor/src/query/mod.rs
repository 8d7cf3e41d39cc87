//! What `calls`, `call` and `summary` print: lists, tables, one call's ladder, sums; and lists of
//! what happened outside of calls.
//!
//! Records come from a store or from whoever has them; questions are the store's business.

mod course;
mod dialog;
mod ladder;
mod legs;
mod list;
mod live;
mod one;
mod outside;
mod summary;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::ops::ControlFlow;

use ringtap_cdr::json::Detail;
use ringtap_cdr::{CallRecord, Filter, Record, Store, StoreError, json};

pub use legs::{grouped, with_legs};
pub use list::{calls_table, streams_table};
pub use live::{live_calls, running};
pub use outside::{messages, messages_table, registers, registers_table, requests, requests_table};
pub use summary::summary;

/// Rows of a table that are held to align their columns; longer lists come in several tables.
const TABLE_ROWS_MAX: usize = 10_000;

/// How records are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
    /// CSV with a line of names.
    Csv,
}

/// Why nothing more was printed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was found could not be printed.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Prints the calls that the filter finds; as a table, with their number below.
pub fn calls(
    store: &mut dyn Store,
    filter: &Filter,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let mut printer = Printer { format, out, rows: Vec::new(), line: String::new(), count: 0 };
    if format == Format::Csv {
        printer.out.write_all(json::csv_head().as_bytes())?;
    }
    let mut printed = Ok(());
    store.calls(filter, &mut |call| {
        printed = printer.print(call);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    printed?;
    Ok(printer.end()?)
}

/// Prints one call, by its record's ID or its Call-ID; `false` if there is none.
pub fn call(
    store: &mut dyn Store,
    name: &str,
    format: Format,
    detail: Detail,
    out: &mut dyn Write,
) -> Result<bool, QueryError> {
    let Some(call) = store.find(name)? else { return Ok(false) };
    match format {
        Format::Table if call.legs.known.is_empty() => {
            out.write_all(one::text(&call).as_bytes())?;
        }
        Format::Table => {
            let legs = with_legs(store, call.clone())?;
            out.write_all(legs::text(&call, legs).as_bytes())?;
        }
        Format::Json => {
            let mut line = String::new();
            json::push_line_with(&mut line, &Record::Call(Box::new(call)), detail);
            out.write_all(line.as_bytes())?;
        }
        Format::Csv => {
            let mut text = json::csv_head();
            json::push_csv(&mut text, &call);
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(true)
}

struct Printer<'a> {
    format: Format,
    out: &'a mut dyn Write,
    rows: Vec<CallRecord>,
    line: String,
    count: u64,
}

impl Printer<'_> {
    fn print(&mut self, call: CallRecord) -> io::Result<()> {
        self.count += 1;
        self.line.clear();
        match self.format {
            Format::Table => {
                self.rows.push(call);
                if self.rows.len() >= TABLE_ROWS_MAX { self.table() } else { Ok(()) }
            }
            Format::Json => {
                json::push_call(&mut self.line, &call);
                self.line.push('\n');
                self.out.write_all(self.line.as_bytes())
            }
            Format::Csv => {
                json::push_csv(&mut self.line, &call);
                self.out.write_all(self.line.as_bytes())
            }
        }
    }

    fn table(&mut self) -> io::Result<()> {
        calls_table(&self.rows, self.out)?;
        self.rows.clear();
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.format != Format::Table {
            return Ok(());
        }
        if !self.rows.is_empty() {
            self.table()?;
        }
        writeln!(self.out, "{} call{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}
