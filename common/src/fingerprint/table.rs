//! A table of what has been seen, for user space.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{Fingerprint, SLOTS_MIN, Slot, Window, slot_index};

/// Ticks by which processors' clocks may differ: 16 ms.
const SKEW_TICKS: u64 = 64;

/// A duplicate table for user space, over slots that the caller owns; threads may share it.
///
/// Two slots lie beside each other for each packet, so that one that falls on the same place
/// seldom pushes another one out within the window.
#[derive(Clone, Debug)]
pub struct Table<S> {
    slots: S,
    mask: u32,
    window: Window,
    shared: bool,
}

impl<S: AsRef<[AtomicU64]>> Table<S> {
    /// A table over `slots`, all 0 at first. `None` unless their number is a power of two of at
    /// least [`SLOTS_MIN`] that fits 32 bits. `shared`: several threads use it at a time.
    pub fn new(slots: S, window_ns: u64, shared: bool) -> Option<Self> {
        let len = slots.as_ref().len();
        if len < SLOTS_MIN || !len.is_power_of_two() {
            return None;
        }
        let mask = u32::try_from(len - 1).ok()?;
        Some(Self { slots, mask, window: Window::new(window_ns), shared })
    }

    /// Whether a copy of this packet was seen within the window; remembers the packet if not.
    ///
    /// The window counts from the first copy, which is the one that survives. Of two that threads
    /// look at in the same moment, one finds the other, unless a third packet takes one of the two
    /// places just then.
    #[inline(always)]
    pub fn is_duplicate(&self, fp: &Fingerprint, now_ns: u64) -> bool {
        let new = Slot::new(fp, now_ns);
        let index = (slot_index(fp.key, self.mask) & !1) as usize;
        let Some([a, b]) = self.slots.as_ref().get(index..index + 2) else { return false };
        let known = [a, b].map(|slot| Slot(slot.load(Ordering::Relaxed)));
        if self.window.is_duplicate(known[0], new) || self.window.is_duplicate(known[1], new) {
            return true;
        }
        let place = if is_past(known[0], new, self.window) { a } else { b };
        if self.shared {
            return self.window.is_duplicate(Slot(place.swap(new.0, Ordering::Relaxed)), new);
        }
        place.store(new.0, Ordering::Relaxed);
        false
    }
}

/// Whether a slot's packet is out of the window.
#[inline(always)]
fn is_past(slot: Slot, new: Slot, window: Window) -> bool {
    let ticks = new.0.wrapping_sub(slot.0) & 0xffff;
    ticks > window.ticks && ticks < 0xffff - SKEW_TICKS
}
