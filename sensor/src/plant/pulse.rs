//! Whether the spool's disk answers. It is looked at from outside: who writes cannot tell.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use ringtap_cdr::clock::push_rfc3339;

/// A disk that is busy answers sooner than this.
const SILENCE: Duration = Duration::from_secs(5);

/// The spool's pulse.
#[derive(Debug)]
pub(super) struct Pulse {
    beats: u64,
    moved: Instant,
    silent: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { beats: 0, moved: Instant::now(), silent: false }
    }
}

impl Pulse {
    /// Feels it, and says what has changed. Gives the seconds for which the disk has been silent.
    pub(super) fn feel(&mut self, beats: u64, root: &Path, now: Instant) -> Option<u64> {
        if beats != self.beats {
            (self.beats, self.moved) = (beats, now);
            if std::mem::take(&mut self.silent) {
                tracing::info!("the spool {} answers again", root.display());
            }
            return None;
        }
        let silence = now.saturating_duration_since(self.moved);
        if silence < SILENCE {
            return None;
        }
        if !self.silent {
            self.silent = true;
            let since = SystemTime::now().checked_sub(silence).unwrap_or(SystemTime::UNIX_EPOCH);
            let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let mut text = String::new();
            push_rfc3339(&mut text, u64::try_from(since.as_micros()).unwrap_or(0));
            let root = root.display();
            tracing::error!(
                "the spool {root} has not answered since {text}: packets wait in memory and are \
                 lost when that is full; records go on"
            );
        }
        Some(silence.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_after_a_while_and_ends_with_a_beat() {
        let mut pulse = Pulse::default();
        let begin = Instant::now();
        let feel = |pulse: &mut Pulse, beats, seconds| {
            pulse.feel(beats, Path::new("/r"), begin + Duration::from_secs(seconds))
        };
        assert_eq!(feel(&mut pulse, 1, 0), None);
        assert_eq!(feel(&mut pulse, 1, 4), None);
        assert_eq!(feel(&mut pulse, 1, 7), Some(7));
        assert!(pulse.silent);
        assert_eq!(feel(&mut pulse, 2, 8), None);
        assert!(!pulse.silent);
        assert_eq!(feel(&mut pulse, 2, 12), None);
    }
}
