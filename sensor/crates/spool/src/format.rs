//! The bytes on disk, version 1. All numbers are little-endian.
//!
//! A segment is a chain of zstd frames, so that stock tools read it as one compressed nanosecond
//! pcap file of one link type. It opens with a prologue of 128 bytes:
//!
//! ```text
//!   0  36  zstd frame with one raw block: the pcap file header (magic 0xA1B23C4D, 24 bytes)
//!  36   8  skippable frame: magic 0x184D2A57, u32 size 84
//!  44   4  "RTSG"
//!  48   2  format version            50  1  class (0 SIP, 1 media)    51  1  zero
//!  52   4  sensor                    56  2  link type (LINKTYPE_…)    58  6  zero
//!  64   8  segment id, random        72  8  base time, UNIX ns        80 40  zero
//! 120   8  XXH3-64 of bytes 0..120
//! ```
//!
//! Then chunks follow, each a skippable frame (its header, 88 bytes) and a zstd frame (its body):
//!
//! ```text
//!   0   8  skippable frame: magic 0x184D2A57, u32 size 80
//!   8   4  "RTCK"
//!  12   2  format version            14  1  kind (0 SIP, 1 RTP, 2 RTCP)
//!  15   1  codec (0 raw blocks, 1 compressed)
//!  16   4  realm                     20  2  link type                 22  2  zero
//!  24   8  segment id                32  8  key of the call or stream
//!  40   8  earliest time stamp, ns   48  8  latest time stamp, ns
//!  56   4  packets                   60  4  bytes of pcap records
//!  64   4  bytes of the body frame   68  4  zero
//!  72   8  XXH3-64 of the body       80  8  XXH3-64 of bytes 0..80
//!  88      one zstd frame: pcap records (u32 s, u32 ns, u32 kept, u32 on the wire, bytes)
//! ```
//!
//! The body is written before the header, so a valid header vouches for what lies behind it. The
//! segment id in each header keeps a recovery from taking a chunk for real that merely travelled
//! as payload, for instance in a copied spool. Where recovery finds damage between whole chunks,
//! it lays a skippable frame over it, tagged "RTGP", and stock tools step across.
//!
//! Wireshark (seen in 4.0 to 4.4) reads a compressed file in windows of 131,075 bytes and takes
//! what follows in a window for compressed only if the window begins with a zstd frame. So a chunk
//! whose body would lie across a multiple of 131,075 is moved, for its body to begin right there,
//! and a gap frame fills the bytes before it. Only chunks larger than a window (packets beyond
//! 128 KiB) and damage that lies across such a place escape this: such a file is for
//! `zstd -dc FILE | tshark -r -`, which asks for none of it.
//!
//! This module does no I/O and knows nothing of files or folders.

use xxhash_rust::xxh3::xxh3_64;

/// The version this crate writes, and the only one it reads.
pub const VERSION: u16 = 1;
/// What a reader of the pcap header may expect a packet to hold at most; longer ones are cut.
pub const SNAPLEN: u32 = 262_144;
/// Bytes before a segment's first chunk.
pub const PROLOGUE_BYTES: usize = 128;
/// Bytes of a chunk's header, its skippable frame included.
pub const HEADER_BYTES: usize = 88;
/// Bytes of a pcap record's header.
pub const RECORD_BYTES: usize = 16;
/// Bytes of pcap records that one chunk can hold at most.
pub const RECORDS_MAX: usize = RECORD_BYTES + SNAPLEN as usize;
/// The start of every skippable frame of ours.
pub const MAGIC: [u8; 4] = 0x184D_2A57_u32.to_le_bytes();
/// The least damage that a gap frame can cover.
pub const GAP_BYTES_MIN: usize = 16;

/// Where Wireshark's windows begin: at multiples of this.
pub const WINDOW_BYTES: usize = 131_075;

const PCAP_MAGIC_NS: u32 = 0xA1B2_3C4D;
const PCAP_HEADER_BYTES: usize = 24;
const ZSTD_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
const RAW_HEADER_BYTES: usize = 9;
const BLOCK_HEADER_BYTES: usize = 3;
const BLOCK_BYTES_MAX: usize = 128 * 1024;
const TAG_SEGMENT: [u8; 4] = *b"RTSG";
const TAG_CHUNK: [u8; 4] = *b"RTCK";
const TAG_GAP: [u8; 4] = *b"RTGP";
const SEGMENT_AT: usize = RAW_HEADER_BYTES + BLOCK_HEADER_BYTES + PCAP_HEADER_BYTES;

/// What a chunk's packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A call's signalling.
    Sip = 0,
    /// A media stream.
    Rtp = 1,
    /// A media stream's control packets.
    Rtcp = 2,
}

impl Kind {
    /// The class of segments that takes this kind.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Sip => Class::Sip,
            Self::Rtp | Self::Rtcp => Class::Media,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Sip),
            1 => Some(Self::Rtp),
            2 => Some(Self::Rtcp),
            _ => None,
        }
    }
}

/// Which packets share a segment. Signalling stands apart, so that it can be kept longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// SIP.
    Sip = 0,
    /// RTP and RTCP.
    Media = 1,
}

impl Class {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Sip, Self::Media];

    /// The folder of this class's segments.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Sip => "SIP",
            Self::Media => "RTP",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Sip),
            1 => Some(Self::Media),
            _ => None,
        }
    }
}

/// How a chunk's records are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// A zstd frame whose blocks hold the bytes as they are.
    Raw = 0,
    /// A compressed zstd frame.
    Zstd = 1,
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Fewer bytes than the header has.
    Short,
    /// Another magic number, size or tag.
    Magic,
    /// The checksum differs.
    Checksum,
    /// A format version that this crate does not read.
    Version,
    /// A field holds what no writer would put there.
    Field,
}

/// Who a chunk's packets belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkKey {
    /// The realm of the call or stream.
    pub realm: u32,
    /// What the packets are.
    pub kind: Kind,
    /// [`crate::key`] of the call's or the stream's identity.
    pub key: u64,
    /// LINKTYPE number of the packets.
    pub link: u16,
}

/// The start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prologue {
    /// What the segment holds.
    pub class: Class,
    /// The sensor that wrote it.
    pub sensor: u32,
    /// LINKTYPE number of all its packets.
    pub link: u16,
    /// Random number that every chunk of the segment repeats.
    pub segment: u64,
    /// UNIX time in ns around which the packets lie.
    pub base_ns: u64,
}

impl Prologue {
    /// The prologue's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; PROLOGUE_BYTES] {
        let mut out = [0_u8; PROLOGUE_BYTES];
        let mut pcap = [0_u8; PCAP_HEADER_BYTES];
        put_pcap_header(&mut pcap, self.link);
        let _ = raw_frame(&pcap, &mut out);
        let mut put = Put { out: &mut out, at: SEGMENT_AT };
        put.bytes(&MAGIC);
        put.bytes(&((PROLOGUE_BYTES - SEGMENT_AT - 8) as u32).to_le_bytes());
        put.bytes(&TAG_SEGMENT);
        put.bytes(&VERSION.to_le_bytes());
        put.bytes(&[self.class as u8, 0]);
        put.bytes(&self.sensor.to_le_bytes());
        put.bytes(&self.link.to_le_bytes());
        put.bytes(&[0; 6]);
        put.bytes(&self.segment.to_le_bytes());
        put.bytes(&self.base_ns.to_le_bytes());
        seal(&mut out);
        out
    }

    /// Reads a prologue.
    ///
    /// # Errors
    /// The reason why the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Bad> {
        let bytes = bytes.first_chunk::<PROLOGUE_BYTES>().ok_or(Bad::Short)?;
        if load(bytes, 0) != ZSTD_MAGIC
            || load(bytes, SEGMENT_AT) != MAGIC
            || load(bytes, SEGMENT_AT + 8) != TAG_SEGMENT
        {
            return Err(Bad::Magic);
        }
        if !sealed(bytes) {
            return Err(Bad::Checksum);
        }
        if u16::from_le_bytes(load(bytes, 48)) != VERSION {
            return Err(Bad::Version);
        }
        Ok(Self {
            class: Class::from_byte(load::<1>(bytes, 50)[0]).ok_or(Bad::Field)?,
            sensor: u32::from_le_bytes(load(bytes, 52)),
            link: u16::from_le_bytes(load(bytes, 56)),
            segment: u64::from_le_bytes(load(bytes, 64)),
            base_ns: u64::from_le_bytes(load(bytes, 72)),
        })
    }
}

/// What stands before a chunk's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose packets they are.
    pub key: ChunkKey,
    /// How the body is packed.
    pub codec: Codec,
    /// The segment's random number.
    pub segment: u64,
    /// Earliest time stamp, UNIX ns.
    pub first_ns: u64,
    /// Latest time stamp, UNIX ns.
    pub last_ns: u64,
    /// Packets in the body.
    pub packets: u32,
    /// Bytes of the unpacked records.
    pub records_len: u32,
    /// Bytes of the body on disk.
    pub body_len: u32,
    /// XXH3-64 of the body on disk.
    pub body_hash: u64,
}

impl Header {
    /// Bytes that the chunk takes in the segment.
    #[must_use]
    pub fn chunk_len(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.body_len)
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0_u8; HEADER_BYTES];
        let mut put = Put { out: &mut out, at: 0 };
        put.bytes(&MAGIC);
        put.bytes(&((HEADER_BYTES - 8) as u32).to_le_bytes());
        put.bytes(&TAG_CHUNK);
        put.bytes(&VERSION.to_le_bytes());
        put.bytes(&[self.key.kind as u8, self.codec as u8]);
        put.bytes(&self.key.realm.to_le_bytes());
        put.bytes(&self.key.link.to_le_bytes());
        put.bytes(&[0; 2]);
        put.bytes(&self.segment.to_le_bytes());
        put.bytes(&self.key.key.to_le_bytes());
        put.bytes(&self.first_ns.to_le_bytes());
        put.bytes(&self.last_ns.to_le_bytes());
        put.bytes(&self.packets.to_le_bytes());
        put.bytes(&self.records_len.to_le_bytes());
        put.bytes(&self.body_len.to_le_bytes());
        put.bytes(&[0; 4]);
        put.bytes(&self.body_hash.to_le_bytes());
        seal(&mut out);
        out
    }

    /// Reads a chunk's header; the body is not looked at.
    ///
    /// # Errors
    /// The reason why the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Bad> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or(Bad::Short)?;
        if load(bytes, 0) != MAGIC || load(bytes, 8) != TAG_CHUNK {
            return Err(Bad::Magic);
        }
        if !sealed(bytes) {
            return Err(Bad::Checksum);
        }
        if u16::from_le_bytes(load(bytes, 12)) != VERSION {
            return Err(Bad::Version);
        }
        let header = Self {
            key: ChunkKey {
                realm: u32::from_le_bytes(load(bytes, 16)),
                kind: Kind::from_byte(load::<1>(bytes, 14)[0]).ok_or(Bad::Field)?,
                key: u64::from_le_bytes(load(bytes, 32)),
                link: u16::from_le_bytes(load(bytes, 20)),
            },
            codec: match load::<1>(bytes, 15)[0] {
                0 => Codec::Raw,
                1 => Codec::Zstd,
                _ => return Err(Bad::Field),
            },
            segment: u64::from_le_bytes(load(bytes, 24)),
            first_ns: u64::from_le_bytes(load(bytes, 40)),
            last_ns: u64::from_le_bytes(load(bytes, 48)),
            packets: u32::from_le_bytes(load(bytes, 56)),
            records_len: u32::from_le_bytes(load(bytes, 60)),
            body_len: u32::from_le_bytes(load(bytes, 64)),
            body_hash: u64::from_le_bytes(load(bytes, 72)),
        };
        let sane = header.first_ns <= header.last_ns
            && header.records_len as usize <= RECORDS_MAX
            && header.body_len as usize <= body_bound(RECORDS_MAX);
        if sane { Ok(header) } else { Err(Bad::Field) }
    }
}

/// The skippable frame that covers `damage` bytes, if they are enough to hold it and few enough
/// to be named. Only its first 16 bytes are given: the rest stays what it is.
#[must_use]
pub fn gap(damage: u64) -> Option<[u8; GAP_BYTES_MIN]> {
    let size = u32::try_from(damage.checked_sub(8)?).ok().filter(|size| *size >= 8)?;
    let mut out = [0_u8; GAP_BYTES_MIN];
    let mut put = Put { out: &mut out, at: 0 };
    put.bytes(&MAGIC);
    put.bytes(&size.to_le_bytes());
    put.bytes(&TAG_GAP);
    Some(out)
}

/// Bytes that a gap frame covers, if `bytes` start with one.
#[must_use]
pub fn gap_len(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.first_chunk::<GAP_BYTES_MIN>()?;
    let gap = load(bytes, 0) == MAGIC && load(bytes, 8) == TAG_GAP;
    gap.then(|| 8 + u64::from(u32::from_le_bytes(load(bytes, 4))))
}

/// Bytes to leave free before a chunk of `len` bytes at `at`, so that its body lies in one
/// window; 0 or enough for a gap frame.
#[must_use]
pub fn shift(at: usize, len: usize) -> usize {
    let window = (at + HEADER_BYTES) / WINDOW_BYTES;
    // Where the next chunk's header starts whose body begins the next window.
    let next = (window + 1) * WINDOW_BYTES - HEADER_BYTES;
    let fits = at + len == next || at + len + GAP_BYTES_MIN <= next;
    let gap = next - at;
    let possible = len + GAP_BYTES_MIN <= WINDOW_BYTES && gap >= GAP_BYTES_MIN;
    if fits || !possible { 0 } else { gap }
}

/// Room that the body of `records` bytes may need, whatever packs it.
#[must_use]
pub fn body_bound(records: usize) -> usize {
    let blocks = records / BLOCK_BYTES_MAX + 1;
    let raw = RAW_HEADER_BYTES + blocks * BLOCK_HEADER_BYTES + records;
    raw.max(zstd::zstd_safe::compress_bound(records))
}

/// Writes a zstd frame of raw blocks around `records` (RFC 8878 §3.1.1) and tells its length;
/// `None` when `out` has too little room, or the records are more than a frame's size field says.
#[must_use]
pub fn raw_frame(records: &[u8], out: &mut [u8]) -> Option<usize> {
    let (head, mut rest) = out.split_at_mut_checked(RAW_HEADER_BYTES)?;
    let size = u32::try_from(records.len()).ok()?;
    let (magic, facts) = head.split_at_mut_checked(4)?;
    magic.copy_from_slice(&ZSTD_MAGIC);
    // Frame_Header_Descriptor: content size in four bytes, single segment, no checksum.
    let (descriptor, content) = facts.split_at_mut_checked(1)?;
    descriptor.copy_from_slice(&[0b1010_0000]);
    content.copy_from_slice(&size.to_le_bytes());
    let mut written = RAW_HEADER_BYTES;
    let mut left = records;
    loop {
        let (block, later) = left.split_at(left.len().min(BLOCK_BYTES_MAX));
        let (block_head, after) = rest.split_at_mut_checked(BLOCK_HEADER_BYTES)?;
        let (body, after) = after.split_at_mut_checked(block.len())?;
        // Last_Block, Block_Type 0 (raw), Block_Size.
        let word = u32::from(later.is_empty()) | (block.len() as u32) << 3;
        let [a, b, c, _] = word.to_le_bytes();
        block_head.copy_from_slice(&[a, b, c]);
        body.copy_from_slice(block);
        written += BLOCK_HEADER_BYTES + block.len();
        if later.is_empty() {
            return Some(written);
        }
        (left, rest) = (later, after);
    }
}

/// One pcap record's header. Seconds beyond the year 2106 saturate.
#[inline]
#[must_use]
pub fn record_header(ts_ns: u64, kept: u32, wire: u32) -> [u8; RECORD_BYTES] {
    let seconds = u32::try_from(ts_ns / 1_000_000_000).unwrap_or(u32::MAX);
    let nanos = (ts_ns % 1_000_000_000) as u32;
    let low = u64::from(seconds) | u64::from(nanos) << 32;
    let high = u64::from(kept) | u64::from(wire) << 32;
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

/// One packet of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// UNIX ns.
    pub ts_ns: u64,
    /// Length on the wire.
    pub wire_len: u32,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// Splits the first record off `records`; `None` when they are used up or end within one.
#[must_use]
pub fn next_record<'a>(records: &mut &'a [u8]) -> Option<Record<'a>> {
    let (head, rest) = records.split_first_chunk::<RECORD_BYTES>()?;
    let word = |at| u32::from_le_bytes(load(head, at));
    let (bytes, rest) = rest.split_at_checked(word(8) as usize)?;
    *records = rest;
    let ts_ns = u64::from(word(0)) * 1_000_000_000 + u64::from(word(4));
    Some(Record { ts_ns, wire_len: word(12), bytes })
}

/// Writes the header of a nanosecond pcap file (24 bytes) into `out`.
pub(crate) fn put_pcap_header(out: &mut [u8; PCAP_HEADER_BYTES], link: u16) {
    let mut put = Put { out, at: 0 };
    put.bytes(&PCAP_MAGIC_NS.to_le_bytes());
    put.bytes(&2_u16.to_le_bytes());
    put.bytes(&4_u16.to_le_bytes());
    put.bytes(&[0; 8]);
    put.bytes(&SNAPLEN.to_le_bytes());
    put.bytes(&u32::from(link).to_le_bytes());
}

/// The checksum of everything on disk.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Lays fields one behind the other into bytes whose number was chosen to hold them.
struct Put<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }
}

/// Writes the checksum of what stands before it into the last eight bytes.
fn seal(out: &mut [u8]) {
    if let Some((facts, sum)) = out.split_last_chunk_mut::<8>() {
        *sum = hash(facts).to_le_bytes();
    }
}

fn sealed(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<8>()
        .is_some_and(|(facts, sum)| hash(facts) == u64::from_le_bytes(*sum))
}

/// `N` bytes at `at`; zeros when they lie outside, which the callers' fixed sizes rule out.
fn load<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
