//! A capture file, read twice: in one go and in dribs and drabs.

use std::io::{self, Cursor, Read};

use ringtap_capture::pcap_file::{Block, Counts, Damage, Reader};

/// What a file gave.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    counts: Counts,
    damage: Option<Damage>,
    frames: Vec<(u64, u64, usize)>,
}

/// Frames lie in the file, their numbers and clocks do not go back, and how the bytes arrive
/// changes nothing.
pub fn capture_file(file: &[u8]) {
    let whole = read(Box::new(Cursor::new(file.to_vec())), file.len());
    let dribs = read(Box::new(Dribs { bytes: file.to_vec(), at: 0 }), file.len());
    assert_eq!(whole, dribs);
}

fn read(input: Box<dyn Read + Send>, length: usize) -> Option<Given> {
    let mut reader = Reader::new(input, "input".into()).ok()?;
    let (mut block, mut frames) = (Block::new(), Vec::new());
    let (mut bytes, mut clock, mut order) = (0, 0, None);
    while reader.next_block(&mut block).ok()? {
        assert!(!block.is_empty());
        for frame in block.iter() {
            bytes += frame.bytes.len();
            assert!(frame.clock >= clock, "the clock went back");
            assert!(order.is_none_or(|before| frame.order > before));
            assert!(frame.wire_len as usize >= frame.bytes.len());
            (clock, order) = (frame.clock, Some(frame.order));
            frames.push((frame.ts, frame.clock, frame.bytes.len()));
        }
    }
    assert!(bytes <= length, "more bytes in frames than in the file");
    let (counts, damage) = (reader.counts(), reader.damage().cloned());
    assert_eq!(counts.frames, frames.len() as u64);
    assert!(damage.as_ref().is_none_or(|damage| damage.offset <= length as u64), "{damage:?}");
    assert_eq!(reader.remarks().is_empty(), damage.is_none() && counts.unknown_link.is_none());
    Some(Given { counts, damage, frames })
}

/// Gives seven bytes at a time.
#[derive(Debug)]
struct Dribs {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Dribs {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(out.len()).min(7);
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
