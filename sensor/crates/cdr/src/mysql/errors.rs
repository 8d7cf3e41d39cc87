//! What a server or the way to it says, in one line for the user.
//!
//! Nothing here can hold the password: it is in no message of the library.

use super::link::Server;
use crate::db::Error;
use crate::store::StoreError;
use crate::text::safe;
use mysql::{DriverError, Error as Library};

/// What ringtap does in its database.
const PRIVILEGES: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP";

/// Numbers of the server's errors.
const DENIED_DATABASE: u16 = 1044;
const DENIED_LOGIN: u16 = 1045;
const NO_DATABASE: u16 = 1049;
const DUPLICATE: u16 = 1062;
const DENIED_COMMAND: [u16; 4] = [1142, 1143, 1227, 1370];
const TIMED_OUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const DENIED_PLUGIN: u16 = 1698;
/// Stops, too many connections, read only, full: what passes.
const PASSING: [u16; 10] = [1021, 1040, 1053, 1114, 1129, 1203, 1226, 1290, 1836, 3170];

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Mysql(error) => match &**error {
            Library::MySqlError(error) => Some(error.code),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the link is of no use any more.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Mysql(error) => is_lost_by(error),
        _ => false,
    }
}

fn is_lost_by(error: &Library) -> bool {
    match error {
        Library::IoError(_) | Library::CodecError(_) | Library::TlsError(_) => true,
        Library::DriverError(error) => !matches!(error, DriverError::MismatchedStmtParams(..)),
        // The server says goodbye.
        Library::MySqlError(error) => matches!(error.code, 1053 | 1927 | 4031),
        _ => false,
    }
}

/// Whether the same may succeed at once: another sensor came first, or the link was stale.
pub(super) fn is_race(error: &Error) -> bool {
    matches!(code(error), Some(DUPLICATE | TIMED_OUT | DEADLOCK)) || is_lost(error)
}

/// The first line of what the library says, without its own names for things.
pub(super) fn first_line(error: &Library) -> String {
    let text = match error {
        Library::IoError(error) => error.to_string(),
        Library::MySqlError(error) => error.message.clone(),
        Library::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => why.clone(),
        Library::DriverError(error) => error.to_string(),
        Library::TlsError(error) => error.to_string(),
        Library::CodecError(error) => error.to_string(),
        error => error.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    safe(&line.chars().take(300).collect::<String>())
}

impl Server {
    /// The failure in one line: what, where, and what to do.
    pub(super) fn line(&self, task: &'static str, error: Error) -> StoreError {
        let server = self.place.to_string();
        let error = match error {
            Error::Store(error) => return *error,
            Error::Mysql(error) => error,
            error => {
                return StoreError::Server { server, reason: format!("cannot {task}: {error}") };
            }
        };
        let detail = first_line(&error);
        let reason = match &*error {
            Library::MySqlError(refusal) => match refusal.code {
                DENIED_LOGIN | DENIED_PLUGIN => format!(
                    "the server does not let {} in ({detail}): check mysqlusername and \
                     mysqlpassword",
                    safe(&self.place.user)
                ),
                DENIED_DATABASE => self.grant(&detail),
                code if DENIED_COMMAND.contains(&code) => self.grant(&detail),
                NO_DATABASE => format!(
                    "there is no database {}: `ringtap run` makes it",
                    safe(&self.place.database)
                ),
                code if PASSING.contains(&code) || matches!(code, TIMED_OUT | DEADLOCK) => {
                    return StoreError::Away { server, detail: format!("cannot {task}: {detail}") };
                }
                _ => format!("cannot {task}: {detail}"),
            },
            Library::TlsError(_) | Library::CodecError(_) if self.place.ca.is_some() => {
                let detail = format!(
                    "no TLS with the server ({detail}): did mysqlsslcacert sign its certificate, \
                     and is that for the name in mysqlhost?"
                );
                return StoreError::Away { server, detail };
            }
            _ if is_lost_by(&error) => {
                let detail = format!(
                    "the server cannot be reached ({detail}): is it running, and do mysqlhost and \
                     mysqlport name it?"
                );
                return StoreError::Away { server, detail };
            }
            _ => format!("cannot {task}: {detail}"),
        };
        StoreError::Server { server, reason }
    }

    /// What cures a missing privilege.
    fn grant(&self, detail: &str) -> String {
        let account = if self.account.is_empty() {
            format!("'{}'@'%'", self.place.user)
        } else {
            self.account.clone()
        };
        format!(
            "a privilege is missing ({detail}); as the server's administrator: \
             GRANT {PRIVILEGES} ON `{}`.* TO {}",
            safe(&self.place.database),
            safe(&account)
        )
    }
}
