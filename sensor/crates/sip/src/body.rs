//! Bodies: the media type, the parts of a multipart body (RFC 2046 §5.1), and the SDP in it.
//!
//! Nested multiparts are looked into one level deep; nothing is decoded or decompressed.

pub mod dtmf;
pub mod vq;

use crate::header::{Header, Lines};
use crate::sdp::Sdp;
use crate::text::{Params, Text, split_or_all, trim};

/// How many parts of a body are looked at.
pub const PARTS_MAX: usize = 32;

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Raw Content-Type value, with parameters; empty where there is none.
    pub content_type: &'a [u8],
    /// The content.
    pub content: &'a [u8],
}

/// A Content-Type's media type without parameters.
pub(crate) fn media_type(value: &[u8]) -> Text<'_> {
    Text::new(split_or_all(value, b';').0)
}

/// The parts of a multipart body; of any other, the body itself.
pub(crate) fn parts<'a>(
    content_type: Option<&'a [u8]>,
    body: &'a [u8],
) -> impl Iterator<Item = Part<'a>> {
    let content_type = content_type.unwrap_or_default();
    let boundary = boundary(content_type).unwrap_or_default();
    let single = boundary.is_empty() && !body.is_empty();
    let whole = single.then_some(Part { content_type, content: body });
    let rest = if boundary.is_empty() { &[] } else { after_boundary(body, boundary).1 };
    whole.into_iter().chain(Parts { rest, boundary }.take(PARTS_MAX))
}

fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    let is_multipart = trim(content_type).get(..10)?.eq_ignore_ascii_case(b"multipart/");
    let params = Params::new(split_or_all(content_type, b';').1, b';');
    is_multipart.then(|| params.get("boundary")).flatten().map(|b| b.as_bytes())
}

struct Parts<'a> {
    rest: &'a [u8],
    boundary: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        // What follows a delimiter: `--` ends the body.
        if self.rest.is_empty() || self.rest.starts_with(b"--") {
            return None;
        }
        let (part, rest) = after_boundary(self.rest, self.boundary);
        self.rest = rest;
        let (_, text) = split_or_all(part, b'\n');
        let mut lines = Lines::new(text);
        let mut content_type = &[][..];
        for line in lines.by_ref() {
            if Header::of(line.name) == Some(Header::ContentType) {
                content_type = line.value;
            }
        }
        Some(Part { content_type, content: lines.rest() })
    }
}

/// What stands before the next delimiter, and what after it.
fn after_boundary<'a>(text: &'a [u8], boundary: &[u8]) -> (&'a [u8], &'a [u8]) {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        if let Some(after) = rest.strip_prefix(b"--").and_then(|r| r.strip_prefix(boundary)) {
            let before = text.get(..at).unwrap_or_default();
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            return (before.strip_suffix(b"\r").unwrap_or(before), after);
        }
        at = text.len() - split_or_all(rest, b'\n').1.len();
    }
    (text, &[])
}

/// The first session description of a body.
pub(crate) fn sdp<'a>(content_type: Option<&'a [u8]>, body: &'a [u8]) -> Option<Sdp<'a>> {
    parts(content_type, body).find_map(|part| {
        if let Some(found) = plain_sdp(part) {
            return Some(found);
        }
        boundary(part.content_type)?;
        parts(Some(part.content_type), part.content).find_map(plain_sdp)
    })
}

fn plain_sdp(part: Part<'_>) -> Option<Sdp<'_>> {
    let kind = media_type(part.content_type);
    if kind.is("application/sdp") || (kind.is_empty() && part.content.starts_with(b"v=0")) {
        return Sdp::parse(part.content);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
        --b1\r\nC: application/SDP ; x=1\r\n\r\n\
        v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n\
        \r\n--b1--\r\nepilogue";

    #[test]
    fn multipart() {
        let kind = Some(&b"multipart/mixed; boundary=\"b1\""[..]);
        let all: Vec<_> = parts(kind, MIXED.as_bytes()).collect();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0], Part { content_type: b"text/plain", content: b"hello" });
        assert_eq!(sdp(kind, MIXED.as_bytes()).unwrap().media().count(), 1);
    }

    #[test]
    fn single_and_odd() {
        assert_eq!(parts(None, b"").count(), 0);
        assert_eq!(parts(Some(b"text/plain"), b"x").count(), 1);
        assert!(sdp(None, b"v=0\r\nm=audio 1 RTP/AVP 0\r\n").is_some());
        assert!(sdp(Some(b"text/plain"), b"v=0\r\nm=audio 1 RTP/AVP 0\r\n").is_none());
        assert_eq!(parts(Some(b"multipart/mixed;boundary=x"), b"no delimiter").count(), 0);
        assert_eq!(parts(Some(b"multipart/mixed;boundary=x"), b"--x\n\nunfinished").count(), 1);
    }
}
