//! What a crash has left behind: `.part` files made whole, indexes made anew.
//!
//! Whole chunks stay where they are. Damage between them is covered by a frame that every reader
//! skips, damage behind the last one is cut off. Files that a living writer has locked are left
//! alone. Sealed segments are not searched for damage; readers notice it chunk by chunk.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::SpoolError;
use crate::format::{Header, PROLOGUE_BYTES, Prologue, gap};
use crate::layout::{INDEX, Place, class_folders, list};
use crate::read::index::{self, Entry, Index};
use crate::read::walk::{Care, Step, Walk};
use crate::segment::finish;

mod rebuild;

pub use rebuild::{IndexState, Segment, list as list_segments, rebuild, verify};

/// What a recovery has found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Torn segments that were made whole and sealed, and sealed ones that were mended.
    pub segments: u64,
    /// Whole chunks in them.
    pub chunks: u64,
    /// Packets in those.
    pub packets: u64,
    /// Places with damage between or behind whole chunks.
    pub damages: u64,
    /// Bytes of damage; zeros at a file's end, which nobody wrote, are none.
    pub lost_bytes: u64,
    /// Torn segments without a whole chunk, which were removed.
    pub removed: u64,
    /// Indexes of sealed segments that were missing or wrong, and made anew.
    pub indexes: u64,
    /// Segments that a living writer holds.
    pub busy: u64,
    /// Segments that could not be recovered; the log says why.
    pub failed: u64,
}

/// Recovers a whole root. One that does not exist is empty.
///
/// # Errors
/// The root cannot be listed. A single segment's failure is logged and counted instead.
pub fn recover(root: &Path) -> Result<Recovered, SpoolError> {
    let mut sum = Recovered::default();
    for folder in class_folders(root)? {
        for path in list(&folder)? {
            let done = match Place::from_path(&path) {
                Some(place) if place.part => recover_part(&place, &mut sum),
                Some(place) => check_index(&place, &mut sum),
                None => remove_leftover(&path),
            };
            if let Err(error) = done {
                sum.failed += 1;
                tracing::error!(%error, "a spool segment cannot be recovered");
            }
        }
    }
    Ok(sum)
}

fn recover_part(place: &Place, sum: &mut Recovered) -> Result<(), SpoolError> {
    let path = place.path();
    let failed = |action| {
        let path = path.clone();
        move |source| SpoolError::io(action, &path, source)
    };
    let file = File::options().read(true).write(true).open(&path).map_err(failed("open"))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            sum.busy += 1;
            return Ok(());
        }
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    if !path.exists() {
        // Its writer has sealed it meanwhile.
        return Ok(());
    }
    let survey = survey(&file).map_err(failed("read"))?;
    if survey.first.is_none() {
        sum.removed += 1;
        return fs::remove_file(&path).map_err(failed("remove"));
    }
    mend(place, &file, &survey, sum)?;
    finish(place, &file)
}

/// Covers what is damaged in a segment, and cuts it behind its last whole chunk.
fn mend(
    place: &Place,
    file: &File,
    survey: &Survey,
    sum: &mut Recovered,
) -> Result<(), SpoolError> {
    let path = place.path();
    let failed = |action| {
        let path = path.clone();
        move |source| SpoolError::io(action, &path, source)
    };
    if let (None, Some(first)) = (survey.prologue, survey.first) {
        let prologue = Prologue {
            class: first.key.kind.class(),
            sensor: place.sensor().unwrap_or(0),
            link: first.key.link,
            segment: first.segment,
            base_ns: first.first_ns,
        };
        file.write_all_at(&prologue.encode(), 0).map_err(failed("mend"))?;
        sum.damages += 1;
        sum.lost_bytes += PROLOGUE_BYTES as u64;
    }
    for (at, len) in &survey.gaps {
        if let Some(frame) = gap(*len) {
            file.write_all_at(&frame, *at).map_err(failed("mend"))?;
        }
    }
    file.set_len(survey.end).map_err(failed("shorten"))?;
    sum.segments += 1;
    sum.chunks += survey.chunks;
    sum.packets += survey.packets;
    sum.damages += survey.damages;
    sum.lost_bytes += survey.lost_bytes;
    Ok(())
}

/// What is whole in a segment.
#[derive(Debug, Default)]
struct Survey {
    prologue: Option<Prologue>,
    first: Option<Header>,
    /// The whole chunks.
    entries: Vec<Entry>,
    /// Damage that has a whole chunk behind it: where, and how many bytes.
    gaps: Vec<(u64, u64)>,
    /// The end of the last whole chunk.
    end: u64,
    chunks: u64,
    packets: u64,
    damages: u64,
    lost_bytes: u64,
}

impl Survey {
    /// Whether there is anything to mend in this file.
    fn is_damaged(&self, file: &File) -> std::io::Result<bool> {
        Ok(self.prologue.is_none() || self.damages > 0 || file.metadata()?.len() != self.end)
    }
}

fn survey(file: &File) -> std::io::Result<Survey> {
    let mut walk = Walk::new(file, Care::Everything)?;
    let mut survey = Survey { prologue: walk.prologue(), ..Survey::default() };
    let mut damage = None;
    while let Some(step) = walk.step()? {
        match step {
            Step::Chunk { at, header } => {
                survey.first.get_or_insert(header);
                survey.entries.push(Entry::of(at, &header));
                survey.gaps.extend(damage.take());
                survey.end = at + header.chunk_len();
                survey.chunks += 1;
                survey.packets += u64::from(header.packets);
            }
            Step::Damage { at, len, lost } => {
                damage = Some((at, len));
                survey.damages += u64::from(lost > 0);
                survey.lost_bytes += lost;
            }
        }
    }
    Ok(survey)
}

fn check_index(place: &Place, sum: &mut Recovered) -> Result<(), SpoolError> {
    let path = place.path();
    let file = File::open(&path).map_err(|source| SpoolError::io("open", &path, source))?;
    if Index::read(place, &file).is_none() {
        index::build(&file, &path)?.write(place)?;
        sum.indexes += 1;
    }
    Ok(())
}

/// Removes indexes that were never finished, or whose segment is gone.
fn remove_leftover(path: &Path) -> Result<(), SpoolError> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let stale = match name.strip_suffix(INDEX) {
        Some(stem) => {
            let sibling = |ending| path.with_file_name(format!("{stem}{ending}")).exists();
            !sibling(crate::layout::SEALED) && !sibling(crate::layout::PART)
        }
        None => name.ends_with(".idx.new"),
    };
    if !stale {
        return Ok(());
    }
    match fs::remove_file(path) {
        // Mending its segment has finished the index that was begun here.
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| SpoolError::io("remove", path, source)),
    }
}

#[cfg(test)]
mod tests;
