//! What `registers`, `messages` and `requests` print.
//!
//! As for calls: tables for people, JSON and CSV for programs.

use std::io::{self, Write};
use std::ops::ControlFlow;

use ringtap_cdr::text::{Align, Table};
use ringtap_cdr::{OutsideFilter, RegisterRecord, Store, TransactionRecord, json};

use super::list::{dash, id, text, when};
use super::{Format, QueryError, TABLE_ROWS_MAX};

/// How records of one kind are printed.
struct Kind<T> {
    name: &'static str,
    csv_head: fn() -> String,
    csv: fn(&mut String, &T),
    json: fn(&mut String, &T),
    table: fn(&[T], &mut dyn Write) -> io::Result<()>,
}

const REGISTERS: Kind<RegisterRecord> = Kind {
    name: "change",
    csv_head: json::register_csv_head,
    csv: json::push_register_csv,
    json: json::push_register,
    table: registers_table,
};

const MESSAGES: Kind<TransactionRecord> = Kind {
    name: "message",
    csv_head: json::message_csv_head,
    csv: json::push_transaction_csv,
    json: json::push_transaction,
    table: messages_table,
};

const REQUESTS: Kind<TransactionRecord> = Kind {
    name: "request",
    csv_head: json::sip_csv_head,
    csv: json::push_transaction_csv,
    json: json::push_transaction,
    table: requests_table,
};

/// Prints the changes of registrations that the filter finds.
pub fn registers(
    store: &mut dyn Store,
    filter: &OutsideFilter,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let mut printer = Printer::new(REGISTERS, format, out)?;
    store.registers(filter, &mut |record| printer.take(record))?;
    printer.end()
}

/// Prints the MESSAGEs that the filter finds.
pub fn messages(
    store: &mut dyn Store,
    filter: &OutsideFilter,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let mut printer = Printer::new(MESSAGES, format, out)?;
    store.messages(filter, &mut |record| printer.take(record))?;
    printer.end()
}

/// Prints the other requests outside of calls that the filter finds.
pub fn requests(
    store: &mut dyn Store,
    filter: &OutsideFilter,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let mut printer = Printer::new(REQUESTS, format, out)?;
    store.requests(filter, &mut |record| printer.take(record))?;
    printer.end()
}

struct Printer<'a, T> {
    kind: Kind<T>,
    format: Format,
    out: &'a mut dyn Write,
    rows: Vec<T>,
    count: u64,
    printed: io::Result<()>,
}

impl<'a, T> Printer<'a, T> {
    fn new(kind: Kind<T>, format: Format, out: &'a mut dyn Write) -> io::Result<Self> {
        if format == Format::Csv {
            out.write_all((kind.csv_head)().as_bytes())?;
        }
        Ok(Self { kind, format, out, rows: Vec::new(), count: 0, printed: Ok(()) })
    }

    fn take(&mut self, record: T) -> ControlFlow<()> {
        self.count += 1;
        self.printed = self.print(record);
        if self.printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn print(&mut self, record: T) -> io::Result<()> {
        let mut line = String::new();
        match self.format {
            Format::Table => {
                self.rows.push(record);
                return if self.rows.len() >= TABLE_ROWS_MAX { self.table() } else { Ok(()) };
            }
            Format::Json => {
                (self.kind.json)(&mut line, &record);
                line.push('\n');
            }
            Format::Csv => (self.kind.csv)(&mut line, &record),
        }
        self.out.write_all(line.as_bytes())
    }

    fn table(&mut self) -> io::Result<()> {
        (self.kind.table)(&self.rows, self.out)?;
        self.rows.clear();
        Ok(())
    }

    fn end(mut self) -> Result<(), QueryError> {
        std::mem::replace(&mut self.printed, Ok(()))?;
        if self.format == Format::Table {
            if !self.rows.is_empty() {
                self.table()?;
            }
            let plural = if self.count == 1 { "" } else { "s" };
            writeln!(self.out, "{} {}{plural}", self.count, self.kind.name)?;
        }
        Ok(())
    }
}

/// Prints a row for each change of a registration.
pub fn registers_table(rows: &[RegisterRecord], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("at (UTC)", Align::Left),
        ("user", Align::Left),
        ("contact", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("state", Align::Left),
        ("count", Align::Right),
        ("resp", Align::Right),
        ("expires", Align::Right),
        ("ms", Align::Right),
        ("agent", Align::Left),
    ]);
    for one in rows {
        let cells = [
            id(one.id),
            when(one.created_us),
            address(&one.to_num, &one.to_domain),
            address(&one.contact_num, &one.contact_domain),
            dash(one.src.map(|addr| addr.ip().to_canonical())),
            dash(one.dst.map(|addr| addr.ip().to_canonical())),
            one.state.label().to_owned(),
            one.counter.to_string(),
            dash(one.response_num),
            dash(one.expires),
            milliseconds(one.rrd_us),
            text(&one.agent),
        ];
        table.row(cells.iter().map(String::as_str));
    }
    out.write_all(table.render().as_bytes())
}

/// Prints a row for each MESSAGE.
pub fn messages_table(rows: &[TransactionRecord], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("time (UTC)", Align::Left),
        ("caller", Align::Left),
        ("called", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("resp", Align::Right),
        ("ms", Align::Right),
        ("again", Align::Right),
        ("bytes", Align::Right),
        ("type", Align::Left),
        ("fault", Align::Left),
    ]);
    for one in rows {
        let cells = [
            id(one.id),
            when(one.first_us),
            text(&one.caller.number),
            text(&one.called.number),
            dash(one.caller.addr.map(|addr| addr.ip().to_canonical())),
            dash(one.called.addr.map(|addr| addr.ip().to_canonical())),
            dash(one.response_num),
            milliseconds(one.delay_us),
            one.request_repetition.to_string(),
            one.request_body.length.to_string(),
            text(&one.request_body.content_type),
            text(&one.malformed),
        ];
        table.row(cells.iter().map(String::as_str));
    }
    out.write_all(table.render().as_bytes())
}

/// Prints a row for each other request outside of calls.
pub fn requests_table(rows: &[TransactionRecord], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("time (UTC)", Align::Left),
        ("method", Align::Left),
        ("caller", Align::Left),
        ("called", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("seen", Align::Left),
        ("resp", Align::Right),
        ("ms", Align::Right),
        ("again", Align::Right),
        ("repeats", Align::Right),
        ("fault", Align::Left),
    ]);
    for one in rows {
        let seen = match (one.request_us.is_some(), one.response_us.is_some()) {
            (true, true) => "both",
            (true, false) => "request",
            (false, _) => "response",
        };
        let cells = [
            id(one.id),
            when(one.first_us),
            text(&one.method),
            text(&one.caller.number),
            text(&one.called.number),
            dash(one.caller.addr.map(|addr| addr.ip().to_canonical())),
            dash(one.called.addr.map(|addr| addr.ip().to_canonical())),
            seen.to_owned(),
            dash(one.response_num),
            milliseconds(one.delay_us),
            one.request_repetition.to_string(),
            one.repeats.to_string(),
            text(&one.malformed),
        ];
        table.row(cells.iter().map(String::as_str));
    }
    out.write_all(table.render().as_bytes())
}

fn address(number: &str, domain: &str) -> String {
    match (number, domain) {
        ("", "") => "-".into(),
        (number, "") => number.into(),
        ("", domain) => domain.into(),
        (number, domain) => format!("{number}@{domain}"),
    }
}

fn milliseconds(us: Option<u64>) -> String {
    dash(us.map(|us| format!("{:.1}", us as f64 / 1000.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtap_cdr::{Record, RegisterState};

    type Ask = fn(&mut dyn Store, &OutsideFilter, Format, &mut dyn Write) -> Result<(), QueryError>;

    #[test]
    fn what_is_stored_is_listed_in_each_format() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        let mut store = ringtap_cdr::open(&url, &ringtap_cdr::MysqlOptions::default()).unwrap();
        let register = |n: u64, state| RegisterRecord {
            id: n,
            created_us: 1_767_225_600_000_000 + n,
            register_key: n,
            state,
            counter: 1,
            to_num: format!("10{n}").into(),
            to_domain: "example.org".into(),
            ..RegisterRecord::default()
        };
        let message = TransactionRecord {
            id: 3,
            method: "MESSAGE".into(),
            response_num: Some(202),
            delay_us: Some(1500),
            ..TransactionRecord::default()
        };
        let options = TransactionRecord { id: 4, method: "OPTIONS".into(), ..message.clone() };
        let records = [
            Record::Register(Box::new(register(1, RegisterState::Registered))),
            Record::Register(Box::new(register(2, RegisterState::Failed))),
            Record::Transaction(Box::new(message)),
            Record::Transaction(Box::new(options)),
        ];
        store.write(&records).unwrap();
        let mut said = |ask: Ask, filter: &OutsideFilter, format| {
            let mut out = Vec::new();
            ask(store.as_mut(), filter, format, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let all = OutsideFilter::default();
        let table = said(registers, &all, Format::Table);
        assert!(table.contains("101@example.org") && table.ends_with("2 changes\n"), "{table}");
        let failed = OutsideFilter { state: Some(RegisterState::Failed), ..all.clone() };
        let lines = said(registers, &failed, Format::Json);
        assert_eq!(lines.lines().count(), 1);
        assert!(lines.contains("\"state_name\":\"failed\""), "{lines}");
        assert_eq!(said(registers, &all, Format::Csv).lines().count(), 3);
        let table = said(messages, &all, Format::Table);
        assert!(table.contains(" 202  1.5 ") && table.ends_with("1 message\n"), "{table}");
        let table = said(requests, &all, Format::Table);
        assert!(table.contains("OPTIONS") && table.ends_with("1 request\n"), "{table}");
    }
}
