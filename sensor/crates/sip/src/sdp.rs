//! Session descriptions (RFC 8866) as monitors need them: who listens where, and for what.
//!
//! The view keeps the text and finds lines on demand. It does not judge offers and answers, and
//! reads no name but that of codecs: a host name as address gives no [`Address`].

mod attributes;
mod media;

pub use attributes::{Candidate, CandidateKind, Codec, static_codec};
pub use media::{Direction, FORMATS_MAX, Media, MediaKind, PORTS_MAX};

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::text::{Text, line, split, split_or_all, words};

/// How many media sections are looked at.
pub const MEDIA_MAX: usize = 32;

/// A connection address, and what it says about holding.
pub type Address = IpAddr;

/// A view of one session description.
#[derive(Clone, Copy, Debug)]
pub struct Sdp<'a> {
    session: &'a [u8],
    sections: &'a [u8],
}

impl<'a> Sdp<'a> {
    /// A view of `text`; `None` where there is neither a `v=` nor an `m=` line.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let at = next_section(text, 0);
        let (session, sections) = text.split_at_checked(at)?;
        let found = !sections.is_empty() || values(session, b'v').next().is_some();
        found.then_some(Self { session, sections })
    }

    /// The session's own connection address.
    pub fn connection(&self) -> Option<Address> {
        values(self.session, b'c').find_map(connection)
    }

    /// The origin line as sent: user, session id, version, address.
    pub fn origin(&self) -> Option<Text<'a>> {
        values(self.session, b'o').next().map(Text::new)
    }

    /// The session id and version of the origin line.
    pub fn version(&self) -> Option<(&'a [u8], &'a [u8])> {
        let mut fields = words(values(self.session, b'o').next()?);
        Some((fields.nth(1)?, fields.next()?))
    }

    /// Direction that holds where a medium says nothing itself.
    pub fn direction(&self) -> Option<Direction> {
        media::direction(self.session)
    }

    /// The media, in order; at most [`MEDIA_MAX`].
    pub fn media(&self) -> impl Iterator<Item = Media<'a>> {
        let sdp = *self;
        Sections { rest: self.sections }.take(MEDIA_MAX).filter_map(move |s| Media::parse(sdp, s))
    }

    pub(crate) fn session(&self) -> &'a [u8] {
        self.session
    }
}

struct Sections<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Sections<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let at = next_section(self.rest, 1);
        let (section, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest;
        Some(section)
    }
}

/// Offset of the first `m=` line at or after the line numbered `skip`; the length without one.
fn next_section(text: &[u8], skip: usize) -> usize {
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() {
        if number >= skip && rest.starts_with(b"m=") {
            return text.len() - rest.len();
        }
        rest = line(rest).1;
        number += 1;
    }
    text.len()
}

/// Values of all lines of one type.
pub(crate) fn values(text: &[u8], kind: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    core::iter::from_fn(move || {
        while !rest.is_empty() {
            let (first, after) = line(rest);
            rest = after;
            if let [letter, b'=', value @ ..] = first
                && *letter == kind
            {
                return Some(value);
            }
        }
        None
    })
}

/// Values of all `a=name:value` lines; empty for `a=name`.
pub(crate) fn attributes<'a>(text: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    values(text, b'a').filter_map(move |value| {
        let (found, rest) = split_or_all(value, b':');
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(rest)
    })
}

/// Address of a `c=` value, or of what follows the port in `a=rtcp`.
pub(crate) fn connection(value: &[u8]) -> Option<Address> {
    let mut fields = words(value);
    let (_, family, place) = (fields.next()?, fields.next()?, fields.next()?);
    address(split_or_all(place, b'/').0).filter(|found| {
        // A family that contradicts the address is an error often seen; the address is believed.
        found.is_ipv4()
            || family.eq_ignore_ascii_case(b"IP6")
            || family.eq_ignore_ascii_case(b"IP4")
    })
}

/// An IPv4 or IPv6 literal.
pub(crate) fn address(text: &[u8]) -> Option<Address> {
    let text = core::str::from_utf8(text).ok()?;
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(v4));
    }
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let inner = split(inner.as_bytes(), b'%')
        .map_or(Some(inner), |(ip, _)| core::str::from_utf8(ip).ok())?;
    inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests;
