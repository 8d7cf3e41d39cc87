//! Locks between readers and retention: `flock` on the folder of an hour and class.
//!
//! Readers share it, whoever removes segments has it alone. It ends with its holder, however that
//! ends. Where a file system has no locks on folders (NFS), readers go without.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A reader waits as often as this, and so long each time, for segments that are being removed.
const TRIES: u32 = 400;
const WAIT: Duration = Duration::from_millis(5);

/// Keeps retention away from a folder. `None`: it cannot be locked, or is not there.
pub(crate) fn share(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    for _ in 0..TRIES {
        match file.try_lock_shared() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// What an attempt to have a file or folder alone has come to.
#[derive(Debug)]
pub(crate) enum Held {
    /// It is ours while this lives.
    Ours(#[expect(dead_code, reason = "held for its drop")] File),
    /// Somebody reads or writes it.
    InUse,
    /// It is not there, or its file system has no locks.
    Unknown,
}

/// Asks for a file or a folder alone, without waiting.
pub(crate) fn exclude(path: &Path) -> Held {
    let Ok(file) = File::open(path) else { return Held::Unknown };
    match file.try_lock() {
        Ok(()) => Held::Ours(file),
        Err(TryLockError::WouldBlock) => Held::InUse,
        Err(TryLockError::Error(_)) => Held::Unknown,
    }
}
