//! Many chunks merged by time: only chunks that overlap are in memory at once.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;

use crate::error::SpoolError;
use crate::format::{HEADER_BYTES, Header, RECORD_BYTES, hash, next_record};
use crate::read::walk::read_up_to;
use crate::read::{Found, Hits, Times, open};

/// Segments that one merge keeps open.
const FILES_MAX: usize = 64;

/// A chunk in memory, and how far it has been written.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) link: u16,
    /// Its place among the chunks: the order of packets with equal time stamps.
    order: usize,
    pub(super) records: Vec<u8>,
    /// Time stamp and place of each wanted packet, latest first.
    left: Vec<(u64, u32)>,
}

impl Cursor {
    fn rank(&self) -> (u64, usize) {
        (self.left.last().map_or(u64::MAX, |next| next.0), self.order)
    }
}

impl Ord for Cursor {
    /// The greatest is the one with the earliest packet.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Cursor {}

/// All chunks, of which those that overlap are loaded.
pub(super) struct Merge<'h> {
    hits: &'h Hits,
    times: Times,
    next: usize,
    active: BinaryHeap<Cursor>,
    current: Option<Cursor>,
    files: Vec<Option<File>>,
    open: usize,
    unpacker: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    pub(super) damaged: u64,
}

impl<'h> Merge<'h> {
    pub(super) fn new(hits: &'h Hits, times: Times) -> Result<Self, SpoolError> {
        let unpacker = zstd::bulk::Decompressor::new().map_err(SpoolError::Output)?;
        Ok(Self {
            hits,
            times,
            next: 0,
            active: BinaryHeap::new(),
            current: None,
            files: hits.files.iter().map(|_| None).collect(),
            open: 0,
            unpacker,
            packed: Vec::new(),
            damaged: 0,
        })
    }

    /// The chunk of the next packet, and where in its records the packet starts.
    pub(super) fn next(&mut self) -> Option<(&Cursor, usize)> {
        if let Some(current) = self.current.take().filter(|current| !current.left.is_empty()) {
            self.active.push(current);
        }
        // Every chunk that may hold an earlier packet than the one at hand must be there.
        while let Some(found) = self.hits.chunks.get(self.next) {
            if self.active.peek().is_some_and(|first| first.rank().0 < found.first_ns) {
                break;
            }
            match self.load(found) {
                Ok(cursor) => self.active.extend(Some(cursor).filter(|one| !one.left.is_empty())),
                Err(error) => {
                    if self.damaged == 0 {
                        tracing::warn!(%error, "a chunk of the spool cannot be read");
                    }
                    self.damaged += 1;
                }
            }
            self.next += 1;
        }
        let mut cursor = self.active.pop()?;
        let (_, at) = cursor.left.pop()?;
        let cursor = self.current.insert(cursor);
        Some((cursor, at as usize))
    }

    fn load(&mut self, found: &Found) -> io::Result<Cursor> {
        let records = self.read(found)?;
        let times = self.times.at(&found.key);
        let mut left = Vec::with_capacity(found.packets.min(65_536) as usize);
        let mut rest = records.as_slice();
        let mut at = 0;
        while let Some(record) = next_record(&mut rest) {
            if times.iter().any(|(from, to)| (*from..=*to).contains(&record.ts_ns)) {
                left.push((record.ts_ns, at));
            }
            at += (RECORD_BYTES + record.bytes.len()) as u32;
        }
        // By place too: packets of one time stamp keep their order.
        left.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Cursor { link: found.key.link, order: self.next, records, left })
    }

    /// A chunk's records, checked and unpacked.
    fn read(&mut self, found: &Found) -> io::Result<Vec<u8>> {
        let bad = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let source = self.hits.files.get(found.segment).ok_or_else(|| bad("no segment"))?;
        if self.open > FILES_MAX {
            self.files.fill_with(|| None);
            self.open = 0;
        }
        let slot = self.files.get_mut(found.segment).ok_or_else(|| bad("no segment"))?;
        let file = match slot {
            Some(file) => &*file,
            None => {
                self.open += 1;
                slot.insert(open(&source.place)?)
            }
        };
        let len = HEADER_BYTES + found.entry.body_len as usize;
        self.packed.resize(len, 0);
        let got = read_up_to(file, &mut self.packed, found.entry.offset)?;
        let packed = self.packed.get(..got).unwrap_or_default();
        let header = Header::decode(packed).map_err(|_| bad("a chunk's header is damaged"))?;
        if header.segment != source.segment || header.body_len != found.entry.body_len {
            return Err(bad("a chunk is not the one that was indexed"));
        }
        let body = packed.get(HEADER_BYTES..).unwrap_or_default();
        if body.len() != header.body_len as usize || hash(body) != header.body_hash {
            return Err(bad("a chunk's body is damaged"));
        }
        let mut records = Vec::with_capacity(header.records_len as usize);
        self.unpacker.decompress_to_buffer(body, &mut records)?;
        Ok(records)
    }
}
