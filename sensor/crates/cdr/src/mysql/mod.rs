//! The store on a MySQL or MariaDB server, for many sensors.
//!
//! A batch is one transaction; its rows go out table by table, many in one prepared statement.
//! What is written and read is in [`crate::sql`].

mod dialect;
mod engine;
mod errors;
mod link;
mod partitions;
mod place;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

pub use place::{MysqlOptions, Secret};

use crate::db::Connection;
use crate::sql::Database;
use crate::store::{Prospect, StoreError};
use engine::Engine;
use link::Server;

/// Opens the database, or makes it.
pub(crate) fn create(place: MysqlOptions) -> Result<Database, StoreError> {
    let mut server = Server { place, account: String::new() };
    let made = schema::create(&mut server);
    let link = made.map_err(|error| server.line("make the schema", error))?;
    Ok(Database::new(Connection::new(Engine::new(server, link))))
}

/// Opens a database that is there.
pub(crate) fn open(place: MysqlOptions) -> Result<Database, StoreError> {
    let mut server = Server { place, account: String::new() };
    let opened = schema::open(&mut server);
    let link = opened.map_err(|error| server.line("open the database", error))?;
    Ok(Database::new(Connection::new(Engine::new(server, link))))
}

/// What [`create`] would find.
pub(crate) fn probe(place: MysqlOptions) -> Result<Prospect, StoreError> {
    let mut server = Server { place, account: String::new() };
    schema::probe(&mut server).map_err(|error| server.line("open the database", error))
}
