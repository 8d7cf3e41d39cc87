//! Finding packets again: by key and time, out of sealed segments and of those being written.
//!
//! Readers only use read calls on files and change nothing; they may run beside the sensor or in
//! another process. They share a lock on each folder that they read from, so that retention leaves
//! it alone.

pub(crate) mod walk;

pub(crate) mod index;

mod lock;
mod times;

mod export;
mod merge;
mod output;
mod roots;
mod slices;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::format::{ChunkKey, Class, Kind};
use crate::layout::{self, Place};
use crate::read::index::{Entry, Index};

pub(crate) use crate::read::lock::{Held, exclude, share};

pub use crate::read::export::{Exported, Packet, export, packets};
pub use crate::read::output::{Format, Output};
pub use crate::read::roots::ROOTS_MAX;
pub use crate::read::slices::{Asked, export_in_slices, packets_in_slices};

pub(crate) use crate::read::times::Times;

/// Chunks that one query takes in; a call of a week has fewer.
pub const CHUNKS_MAX: usize = 4_000_000;

/// Folders that one query locks, an hour of a class each. What lies in further ones may be gone
/// when its turn comes, and counts as damaged then.
const LOCKS_MAX: usize = 256;

/// Packets that are asked for: one key's, between two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The realm.
    pub realm: u32,
    /// What the packets are.
    pub kind: Kind,
    /// The call's or the stream's key.
    pub key: u64,
    /// No packet before this, UNIX ns.
    pub from_ns: u64,
    /// No packet after this, UNIX ns.
    pub to_ns: u64,
}

/// A chunk that may hold packets that are asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Number of its segment in [`Hits::segments`].
    pub segment: usize,
    /// Whose packets they are.
    pub key: ChunkKey,
    /// Earliest time stamp, UNIX ns.
    pub first_ns: u64,
    /// Latest time stamp, UNIX ns.
    pub last_ns: u64,
    /// Packets in it.
    pub packets: u32,
    pub(crate) entry: Entry,
}

/// What a search has found.
#[derive(Debug, Default)]
pub struct Hits {
    /// Segments that hold something.
    pub segments: Vec<PathBuf>,
    /// Chunks in the order of their first packets.
    pub chunks: Vec<Found>,
    pub(crate) files: Vec<Source>,
    /// What is found here is not removed meanwhile.
    locks: Vec<File>,
}

/// A segment to read from, and the id its chunks must bear.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) place: Place,
    pub(crate) segment: u64,
}

/// Finds the chunks that overlap what is wanted. Each is found once.
///
/// # Errors
/// The root cannot be read, or more chunks match than [`CHUNKS_MAX`]. A segment that cannot be
/// read is passed over with a warning: the others still help.
pub fn find(root: &Path, wanted: &[Wanted]) -> Result<Hits, SpoolError> {
    let found = find_up_to(root, &Times::of(wanted), CHUNKS_MAX)?;
    found.ok_or(SpoolError::Options("more chunks match than one search takes in"))
}

/// The same; `None` if there are more chunks than `most`.
pub(crate) fn find_up_to(
    root: &Path,
    times: &Times,
    most: usize,
) -> Result<Option<Hits>, SpoolError> {
    let mut hits = Hits::default();
    for class in Class::ALL {
        let Some((from_ns, to_ns)) = times.span(Some(class)) else { continue };
        for folder in layout::folders_between(root, class, from_ns, to_ns)? {
            let lock = lock::share(&folder);
            let before = hits.chunks.len();
            look_in(&folder, times, most, &mut hits)?;
            if hits.chunks.len() > most {
                return Ok(None);
            }
            if hits.chunks.len() > before && hits.locks.len() < LOCKS_MAX {
                hits.locks.extend(lock);
            }
        }
    }
    hits.chunks.sort_by_key(|chunk| (chunk.first_ns, chunk.segment, chunk.entry.offset));
    Ok(Some(hits))
}

/// Finds the chunks in one folder, until there are more than `most`.
fn look_in(folder: &Path, times: &Times, most: usize, hits: &mut Hits) -> Result<(), SpoolError> {
    let Some(between) = times.span(None) else { return Ok(()) };
    for place in layout::segments_in(folder)? {
        let index = match Index::load(&place, between) {
            Ok(Some(index)) => index,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "a spool segment is passed over");
                continue;
            }
        };
        let before = hits.chunks.len();
        for entry in index.entries() {
            if times.match_entry(&entry) {
                hits.chunks.push(found(hits.files.len(), entry));
            }
        }
        if hits.chunks.len() > before {
            hits.segments.push(place.path());
            hits.files.push(Source { place, segment: index.segment() });
        }
        if hits.chunks.len() > most {
            break;
        }
    }
    Ok(())
}

fn found(segment: usize, entry: Entry) -> Found {
    Found {
        segment,
        key: entry.key,
        first_ns: entry.first_ns,
        last_ns: entry.last_ns,
        packets: entry.packets,
        entry,
    }
}

/// Opens a segment, also when it is sealed in this very moment.
pub(crate) fn open(place: &Place) -> io::Result<File> {
    match File::open(place.path()) {
        Err(error) if place.part && error.kind() == io::ErrorKind::NotFound => {
            File::open(place.sealed_path())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
