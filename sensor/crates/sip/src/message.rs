//! One SIP message: a single pass over the header block, then views on demand.
//!
//! The pass notes where the known headers' first values stand. Values are only read when an
//! accessor asks for them, and faults only looked for by [`Message::malformed`].

use crate::address::NameAddr;
use crate::body::dtmf::{self, Digit};
use crate::body::vq;
use crate::body::{self, Part};
use crate::fields::{CSeq, Cause, Credentials, Replaces, SessionId, Via};
use crate::header::{End, Header, Line, Lines, compact_form};
use crate::reason::Reason;
use crate::sdp::Sdp;
use crate::start::{self, Method, StartLine};
use crate::text::{Text, Values, find, number};

/// The largest message that is read, in bytes.
pub const MESSAGE_MAX: usize = 1 << 20;

/// A view of one SIP message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    start: StartLine<'a>,
    known: [Option<&'a [u8]>; Header::COUNT],
    headers: &'a [u8],
    /// Everything behind the header block.
    tail: &'a [u8],
    length: usize,
    oddity: Option<Reason>,
    fault: Option<Reason>,
    repeated: u32,
}

impl<'a> Message<'a> {
    /// Reads the message that `bytes` begin with, after keep-alives or junk.
    ///
    /// # Errors
    /// Only where no start line is found, or the text is larger than [`MESSAGE_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        if bytes.len() > MESSAGE_MAX {
            return Err(Reason::TooLarge);
        }
        let (_, start, at) = start::locate(bytes)?;
        let headers = bytes.get(at..).unwrap_or_default();
        let mut message = Self {
            start: start.line,
            known: [None; Header::COUNT],
            headers,
            tail: &[],
            length: 0,
            oddity: start.oddity,
            fault: None,
            repeated: 0,
        };
        let mut lines = Lines::new(headers);
        while let Some(step) = lines.step() {
            match step {
                Ok(line) => message.note(line),
                Err(_) => message.fault = Some(Reason::BadHeaderLine),
            }
        }
        if lines.end() == End::Missing && message.fault.is_none() {
            message.fault = Some(Reason::Truncated);
        }
        message.tail = lines.rest();
        message.headers = headers.get(..headers.len() - message.tail.len()).unwrap_or_default();
        message.length = bytes.len() - message.tail.len() + message.body().len();
        Ok(message)
    }

    #[inline]
    fn note(&mut self, line: Line<'a>) {
        let Some(header) = Header::of(line.name) else { return };
        let Some(place) = self.known.get_mut(header as usize) else { return };
        match place {
            None => *place = Some(line.value),
            Some(first) if *first != line.value => self.repeated |= 1 << header as u32,
            Some(_) => {}
        }
    }

    /// The first line.
    pub fn start(&self) -> StartLine<'a> {
        self.start
    }

    /// A request's method.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// A request's URI.
    pub fn request_uri(&self) -> Option<crate::address::Uri<'a>> {
        match self.start {
            StartLine::Request { uri, .. } => Some(NameAddr::parse(uri.as_bytes()).uri),
            StartLine::Response { .. } => None,
        }
    }

    /// A response's status code; 0 where it is not readable.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// First value of a known header, raw: several comma-separated values stay together.
    pub fn known(&self, header: Header) -> Option<&'a [u8]> {
        self.known.get(header as usize).copied().flatten()
    }

    /// Every header line, in order.
    pub fn headers(&self) -> Lines<'a> {
        Lines::new(self.headers)
    }

    /// Values of all lines of that name (compact forms too), in order.
    pub fn header(&self, name: &'a str) -> impl Iterator<Item = Text<'a>> {
        let wanted = Header::of(name.as_bytes());
        let compact = compact_form(name.as_bytes());
        let is_unplaced = move |line: &Line<'_>| {
            let short = matches!(line.name, [one] if Some(one.to_ascii_lowercase()) == compact);
            short || line.name.eq_ignore_ascii_case(name.as_bytes())
        };
        self.headers()
            .filter(move |line| match wanted {
                Some(header) => Header::of(line.name) == Some(header),
                None => is_unplaced(line),
            })
            .map(|line| Text::new(line.value))
    }

    /// The Call-ID, never empty.
    pub fn call_id(&self) -> Option<&'a [u8]> {
        self.known(Header::CallId).filter(|id| !id.is_empty())
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr<'a>> {
        self.known(Header::From).map(NameAddr::parse)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr<'a>> {
        self.known(Header::To).map(NameAddr::parse)
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<NameAddr<'a>> {
        self.first_address(Header::Contact)
    }

    /// The first P-Asserted-Identity (RFC 3325).
    pub fn asserted_identity(&self) -> Option<NameAddr<'a>> {
        self.first_address(Header::PAssertedIdentity)
    }

    /// The first Remote-Party-ID.
    pub fn remote_party_id(&self) -> Option<NameAddr<'a>> {
        self.first_address(Header::RemotePartyId)
    }

    /// The first Diversion (RFC 5806): the most recent one.
    pub fn diversion(&self) -> Option<NameAddr<'a>> {
        self.first_address(Header::Diversion)
    }

    fn first_address(&self, header: Header) -> Option<NameAddr<'a>> {
        Values::new(self.known(header)?).next().map(NameAddr::parse)
    }

    /// All values of all lines of an address header (Contact, P-Asserted-Identity, Diversion …).
    pub fn addresses(&self, header: Header) -> impl Iterator<Item = NameAddr<'a>> {
        self.values(header).map(NameAddr::parse)
    }

    fn values(&self, header: Header) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.known(header).map(|_| self.headers()).into_iter().flatten();
        lines
            .filter(move |line| Header::of(line.name) == Some(header))
            .flat_map(|line| Values::new(line.value))
    }

    /// `CSeq`.
    pub fn cseq(&self) -> Option<CSeq<'a>> {
        CSeq::parse(self.known(Header::CSeq)?)
    }

    /// The top Via.
    pub fn via(&self) -> Option<Via<'a>> {
        Via::parse(self.known(Header::Via)?)
    }

    /// User-Agent.
    pub fn user_agent(&self) -> Option<Text<'a>> {
        self.known(Header::UserAgent).map(Text::new)
    }

    /// Server.
    pub fn server(&self) -> Option<Text<'a>> {
        self.known(Header::Server).map(Text::new)
    }

    /// All values of Reason headers (RFC 3326).
    pub fn reasons(&self) -> impl Iterator<Item = Cause<'a>> {
        self.values(Header::Reason).map(Cause::parse)
    }

    /// Session-ID (RFC 7989).
    pub fn session_id(&self) -> Option<SessionId<'a>> {
        self.known(Header::SessionId).map(SessionId::parse)
    }

    /// Replaces (RFC 3891).
    pub fn replaces(&self) -> Option<Replaces<'a>> {
        Replaces::parse(self.known(Header::Replaces)?)
    }

    /// Proxy-Authorization, else Authorization.
    pub fn credentials(&self) -> Option<Credentials<'a>> {
        let value = self.known(Header::ProxyAuthorization);
        value.or_else(|| self.known(Header::Authorization)).map(Credentials::parse)
    }

    /// Proxy-Authenticate, else WWW-Authenticate.
    pub fn challenge(&self) -> Option<Credentials<'a>> {
        let value = self.known(Header::ProxyAuthenticate);
        value.or_else(|| self.known(Header::WwwAuthenticate)).map(Credentials::parse)
    }

    /// Expires, in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.known(Header::Expires).and_then(number).and_then(|n| u32::try_from(n).ok())
    }

    /// Content-Type without parameters.
    pub fn content_type(&self) -> Option<Text<'a>> {
        self.known(Header::ContentType).map(body::media_type)
    }

    /// The voice quality report in its body (RFC 6035), if there is one.
    pub fn voice_quality(&self) -> Option<vq::Report<'a>> {
        let is_report =
            |part: &Part<'_>| body::media_type(part.content_type).is("application/vq-rtcpxr");
        self.parts().find(is_report).and_then(|part| vq::parse(part.content))
    }

    /// Content-Length as written, where it is a number.
    pub fn content_length(&self) -> Option<usize> {
        self.known(Header::ContentLength).and_then(number).and_then(|n| usize::try_from(n).ok())
    }

    /// The body: as long as Content-Length says, at most what is there, all of it where there is
    /// no readable Content-Length.
    pub fn body(&self) -> &'a [u8] {
        let length = self.content_length().unwrap_or(self.tail.len());
        self.tail.get(..length).unwrap_or(self.tail)
    }

    /// What follows the body: in a datagram to be discarded, in a stream the next message.
    pub fn trailing(&self) -> &'a [u8] {
        self.tail.get(self.body().len()..).unwrap_or_default()
    }

    /// How many bytes this message takes, junk before it and its body included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The body's parts: of a multipart body each one, else the body itself.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        body::parts(self.known(Header::ContentType), self.body())
    }

    /// The digits in the body of an INFO.
    pub fn dtmf(&self) -> impl Iterator<Item = Digit> + 'a {
        body::parts(self.known(Header::ContentType), self.body()).flat_map(dtmf::digits)
    }

    /// The session description in the body, alone or as one of several parts.
    pub fn sdp(&self) -> Option<Sdp<'a>> {
        body::sdp(self.known(Header::ContentType), self.body())
    }

    /// The first fault found; the message is worth recording all the same.
    pub fn malformed(&self) -> Option<Reason> {
        self.oddity
            .or_else(|| self.missing())
            .or_else(|| self.bad_value())
            .or_else(|| self.bad_length())
            .or(self.fault)
    }

    fn missing(&self) -> Option<Reason> {
        [
            (Header::CallId, Reason::MissingCallId),
            (Header::From, Reason::MissingFrom),
            (Header::To, Reason::MissingTo),
            (Header::CSeq, Reason::MissingCSeq),
            (Header::Via, Reason::MissingVia),
        ]
        .into_iter()
        .find(|(header, _)| self.known(*header).is_none_or(<[u8]>::is_empty))
        .map(|(_, reason)| reason)
    }

    fn bad_value(&self) -> Option<Reason> {
        const SINGLE: u32 = 1 << Header::CallId as u32
            | 1 << Header::From as u32
            | 1 << Header::To as u32
            | 1 << Header::CSeq as u32
            | 1 << Header::ContentLength as u32;
        if self.repeated & SINGLE != 0 {
            return Some(Reason::Repeated);
        }
        let Some(cseq) = self.cseq().filter(|c| c.number < 1 << 31) else {
            return Some(Reason::BadCSeq);
        };
        if let StartLine::Request { name, .. } = self.start
            && name.as_bytes() != cseq.name
        {
            return Some(Reason::MethodMismatch);
        }
        for address in [self.from(), self.to()].into_iter().flatten() {
            if address.broken_quote() {
                return Some(Reason::BadQuote);
            }
            if address.uri.as_bytes().is_empty() || address.is_loose() {
                return Some(Reason::BadAddress);
            }
        }
        if self.contact().is_some_and(|contact| contact.is_loose()) {
            return Some(Reason::BadAddress);
        }
        if self.known(Header::Date).is_some_and(|date| !date.ends_with(b"GMT")) {
            return Some(Reason::BadDate);
        }
        let via = self.known(Header::Via).unwrap_or_default();
        let hollow = via.ends_with(b",") || via.windows(2).any(|pair| pair == b";;");
        // The cookie alone names no transaction (RFC 4475 §3.2.1).
        let nameless = |via: Via<'_>| via.branch() == Some(b"z9hG4bK");
        (hollow || self.via().is_none_or(nameless)).then_some(Reason::BadVia)
    }

    fn bad_length(&self) -> Option<Reason> {
        let value = self.known(Header::ContentLength)?;
        match self.content_length() {
            None => Some(Reason::BadContentLength),
            Some(length) if length > self.tail.len() => Some(Reason::ContentLengthTooLarge),
            Some(_) => find(value, b',').map(|_| Reason::BadContentLength),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
