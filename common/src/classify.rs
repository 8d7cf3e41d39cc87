//! What a payload is, by its ports and first bytes.
//!
//! It looks at a dozen bytes at most and keeps no state, so that the first packet of a call is
//! recognised like the last. It does not parse messages: a look-alike that passes here is found
//! out in user space. Ranges of first bytes: RFC 7983; RTCP packet types: RFC 5761 §4.

use crate::cursor::Cursor;
use crate::tunnel::Kind;
use crate::walk::{Fragment, Headers, PROTO_TCP, PROTO_UDP};

/// Ports below this one carry other services; a media port class may still name them.
pub const MEDIA_PORT_MIN: u16 = 1024;

/// What a datagram or segment carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Anything to or from a SIP port.
    Sip,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// STUN or TURN with the magic cookie.
    Stun,
    /// DTLS.
    Dtls,
    /// None of these.
    Other,
}

/// Which ports mean what.
pub trait Ports {
    /// Whether SIP over UDP lives on this port.
    fn sip(&self, port: u16) -> bool;

    /// Whether SIP over TCP lives on this port.
    fn sip_tcp(&self, port: u16) -> bool {
        self.sip(port)
    }

    /// Whether media may live on this UDP port.
    fn media(&self, port: u16) -> bool;

    /// The tunnel that lives on this UDP port.
    fn tunnel(&self, _port: u16) -> Option<Kind> {
        None
    }
}

/// Ports by two rules: SIP on 5060, media from 1024 up.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPorts;

impl Ports for DefaultPorts {
    fn sip(&self, port: u16) -> bool {
        port == 5060
    }

    fn media(&self, port: u16) -> bool {
        port >= MEDIA_PORT_MIN
    }
}

/// Classifies the payload that the walk found.
///
/// A SIP port on either side decides first. Media must look like media and have one side in the
/// media class, the other one there or at least above the ports of well-known services. A later
/// fragment is [`Class::Other`].
#[inline(always)]
pub fn classify<C: Cursor, P: Ports>(c: &C, h: &Headers, ports: &P) -> Class {
    if matches!(h.fragment, Fragment::Later) {
        return Class::Other;
    }
    match h.proto {
        PROTO_TCP if ports.sip_tcp(h.sport) || ports.sip_tcp(h.dport) => Class::Sip,
        PROTO_UDP if ports.sip(h.sport) || ports.sip(h.dport) => Class::Sip,
        PROTO_UDP if is_media(h, ports) => media(c, h),
        _ => Class::Other,
    }
}

#[inline(always)]
fn is_media<P: Ports>(h: &Headers, ports: &P) -> bool {
    let (from, to) = (ports.media(h.sport), ports.media(h.dport));
    (from && (to || h.dport >= MEDIA_PORT_MIN)) || (to && h.sport >= MEDIA_PORT_MIN)
}

const RTP_LEN: u32 = 12;
const RTCP_LEN: u32 = 8;
const STUN_LEN: u32 = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const DTLS_LEN: u32 = 13;

/// Classifies a media datagram by its first bytes alone.
#[inline(always)]
fn media<C: Cursor>(c: &C, h: &Headers) -> Class {
    if h.payload_len < RTCP_LEN {
        return Class::Other;
    }
    let at = usize::from(h.payload);
    let Some(b) = c.load::<8>(at) else { return Class::Other };
    match b[0] {
        128..=191 if matches!(b[1], 192..=223) => {
            // Length in 32-bit words minus one: RFC 3550 §6.4.1.
            let len = (u32::from(u16::from_be_bytes([b[2], b[3]])) + 1) * 4;
            if len <= h.payload_len { Class::Rtcp } else { Class::Other }
        }
        128..=191 => rtp(c, h, b[0]),
        0..=3 => {
            let len = u32::from(u16::from_be_bytes([b[2], b[3]]));
            let sound = b[4] == STUN_COOKIE[0]
                && b[5] == STUN_COOKIE[1]
                && b[6] == STUN_COOKIE[2]
                && b[7] == STUN_COOKIE[3]
                && len & 3 == 0
                && STUN_LEN + len <= h.payload_len;
            if sound { Class::Stun } else { Class::Other }
        }
        20..=63 => {
            // Major version 254; 0xfeff, 0xfefd and 0xfefc exist.
            let sound = b[1] == 0xfe && b[2] >= 0xfc && h.payload_len >= DTLS_LEN;
            if sound { Class::Dtls } else { Class::Other }
        }
        _ => Class::Other,
    }
}

/// Length sanity of RFC 3550 §5.1: header, CSRC list and header extension must fit.
#[inline(always)]
fn rtp<C: Cursor>(c: &C, h: &Headers, first: u8) -> Class {
    let mut need = RTP_LEN + u32::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let Some(ext) = c.load::<4>(usize::from(h.payload) + need as usize) else {
            return Class::Other;
        };
        need += 4 + u32::from(u16::from_be_bytes([ext[2], ext[3]])) * 4;
    }
    if need <= h.payload_len { Class::Rtp } else { Class::Other }
}

#[cfg(test)]
mod tests;
