//! A root looked through segment by segment: listed, verified, or rebuilt from its segments alone.
//!
//! Listing trusts indexes and headers. Verifying reads every byte and changes nothing. Rebuilding
//! reads every byte, mends what is damaged as recovery does, and writes each index anew that does
//! not say what its segment says. None of them touches what a living writer holds.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::format::Class;
use crate::layout::{Place, class_folders, list as files_in, segments_in};
use crate::read::index::{self, Facts, Index};
use crate::read::{Held, exclude, open, share};
use crate::recover::{Recovered, Survey, mend, recover_part, remove_leftover, survey};
use crate::segment::finish_index;

/// What is known of a segment's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It says what the segment says, as far as was looked.
    Whole,
    /// It is not there, or damaged, or of another file.
    Missing,
    /// It is whole and of this segment, and says something else.
    Wrong,
    /// A segment that is being written, or was left behind, has none yet.
    NotYet,
}

/// One segment as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// What its packets are.
    pub class: Class,
    /// A living writer holds it.
    pub busy: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whole chunks.
    pub chunks: u64,
    /// Packets in them.
    pub packets: u64,
    /// Earliest time stamp, UNIX ns; 0 without chunks.
    pub first_ns: u64,
    /// Latest time stamp, UNIX ns; 0 without chunks.
    pub last_ns: u64,
    /// Its index.
    pub index: IndexState,
    /// Damaged places, where they were looked for.
    pub damages: u64,
    /// Bytes of damage; zeros at a file's end, which nobody wrote, are none.
    pub lost_bytes: u64,
}

/// Tells every segment, oldest first within a kind and hour, by indexes and headers.
///
/// # Errors
/// The root cannot be listed. A segment that cannot be read is an error for `each`.
pub fn list(
    root: &Path,
    each: &mut dyn FnMut(Result<Segment, SpoolError>),
) -> Result<(), SpoolError> {
    all(root, &mut |place| each(glance(place)))
}

/// The same, with every byte read and every index held against its segment.
///
/// # Errors
/// As [`list`].
pub fn verify(
    root: &Path,
    each: &mut dyn FnMut(Result<Segment, SpoolError>),
) -> Result<(), SpoolError> {
    all(root, &mut |place| each(examine(place)))
}

/// Makes everything whole that can be: torn segments as [`crate::recover()`] does, damage inside
/// of sealed ones, and all indexes, from what the segments hold and nothing else.
///
/// # Errors
/// The root cannot be listed. A single segment's failure is logged and counted instead.
pub fn rebuild(root: &Path) -> Result<Recovered, SpoolError> {
    let mut sum = Recovered::default();
    for folder in class_folders(root)? {
        let _lock = share(&folder);
        for path in files_in(&folder)? {
            let done = match Place::from_path(&path) {
                Some(place) if place.part => recover_part(&place, &mut sum),
                Some(place) => rebuild_sealed(&place, &mut sum),
                None => remove_leftover(&path),
            };
            if let Err(error) = done {
                sum.failed += 1;
                tracing::error!(%error, "a spool segment cannot be rebuilt");
            }
        }
    }
    Ok(sum)
}

fn rebuild_sealed(place: &Place, sum: &mut Recovered) -> Result<(), SpoolError> {
    let path = place.path();
    let failed = |action| {
        let path = path.clone();
        move |source| SpoolError::io(action, &path, source)
    };
    let lock = exclude(&path);
    if matches!(lock, Held::InUse) {
        sum.busy += 1;
        return Ok(());
    }
    let file = File::options().read(true).write(true).open(&path).map_err(failed("open"))?;
    let found = survey(&file).map_err(failed("read"))?;
    if found.first.is_none() {
        // Not ours to remove: it was whole once, and may be worth a look.
        return Err(failed("find a whole chunk in")(std::io::ErrorKind::InvalidData.into()));
    }
    if found.is_damaged(&file).map_err(failed("read"))? {
        mend(place, &file, &found, sum)?;
        file.sync_data().map_err(failed("sync"))?;
    }
    let facts = facts(&found, &file).map_err(failed("read"))?;
    let right = facts.map(|facts| Index::encode(facts, &found.entries));
    if let Some(right) = right
        && Index::read(place, &file).is_none_or(|index| index != right)
    {
        finish_index(&right, place)?;
        sum.indexes += 1;
    }
    Ok(())
}

/// What an index says of a whole segment, or one that has been mended.
fn facts(found: &Survey, file: &File) -> std::io::Result<Option<Facts>> {
    let segment_len = file.metadata()?.len();
    let walk = crate::read::walk::Walk::new(file, crate::read::walk::Care::Headers)?;
    let prologue = walk.prologue().or(found.prologue);
    Ok(prologue.map(|prologue| Facts {
        class: prologue.class,
        link: prologue.link,
        sensor: prologue.sensor,
        segment: prologue.segment,
        segment_len,
    }))
}

/// Calls `each` for every segment, with its folder locked against retention.
fn all(root: &Path, each: &mut dyn FnMut(&Place)) -> Result<(), SpoolError> {
    for folder in class_folders(root)? {
        let _lock = share(&folder);
        segments_in(&folder)?.iter().for_each(&mut *each);
    }
    Ok(())
}

fn glance(place: &Place) -> Result<Segment, SpoolError> {
    let path = place.path();
    let file = open(place).map_err(|source| SpoolError::io("open", &path, source))?;
    let mut segment = begin(place, &file)?;
    let index = match if place.part { None } else { Index::read(place, &file) } {
        Some(index) => index,
        None => {
            if !place.part {
                segment.index = IndexState::Missing;
            }
            index::build(&file, &path)?
        }
    };
    for entry in index.entries() {
        segment.chunks += 1;
        segment.packets += u64::from(entry.packets);
    }
    if segment.chunks > 0 {
        (segment.first_ns, segment.last_ns) = index.span();
    }
    Ok(segment)
}

fn examine(place: &Place) -> Result<Segment, SpoolError> {
    let path = place.path();
    let failed = |source| SpoolError::io("read", &path, source);
    let file = open(place).map_err(|source| SpoolError::io("open", &path, source))?;
    let mut segment = begin(place, &file)?;
    if segment.busy {
        // Its end changes while we look.
        return glance(place);
    }
    let found = survey(&file).map_err(failed)?;
    segment.chunks = found.chunks;
    segment.packets = found.packets;
    segment.first_ns = found.entries.iter().map(|entry| entry.first_ns).min().unwrap_or(0);
    segment.last_ns = found.entries.iter().map(|entry| entry.last_ns).max().unwrap_or(0);
    segment.damages = found.damages + u64::from(found.prologue.is_none());
    segment.lost_bytes = found.lost_bytes;
    if !place.part {
        segment.index = match Index::read(place, &file) {
            None => IndexState::Missing,
            Some(index) if index.entries().eq(found.entries.iter().copied()) => IndexState::Whole,
            Some(_) => IndexState::Wrong,
        };
    }
    Ok(segment)
}

fn begin(place: &Place, file: &File) -> Result<Segment, SpoolError> {
    let path = place.path();
    let bytes = file.metadata().map_err(|source| SpoolError::io("read", &path, source))?.len();
    let class =
        if place.folder().ends_with(Class::Sip.folder()) { Class::Sip } else { Class::Media };
    Ok(Segment {
        class,
        busy: matches!(exclude(&path), Held::InUse),
        bytes,
        chunks: 0,
        packets: 0,
        first_ns: 0,
        last_ns: 0,
        index: if place.part { IndexState::NotYet } else { IndexState::Whole },
        damages: 0,
        lost_bytes: 0,
        path,
    })
}

#[cfg(test)]
mod tests;
