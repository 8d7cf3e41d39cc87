//! How a worker's steps are ordered against those of the others.
//!
//! Files: in numbered ticks. Claims and closes of tick *t* reach every stream before tick
//! *t + [`LAG_TICKS`]*, no sooner and no later, so that any number of workers gives the same
//! records. Live: by the clock. A message waits until every worker has passed its time, at most
//! [`PATIENCE_NS`]; claims work at once.

use std::collections::VecDeque;
use std::sync::Arc;

use ringtap_capture::Frame;
use ringtap_common::classify::Ports;

use super::Worker;
use super::endpoints::CallInstance;
use super::exchange::{Note, Progress, StreamsOf};
use crate::ledger::{Disposition, Event};
use crate::plant::reader::Tick;

/// Ticks after which what a tick's SIP said works on the streams.
pub const LAG_TICKS: u64 = 2;

/// Live: how long a message waits for a worker that lags behind. Idle workers do not lag, so this
/// is only ever used up where a worker gets no processor.
const PATIENCE_NS: u64 = 300_000_000;

/// How often streams are looked over for those that have ended.
pub(super) const SWEEP_NS: u64 = 1_000_000_000;

/// How often workers tell each other when their streams lost packets.
const INSTANTS_NS: u64 = 100_000_000;

/// The place after all frames; a few positions follow it for the last steps.
const END: u64 = u64::MAX - 8;

/// The order of one worker's steps.
#[derive(Debug)]
pub enum Pace {
    /// Numbered ticks.
    Files {
        /// The tick being worked on.
        tick: u64,
        /// Ticks whose SIP has not been handled yet.
        pending: VecDeque<Tick>,
    },
    /// The clock.
    Live {
        /// Up to here the shard has handled its notes.
        handled: u64,
    },
}

impl Pace {
    /// For files.
    pub fn files() -> Self {
        Self::Files { tick: 0, pending: VecDeque::with_capacity(64) }
    }

    /// For live sources.
    pub fn live() -> Self {
        Self::Live { handled: 0 }
    }

    /// Whether a stream's RTCP can come to another worker than the stream.
    pub fn scatters_rtcp(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    /// The place of what a frame causes.
    pub fn place(&self, frame: &Frame<'_>) -> (u64, u64) {
        match self {
            Self::Files { tick, .. } => (*tick, frame.order),
            Self::Live { .. } => (frame.clock, frame.order),
        }
    }
}

impl<P: Ports> Worker<P> {
    /// One tick of a file: the frames of this worker's share.
    pub fn tick<'a>(&mut self, tick: Tick, frames: impl Iterator<Item = Frame<'a>>) {
        if let Pace::Files { tick: current, .. } = &mut self.parts.pace {
            *current = tick.number;
        }
        self.settle(tick.number);
        self.frames(frames);
        self.look_over(tick.number, tick.clock_ns);
        self.parts.progress.media_done(self.index(), tick.number + 1);
        if let Pace::Files { pending, .. } = &mut self.parts.pace {
            pending.push_back(tick);
        }
        self.shard_ticks();
    }

    /// One round of a live worker, after its frames. `now_ns` was read before they were asked
    /// for; every frame of its own sources before `passed_ns` has been taken. Gives the number of
    /// frames that came from other workers.
    pub fn round(&mut self, now_ns: u64, passed_ns: u64) -> u64 {
        let index = self.index();
        let (given, passed_ns) = self.take_given(now_ns, passed_ns);
        self.parts.progress.media_done(index, passed_ns);
        self.parts.exchange.collect();
        let until = self.parts.progress.media().max(now_ns.saturating_sub(PATIENCE_NS));
        if let Pace::Live { handled } = &mut self.parts.pace
            && until > *handled
        {
            *handled = until;
        }
        let Pace::Live { handled } = self.parts.pace else { return given };
        self.parts.shard.advance(handled, &mut self.parts.exchange, &mut self.tally);
        self.parts.shard.tick(handled, handled, &mut self.parts.exchange, &mut self.tally);
        self.parts.progress.calls_done(index, handled);
        self.apply(u64::MAX, now_ns);
        self.look_over(now_ns, now_ns);
        if let Some(respondent) = &mut self.respondent {
            respondent.round(&self.parts.shard, &self.parts.streams, now_ns);
        }
        self.publish();
        given
    }

    /// The capture is over: everything that is under way becomes records. All workers do this at
    /// the same time.
    pub fn finish(&mut self) {
        let index = self.index();
        self.take_last();
        self.tell_instants(END - 1);
        self.signalling.finish(END - 1, &mut self.parts.exchange);
        self.sweep(END - 1, self.sweep_due_ns.saturating_sub(SWEEP_NS));
        self.parts.progress.media_done(index, END);
        self.wait_until(|progress| progress.media() >= END);
        self.shard_ticks();
        self.parts.exchange.collect();
        self.parts.shard.advance(END, &mut self.parts.exchange, &mut self.tally);
        self.parts.shard.finish(END, &mut self.parts.exchange, &mut self.tally);
        self.parts.progress.calls_done(index, END + 1);

        self.wait_until(|progress| progress.calls() > END);
        self.apply(u64::MAX, END + 1);
        self.parts.progress.media_done(index, END + 2);

        self.wait_until(|progress| progress.media() >= END + 2);
        self.parts.exchange.collect();
        self.parts.shard.advance(u64::MAX, &mut self.parts.exchange, &mut self.tally);
        self.give_up_pieces(u64::MAX);
        self.parts.streams.finish(self.parts.spool.as_mut());
        self.lone(END + 2);
        self.publish();
    }

    /// Makes this worker's counters visible.
    pub fn publish(&mut self) {
        self.signalling.report(&mut self.tally);
        self.tally.set(Event::SipRingFull, self.parts.exchange.lost());
        self.tally.set(Event::TiesOmitted, self.parts.shard.ties_omitted());
        self.tally.set(Event::CorrelationsForgotten, self.parts.shard.tokens_forgotten());
        self.tally.set(Event::VqForgotten, self.parts.shard.vq_forgotten());
        let ended_forgotten = self.parts.streams.endpoints.ended_forgotten();
        self.tally.set(Event::EndedForgotten, ended_forgotten);
        let outside = self.parts.shard.outside_counters();
        self.tally.set(Event::SipRefused, outside.refused + outside.registrations_refused);
        self.tally.set(Event::SipUnwanted, outside.unwanted);
        if let Some(spool) = &self.parts.spool {
            self.tally.set(Event::SpoolTableFull, spool.table_full());
        }
        if let Some(teller) = &self.upstream {
            self.tally.set(Event::LearnedLost, teller.lost());
        }
        self.parts.published.publish(&self.tally);
    }

    fn index(&self) -> usize {
        usize::from(self.parts.exchange.worker())
    }

    /// Waits until the claims and closes that tick `number` needs have been made, and applies
    /// them.
    fn settle(&mut self, number: u64) {
        let until = (number + 1).saturating_sub(LAG_TICKS);
        if self.parts.progress.calls() < until {
            self.wait_until(|progress| progress.calls() >= until);
        }
        self.apply(until, number);
    }

    /// Applies claims and closes before `until`; answers carry position `at`.
    fn apply(&mut self, until: u64, at: u64) {
        let parts = &mut self.parts;
        parts.exchange.collect();
        while let Some(stamped) = parts.exchange.next_for_media(until) {
            match stamped.note {
                Note::Claim(claim) => {
                    let new = parts.streams.claim(&claim, &mut self.tally);
                    if let (true, Some(teller)) = (new, &mut self.upstream) {
                        teller.learn(&claim);
                    }
                }
                Note::Instants { worker, told } => parts.streams.instants.hear(worker, &told),
                Note::Dropped { from_ns, until_ns, frames } => {
                    parts.streams.instants.dropped(from_ns, until_ns, frames);
                }
                Note::Rtcp(rtcp) => {
                    parts.streams.rtcp(&rtcp.flow, &rtcp.bytes, rtcp.clock_ns);
                }
                Note::Close { ended, shard } => {
                    if let Some(teller) = &mut self.upstream {
                        let endpoints = parts.streams.endpoints_of(ended.call);
                        endpoints.iter().for_each(|at| teller.forget(*at));
                    }
                    let streams = parts.streams.close(&ended, parts.spool.as_mut());
                    let (call, instance) = ended.call;
                    let answer = StreamsOf { call, instance, streams };
                    let answer = Note::Streams(Box::new(answer));
                    parts.exchange.send(usize::from(shard), (at, 0), answer);
                }
                // These go to the other waiting room.
                Note::Streams(_)
                | Note::Media { .. }
                | Note::Sip(_)
                | Note::Token { .. }
                | Note::Correlated(_) => {}
            }
        }
    }

    /// Handles, tick by tick, the SIP of all ticks that every worker has passed.
    fn shard_ticks(&mut self) {
        let index = self.index();
        let Pace::Files { pending, .. } = &mut self.parts.pace else { return };
        while let Some(tick) = pending.front() {
            if self.parts.progress.media() <= tick.number {
                return;
            }
            self.parts.exchange.collect();
            let (exchange, tally) = (&mut self.parts.exchange, &mut self.tally);
            self.parts.shard.advance(tick.number + 1, exchange, tally);
            self.parts.shard.tick(tick.number, tick.clock_ns, exchange, tally);
            self.parts.progress.calls_done(index, tick.number + 1);
            pending.pop_front();
        }
    }

    /// About once a second of its clock: ends silent streams, and tells shards which calls have
    /// media.
    fn look_over(&mut self, at: u64, clock_ns: u64) {
        if let Some(spool) = &mut self.parts.spool {
            spool.tick(clock_ns);
        }
        if clock_ns >= self.instants_due_ns {
            self.instants_due_ns = clock_ns.saturating_add(INSTANTS_NS);
            self.tell_instants(at);
        }
        if clock_ns < self.sweep_due_ns {
            return;
        }
        self.give_up_pieces(clock_ns);
        self.signalling.expire(clock_ns, at, &mut self.parts.exchange);
        self.sweep_due_ns = clock_ns.saturating_add(SWEEP_NS);
        self.sweep(at, clock_ns);
    }

    /// Ends silent streams, and tells shards which calls have media.
    fn sweep(&mut self, at: u64, clock_ns: u64) {
        let mut alive: Vec<(CallInstance, u64)> = std::mem::take(&mut self.alive);
        let spool = self.parts.spool.as_mut();
        self.parts.streams.sweep(clock_ns, spool, |call, seen_ns| alive.push((call, seen_ns)));
        let workers = self.parts.exchange.workers() as u64;
        for ((call, _), clock_ns) in alive.drain(..) {
            let shard = (call.0 % workers) as usize;
            self.parts.exchange.send(shard, (at, 0), Note::Media { call, clock_ns });
        }
        self.alive = alive;
        self.lone(at);
    }

    /// Tells all workers when streams of this one lost packets.
    fn tell_instants(&mut self, at: u64) {
        let instants = &mut self.parts.streams.instants;
        self.tally.note_many(Event::BlameOmitted, instants.take_omitted());
        let Some(told) = instants.tell() else { return };
        let (worker, told) = (self.parts.exchange.worker(), Arc::new(told));
        let note = || Note::Instants { worker, told: Arc::clone(&told) };
        self.parts.exchange.broadcast((at, u64::MAX), note);
    }

    /// Fragments whose other parts never came are lost.
    fn give_up_pieces(&mut self, clock_ns: u64) {
        let Some(fragments) = &mut self.fragments else { return };
        fragments.expire(clock_ns);
        let lost = fragments.counters().lost_pieces;
        let new = lost - self.pieces_lost;
        self.pieces_lost = lost;
        let fragments = fragments.counters();
        for (event, value) in [
            (Event::FragmentsUnusable, fragments.rejected),
            (Event::DatagramsExpired, fragments.expired),
            (Event::DatagramsEvicted, fragments.evicted),
        ] {
            self.tally.set(event, value);
        }
        self.tally.recount(Disposition::Fragment, Disposition::FragmentLost, new);
    }

    fn lone(&mut self, at: u64) {
        let (shard, tally) = (&mut self.parts.shard, &mut self.tally);
        for finished in self.parts.streams.take_lone() {
            shard.lone(at, &finished, tally);
        }
    }

    /// Waits for the other workers; works on this one's shard and inbox meanwhile, so that they
    /// can go on.
    fn wait_until(&mut self, done: impl Fn(&Progress) -> bool) {
        let mut rounds = 0u32;
        while !done(&self.parts.progress) && !self.parts.progress.failed() {
            self.shard_ticks();
            self.parts.exchange.collect();
            rounds = rounds.saturating_add(1);
            match rounds {
                0..64 => std::hint::spin_loop(),
                64..256 => std::thread::yield_now(),
                _ => std::thread::park_timeout(std::time::Duration::from_micros(50)),
            }
        }
    }
}
