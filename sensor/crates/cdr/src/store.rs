//! Where records are kept: what every store can do, and which one a URL names.
//!
//! It does not know how a store keeps them.

pub mod totals;

use crate::filter::Filter;
use crate::filter::outside::OutsideFilter;
use crate::mysql::MysqlOptions;
use crate::outside::{RegisterRecord, TransactionRecord};
use crate::record::{CallRecord, LoneStream, Record};
use crate::{mysql, sqlite};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use totals::Fact;

/// A place for records.
pub trait Store: Send + std::fmt::Debug {
    /// Stores the records, all in one transaction: after `Ok` they are on the disk, after an
    /// error none of them is. A record that is there already (same ID, same call) is left as it
    /// is, so that a batch may be sent again; a different one that happens to have a taken ID
    /// gets the next free one.
    fn write(&mut self, records: &[Record]) -> Result<Written, StoreError>;

    /// Gives each call that the filter finds, by time, until `each` breaks off. A limit keeps
    /// the latest.
    fn calls(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Gives each stream without a call that the filter's times, network, sensor, codec and MOS
    /// find, by time. The filter's other parts ask for what such streams do not have, and so
    /// find none.
    fn streams(
        &mut self,
        filter: &Filter,
        each: &mut dyn FnMut(LoneStream) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The call with this ID, with its ladder.
    fn call(&mut self, id: u64) -> Result<Option<CallRecord>, StoreError>;

    /// The latest call with this Call-ID, with its ladder.
    fn call_by_callid(&mut self, callid: &str) -> Result<Option<CallRecord>, StoreError>;

    /// The stream without a call that has this ID.
    fn stream(&mut self, id: u64) -> Result<Option<LoneStream>, StoreError>;

    /// Gives what sums need of each call that the filter finds, in any order.
    fn facts(&mut self, filter: &Filter, each: &mut dyn FnMut(Fact)) -> Result<(), StoreError>;

    /// Gives each change of a registration that the filter finds, by time, until `each` breaks
    /// off. A limit keeps the latest.
    fn registers(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(RegisterRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Gives each MESSAGE that the filter finds, as [`Store::registers`].
    fn messages(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Gives each other request outside of calls that the filter finds, as [`Store::registers`].
    fn requests(
        &mut self,
        filter: &OutsideFilter,
        each: &mut dyn FnMut(TransactionRecord) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// How much is in it.
    fn counts(&mut self) -> Result<Counts, StoreError>;

    /// The call that a user names, by record ID or by Call-ID.
    fn find(&mut self, name: &str) -> Result<Option<CallRecord>, StoreError> {
        if let Ok(id) = name.parse()
            && let Some(call) = self.call(id)?
        {
            return Ok(Some(call));
        }
        self.call_by_callid(name)
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records that are new.
    pub inserted: u64,
    /// Records that were there.
    pub present: u64,
    /// Of those inserted: under another ID than they came with.
    pub renumbered: u64,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Streams of calls.
    pub streams: u64,
    /// Streams without a call.
    pub lone_streams: u64,
}

/// Why a store cannot be opened or used: one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not a URL of a store.
    #[error("store {0:?}: expected sqlite:PATH, mysql or mysql://USER@HOST/DATABASE")]
    Url(String),
    /// A server does not do what is asked.
    #[error("{server}: {reason}")]
    Server {
        /// Which one, without the password.
        server: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A server that cannot be used at the moment.
    #[error("{server}: {detail}")]
    Away {
        /// Which one, without the password.
        server: String,
        /// How it shows.
        detail: String,
    },
    /// No file there, or it may not be opened.
    #[error("{}: {reason}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file that is something else.
    #[error("{}: not a ringtap database ({what})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it shows.
        what: &'static str,
    },
    /// Written by a later version.
    #[error(
        "{}: made by a newer ringtap (schema {found}; this one knows up to {known}): \
         upgrade ringtap",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema's version.
        found: i64,
        /// The last version known here.
        known: i64,
    },
    /// Another process holds the database.
    #[error("{}: locked by another process for more than {waited_ms} ms", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The database is damaged.
    #[error(
        "{}: the database is damaged ({detail}); `sqlite3 FILE .recover` may save what is in it",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What the library says.
        detail: String,
    },
    /// Anything else.
    #[error("{}: cannot {task}: {detail}", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What was being done.
        task: &'static str,
        /// What the library says.
        detail: String,
    },
}

impl StoreError {
    /// May the same batch succeed later, without anybody's help?
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Away { .. })
    }
}

/// Opens a store to write, making the database and its schema at the first start.
pub fn open(url: &str, options: &MysqlOptions) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(match place(url, options)? {
        Place::File(path) => sqlite::create(path)?,
        Place::Server(server) => mysql::create(*server)?,
    }))
}

/// Opens a store that is there, to ask it.
pub fn open_existing(url: &str, options: &MysqlOptions) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(match place(url, options)? {
        Place::File(path) => sqlite::open(path)?,
        Place::Server(server) => mysql::open(*server)?,
    }))
}

/// What [`open`] would find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// A database that can be written; `older`: its schema will be brought up to date.
    Ready {
        /// Made by an earlier version.
        older: bool,
    },
    /// Nothing is there yet; it would be made at this path.
    Absent(PathBuf),
    /// A server without the database, which would be made there.
    AbsentDatabase,
}

/// Whether a store could be opened to write, without a change to anything.
pub fn probe(url: &str, options: &MysqlOptions) -> Result<Prospect, StoreError> {
    match place(url, options)? {
        Place::File(path) if !path.exists() => Ok(Prospect::Absent(path.to_owned())),
        Place::File(path) => sqlite::probe(path).map(|older| Prospect::Ready { older }),
        Place::Server(server) => mysql::probe(*server),
    }
}

/// Is the URL one that [`open`] would try? (For the check of a configuration.)
pub fn check_url(url: &str) -> Result<(), StoreError> {
    place(url, &MysqlOptions::default()).map(|_| ())
}

/// A place that a URL names.
enum Place<'u> {
    File(&'u Path),
    Server(Box<MysqlOptions>),
}

/// `sqlite:PATH` (`sqlite:///absolute/path` too), or a server: what its URL leaves out is in the
/// options.
fn place<'u>(url: &'u str, options: &MysqlOptions) -> Result<Place<'u>, StoreError> {
    let url = url.trim();
    let scheme = url.split("://").next().unwrap_or_default();
    if matches!(scheme, "mysql" | "mariadb") {
        return Ok(Place::Server(Box::new(options.at(url)?)));
    }
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match path {
        // A name with a colon first would be taken for a URI or an in-memory database.
        Some(path) if !path.is_empty() && !path.starts_with(':') && !path.contains('\0') => {
            Ok(Place::File(Path::new(path)))
        }
        _ => Err(StoreError::Url(without_password(url))),
    }
}

/// The URL as it may be shown: what stands between `//user:` and `@` is hidden.
pub fn without_password(url: &str) -> String {
    let url: String = url.chars().take(200).collect();
    let Some((scheme, rest)) = url.split_once("//") else { return crate::text::safe(&url) };
    let Some((login, host)) = rest.rsplit_once('@') else { return crate::text::safe(&url) };
    let user = login.split(':').next().unwrap_or_default();
    let password = if login.contains(':') { ":***" } else { "" };
    crate::text::safe(&format!("{scheme}//{user}{password}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(url: &str) -> String {
        open_existing(url, &MysqlOptions::default())
            .map_or_else(|e| e.to_string(), |_| "opened".into())
    }

    #[test]
    fn a_url_that_names_no_store_gets_one_line() {
        assert_eq!(
            line("postgres://x"),
            "store \"postgres://x\": expected sqlite:PATH, mysql or mysql://USER@HOST/DATABASE"
        );
        assert_eq!(line("sqlite::memory:").lines().count(), 1);
        assert_eq!(line("").lines().count(), 1);
    }

    #[test]
    fn a_server_that_is_not_there_gets_one_line_without_the_password() {
        let line = line("mysql://ringtap:s%40cr:et@127.0.0.1:1/voip");
        let begin = "mysql://ringtap@127.0.0.1:1/voip: the server cannot be reached (";
        assert!(line.starts_with(begin) && line.lines().count() == 1, "{line}");
        assert!(!line.contains("cr:et"));
    }

    #[test]
    fn a_probe_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.db");
        let (url, none) = (format!("sqlite:{}", path.display()), MysqlOptions::default());
        assert_eq!(probe(&url, &none).unwrap(), Prospect::Absent(path.clone()));
        assert!(!path.exists());
        drop(open(&url, &none).unwrap());
        let before = std::fs::read(&path).unwrap();
        assert_eq!(probe(&url, &none).unwrap(), Prospect::Ready { older: false });
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, b"").unwrap();
        assert_eq!(probe(&url, &none).unwrap(), Prospect::Ready { older: true });
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        assert!(probe(&url, &none).is_err());
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "no journal is left");
    }

    #[test]
    fn paths() {
        let none = MysqlOptions::default();
        let path = |url| match place(url, &none) {
            Ok(Place::File(path)) => path.to_str(),
            _ => None,
        };
        assert_eq!(path("sqlite:a.db"), Some("a.db"));
        assert_eq!(path("sqlite:/var/lib/a.db"), Some("/var/lib/a.db"));
        assert_eq!(path("sqlite:///var/lib/a.db"), Some("/var/lib/a.db"));
    }
}
