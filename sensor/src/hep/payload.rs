//! Payloads out of their wrappings: compression and JSON. Whatever comes, no more is unpacked
//! than a packet can hold.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use serde::Deserialize;

use super::counts::Outcome;
use crate::agents::packet::PAYLOAD_MAX;

/// What gzip begins with (RFC 1952); all else is zlib (RFC 1950).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Decompresses.
pub(super) fn inflate(packed: &[u8]) -> Result<Vec<u8>, Outcome> {
    let mut plain = Vec::new();
    let limit = PAYLOAD_MAX as u64 + 1;
    let read = if packed.starts_with(&GZIP) {
        GzDecoder::new(packed).take(limit).read_to_end(&mut plain)
    } else {
        ZlibDecoder::new(packed).take(limit).read_to_end(&mut plain)
    };
    read.map_err(|_| Outcome::Incompressible)?;
    if plain.len() > PAYLOAD_MAX { Err(Outcome::TooLong) } else { Ok(plain) }
}

/// Whether a payload is JSON: neither SIP nor RTCP begins like this.
pub(super) fn is_json(payload: &[u8]) -> bool {
    payload.trim_ascii_start().first() == Some(&b'{')
}

/// The SIP message in `{"payload": "…"}`.
pub(super) fn sip(json: &[u8]) -> Result<Vec<u8>, Outcome> {
    #[derive(Deserialize)]
    struct Wrapping<'a> {
        #[serde(borrow)]
        payload: Cow<'a, str>,
    }
    let wrapping: Wrapping<'_> = serde_json::from_slice(json).map_err(|_| Outcome::Unreadable)?;
    Ok(wrapping.payload.into_owned().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_compressions_within_their_limit() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"OPTIONS").unwrap();
        assert_eq!(inflate(&gzip.finish().unwrap()), Ok(b"OPTIONS".to_vec()));
        assert_eq!(inflate(&zlib(b"OPTIONS")), Ok(b"OPTIONS".to_vec()));
        assert_eq!(inflate(&zlib(&[0; PAYLOAD_MAX])), Ok(vec![0; PAYLOAD_MAX]));
        assert_eq!(inflate(&zlib(&[0; 50_000_000])), Err(Outcome::TooLong));
        assert_eq!(inflate(b"OPTIONS sip:a"), Err(Outcome::Incompressible));
        assert_eq!(inflate(&zlib(b"OPTIONS")[..5]), Err(Outcome::Incompressible));
    }

    #[test]
    fn sip_in_json() {
        let json = br#" {"a":[1],"payload":"OPTIONS sip:a SIP/2.0\r\n\"\u00e9\"","b":2}"#;
        assert!(is_json(json));
        assert_eq!(sip(json), Ok("OPTIONS sip:a SIP/2.0\r\n\"é\"".into()));
        for text in ["{", "{}", r#"{"payload":1}"#, &"{\"a\":".repeat(1000)] {
            assert_eq!(sip(text.as_bytes()), Err(Outcome::Unreadable), "{text}");
        }
        assert!(!is_json(b"OPTIONS") && !is_json(b""));
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = (inflate(&bytes), sip(&bytes));
            let _ = inflate(&[&GZIP[..], &bytes].concat());
        }
    }
}
