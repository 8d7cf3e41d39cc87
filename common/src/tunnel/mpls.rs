//! MPLS: a stack of labels, and what the first byte behind it gives away.

use super::{Inner, Kind};
use crate::cursor::Cursor;
use crate::walk::{ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6};

/// Labels that are stepped over.
const LABELS_MAX: usize = 8;
/// A control word in front of an Ethernet frame (RFC 4385 §3).
const CONTROL_WORD_LEN: usize = 4;

/// A stack of labels at `at`. Its number is the innermost label's, which is the customer's.
///
/// MPLS does not say what it carries: 4 and 6 begin IP, 0 begins a control word and Ethernet.
/// Ethernet without a control word is not recognised.
pub(super) fn stack<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    for number in 0..LABELS_MAX {
        let entry = u32::from_be_bytes(c.load::<4>(at + number * 4)?);
        if entry & 0x100 == 0 {
            continue;
        }
        let next = at + (number + 1) * 4;
        let (ethertype, next) = match c.load::<1>(next)?[0] >> 4 {
            4 => (ETHERTYPE_IPV4, next),
            6 => (ETHERTYPE_IPV6, next),
            0 => (ETHERTYPE_ETHERNET, next + CONTROL_WORD_LEN),
            _ => return None,
        };
        return Some(Inner::new(Kind::Mpls, entry >> 12, ethertype, next));
    }
    None
}
