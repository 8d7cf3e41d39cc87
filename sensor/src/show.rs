//! Records on standard output: JSON lines, CSV, or a table for people.
//!
//! JSON and CSV go out record by record; a table needs all rows to align its columns, so only
//! its first rows are held and the rest is counted.

use std::io::{self, BufWriter, StdoutLock, Write};

use ringtap_cdr::json::Detail;
use ringtap_cdr::{Record, json};

use crate::cli::Format;
use crate::query;
use crate::writer::Show;

/// Calls that a table shows; more are counted below it.
const TABLE_ROWS_MAX: usize = 10_000;

/// Standard output in one of the formats.
pub fn open(format: Format, detail: Detail) -> Box<dyn Show> {
    let out = Stdout { buffer: String::new() };
    match format {
        Format::Json => Box::new(Json(out, detail)),
        Format::Csv => Box::new(Csv { out, head: false, streams: Vec::new() }),
        Format::Table => Box::new(Table { calls: Vec::new(), streams: Vec::new(), more: 0 }),
    }
}

/// Standard output, taken only while something is written.
struct Stdout {
    buffer: String,
}

impl Stdout {
    fn flush(&mut self) -> io::Result<()> {
        let done = io::stdout().lock().write_all(self.buffer.as_bytes());
        self.buffer.clear();
        done
    }

    fn flush_when_long(&mut self) -> io::Result<()> {
        if self.buffer.len() >= 1 << 16 { self.flush() } else { Ok(()) }
    }
}

struct Json(Stdout, Detail);

impl Show for Json {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        json::push_line_with(&mut self.0.buffer, record, self.1);
        self.0.flush_when_long()
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Calls first; streams without signalling have other columns and follow as a second table.
struct Csv {
    out: Stdout,
    head: bool,
    streams: Vec<Record>,
}

impl Show for Csv {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Call(call) => {
                if !std::mem::replace(&mut self.head, true) {
                    self.out.buffer.push_str(&json::csv_head());
                }
                json::push_csv(&mut self.out.buffer, call);
            }
            Record::Stream(_) if self.streams.len() < TABLE_ROWS_MAX => {
                self.streams.push(record.clone());
            }
            // Reports of endpoints have other columns: JSON has them.
            Record::Stream(_) | Record::Vq(_) => {}
        }
        self.out.flush_when_long()
    }

    fn end(&mut self) -> io::Result<()> {
        if !self.streams.is_empty() {
            self.out.buffer.push_str(&json::stream_csv_head());
        }
        for record in &self.streams {
            if let Record::Stream(lone) = record {
                json::push_stream_csv(&mut self.out.buffer, lone);
            }
        }
        self.out.flush()
    }
}

struct Table {
    calls: Vec<ringtap_cdr::CallRecord>,
    streams: Vec<ringtap_cdr::LoneStream>,
    more: u64,
}

impl Show for Table {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        if self.calls.len() + self.streams.len() >= TABLE_ROWS_MAX {
            self.more += 1;
            return Ok(());
        }
        match record {
            Record::Call(call) => self.calls.push((**call).clone()),
            Record::Stream(lone) => self.streams.push((**lone).clone()),
            Record::Vq(_) => {}
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.calls.is_empty() && self.streams.is_empty() {
            return Ok(());
        }
        let mut out: BufWriter<StdoutLock<'_>> = BufWriter::new(io::stdout().lock());
        query::calls_table(&self.calls, &mut out)?;
        if !self.streams.is_empty() {
            query::streams_table(&self.streams, &mut out)?;
        }
        if self.more > 0 {
            writeln!(out, "and {} more (--format json shows all)", self.more)?;
        }
        out.flush()
    }
}
