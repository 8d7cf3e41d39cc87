//! Statements on a server.
//!
//! Two links: one carries the batch or a long answer, the other what is asked meanwhile. Texts
//! that many calls share are numbered over the second, outside of the batch, so that no sensor
//! waits for another's batch; a number whose batch fails stays, and is found again.

use super::dialect::{Translated, translate};
use super::errors::{is_lost, is_race};
use super::link::{self, Server};
use super::partitions;
use super::rows::Waiting;
use crate::db::{Cell, EachRow, Error, Result, Row};
use crate::store::StoreError;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Value};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// The link that carries batches, and the other.
const MAIN: usize = 0;
const SIDE: usize = 1;

/// Bytes of rows that wait for the end of their batch.
const WAITING_MAX: usize = 8 << 20;

/// Statements whose translation is kept.
const TRANSLATED_MAX: usize = 256;

/// IDs that are asked for at once.
const IDS_MAX: usize = 1000;

/// Another sensor may give a text its number at the same time.
const NUMBER_TRIES: u32 = 8;

/// A server with our tables.
#[derive(Debug)]
pub(super) struct Engine {
    server: Server,
    links: [RefCell<Option<Conn>>; 2],
    batch: RefCell<Option<Batch>>,
    translated: RefCell<HashMap<Box<str>, Arc<Translated>>>,
    /// When partitions are looked at; `None`: never.
    partitions: std::cell::Cell<Option<Instant>>,
}

/// A batch that is being made.
#[derive(Debug, Default)]
struct Batch {
    /// IDs that nobody had when it began.
    free: HashSet<(&'static str, u64)>,
    /// Rows, by table in the order of the first; found by the statement.
    waiting: Vec<(Box<str>, Waiting)>,
    bytes: usize,
}

impl Engine {
    pub(super) fn new(server: Server, link: Conn) -> Self {
        let links = [RefCell::new(Some(link)), RefCell::new(None)];
        Self {
            server,
            links,
            batch: RefCell::new(None),
            translated: RefCell::default(),
            partitions: std::cell::Cell::new(Some(Instant::now())),
        }
    }

    /// Works with a link, which is made if there is none; one that breaks is let go.
    fn with<T>(&self, which: usize, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let busy = || Error::from(mysql::Error::from(io::Error::from(io::ErrorKind::WouldBlock)));
        let link = self.links.get(which).ok_or_else(busy)?;
        let mut link = link.try_borrow_mut().map_err(|_| busy())?;
        let conn = match &mut *link {
            Some(conn) => conn,
            // Without its link a batch is over, and what is left of it must not go out alone.
            None if which == MAIN && self.batch.borrow().is_some() => return Err(lost()),
            none => none.insert(link::connect(&self.server, true)?),
        };
        let done = work(conn);
        if let Err(error) = &done
            && is_lost(error)
        {
            *link = None;
        }
        done
    }

    /// The link that a question goes out on.
    fn idle(&self) -> usize {
        let is_free = self.links.first().is_some_and(|link| link.try_borrow_mut().is_ok());
        if is_free { MAIN } else { SIDE }
    }

    fn translated(&self, sql: &str) -> Arc<Translated> {
        let mut known = self.translated.borrow_mut();
        if let Some(found) = known.get(sql) {
            return Arc::clone(found);
        }
        if known.len() >= TRANSLATED_MAX {
            known.clear();
        }
        let made = Arc::new(translate(sql));
        known.insert(sql.into(), Arc::clone(&made));
        made
    }

    /// A row waits for the end of its batch.
    fn wait(&self, sql: &str, cells: &[Cell]) -> Result<()> {
        let mut batch = self.batch.borrow_mut();
        let Some(batch) = &mut *batch else { return Err(lost()) };
        let place = batch.waiting.iter().position(|(known, _)| **known == *sql);
        let place = place.unwrap_or_else(|| {
            let translated = self.translated(sql);
            let waiting = Waiting::new(&translated.sql, translated.order.len());
            batch.waiting.push((sql.into(), waiting));
            batch.waiting.len() - 1
        });
        if let Some((_, waiting)) = batch.waiting.get_mut(place) {
            batch.bytes += waiting.push(cells);
        }
        if batch.bytes > WAITING_MAX {
            self.send(batch)?;
        }
        Ok(())
    }

    /// Sends all rows that wait.
    fn send(&self, batch: &mut Batch) -> Result<()> {
        batch.bytes = 0;
        // In a batch the link is there.
        let link = self.links.first();
        let mut link = link.ok_or_else(lost)?.try_borrow_mut().map_err(|_| lost())?;
        let conn = link.as_mut().ok_or_else(lost)?;
        batch.waiting.iter_mut().try_for_each(|(_, waiting)| {
            waiting.statements(|sql, values| {
                conn.exec_drop(sql, Params::Positional(values)).map_err(Error::from)
            })
        })
    }

    fn send_waiting(&self) -> Result<()> {
        match &mut *self.batch.borrow_mut() {
            Some(batch) => self.send(batch),
            None => Ok(()),
        }
    }
}

impl crate::db::Engine for Engine {
    fn begin(&self, wanted: &[(&'static str, Vec<u64>)]) -> Result<()> {
        let free = self.with(MAIN, |conn| {
            let now = Instant::now();
            if self.partitions.get().is_some_and(|due| now >= due) {
                let wait = partitions::keep(conn, &self.server);
                self.partitions.set(now.checked_add(wait));
            }
            conn.query_drop("START TRANSACTION")?;
            let mut free = HashSet::new();
            for (table, ids) in wanted {
                free.extend(ids.iter().map(|id| (*table, *id)));
                for some in ids.chunks(IDS_MAX) {
                    let list: Vec<String> = some.iter().map(u64::to_string).collect();
                    let list = list.join(",");
                    let taken: Vec<u64> =
                        conn.query(format!("SELECT ID FROM {table} WHERE ID IN ({list})"))?;
                    for id in taken {
                        free.remove(&(*table, id));
                    }
                }
            }
            Ok(free)
        })?;
        *self.batch.borrow_mut() = Some(Batch { free, ..Batch::default() });
        Ok(())
    }

    fn commit(&self) -> Result<()> {
        self.send_waiting()?;
        self.with(MAIN, |conn| conn.query_drop("COMMIT").map_err(Error::from))?;
        *self.batch.borrow_mut() = None;
        Ok(())
    }

    fn rollback(&self) {
        *self.batch.borrow_mut() = None;
        let Some(Ok(mut link)) = self.links.first().map(RefCell::try_borrow_mut) else { return };
        // A server takes a batch back by itself when its link ends.
        if let Some(conn) = &mut *link
            && conn.query_drop("ROLLBACK").is_err()
        {
            *link = None;
        }
    }

    fn execute(&self, sql: &str, cells: &[Cell]) -> Result<usize> {
        if self.batch.borrow().is_some() && sql.starts_with("INSERT") {
            return self.wait(sql, cells).map(|()| 1);
        }
        let (translated, values) = self.bound(sql, cells);
        self.with(self.idle(), |conn| {
            conn.exec_drop(&translated.sql, values)?;
            Ok(usize::try_from(conn.affected_rows()).unwrap_or(usize::MAX))
        })
    }

    fn claim(&self, table: &'static str, sql: &str, cells: &[Cell]) -> Result<bool> {
        let Some(&Cell::Int(id)) = cells.first() else { return Err(lost()) };
        let is_free = match &mut *self.batch.borrow_mut() {
            Some(batch) => batch.free.remove(&(table, id as u64)),
            None => false,
        };
        if !is_free {
            // It may be taken by a row of this very batch.
            self.send_waiting()?;
            let sql = format!("SELECT 1 FROM {table} WHERE ID = {id} LIMIT 1");
            if self.with(MAIN, |conn| Ok(conn.query_first::<u8, _>(sql)?))?.is_some() {
                return Ok(false);
            }
        }
        // Not IGNORE: if another sensor takes the ID meanwhile, the batch fails and is made anew.
        self.wait(&sql.replacen("INSERT OR IGNORE", "INSERT", 1), cells)?;
        Ok(true)
    }

    fn number(&self, select: &str, insert: &str, text: &str) -> Result<i64> {
        let cells = [Cell::Text(text.to_owned())];
        let (select, asked) = self.bound(select, &cells);
        let (insert, given) = self.bound(insert, &cells);
        let mut tries = 0;
        loop {
            let number = self.with(SIDE, |conn| {
                let found: Option<i64> = conn.exec_first(&select.sql, asked.clone())?;
                if found.is_none() {
                    conn.exec_drop(&insert.sql, given.clone())?;
                }
                Ok(found)
            });
            match number {
                Ok(Some(number)) => return Ok(number),
                Ok(None) => {}
                Err(error) if is_race(&error) && tries < NUMBER_TRIES => {}
                Err(error) => return Err(error),
            }
            tries += 1;
            if tries > NUMBER_TRIES {
                return Err(Error::NoRow);
            }
        }
    }

    fn rows(&self, sql: &str, cells: &[Cell], each: &mut EachRow<'_>) -> Result<()> {
        let (translated, values) = self.bound(sql, cells);
        self.with(self.idle(), |conn| {
            let mut found = Vec::new();
            for row in conn.exec_iter(&translated.sql, values)? {
                found.clear();
                let values = row?.unwrap_raw().into_iter();
                found.extend(values.map(|value| value.map_or(Cell::Null, cell)));
                if let ControlFlow::Break(()) = each(&Row::new(&found))? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn is_race(&self, error: &Error) -> bool {
        is_race(error)
    }

    fn line(&self, task: &'static str, error: Error) -> StoreError {
        self.server.line(task, error)
    }
}

impl Engine {
    fn bound(&self, sql: &str, cells: &[Cell]) -> (Arc<Translated>, Params) {
        let translated = self.translated(sql);
        let one = |at: &usize| cells.get(*at).map_or(Value::NULL, value);
        let values: Vec<Value> = translated.order.iter().map(one).collect();
        let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
        (translated, params)
    }
}

fn lost() -> Error {
    mysql::Error::from(io::Error::from(io::ErrorKind::NotConnected)).into()
}

pub(super) fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Int(number) => Value::Int(*number),
        Cell::Real(number) => Value::Double(*number),
        Cell::Text(text) => Value::Bytes(text.as_bytes().to_vec()),
        Cell::Bytes(bytes) => Value::Bytes(bytes.clone()),
    }
}

/// Instants are read from columns of microseconds, so that dates need no place here.
fn cell(value: Value) -> Cell {
    match value {
        Value::NULL | Value::Date(..) | Value::Time(..) => Cell::Null,
        Value::Bytes(bytes) => Cell::Bytes(bytes),
        Value::Int(number) => Cell::Int(number),
        Value::UInt(number) => Cell::Int(number as i64),
        Value::Float(number) => Cell::Real(f64::from(number)),
        Value::Double(number) => Cell::Real(number),
    }
}
