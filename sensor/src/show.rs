//! Records on standard output: JSON lines, CSV, or a table for people.
//!
//! JSON and CSV go out record by record; a table needs all rows to align its columns, so only
//! its first rows are held and the rest is counted.

use std::io::{self, BufWriter, StdoutLock, Write};

use ringtap_cdr::json::Detail;
use ringtap_cdr::{LoneStream, Record, RegisterRecord, TransactionRecord, json};

use crate::cli::Format;
use crate::query;
use crate::writer::Show;

/// Calls that a table shows, and rows of all other kinds; more are counted below it.
const TABLE_ROWS_MAX: usize = 10_000;

/// Standard output in one of the formats.
pub fn open(format: Format, detail: Detail) -> Box<dyn Show> {
    let out = Stdout { buffer: String::new() };
    match format {
        Format::Json => Box::new(Json(out, detail)),
        Format::Csv => Box::new(Csv { out, head: false, others: Others::default() }),
        Format::Table => Box::new(Table::default()),
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

/// Calls first; what has other columns follows, a table for each kind.
struct Csv {
    out: Stdout,
    head: bool,
    others: Others,
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
            other => self.others.push(other),
        }
        self.out.flush_when_long()
    }

    fn end(&mut self) -> io::Result<()> {
        self.others.push_csv(&mut self.out.buffer);
        if self.others.more > 0 {
            eprintln!(
                "ringtap: {} more that are no calls (--format json shows all)",
                self.others.more
            );
        }
        self.out.flush()
    }
}

/// Records that are no calls, held until the calls are through; those beyond a limit are counted.
#[derive(Default)]
struct Others {
    streams: Vec<LoneStream>,
    registers: Vec<RegisterRecord>,
    messages: Vec<TransactionRecord>,
    requests: Vec<TransactionRecord>,
    more: u64,
}

impl Others {
    fn len(&self) -> usize {
        self.streams.len() + self.registers.len() + self.messages.len() + self.requests.len()
    }

    fn push(&mut self, record: &Record) {
        if self.len() >= TABLE_ROWS_MAX {
            self.more += 1;
            return;
        }
        match record {
            // Reports of endpoints have columns of their own: JSON has them, and lines of logs.
            Record::Call(_) | Record::Vq(_) | Record::Log(_) => {}
            Record::Stream(one) => self.streams.push((**one).clone()),
            Record::Register(one) => self.registers.push((**one).clone()),
            Record::Transaction(one) if one.is_message() => self.messages.push((**one).clone()),
            Record::Transaction(one) => self.requests.push((**one).clone()),
        }
    }

    fn push_csv(&self, out: &mut String) {
        fn table<T>(out: &mut String, rows: &[T], head: &str, row: fn(&mut String, &T)) {
            if !rows.is_empty() {
                out.push_str(head);
            }
            rows.iter().for_each(|one| row(out, one));
        }
        table(out, &self.streams, &json::stream_csv_head(), json::push_stream_csv);
        table(out, &self.registers, &json::register_csv_head(), json::push_register_csv);
        table(out, &self.messages, &json::message_csv_head(), json::push_transaction_csv);
        table(out, &self.requests, &json::sip_csv_head(), json::push_transaction_csv);
    }
}

#[derive(Default)]
struct Table {
    calls: Vec<ringtap_cdr::CallRecord>,
    others: Others,
    more: u64,
}

impl Show for Table {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Call(_) if self.calls.len() >= TABLE_ROWS_MAX => self.more += 1,
            Record::Call(call) => self.calls.push((**call).clone()),
            other => self.others.push(other),
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.calls.is_empty() && self.others.len() == 0 {
            return Ok(());
        }
        let mut out: BufWriter<StdoutLock<'_>> = BufWriter::new(io::stdout().lock());
        query::calls_table(&self.calls, &mut out)?;
        if !self.others.streams.is_empty() {
            query::streams_table(&self.others.streams, &mut out)?;
        }
        if !self.others.registers.is_empty() {
            writeln!(out, "\nRegistrations")?;
            query::registers_table(&self.others.registers, &mut out)?;
        }
        if !self.others.messages.is_empty() {
            writeln!(out, "\nMessages")?;
            query::messages_table(&self.others.messages, &mut out)?;
        }
        if !self.others.requests.is_empty() {
            writeln!(out, "\nOther requests outside of calls")?;
            query::requests_table(&self.others.requests, &mut out)?;
        }
        let more = self.more + self.others.more;
        if more > 0 {
            writeln!(out, "and {more} more (--format json shows all)")?;
        }
        out.flush()
    }
}
