//! Numbers that the verifier checks where they are used.

use core::arch::asm;

/// The same number, in a register of which the optimiser knows nothing. The verifier checks
/// registers, not values: a sum computed a second time, or a bound checked on one copy of a number
/// and relied upon for another, would be unchecked for it.
#[inline(always)]
pub(crate) fn fixed(number: usize) -> usize {
    let mut number = number;
    // SAFETY: the instruction copies a register onto itself; an empty sequence would give two lines
    // of debug information the same place, which the kernel refuses.
    unsafe {
        asm!(
            "{number} = {number}",
            number = inout(reg) number,
            options(pure, nomem, nostack),
        );
    }
    number
}
