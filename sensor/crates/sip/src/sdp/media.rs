//! One media section of a session description.
//!
//! What an attribute line says is read in [`super::attributes`].

use super::attributes::{self, Candidate, Codec, static_codec};
use super::{Address, Sdp, connection, values};
use crate::text::{Text, number, split_or_all, words};

/// How many payload formats of one medium are looked at.
pub const FORMATS_MAX: usize = 64;

/// How many ports of one medium are looked at.
pub const PORTS_MAX: u16 = 8;

/// The kind of medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the media types")]
pub enum MediaKind {
    Audio,
    Video,
    Image,
    Text,
    Application,
    Message,
    Other,
}

/// Who may send, seen from the side whose description it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the attributes")]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// Direction attribute of a section, the last one counting.
pub(crate) fn direction(text: &[u8]) -> Option<Direction> {
    values(text, b'a')
        .filter_map(|value| {
            Some(match value.trim_ascii() {
                b"sendrecv" => Direction::SendRecv,
                b"sendonly" => Direction::SendOnly,
                b"recvonly" => Direction::RecvOnly,
                b"inactive" => Direction::Inactive,
                _ => return None,
            })
        })
        .last()
}

/// A view of one `m=` line and the lines below it.
#[derive(Clone, Copy, Debug)]
pub struct Media<'a> {
    /// The kind of medium.
    pub kind: MediaKind,
    /// The port; 0 means refused or switched off.
    pub port: u16,
    /// How many ports there are (`4000/2`), 1 where nothing is said; at most [`PORTS_MAX`].
    pub port_count: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `UDP/TLS/RTP/SAVPF`, `udptl`, …
    pub proto: Text<'a>,
    formats: &'a [u8],
    section: &'a [u8],
    sdp: Sdp<'a>,
}

impl<'a> Media<'a> {
    pub(crate) fn parse(sdp: Sdp<'a>, section: &'a [u8]) -> Option<Self> {
        let value = values(section, b'm').next()?;
        let mut rest = value;
        let mut field = || {
            let (word, after) = split_or_all(rest.trim_ascii_start(), b' ');
            rest = after;
            (!word.is_empty()).then_some(word)
        };
        let (kind, port, proto) = (field()?, field()?, field()?);
        let (port, count) = split_or_all(port, b'/');
        let port = number(port).and_then(|n| u16::try_from(n).ok())?;
        let count = number(count).and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
        let port_count = count.clamp(1, PORTS_MAX);
        let kind = match kind {
            b"audio" => MediaKind::Audio,
            b"video" => MediaKind::Video,
            b"image" => MediaKind::Image,
            b"text" => MediaKind::Text,
            b"application" => MediaKind::Application,
            b"message" => MediaKind::Message,
            _ => MediaKind::Other,
        };
        let proto = Text::new(proto);
        Some(Self { kind, port, port_count, proto, formats: rest, section, sdp })
    }

    /// Carries RTP (any profile).
    pub fn is_rtp(&self) -> bool {
        self.proto.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"RTP/"))
    }

    /// Carries encrypted RTP by its profile.
    pub fn is_secure(&self) -> bool {
        self.proto.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"SAVP"))
    }

    /// The address media is expected at: this section's, else the session's.
    pub fn connection(&self) -> Option<Address> {
        values(self.section, b'c').find_map(connection).or_else(|| self.sdp.connection())
    }

    /// The direction: this section's, else the session's, else `sendrecv`.
    pub fn direction(&self) -> Direction {
        direction(self.section).or_else(|| self.sdp.direction()).unwrap_or_default()
    }

    /// The formats as sent.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> {
        words(self.formats).take(FORMATS_MAX)
    }

    /// The RTP payload types in order of preference, with what `a=rtpmap` or the static table
    /// (RFC 3551) says of them.
    pub fn codecs(&self) -> impl Iterator<Item = Codec<'a>> {
        let media = *self;
        self.formats().filter_map(move |format| {
            let payload_type =
                number(format).and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 128)?;
            let mapped =
                media.attributes("rtpmap").find_map(|v| attributes::rtpmap(v, payload_type));
            Some(
                mapped
                    .or_else(|| static_codec(payload_type))
                    .unwrap_or(Codec { payload_type, ..Codec::default() }),
            )
        })
    }

    /// The ports that media is expected at: RTP takes every second one, for RTCP stands between
    /// (RFC 8866 §5.14). None where the medium is switched off.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        let step = if self.is_rtp() { 2 } else { 1 };
        let first = (self.port != 0).then_some(self.port);
        let count = self.port_count;
        first.into_iter().flat_map(move |port| {
            (0..count).filter_map(move |nth| port.checked_add(nth.checked_mul(step)?))
        })
    }

    /// `a=ptime`, in milliseconds.
    pub fn ptime_ms(&self) -> Option<u16> {
        // Some devices send "20.0"; whole milliseconds are enough.
        let value = self.attributes("ptime").next()?;
        number(split_or_all(value, b'.').0).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
    }

    /// `a=rtcp`: the port, and the address where one is given (RFC 3605).
    pub fn rtcp(&self) -> Option<(u16, Option<Address>)> {
        let value = self.attributes("rtcp").next()?;
        let (port, place) = split_or_all(value.trim_ascii(), b' ');
        Some((u16::try_from(number(port)?).ok()?, connection(place)))
    }

    /// RTCP comes on the media port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.attributes("rtcp-mux").next().is_some()
    }

    /// Synchronisation sources announced (RFC 5576); one that has several attributes repeats.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.attributes("ssrc").filter_map(|value| {
            let word = split_or_all(value, b' ').0;
            number(word).and_then(|n| u32::try_from(n).ok())
        })
    }

    /// ICE candidates (RFC 8839) with a literal address.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.attributes("candidate").filter_map(attributes::candidate)
    }

    /// Keys are in the description (RFC 4568).
    pub fn has_crypto(&self) -> bool {
        self.attributes("crypto").next().is_some()
    }

    /// A certificate fingerprint is given, here or for the session: DTLS (RFC 8122).
    pub fn has_fingerprint(&self) -> bool {
        let mut session = super::attributes(self.sdp.session(), "fingerprint");
        self.attributes("fingerprint").next().is_some() || session.next().is_some()
    }

    /// Values of this section's attribute of that name.
    pub fn attributes(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        super::attributes(self.section, name)
    }
}
