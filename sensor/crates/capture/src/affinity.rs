//! Pins the thread that works on a queue to a processor, and lets it go before others there.
//!
//! Which worker gets which processor is decided by whoever starts the workers.

use std::io;

use core_affinity::CoreId;

use crate::sys;

/// The processors that this process may use, in rising order.
pub fn processors() -> Vec<usize> {
    let mut ids: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    ids.sort_unstable();
    ids
}

/// Pins the calling thread to a processor; `false` if the system refuses.
pub fn pin(processor: usize) -> bool {
    processors().contains(&processor) && core_affinity::set_for_current(CoreId { id: processor })
}

/// Gives the calling thread a real-time priority (1 to 99). On an overloaded processor it then goes
/// before the kernel's receive thread, which otherwise spends the time on frames that nobody takes.
pub fn prefer(priority: u8) -> io::Result<()> {
    sys::real_time(priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_where_it_asked_to_be() {
        let before = processors();
        let &last = before.last().unwrap();
        let after = std::thread::spawn(move || {
            assert!(pin(last));
            assert!(!pin(100_000));
            processors()
        });
        assert_eq!(after.join().unwrap(), [last]);
        assert_eq!(processors(), before);
    }
}
