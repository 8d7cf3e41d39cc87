//! L2TP of both versions, and PPP, which it and others carry.

use super::{Inner, Kind};
use crate::cursor::Cursor;
use crate::walk::{
    ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layer, is_shim, is_tunnel, network_of,
};

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const NUMBERS: u16 = 0x0800;
const OFFSET: u16 = 0x0200;

/// Room for cookie and sublayer of a version 3 session: nobody but its ends knows how long they
/// are (RFC 3931 §4.1). None, a cookie of 4 or 8 bytes, each with and without a sublayer of 4.
const ROOMS: [usize; 4] = [0, 4, 8, 12];

/// L2TP in UDP.
pub(super) fn udp<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let flags = u16::from_be_bytes(c.load::<2>(at)?);
    if flags & CONTROL != 0 {
        return None;
    }
    match flags & 0x000f {
        2 => version2(c, flags, at + 2),
        // Flags and a reserved half, then the session.
        3 => session(c, at + 4),
        _ => None,
    }
}

fn version2<C: Cursor>(c: &C, flags: u16, mut at: usize) -> Option<Inner> {
    if flags & LENGTH != 0 {
        at += 2;
    }
    let id = u32::from_be_bytes(c.load::<4>(at)?);
    at += 4;
    if flags & NUMBERS != 0 {
        at += 4;
    }
    if flags & OFFSET != 0 {
        at += 2 + usize::from(u16::from_be_bytes(c.load::<2>(at)?));
    }
    let (ethertype, at) = ppp(c, at)?;
    Some(Inner::new(Kind::L2tp, id, ethertype, at))
}

/// A version 3 session's data at its number. What it carries was agreed upon before, so it is
/// looked for: Ethernet, PPP or IP that makes sense.
pub(super) fn session<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let id = u32::from_be_bytes(c.load::<4>(at)?);
    // Session 0 is for control messages.
    if id == 0 {
        return None;
    }
    let found = |layer: Layer| Inner { kind: Kind::L2tp, id, layer };
    let ethernet = ROOMS.iter().map(|room| Layer::ethernet(at + 4 + room));
    if let Some(layer) = ethernet.into_iter().find(|layer| {
        network_of(c, *layer)
            .is_ok_and(|(Layer { ethertype, at }, _)| is_shim(ethertype) || is_ip(c, ethertype, at))
    }) {
        return Some(found(layer));
    }
    ROOMS.iter().find_map(|room| {
        let (ethertype, at) = ppp(c, at + 4 + room)?;
        is_ip(c, ethertype, at).then(|| found(Layer { ethertype, at }))
    })
}

/// Whether the first bytes are those of an IP header of that EtherType.
fn is_ip<C: Cursor>(c: &C, ethertype: u16, at: usize) -> bool {
    let Some([first, _, _, _, _, _, next, _, _, proto]) = c.load::<10>(at) else { return false };
    let known = |proto: u8| {
        is_tunnel(proto) || matches!(proto, 0 | 1 | 6 | 17 | 43 | 44 | 50 | 51 | 58 | 60)
    };
    match ethertype {
        ETHERTYPE_IPV4 => (0x45..=0x4f).contains(&first) && known(proto),
        ETHERTYPE_IPV6 => first >> 4 == 6 && known(next),
        _ => false,
    }
}

/// PPP: address and control may be left out, and the protocol's first byte if it is zero (RFC 1661
/// §6.5 and §6.6).
pub(super) fn ppp<C: Cursor>(c: &C, mut at: usize) -> Option<(u16, usize)> {
    if c.load::<2>(at) == Some([0xff, 0x03]) {
        at += 2;
    }
    let [first] = c.load::<1>(at)?;
    let (protocol, length) = if first & 1 == 1 {
        (u16::from(first), 1)
    } else {
        (u16::from_be_bytes(c.load::<2>(at)?), 2)
    };
    let ethertype = match protocol {
        0x0021 => ETHERTYPE_IPV4,
        0x0057 => ETHERTYPE_IPV6,
        // Bridged Ethernet (RFC 3638 §4.2) without the frame check: flags and a type of 1.
        0x0031 => {
            let [flags, kind] = c.load::<2>(at + length)?;
            return (kind == 1 && flags & 0x4f == 0)
                .then_some((ETHERTYPE_ETHERNET, at + length + 2));
        }
        _ => return None,
    };
    Some((ethertype, at + length))
}
