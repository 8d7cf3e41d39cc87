//! SIP messages as text (RFC 3261), with SDP (RFC 4566), as two well-behaved user agents write
//! them.
//!
//! [`Dialog`] knows both ends of one call and writes each message of it. It keeps no state: the
//! caller decides what is sent, and when. Malformed messages are made by editing the text.

mod sdp;

#[cfg(test)]
mod tests;

pub use sdp::Media;

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Which end of the dialog sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who sent the first INVITE.
    Caller,
    /// Who received it.
    Called,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Caller => Self::Called,
            Self::Called => Self::Caller,
        }
    }
}

/// A request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 3261's")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Message,
    Subscribe,
    Notify,
    Refer,
    Publish,
}

impl Method {
    /// As it stands in the start line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Message => "MESSAGE",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Refer => "REFER",
            Self::Publish => "PUBLISH",
        }
    }
}

/// One message of a dialog.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who sends it.
    pub from: Side,
    /// 0 for a request, else the response's status code.
    pub status: u16,
    /// The request's method; for a response, of the request it answers.
    pub method: Method,
    /// Number in CSeq.
    pub cseq: u32,
    /// Whether To (of the first INVITE's direction) carries the called side's tag already.
    pub tagged: bool,
    /// An ACK to a failure: it belongs to the INVITE's transaction and shares its branch.
    pub of_failure: bool,
    /// Further header lines, each ended by CR LF.
    pub headers: &'a str,
    /// Session description, if any.
    pub media: Option<&'a Media>,
}

impl<'a> Message<'a> {
    /// A request.
    #[must_use]
    pub fn request(from: Side, method: Method, cseq: u32) -> Self {
        let tagged = !matches!(method, Method::Invite | Method::Cancel);
        Self { from, status: 0, method, cseq, tagged, of_failure: false, headers: "", media: None }
    }

    /// A response to a request.
    #[must_use]
    pub fn response(from: Side, status: u16, method: Method, cseq: u32) -> Self {
        let tagged = status > 100;
        Self { from, status, method, cseq, tagged, of_failure: false, headers: "", media: None }
    }

    /// The ACK that ends a failed INVITE (RFC 3261 section 17.1.1.3).
    #[must_use]
    pub fn failure_ack(from: Side, cseq: u32) -> Self {
        Self { of_failure: true, ..Self::request(from, Method::Ack, cseq) }
    }

    /// With a session description.
    #[must_use]
    pub fn media(mut self, media: &'a Media) -> Self {
        self.media = Some(media);
        self
    }

    /// With further header lines, each ended by CR LF.
    #[must_use]
    pub fn headers(mut self, headers: &'a str) -> Self {
        self.headers = headers;
        self
    }

    /// Inside an established dialog: To carries a tag.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }
}

/// Both ends of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// User part of the caller's URI.
    pub caller: String,
    /// User part of the called side's URI.
    pub called: String,
    /// Domain of both URIs.
    pub domain: String,
    /// Signalling address of the caller.
    pub caller_addr: SocketAddr,
    /// Signalling address of the called side.
    pub called_addr: SocketAddr,
    /// The caller's tag.
    pub caller_tag: String,
    /// The called side's tag.
    pub called_tag: String,
    /// Stem of the branch parameter; the CSeq and the method's class make it unique.
    pub branch: String,
    /// User-Agent of the caller.
    pub caller_agent: String,
    /// User-Agent (and Server) of the called side.
    pub called_agent: String,
    /// `UDP`, `TCP`, `TLS`, `WS` …, as it stands in Via.
    pub transport: &'static str,
}

impl Dialog {
    /// A dialog between two addresses; `n` makes names, tags and Call-ID its own.
    #[must_use]
    pub fn new(n: u64, caller_addr: SocketAddr, called_addr: SocketAddr) -> Self {
        Self {
            call_id: format!("call-{n:08x}@{}", caller_addr.ip()),
            caller: format!("100{n:07}"),
            called: format!("200{n:07}"),
            domain: "example.org".into(),
            caller_addr,
            called_addr,
            caller_tag: format!("a{n:x}"),
            called_tag: format!("b{n:x}"),
            branch: format!("z9hG4bK{n:x}"),
            caller_agent: "ringtap-caller/1.0".into(),
            called_agent: "ringtap-called/1.0".into(),
            transport: "UDP",
        }
    }

    /// The message's text.
    #[must_use]
    pub fn text(&self, message: &Message<'_>) -> String {
        let mut out = String::with_capacity(1024);
        self.write(message, &mut out);
        out
    }

    /// Source and destination of a message that `from` sends.
    #[must_use]
    pub fn way(&self, from: Side) -> (SocketAddr, SocketAddr) {
        match from {
            Side::Caller => (self.caller_addr, self.called_addr),
            Side::Called => (self.called_addr, self.caller_addr),
        }
    }

    /// Writes the message's text over what `out` held.
    pub fn write(&self, message: &Message<'_>, out: &mut String) {
        out.clear();
        // Writing to a String cannot fail.
        let _ = self.write_head(message, out);
        let body = message.media.map(Media::text).unwrap_or_default();
        out.push_str(message.headers);
        if !body.is_empty() {
            out.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
        out.push_str(&body);
    }

    fn write_head(&self, message: &Message<'_>, out: &mut String) -> std::fmt::Result {
        // Via, From and To of a response are those of the request it answers.
        let asker = if message.status == 0 { message.from } else { message.from.peer() };
        let (asker_addr, target_addr) = self.way(asker);
        let (asker_user, target_user) = self.users(asker);
        let (asker_tag, target_tag) = self.tags(asker);
        let sender_addr = self.way(message.from).0;
        let sender_user = self.users(message.from).0;
        let method = message.method.name();
        match message.status {
            0 => write!(out, "{method} sip:{target_user}@{target_addr} SIP/2.0\r\n")?,
            status => write!(out, "SIP/2.0 {status} {}\r\n", reason(status))?,
        }
        // CANCEL, and the ACK to a failure, belong to the INVITE's transaction. CSeq numbers
        // are unique per direction only, so the side's letter keeps branches apart.
        let letter = if asker == Side::Caller { 'a' } else { 'b' };
        let class = match message.method {
            Method::Invite | Method::Cancel => 'i',
            Method::Ack if message.of_failure => 'i',
            Method::Ack => 'k',
            _ => 'r',
        };
        let transport = self.transport;
        let branch = format_args!("{}{letter}{}{class}", self.branch, message.cseq);
        write!(out, "Via: SIP/2.0/{transport} {asker_addr};branch={branch};rport\r\n")?;
        write!(out, "Max-Forwards: 70\r\n")?;
        let domain = &self.domain;
        write!(out, "From: <sip:{asker_user}@{domain}>;tag={asker_tag}\r\n")?;
        write!(out, "To: <sip:{target_user}@{domain}>")?;
        if message.tagged {
            write!(out, ";tag={target_tag}")?;
        }
        write!(out, "\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n", self.call_id, message.cseq)?;
        if message.status != 100 && message.method != Method::Cancel {
            write!(out, "Contact: <sip:{sender_user}@{sender_addr}>\r\n")?;
        }
        let agent = match message.from {
            Side::Caller => &self.caller_agent,
            Side::Called => &self.called_agent,
        };
        let header = if message.status == 0 { "User-Agent" } else { "Server" };
        write!(out, "{header}: {agent}\r\n")
    }

    fn users(&self, from: Side) -> (&str, &str) {
        match from {
            Side::Caller => (&self.caller, &self.called),
            Side::Called => (&self.called, &self.caller),
        }
    }

    fn tags(&self, from: Side) -> (&str, &str) {
        match from {
            Side::Caller => (&self.caller_tag, &self.called_tag),
            Side::Called => (&self.called_tag, &self.caller_tag),
        }
    }
}

/// The usual phrase of a status code.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Unknown",
    }
}
