//! A frame's header (RFC 6455 §5.2), and how to recognise a frame among other bytes.

/// A header, at most: two bytes, a 64-bit length, a mask.
pub(super) const HEADER_MAX: usize = 14;
/// Bytes after which it is certain whether a frame with a SIP message begins here.
pub(super) const PROOF_MAX: usize = HEADER_MAX + START_MAX;
/// A payload, at most: a longer one is no frame but a mistake.
pub(super) const PAYLOAD_MAX: u64 = 16 << 20;

/// The longest beginning in [`STARTS`].
const START_MAX: usize = 10;
/// How SIP messages begin (RFC 3261 §7 and the methods of later RFCs).
const STARTS: [&[u8]; 15] = [
    b"SIP/2.0 ",
    b"INVITE ",
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"REGISTER ",
    b"OPTIONS ",
    b"MESSAGE ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"PUBLISH ",
    b"INFO ",
    b"PRACK ",
    b"UPDATE ",
    b"REFER ",
];

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first frame of a text or binary message.
    Message,
    /// A further frame of one.
    Continuation,
    /// Ping, pong or close.
    Control,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The last frame of its message.
    pub(super) last: bool,
    /// The message is compressed (RFC 7692 §6).
    pub(super) compressed: bool,
    /// Zeros where the frame has no mask.
    pub(super) mask: [u8; 4],
    /// Length of the payload.
    pub(super) payload: u64,
    /// Length of the header itself.
    pub(super) length: usize,
}

/// What the bytes at a frame's start are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Header(Header),
    /// Too few of them.
    Unfinished,
    /// No frame.
    Bad,
}

/// Reads the header that `bytes` begin with.
pub(super) fn header(bytes: &[u8]) -> Read {
    let Some(&first) = bytes.first() else { return Read::Unfinished };
    let kind = match first & 0x0f {
        0 => Kind::Continuation,
        1 | 2 => Kind::Message,
        8..=10 => Kind::Control,
        _ => return Read::Bad,
    };
    let (last, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
    let control = kind == Kind::Control;
    // Reserved bits without a meaning; control frames are whole and are never compressed.
    if first & 0x30 != 0 || (compressed && kind != Kind::Message) || (control && !last) {
        return Read::Bad;
    }
    let Some(&second) = bytes.get(1) else { return Read::Unfinished };
    let rest = bytes.get(2..).unwrap_or_default();
    let (payload, extended) = match second & 0x7f {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            None => return unfinished(control),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 8),
            None => return unfinished(control),
        },
        length => (u64::from(length), 0),
    };
    if payload > PAYLOAD_MAX || (control && payload > 125) {
        return Read::Bad;
    }
    let mut length = 2 + extended;
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        let Some(key) = rest.get(extended..).and_then(<[u8]>::first_chunk) else {
            return Read::Unfinished;
        };
        mask = *key;
        length += 4;
    }
    Read::Header(Header { kind, last, compressed, mask, payload, length })
}

/// A long length is not complete; control frames have none.
fn unfinished(control: bool) -> Read {
    if control { Read::Bad } else { Read::Unfinished }
}

/// Where in `bytes` the first frame begins whose payload begins as a SIP message does.
pub(crate) fn find_frame(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|at| bytes.get(*at..).is_some_and(begins_message))
}

/// Whether `bytes` begin with a message's first frame, and a SIP message begins in it.
pub(crate) fn begins_message(bytes: &[u8]) -> bool {
    if !matches!(bytes.first(), Some(0x01 | 0x02 | 0x81 | 0x82)) {
        return false;
    }
    let Read::Header(header) = header(bytes) else { return false };
    let payload = bytes.get(header.length..).unwrap_or_default();
    let plain = |start: &[u8]| {
        let masked = payload.iter().zip(header.mask.iter().cycle());
        payload.len() >= start.len()
            && header.payload >= start.len() as u64
            && masked.zip(start).all(|((byte, mask), wanted)| byte ^ mask == *wanted)
    };
    STARTS.iter().any(|start| plain(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (u64, usize) {
        match header(bytes) {
            Read::Header(header) => (header.payload, header.length),
            other => panic!("{bytes:02x?}: {other:?}"),
        }
    }

    #[test]
    fn lengths_of_7_16_and_64_bits() {
        assert_eq!(read(&[0x81, 5]), (5, 2));
        assert_eq!(read(&[0x82, 0x85, 1, 2, 3, 4]), (5, 6));
        assert_eq!(read(&[0x81, 126, 1, 0]), (256, 4));
        assert_eq!(read(&[0x81, 0xfe, 1, 0, 1, 2, 3, 4]), (256, 8));
        assert_eq!(read(&[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 0]), (65_536, 10));
        for whole in [&[0x81, 0xfe, 1, 0, 1, 2, 3, 4][..], &[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 0]] {
            for end in 0..whole.len() {
                assert_eq!(header(&whole[..end]), Read::Unfinished, "{end}");
            }
        }
    }

    #[test]
    fn what_is_no_frame() {
        // Reserved bits, reserved opcodes, control frames in pieces, compressed, or long.
        for first in [0x91, 0xa1, 0x83, 0x8b, 0x09, 0xc9, 0xc0, b'G', b'H'] {
            assert_eq!(header(&[first, 0]), Read::Bad, "{first:#x}");
        }
        assert_eq!(header(&[0x89, 126, 0, 126]), Read::Bad);
        assert_eq!(header(&[0x89, 126]), Read::Bad);
        let huge = [0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(header(&huge), Read::Bad);
        let long = (PAYLOAD_MAX + 1).to_be_bytes();
        assert_eq!(header(&[&[0x81, 127][..], &long].concat()), Read::Bad);
    }

    #[test]
    fn a_frame_is_found_by_what_it_carries() {
        let plain = [b"xx\x81\x20".as_slice(), b"SIP/2.0 200 OK\r\n"].concat();
        assert_eq!(find_frame(&plain), Some(2));
        let mask = [9, 8, 7, 6];
        let text = b"INVITE sip:a";
        let masked: Vec<u8> =
            text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let frame = [&[0x82, 0x80 | 12][..], &mask, &masked].concat();
        assert_eq!(find_frame(&frame), Some(0));
        // Shorter than what it would have to begin with, or with something else.
        assert_eq!(find_frame(b"\x81\x05INVITE sip:a"), None);
        assert_eq!(find_frame(b"\x81\x20hello SIP/2.0 there is more"), None);
        assert_eq!(find_frame(&frame[..10]), None);
        assert!(STARTS.iter().all(|start| start.len() <= START_MAX));
    }
}
