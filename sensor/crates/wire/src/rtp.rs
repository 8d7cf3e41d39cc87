//! The RTP header, RFC 3550 §5.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! |            contributing sources, CC words                     |
//! |   extension profile           |   extension words             |
//! ```
//! Keeps no state: whether datagrams form a stream is decided where streams are kept.

use core::ops::Range;

use crate::read;

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 12;
const WORD: usize = 4;

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Fewer bytes than the fixed header has.
    Short,
    /// The version is not 2.
    Version,
    /// The list of contributing sources runs beyond the end.
    Csrc,
    /// The header extension runs beyond the end.
    Extension,
}

/// One RTP packet; every length was checked when it was made.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
    /// The fixed header.
    head: [u8; HEADER_LEN],
    /// Where the payload begins and ends.
    start: usize,
    end: usize,
}

impl<'a> View<'a> {
    /// Reads the header of one datagram.
    ///
    /// A padding count that cannot be true does not reject the packet: encrypted media hides the
    /// count, and some devices set the bit in error. The payload is then taken to the end.
    ///
    /// # Errors
    /// The reason why this is not RTP.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        let head: [u8; HEADER_LEN] = read::bytes(bytes, 0).ok_or(Reject::Short)?;
        if head[0] >> 6 != 2 {
            return Err(Reject::Version);
        }
        let mut start = HEADER_LEN + usize::from(head[0] & 0x0f) * WORD;
        if start > bytes.len() {
            return Err(Reject::Csrc);
        }
        if head[0] & 0x10 != 0 {
            let words = read::u16(bytes, start + 2).ok_or(Reject::Extension)?;
            start += WORD + usize::from(words) * WORD;
            if start > bytes.len() {
                return Err(Reject::Extension);
            }
        }
        let mut view = Self { bytes, head, start, end: bytes.len() };
        view.end -= usize::from(view.padding().unwrap_or(0));
        Ok(view)
    }

    /// Contributing sources listed, 0 to 15.
    #[must_use]
    pub fn csrc_count(&self) -> u8 {
        self.head[0] & 0x0f
    }

    /// The contributing sources, in order.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let end = HEADER_LEN + usize::from(self.csrc_count()) * WORD;
        let words = self.bytes.get(HEADER_LEN..end).unwrap_or(&[]);
        words.chunks_exact(WORD).filter_map(|word| read::u32(word, 0))
    }

    /// The marker bit: for audio, the first packet of a talkspurt.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.head[1] & 0x80 != 0
    }

    /// Payload type, 0 to 127.
    #[must_use]
    pub fn payload_type(&self) -> u8 {
        self.head[1] & 0x7f
    }

    /// Sequence number.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// Timestamp in units of the codec's clock.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.head[4], self.head[5], self.head[6], self.head[7]])
    }

    /// Synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.head[8], self.head[9], self.head[10], self.head[11]])
    }

    /// Profile number and data of the header extension.
    #[must_use]
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        if self.head[0] & 0x10 == 0 {
            return None;
        }
        let at = HEADER_LEN + usize::from(self.csrc_count()) * WORD;
        Some((read::u16(self.bytes, at)?, self.bytes.get(at + WORD..self.start)?))
    }

    /// Bytes of padding: `None` without padding, and when the count cannot be true.
    #[must_use]
    pub fn padding(&self) -> Option<u8> {
        let count = *self.bytes.last()?;
        let room = self.bytes.len() - self.start;
        let plausible = count != 0 && usize::from(count) <= room;
        (self.head[0] & 0x20 != 0 && plausible).then_some(count)
    }

    /// Where the payload lies, from the start of the datagram.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The payload without padding.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.start..self.end).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_header() {
        let bytes = [0x80, 0x88, 0x12, 0x34, 0, 0, 0x01, 0x40, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3];
        let view = View::parse(&bytes).unwrap();
        assert_eq!((view.marker(), view.payload_type()), (true, 8));
        assert_eq!((view.sequence(), view.timestamp(), view.ssrc()), (0x1234, 320, 0xdead_beef));
        assert_eq!((view.payload(), view.payload_range()), (&[1u8, 2, 3][..], 12..15));
        assert_eq!((view.extension(), view.padding(), view.csrcs().count()), (None, None, 0));
    }

    #[test]
    fn csrc_extension_and_padding() {
        let mut bytes = vec![0xb2, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([0, 0, 0, 7, 0, 0, 0, 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([1, 2, 0, 0, 3]);
        let view = View::parse(&bytes).unwrap();
        assert_eq!(view.csrcs().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(view.extension(), Some((0xbede, &[9u8, 9, 9, 9][..])));
        assert_eq!((view.padding(), view.payload()), (Some(3), &[1u8, 2][..]));
    }

    #[test]
    fn impossible_padding_is_tolerated() {
        for last in [0, 3, 255] {
            let bytes = [0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 5, last];
            let view = View::parse(&bytes).unwrap();
            assert_eq!((view.padding(), view.payload().len()), (None, 2));
        }
    }

    #[test]
    fn reasons() {
        let fixed = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(View::parse(&fixed).is_ok());
        assert_eq!(View::parse(&fixed[..11]).unwrap_err(), Reject::Short);
        let with_first = |byte: u8| [&[byte], &fixed[1..]].concat();
        assert_eq!(View::parse(&with_first(0x40)).unwrap_err(), Reject::Version);
        assert_eq!(View::parse(&with_first(0x81)).unwrap_err(), Reject::Csrc);
        assert_eq!(View::parse(&with_first(0x90)).unwrap_err(), Reject::Extension);
        let long = [&with_first(0x90)[..], &[0, 0, 0, 2, 0, 0, 0, 0]].concat();
        assert_eq!(View::parse(&long).unwrap_err(), Reject::Extension);
    }

    proptest! {
        #[test]
        fn total_and_inside(mut bytes: Vec<u8>, force: bool) {
            if let (true, Some(first)) = (force, bytes.first_mut()) {
                *first = *first & 0x3f | 0x80;
            }
            if let Ok(view) = View::parse(&bytes) {
                let range = view.payload_range();
                prop_assert!(range.start <= range.end && range.end <= bytes.len());
                prop_assert_eq!(view.payload().len(), range.len());
                prop_assert_eq!(view.csrcs().count(), usize::from(view.csrc_count()));
                let extension = view.extension().map_or(0, |(_, data)| 4 + data.len());
                prop_assert_eq!(range.start, 12 + 4 * view.csrcs().count() + extension);
            }
        }
    }
}
