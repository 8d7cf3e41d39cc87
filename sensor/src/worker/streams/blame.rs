//! Whose loss it was: the sensor's own, the mirror's, or the network's.
//!
//! Packets missing from a stream while this worker's own sockets dropped frames may be lost here.
//! Where a large part of all streams of an interface finds packets missing at one moment, the
//! mirror that feeds it (or a link that all share) has stopped for that moment. What is left is
//! the network's. Nothing is done for a packet that is simply the next one.
//!
//! Gaps are counted in steps of [`STEP_NS`] by the packet that ends them. Workers tell each other
//! their counts ten times a second, at positions of the exchange: so every worker judges by the
//! same figures, and the number of workers does not show.

use std::cell::Cell;
use std::collections::VecDeque;

use ringtap_media::{Hole, Stream};

/// Length of one step, ns.
pub const STEP_NS: u64 = 10_000_000;
/// Steps that are remembered: ten seconds.
const STEPS: usize = 1024;
/// Steps that make one moment: streams of 20 ms see the end of an outage within 20 ms.
const MOMENT: u64 = 3;
/// Steps before the end of a gap in which an outage may have ended.
const BACK: u64 = 5;
/// Steps before a moment by which it is told what is usual.
const USUAL: u64 = 100;
/// Gaps in one moment that are too few to mean anything.
const GAPS_MIN: u32 = 8;
/// A moment has so many times more gaps than usual.
const TIMES_USUAL: u64 = 6;
/// Interfaces that are told apart; the rest is not judged.
const ORIGINS_MAX: usize = 16;
/// Counts that wait to be told to the others.
const FRESH_MAX: usize = 4096;
/// Intervals with drops that are remembered.
const DROPS_MAX: usize = 128;
/// Holes of one stream that wait to be judged.
const HOLES_MAX: usize = 24;
/// Holes are judged when they are so old: everything late has come, all workers have told.
pub const SETTLED_NS: u64 = 3_000_000_000;
/// Moments that are kept as evidence for one stream.
pub const EVIDENCE_MAX: usize = 16;

/// What may have taken packets before they were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Sockets of this worker dropped frames meanwhile.
    Sensor,
    /// Many streams of the interface miss packets at this moment.
    Mirror,
}

/// One moment at which a stream lost packets that may not be the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Arrival of the packet after the gap, UNIX ns.
    pub ts_ns: u64,
    /// Packets lost.
    pub lost: u32,
    /// Who may have lost them.
    pub cause: Cause,
    /// Sensor: frames dropped meanwhile. Mirror: streams that had a gap at this moment.
    pub seen: u32,
    /// Mirror: streams that were running.
    pub of: u32,
}

/// What of a stream's loss is not the network's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// Packets that the sensor may have lost.
    pub sensor: u64,
    /// Packets that the mirror may have lost.
    pub mirror: u64,
    /// The first moments, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<Evidence>,
}

impl Blame {
    /// Adds a later part of the stream.
    pub fn merge(&mut self, later: Self) {
        self.sensor += later.sensor;
        self.mirror += later.mirror;
        let room = EVIDENCE_MAX.saturating_sub(self.evidence.len());
        self.evidence.extend(later.evidence.into_iter().take(room));
    }

    fn note(&mut self, evidence: Evidence) {
        let lost = u64::from(evidence.lost);
        match evidence.cause {
            Cause::Sensor => self.sensor += lost,
            Cause::Mirror => self.mirror += lost,
        }
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence);
        }
    }
}

/// One stream's holes that wait, and what was found of earlier ones.
#[derive(Debug, Default)]
pub(in crate::worker) struct Suspicion {
    /// The newest, which grows while its step lasts.
    newest: Option<Hole>,
    /// Those before it.
    holes: VecDeque<Hole>,
    blame: Blame,
}

impl Suspicion {
    /// A packet has jumped over numbers.
    pub(in crate::worker) fn push(
        &mut self,
        hole: Hole,
        stream: &Stream,
        origin: u16,
        instants: &mut Instants,
    ) {
        let step = hole.clock_ns / STEP_NS;
        let newest = self.newest.as_mut().filter(|newest| newest.clock_ns / STEP_NS == step);
        if newest.is_some_and(|newest| newest.extend(&hole)) {
            return;
        }
        instants.note(origin, hole.clock_ns);
        let Some(before) = self.newest.replace(hole) else { return };
        if self.holes.len() >= HOLES_MAX {
            self.judge_oldest(stream, origin, instants);
        }
        self.holes.push_back(before);
    }

    /// Holes wait that are old enough.
    pub(in crate::worker) fn is_due(&self, now_ns: u64) -> bool {
        self.oldest().is_some_and(|hole| hole.clock_ns + SETTLED_NS <= now_ns)
    }

    /// Judges the holes up to a moment.
    pub(in crate::worker) fn judge(
        &mut self,
        until_ns: u64,
        stream: &Stream,
        origin: u16,
        instants: &Instants,
    ) {
        while self.oldest().is_some_and(|hole| hole.clock_ns <= until_ns) {
            self.judge_oldest(stream, origin, instants);
        }
    }

    fn oldest(&self) -> Option<&Hole> {
        self.holes.front().or(self.newest.as_ref())
    }

    fn judge_oldest(&mut self, stream: &Stream, origin: u16, instants: &Instants) {
        let Some(hole) = self.holes.pop_front().or_else(|| self.newest.take()) else { return };
        if let Some(evidence) = instants.judge(origin, &hole, stream) {
            self.blame.note(evidence);
        }
    }

    /// What was found, and what would be found of the holes that wait if they were judged now.
    pub(in crate::worker) fn so_far(
        &self,
        stream: &Stream,
        origin: u16,
        instants: &Instants,
    ) -> Blame {
        let mut blame = self.blame.clone();
        let holes = self.holes.iter().chain(&self.newest);
        let found = holes.filter_map(|hole| instants.judge(origin, hole, stream));
        found.for_each(|evidence| blame.note(evidence));
        blame
    }

    /// What was found, which the stream's report takes with it.
    pub(in crate::worker) fn take(&mut self) -> Blame {
        std::mem::take(&mut self.blame)
    }
}

/// Gaps that one worker counted in one step at one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Interface.
    pub origin: u16,
    /// Number of the step.
    pub step: u64,
    /// Gaps that ended in it.
    pub gaps: u32,
}

/// What one worker tells all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Gaps since it told last.
    pub counts: Vec<Count>,
    /// Running streams by interface, when they were counted anew.
    pub running: Option<Vec<(u16, u32)>>,
}

#[derive(Clone, Debug, Default)]
struct Step {
    number: u64,
    gaps: u32,
    /// What was found last of a step at this place: where all streams lose at once, very many
    /// gaps ask the same.
    found: Cell<Found>,
}

/// What was found of a step when so much had been heard.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    number: u64,
    heard: u64,
    outage: Outage,
}

/// Gaps of a moment and running streams, if these are so many that the mirror must have stopped.
type Outage = Option<(u32, u32)>;

#[derive(Debug)]
struct Origin {
    id: u16,
    steps: Box<[Step]>,
    /// Running streams, by worker.
    running: Vec<u32>,
    /// How often something was heard of it.
    heard: u64,
}

/// Frames that this worker's sockets dropped in an interval.
#[derive(Clone, Copy, Debug)]
struct Drops {
    from_ns: u64,
    until_ns: u64,
    frames: u64,
}

/// What one worker knows of the moments of loss.
#[derive(Debug, Default)]
pub struct Instants {
    origins: Vec<Origin>,
    fresh: Vec<Count>,
    counting: Vec<(u16, u32)>,
    counted: Vec<(u16, u32)>,
    running_changed: bool,
    drops: VecDeque<Drops>,
    omitted: u64,
    no_mirror: bool,
}

impl Instants {
    /// Frames come from the host's own interfaces: what all streams lose at once, the network has
    /// lost.
    pub fn no_mirror(&mut self) {
        self.no_mirror = true;
    }

    /// A gap has ended.
    pub fn note(&mut self, origin: u16, clock_ns: u64) {
        let step = clock_ns / STEP_NS;
        let room = self.fresh.len() < FRESH_MAX;
        let mut newest = self.fresh.iter_mut().rev().take(2 * ORIGINS_MAX);
        match newest.find(|count| count.origin == origin && count.step == step) {
            Some(count) => count.gaps = count.gaps.saturating_add(1),
            None if room => self.fresh.push(Count { origin, step, gaps: 1 }),
            None => self.omitted += 1,
        }
    }

    /// Gaps that found no room since this was last asked.
    pub fn take_omitted(&mut self) -> u64 {
        std::mem::take(&mut self.omitted)
    }

    /// Running streams are counted anew: first this, then [`Instants::count`] for each, then
    /// [`Instants::counted`].
    pub fn begin_count(&mut self) {
        self.counting.clear();
    }

    /// One more running stream of an interface.
    pub fn count(&mut self, origin: u16) {
        let room = self.counting.len() < ORIGINS_MAX;
        match self.counting.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, streams)) => *streams += 1,
            None if room => self.counting.push((origin, 1)),
            None => {}
        }
    }

    /// All running streams have been counted; that is told only where it has changed.
    pub fn counted(&mut self) {
        if self.counting != self.counted {
            self.counted.clone_from(&self.counting);
            self.running_changed = true;
        }
    }

    /// The sockets dropped frames.
    pub fn dropped(&mut self, from_ns: u64, until_ns: u64, frames: u64) {
        if self.drops.len() >= DROPS_MAX {
            self.drops.pop_front();
        }
        self.drops.push_back(Drops { from_ns, until_ns, frames });
    }

    /// What is to be told to all workers, this one included.
    pub fn tell(&mut self) -> Option<Told> {
        if self.fresh.is_empty() && !self.running_changed {
            return None;
        }
        let running = std::mem::take(&mut self.running_changed).then(|| self.counted.clone());
        Some(Told { counts: std::mem::take(&mut self.fresh), running })
    }

    /// A worker has told.
    pub fn hear(&mut self, worker: u16, told: &Told) {
        for count in &told.counts {
            let Some(origin) = self.origin_mut(count.origin) else { continue };
            origin.heard += 1;
            let at = (count.step % STEPS as u64) as usize;
            let Some(step) = origin.steps.get_mut(at) else { continue };
            if step.number < count.step {
                (step.number, step.gaps) = (count.step, 0);
            }
            if step.number == count.step {
                step.gaps = step.gaps.saturating_add(count.gaps);
            }
        }
        let Some(running) = &told.running else { return };
        let worker = usize::from(worker);
        for origin in &mut self.origins {
            origin.heard += 1;
            if let Some(streams) = origin.running.get_mut(worker) {
                *streams = 0;
            }
        }
        for (id, streams) in running {
            let Some(origin) = self.origin_mut(*id) else { continue };
            if origin.running.len() <= worker {
                origin.running.resize(worker + 1, 0);
            }
            if let Some(place) = origin.running.get_mut(worker) {
                *place = *streams;
            }
        }
    }

    fn origin_mut(&mut self, id: u16) -> Option<&mut Origin> {
        let known = self.origins.iter().position(|origin| origin.id == id);
        if known.is_none() && self.origins.len() < ORIGINS_MAX {
            let steps = vec![Step::default(); STEPS].into_boxed_slice();
            self.origins.push(Origin { id, steps, running: Vec::new(), heard: 0 });
            return self.origins.last_mut();
        }
        self.origins.get_mut(known?)
    }

    /// Who may have lost what of a hole has not come after all.
    fn judge(&self, origin: u16, hole: &Hole, stream: &Stream) -> Option<Evidence> {
        let lost = stream.still_missing(hole);
        if lost > 0 { self.evidence(origin, hole, lost) } else { None }
    }

    fn evidence(&self, origin: u16, hole: &Hole, lost: u32) -> Option<Evidence> {
        let begun_ns = hole.clock_ns.saturating_sub(hole.span_ns);
        // They lie in the order of time.
        let first = self.drops.partition_point(|drops| drops.until_ns < begun_ns);
        let meanwhile =
            self.drops.range(first..).take_while(|drops| drops.from_ns <= hole.clock_ns);
        let dropped: u64 = meanwhile.map(|drops| drops.frames).sum();
        let dropped = u32::try_from(dropped).unwrap_or(u32::MAX);
        let of = |cause, lost, seen, of| Evidence { ts_ns: hole.ts_ns, lost, cause, seen, of };
        if dropped > 0 {
            return Some(of(Cause::Sensor, lost.min(dropped), dropped, 0));
        }
        if self.no_mirror {
            return None;
        }
        let origin = self.origins.iter().find(|known| known.id == origin)?;
        // The packet after the outage may be lost as well: then this gap ends later than others.
        let last = hole.clock_ns / STEP_NS;
        let first = (begun_ns / STEP_NS + 2).clamp(last.saturating_sub(BACK), last);
        let (gaps, running) = (first..=last).rev().find_map(|step| origin.outage(step))?;
        Some(of(Cause::Mirror, lost, gaps, running))
    }
}

impl Origin {
    fn gaps(&self, number: u64) -> u32 {
        let step = self.steps.get((number % STEPS as u64) as usize);
        step.filter(|step| step.number == number).map_or(0, |step| step.gaps)
    }

    /// The gaps of the moment around a step, and the running streams, if that many are no chance.
    fn outage(&self, number: u64) -> Outage {
        let place = self.steps.get((number % STEPS as u64) as usize)?;
        let found = place.found.get();
        if (found.number, found.heard) == (number, self.heard) {
            return found.outage;
        }
        let outage = self.judge(number);
        place.found.set(Found { number, heard: self.heard, outage });
        outage
    }

    fn judge(&self, step: u64) -> Outage {
        let moment = |first: u64| (first..first + MOMENT).map(|at| self.gaps(at)).sum::<u32>();
        let firsts = step.saturating_sub(MOMENT - 1)..=step;
        let gaps = firsts.map(moment).max()?;
        let before = step.saturating_sub(USUAL)..step.saturating_sub(MOMENT);
        let usual: u64 = before.map(|at| u64::from(self.gaps(at))).sum();
        let running = self.running.iter().fold(0u32, |sum, streams| sum.saturating_add(*streams));
        let many = gaps >= GAPS_MIN && gaps.saturating_mul(2) >= running;
        let unusual = u64::from(gaps) * (USUAL - MOMENT) >= TIMES_USUAL * usual * MOMENT;
        (many && unusual).then_some((gaps, running))
    }
}

#[cfg(test)]
mod tests;
