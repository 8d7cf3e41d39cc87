//! Two questions answered without a whole parse: is it SIP, and which Call-ID?
//!
//! The worker that receives a message asks them to choose the shard that will read it.

use crate::header::{Header, Lines};
use crate::start;
use crate::text::is_space;

/// Begins with what could be a start line, after white space and keep-alives.
///
/// Cheap and generous: a token and a space, or `SIP/`. Binary media never passes.
pub fn looks_like_sip(bytes: &[u8]) -> bool {
    let skip = bytes.iter().take_while(|b| is_space(**b)).count();
    let text = bytes.get(skip..).unwrap_or_default();
    if text.starts_with(b"SIP/") {
        return true;
    }
    let token = text.iter().take(64).take_while(|b| b.is_ascii() && start::is_token(**b)).count();
    token >= 3 && text.get(token) == Some(&b' ') && text.len() > token + 10
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
