//! AudioCodes debug recording: packets that a gateway or session border controller copies to
//! whoever records them, each behind a header that says what it is and where it went.
//!
//! Only what was seen at the network is taken: what the device records at its inner trace points
//! is the same packet once more, decrypted or not. The header names the far end of media; the near
//! end is the device, for which the address stands that it sends its recording from.
//! Formats: header versions 0.0 to 0.9.

use super::{Entry, Inner, Kind, Told};
use crate::classify::Class;
use crate::cursor::Cursor;
use crate::walk::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Fragment, Headers, Ip, PROTO_UDP};

/// Bits of the header's extra data.
const MII: u8 = 0x01;
const IPV6: u8 = 0x02;
const PIECE: u8 = 0x04;
const HEADER_ADDED: u8 = 0x08;
/// What old versions write there, and mean nothing by.
const NO_EXTRA: u8 = 0xaa;
/// Bytes of the header that the bit [`MII`] tells of.
const MII_LEN: usize = 4;

/// Media types.
const RTP: u8 = 1;
const RTCP: u8 = 2;
const T38: u8 = 3;
const SIP: u8 = 10;
const VIDEO_RTP: u8 = 24;
const VIDEO_RTCP: u8 = 25;
const TLS: u8 = 30;
const TLS_PEEK: u8 = 31;
/// RTP with a payload that the device tells by name.
const RTP_NAMED: core::ops::RangeInclusive<u8> = 51..=60;
/// The application of decrypted TLS that is SIP.
const TLS_SIP: u8 = 3;

/// Trace points at the network: what comes in, what goes out, and the system itself.
const INCOMING: [u8; 2] = [0, 4];
const OUTGOING: [u8; 2] = [1, 5];
const SYSTEM: u8 = 6;

/// The parts of a recording's header that are needed.
struct Header {
    extra: u8,
    trace_point: u8,
    media: u8,
    /// Where the extension begins, and its length.
    extension: (usize, usize),
    session: u32,
    /// Where the recorded packet begins.
    payload: usize,
}

/// The longest header without its extension.
pub const HEADER_MAX: usize = 28;

/// What tells where a recording ends that others follow in a stream: the header does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The IP packet that begins here.
    Packet(usize),
    /// The SIP message that begins here.
    Message(usize),
    /// Nothing.
    Untold,
}

/// How the recording that these bytes begin with ends. `None`: it is none, or they are fewer than
/// [`HEADER_MAX`] and do not tell.
#[must_use]
pub fn extent<C: Cursor>(c: &C) -> Option<Extent> {
    let header = header(c, 0)?;
    Some(if header.extra & HEADER_ADDED != 0 && header.extra & PIECE == 0 {
        Extent::Packet(header.payload)
    } else if matches!(header.media, SIP | TLS | TLS_PEEK) {
        Extent::Message(header.payload)
    } else {
        Extent::Untold
    })
}

/// A recording of `len` bytes at `at`, in a packet with these headers.
pub(super) fn enter<C: Cursor>(c: &C, outer: &Headers, at: usize, len: usize) -> Option<Entry> {
    let header = header(c, at)?;
    let end = at.checked_add(len)?;
    let payload_len = u32::try_from(end.checked_sub(header.payload)?).ok()?;
    if header.extra & PIECE != 0 {
        return None;
    }
    if header.extra & HEADER_ADDED != 0 {
        let ethertype = match c.load::<1>(header.payload)?[0] >> 4 {
            4 => ETHERTYPE_IPV4,
            6 => ETHERTYPE_IPV6,
            _ => return None,
        };
        let inner = Inner::new(Kind::AudioCodes, header.session, ethertype, header.payload);
        return Some(Entry::Layer(inner));
    }
    let way = match header.media {
        RTP | RTCP | T38 | VIDEO_RTP | VIDEO_RTCP => media(c, &header, outer)?,
        media_type if RTP_NAMED.contains(&media_type) => media(c, &header, outer)?,
        SIP if header.trace_point == SYSTEM => signalling(c, header.extension, [0, 4], [8, 10])?,
        TLS | TLS_PEEK if c.load::<1>(header.extension.0 + 12)? == [TLS_SIP] => {
            signalling(c, header.extension, [4, 8], [0, 2])?
        }
        _ => return None,
    };
    let class = matches!(header.media, SIP | TLS | TLS_PEEK).then_some(Class::Sip);
    let headers = told(&way, header.payload, payload_len);
    Some(Entry::Told(Told { kind: Kind::AudioCodes, id: header.session, headers, class }))
}

fn header<C: Cursor>(c: &C, at: usize) -> Option<Header> {
    let [version] = c.load::<1>(at)?;
    // Bytes of the two numbers of channels, and of the session's number, by the minor version.
    let (channel, session, length) = match version {
        0..=4 => (2, 0, 15),
        5 | 6 => (2, 4, 19),
        7 => (2, 8, 23),
        8 => (2, 9, 24),
        9 => (4, 9, 28),
        _ => return None,
    };
    // Version, six bytes of time and number, and the channels.
    let [extra, trace_point, media, extent] = c.load::<4>(at + 7 + 2 * channel)?;
    let extra = if extra == NO_EXTRA && version <= 3 { 0 } else { extra };
    // Until version 4 it is the payload's offset, later the extension's length.
    let extent = usize::from(extent);
    let extension = if version < 5 { extent.saturating_sub(length) } else { extent };
    let mii = if version >= 3 && extra & MII != 0 { MII_LEN } else { 0 };
    let session = if session == 0 {
        0
    } else {
        // Its last four bytes are the session's own, the ones before the board's.
        u32::from_be_bytes(c.load::<4>(at + length - 4)?)
    };
    Some(Header {
        extra: if version >= 3 { extra } else { extra & !IPV6 },
        trace_point,
        media,
        extension: (at + length, extension),
        session,
        payload: at + length + extension + mii,
    })
}

/// From where to where.
struct Way {
    src: Ip,
    dst: Ip,
    sport: u16,
    dport: u16,
    tos: u8,
    version: u8,
}

/// Media: the far end's address, its port, the device's port, and the type of service.
fn media<C: Cursor>(c: &C, header: &Header, outer: &Headers) -> Option<Way> {
    let (at, length) = header.extension;
    let incoming = INCOMING.contains(&header.trace_point);
    if !incoming && !OUTGOING.contains(&header.trace_point) {
        return None;
    }
    let is_ipv6 = header.extra & IPV6 != 0;
    let (far, ports) = if is_ipv6 { (c.load::<16>(at)?, at + 16) } else { (ipv4(c, at)?, at + 4) };
    if ports + 5 > at + length {
        return None;
    }
    let (far_port, near_port) = (port(c, ports)?, port(c, ports + 2)?);
    let [tos] = c.load::<1>(ports + 4)?;
    let version = if is_ipv6 { 6 } else { 4 };
    let near = outer.src;
    Some(if incoming {
        Way { src: far, dst: near, sport: far_port, dport: near_port, tos, version }
    } else {
        Way { src: near, dst: far, sport: near_port, dport: far_port, tos, version }
    })
}

/// Signalling: both ends, at these offsets of the extension.
fn signalling<C: Cursor>(
    c: &C,
    (at, length): (usize, usize),
    addresses: [usize; 2],
    ports: [usize; 2],
) -> Option<Way> {
    if length < 12 {
        return None;
    }
    let [src, dst] = [ipv4(c, at + addresses[0])?, ipv4(c, at + addresses[1])?];
    let [sport, dport] = [port(c, at + ports[0])?, port(c, at + ports[1])?];
    Some(Way { src, dst, sport, dport, tos: 0, version: 4 })
}

fn ipv4<C: Cursor>(c: &C, at: usize) -> Option<Ip> {
    let [a, b, e, d] = c.load::<4>(at)?;
    Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, e, d])
}

fn port<C: Cursor>(c: &C, at: usize) -> Option<u16> {
    c.load::<2>(at).map(u16::from_be_bytes)
}

/// A packet of which only the payload is there.
fn told(way: &Way, payload: usize, payload_len: u32) -> Headers {
    let at = payload as u16;
    Headers {
        src: way.src,
        dst: way.dst,
        sport: way.sport,
        dport: way.dport,
        l3: at,
        l4: at,
        payload: at,
        payload_len,
        ip_id: 0,
        fragment: Fragment::Whole,
        version: way.version,
        proto: PROTO_UDP,
        ttl: 0,
        tos: way.tos,
        vlan: 0,
        fragment_offset: 0,
        flags: 0,
    }
}
