//! Flows go from the worker that reads them to the one to whom they belong.
//!
//! A queue's worker takes what it reads, for interfaces spread flows over their queues. A tunnel
//! is one flow to them, however many are inside; and what comes by two interfaces may come to two
//! workers. Such a frame belongs to the worker that the innermost packet's addresses and ports
//! name, the same for both directions, and for RTCP as for its RTP. It is copied into a bounded
//! ring, one for each source and worker; a frame that finds no room is lost to the sensor, and
//! counted.
//!
//! Nobody waits for anybody. How far each source has been read is told: where a flow may come by
//! several of them, frames are held until all have been read up to their time, and taken in that
//! order.

mod handing;
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringtap_capture::Frame;
use ringtap_common::peel::Tunnel;
use ringtap_wire::flow::FlowKey;
use smallvec::SmallVec;

use super::decode::Decoded;
use ring::{Giver, RECORD_MAX, Records, Taker, ring};

use ring::As;

/// Bytes of all rings together; each has at least [`RING_MIN`] and at most [`RING_MAX`].
const RINGS: usize = 256 << 20;
const RING_MIN: usize = 2 * RECORD_MAX;
const RING_MAX: usize = 8 << 20;

/// Bytes taken from one ring before the worker looks at its own sources again.
const ROUND_BYTES: usize = 2 * RECORD_MAX;

/// A source that is not read for so long is not waited for.
const PATIENCE_NS: u64 = 300_000_000;

/// A worker that was given frames is likely to be given more within this time.
const BUSY_NS: u64 = 1_000_000_000;

/// Fixed: it is no secret to whom a flow belongs.
const SEED: u64 = 0x7370_7265_6164_2121;

/// Which frames go to the worker of their flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that came through a tunnel.
    Tunnels,
    /// All, in the order of their times.
    All,
}

/// One worker's ends of all rings.
#[derive(Debug)]
pub struct Spread {
    which: Which,
    worker: usize,
    workers: u64,
    /// The rings of each of its sources.
    lanes: Vec<Vec<Giver>>,
    /// The number of the first of them among all.
    first: usize,
    /// Which one is being read.
    reading: usize,
    read: Arc<[Position]>,
    taking: bool,
    given: bool,
    lost: u64,
    inbox: Inbox,
}

/// The receiving ends, one for each source.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    takers: Vec<Taker>,
    taken_ns: u64,
}

/// How far a source has been read, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Position(AtomicU64);

/// What is taken out of the rings.
#[derive(Debug)]
pub(super) enum Given<'m, 'a> {
    /// Frames as they were read.
    Frames(Merge<'m, 'a>),
    /// A packet that was put together out of pieces, and the tunnel that these came through.
    Whole(Frame<'a>, Option<Tunnel>),
}

/// Frames of several rings in the order of their times.
#[derive(Debug)]
pub(super) struct Merge<'m, 'a> {
    lanes: &'m mut [Records<'a>],
    until_ns: u64,
}

/// The ends of workers that have so many sources each.
pub fn mesh(sources: &[usize], which: Which) -> Vec<Spread> {
    let workers = sources.len();
    let all: usize = sources.iter().sum();
    let bytes = (RINGS / (all * workers).max(1)).clamp(RING_MIN, RING_MAX);
    let read: Arc<[Position]> = (0..all).map(|_| Position::default()).collect();
    let mut inboxes: Vec<Inbox> = (0..workers).map(|_| Inbox::default()).collect();
    let mut first = 0;
    let mut all_lanes = Vec::with_capacity(workers);
    for own in sources {
        let lane = |inboxes: &mut Vec<Inbox>| {
            let ends = inboxes.iter_mut().map(|inbox| {
                let (giver, taker) = ring(bytes);
                inbox.takers.push(taker);
                giver
            });
            ends.collect()
        };
        let lanes: Vec<Vec<Giver>> = (0..*own).map(|_| lane(&mut inboxes)).collect();
        all_lanes.push((first, lanes));
        first += own;
    }
    let ends = all_lanes.into_iter().zip(inboxes).enumerate();
    ends.map(|(worker, ((first, lanes), inbox))| Spread {
        which,
        worker,
        workers: workers as u64,
        lanes,
        first,
        reading: 0,
        read: Arc::clone(&read),
        taking: false,
        given: false,
        lost: 0,
        inbox,
    })
    .collect()
}

impl Spread {
    /// The worker to whose ring a frame goes; `None`: it is taken as it is read.
    #[inline(always)]
    pub(super) fn place(&self, decoded: &Decoded<'_>) -> Option<usize> {
        match self.which {
            _ if self.taking => None,
            Which::Tunnels => self.elsewhere(decoded),
            Which::All => Some(self.home(decoded)),
        }
    }

    /// The worker to whom a packet belongs, if that is another one.
    #[inline(always)]
    pub(super) fn elsewhere(&self, decoded: &Decoded<'_>) -> Option<usize> {
        if self.which == Which::Tunnels && decoded.tunnel.is_none() {
            return None;
        }
        let home = self.home(decoded);
        (home != self.worker).then_some(home)
    }

    #[inline]
    fn home(&self, decoded: &Decoded<'_>) -> usize {
        let flow = decoded.flow();
        // Pieces have no ports; RTCP has the port above that of its RTP.
        let port = |port: u16| if decoded.is_piece() { 0 } else { port >> 1 };
        let flow = FlowKey { sport: port(flow.sport), dport: port(flow.dport), ..flow };
        (flow.symmetric_hash(SEED) % self.workers) as usize
    }

    /// Puts a frame into a worker's ring. False: there is no room.
    pub(super) fn give(&mut self, to: usize, frame: &Frame<'_>, as_what: As<'_>) -> bool {
        self.given |= to != self.worker;
        let lane = self.lanes.get_mut(self.reading);
        let ring = lane.and_then(|lane| lane.get_mut(to));
        ring.is_some_and(|giver| giver.give(frame, as_what))
    }

    /// A frame found no room.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
    }

    /// Frames that found no room.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether this worker has given frames to others: then what its sockets lose is theirs too.
    pub(super) fn has_given(&self) -> bool {
        self.given
    }

    /// What comes now was read from this source of the worker.
    pub(super) fn read_from(&mut self, source: usize) {
        self.reading = source;
    }

    /// A source of this worker has been read up to a time.
    pub(super) fn has_read(&self, source: usize, until_ns: u64) {
        if let Some(position) = self.read.get(self.first + source) {
            position.0.store(until_ns, Ordering::Release);
        }
    }

    /// Its sources have been read to their end.
    pub(super) fn has_read_all(&self) {
        (0..self.lanes.len()).for_each(|source| self.has_read(source, u64::MAX));
    }

    /// Begins to take what lies in the rings: for [`Inbox::take`], how far all sources have been
    /// read, and the time before which frames are due.
    pub(super) fn begin(&mut self, now_ns: u64) -> (Inbox, SmallVec<[u64; 16]>, u64) {
        self.taking = true;
        // Before the rings are looked at: what was given before it is in them then.
        let read: SmallVec<[u64; 16]> =
            self.read.iter().map(|position| position.0.load(Ordering::Acquire)).collect();
        let until_ns = match self.which {
            Which::Tunnels => u64::MAX,
            Which::All => {
                let lowest = read.iter().min().copied().unwrap_or(u64::MAX);
                lowest.max(now_ns.saturating_sub(PATIENCE_NS))
            }
        };
        (std::mem::take(&mut self.inbox), read, until_ns)
    }

    /// Ends that.
    pub(super) fn end(&mut self, inbox: Inbox) {
        self.inbox = inbox;
        self.taking = false;
    }

    /// Whether frames may be given to this worker at any time.
    pub(super) fn is_busy(&self, now_ns: u64) -> bool {
        self.which == Which::All || self.inbox.taken_ns.saturating_add(BUSY_NS) > now_ns
    }
}

impl Inbox {
    /// Takes what is due. The time before which nothing is left, nor will be given.
    pub(super) fn take(
        &mut self,
        read: &[u64],
        (now_ns, until_ns): (u64, u64),
        mut f: impl FnMut(Given<'_, '_>),
    ) -> u64 {
        let lent: SmallVec<[_; 16]> =
            self.takers.iter_mut().filter_map(|taker| taker.lend(ROUND_BYTES)).collect();
        let mut lanes: SmallVec<[Records<'_>; 16]> =
            lent.iter().map(|(chunk, _)| Records::new(chunk.as_slices())).collect();
        if lanes.iter().any(|lane| lane.clock_ns().is_some()) {
            self.taken_ns = now_ns;
            hand_out(&mut lanes, until_ns, &mut f);
        }
        let left = lanes.iter().zip(&lent).zip(read).map(|((lane, (_, all)), read_ns)| match lane
            .clock_ns()
        {
            Some(next_ns) => next_ns.min(*read_ns),
            None if *all => *read_ns,
            None => lane.last_ns(),
        });
        let passed_ns = left.min().unwrap_or(u64::MAX);
        let taken: SmallVec<[usize; 16]> = lanes.iter().map(Records::taken).collect();
        drop(lanes);
        for ((chunk, _), taken) in lent.into_iter().zip(taken) {
            chunk.commit(taken);
        }
        passed_ns
    }
}

fn hand_out(lanes: &mut [Records<'_>], until_ns: u64, f: &mut impl FnMut(Given<'_, '_>)) {
    loop {
        f(Given::Frames(Merge { lanes, until_ns }));
        match (Merge { lanes, until_ns }).earliest().and_then(Records::whole) {
            Some((frame, tunnel)) => f(Given::Whole(frame, tunnel)),
            None => return,
        }
    }
}

impl<'a> Merge<'_, 'a> {
    /// The ring whose next frame is the earliest, if that is due.
    #[inline]
    fn earliest(&mut self) -> Option<&mut Records<'a>> {
        let next = self.lanes.iter_mut().filter_map(|lane| Some((lane.clock_ns()?, lane)));
        let (clock_ns, lane) = next.min_by_key(|(clock_ns, _)| *clock_ns)?;
        (clock_ns < self.until_ns).then_some(lane)
    }
}

impl<'a> Iterator for Merge<'_, 'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        self.earliest()?.frame()
    }
}

#[cfg(test)]
mod tests;
