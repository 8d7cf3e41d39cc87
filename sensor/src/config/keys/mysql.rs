//! The `mysql…` keys: the server that `store = mysql` means.

use crate::config::Config;
use crate::config::value::{list, number};

/// The servers, in the order in which they are tried.
pub(super) fn hosts(c: &mut Config, text: &str) -> Option<()> {
    c.mysql.hosts.extend(list(text).map(ToOwned::to_owned));
    c.mysql.has_sound_hosts().then_some(())
}

/// A port; 0 is the usual one.
pub(super) fn port(c: &mut Config, text: &str) -> Option<()> {
    let port: u16 = number(text, 0, 65_535)?;
    c.mysql.port = if port == 0 { 3306 } else { port };
    Some(())
}

/// The database.
pub(super) fn database(c: &mut Config, text: &str) -> Option<()> {
    c.mysql.database = name(text)?;
    Some(())
}

/// Who we are there.
pub(super) fn user(c: &mut Config, text: &str) -> Option<()> {
    c.mysql.user = name(text)?;
    Some(())
}

fn name(text: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || "/\\`.".contains(c);
    (!text.is_empty() && text.len() <= 64 && !text.contains(odd)).then(|| text.to_owned())
}
