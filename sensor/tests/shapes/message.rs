//! The text of every message of a ladder, whole: nothing is left to sipp but Call-ID and lengths.
//!
//! Keeps what a dialog keeps: sequence numbers, branches, and the called side's tag. That
//! everything is written here, and not taken from the message before, is what lets two requests
//! cross or a response come late.

use std::fmt::Write;
use std::net::IpAddr;

use crate::ladder::{Message, Side, Start};
use crate::table::{Form, Over};

/// Who and where the two telephones are.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) addresses: [IpAddr; 2],
    pub(crate) numbers: [String; 2],
    pub(crate) over: Over,
    pub(crate) form: Form,
}

impl Ends {
    pub(crate) fn address(&self, side: Side) -> IpAddr {
        self.addresses[side as usize]
    }

    /// The address as it stands in a URI. A bracket would be a keyword for sipp.
    fn host(&self, side: Side) -> String {
        match self.address(side) {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\\x5B{ip}\\x5D"),
        }
    }

    fn uri(&self, side: Side) -> String {
        format!("sip:{}@{}", self.numbers[side as usize], self.host(side))
    }
}

/// A request, as far as its responses, its ACK and its CANCEL repeat it.
#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    number: u32,
    branch: u32,
}

/// Writes the messages of one call, in order.
pub(crate) struct Writer<'a> {
    ends: &'a Ends,
    requests: [Vec<Request>; 2],
    /// Response to the last INVITE of each side, if it was final.
    answered: [Option<u16>; 2],
    numbers: [u32; 2],
    branches: u32,
    /// The called side's tag.
    tag: Option<&'static str>,
    established: bool,
    sessions: u32,
    sent: Vec<(Side, Start, String)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(ends: &'a Ends) -> Self {
        Self {
            ends,
            requests: [Vec::new(), Vec::new()],
            answered: [None; 2],
            numbers: [0; 2],
            branches: 0,
            tag: None,
            established: false,
            sessions: 0,
            sent: Vec::new(),
        }
    }

    /// The next message.
    pub(crate) fn write(&mut self, message: &Message) -> String {
        if message.again {
            let same = |(from, start, _): &&(Side, Start, String)| {
                (*from, *start) == (message.from, message.start)
            };
            let before = self.sent.iter().rev().find(same);
            return before.expect("`again` repeats a message").2.clone();
        }
        let head = match message.start {
            Start::Request(method) => self.request(message, method),
            Start::Response(status, method) => self.response(message, status, method),
        };
        let text = self.rest(head, message);
        self.sent.push((message.from, message.start, text.clone()));
        text
    }

    fn request(&mut self, message: &Message, method: &'static str) -> String {
        let from = message.from;
        let side = from as usize;
        let invite = self.requests[side].iter().rev().find(|r| r.method == "INVITE").cloned();
        let refused = self.answered[side].is_some_and(|status| status >= 300);
        let request = match (method, invite) {
            ("CANCEL", Some(invite)) => Request { method, ..invite },
            ("ACK", Some(invite)) if refused => Request { method, ..invite },
            ("ACK", Some(invite)) => Request { method, branch: self.next_branch(), ..invite },
            _ => {
                self.numbers[side] += 1;
                Request { method, number: self.numbers[side], branch: self.next_branch() }
            }
        };
        if method == "INVITE" {
            self.answered[side] = None;
        }
        // Outside of a dialog the called side has no tag yet (RFC 3261 §8.1.1.2); a CANCEL's To
        // is that of its INVITE (§9.1).
        let outside = matches!(method, "INVITE" | "CANCEL") && !self.established;
        let tag = message.tag.or(self.tag).filter(|_| !outside);
        let mut text = format!("{method} {}:5060 SIP/2.0\n", self.ends.uri(from.other()));
        self.dialog(&mut text, from, &request, tag);
        if request.method != "ACK" {
            self.requests[side].push(request);
        }
        text
    }

    fn response(&mut self, message: &Message, status: u16, method: Option<&str>) -> String {
        let asker = message.from.other();
        let mut requests = self.requests[asker as usize].iter().rev();
        let method = method.or((status < 200).then_some("INVITE"));
        let request = match method {
            Some(method) => requests.find(|r| r.method == method),
            None => requests.next(),
        };
        let request = request.expect("a response has a request").clone();
        if request.method == "INVITE" && status >= 200 {
            self.answered[asker as usize] = Some(status);
            self.established |= status < 300;
        }
        let own =
            (status > 100 && message.from == Side::Callee).then(|| message.tag.unwrap_or("b"));
        self.tag = own.filter(|_| request.method == "INVITE").or(self.tag);
        let tag = match message.from {
            Side::Callee => own,
            Side::Caller => self.tag,
        };
        let mut text = format!("SIP/2.0 {status} {}\n", phrase(status));
        self.dialog(&mut text, asker, &request, tag);
        text
    }

    fn next_branch(&mut self) -> u32 {
        self.branches += 1;
        self.branches
    }

    /// The headers that name a dialog and a transaction; `from` is who sent the request.
    fn dialog(&self, text: &mut String, from: Side, request: &Request, tag: Option<&str>) {
        let ends = self.ends;
        let (here, transport) = (ends.host(from), ends.over.transport());
        let tags = |side: Side| match (side, tag) {
            (Side::Caller, _) => ";tag=a".to_owned(),
            (Side::Callee, Some(tag)) => format!(";tag={tag}"),
            (Side::Callee, None) => String::new(),
        };
        let (number, branch) = (&ends.numbers[0], request.branch);
        let (uri, to) = (ends.uri(from), ends.uri(from.other()));
        let (from_tag, to_tag) = (tags(from), tags(from.other()));
        let lines = [
            ("Via", format!("SIP/2.0/{transport} {here}:5060;branch=z9hG4bK-{number}-{branch}")),
            ("From", format!("\"A {}\" <{uri}>{from_tag}", from.label())),
            ("To", format!("<{to}>{to_tag}")),
            ("Call-ID", "[call_id]".to_owned()),
            ("CSeq", format!("{} {}", request.number, request.method)),
        ];
        for (name, value) in lines {
            self.header(text, name, &value);
        }
    }

    fn header(&self, text: &mut String, name: &str, value: &str) {
        let name = if self.ends.form == Form::Compact { compact(name) } else { name };
        let _ = writeln!(text, "{name}: {value}");
    }

    /// Contact, what the ladder adds, and the body.
    fn rest(&mut self, mut text: String, message: &Message) -> String {
        let from = message.from;
        let contact = format!("<{}:5060>", self.ends.uri(from));
        if !message.headers.iter().any(|line| line.starts_with("Contact:")) {
            self.header(&mut text, "Contact", &contact);
        }
        match message.start {
            Start::Request(_) => text.push_str("Max-Forwards: 70\nUser-Agent: "),
            Start::Response(..) => text.push_str("Server: "),
        }
        let _ = writeln!(text, "ringtap shapes {}", from.label());
        for line in &message.headers {
            let (name, value) = line.split_once(": ").expect("a header has a value");
            self.header(&mut text, name, value);
        }
        let body = match (message.sdp, message.body) {
            (Some(kind), _) => Some(("application/sdp", self.description(from, kind))),
            (None, Some("digit")) => {
                Some(("application/dtmf-relay", "Signal=5\nDuration=160\n".to_owned()))
            }
            (None, Some(status)) => {
                let status: u16 = status.parse().expect("a fragment is a status");
                let line = format!("SIP/2.0 {status} {}\n", phrase(status));
                Some(("message/sipfrag;version=2.0", line))
            }
            (None, None) => None,
        };
        let Some((kind, body)) = body else {
            self.header(&mut text, "Content-Length", "0");
            return text;
        };
        self.header(&mut text, "Content-Type", kind);
        self.header(&mut text, "Content-Length", "[len]");
        text.push('\n');
        text.push_str(&body);
        text
    }

    /// A session description. The port is sipp's keyword: that is how it learns from where to
    /// play.
    fn description(&mut self, side: Side, kind: &str) -> String {
        self.sessions += 1;
        let address = self.ends.address(side);
        let family = if address.is_ipv6() { "IP6" } else { "IP4" };
        let (port, payloads) = match kind {
            "moved" => ("[media_port+2]", "8"),
            "pcma" => ("[media_port]", "8"),
            "events" => ("[media_port]", "0 101"),
            _ => ("[media_port]", "0"),
        };
        let direction = match kind {
            "hold" => "sendonly",
            "held" => "recvonly",
            _ => "sendrecv",
        };
        let version = self.sessions;
        let mut text = format!(
            "v=0\no={} 1 {version} IN {family} {address}\ns=-\nc=IN {family} {address}\nt=0 0\n",
            side.label()
        );
        if kind == "fax" {
            text.push_str("m=image [media_port+2] udptl t38\na=T38FaxVersion:0\n");
            return text;
        }
        let _ = write!(text, "m=audio {port} RTP/AVP {payloads}");
        if kind == "long" {
            for number in 96..128 {
                let _ = write!(text, " {number}");
            }
        }
        text.push('\n');
        for payload in payloads.split(' ') {
            text.push_str(match payload {
                "0" => "a=rtpmap:0 PCMU/8000\n",
                "8" => "a=rtpmap:8 PCMA/8000\n",
                _ => "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n",
            });
        }
        if kind == "long" {
            for number in 96..128 {
                let _ = writeln!(text, "a=rtpmap:{number} L16/{}", (number - 95) * 1000);
                let _ = writeln!(text, "a=fmtp:{number} channel-order=DV.L;emphasis=50-15");
            }
        }
        let _ = writeln!(text, "a=ptime:20\na={direction}");
        text
    }
}

/// The short names of RFC 3261 §7.3.3 and RFC 3515.
fn compact(name: &str) -> &str {
    match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Type" => "c",
        "Content-Length" => "l",
        "Supported" => "k",
        "Subject" => "s",
        "Refer-To" => "r",
        other => other,
    }
}

/// The reason phrase that goes with a status.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        422 => "Session Interval Too Small",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        603 => "Decline",
        other => panic!("no phrase for {other}"),
    }
}
