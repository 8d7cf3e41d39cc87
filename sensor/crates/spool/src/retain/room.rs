//! How the spool thread asks for room, and waits for it no longer than its patience.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why the keeper looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// It is time.
    Time,
    /// The disk is full, and the spool thread waits.
    Full,
    /// It is over.
    Stop,
}

/// Between the spool thread and the keeper.
#[derive(Debug, Default)]
pub(crate) struct Room {
    talk: Mutex<Talk>,
    asked: Condvar,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Talk {
    wanted: bool,
    answer: Option<bool>,
    stop: bool,
}

impl Room {
    /// Asks for room. False: nothing may go, or not in time.
    pub(crate) fn ask(&self, patience: Duration) -> bool {
        let mut talk = self.talk();
        (talk.wanted, talk.answer) = (true, None);
        self.asked.notify_one();
        let waited = self.answered.wait_timeout_while(talk, patience, |talk| talk.answer.is_none());
        let (mut talk, _) = waited.unwrap_or_else(PoisonError::into_inner);
        talk.answer.take().unwrap_or(false)
    }

    /// Ends the keeper.
    pub(super) fn stop(&self) {
        self.talk().stop = true;
        self.asked.notify_one();
    }

    /// Waits until there is something to do, at most so long.
    pub(super) fn wait(&self, every: Duration) -> Wake {
        let idle = |talk: &mut Talk| !talk.wanted && !talk.stop;
        let waited = self.asked.wait_timeout_while(self.talk(), every, idle);
        let (mut talk, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if talk.stop {
            Wake::Stop
        } else if std::mem::take(&mut talk.wanted) {
            Wake::Full
        } else {
            Wake::Time
        }
    }

    pub(super) fn answer(&self, made: bool) {
        self.talk().answer = Some(made);
        self.answered.notify_one();
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
