//! Frames that belong to other workers: given to them, and taken from them.

use ringtap_capture::Frame;
use ringtap_common::classify::{Class, Ports};
use ringtap_common::peel::Tunnel;

use super::{As, Given, Spread};
use crate::ledger::Disposition;
use crate::worker::Worker;
use crate::worker::decode::Decoded;
use crate::worker::exchange::Note;

impl<P: Ports> Worker<P> {
    /// Puts a frame into a worker's ring; whoever takes it out counts it.
    #[inline]
    pub(in crate::worker) fn give(&mut self, to: usize, frame: &Frame<'_>) {
        let Some(spread) = &mut self.parts.spread else { return };
        if !spread.give(to, frame, As::Read) {
            spread.lose();
            self.tally.received += 1;
            self.tally.bytes += u64::from(frame.wire_len);
            self.tally.count(Disposition::SpreadLost);
        }
    }

    /// Gives media that was put together out of pieces to the worker that has the rest of its
    /// stream; the pieces were counted here. False: it is to be taken here.
    pub(in crate::worker) fn give_whole(&mut self, decoded: &Decoded<'_>) -> bool {
        let Some(spread) = self.parts.spread.as_mut().filter(|_| decoded.class == Class::Rtp)
        else {
            return false;
        };
        let Some(to) = spread.elsewhere(decoded) else { return false };
        let (frame, _) = decoded.bare();
        spread.give(to, &frame, As::Whole(decoded.tunnel.as_ref()))
    }

    /// What comes now was read from this source of the worker.
    pub fn read_from(&mut self, source: usize) {
        if let Some(spread) = &mut self.parts.spread {
            spread.read_from(source);
        }
    }

    /// All that a source of this worker had before a time has been taken.
    pub fn has_read(&self, source: usize, until_ns: u64) {
        if let Some(spread) = &self.parts.spread {
            spread.has_read(source, until_ns);
        }
    }

    /// Takes what lies in this worker's rings: how many frames, and the time before which nothing
    /// is left, no later than that up to which it has read its own sources.
    pub(in crate::worker) fn take_given(&mut self, now_ns: u64, passed_ns: u64) -> (u64, u64) {
        let Some(spread) = &mut self.parts.spread else { return (0, passed_ns) };
        let (mut inbox, read, due_ns) = spread.begin(now_ns);
        let before = self.tally.received;
        let left_ns = inbox.take(&read, (now_ns, due_ns), |given| match given {
            Given::Frames(frames) => self.frames(frames),
            Given::Whole(frame, tunnel) => self.whole(frame, tunnel),
        });
        if let Some(spread) = &mut self.parts.spread {
            spread.end(inbox);
        }
        (self.tally.received - before, passed_ns.min(left_ns))
    }

    /// At the end: takes what others still give, until all sources have been read to their end.
    pub(in crate::worker) fn take_last(&mut self) {
        if let Some(spread) = &self.parts.spread {
            spread.has_read_all();
        }
        while self.take_given(0, u64::MAX).1 < u64::MAX && !self.parts.progress.failed() {
            self.parts.exchange.collect();
            std::thread::yield_now();
        }
    }

    fn whole(&mut self, frame: Frame<'_>, tunnel: Option<Tunnel>) {
        let Ok(mut seen) = self.look(frame) else { return };
        seen.decoded.tunnel = tunnel;
        self.fetch(std::slice::from_mut(&mut seen));
        self.take(&seen);
    }

    /// Frames may be given to this worker at any time.
    pub fn is_given_to(&self, now_ns: u64) -> bool {
        self.parts.spread.as_ref().is_some_and(|spread| spread.is_busy(now_ns))
    }

    /// Frames of this worker's sources that found no room on their way to others.
    pub fn spread_lost(&self) -> u64 {
        self.parts.spread.as_ref().map_or(0, Spread::lost)
    }

    /// This worker's sources lost frames between two moments of its clock. They were others' too
    /// where it gives frames away.
    pub fn dropped(&mut self, from_ns: u64, until_ns: u64, frames: u64) {
        self.parts.streams.instants.dropped(from_ns, until_ns, frames);
        if self.parts.spread.as_ref().is_some_and(Spread::has_given) {
            let note = || Note::Dropped { from_ns, until_ns, frames };
            self.parts.exchange.tell_others((until_ns, u64::MAX), note);
        }
    }
}
