//! The HTTP upgrade before the first frame (RFC 6455 §4): whether it is one, and where it ends.
//!
//! Keys and protocol names are not checked: what the frames carry shows what they are.

use crate::sip_frame::headers_end;

/// Head of an upgrade request or its answer, at most.
pub(super) const HEAD_MAX: usize = 8192;

const REQUEST: &[u8] = b"GET ";
const RESPONSE: &[u8] = b"HTTP/1.";

/// What the bytes at a connection's start are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The head's end has not come.
    Unfinished,
    /// An upgrade to WebSocket; the length of its head.
    Upgrade(usize),
    /// Another HTTP message; the length of its head.
    Other(usize),
    /// No HTTP, or a head that is too long.
    NotHttp,
}

/// Whether these first bytes of a stream can be the beginning of an upgrade.
pub(crate) fn may_be_http(bytes: &[u8]) -> bool {
    [REQUEST, RESPONSE].iter().any(|start| {
        let length = start.len().min(bytes.len());
        length > 0 && bytes.get(..length) == start.get(..length)
    })
}

/// Reads the head that `bytes` begin with; its end is not in the first `seen` bytes.
pub(super) fn read(bytes: &[u8], seen: usize) -> Head {
    if !may_be_http(bytes) {
        return Head::NotHttp;
    }
    let from = seen.saturating_sub(3);
    let end = bytes.get(from..).and_then(headers_end).map(|end| from + end);
    match end.filter(|end| *end <= HEAD_MAX) {
        Some(end) if upgrades(bytes.get(..end).unwrap_or_default()) => Head::Upgrade(end),
        Some(end) => Head::Other(end),
        None if bytes.len() >= HEAD_MAX => Head::NotHttp,
        None => Head::Unfinished,
    }
}

/// A GET, or an answer with status 101, that names WebSocket as what to upgrade to.
fn upgrades(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let status = first.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if !first.starts_with(REQUEST) && status.trim_ascii() != b"101" {
        return false;
    }
    lines.any(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return false };
        name.trim_ascii().eq_ignore_ascii_case(b"upgrade")
            && value
                .split(|byte| *byte == b',')
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_and_other_http() {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUPGRADE : foo, WebSocket\r\n\r\n";
        assert_eq!(read(request, 0), Head::Upgrade(request.len()));
        assert_eq!(read(request, 20), Head::Upgrade(request.len()));
        let answer = b"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n\x81\x00";
        assert_eq!(read(answer, 0), Head::Upgrade(answer.len() - 2));
        let refusal = b"HTTP/1.1 401 No\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(read(refusal, 0), Head::Other(refusal.len()));
        let page = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(read(page, 0), Head::Other(page.len()));
    }

    #[test]
    fn ends_that_do_not_come() {
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: a\r\n", 0), Head::Unfinished);
        assert_eq!(read(b"GE", 0), Head::Unfinished);
        assert_eq!(read(b"GEX", 0), Head::NotHttp);
        assert_eq!(read(b"INVITE sip:a SIP/2.0\r\n\r\n", 0), Head::NotHttp);
        let long = [&b"GET /"[..], &[b'x'; HEAD_MAX]].concat();
        assert_eq!(read(&long, 0), Head::NotHttp);
        assert_eq!(read(&long[..HEAD_MAX - 1], 0), Head::Unfinished);
    }
}
