//! What the kernel says of its own clock: whether something keeps it right, and how well.
//!
//! <https://man7.org/linux/man-pages/man2/adjtimex.2.html>
#![expect(unsafe_code, reason = "a system call that neither std nor the chosen crates offer")]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::sys;

/// The state of the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timekeeping {
    /// Something (chrony, ntpd, PTP) keeps it right.
    pub synchronised: bool,
    /// How wrong that something thinks it may be.
    pub error: Duration,
    /// How wrong it is at most.
    pub error_max: Duration,
}

/// Asks the kernel; nothing is changed.
///
/// # Errors
/// What the system says.
pub fn timekeeping() -> io::Result<Timekeeping> {
    // SAFETY: a C structure of integers, for which zero is a valid value; no mode: ask only.
    let mut told: libc::timex = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the kernel reads and writes one structure, which outlives the call.
    let state = sys::check(unsafe { libc::adjtimex(&raw mut told) })?;
    let micros = |value: i64| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    Ok(Timekeeping {
        synchronised: state != libc::TIME_ERROR && told.status & libc::STA_UNSYNC == 0,
        error: micros(told.esterror),
        error_max: micros(told.maxerror),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_tells() {
        let told = timekeeping().unwrap();
        // An error of hours would be somebody's wrong unit.
        assert!(told.error <= Duration::from_secs(3600), "{told:?}");
    }
}
