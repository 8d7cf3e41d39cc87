//! One segment while it is written, and how it is sealed.
//!
//! It does not decide which chunk goes where; the writer does.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;
use crate::error::SpoolError;
use crate::format::{
    Class, Codec, GAP_BYTES_MIN, HEADER_BYTES, Header, PROLOGUE_BYTES, Prologue, body_bound, gap,
    hash, raw_frame, shift,
};
use crate::layout::{AFTER_BASE_NS, BEFORE_BASE_NS, Place};
use crate::map::Map;
use crate::read::index::{self, Index};

/// Blocks are asked from the filesystem in steps of this size.
const GRANT_BYTES: usize = 4 * 1024 * 1024;

/// How often a segment's folder is made anew when it vanishes.
const FOLDER_TRIES: u32 = 5;

/// How often, and how far apart, a new segment's lock is asked for.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: Duration = Duration::from_millis(1);

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    place: Place,
    prologue: Prologue,
    file: File,
    /// `None` where the filesystem cannot grant blocks: then ordinary writes.
    map: Option<Map>,
    capacity: usize,
    at: usize,
    opened: Instant,
    used: u64,
}

/// Turns records into a body.
pub(crate) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    scratch: Vec<u8>,
}

impl Packer {
    /// A packer of zstd's `level`, or of raw blocks.
    pub(crate) fn new(level: Option<i32>) -> io::Result<Self> {
        let compressor = level.map(zstd::bulk::Compressor::new).transpose()?;
        Ok(Self { compressor, scratch: Vec::new() })
    }

    /// Writes header and body of a chunk into `room`, which lies at `at` in the segment, and tells
    /// the bytes used: a gap frame before it included, where one is needed.
    fn pack(
        &mut self,
        chunk: &Chunk,
        segment: u64,
        at: usize,
        room: &mut [u8],
    ) -> io::Result<usize> {
        let too_small = || io::Error::other("a chunk's room is too small");
        let body = room.get_mut(HEADER_BYTES..).ok_or_else(too_small)?;
        let records = chunk.records();
        let packed = self
            .compressor
            .as_mut()
            .and_then(|compressor| compressor.compress_to_buffer(records, body).ok())
            .filter(|len| *len < records.len());
        let (codec, len) = match packed {
            Some(len) => (Codec::Zstd, len),
            None => (Codec::Raw, raw_frame(records, body).ok_or_else(too_small)?),
        };
        let header = Header {
            key: *chunk.key(),
            codec,
            segment,
            first_ns: chunk.first_ns(),
            last_ns: chunk.last_ns(),
            packets: chunk.packets(),
            records_len: records.len() as u32,
            body_len: len as u32,
            body_hash: hash(body.get(..len).ok_or_else(too_small)?),
        };
        let len = HEADER_BYTES + len;
        let shift = shift(at, len);
        if room.len() < shift + len {
            return Err(too_small());
        }
        if shift > 0 {
            room.copy_within(HEADER_BYTES..len, shift + HEADER_BYTES);
        }
        // From back to front: whoever reads meanwhile sees a whole chunk or none.
        if let Some(head) = room.get_mut(shift..).and_then(<[u8]>::first_chunk_mut) {
            *head = header.encode();
        }
        if let (Some(frame), Some(head)) = (gap(shift as u64), room.first_chunk_mut()) {
            *head = frame;
        }
        Ok(shift + len)
    }
}

impl Segment {
    /// Creates a segment for chunks of a class and link type around `base_ns`.
    pub(crate) fn create(
        root: &Path,
        sensor: u32,
        (class, link): (Class, u16),
        base_ns: u64,
        capacity: usize,
    ) -> Result<Self, SpoolError> {
        let segment = RandomState::new().hash_one((base_ns, sensor, std::process::id()));
        let prologue = Prologue { class, sensor, link, segment, base_ns };
        let place = Place::of(root, &prologue);
        let path = place.path();
        let failed = |action| {
            let path = path.clone();
            move |source| SpoolError::io(action, &path, source)
        };
        let file = create_file(&place).map_err(failed("create"))?;
        let opened = Instant::now();
        let mut segment =
            Self { place, prologue, file, map: None, capacity, at: 0, opened, used: 0 };
        segment.begin().map_err(failed("begin")).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(segment)
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut tries = 0;
        loop {
            match self.file.try_lock() {
                Ok(()) => break,
                // Somebody wants to know whether a writer holds it.
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_WAIT);
                }
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
                // A filesystem without locks; only our own programs would have looked at them.
                Err(TryLockError::Error(_)) => break,
            }
        }
        let mut map = Map::new(&self.file, self.capacity)?;
        match map.grant(&self.file, GRANT_BYTES) {
            Ok(()) => self.map = Some(map),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        let prologue = self.prologue.encode();
        match self.map.as_mut().and_then(|map| map.room(0, PROLOGUE_BYTES)) {
            Some(room) => room.copy_from_slice(&prologue),
            None => self.file.write_all_at(&prologue, 0)?,
        }
        self.at = PROLOGUE_BYTES;
        Ok(())
    }

    /// Whether a chunk belongs here by what it holds and when.
    pub(crate) fn accepts(&self, chunk: &Chunk) -> bool {
        let base = self.prologue.base_ns;
        self.prologue.class == chunk.key().kind.class()
            && self.prologue.link == chunk.key().link
            && chunk.first_ns() >= base.saturating_sub(BEFORE_BASE_NS)
            && chunk.first_ns() < base.saturating_add(AFTER_BASE_NS)
    }

    /// Whether there is room left for a chunk.
    pub(crate) fn fits(&self, chunk: &Chunk) -> bool {
        self.at + needed(chunk) <= self.capacity
    }

    /// Appends a chunk that fits, and tells its bytes on disk. After an error the segment still
    /// ends with its last whole chunk.
    pub(crate) fn append(&mut self, chunk: &Chunk, packer: &mut Packer) -> io::Result<u64> {
        let needed = needed(chunk);
        let len = if let Some(map) = &mut self.map {
            let end = self.at + needed;
            if end > map.granted() {
                map.grant(&self.file, end.max(map.granted() + GRANT_BYTES))?;
            }
            let room = map.room(self.at, needed).ok_or(io::ErrorKind::StorageFull)?;
            packer.pack(chunk, self.prologue.segment, self.at, room)?
        } else {
            let mut scratch = std::mem::take(&mut packer.scratch);
            scratch.resize(scratch.len().max(needed), 0);
            let packed = packer.pack(chunk, self.prologue.segment, self.at, &mut scratch);
            let written = packed.and_then(|len| {
                let bytes = scratch.get(..len).unwrap_or_default();
                self.file.write_all_at(bytes, self.at as u64).map(|()| len)
            });
            packer.scratch = scratch;
            written?
        };
        self.at += len;
        Ok(len as u64)
    }

    /// When it was created.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// The writer's count of its last use, to find the one longest unused.
    pub(crate) fn used(&mut self) -> &mut u64 {
        &mut self.used
    }

    /// Cuts the file to its length, makes it durable, writes its index and gives it its name. A
    /// segment without a chunk is removed.
    pub(crate) fn seal(mut self) -> Result<(), SpoolError> {
        drop(self.map.take());
        let path = self.place.path();
        if self.at <= PROLOGUE_BYTES {
            return fs::remove_file(&path)
                .map_err(|source| SpoolError::io("remove", &path, source));
        }
        self.file
            .set_len(self.at as u64)
            .map_err(|source| SpoolError::io("shorten", &path, source))?;
        finish(&self.place, &self.file)
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("compresses", &self.compressor.is_some()).finish()
    }
}

/// Creates a segment's file and its folder, which retention may remove in between when it is empty.
fn create_file(place: &Place) -> io::Result<File> {
    let path = place.path();
    let mut tries = 0;
    loop {
        tries += 1;
        fs::create_dir_all(place.folder())?;
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < FOLDER_TRIES => {}
            other => return other,
        }
    }
}

/// Makes a whole `.part` durable, indexes it and gives it its sealed name. On a full disk it has no
/// index.
pub(crate) fn finish(place: &Place, file: &File) -> Result<(), SpoolError> {
    let path = place.path();
    file.sync_data().map_err(|source| SpoolError::io("sync", &path, source))?;
    finish_index(&index::build(file, &path)?, place)?;
    fs::rename(&path, place.sealed_path())
        .map_err(|source| SpoolError::io("rename", &path, source))?;
    // The file's name, its hour's, its day's, and the day's in the root.
    for folder in place.folder().ancestors().take(4) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| SpoolError::io("sync", folder, source))?;
    }
    Ok(())
}

/// Writes an index. On a full disk there is none: readers do without, and the next recovery makes
/// it.
pub(crate) fn finish_index(index: &Index, place: &Place) -> Result<(), SpoolError> {
    match index.write(place) {
        Err(error) if error.is_full() => {
            tracing::debug!(%error, "a segment has no index");
            Ok(())
        }
        other => other,
    }
}

/// Room that a chunk may need, and a shift of no more than its own length.
fn needed(chunk: &Chunk) -> usize {
    2 * (HEADER_BYTES + body_bound(chunk.records().len())) + GAP_BYTES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CHUNK_BYTES;
    use crate::format::Kind;
    use crate::read::walk::{Care, Step, Walk};
    use crate::tests::{T0, chunk_key, folder, packet};

    #[test]
    fn a_filesystem_that_grants_no_blocks_gets_ordinary_writes() {
        let root = folder();
        let mut segment = Segment::create(root.path(), 1, (Class::Media, 1), T0, 1 << 20).unwrap();
        segment.map = None;
        let mut packer = Packer::new(Some(1)).unwrap();
        let mut chunk = Chunk::new(CHUNK_BYTES).unwrap();
        let mut chunks = 0;
        loop {
            chunk.begin(&chunk_key(Kind::Rtp, chunks));
            (0..100).take_while(|n| chunk.append(T0 + n, 99, &packet(chunks, *n))).for_each(drop);
            assert!(segment.accepts(&chunk));
            if !segment.fits(&chunk) {
                break;
            }
            segment.append(&chunk, &mut packer).unwrap();
            chunks += 1;
        }
        let place = Place::from_path(&segment.place.sealed_path()).unwrap();
        segment.seal().unwrap();
        let file = File::open(place.path()).unwrap();
        let mut walk = Walk::new(&file, Care::Everything).unwrap();
        let mut found = 0;
        while let Some(step) = walk.step().unwrap() {
            assert!(matches!(step, Step::Chunk { header, .. } if header.key.key == found));
            found += 1;
        }
        assert!(found == chunks && chunks > 50, "{found} of {chunks}");
        assert!(Index::read(&place, &file).is_some());
    }

    #[test]
    fn a_segment_without_chunks_leaves_no_file() {
        let root = folder();
        let segment = Segment::create(root.path(), 1, (Class::Sip, 1), T0, 1 << 20).unwrap();
        let folder = segment.place.folder().to_path_buf();
        segment.seal().unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}
