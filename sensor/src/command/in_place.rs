//! A file that is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Whom the process's file mode creation mask lets.
    ByUmask,
    /// Its owner.
    Owner,
}

/// Writes to a file beside, and puts it in place when it is whole. One that is there already is
/// replaced; nothing is left behind after an error.
pub(super) fn in_place<T>(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut File) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let cannot = || format!("cannot write {}", path.display());
    // What an earlier run left is not written on: it may have other readers.
    let _ = fs::remove_file(&part);
    let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&part);
    let mut file = made.with_context(cannot)?;
    let done = write(&mut file).and_then(|done| {
        fs::rename(&part, path).with_context(cannot)?;
        Ok(done)
    });
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}
