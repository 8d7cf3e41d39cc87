//! The start line: where a message begins, and what it is.
//!
//! Skips what may precede it (keep-alives, stray bytes); reads no headers.

use crate::address::userinfo;
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

    /// One of those that have a name here.
    fn is_known(self) -> bool {
        self != Self::Other
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
        let behind = bytes.len() - after.len();
        if let Some(start) = read(first) {
            return Ok((at, start, behind));
        }
        if let Some((skip, start)) = read_inside(first) {
            return Ok((at + skip, start, behind));
        }
        at = behind;
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

/// Reads a start line behind binary junk in its line, as behind a keep-alive of another protocol.
fn read_inside(line: &[u8]) -> Option<(usize, Start<'_>)> {
    const STATUS: &[u8] = b"SIP/2.0 ";
    const METHOD_MAX: usize = 10;
    let window = line.get(..JUNK_MAX).unwrap_or(line);
    // Text without any is text: it has no start line, only words that look like one.
    let junk = window.iter().position(|b| !(b' '..127).contains(b) && *b != b'\t')?;
    (junk + 1..window.len()).find_map(|at| {
        let rest = line.get(at..)?;
        let word = rest.get(..METHOD_MAX).unwrap_or(rest);
        let method = || Method::of(text::split(word, b' ')?.0).is_known().then_some(());
        let begins = rest.starts_with(STATUS) || method().is_some();
        begins.then(|| read(rest)).flatten().map(|start| (at, start))
    })
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

/// A URI with white space or brackets in it, without a scheme, with headers (RFC 3261 §19.1.1),
/// or with an IPv6 address that has no brackets (RFC 5118 §4.2).
fn bad_uri(uri: &[u8]) -> bool {
    let Some((scheme, rest)) = text::split(uri, b':') else { return true };
    let is_sip = scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips");
    (is_sip && bad_place(rest)) || uri.iter().any(|b| has(*b, BREAKS_URI))
}

/// Whether what follows the user in a SIP URI has headers, or a host with colons and no brackets.
fn bad_place(rest: &[u8]) -> bool {
    let (_, place) = userinfo(rest);
    let mut colons = 0;
    for byte in place {
        match byte {
            b';' => break,
            b'?' => return true,
            b':' => colons += 1,
            _ => {}
        }
    }
    colons > 1 && !place.starts_with(b"[")
}

/// A byte that may stand in a token (RFC 3261 §25.1).
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
        let mut token = byte.is_ascii_alphanumeric();
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
        let bare = Some(Reason::BadRequestUri);
        assert_eq!(odd("REGISTER sip:2001:db8::10 SIP/2.0\r\n"), bare);
        assert_eq!(odd("REGISTER sip:a@2001:db8::10;lr SIP/2.0\r\n"), bare);
        assert_eq!(odd("REGISTER sip:a:pw@[2001:db8::10]:5060 SIP/2.0\r\n"), None);
        assert_eq!(odd("REGISTER sip:a:pw@host:5060;x=a:b:c SIP/2.0\r\n"), None);
        assert_eq!(odd("INVITE urn:service:sos SIP/2.0\r\n"), None);
        assert_eq!(odd("INVITE sip:a@b?Route=%3Csip:c%3E SIP/2.0\r\n"), bare);
        assert_eq!(odd("INVITE sip:what?@b;x=y?z SIP/2.0\r\n"), None);
    }

    #[test]
    fn junk_before_the_first_line() {
        let method = |bytes: &[u8]| match locate(bytes).map(|(at, start, _)| (at, start.line)) {
            Ok((at, StartLine::Request { method, .. })) => Ok((at, method)),
            Ok((at, StartLine::Response { status, .. })) => {
                assert_eq!(status, 200);
                Ok((at, Method::Other))
            }
            Err(reason) => Err(reason),
        };
        // A STUN binding request (RFC 8489 §5), zeros, and both, with and without line ends.
        let stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42ABCDEFGHIJKL";
        let request = b"BYE sip:a SIP/2.0\r\n\r\n";
        let after = |junk: &[u8]| method(&[junk, request].concat());
        assert_eq!(after(stun), Ok((stun.len(), Method::Bye)));
        assert_eq!(after(b"\0\0\0\0"), Ok((4, Method::Bye)));
        assert_eq!(after(&[&stun[..], b"\r\n\r\n"].concat()), Ok((24, Method::Bye)));
        assert_eq!(after(b"\xff\xf3 \x80text "), Ok((9, Method::Bye)));
        assert_eq!(method(b"\x01\x02SIP/2.0 200 OK\r\n"), Ok((2, Method::Other)));
        // Text is not searched, and not everything is.
        assert_eq!(after(b"Subject: "), Err(Reason::NotSip));
        assert_eq!(after(&[0x80; JUNK_MAX]), Err(Reason::NotSip));
        assert_eq!(method(b"\x80\x08 INVITE or not\r\n"), Err(Reason::NotSip));
    }

    #[test]
    fn every_method_and_every_class_of_response() {
        let names = "INVITE ACK BYE CANCEL REGISTER OPTIONS MESSAGE SUBSCRIBE NOTIFY PUBLISH INFO \
                     PRACK UPDATE REFER";
        for (index, name) in names.split(' ').enumerate() {
            let text = format!("{name} sip:a SIP/2.0\r\n");
            let (line, oddity) = start(&text).unwrap();
            let StartLine::Request { method, .. } = line else { panic!("{line:?}") };
            assert_eq!((method as usize, method.name(), oddity), (index, name, None));
        }
        assert_eq!(names.split(' ').count() + 1, Method::COUNT);
        // Methods are case-sensitive; what is no known one is another.
        for name in ["invite", "INVITEX", "!interesting-Method0123456789_*+`.%indeed'~"] {
            assert_eq!(Method::of(name.as_bytes()), Method::Other);
        }
        for status in 100..700 {
            let text = format!("SIP/2.0 {status} Phrase\r\n");
            let (line, oddity) = start(&text).unwrap();
            assert!(matches!(line, StartLine::Response { status: s, .. } if s == status));
            assert_eq!(oddity, None);
        }
        for status in ["099", "700", "1000", "20", "-20"] {
            assert_eq!(
                start(&format!("SIP/2.0 {status} x\r\n")).unwrap().1,
                Some(Reason::BadStatus)
            );
        }
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
