//! A session description with one audio stream (RFC 4566, RFC 3264).

use std::fmt::Write as _;
use std::net::SocketAddr;

/// One audio stream's offer or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where media shall be sent to.
    pub addr: SocketAddr,
    /// Payload types with their `rtpmap` text, in order of preference.
    pub formats: Vec<(u8, &'static str)>,
    /// Session id and version of the `o=` line.
    pub session: (u64, u64),
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: &'static str,
    /// Further lines of the media section, each ended by CR LF.
    pub attributes: String,
}

impl Media {
    /// An offer of one codec and telephone events (payload type 101).
    #[must_use]
    pub fn new(addr: SocketAddr, payload_type: u8, rtpmap: &'static str) -> Self {
        Self {
            addr,
            formats: vec![(payload_type, rtpmap), (101, "telephone-event/8000")],
            session: (1, 1),
            direction: "sendrecv",
            attributes: "a=ptime:20\r\n".into(),
        }
    }

    /// The description's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(384);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let ip = self.addr.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (id, version) = self.session;
        write!(out, "v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\n")?;
        write!(out, "c=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP", self.addr.port())?;
        for (payload_type, _) in &self.formats {
            write!(out, " {payload_type}")?;
        }
        out.push_str("\r\n");
        for (payload_type, rtpmap) in &self.formats {
            write!(out, "a=rtpmap:{payload_type} {rtpmap}\r\n")?;
            if rtpmap.starts_with("telephone-event") {
                write!(out, "a=fmtp:{payload_type} 0-15\r\n")?;
            }
        }
        write!(out, "a={}\r\n{}", self.direction, self.attributes)
    }
}
