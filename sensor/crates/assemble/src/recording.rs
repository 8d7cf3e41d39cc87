//! Debug recordings by AudioCodes out of a byte stream.
//!
//! A recording's header does not tell how long it is, but what is in it may: a whole IP packet
//! does, and a SIP message by its `Content-Length`. Where a payload of RTP ends nothing tells:
//! such a stream cannot be followed.

use ringtap_common::tunnel::audiocodes::{self, Extent};

use crate::sip_frame::{MESSAGE_MAX, message_len};

/// A recording, its header included, at most.
pub const RECORDING_MAX: usize = 64 << 10;

/// Why a stream cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// What comes next is no recording.
    NoRecording,
    /// Nothing tells where it ends.
    NoLength,
    /// It would be longer than [`RECORDING_MAX`].
    TooLong,
}

/// Length of the recording that a stream goes on with; `None`: too few bytes to tell.
///
/// # Errors
/// The stream cannot be followed.
pub fn recording_len(stream: &[u8]) -> Result<Option<usize>, Reject> {
    let (at, inside) = match audiocodes::extent(&stream) {
        Some(Extent::Packet(at)) => (at, packet_len(stream.get(at..).unwrap_or_default())?),
        Some(Extent::Message(at)) => {
            let message = stream.get(at..).unwrap_or_default();
            (at, message_len(message.get(..MESSAGE_MAX).unwrap_or(message)))
        }
        Some(Extent::Untold) => return Err(Reject::NoLength),
        None if stream.len() >= audiocodes::HEADER_MAX => return Err(Reject::NoRecording),
        None => return Ok(None),
    };
    let len = inside.map(|len| len.saturating_add(at));
    if len.unwrap_or(stream.len()) > RECORDING_MAX { Err(Reject::TooLong) } else { Ok(len) }
}

/// Length of the IP packet that these bytes begin with; `None`: too few to tell.
fn packet_len(bytes: &[u8]) -> Result<Option<usize>, Reject> {
    let word = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low]));
    let (len, least) = match *bytes {
        [0x40..=0x4f, _, high, low, ..] => (word(high, low), 20),
        [0x60..=0x6f, _, _, _, high, low, ..] => (word(high, low) + 40, 40),
        [] | [0x40..=0x4f | 0x60..=0x6f, ..] => return Ok(None),
        _ => return Err(Reject::NoRecording),
    };
    if len < least { Err(Reject::NoRecording) } else { Ok(Some(len)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Version 0.9 with this extra data, trace point, media type and extension.
    fn recording(extra: u8, trace_point: u8, media: u8, extension: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut bytes =
            vec![9, 0, 0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, extra, trace_point, media];
        bytes.push(extension.len() as u8);
        bytes.extend([0, 0, 1, 3, 0, 0, 0, 0, 5]);
        [&bytes, extension, rest].concat()
    }

    #[test]
    fn packets_and_sip_tell_their_length() {
        let v4 = [&[0x45, 0, 0, 21][..], &[0; 17]].concat();
        let v6 = [&[0x60, 0, 0, 0, 0, 3][..], &[0; 37]].concat();
        let sip = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";
        for whole in [
            recording(8, 0, 1, &[], &v4),
            recording(8, 0, 1, &[], &v6),
            recording(0, 6, 10, &[0; 14], sip),
        ] {
            assert_eq!(recording_len(&[&whole[..], &whole].concat()), Ok(Some(whole.len())));
            let told = (0..whole.len()).map(|len| recording_len(&whole[..len]).unwrap());
            assert!(told.flatten().all(|len| len == whole.len()));
        }
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        assert_eq!(recording_len(&recording(0, 0, 1, &[0; 9], &[0x80; 9])), Err(Reject::NoLength));
        for nonsense in [
            b"GET / HTTP/1.0\r\n\r\n and so on".to_vec(),
            recording(8, 0, 1, &[], b"\x00 packet"),
            recording(8, 0, 1, &[], &[0x45, 0, 0, 19]),
        ] {
            assert_eq!(recording_len(&nonsense), Err(Reject::NoRecording));
        }
        let long = b"OPTIONS sip:a SIP/2.0\r\nl: 70000\r\n\r\n";
        assert_eq!(recording_len(&recording(0, 6, 10, &[0; 14], long)), Err(Reject::TooLong));
        let endless = recording(0, 6, 10, &[0; 14], &[b'x'; RECORDING_MAX]);
        assert_eq!(recording_len(&endless), Err(Reject::TooLong));
    }

    proptest! {
        #[test]
        fn more_bytes_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let bytes = [&[9][..], &bytes].concat();
            for len in 0..bytes.len() {
                if let Ok(Some(told)) = recording_len(&bytes[..len]) {
                    prop_assert_eq!(recording_len(&bytes), Ok(Some(told)));
                    prop_assert!((1..=RECORDING_MAX).contains(&told));
                }
            }
        }
    }
}
