//! A bounded buffer of pcap records that belong to one call or stream.
//!
//! Its pages are asked from the system at the start and get memory when they are first written;
//! they are never given back before the end. It knows nothing of pools, threads or files.

use std::io;

use memmap2::{Advice, MmapMut};

use crate::format::{ChunkKey, Kind, RECORD_BYTES, record_header};
use crate::layout::CHUNK_SPAN_NS;

/// Records of an ordinary chunk, in bytes: eight full ones fill a reader's window
/// ([`crate::format::WINDOW_BYTES`]) just so.
pub const CHUNK_BYTES: usize = 16 * 1024 - 128;

const LINE_BYTES: usize = 64;
/// Lines of a packet that are loaded early; the rest follows in order, as hardware expects.
const LINES_MAX: usize = 5;

/// On a cache line of its own, which is all that a packet touches of it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Chunk {
    key: ChunkKey,
    first_ns: u64,
    last_ns: u64,
    packets: u32,
    len: u32,
    pages: MmapMut,
}

impl Chunk {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        let pages = MmapMut::map_anon(capacity)?;
        // Neighbouring chunks share large pages where the system has them; it is no loss if not.
        let _ = pages.advise(Advice::HugePage);
        Ok(Self {
            key: ChunkKey { realm: 0, kind: Kind::Rtp, key: 0, link: 0 },
            first_ns: 0,
            last_ns: 0,
            packets: 0,
            len: 0,
            pages,
        })
    }

    /// Empties the chunk and gives it to a call or stream.
    pub(crate) fn begin(&mut self, key: &ChunkKey) {
        self.key = *key;
        (self.packets, self.len) = (0, 0);
    }

    /// Appends a packet, unless there is no room for it or it is far from the others in time.
    pub(crate) fn append(&mut self, ts_ns: u64, wire_len: u32, bytes: &[u8]) -> bool {
        if self.packets == 0 {
            (self.first_ns, self.last_ns) = (ts_ns, ts_ns);
        }
        let (first_ns, last_ns) = (self.first_ns.min(ts_ns), self.last_ns.max(ts_ns));
        if last_ns - first_ns > CHUNK_SPAN_NS {
            return false;
        }
        let start = self.len as usize;
        let end = start + RECORD_BYTES + bytes.len();
        let Some((head, body)) =
            self.pages.get_mut(start..end).and_then(<[u8]>::split_first_chunk_mut::<RECORD_BYTES>)
        else {
            return false;
        };
        *head = record_header(ts_ns, bytes.len() as u32, wire_len);
        body.copy_from_slice(bytes);
        (self.first_ns, self.last_ns) = (first_ns, last_ns);
        self.packets += 1;
        self.len = end as u32;
        true
    }

    /// Loads a byte of each cache line that the next packet of `len` bytes goes to.
    #[inline]
    pub(crate) fn touch(&self, len: usize) -> u8 {
        let start = self.len as usize;
        let room = self.pages.get(start..start + RECORD_BYTES + len).unwrap_or_default();
        room.iter().step_by(LINE_BYTES).take(LINES_MAX).fold(0, |sum, byte| sum ^ byte)
    }

    pub(crate) fn key(&self) -> &ChunkKey {
        &self.key
    }

    pub(crate) fn first_ns(&self) -> u64 {
        self.first_ns
    }

    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns
    }

    pub(crate) fn packets(&self) -> u32 {
        self.packets
    }

    pub(crate) fn records(&self) -> &[u8] {
        self.pages.get(..self.len as usize).unwrap_or_default()
    }

    pub(crate) fn is_large(&self) -> bool {
        self.pages.len() > CHUNK_BYTES
    }
}

const _: () = assert!(size_of::<Chunk>() == 64, "a chunk's facts are one cache line");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::next_record;

    const KEY: ChunkKey = ChunkKey { realm: 1, kind: Kind::Sip, key: 2, link: 1 };

    #[test]
    fn it_takes_packets_until_it_is_full() {
        let mut chunk = Chunk::new(CHUNK_BYTES).unwrap();
        chunk.begin(&KEY);
        let packet = [7_u8; 1008];
        let taken = (0..100).take_while(|n| chunk.append(1000 - n, 1500, &packet)).count();
        assert_eq!(taken, 15);
        assert_eq!((chunk.packets(), chunk.first_ns(), chunk.last_ns()), (15, 986, 1000));
        let mut records = chunk.records();
        let first = next_record(&mut records).unwrap();
        assert_eq!((first.ts_ns, first.wire_len, first.bytes), (1000, 1500, &packet[..]));
    }

    #[test]
    fn it_refuses_a_packet_from_another_time() {
        let mut chunk = Chunk::new(CHUNK_BYTES).unwrap();
        chunk.begin(&KEY);
        assert!(chunk.append(CHUNK_SPAN_NS * 3, 1, b"a"));
        assert!(!chunk.append(CHUNK_SPAN_NS * 4 + 1, 1, b"b"));
        assert!(!chunk.append(CHUNK_SPAN_NS * 2 - 1, 1, b"c"));
        assert!(chunk.append(CHUNK_SPAN_NS * 4, 1, b"d"));
        assert!(!chunk.append(CHUNK_SPAN_NS * 2, 1, b"e"));
        assert_eq!(chunk.packets(), 2);
    }
}
