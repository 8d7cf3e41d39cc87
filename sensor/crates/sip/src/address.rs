//! Addresses: `name-addr`, `addr-spec` and the URIs in them (RFC 3261 §19, §20.10; RFC 3966).
//!
//! Takes what devices send: spaces inside the brackets, quotes that are never closed, unknown
//! schemes. Nothing is resolved or normalised here.

use crate::start::is_token;
use crate::text::{
    Escape, Params, Text, find, find_outside, is_space, number, split, split_or_all, trim,
};

/// A display name, a URI and header parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NameAddr<'a> {
    /// The display name, without its quotes; often empty.
    pub display: Text<'a>,
    /// The URI.
    pub uri: Uri<'a>,
    params: &'a [u8],
    broken_quote: bool,
    loose: bool,
}

impl<'a> NameAddr<'a> {
    /// Reads one value of From, To, Contact, P-Asserted-Identity and the like.
    pub fn parse(value: &'a [u8]) -> Self {
        let value = trim(value);
        if let Some(inner) = value.strip_prefix(b"\"") {
            return Self::quoted(inner);
        }
        match split(value, b'<') {
            Some((display, rest)) => {
                let address = Self::bracketed(Text::new(display), rest, false);
                Self { loose: address.loose || !needs_no_quotes(display), ..address }
            }
            None => Self::bare(Text::default(), value, false),
        }
    }

    fn quoted(inner: &'a [u8]) -> Self {
        let close = closing_quote(inner);
        let broken = close.is_none();
        let end = close.or_else(|| find(inner, b'<')).unwrap_or(inner.len());
        let (display, rest) = inner.split_at_checked(end).unwrap_or((inner, &[]));
        let display = Text::escaped(if broken { trim(display) } else { display }, Escape::Quoted);
        let rest = trim(rest.strip_prefix(b"\"").unwrap_or(rest));
        match split(rest, b'<') {
            Some((_, rest)) => Self::bracketed(display, rest, broken),
            None => Self::bare(display, rest, broken),
        }
    }

    /// Without brackets, parameters belong to the header, not to the URI, and a `?` to neither.
    fn bare(display: Text<'a>, value: &'a [u8], broken_quote: bool) -> Self {
        let (uri, params) = bare_uri(value);
        let loose = find(uri, b'?').is_some();
        Self { display, uri: Uri::parse(uri), params, broken_quote, loose }
    }

    fn bracketed(display: Text<'a>, rest: &'a [u8], broken_quote: bool) -> Self {
        let (uri, params) = split_or_all(rest, b'>');
        let trimmed = trim(uri);
        let loose = trimmed.len() != uri.len();
        Self { display, uri: Uri::parse(trimmed), params, broken_quote, loose }
    }

    /// The header parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params, b';')
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        // Nearly always the first parameter, and never quoted: look before walking the list.
        let first = self.params.strip_prefix(b";tag=");
        let tag = match first {
            Some(rest) if find(rest, b';').is_none() && find(rest, b'"').is_none() => trim(rest),
            _ => self.params().get("tag")?.as_bytes(),
        };
        (!tag.is_empty()).then_some(tag)
    }

    /// The display name's quote is never closed.
    pub fn broken_quote(&self) -> bool {
        self.broken_quote
    }

    /// Written as the grammar forbids, but clear: white space inside of the brackets, a display
    /// name or a URI that would need its quotes or brackets.
    pub fn is_loose(&self) -> bool {
        self.loose
    }
}

/// A display name of tokens and white space. What is not ASCII needs quotes too, but hardly ever
/// gets them.
fn needs_no_quotes(display: &[u8]) -> bool {
    display.iter().all(|b| is_token(*b) || is_space(*b) || !b.is_ascii())
}

/// Index of the quote that closes a string whose opening quote is already behind.
fn closing_quote(inner: &[u8]) -> Option<usize> {
    let first = find(inner, b'"')?;
    find(inner.get(..first)?, b'\\').map_or(Some(first), |_| {
        let mut hidden = false;
        inner.iter().position(|&byte| {
            let closes = byte == b'"' && !hidden;
            hidden = byte == b'\\' && !hidden;
            closes
        })
    })
}

/// URI and header parameters of a value without brackets.
fn bare_uri(value: &[u8]) -> (&[u8], &[u8]) {
    // A semicolon in the user part is still the user's.
    let from = find(value, b'@').unwrap_or(0);
    let tail = value.get(from..).unwrap_or_default();
    let end = find_outside(tail, b';').map_or(value.len(), |at| from + at);
    value.split_at_checked(end).map_or((value, &[][..]), |(uri, params)| (trim(uri), params))
}

/// A URI, taken apart by the SIP grammar whatever its scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Uri<'a> {
    raw: &'a [u8],
    scheme: Text<'a>,
    user: Text<'a>,
    host: Text<'a>,
    port: Option<u16>,
    params: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Takes a URI apart. What has no scheme is read as `user@host` or `host`.
    pub fn parse(raw: &'a [u8]) -> Self {
        let raw = trim(raw);
        // Nearly every URI is one of these.
        let sip = raw.strip_prefix(b"sip:");
        let (scheme, rest) = match (sip, split(raw, b':')) {
            (Some(rest), _) => (Text::new(b"sip"), rest),
            (None, Some((scheme, rest))) if is_scheme(scheme) => (Text::new(scheme), rest),
            _ => (Text::default(), raw),
        };
        let mut uri = Self { raw, scheme, ..Self::default() };
        if sip.is_none() && (scheme.is("tel") || scheme.is("urn")) {
            let (user, params) = split_or_all(rest, b';');
            uri.user = Text::escaped(trim(user), Escape::Percent);
            uri.params = params;
            return uri;
        }
        let (userinfo, hostport) = userinfo(rest);
        let (place, params) = hostport.split_at_checked(place_end(hostport)).unwrap_or_default();
        let (host, port) = host_port(place);
        uri.user = Text::escaped(split_or_all(userinfo, b':').0, Escape::Percent);
        uri.host = host;
        uri.port = port;
        uri.params = split_or_all(params, b'?').0;
        uri
    }

    /// The whole URI as sent.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// `sip`, `sips`, `tel`, …; empty where there is none.
    pub fn scheme(&self) -> Text<'a> {
        self.scheme
    }

    /// The user part without password, or a `tel:` URI's number. Displays unescaped.
    pub fn user(&self) -> Text<'a> {
        self.user
    }

    /// The user part up to its first semicolon: the number in `+123;phone-context=…@host`.
    pub fn number(&self) -> Text<'a> {
        Text::escaped(split_or_all(self.user.as_bytes(), b';').0, Escape::Percent)
    }

    /// The host, without the brackets of an IPv6 literal; empty for `tel:`.
    pub fn host(&self) -> Text<'a> {
        self.host
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params, b';')
    }
}

fn is_scheme(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        // "localhost:5060" has no scheme, but neither has it one of these.
        && !text.eq_ignore_ascii_case(b"localhost")
}

/// Where host and port end: at the first parameter or header.
fn place_end(text: &[u8]) -> usize {
    let end = find(text, b';').unwrap_or(text.len());
    find(text.get(..end).unwrap_or_default(), b'?').unwrap_or(end)
}

/// The parts before and after the `@`; of several, the last one that stands before any parameter.
pub(crate) fn userinfo(rest: &[u8]) -> (&[u8], &[u8]) {
    let Some((user, tail)) = split(rest, b'@') else { return (&[], rest) };
    if find(tail, b'@').is_none() {
        return (user, tail);
    }
    let place = tail.get(..place_end(tail)).unwrap_or_default();
    let more = place.iter().rposition(|b| *b == b'@').map_or(0, |at| at + 1);
    let at = user.len() + more;
    (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(crate) fn host_port(place: &[u8]) -> (Text<'_>, Option<u16>) {
    let place = trim(place);
    let port = |text: &[u8]| number(text).and_then(|n| u16::try_from(n).ok());
    if let Some(inner) = place.strip_prefix(b"[") {
        let (host, after) = split_or_all(inner, b']');
        return (Text::new(host), after.strip_prefix(b":").and_then(port));
    }
    match split(place, b':') {
        // More than one colon: an IPv6 literal without its brackets.
        Some((_, after)) if find(after, b':').is_some() => (Text::new(place), None),
        Some((host, after)) => (Text::new(host), port(after)),
        None => (Text::new(place), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, display: &str, user: &str, host: &str, port: Option<u16>, tag: &str) {
        let address = NameAddr::parse(value.as_bytes());
        let got = (
            address.display.to_string(),
            address.uri.user().to_string(),
            address.uri.host().to_string(),
            address.uri.port(),
            String::from_utf8_lossy(address.tag().unwrap_or_default()).into_owned(),
        );
        let want = (display.into(), user.into(), host.into(), port, tag.to_string());
        assert_eq!(got, want, "{value}");
    }

    #[test]
    fn name_addrs() {
        check("Alice <sip:alice@a.org>;tag=1", "Alice", "alice", "a.org", None, "1");
        check(
            r#""A \"B\" <x>" <sips:a:pw@h:5061;lr>; TAG = x1"#,
            "A \"B\" <x>",
            "a",
            "h",
            Some(5061),
            "x1",
        );
        check("sip:bob@b.org;tag=7;x=y", "", "bob", "b.org", None, "7");
        check(
            "<sip:[2001:db8::1]:5070>;a=\"tag=no\";tag=t",
            "",
            "",
            "2001:db8::1",
            Some(5070),
            "t",
        );
        check("<tel:+1-201-555;phone-context=x>;tag=9", "", "+1-201-555", "", None, "9");
        check(
            "Bell, Alexander <sip:a.g.bell@e.com>;tag=43",
            "Bell, Alexander",
            "a.g.bell",
            "e.com",
            None,
            "43",
        );
        check("\"Watson, T\" < sip:t.watson@e.org >", "Watson, T", "t.watson", "e.org", None, "");
        check("\"Mr. User <sip:j.user@e.com>", "Mr. User", "j.user", "e.com", None, "");
        check("<sip:%75se%72@e.com>", "", "user", "e.com", None, "");
        check("sip:user;par=u%40n.net@e.com", "", "user;par=u@n.net", "e.com", None, "");
        check("sip:a@b@host:99;x=c@d", "", "a@b", "host", Some(99), "");
        check("<nobody:opaque>", "", "", "opaque", None, "");
        check("\"only a name\"", "only a name", "", "", None, "");
        check("", "", "", "", None, "");
        check("\"\" <sip:1@[::1]>", "", "1", "::1", None, "");
        check("sip:10.0.0.1:5060", "", "", "10.0.0.1", Some(5060), "");
    }

    #[test]
    fn loose_spellings_are_known() {
        let loose = |value: &str| NameAddr::parse(value.as_bytes()).is_loose();
        for strict in [
            "Alice Smith <sip:a@b>;tag=1",
            "\"Bell, A\" <sip:a@b?x=y>",
            "J\u{fc}rgen <sip:a@b>",
            "sip:a@b;tag=1",
            "*",
        ] {
            assert!(!loose(strict), "{strict}");
        }
        for text in ["Bell, A <sip:a@b>", "\"A\" < sip:a@b >", "sip:a@b?x=y", "a@b <sip:a@b>"] {
            assert!(loose(text), "{text}");
        }
    }

    #[test]
    fn numbers_end_at_semicolons() {
        let uri = Uri::parse(b"sip:+123;isub=4@h;user=phone");
        assert_eq!(uri.number().to_string(), "+123");
        assert_eq!(uri.params().get("user").unwrap().to_string(), "phone");
        assert!(NameAddr::parse(b"\"x").broken_quote());
    }
}
