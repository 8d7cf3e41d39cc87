//! The table `ringtap_tunnel`: a row for what came through a tunnel, and none for the rest.

use super::bind::Address;
use super::read::{Ip, Where, boxed};
use super::write::insert;
use crate::db::{Connection, OptionalExtension, Result, Row, params};
use crate::filter::TunnelFilter;
use crate::record::{CallRecord, Tunnel};
use std::ops::ControlFlow;

/// `"index"` of a stream that no call claimed.
pub(super) const LONE: i64 = -1;
/// `"index"` of a call.
const CALL: i64 = -2;
/// `"index"` of a request outside of calls.
pub(super) const REQUEST: i64 = -3;
/// `"index"` of an attempt to register.
pub(super) const REGISTER: i64 = -4;

/// Stores one.
pub(super) fn write(
    connection: &Connection,
    (id, index): (i64, i64),
    calldate: &str,
    tunnel: Option<&Tunnel>,
) -> Result<()> {
    let Some(tunnel) = tunnel else { return Ok(()) };
    let sql = insert("ringtap_tunnel", "ID, \"index\", calldate, type, number, src, dst");
    connection.prepare(&sql).execute(params![
        id,
        index,
        calldate,
        &*tunnel.kind,
        tunnel.id,
        tunnel.src.map(Address),
        tunnel.dst.map(Address),
    ])?;
    Ok(())
}

/// Stores those of a call and of its streams.
pub(super) fn write_call(
    connection: &Connection,
    id: i64,
    calldate: &str,
    call: &CallRecord,
) -> Result<()> {
    write(connection, (id, CALL), calldate, call.tunnel.as_ref())?;
    for (index, stream) in (0..).zip(&call.streams) {
        write(connection, (id, index), calldate, stream.tunnel.as_ref())?;
    }
    Ok(())
}

/// That of one record.
pub(super) fn read(connection: &Connection, id: u64, index: i64) -> Result<Option<Tunnel>> {
    let sql = "SELECT type, number, src, dst FROM ringtap_tunnel WHERE ID = ?1 AND \"index\" = ?2";
    connection.prepare(sql).query_row(params![id as i64, index], |row| tunnel_of(row, 0)).optional()
}

/// Puts those of a call and of its streams where they belong.
pub(super) fn fill(connection: &Connection, call: &mut CallRecord) -> Result<()> {
    let sql = "SELECT \"index\", type, number, src, dst FROM ringtap_tunnel WHERE ID = ?1";
    connection.prepare(sql).each([call.id as i64], |row| {
        let index: i64 = row.get(0)?;
        let place = match usize::try_from(index) {
            Ok(index) => call.streams.get_mut(index).map(|stream| &mut stream.tunnel),
            Err(_) => (index == CALL).then_some(&mut call.tunnel),
        };
        if let Some(place) = place {
            *place = Some(tunnel_of(row, 1)?);
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Asks for calls whose signalling came so.
pub(super) fn condition(question: &mut Where, asked: &TunnelFilter) {
    let from = "EXISTS (SELECT 1 FROM ringtap_tunnel t WHERE t.ID = c.ID AND t.\"index\" = ? \
         AND t.type = ?";
    let kind = boxed(asked.kind.clone());
    match asked.id {
        None => question.and(format!("{from})"), [boxed(CALL), kind]),
        Some(id) => {
            question.and(format!("{from} AND t.number = ?)"), [boxed(CALL), kind, boxed(id)]);
        }
    }
}

fn tunnel_of(row: &Row<'_>, at: usize) -> Result<Tunnel> {
    let address = |at| Ok::<_, crate::db::Error>(row.get::<Option<Ip>>(at)?.map(|ip| ip.0));
    Ok(Tunnel {
        kind: row.cell(at)?.as_str()?.into(),
        id: row.get(at + 1)?,
        src: address(at + 2)?,
        dst: address(at + 3)?,
    })
}
