//! From chunk to chunk through a segment's file, and across damage to the next whole chunk.
//!
//! It trusts nothing in the file; it changes nothing either.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::format::{
    GAP_BYTES_MIN, HEADER_BYTES, Header, MAGIC, PROLOGUE_BYTES, Prologue, gap_len, hash,
};

/// Bytes looked through at once in search of a chunk.
const WINDOW_BYTES: usize = 256 * 1024;

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Headers only, up to the first that is none: for files that are whole or being written.
    Headers,
    /// Headers only, and across damage.
    AcrossDamage,
    /// Bodies too, and across damage.
    Everything,
}

/// What a walk comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A chunk.
    Chunk {
        /// Where its header starts.
        at: u64,
        /// What it says.
        header: Header,
    },
    /// Bytes that are no chunk.
    Damage {
        /// Where they start.
        at: u64,
        /// How many they are.
        len: u64,
        /// How many they are without the zeros at the end of the file, which nobody wrote.
        lost: u64,
    },
}

/// A walk through one segment.
#[derive(Debug)]
pub(crate) struct Walk<'f> {
    file: &'f File,
    care: Care,
    len: u64,
    at: u64,
    prologue: Option<Prologue>,
    segment: Option<u64>,
    body: Vec<u8>,
}

impl<'f> Walk<'f> {
    pub(crate) fn new(file: &'f File, care: Care) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut start = [0_u8; PROLOGUE_BYTES];
        let got = read_up_to(file, &mut start, 0)?;
        let prologue = start.get(..got).and_then(|start| Prologue::decode(start).ok());
        Ok(Self {
            file,
            care,
            len,
            at: PROLOGUE_BYTES as u64,
            prologue,
            segment: prologue.map(|prologue| prologue.segment),
            body: Vec::new(),
        })
    }

    /// The segment's prologue, if it is whole.
    pub(crate) fn prologue(&self) -> Option<Prologue> {
        self.prologue
    }

    /// The next thing in the file; `None` at its end, or at the first damage if headers are all
    /// that is cared for.
    pub(crate) fn step(&mut self) -> io::Result<Option<Step>> {
        loop {
            if self.at >= self.len {
                return Ok(None);
            }
            let at = self.at;
            let mut head = [0_u8; HEADER_BYTES];
            let got = read_up_to(self.file, &mut head, at)?;
            let head = head.get(..got).unwrap_or_default();
            if let Some(gap) = gap_len(head).filter(|gap| *gap <= self.len - at) {
                self.at += gap;
                continue;
            }
            if let Some(header) = self.accept(at, head)? {
                self.segment = Some(header.segment);
                self.at += header.chunk_len();
                return Ok(Some(Step::Chunk { at, header }));
            }
            if self.care == Care::Headers {
                return Ok(None);
            }
            let (next, written) = self.search(at)?;
            self.at = next;
            let lost = if next == self.len { written.saturating_sub(at) } else { next - at };
            return Ok(Some(Step::Damage { at, len: next - at, lost }));
        }
    }

    /// The header in `head`, which stands at `at`, if a whole chunk of this segment is there.
    fn accept(&mut self, at: u64, head: &[u8]) -> io::Result<Option<Header>> {
        let Ok(header) = Header::decode(head) else { return Ok(None) };
        if self.segment.is_some_and(|segment| segment != header.segment)
            || header.chunk_len() > self.len.saturating_sub(at)
        {
            return Ok(None);
        }
        if self.care == Care::Everything {
            self.body.resize(header.body_len as usize, 0);
            let got = read_up_to(self.file, &mut self.body, at + HEADER_BYTES as u64)?;
            if got < self.body.len() || hash(&self.body) != header.body_hash {
                return Ok(None);
            }
        }
        Ok(Some(header))
    }

    /// The first whole chunk behind `from`, or the file's end; and the end of the last byte on
    /// the way that is not zero.
    fn search(&mut self, from: u64) -> io::Result<(u64, u64)> {
        let mut window = vec![0_u8; WINDOW_BYTES];
        let earliest = from + GAP_BYTES_MIN as u64;
        let mut base = from;
        let mut written = from;
        while base < self.len {
            let got = read_up_to(self.file, &mut window, base)?;
            let bytes = window.get(..got).unwrap_or_default();
            if got == 0 {
                break;
            }
            if bytes.iter().any(|byte| *byte != 0) {
                let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                written = base + last as u64 + 1;
                let magics = bytes.windows(MAGIC.len()).enumerate();
                let places = magics.filter(|(_, four)| *four == MAGIC).map(|(place, _)| place);
                for place in places.collect::<Vec<_>>() {
                    let at = base + place as u64;
                    if at < earliest {
                        continue;
                    }
                    let mut head = [0_u8; HEADER_BYTES];
                    let got = read_up_to(self.file, &mut head, at)?;
                    if self.accept(at, head.get(..got).unwrap_or_default())?.is_some() {
                        return Ok((at, at));
                    }
                }
            }
            if base + got as u64 >= self.len {
                break;
            }
            // A magic number may lie across two windows.
            base += (got - (MAGIC.len() - 1)).max(1) as u64;
        }
        Ok((self.len, written))
    }
}

/// Reads until `out` is full or the file ends, and tells how much.
pub(crate) fn read_up_to(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(got) => done += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
