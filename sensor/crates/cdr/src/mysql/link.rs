//! Connecting, and what a server says of us.

use super::errors::first_line;
use super::place::MysqlOptions;
use crate::db::{Error, Result};
use crate::store::StoreError;
use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, OptsBuilder, SslOpts};
use std::time::Duration;

/// What each link is told. A value beyond a column's limit is held there and does not cost a
/// batch (no strict mode); identifiers may stand in quotes, and backslashes mean nothing.
const SETTINGS: [&str; 3] = [
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'",
    // Who reads the answer may be a person with a pager.
    "SET SESSION net_write_timeout = 3600",
];

/// Statements that a link keeps prepared: each table's, in the few sizes of `rows`.
const STATEMENTS_MAX: usize = 256;

/// A peer that says nothing for so long is gone.
const SILENCE_MS: u32 = 60_000;

/// A server, and who we are there.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) place: MysqlOptions,
    /// `'user'@'host'`, as the server has it; empty before it was reached.
    pub(super) account: String,
}

/// Connects to the first server that can be reached.
pub(super) fn connect(server: &Server, with_database: bool) -> Result<Conn> {
    let place = &server.place;
    let base = || {
        let database = with_database.then(|| place.database.clone());
        let timeout = Duration::from_secs(u64::from(place.connect_timeout_s.max(1)));
        OptsBuilder::new()
            .user(Some(place.user.clone()))
            .pass(Some(place.password.0.clone()))
            .db_name(database)
            .prefer_socket(false)
            .tcp_connect_timeout(Some(timeout))
            .tcp_user_timeout_ms(Some(SILENCE_MS))
            .stmt_cache_size(STATEMENTS_MAX)
            .init(SETTINGS.to_vec())
    };
    if let Some(socket) = &place.socket {
        let opts = base().socket(Some(socket.to_string_lossy()));
        return Conn::new(opts).map_err(Error::from);
    }
    readable(server)?;
    let mut last = mysql::Error::from(std::io::Error::from(std::io::ErrorKind::AddrNotAvailable));
    let servers = place.servers();
    for (host, port) in &servers {
        let opts = base().ip_or_hostname(Some(host.clone())).tcp_port(*port).ssl_opts(tls(place));
        match Conn::new(opts) {
            Ok(conn) => return Ok(conn),
            Err(error) => {
                if servers.len() > 1 {
                    let why = first_line(&error);
                    tracing::warn!(host, port, why, "a database server cannot be used");
                }
                last = error;
            }
        }
    }
    Err(last.into())
}

/// Whether the files of TLS can be read: the library does not say which one cannot.
fn readable(server: &Server) -> Result<()> {
    let place = &server.place;
    let files = [
        ("mysqlsslcacert", &place.ca),
        ("mysqlsslcert", &place.identity.0),
        ("mysqlsslkey", &place.identity.1),
    ];
    for (key, path) in files {
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            let reason = format!("{key}: {}: {error}", path.display());
            let server = place.to_string();
            return Err(Error::Store(Box::new(StoreError::Server { server, reason })));
        }
    }
    Ok(())
}

/// TLS, where the configuration has certificates for it.
fn tls(place: &MysqlOptions) -> Option<SslOpts> {
    let identity = match &place.identity {
        (Some(cert), Some(key)) => Some(ClientIdentity::new(cert.clone(), key.clone())),
        _ => None,
    };
    if place.ca.is_none() && identity.is_none() {
        return None;
    }
    let opts = SslOpts::default().with_root_cert_path(place.ca.clone());
    Some(opts.with_client_identity(identity))
}

/// Who we are for the server.
pub(super) fn account(conn: &mut Conn) -> Result<String> {
    let found: Option<String> = conn.query_first("SELECT CURRENT_USER()")?;
    let found = found.unwrap_or_default();
    let (user, host) = found.rsplit_once('@').unwrap_or((&found, "%"));
    Ok(format!("'{user}'@'{host}'"))
}
