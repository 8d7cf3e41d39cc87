//! Two questions answered without a whole parse: is it SIP, and which Call-ID?
//!
//! The worker that receives a message asks them to choose the shard that will read it.

use crate::header::{Header, Lines};
use crate::start;
use crate::text::find;

/// How far `SIP/` is looked for: beyond the longest usual request line.
const VERSION_WITHIN: usize = 8192;

/// Holds `SIP/`, as every start line and every Via does.
///
/// Cheap and generous: what it lets through may still be something else.
pub fn looks_like_sip(bytes: &[u8]) -> bool {
    let window = bytes.get(..VERSION_WITHIN).unwrap_or(bytes);
    let mut rest = window;
    while let Some(at) = find(rest, b'/') {
        let before = rest.get(at.saturating_sub(3)..at).unwrap_or_default();
        if before.eq_ignore_ascii_case(b"SIP") {
            return true;
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    false
}

/// The Call-ID as [`crate::Message::call_id`] would find it.
pub fn call_id_of(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.len() > crate::message::MESSAGE_MAX {
        return None;
    }
    let (_, _, at) = start::locate(bytes).ok()?;
    let lines = Lines::new(bytes.get(at..)?);
    let id = lines.into_iter().find(|line| Header::of(line.name) == Some(Header::CallId))?.value;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_call_id() {
        let text = b"\r\nBYE sip:a SIP/2.0\nTo: x\n i: no\nI:\t abc@d \nCall-ID: other\n\n";
        assert_eq!(call_id_of(text), Some(&b"abc@d"[..]));
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\n\r\nCall-ID: body"), None);
        assert_eq!(call_id_of(b"hello"), None);
    }

    #[test]
    fn tells_sip_from_the_rest() {
        assert!(looks_like_sip(b"INVITE sip:a@b SIP/2.0\r\n"));
        assert!(looks_like_sip(b"\r\n\r\nSIP/2.0 200 OK"));
        assert!(!looks_like_sip(b"\x80\x00\x01\x02 abcdefghijkl"));
        assert!(looks_like_sip(b"\0\x01\xff junk\r\nOPTIONS sip:a/b sip/2.0\r\n"));
        assert!(!looks_like_sip(b"M-SEARCH * HTTP/1.1\r\n\r\n"));
        assert!(!looks_like_sip(b"IP/2.0 SIP2.0/"));
        assert!(!looks_like_sip(b"\r\n\r\n"));
        assert!(!looks_like_sip(b""));
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser(
            start in "(\r\n)?(INVITE sip:a SIP/2.0|SIP/2.0 200 OK|x)",
            lines in "(\r?\n(i|Call-ID|To|[a-z:]{0,3}) ?: ?[a-z ]{0,4}){0,5}",
            end in "(\r\n\r\n)?[a-z]{0,4}",
        ) {
            let text = start + &lines + &end;
            let parsed = crate::Message::parse(text.as_bytes());
            prop_assert_eq!(call_id_of(text.as_bytes()), parsed.ok().and_then(|m| m.call_id()));
        }
    }
}
