//! Header names: the ones this crate keeps a place for, their compact forms, and lines.
//!
//! Reads no values.

use crate::text::{find, trim};

/// The headers that [`crate::Message`] remembers while parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the headers")]
pub enum Header {
    CallId,
    From,
    To,
    CSeq,
    Via,
    Contact,
    UserAgent,
    Server,
    ContentType,
    ContentLength,
    Reason,
    PAssertedIdentity,
    PPreferredIdentity,
    RemotePartyId,
    SessionId,
    Replaces,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    Expires,
    Diversion,
    ReferTo,
    Event,
    Require,
    ContentEncoding,
    Date,
}

impl Header {
    /// Number of headers that have a place.
    pub const COUNT: usize = 27;

    /// The full name, as it is usually written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallId => "Call-ID",
            Self::From => "From",
            Self::To => "To",
            Self::CSeq => "CSeq",
            Self::Via => "Via",
            Self::Contact => "Contact",
            Self::UserAgent => "User-Agent",
            Self::Server => "Server",
            Self::ContentType => "Content-Type",
            Self::ContentLength => "Content-Length",
            Self::Reason => "Reason",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::PPreferredIdentity => "P-Preferred-Identity",
            Self::RemotePartyId => "Remote-Party-ID",
            Self::SessionId => "Session-ID",
            Self::Replaces => "Replaces",
            Self::Authorization => "Authorization",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::Expires => "Expires",
            Self::Diversion => "Diversion",
            Self::ReferTo => "Refer-To",
            Self::Event => "Event",
            Self::Require => "Require",
            Self::ContentEncoding => "Content-Encoding",
            Self::Date => "Date",
        }
    }

    /// The header of that name or compact form, without regard to case.
    pub fn of(name: &[u8]) -> Option<Self> {
        let first = name.first()?.to_ascii_lowercase();
        // A length and a first letter leave one name or two, whose lengths the compiler knows.
        match (name.len(), first) {
            (1, letter) => Self::compact(letter),
            (2, b't') => is(name, b"To", Self::To),
            (3, b'v') => is(name, b"Via", Self::Via),
            (4, b'f') => is(name, b"From", Self::From),
            (4, b'c') => is(name, b"CSeq", Self::CSeq),
            (4, b'd') => is(name, b"Date", Self::Date),
            (5, b'e') => is(name, b"Event", Self::Event),
            (6, b's') => is(name, b"Server", Self::Server),
            (6, b'r') => is(name, b"Reason", Self::Reason),
            (7, b'c') => {
                is(name, b"Call-ID", Self::CallId).or_else(|| is(name, b"Contact", Self::Contact))
            }
            (7, b'e') => is(name, b"Expires", Self::Expires),
            (7, b'r') => is(name, b"Require", Self::Require),
            (8, b'r') => is(name, b"Replaces", Self::Replaces)
                .or_else(|| is(name, b"Refer-To", Self::ReferTo)),
            (9, b'd') => is(name, b"Diversion", Self::Diversion),
            (10, b'u') => is(name, b"User-Agent", Self::UserAgent),
            (10, b's') => is(name, b"Session-ID", Self::SessionId),
            (12, b'c') => is(name, b"Content-Type", Self::ContentType),
            (13, b'a') => is(name, b"Authorization", Self::Authorization),
            (14, b'c') => is(name, b"Content-Length", Self::ContentLength),
            (15, b'r') => is(name, b"Remote-Party-ID", Self::RemotePartyId),
            (16, b'c') => is(name, b"Content-Encoding", Self::ContentEncoding),
            (16, b'w') => is(name, b"WWW-Authenticate", Self::WwwAuthenticate),
            (18, b'p') => is(name, b"Proxy-Authenticate", Self::ProxyAuthenticate),
            (19, b'p') => is(name, b"P-Asserted-Identity", Self::PAssertedIdentity)
                .or_else(|| is(name, b"Proxy-Authorization", Self::ProxyAuthorization)),
            (20, b'p') => is(name, b"P-Preferred-Identity", Self::PPreferredIdentity),
            _ => None,
        }
    }

    const fn compact(letter: u8) -> Option<Self> {
        Some(match letter {
            b'i' => Self::CallId,
            b'f' => Self::From,
            b't' => Self::To,
            b'v' => Self::Via,
            b'm' => Self::Contact,
            b'c' => Self::ContentType,
            b'l' => Self::ContentLength,
            b'e' => Self::ContentEncoding,
            b'r' => Self::ReferTo,
            b'o' => Self::Event,
            _ => return None,
        })
    }
}

/// The compact form of a header that has no place here (IANA's list of SIP header fields).
pub(crate) fn compact_form(name: &[u8]) -> Option<u8> {
    const FORMS: [(&[u8], u8); 10] = [
        (b"Accept-Contact", b'a'),
        (b"Allow-Events", b'u'),
        (b"Identity", b'y'),
        (b"Identity-Info", b'n'),
        (b"Referred-By", b'b'),
        (b"Reject-Contact", b'j'),
        (b"Request-Disposition", b'd'),
        (b"Session-Expires", b'x'),
        (b"Subject", b's'),
        (b"Supported", b'k'),
    ];
    FORMS.iter().find(|(full, _)| name.eq_ignore_ascii_case(full)).map(|(_, letter)| *letter)
}

/// `header`, if `name` is `full`. Nearly everybody writes names as the RFC does, which is faster
/// to compare.
#[inline]
fn is<const N: usize>(name: &[u8], full: &[u8; N], header: Header) -> Option<Header> {
    let name = name.first_chunk::<N>()?;
    (name == full || name.eq_ignore_ascii_case(full)).then_some(header)
}

/// One header as it stood on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The name, without white space.
    pub name: &'a [u8],
    /// The value, trimmed; folds inside are left in.
    pub value: &'a [u8],
}

/// Walks the lines of a header block up to its empty line.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    end: End,
}

/// What the walk has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on.
    Open,
    /// The empty line was read.
    Blank,
    /// The text ended before the empty line.
    Missing,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest, end: End::Open }
    }

    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// What follows the lines read so far; the body, once the walk has ended.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next line, folds joined; `Err` for a line without a name.
    #[inline]
    pub(crate) fn step(&mut self) -> Option<Result<Line<'a>, &'a [u8]>> {
        if self.end != End::Open {
            return None;
        }
        let text = self.rest;
        let end = find(text, b'\n');
        match (text.first(), end) {
            (None, _) => {
                self.end = End::Missing;
                return None;
            }
            (Some(b'\n'), _) | (Some(b'\r'), Some(1)) => {
                self.end = End::Blank;
                self.rest = text.get(end.map_or(0, |at| at + 1)..).unwrap_or_default();
                return None;
            }
            _ => {}
        }
        let mut length = end.map_or(text.len(), |at| at + 1);
        while let Some(b' ' | b'\t') = text.get(length) {
            let tail = text.get(length..).unwrap_or_default();
            length += find(tail, b'\n').map_or(tail.len(), |at| at + 1);
        }
        let (whole, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
        self.rest = rest;
        let Some(colon) = find(whole, b':') else { return Some(Err(whole)) };
        let name = trim(whole.get(..colon).unwrap_or_default());
        let value = trim(whole.get(colon + 1..).unwrap_or_default());
        if name.is_empty() {
            return Some(Err(whole));
        }
        Some(Ok(Line { name, value }))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            if let Ok(line) = self.step()? {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Header; Header::COUNT] = [
        Header::CallId,
        Header::From,
        Header::To,
        Header::CSeq,
        Header::Via,
        Header::Contact,
        Header::UserAgent,
        Header::Server,
        Header::ContentType,
        Header::ContentLength,
        Header::Reason,
        Header::PAssertedIdentity,
        Header::PPreferredIdentity,
        Header::RemotePartyId,
        Header::SessionId,
        Header::Replaces,
        Header::Authorization,
        Header::ProxyAuthorization,
        Header::WwwAuthenticate,
        Header::ProxyAuthenticate,
        Header::Expires,
        Header::Diversion,
        Header::ReferTo,
        Header::Event,
        Header::Require,
        Header::ContentEncoding,
        Header::Date,
    ];

    #[test]
    fn every_name_leads_back_to_its_header() {
        for (index, header) in ALL.into_iter().enumerate() {
            assert_eq!(header as usize, index);
            assert_eq!(Header::of(header.name().as_bytes()), Some(header), "{header:?}");
            assert_eq!(Header::of(header.name().to_uppercase().as_bytes()), Some(header));
        }
        assert_eq!(Header::of(b"I"), Some(Header::CallId));
        assert_eq!(Header::of(b"call_id"), None);
        assert_eq!(Header::of(b""), None);
    }

    #[test]
    fn folds_and_odd_lines() {
        let text = b"A : 1\r\n 2\n\t3\r\nno colon\r\n: x\nB:\r\n\r\nbody";
        let mut lines = Lines::new(text);
        assert_eq!(lines.next().unwrap(), Line { name: b"A", value: b"1\r\n 2\n\t3" });
        assert_eq!(lines.next().unwrap(), Line { name: b"B", value: b"" });
        assert_eq!((lines.next(), lines.end(), lines.rest()), (None, End::Blank, &b"body"[..]));
        let mut cut = Lines::new(b"A: 1");
        assert_eq!(cut.next().unwrap().value, b"1");
        assert_eq!((cut.next(), cut.end()), (None, End::Missing));
    }
}
