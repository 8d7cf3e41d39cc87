//! Mirrored copies: the first one survives.
//!
//! One table serves all processors, because a copy may arrive on another queue. A new packet
//! costs one atomic exchange: of two copies that arrive at once, exactly one finds the other.

use core::arch::asm;

use ringtap_common::cursor::Cursor;
use ringtap_common::fingerprint::{Slot, Window, fingerprint, slot_index};
use ringtap_common::walk::Headers;

use crate::bounds::Packet;
use crate::maps;

/// Whether a copy of this packet came within the window.
#[inline(always)]
pub(crate) fn is_duplicate(packet: &Packet, headers: &Headers, now_ns: u64) -> bool {
    let window_ns = maps::dedup_window_ns();
    if window_ns == 0 {
        return false;
    }
    // What the verifier should forget: on which way the walk came here.
    let headers = Headers {
        payload_len: packet.forget(headers.payload_len as usize) as u32,
        ip_id: packet.forget(headers.ip_id as usize) as u32,
        ..*headers
    };
    let Some(print) = fingerprint(packet, &headers, &maps::seed()) else { return false };
    let index = slot_index(print.key, maps::dedup_mask());
    let Some(slot) = maps::DEDUP.get_ptr_mut(index) else { return false };
    let window = Window::new(window_ns);
    let new = Slot::new(&print, now_ns);
    // A copy leaves the slot alone, so that the window counts from the first one.
    // SAFETY: the look-up gave 8 aligned, initialised bytes that live as long as the program; no
    // processor holds a reference to them, and the kernel reads them in one access.
    let seen = Slot(unsafe { slot.read_volatile() });
    // SAFETY: the same 8 bytes.
    window.is_duplicate(seen, new) || window.is_duplicate(Slot(unsafe { swap(slot, new.0) }), new)
}

/// Exchanges a slot's content in one step. The library has no such operation for this target,
/// whose instruction set has one (since its version 3).
///
/// # Safety
/// `slot` points to 8 aligned bytes of a map value.
#[inline(always)]
unsafe fn swap(slot: *mut u64, new: u64) -> u64 {
    let mut value = new;
    // SAFETY: the instruction writes `value` to the slot and reads the old content into `value`.
    unsafe {
        asm!(
            "{value} = xchg_64({slot} + 0, {value})",
            value = inout(reg) value,
            slot = in(reg) slot,
        );
    }
    value
}
