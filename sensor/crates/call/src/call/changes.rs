//! Changes inside of the dialog: re-INVITE and UPDATE, the holds they make, the session timer they
//! keep.
//!
//! An offer counts once it is accepted, from when it was made (RFC 3264 §8.4).

use ringtap_sip::sdp::{Direction, MediaKind, Sdp};
use ringtap_sip::{Message, Method, Text};

use super::Call;
use crate::counters::Counters;
use crate::event::{Moment, Side};
use crate::side::Reading;
use crate::summary::HOLDS_MAX;
use crate::summary::facts::SessionTimer;

/// The longest a refresh is due before the session expires (RFC 4028 §10), in nanoseconds.
const REFRESH_EARLY_MAX_NS: u64 = 32_000_000_000;
/// RTP's discard port, which ICE agents write before they know better (RFC 8840 §4.1.3).
const DISCARD: u16 = 9;

/// What one side does with audio, by its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    sends: bool,
    receives: bool,
}

/// The last re-INVITE or UPDATE of one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    method: Method,
    cseq: u32,
    at: Moment,
    offer: Option<Ways>,
    open: bool,
}

/// What [`Call`] remembers of changes, for each side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    last: [Option<Change>; 2],
    holding: [bool; 2],
}

impl Call {
    /// A re-INVITE or UPDATE of this side. True: it is seen for the first time.
    pub(super) fn on_change(&mut self, reading: &Reading<'_>, side: Side, at: Moment) -> bool {
        let Some(last) = self.changes.last.get_mut(side as usize) else { return false };
        let (method, cseq) = (reading.method, reading.cseq);
        if last.is_some_and(|change| change.method == method && change.cseq >= cseq) {
            return false;
        }
        let offer = reading.message.sdp().and_then(|sdp| ways(&sdp));
        *last = Some(Change { method, cseq, at, offer, open: true });
        true
    }

    /// A final response to a re-INVITE or UPDATE that `side` answers.
    pub(super) fn on_change_response(
        &mut self,
        reading: &Reading<'_>,
        side: Side,
        at: Moment,
        counters: &mut Counters,
    ) {
        let asked = side.other();
        let Some(Some(change)) = self.changes.last.get_mut(asked as usize) else { return };
        let same = change.method == reading.method && change.cseq == reading.cseq;
        if !same || !change.open || reading.status < 200 {
            return;
        }
        change.open = false;
        let change = *change;
        if reading.status >= 300 {
            self.summary.counts.glares += u32::from(reading.status == 491);
            return;
        }
        if self.summary.connected.is_none() {
            return;
        }
        self.refresh(reading.message, asked, at);
        let answer = reading.message.sdp().and_then(|sdp| ways(&sdp));
        match (change.offer, answer) {
            (Some(offer), answer) => {
                self.hold(asked, !offer.receives, change.at, counters);
                // Whoever is not sent to may hold or not: nothing shows it.
                if let Some(answer) = answer.filter(|_| offer.sends) {
                    self.hold(side, !answer.receives, change.at, counters);
                }
            }
            // The INVITE made no offer: this is it.
            (None, Some(offer)) if reading.method == Method::Invite => {
                self.hold(side, !offer.receives, at, counters);
            }
            (None, _) => {}
        }
    }

    /// A side holds the other one from now on, or does no longer.
    fn hold(&mut self, side: Side, holds: bool, at: Moment, counters: &mut Counters) {
        let holding = &mut self.changes.holding;
        let before = holding.contains(&true);
        if let Some(mine) = holding.get_mut(side as usize) {
            *mine = holds;
        }
        let after = holding.contains(&true);
        let list = &mut self.summary.holds;
        if before && !after {
            if let Some((_, end @ None)) = list.last_mut() {
                *end = Some(at);
            }
        } else if after && !before {
            if list.len() < HOLDS_MAX {
                list.push((at, None));
            } else {
                counters.dialog_omitted += 1;
            }
        }
    }

    /// The answer to the first INVITE sets the session timer.
    pub(super) fn start_timer(&mut self, reading: &Reading<'_>, at: Moment) {
        if self.summary.timer.is_none() {
            self.refresh(reading.message, Side::Caller, at);
            if let Some(timer) = &mut self.summary.timer {
                timer.refreshes = 0;
            }
        }
    }

    /// A 2xx to an INVITE or UPDATE of `asked` sets the timer anew, or off: without
    /// Session-Expires there is none (RFC 4028 §7.2).
    fn refresh(&mut self, message: &Message<'_>, asked: Side, at: Moment) {
        let Some((expires_s, refresher)) = session_expires(message) else {
            self.timer_runs = false;
            return;
        };
        let refresher = refresher.map(|asks| if asks { asked } else { asked.other() });
        let old = self.summary.timer;
        let missed = old.is_some_and(|old| {
            old.missed || (self.timer_runs && at.since_ns(old.last) > interval_ns(&old))
        });
        self.summary.timer = Some(SessionTimer {
            expires_s,
            refresher: refresher.or(old.and_then(|old| old.refresher)),
            refreshes: old.map_or(0, |old| old.refreshes.saturating_add(1)),
            last: at,
            missed,
            ended_call: false,
        });
        self.timer_runs = true;
    }

    /// The call is over: was the last refresh in time?
    pub(super) fn end_timer(&mut self) {
        let end = self.summary.bye_sent.unwrap_or(self.summary.end);
        let hung_up = self.summary.bye_sent.is_some();
        let runs = self.timer_runs;
        if let Some(timer) = self.summary.timer.as_mut().filter(|_| runs) {
            let (since, whole) = (end.since_ns(timer.last), interval_ns(timer));
            timer.missed |= since > whole;
            let early = (whole / 3).min(REFRESH_EARLY_MAX_NS);
            timer.ended_call = hung_up && since >= whole.saturating_sub(early);
        }
    }
}

fn interval_ns(timer: &SessionTimer) -> u64 {
    u64::from(timer.expires_s) * 1_000_000_000
}

/// Session-Expires: seconds, and whether the one that asked refreshes.
fn session_expires(message: &Message<'_>) -> Option<(u32, Option<bool>)> {
    let value = message.header("Session-Expires").next()?;
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let seconds = std::str::from_utf8(parts.next()?).ok()?.trim().parse().ok()?;
    let refresher = parts.find_map(|part| {
        let (name, value) = Text::new(part).plain()?.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("refresher");
        named.then(|| value.trim().eq_ignore_ascii_case("uac"))
    });
    Some((seconds, refresher))
}

/// What a description says of its side's audio; `None` where it has none.
fn ways(sdp: &Sdp<'_>) -> Option<Ways> {
    let mut all: Option<Ways> = None;
    for media in sdp.media().filter(|m| m.kind == MediaKind::Audio && m.port != 0) {
        let direction = media.direction();
        // The old way to hold (RFC 2543): receive at no address.
        let nowhere = media.connection().is_some_and(|ip| ip.is_unspecified())
            && media.port != DISCARD
            && media.candidates().next().is_none();
        let sends = matches!(direction, Direction::SendRecv | Direction::SendOnly);
        let receives = matches!(direction, Direction::SendRecv | Direction::RecvOnly) && !nowhere;
        let old = all.unwrap_or(Ways { sends: false, receives: false });
        all = Some(Ways { sends: old.sends || sends, receives: old.receives || receives });
    }
    all
}
