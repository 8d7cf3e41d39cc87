//! Lines of logs (type 100): what is kept of one, and how many of one call.

use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_cdr::LINES_MAX;

/// Bytes that are kept of a line.
const LINE_MAX: usize = 2048;

/// Bytes of all lines of one call.
const BYTES_MAX: usize = 128 << 10;

/// Calls whose lines are counted; the one that was silent for longest is forgotten first.
const CALLS_MAX: usize = 4096;

/// The text of a payload: one line, without what a terminal would take for commands.
pub(super) fn text(payload: &[u8]) -> String {
    let cut = payload.get(..LINE_MAX).unwrap_or(payload);
    let text = String::from_utf8_lossy(cut);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(plain).collect()
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    lines: usize,
    bytes: usize,
    heard_ns: u64,
}

/// What was kept of each call.
#[derive(Debug, Default)]
pub(super) struct Lines {
    calls: Mutex<HashMap<u64, Kept, RandomState>>,
}

impl Lines {
    /// Whether a line of so many bytes is kept as well.
    pub(super) fn admit(&self, call: u64, bytes: usize, clock_ns: u64) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= CALLS_MAX && !calls.contains_key(&call) {
            let oldest = calls.iter().min_by_key(|(_, kept)| kept.heard_ns).map(|(call, _)| *call);
            oldest.map(|call| calls.remove(&call));
        }
        let kept = calls.entry(call).or_default();
        kept.heard_ns = clock_ns;
        if kept.lines >= LINES_MAX || kept.bytes + bytes > BYTES_MAX {
            return false;
        }
        kept.lines += 1;
        kept.bytes += bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_harmless() {
        assert_eq!(text(b"  one\r\ntwo\x1b[2J \xff\n"), "one  two [2J \u{fffd}");
        assert_eq!(text(&[b'x'; 5000]).len(), LINE_MAX);
        assert_eq!(text(b" \n"), "");
    }

    #[test]
    fn lines_and_bytes_of_a_call_are_bounded_and_calls_are() {
        let lines = Lines::default();
        let kept = (0..300).filter(|at| lines.admit(1, 10, *at)).count();
        assert_eq!(kept, LINES_MAX);
        let kept = (0..300).filter(|at| lines.admit(2, LINE_MAX, *at)).count();
        assert_eq!(kept, BYTES_MAX / LINE_MAX);
        for call in 0..=CALLS_MAX as u64 {
            assert!(lines.admit(10 + call, 1, 1000 + call));
        }
        assert_eq!(lines.calls.lock().unwrap().len(), CALLS_MAX);
        assert!(lines.admit(1, 10, 9999), "it was forgotten");
    }
}
