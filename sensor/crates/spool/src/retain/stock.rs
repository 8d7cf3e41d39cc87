//! What lies in a root, by folder: an hour and class each.
//!
//! Only folders that changed, or in which something is being written, are looked into again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::SpoolError;
use crate::format::Class;
use crate::layout::{PART, class_folders, list};

/// A folder that changed so long before it was looked into is known; file systems keep coarse time.
const SETTLED: Duration = Duration::from_secs(2);

/// One folder.
#[derive(Clone, Copy, Debug)]
struct Folder {
    class: Class,
    bytes: u64,
    changed: SystemTime,
    /// It can be trusted for as long as `changed` stays.
    settled: bool,
}

/// All folders.
#[derive(Debug, Default)]
pub(super) struct Stock(BTreeMap<PathBuf, Folder>);

impl Stock {
    /// Looks at a root.
    pub(super) fn look(&mut self, root: &Path) -> Result<(), SpoolError> {
        let mut before = std::mem::take(&mut self.0);
        let now = SystemTime::now();
        for path in class_folders(root)? {
            let Ok(changed) = fs::metadata(&path).and_then(|folder| folder.modified()) else {
                continue;
            };
            let known = before.remove(&path);
            let folder = match known.filter(|one| one.settled && one.changed == changed) {
                Some(known) => known,
                None => measure(&path, changed, now)?,
            };
            self.0.insert(path, folder);
        }
        Ok(())
    }

    /// Bytes of SIP and of media.
    pub(super) fn held(&self) -> [u64; 2] {
        let of = |class| {
            self.0.values().filter(|one| one.class == class).map(|one| one.bytes).sum::<u64>()
        };
        Class::ALL.map(of)
    }

    /// The folders of a class, oldest first.
    pub(super) fn folders(&self, class: Class) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().filter(move |(_, one)| one.class == class).map(|(path, _)| path)
    }
}

fn measure(path: &Path, changed: SystemTime, now: SystemTime) -> Result<Folder, SpoolError> {
    let class = if path.ends_with(Class::Sip.folder()) { Class::Sip } else { Class::Media };
    let (mut bytes, mut settled) = (0, now.duration_since(changed).is_ok_and(|ago| ago > SETTLED));
    for file in list(path)? {
        settled &= !file.to_string_lossy().ends_with(PART);
        bytes += on_disk(&file);
    }
    Ok(Folder { class, bytes, changed, settled })
}

/// Bytes that a file has on disk; 0 if it is gone.
pub(super) fn on_disk(file: &Path) -> u64 {
    fs::symlink_metadata(file).map_or(0, |file| file.blocks().saturating_mul(512))
}
