//! Reads capture files: pcap (micro- and nanoseconds, either byte order) and pcapng (sections,
//! several interfaces, a resolution for each), from a path or from standard input.
//!
//! A file is handed on in [`Block`]s whose boundaries depend on the file alone, so that a replay
//! is the same however it was read and whoever works on it. A damaged file gives every frame
//! before the damage and then says what and where it is. Nothing is unpacked here: compressed
//! files come through a pipe.

mod block;
mod classic;
mod ng;
mod order;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use block::{BLOCK_BYTES, Block};
pub use order::{Counts, Start};

use classic::Classic;
use ng::Ng;
use order::Order;

/// The largest captured length that is believed, bytes: what tcpdump and Wireshark allow.
pub const FRAME_BYTES_MAX: usize = 1 << 18;
/// A file's kind is told by so many of its first bytes.
const PROBE_BYTES: usize = 24;

/// Why a file gives nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its first bytes cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is empty.
    #[error("{name} is empty: not a capture file")]
    Empty {
        /// The file.
        name: String,
    },
    /// It is packed.
    #[error("{name} is compressed: unpack it on the way, `{tool} {name} | ringtap replay -`")]
    Compressed {
        /// The file.
        name: String,
        /// What unpacks it.
        tool: &'static str,
    },
    /// It is something else.
    #[error("{name} is not a pcap or pcapng file (it starts with {magic:02x?})")]
    NotACapture {
        /// The file.
        name: String,
        /// Its first bytes.
        magic: [u8; 4],
    },
}

/// Where a file stopped making sense. The frames before it were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file the damaged piece begins, bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: Flaw,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged at byte {}: {}", self.offset, self.what)
    }
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends in the middle of a header, frame or block.
    Truncated,
    /// A frame says it is longer than [`FRAME_BYTES_MAX`].
    FrameTooLong(u32),
    /// A block's length is too short for its kind, or not a multiple of four.
    BadLength(u32),
    /// The length at a block's end is not the one at its beginning.
    LengthsDiffer(u32, u32),
    /// A section without the byte-order mark.
    BadByteOrder,
    /// A frame of an interface that the section does not have.
    NoInterface(u32),
    /// More interfaces than are kept track of.
    TooManyInterfaces,
    /// Zeros where a frame should be, as in a file that was never finished.
    Blank,
    /// The system could not read on.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Truncated => write!(f, "the file was cut off inside this piece"),
            Flaw::FrameTooLong(len) => write!(f, "a frame of {len} bytes cannot be right"),
            Flaw::BadLength(len) => write!(f, "a block of {len} bytes cannot be right"),
            Flaw::LengthsDiffer(a, b) => write!(f, "a block says {a} bytes, its end says {b}"),
            Flaw::BadByteOrder => write!(f, "a section without a byte-order mark"),
            Flaw::NoInterface(id) => write!(f, "a frame of interface {id}, which is not there"),
            Flaw::TooManyInterfaces => write!(f, "too many interfaces"),
            Flaw::Blank => write!(f, "zeros instead of frames: the file was never finished"),
            Flaw::Unreadable(kind) => write!(f, "cannot be read on ({kind})"),
        }
    }
}

/// How far the frames of a buffer went.
struct Taken {
    /// Bytes used up.
    used: usize,
    /// After those, so many bytes of the file hold no frame and may lie beyond the buffer.
    skip: u64,
    /// What is wrong behind the used bytes.
    flaw: Option<Flaw>,
}

#[derive(Debug)]
enum Format {
    Classic(Classic),
    Ng(Ng),
}

/// Reads one capture file.
pub struct Reader {
    input: Box<dyn Read + Send>,
    name: String,
    format: Format,
    order: Order,
    /// The beginning of the next block: bytes read and not used up.
    carry: Vec<u8>,
    /// Frames in front of those: at a block's end it was still open whether their time is true.
    held: Block,
    /// Where in the file the carried bytes begin.
    offset: u64,
    skip: u64,
    ended: bool,
    damage: Option<Damage>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("name", &self.name).field("offset", &self.offset).finish()
    }
}

impl Reader {
    /// Opens a capture file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Reader, FileError> {
        if path.as_os_str() == "-" {
            return Self::stdin();
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(Box::new(file), name),
            Err(source) => Err(FileError::Open { name, source }),
        }
    }

    /// Reads a capture from standard input.
    pub fn stdin() -> Result<Reader, FileError> {
        Self::new(Box::new(io::stdin()), "standard input".into())
    }

    /// Reads a capture from anywhere; `name` is what messages call it.
    pub fn new(mut input: Box<dyn Read + Send>, name: String) -> Result<Reader, FileError> {
        let mut carry = vec![0; PROBE_BYTES];
        let got = match fill(&mut *input, &mut carry) {
            (got, None) => got,
            (_, Some(source)) => return Err(FileError::Read { name, source }),
        };
        carry.truncate(got);
        let Some(&magic) = carry.first_chunk::<4>() else {
            return Err(match got {
                0 => FileError::Empty { name },
                _ => FileError::NotACapture { name, magic: pad(&carry) },
            });
        };
        let order = Order::default();
        let mut reader = Reader {
            input,
            name,
            format: Format::Ng(Ng::default()),
            order,
            carry,
            held: Block::new(),
            offset: 0,
            skip: 0,
            ended: false,
            damage: None,
        };
        if magic == ng::SECTION {
            return Ok(reader);
        }
        let Some(classic) = Classic::from_magic(magic) else {
            let name = reader.name;
            return Err(match magic {
                [0x1f, 0x8b, ..] => FileError::Compressed { name, tool: "zcat" },
                [0x28, 0xb5, 0x2f, 0xfd] => FileError::Compressed { name, tool: "zstdcat" },
                [0xfd, b'7', b'z', b'X'] => FileError::Compressed { name, tool: "xzcat" },
                _ => FileError::NotACapture { name, magic },
            });
        };
        reader.format = Format::Classic(reader.with_header(classic));
        Ok(reader)
    }

    /// Numbers frames and goes on with the clock from where another file ended.
    #[must_use]
    pub fn starting_at(mut self, start: Start) -> Reader {
        self.order.start(start);
        self
    }

    /// Where the next file's frames go on.
    pub fn next_start(&self) -> Start {
        self.order.next_start()
    }

    /// What messages call this file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was read, skipped and put right so far.
    pub fn counts(&self) -> Counts {
        self.order.counts()
    }

    /// Where the file is damaged, once reading has come there.
    pub const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// What somebody who replays this file should know, one line each; empty if all is well.
    pub fn remarks(&self) -> Vec<String> {
        let counts = self.counts();
        let name = &self.name;
        let mut lines = Vec::new();
        if let Some(damage) = &self.damage {
            let frames = counts.frames;
            lines.push(format!("{name} is {damage}; the {frames} frames before it were read"));
        }
        if let Some(dlt) = counts.unknown_link {
            let frames = counts.unknown_link_frames;
            lines.push(format!("{name}: {frames} frames of link type {dlt}, which is not read"));
        }
        lines
    }

    /// Fills `block` with the file's next run of frames; `false` once there are no more, with
    /// the block empty. Where a block ends depends on the file only.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, FileError> {
        block.clear();
        while block.is_empty() {
            if self.ended {
                return Ok(false);
            }
            self.read_one(block);
        }
        Ok(true)
    }

    /// Reads one buffer's worth, which may hold no frame.
    fn read_one(&mut self, block: &mut Block) {
        block.buf.resize(BLOCK_BYTES, 0);
        self.held.move_frames(0, block);
        self.held.buf.clear();
        if self.skip > 0 && !self.skip_ahead() {
            return;
        }
        let carried = self.carry.len().min(BLOCK_BYTES);
        block.buf[..carried].copy_from_slice(&self.carry[..carried]);
        let (got, failed) = fill(&mut *self.input, &mut block.buf[carried..BLOCK_BYTES]);
        let filled = carried + got;
        let last = filled < BLOCK_BYTES;
        let descs = &mut block.descs;
        let taken = match &mut self.format {
            Format::Classic(classic) => classic.take(&block.buf[..filled], descs, &mut self.order),
            Format::Ng(ng) => ng.take(&block.buf[..filled], descs, &mut self.order),
        };
        let used = taken.used.min(filled);
        self.offset += used as u64;
        self.skip = taken.skip;
        self.carry.clear();
        self.carry.extend_from_slice(&block.buf[used..filled]);
        if let Some(flaw) = taken.flaw {
            self.stop_at(flaw);
        } else if last {
            let rest = self.carry.len() as u64;
            if let Some(error) = failed {
                self.stop_at(Flaw::Unreadable(error.kind()));
            } else if rest != self.skip {
                self.stop_at(Flaw::Truncated);
            }
            self.ended = true;
        }
        if !self.ended {
            block.move_frames(block.len().saturating_sub(self.order.waiting()), &mut self.held);
        }
    }

    /// Passes over bytes without frames; `false` if the file ended first.
    fn skip_ahead(&mut self) -> bool {
        let carried = self.skip.min(self.carry.len() as u64);
        self.carry.drain(..usize::try_from(carried).unwrap_or(usize::MAX));
        let rest = self.skip - carried;
        let passed = io::copy(&mut self.input.by_ref().take(rest), &mut io::sink());
        self.skip = 0;
        match passed {
            Ok(got) if got == rest => {
                self.offset += carried + rest;
                true
            }
            Ok(_) => {
                self.stop_at(Flaw::Truncated);
                false
            }
            Err(error) => {
                self.stop_at(Flaw::Unreadable(error.kind()));
                false
            }
        }
    }

    fn stop_at(&mut self, what: Flaw) {
        self.ended = true;
        self.damage = Some(Damage { offset: self.offset, what });
    }

    /// Takes the header of a classic file off the carried bytes.
    fn with_header(&mut self, mut classic: Classic) -> Classic {
        if classic.header(&self.carry) {
            self.carry.clear();
            self.offset = PROBE_BYTES as u64;
        } else {
            self.stop_at(Flaw::Truncated);
        }
        classic
    }
}

/// Reads until `buf` is full, the input ends or it fails; returns the bytes read.
fn fill(input: &mut dyn Read, buf: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut got = 0;
    while got < buf.len() {
        match input.read(&mut buf[got..]) {
            Ok(0) => break,
            Ok(n) => got += n.min(buf.len() - got),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (got, Some(error)),
        }
    }
    (got, None)
}

fn pad(bytes: &[u8]) -> [u8; 4] {
    let mut out = [0; 4];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}
