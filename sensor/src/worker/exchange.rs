//! What workers tell each other, and in which order it counts.
//!
//! Every pair of workers has a bounded single-producer ring in each direction. Each note carries
//! its position `at` (live: clock in ns; files: number of the tick), and each worker publishes
//! how far it has come. A receiver handles notes in the order of their positions up to the lowest
//! position that all workers have passed, so the outcome does not depend on which worker was
//! quicker. A sender that meets a full ring empties its own inbox meanwhile: producers are
//! consumers too, and must not wait for each other in a circle.

use std::cmp::Ordering as Order;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringtap_call::{CallKey, Claim, Meta};
use ringtap_wire::flow::FlowKey;
use rtrb::{Consumer, Producer, RingBuffer};

use super::endpoints::Ended;
use super::streams::Finished;
use super::streams::blame::Told;
use super::streams::correlation::Correlated;

/// Notes one ring holds.
pub const RING_MAX: usize = 4096;

/// Live only: notes that wait for their turn at most, in one worker; SIP beyond that is given up.
pub const WAITING_MAX: usize = 65_536;

/// Live only: how often a full ring is tried again before the note is given up.
const LIVE_TRIES_MAX: u32 = 2000;

/// One thing a worker tells another.
#[derive(Debug)]
pub enum Note {
    /// To a shard: a stream owner's answer to a close.
    Streams(Box<StreamsOf>),
    /// To a shard: media of this call runs.
    Media { call: CallKey, clock_ns: u64 },
    /// To a shard: a SIP message of one of its calls.
    Sip(Box<SipNote>),
    /// To a shard: SIP messages of this call bear one of its tokens.
    Token { token: CallKey, call: CallKey },
    /// To a shard: a flow bears one of its tokens.
    Correlated(Box<Correlated>),
    /// To a media worker: reports that speak of streams which are not the sender's.
    Rtcp(Box<RtcpNote>),
    /// To a media worker: an endpoint belongs to a call from now on.
    Claim(Arc<Claim>),
    /// To a media worker: when streams of this one lost packets.
    Instants { worker: u16, told: Arc<Told> },
    /// To a media worker: another one's sources lost frames meanwhile, perhaps of its streams.
    Dropped { from_ns: u64, until_ns: u64, frames: u64 },
    /// To a media worker: report and let go of the call's streams.
    Close { ended: Arc<Ended>, shard: u16 },
}

/// A SIP message on its way to its call.
#[derive(Debug)]
pub struct SipNote {
    /// Where and when it was seen.
    pub meta: Meta,
    /// The message.
    pub bytes: Box<[u8]>,
}

/// An RTCP packet on its way to the streams it speaks of.
#[derive(Clone, Debug)]
pub struct RtcpNote {
    /// From where to where.
    pub flow: FlowKey,
    /// When, on the ordering clock.
    pub clock_ns: u64,
    /// The packet.
    pub bytes: Box<[u8]>,
}

/// The streams of one call that one worker had.
#[derive(Debug)]
pub struct StreamsOf {
    /// The call.
    pub call: CallKey,
    /// Which call of that Call-ID.
    pub instance: u64,
    /// The streams, in the order in which they began.
    pub streams: Vec<Finished>,
}

/// A note with its place in the order.
#[derive(Debug)]
pub struct Stamped {
    /// Position: clock in ns (live) or number of the tick (files).
    pub at: u64,
    /// Order inside a position: that of the frame which caused the note, `u64::MAX` for timers.
    pub order: u64,
    /// The sending worker.
    pub from: u16,
    /// The sender's own numbering.
    pub sequence: u64,
    /// The note.
    pub note: Note,
}

impl PartialEq for Stamped {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}
impl Eq for Stamped {}
impl PartialOrd for Stamped {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl Ord for Stamped {
    /// Earlier positions are greater, so that a max-heap yields them first.
    fn cmp(&self, other: &Self) -> Order {
        let place = |s: &Self| (s.at, s.order, s.from, s.sequence);
        place(other).cmp(&place(self))
    }
}

/// How far every worker has come: published by each, read by all.
#[derive(Debug)]
pub struct Progress {
    media: Vec<Position>,
    calls: Vec<Position>,
    failed: AtomicBool,
}

/// A position on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Position(AtomicU64);

impl Progress {
    /// Progress of `workers` workers, all at the start.
    pub fn new(workers: usize) -> Self {
        let zeros = |_| Position::default();
        Self {
            media: (0..workers).map(zeros).collect(),
            calls: (0..workers).map(zeros).collect(),
            failed: AtomicBool::new(false),
        }
    }

    /// `worker` has handled all frames before `at` and sent every note they gave.
    pub fn media_done(&self, worker: usize, at: u64) {
        if let Some(position) = self.media.get(worker) {
            position.0.store(at, Ordering::Release);
        }
    }

    /// `worker`'s shard has handled every note before `at` and sent every note they gave.
    pub fn calls_done(&self, worker: usize, at: u64) {
        if let Some(position) = self.calls.get(worker) {
            position.0.store(at, Ordering::Release);
        }
    }

    /// The position that every worker's media side has passed.
    pub fn media(&self) -> u64 {
        lowest(&self.media)
    }

    /// The position that every shard has passed.
    pub fn calls(&self) -> u64 {
        lowest(&self.calls)
    }

    /// A worker has died: nobody is to wait for it.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether a worker has died.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Position before which no further record can appear.
    pub fn records(&self) -> u64 {
        self.media().min(self.calls())
    }
}

fn lowest(positions: &[Position]) -> u64 {
    positions.iter().map(|p| p.0.load(Ordering::Acquire)).min().unwrap_or(u64::MAX)
}

/// One worker's ends of all rings, and what waits for its turn.
#[derive(Debug)]
pub struct Exchange {
    worker: u16,
    out: Vec<Producer<Stamped>>,
    inbox: Vec<Consumer<Stamped>>,
    to_shard: BinaryHeap<Stamped>,
    to_media: BinaryHeap<Stamped>,
    sequence: u64,
    patient: bool,
    lost: u64,
}

impl Exchange {
    /// The exchanges of `workers` workers. `patient` senders never give a note up (files);
    /// others do after a bounded wait, and count it (live).
    pub fn mesh(workers: usize, capacity: usize, patient: bool) -> Vec<Exchange> {
        let mut outs: Vec<Vec<Producer<Stamped>>> = (0..workers).map(|_| Vec::new()).collect();
        let mut inboxes: Vec<Vec<Consumer<Stamped>>> = (0..workers).map(|_| Vec::new()).collect();
        for out in &mut outs {
            for inbox in &mut inboxes {
                let (producer, consumer) = RingBuffer::new(capacity);
                out.push(producer);
                inbox.push(consumer);
            }
        }
        outs.into_iter()
            .zip(inboxes)
            .zip(0u16..)
            .map(|((out, inbox), worker)| Exchange {
                worker,
                out,
                inbox,
                to_shard: BinaryHeap::with_capacity(capacity),
                to_media: BinaryHeap::with_capacity(capacity),
                sequence: 0,
                patient,
                lost: 0,
            })
            .collect()
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.out.len()
    }

    /// The worker that holds this end.
    pub fn worker(&self) -> u16 {
        self.worker
    }

    /// Notes given up because a ring stayed full.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Sends a note to one worker.
    pub fn send(&mut self, to: usize, (at, order): (u64, u64), note: Note) {
        self.sequence += 1;
        let (from, sequence) = (self.worker, self.sequence);
        let mut stamped = Stamped { at, order, from, sequence, note };
        if to == usize::from(self.worker) {
            self.sort_in(stamped);
            return;
        }
        let mut tries = 0u32;
        loop {
            let Some(ring) = self.out.get_mut(to) else { return };
            match ring.push(stamped) {
                Ok(()) => return,
                Err(rtrb::PushError::Full(back)) => stamped = back,
            }
            if !self.patient && tries >= LIVE_TRIES_MAX {
                self.lost += 1;
                return;
            }
            tries += 1;
            self.collect();
            std::thread::yield_now();
        }
    }

    /// Sends a note to every worker, this one included.
    pub fn broadcast(&mut self, place: (u64, u64), note: impl Fn() -> Note) {
        for to in 0..self.out.len() {
            self.send(to, place, note());
        }
    }

    /// Sends a note to every worker but this one.
    pub fn tell_others(&mut self, place: (u64, u64), note: impl Fn() -> Note) {
        let own = usize::from(self.worker);
        for to in (0..self.out.len()).filter(|to| *to != own) {
            self.send(to, place, note());
        }
    }

    /// Empties the rings into the ordered waiting rooms.
    pub fn collect(&mut self) {
        for index in 0..self.inbox.len() {
            while let Some(stamped) = self.inbox.get_mut(index).and_then(|ring| ring.pop().ok()) {
                self.sort_in(stamped);
            }
        }
    }

    fn sort_in(&mut self, stamped: Stamped) {
        match stamped.note {
            // Only SIP, and what is told again, may be given up: for the others somebody waits.
            Note::Sip(_) if !self.patient && self.to_shard.len() >= WAITING_MAX => self.lost += 1,
            Note::Token { .. } | Note::Correlated(_)
                if !self.patient && self.to_shard.len() >= WAITING_MAX =>
            {
                self.lost += 1;
            }
            Note::Streams(_)
            | Note::Media { .. }
            | Note::Sip(_)
            | Note::Token { .. }
            | Note::Correlated(_) => self.to_shard.push(stamped),
            Note::Rtcp(_)
            | Note::Claim(_)
            | Note::Close { .. }
            | Note::Instants { .. }
            | Note::Dropped { .. } => {
                self.to_media.push(stamped);
            }
        }
    }

    /// The next note for this worker's shard whose position is before `until`.
    pub fn next_for_shard(&mut self, until: u64) -> Option<Stamped> {
        pop_before(&mut self.to_shard, until)
    }

    /// The next note for this worker's media side whose position is before `until`.
    pub fn next_for_media(&mut self, until: u64) -> Option<Stamped> {
        pop_before(&mut self.to_media, until)
    }
}

fn pop_before(heap: &mut BinaryHeap<Stamped>, until: u64) -> Option<Stamped> {
    if heap.peek()?.at < until { heap.pop() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(call: u64) -> Note {
        Note::Media { call: CallKey(call), clock_ns: 0 }
    }

    fn order(exchange: &mut Exchange, until: u64) -> Vec<u64> {
        let mut seen = Vec::new();
        exchange.collect();
        while let Some(stamped) = exchange.next_for_shard(until) {
            seen.push(stamped.at);
        }
        seen
    }

    #[test]
    fn notes_of_all_workers_come_out_in_order_and_not_before_their_time() {
        let mut mesh = Exchange::mesh(3, 8, true);
        let mut third = mesh.remove(2);
        mesh[0].send(2, (30, 0), media(1));
        mesh[1].send(2, (10, 0), media(1));
        third.send(2, (20, 0), media(1));
        mesh[0].send(2, (40, 0), media(1));
        assert_eq!(order(&mut third, 31), [10, 20, 30]);
        assert_eq!(order(&mut third, 31), [0u64; 0]);
        assert_eq!(order(&mut third, u64::MAX), [40]);
    }

    #[test]
    fn two_workers_with_full_rings_do_not_wait_for_each_other_for_ever() {
        let mut mesh = Exchange::mesh(2, 2, true);
        let mut second = mesh.remove(1);
        let mut first = mesh.remove(0);
        let take_all = |exchange: &mut Exchange| {
            let mut seen = 0;
            while seen < 5_000 {
                seen += order(exchange, u64::MAX).len();
                std::thread::yield_now();
            }
        };
        let other = std::thread::spawn(move || {
            for at in 0..5_000 {
                second.send(0, (at, 0), media(2));
            }
            take_all(&mut second);
            second
        });
        for at in 0..5_000 {
            first.send(1, (at, 0), media(1));
        }
        take_all(&mut first);
        let second = other.join().unwrap();
        assert_eq!((first.lost(), second.lost()), (0, 0));
    }

    #[test]
    fn an_impatient_sender_gives_up_and_counts() {
        let mut mesh = Exchange::mesh(2, 2, false);
        for at in 0..5 {
            mesh[0].send(1, (at, 0), media(1));
        }
        assert_eq!(mesh[0].lost(), 3);
    }

    #[test]
    fn what_waits_for_its_turn_is_bounded_live() {
        let meta = Meta {
            ts_ns: 0,
            clock_ns: 0,
            src: ([10, 0, 0, 1], 5060).into(),
            dst: ([10, 0, 0, 2], 5060).into(),
            origin: 0,
            vlan: 0,
            tunnel: None,
            tcp: false,
            dscp: 0,
        };
        let mut mesh = Exchange::mesh(1, 2, false);
        for at in 0..WAITING_MAX as u64 + 5 {
            mesh[0].send(0, (at, 0), Note::Sip(Box::new(SipNote { meta, bytes: [].into() })));
        }
        mesh[0].send(0, (0, 1), media(1));
        assert_eq!(mesh[0].lost(), 5);
        assert_eq!(order(&mut mesh[0], u64::MAX).len(), WAITING_MAX + 1, "answers are kept");
    }

    #[test]
    fn the_slowest_worker_decides() {
        let progress = Progress::new(2);
        progress.media_done(0, 9);
        assert_eq!(progress.media(), 0);
        progress.media_done(1, 4);
        progress.calls_done(0, 5);
        progress.calls_done(1, 3);
        assert_eq!((progress.media(), progress.calls(), progress.records()), (4, 3, 3));
    }
}
