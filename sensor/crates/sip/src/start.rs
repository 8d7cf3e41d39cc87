//! The start line: where a message begins, and what it is.
//!
//! Skips what may precede it (keep-alives, stray bytes); reads no headers.

use crate::reason::Reason;
use crate::text::{self, Text, is_space, line, trim};

/// How far junk before the start line is searched through.
pub const JUNK_MAX: usize = 2048;

/// A request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Message,
    Subscribe,
    Notify,
    Publish,
    Info,
    Prack,
    Update,
    Refer,
    /// Any other token.
    Other,
}

impl Method {
    /// Number of methods, [`Method::Other`] included.
    pub const COUNT: usize = 15;

    /// The method of that name; method names are case-sensitive (RFC 3261 §7.1).
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"MESSAGE" => Self::Message,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"PRACK" => Self::Prack,
            b"UPDATE" => Self::Update,
            b"REFER" => Self::Refer,
            _ => Self::Other,
        }
    }

    /// The name on the wire; `OTHER` for [`Method::Other`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Message => "MESSAGE",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Refer => "REFER",
            Self::Other => "OTHER",
        }
    }
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// A request line.
    Request {
        /// The method.
        method: Method,
        /// Its name as sent.
        name: Text<'a>,
        /// The Request-URI as sent.
        uri: Text<'a>,
    },
    /// A status line.
    Response {
        /// The status code; 0 where it is no number of 100 to 999.
        status: u16,
        /// The reason phrase, possibly empty.
        phrase: Text<'a>,
    },
}

/// A start line and what is odd about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) line: StartLine<'a>,
    pub(crate) oddity: Option<Reason>,
}

/// Finds the start line in `bytes`: its offset, what it says, and the offset behind it.
pub(crate) fn locate(bytes: &[u8]) -> Result<(usize, Start<'_>, usize), Reason> {
    let mut at = bytes.iter().take_while(|b| is_space(**b) || **b == 0).count();
    if at == bytes.len() {
        return Err(Reason::Empty);
    }
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (first, after) = line(rest);
        if let Some(start) = read(first) {
            return Ok((at, start, bytes.len() - after.len()));
        }
        at = bytes.len() - after.len();
        if after.is_empty() || at > JUNK_MAX {
            return Err(Reason::NotSip);
        }
    }
}

/// Reads one line as a start line.
fn read(line: &[u8]) -> Option<Start<'_>> {
    match line.first_chunk::<4>() {
        Some(b"SIP/" | b"sip/" | b"Sip/") => read_status(line),
        _ => read_request(line),
    }
}

fn read_status(line: &[u8]) -> Option<Start<'_>> {
    let (version, rest) = text::split(line, b' ')?;
    let digits = version.get(4..)?;
    if !digits.first()?.is_ascii_digit() || !digits.contains(&b'.') {
        return None;
    }
    let spare = rest.first().is_some_and(|b| is_space(*b));
    let rest = trim(rest);
    let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
    let (code, phrase) = rest.split_at_checked(end)?;
    let status = match (code.len(), text::number(code)) {
        (3, Some(n)) => u16::try_from(n).unwrap_or(0),
        _ => 0,
    };
    let oddity = if digits != b"2.0" {
        Some(Reason::BadVersion)
    } else if !(100..700).contains(&status) {
        Some(Reason::BadStatus)
    } else if spare {
        Some(Reason::BadStartLine)
    } else {
        None
    };
    let status = if status < 100 { 0 } else { status };
    Some(Start { line: StartLine::Response { status, phrase: Text::new(phrase) }, oddity })
}

fn read_request(line: &[u8]) -> Option<Start<'_>> {
    let tidy = trim(line);
    let end = tidy.iter().rposition(|b| is_space(*b))?;
    let (before, version) = tidy.split_at_checked(end)?;
    let version = trim(version);
    let digits = match version.split_at_checked(4)? {
        (name, digits) if name.eq_ignore_ascii_case(b"SIP/") => digits,
        _ => return None,
    };
    let (name, uri) = text::split(before, b' ')?;
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return None;
    }
    let trimmed = trim(uri);
    let oddity = if digits != b"2.0" {
        Some(Reason::BadVersion)
    } else if trimmed.len() != uri.len() || tidy.len() != line.len() {
        Some(Reason::BadStartLine)
    } else if bad_uri(trimmed) {
        Some(Reason::BadRequestUri)
    } else {
        None
    };
    let uri = Text::new(trimmed);
    let line = StartLine::Request { method: Method::of(name), name: Text::new(name), uri };
    Some(Start { line, oddity })
}

/// A URI with white space or brackets in it, or without a scheme.
fn bad_uri(uri: &[u8]) -> bool {
    text::find(uri, b':').is_none() || uri.iter().any(|b| has(*b, BREAKS_URI))
}

/// A byte that may stand in a token (RFC 3261 §25.1), and every byte above 127.
pub(crate) fn is_token(byte: u8) -> bool {
    has(byte, TOKEN)
}

const TOKEN: u8 = 1;
const BREAKS_URI: u8 = 2;

fn has(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// The classes of every byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let marks = b"-.!%*_+`'~#$&^|";
        let mut mark = 0;
        let mut token = byte.is_ascii_alphanumeric() || byte >= 128;
        while mark < marks.len() {
            token |= byte == marks[mark];
            mark += 1;
        }
        if token {
            classes[at] |= TOKEN;
        }
        if is_space(byte) || byte == b'<' || byte == b'>' {
            classes[at] |= BREAKS_URI;
        }
        at += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Result<(StartLine<'_>, Option<Reason>), Reason> {
        locate(text.as_bytes()).map(|(_, start, _)| (start.line, start.oddity))
    }

    #[test]
    fn requests() {
        let (line, oddity) = start("INVITE sip:a@b SIP/2.0\r\n").unwrap();
        let StartLine::Request { method, uri, .. } = line else { panic!("{line:?}") };
        assert_eq!((method, uri.to_string().as_str(), oddity), (Method::Invite, "sip:a@b", None));
        let odd = |text| start(text).unwrap().1;
        assert_eq!(odd("INVITE  sip:a@b  SIP/2.0\r\n"), Some(Reason::BadStartLine));
        assert_eq!(odd("INVITE sip:a@b; lr SIP/2.0\n"), Some(Reason::BadRequestUri));
        assert_eq!(odd("INVITE <sip:a@b> SIP/2.0\n"), Some(Reason::BadRequestUri));
        assert_eq!(odd("OPTIONS sip:a SIP/7.0\n"), Some(Reason::BadVersion));
        assert_eq!(odd("OPTIONS sip:a SIP/2.0  \n"), Some(Reason::BadStartLine));
        assert_eq!(odd("\r\n\r\n\0FOO+x tel:1 SIP/2.0"), None);
        assert_eq!(odd("garbage \x01\nmore\nBYE sip:a SIP/2.0\r\n"), None);
    }

    #[test]
    fn responses() {
        let (line, oddity) = start("SIP/2.0 180 Ringing now\r\n").unwrap();
        let StartLine::Response { status, phrase } = line else { panic!("{line:?}") };
        assert_eq!((status, phrase.to_string().as_str(), oddity), (180, "Ringing now", None));
        assert_eq!(start("SIP/2.0 200\r\n").unwrap().1, None);
        assert_eq!(start("SIP/2.0 4294967301 better\r\n").unwrap().1, Some(Reason::BadStatus));
        assert_eq!(start("SIP/2.0 abc\r\n").unwrap().1, Some(Reason::BadStatus));
        assert_eq!(start("SIP/3.0 200 OK\r\n").unwrap().1, Some(Reason::BadVersion));
    }

    #[test]
    fn not_sip() {
        assert_eq!(start("\r\n\r\n").unwrap_err(), Reason::Empty);
        assert_eq!(start("").unwrap_err(), Reason::Empty);
        assert_eq!(start("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err(), Reason::NotSip);
        assert_eq!(start("hello").unwrap_err(), Reason::NotSip);
    }
}
