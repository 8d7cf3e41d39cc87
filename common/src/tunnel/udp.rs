//! Tunnels that are known by their UDP port.

use super::{Entry, Inner, Kind, audiocodes, ethertype_of_next, gre, l2tp, mpls};
use crate::cursor::Cursor;
use crate::walk::{ETHERTYPE_ETHERNET, Headers};

/// Bytes of a header of VXLAN, and of Geneve without options.
const VNI_HEADER_LEN: usize = 8;
/// Bytes in front of the Ethernet frame of HP's remote mirroring.
const HPERM_LEN: usize = 12;
/// Tags of one TZSP packet that are stepped over.
const TZSP_TAGS_MAX: usize = 64;

/// The payload of a datagram with these headers as a tunnel of that kind.
#[inline(always)]
pub(super) fn enter<C: Cursor>(c: &C, kind: Kind, h: &Headers) -> Option<Entry> {
    let at = usize::from(h.payload);
    match kind {
        Kind::Vxlan => vxlan(c, at).map(Entry::Layer),
        Kind::Geneve => geneve(c, at).map(Entry::Layer),
        _ => seldom(c, kind, h),
    }
}

#[cold]
fn seldom<C: Cursor>(c: &C, kind: Kind, h: &Headers) -> Option<Entry> {
    let (at, len) = (usize::from(h.payload), h.payload_len as usize);
    let inner = match kind {
        Kind::AudioCodes => return audiocodes::enter(c, h, at, len),
        Kind::GreUdp => gre(c, at).map(|inner| match inner.kind {
            Kind::Gre => Inner { kind, ..inner },
            _ => inner,
        }),
        Kind::Tzsp => tzsp(c, at, len),
        Kind::L2tp => l2tp::udp(c, at),
        Kind::Mpls => mpls::stack(c, at),
        Kind::HpErm => {
            c.load::<HPERM_LEN>(at)?;
            Some(Inner::new(kind, 0, ETHERTYPE_ETHERNET, at + HPERM_LEN))
        }
        _ => None,
    };
    inner.map(Entry::Layer)
}

/// VXLAN. The flag for a valid number must be there, or the one that says a protocol is named
/// (GPE); other flags say nothing about where the frame begins.
#[inline(always)]
pub fn vxlan<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    const NUMBER: u8 = 0x08;
    const PROTOCOL: u8 = 0x04;
    let [flags, _, _, next] = c.load::<4>(at)?;
    let id = u32::from_be_bytes(c.load::<4>(at + 4)?) >> 8;
    let ethertype = if flags & PROTOCOL != 0 {
        ethertype_of_next(next)?
    } else if flags & NUMBER != 0 {
        ETHERTYPE_ETHERNET
    } else {
        return None;
    };
    Some(Inner::new(Kind::Vxlan, id, ethertype, at + VNI_HEADER_LEN))
}

/// Geneve, version 0; its options are stepped over.
#[inline(always)]
pub fn geneve<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let [first, flags, p0, p1] = c.load::<4>(at)?;
    // A control packet carries nothing for us.
    if first >> 6 != 0 || flags & 0x80 != 0 {
        return None;
    }
    let options = usize::from(first & 0x3f) * 4;
    let ethertype = u16::from_be_bytes([p0, p1]);
    let id = u32::from_be_bytes(c.load::<4>(at + 4)?) >> 8;
    Some(Inner::new(Kind::Geneve, id, ethertype, at + VNI_HEADER_LEN + options))
}

/// TZSP, version 1: a received or transmitted Ethernet frame behind tags, of which two are a byte
/// long and all others say their length.
fn tzsp<C: Cursor>(c: &C, at: usize, len: usize) -> Option<Inner> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let [1, 0 | 1, 0, 1] = c.load::<4>(at)? else { return None };
    let end = at + len;
    let mut next = at + 4;
    for _ in 0..TZSP_TAGS_MAX {
        if next >= end {
            return None;
        }
        match c.load::<1>(next)? {
            [PADDING] => next += 1,
            [END] => return Some(Inner::new(Kind::Tzsp, 0, ETHERTYPE_ETHERNET, next + 1)),
            _ => next += 2 + usize::from(c.load::<1>(next + 1)?[0]),
        }
    }
    None
}
