//! Values of configured headers, into the database and out of it.
//!
//! A header's name has a number in `cdr_custom_headers`, by which its values stand.

use crate::db::{Connection, Result, params};
use crate::filter::HeaderFilter;
use crate::record::dialog::CustomHeader;
use crate::sql::bind::{TEXT_MAX, Text, clip};
use crate::sql::names::Names;
use crate::sql::read::{Where, boxed, range};
use crate::sql::write::insert;
use std::sync::LazyLock;

/// Headers that have a column of `cdr_next_1`.
const COLUMNS: usize = 16;

/// A value is kept whole up to here.
const VALUE_MAX: usize = 1024;

static SQL_NEXT: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<_> = (1..=COLUMNS).map(|n| format!("custom_header_{n}")).collect();
    insert("cdr_next_1", &format!("cdr_ID, calldate, {}", columns.join(", ")))
});

/// Stores those of a call.
pub(super) fn write(
    connection: &Connection,
    id: i64,
    calldate: &str,
    headers: &[CustomHeader],
    names: &mut Names,
) -> Result<()> {
    if headers.is_empty() {
        return Ok(());
    }
    let mut columns = [""; COLUMNS];
    let sql = insert("ringtap_header", "cdr_ID, header, value, calldate");
    let mut own = connection.prepare(&sql);
    for one in headers {
        let Some(header) = names.header(connection, &one.name)? else { continue };
        own.execute(params![id, header, clip(&one.value, VALUE_MAX), calldate])?;
        let place = usize::try_from(header - 1).ok().and_then(|at| columns.get_mut(at));
        if let Some(column) = place {
            *column = &one.value;
        }
    }
    let mut next = connection.prepare(&SQL_NEXT);
    next.bind(1, id);
    next.bind(2, calldate);
    for (at, value) in (3..).zip(columns) {
        next.bind(at, Text(value, TEXT_MAX));
    }
    next.run()
}

/// Those of a call, by name.
pub(super) fn read(connection: &Connection, id: u64) -> Result<Vec<CustomHeader>> {
    select(connection, "ringtap_header WHERE cdr_ID", id)
}

/// Stores those of a MESSAGE.
pub(in crate::sql) fn write_of_message(
    connection: &Connection,
    id: u64,
    calldate: &str,
    headers: &[CustomHeader],
    names: &mut Names,
) -> Result<()> {
    let sql = insert("ringtap_message_header", "ID, header, value, calldate");
    for one in headers {
        let header = names.header(connection, &one.name)?;
        let mut own = connection.prepare(&sql);
        own.execute(params![id as i64, header, clip(&one.value, VALUE_MAX), calldate])?;
    }
    Ok(())
}

/// Those of a MESSAGE, by name.
pub(in crate::sql) fn read_of_message(
    connection: &Connection,
    id: u64,
) -> Result<Vec<CustomHeader>> {
    select(connection, "ringtap_message_header WHERE ID", id)
}

fn select(connection: &Connection, table: &str, id: u64) -> Result<Vec<CustomHeader>> {
    let sql = format!(
        "SELECT name.header_field, own.value FROM (SELECT header, value FROM {table} = ?1) own \
         JOIN cdr_custom_headers name ON name.id = own.header"
    );
    let mut headers = connection.prepare(&sql).all([id as i64], |row| {
        let (name, value) = (row.cell(0)?.as_str()?, row.cell(1)?.as_str()?);
        Ok(CustomHeader { name: name.into(), value: value.into() })
    })?;
    headers.sort();
    Ok(headers)
}

/// Asks for calls with such a header.
pub(in crate::sql) fn condition(question: &mut Where, filter: &HeaderFilter) {
    let asked = |condition: &str| {
        format!(
            "c.ID IN (SELECT own.cdr_ID FROM ringtap_header own \
             JOIN cdr_custom_headers name ON name.id = own.header \
             WHERE name.header_field = ? AND {condition})"
        )
    };
    let (name, text) = (boxed(filter.name.clone()), filter.text.clone());
    match (filter.any_before, filter.any_after) {
        (false, false) => question.and(asked("own.value = ?"), [name, boxed(text)]),
        (false, true) => {
            let [from, to] = range(&text);
            question.and(asked("own.value >= ? AND own.value < ?"), [name, from, to]);
        }
        (true, false) => {
            let condition = asked("substr(own.value, -length(?)) = ?");
            question.and(condition, [name, boxed(text.clone()), boxed(text)]);
        }
        (true, true) => question.and(asked("instr(own.value, ?) > 0"), [name, boxed(text)]),
    }
}
