//! GRE, and what travels in it: IP, Ethernet, ERSPAN, MPLS, PPP.

use super::{Inner, Kind, l2tp};
use crate::cursor::Cursor;
use crate::walk::ETHERTYPE_ETHERNET;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGE: u16 = 0x0080;
const VERSION: u16 = 0x0007;

const ERSPAN: u16 = 0x88be;
const ERSPAN3: u16 = 0x22eb;
const PPP: u16 = 0x880b;

/// Bytes of the headers of ERSPAN II and III, and of III's platform header.
const ERSPAN2_LEN: usize = 8;
const ERSPAN3_LEN: usize = 12;
const PLATFORM_LEN: usize = 8;

/// A GRE header of version 0 at `at`.
#[inline(always)]
pub fn gre<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let [f0, f1, p0, p1] = c.load::<4>(at)?;
    let (flags, ethertype) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([p0, p1]));
    // Source routes (RFC 1701) are obsolete, and nobody sends them.
    if flags & (VERSION | ROUTING) != 0 {
        return None;
    }
    let mut next = at + 4;
    if flags & CHECKSUM != 0 {
        next += 4;
    }
    let mut id = 0;
    if flags & KEY != 0 {
        id = u32::from_be_bytes(c.load::<4>(c.forget(next))?);
        next += 4;
    }
    if flags & SEQUENCE != 0 {
        next += 4;
    }
    let next = c.forget(next);
    match ethertype {
        ERSPAN | ERSPAN3 => erspan(c, ethertype, flags & SEQUENCE != 0, next),
        // A virtual subnet and a flow make the key of NVGRE.
        ETHERTYPE_ETHERNET if flags & KEY != 0 => {
            Some(Inner::new(Kind::Gre, id >> 8, ethertype, next))
        }
        _ => Some(Inner::new(Kind::Gre, id, ethertype, next)),
    }
}

/// ERSPAN: type I has no header, II and III say which they are.
#[inline(always)]
fn erspan<C: Cursor>(c: &C, ethertype: u16, numbered: bool, at: usize) -> Option<Inner> {
    if ethertype == ERSPAN && !numbered {
        return Some(Inner::new(Kind::Erspan1, 0, ETHERTYPE_ETHERNET, at));
    }
    let header = c.load::<4>(at)?;
    let session = u32::from(u16::from_be_bytes([header[2], header[3]]) & 0x03ff);
    if header[0] >> 4 == 1 {
        return Some(Inner::new(Kind::Erspan2, session, ETHERTYPE_ETHERNET, at + ERSPAN2_LEN));
    }
    if header[0] >> 4 != 2 {
        return None;
    }
    let [last] = c.load::<1>(at + ERSPAN3_LEN - 1)?;
    let platform = if last & 1 == 1 { PLATFORM_LEN } else { 0 };
    Some(Inner::new(Kind::Erspan3, session, ETHERTYPE_ETHERNET, at + ERSPAN3_LEN + platform))
}

/// A GRE header of version 1, as PPTP uses it: PPP, with a call's number in the key.
pub(super) fn pptp<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let [f0, f1, p0, p1, _, _, c0, c1] = c.load::<8>(at)?;
    let flags = u16::from_be_bytes([f0, f1]);
    let sound = flags & VERSION == 1 && flags & KEY != 0 && flags & (CHECKSUM | ROUTING) == 0;
    if !sound || u16::from_be_bytes([p0, p1]) != PPP {
        return None;
    }
    let optional = [SEQUENCE, ACKNOWLEDGE].iter().filter(|flag| flags & **flag != 0).count();
    let (ethertype, at) = l2tp::ppp(c, at + 8 + optional * 4)?;
    Some(Inner::new(Kind::Pptp, u32::from(u16::from_be_bytes([c0, c1])), ethertype, at))
}
