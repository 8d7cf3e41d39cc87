//! Recordings by AudioCodes in a stream.

use ringtap_assemble::recording::{RECORDING_MAX, recording_len};

/// What is told of a recording's length is bounded, and more bytes do not change it.
pub fn recording(stream: &[u8]) {
    let mut at = 0;
    while let Ok(Some(len)) = recording_len(&stream[at..]) {
        assert!((1..=RECORDING_MAX).contains(&len));
        let cut = at + (len / 2).min(stream.len() - at);
        if let Ok(Some(told)) = recording_len(&stream[at..cut]) {
            assert_eq!(told, len);
        }
        if len > stream.len() - at {
            break;
        }
        at += len;
    }
}
