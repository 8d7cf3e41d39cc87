//! From the listeners' threads to the workers: a bounded lane each, and one limit of bytes for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ringtap_call::CallKey;
use ringtap_cdr::VqReport;

use crate::worker::decode::Told;

/// Packets that wait for one worker at most.
const LANE_MAX: usize = 8192;

/// Packets that a worker takes in one round.
const ROUND_MAX: usize = 1024;

/// What a report takes: itself, and the texts that it may hold.
const REPORT_SIZE: usize = size_of::<VqReport>() + 1024;

/// How often a full lane is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// A packet that an agent saw, with what it says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    /// When it was seen: UNIX time, ns.
    pub ts: u64,
    /// When it came to us, on the ordering clock.
    pub clock: u64,
    /// What it carries; `None`: its ports and first bytes tell.
    pub told: Option<Told>,
    /// By which it belongs to others of its call.
    pub token: Option<CallKey>,
    /// The packet, from its IP header on.
    pub packet: Box<[u8]>,
}

/// What goes to a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Parcel {
    /// A packet.
    Packet(Capsule),
    /// What an agent says about a call.
    Report(Box<VqReport>),
}

impl Parcel {
    /// Bytes that it takes while it waits.
    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Packet(capsule) => capsule.packet.len(),
                Self::Report(_) => REPORT_SIZE,
            }
    }
}

/// The senders' ends.
#[derive(Debug)]
pub struct Lanes {
    all: Vec<Sender<Parcel>>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// A worker's end.
#[derive(Debug)]
pub struct Inbox {
    lane: Receiver<Parcel>,
    bytes: Arc<AtomicUsize>,
    passed_ns: u64,
}

/// A lane for each worker.
pub fn lanes(workers: usize, bytes_max: usize) -> (Lanes, Vec<Inbox>) {
    let bytes = Arc::new(AtomicUsize::new(0));
    let (all, inboxes) = (0..workers)
        .map(|_| {
            let (sender, lane) = bounded(LANE_MAX);
            (sender, Inbox { lane, bytes: Arc::clone(&bytes), passed_ns: 0 })
        })
        .unzip();
    (Lanes { all, bytes, bytes_max }, inboxes)
}

impl Lanes {
    /// Sends a packet to the worker that a number falls to; waits for room as long as that.
    /// False: there was none.
    pub(crate) fn send(&self, number: u64, mut parcel: Parcel, patience: Duration) -> bool {
        let count = self.all.len().max(1) as u64;
        let Some(lane) = self.all.get((number % count) as usize) else { return false };
        let size = parcel.size();
        let until = Instant::now() + patience;
        loop {
            let before = self.bytes.fetch_add(size, Ordering::Relaxed);
            if before.saturating_add(size) <= self.bytes_max {
                match lane.try_send(parcel) {
                    Ok(()) => return true,
                    Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => {
                        parcel = back;
                    }
                }
            }
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(AGAIN);
        }
    }
}

impl Inbox {
    /// Gives what has come, after waiting for the first at most that long. The worker has told
    /// the others before that it has passed a time: nothing is earlier than that.
    pub fn take(&mut self, wait: Duration, f: &mut dyn FnMut(&Parcel)) -> usize {
        let mut taken = 0;
        let mut next = if wait.is_zero() {
            self.lane.try_recv().ok()
        } else {
            self.lane.recv_timeout(wait).ok()
        };
        while let Some(mut parcel) = next {
            self.bytes.fetch_sub(parcel.size(), Ordering::Relaxed);
            if let Parcel::Packet(capsule) = &mut parcel {
                capsule.clock = capsule.clock.max(self.passed_ns);
            }
            f(&parcel);
            taken += 1;
            next = if taken < ROUND_MAX { self.lane.try_recv().ok() } else { None };
        }
        taken
    }

    /// The worker tells the others that it has passed this time.
    pub fn pass(&mut self, passed_ns: u64) {
        self.passed_ns = self.passed_ns.max(passed_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule(clock: u64, bytes: usize) -> Parcel {
        let packet = vec![0; bytes].into();
        Parcel::Packet(Capsule { ts: 0, clock, told: None, token: None, packet })
    }

    fn taken(inbox: &mut Inbox) -> Vec<u64> {
        let mut clocks = Vec::new();
        inbox.take(Duration::ZERO, &mut |parcel| {
            let Parcel::Packet(capsule) = parcel else { panic!("{parcel:?}") };
            clocks.push(capsule.clock);
        });
        clocks
    }

    #[test]
    fn nothing_is_earlier_than_what_has_been_passed() {
        let (lanes, mut inboxes) = lanes(2, 10_000);
        for (number, clock) in [(0, 5), (1, 6), (2, 9)] {
            assert!(lanes.send(number, capsule(clock, 100), Duration::ZERO));
        }
        inboxes[0].pass(7);
        assert_eq!(taken(&mut inboxes[0]), [7, 9]);
        assert_eq!(taken(&mut inboxes[1]), [6]);
    }

    #[test]
    fn bytes_and_packets_that_wait_are_bounded_and_room_comes_back() {
        let (lanes, mut inboxes) = lanes(1, 10_000);
        let send = |bytes| lanes.send(0, capsule(1, bytes), Duration::ZERO);
        assert!(send(6000));
        assert!(!send(6000));
        assert_eq!(taken(&mut inboxes[0]).len(), 1);
        assert!(send(6000));
        assert_eq!(taken(&mut inboxes[0]).len(), 1);
        assert_eq!(lanes.bytes.load(Ordering::Relaxed), 0);
        let (lanes, _inboxes) = super::lanes(1, usize::MAX);
        let sent = (0..LANE_MAX + 5).filter(|_| lanes.send(0, capsule(1, 0), Duration::ZERO));
        assert_eq!(sent.count(), LANE_MAX);
    }
}
