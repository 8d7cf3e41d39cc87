//! A segment's index: what lies where, in 56 bytes a chunk, so that nobody walks a segment.
//!
//! It says nothing that the segment does not say, and is made anew from it whenever it is missing
//! or does not fit. Little-endian:
//!
//! ```text
//!   0  4  "RTIX"       4  2  version 1     6  1  class      7  1  zero    8  2  link   10  2  zero
//!  12  4  sensor      16  8  segment id   24  8  segment's length
//!  32  8  earliest ns 40  8  latest ns    48  4  entries   52  4  zero
//!  56  8  XXH3-64 of bytes 0..56 followed by the XXH3-64 of all entries
//!  64     entries: u32 realm, u8 kind, 3 zeros, u64 key, u64 first ns, u64 last ns,
//!         u64 offset, u32 packets, u32 bytes of records, u32 bytes of the body, u32 zero
//! ```

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::SpoolError;
use crate::format::{ChunkKey, Class, Header, Kind, hash};
use crate::layout::{PART, Place};
use crate::read::walk::{Care, Step, Walk, read_up_to};

const MAGIC: [u8; 4] = *b"RTIX";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 64;
const ENTRY_BYTES: usize = 56;
/// More than the chunks of the largest segment.
const ENTRIES_MAX: u32 = 1 << 25;

/// One chunk in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: ChunkKey,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) offset: u64,
    pub(crate) packets: u32,
    pub(crate) records_len: u32,
    pub(crate) body_len: u32,
}

impl Entry {
    pub(crate) fn of(at: u64, header: &Header) -> Self {
        Self {
            key: header.key,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            offset: at,
            packets: header.packets,
            records_len: header.records_len,
            body_len: header.body_len,
        }
    }
}

/// What is true of a whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) class: Class,
    pub(crate) link: u16,
    pub(crate) sensor: u32,
    pub(crate) segment: u64,
    pub(crate) segment_len: u64,
}

/// An index in memory, as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    facts: Facts,
    bytes: Vec<u8>,
}

impl Index {
    /// Lays out an index.
    pub(crate) fn encode(facts: Facts, entries: &[Entry]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + entries.len() * ENTRY_BYTES);
        let first_ns = entries.iter().map(|entry| entry.first_ns).min().unwrap_or(0);
        let last_ns = entries.iter().map(|entry| entry.last_ns).max().unwrap_or(0);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[facts.class as u8, 0]);
        bytes.extend_from_slice(&facts.link.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&facts.sensor.to_le_bytes());
        for word in [facts.segment, facts.segment_len, first_ns, last_ns] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 12]);
        for entry in entries {
            bytes.extend_from_slice(&entry.key.realm.to_le_bytes());
            bytes.extend_from_slice(&[entry.key.kind as u8, 0, 0, 0]);
            for word in [entry.key.key, entry.first_ns, entry.last_ns, entry.offset] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
            for word in [entry.packets, entry.records_len, entry.body_len, 0] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        let sum = checksum(&bytes).to_le_bytes();
        if let Some(room) = bytes.get_mut(56..HEAD_BYTES) {
            room.copy_from_slice(&sum);
        }
        Self { facts, bytes }
    }

    /// Takes bytes for an index, if they are one.
    pub(crate) fn decode(bytes: Vec<u8>) -> Option<Self> {
        if load(&bytes, 0) != MAGIC || u16::from_le_bytes(load(&bytes, 4)) != VERSION {
            return None;
        }
        let count = u32::from_le_bytes(load(&bytes, 48));
        let entries = bytes.get(HEAD_BYTES..)?;
        if count > ENTRIES_MAX
            || entries.len() != count as usize * ENTRY_BYTES
            || checksum(&bytes) != u64::from_le_bytes(load(&bytes, 56))
        {
            return None;
        }
        let facts = Facts {
            class: Class::from_byte(load::<1>(&bytes, 6)[0])?,
            link: u16::from_le_bytes(load(&bytes, 8)),
            sensor: u32::from_le_bytes(load(&bytes, 12)),
            segment: u64::from_le_bytes(load(&bytes, 16)),
            segment_len: u64::from_le_bytes(load(&bytes, 24)),
        };
        Some(Self { facts, bytes })
    }

    /// The index of a segment: from its file, or from the segment itself where there is none
    /// that fits. `None` when nothing in the segment lies between the two times.
    pub(crate) fn load(place: &Place, between: (u64, u64)) -> Result<Option<Self>, SpoolError> {
        let path = place.path();
        let file = super::open(place).map_err(|source| SpoolError::io("open", &path, source))?;
        let index = match if place.part { None } else { Self::read(place, &file) } {
            Some(index) => index,
            None => build(&file, &path)?,
        };
        let (first_ns, last_ns) = index.span();
        let empty = index.bytes.len() <= HEAD_BYTES;
        Ok(Some(index).filter(|_| !empty && first_ns <= between.1 && last_ns >= between.0))
    }

    /// The index beside a sealed segment, if it is there, whole and of this very file.
    pub(crate) fn read(place: &Place, segment: &File) -> Option<Self> {
        let index = Self::decode(fs::read(place.index_path()).ok()?)?;
        let mut start = [0_u8; crate::format::PROLOGUE_BYTES];
        read_up_to(segment, &mut start, 0).ok()?;
        let prologue = crate::format::Prologue::decode(&start).ok()?;
        let fits = index.facts.segment_len == segment.metadata().ok()?.len()
            && index.facts.segment == prologue.segment;
        fits.then_some(index)
    }

    /// Puts the index beside its segment: whole or not at all.
    pub(crate) fn write(&self, place: &Place) -> Result<(), SpoolError> {
        let draft = place.index_draft_path();
        fs::write(&draft, &self.bytes).map_err(|source| {
            let _ = fs::remove_file(&draft);
            SpoolError::io("write", &draft, source)
        })?;
        fs::rename(&draft, place.index_path())
            .map_err(|source| SpoolError::io("rename", &draft, source))
    }

    pub(crate) fn segment(&self) -> u64 {
        self.facts.segment
    }

    /// The chunks in the order of the segment.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let link = self.facts.link;
        let entries = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        entries.as_chunks::<ENTRY_BYTES>().0.iter().filter_map(move |bytes| {
            Some(Entry {
                key: ChunkKey {
                    realm: u32::from_le_bytes(load(bytes, 0)),
                    kind: Kind::from_byte(load::<1>(bytes, 4)[0])?,
                    key: u64::from_le_bytes(load(bytes, 8)),
                    link,
                },
                first_ns: u64::from_le_bytes(load(bytes, 16)),
                last_ns: u64::from_le_bytes(load(bytes, 24)),
                offset: u64::from_le_bytes(load(bytes, 32)),
                packets: u32::from_le_bytes(load(bytes, 40)),
                records_len: u32::from_le_bytes(load(bytes, 44)),
                body_len: u32::from_le_bytes(load(bytes, 48)),
            })
        })
    }

    /// Earliest and latest time stamp, UNIX ns.
    pub(crate) fn span(&self) -> (u64, u64) {
        (u64::from_le_bytes(load(&self.bytes, 32)), u64::from_le_bytes(load(&self.bytes, 40)))
    }
}

/// Makes the index of a segment from its headers. Only in one that is sealed there is anything
/// behind damage: what is being written ends there.
pub(crate) fn build(file: &File, path: &Path) -> Result<Index, SpoolError> {
    let failed = |source| SpoolError::io("read", path, source);
    let part = path.as_os_str().as_encoded_bytes().ends_with(PART.as_bytes());
    let care = if part { Care::Headers } else { Care::AcrossDamage };
    let mut walk = Walk::new(file, care).map_err(failed)?;
    let Some(prologue) = walk.prologue() else {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "this is no spool segment")));
    };
    let mut entries = Vec::new();
    while let Some(step) = walk.step().map_err(failed)? {
        if let Step::Chunk { at, header } = step {
            entries.push(Entry::of(at, &header));
        }
    }
    let facts = Facts {
        class: prologue.class,
        link: prologue.link,
        sensor: prologue.sensor,
        segment: prologue.segment,
        segment_len: file.metadata().map_err(failed)?.len(),
    };
    Ok(Index::encode(facts, &entries))
}

fn checksum(bytes: &[u8]) -> u64 {
    let (head, rest) = bytes.split_at(HEAD_BYTES.min(bytes.len()));
    let head = head.get(..56).unwrap_or(head);
    // The entries' own sum stands for them: no copy to put both parts side by side.
    let mut both = [0_u8; HEAD_BYTES];
    if let Some((room, sum)) = both.split_last_chunk_mut::<8>() {
        let len = head.len();
        if let Some(room) = room.get_mut(..len) {
            room.copy_from_slice(head);
        }
        *sum = hash(rest).to_le_bytes();
    }
    hash(&both)
}

fn load<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}
