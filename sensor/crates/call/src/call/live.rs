//! Calls while they run: looked at, never changed.
//!
//! The latest first, so that whoever looks can stop where it likes and go on from there later.

use super::Call;
use crate::calls::Calls;
use crate::key::{CallKey, check_of};
use crate::summary::CallSummary;

/// How far a call that runs has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The INVITE is on its way.
    Trying,
    /// A provisional response above 100 came.
    Ringing,
    /// Answered.
    Answered,
    /// Answered, and one side put the other on hold.
    OnHold,
    /// Hung up, cancelled or refused; kept for what still belongs to it.
    Ending,
}

impl State {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::OnHold => "on hold",
            Self::Ending => "ending",
        }
    }
}

/// A call that runs.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// What its signalling has said so far; there is no end in it yet.
    pub summary: &'a CallSummary,
    /// How far it is.
    pub state: State,
}

/// Where a call stands among those that run: instance, then key.
pub type Place = (u64, CallKey);

impl Call {
    fn live(&self) -> Live<'_> {
        let (summary, progress) = (&self.summary, &self.progress);
        let refused = progress.failed.is_some() || progress.cancelled.is_some();
        let state = if progress.bye.is_some() {
            State::Ending
        } else if summary.connected.is_some() {
            let held = summary.holds.last().is_some_and(|(_, end)| end.is_none());
            if held { State::OnHold } else { State::Answered }
        } else if refused {
            State::Ending
        } else if summary.progress.is_some() {
            State::Ringing
        } else {
            State::Trying
        };
        Live { summary, state }
    }
}

impl Calls {
    /// The call of that Call-ID, if it runs.
    pub fn find(&self, call_id: &[u8]) -> Option<Live<'_>> {
        let call = self.running(CallKey::of(self.realm(), call_id))?;
        (call.check == check_of(call_id)).then(|| call.live())
    }

    /// The calls that run, the latest first; with `before`, only those that stand before that
    /// place.
    pub fn latest(&self, before: Option<Place>) -> impl Iterator<Item = (Place, Live<'_>)> {
        let end = before.unwrap_or((u64::MAX, CallKey(u64::MAX)));
        let places = self.places().range(..end).rev();
        places.filter_map(|place| Some((*place, self.running(place.1)?.live())))
    }
}
