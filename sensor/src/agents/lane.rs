//! From the listeners' threads to the workers: each listener has a bounded lane to every worker,
//! and a limit of bytes for all of them. So a flood at one takes no room from the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Select, Sender, TrySendError, bounded};
use ringtap_call::CallKey;
use ringtap_cdr::{LogLine, VqReport};

use crate::worker::decode::Told;

/// Packets of one listener that wait for one worker at most.
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
    /// A line of a log that names one.
    Log(Box<LogLine>),
}

impl Parcel {
    /// Bytes that it takes while it waits.
    fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Packet(capsule) => capsule.packet.len(),
                Self::Report(_) => REPORT_SIZE,
                Self::Log(line) => size_of::<LogLine>() + line.callid.len() + line.text.len(),
            }
    }
}

/// What waits in the lanes of one listener, and what they had no room for.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    lost: AtomicU64,
}

/// A listener's ends.
#[derive(Debug)]
pub struct Lanes {
    all: Vec<Sender<Parcel>>,
    waiting: Arc<Waiting>,
    bytes_max: usize,
}

/// A lane's other end.
#[derive(Debug)]
struct Lane {
    parcels: Receiver<Parcel>,
    waiting: Arc<Waiting>,
}

/// A worker's ends, one for each listener.
#[derive(Debug, Default)]
pub struct Inbox {
    lanes: Vec<Lane>,
    passed_ns: u64,
}

impl Lanes {
    /// A lane to each inbox, for one more listener.
    pub fn new(inboxes: &mut [Inbox], bytes_max: usize) -> Self {
        let waiting = Arc::new(Waiting::default());
        let lane = |inbox: &mut Inbox| {
            let (sender, parcels) = bounded(LANE_MAX);
            inbox.lanes.push(Lane { parcels, waiting: Arc::clone(&waiting) });
            sender
        };
        let all = inboxes.iter_mut().map(lane).collect();
        Self { all, waiting, bytes_max }
    }

    /// Sends a packet to the worker that a number falls to; waits for room as long as that.
    /// False: there was none.
    pub(crate) fn send(&self, number: u64, mut parcel: Parcel, patience: Duration) -> bool {
        let count = self.all.len().max(1) as u64;
        let Some(lane) = self.all.get((number % count) as usize) else { return false };
        let size = parcel.size();
        let until = Instant::now() + patience;
        loop {
            let before = self.waiting.bytes.fetch_add(size, Ordering::Relaxed);
            if before.saturating_add(size) <= self.bytes_max {
                match lane.try_send(parcel) {
                    Ok(()) => return true,
                    Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => {
                        parcel = back;
                    }
                }
            }
            self.waiting.bytes.fetch_sub(size, Ordering::Relaxed);
            if Instant::now() >= until {
                self.lost(1);
                return false;
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// So many packets were lost on their way here.
    pub(crate) fn lost(&self, packets: u64) {
        self.waiting.lost.fetch_add(packets, Ordering::Relaxed);
    }
}

impl Inbox {
    /// Whether nobody sends anything here.
    pub fn is_alone(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Gives what has come, of all listeners in turn, after waiting for the first at most that
    /// long. The worker has told the others before that it has passed a time: nothing is earlier
    /// than that.
    pub fn take(&mut self, wait: Duration, f: &mut dyn FnMut(&Parcel)) -> usize {
        if !wait.is_zero() {
            let mut any = Select::new();
            for lane in &self.lanes {
                any.recv(&lane.parcels);
            }
            let _ = any.ready_timeout(wait);
        }
        let share = ROUND_MAX / self.lanes.len().max(1);
        let mut taken = 0;
        for lane in &self.lanes {
            for mut parcel in lane.parcels.try_iter().take(share) {
                lane.waiting.bytes.fetch_sub(parcel.size(), Ordering::Relaxed);
                if let Parcel::Packet(capsule) = &mut parcel {
                    capsule.clock = capsule.clock.max(self.passed_ns);
                }
                f(&parcel);
                taken += 1;
            }
        }
        taken
    }

    /// The worker tells the others that it has passed this time.
    pub fn pass(&mut self, passed_ns: u64) {
        self.passed_ns = self.passed_ns.max(passed_ns);
    }

    /// Packets that the listeners have lost, so far.
    pub fn lost(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.waiting.lost.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule(clock: u64, bytes: usize) -> Parcel {
        let packet = vec![0; bytes].into();
        Parcel::Packet(Capsule { ts: 0, clock, told: None, token: None, packet })
    }

    fn inboxes(workers: usize) -> Vec<Inbox> {
        (0..workers).map(|_| Inbox::default()).collect()
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
        let mut inboxes = inboxes(2);
        let lanes = Lanes::new(&mut inboxes, 10_000);
        for (number, clock) in [(0, 5), (1, 6), (2, 9)] {
            assert!(lanes.send(number, capsule(clock, 100), Duration::ZERO));
        }
        inboxes[0].pass(7);
        assert_eq!(taken(&mut inboxes[0]), [7, 9]);
        assert_eq!(taken(&mut inboxes[1]), [6]);
    }

    #[test]
    fn bytes_and_packets_that_wait_are_bounded_and_room_comes_back() {
        let mut inboxes = inboxes(1);
        let lanes = Lanes::new(&mut inboxes, 10_000);
        let send = |bytes| lanes.send(0, capsule(1, bytes), Duration::ZERO);
        assert!(send(6000));
        assert!(!send(6000));
        assert_eq!(inboxes[0].lost(), 1);
        assert_eq!(taken(&mut inboxes[0]).len(), 1);
        assert!(send(6000));
        assert_eq!(taken(&mut inboxes[0]).len(), 1);
        assert_eq!(lanes.waiting.bytes.load(Ordering::Relaxed), 0);
        let lanes = Lanes::new(&mut inboxes, usize::MAX);
        let sent = (0..LANE_MAX + 5).filter(|_| lanes.send(0, capsule(1, 0), Duration::ZERO));
        assert_eq!(sent.count(), LANE_MAX);
        assert_eq!(inboxes[0].lost(), 6);
    }

    #[test]
    fn a_flood_at_one_listener_takes_no_room_from_another() {
        let mut inboxes = inboxes(1);
        let [flooded, quiet] = [(); 2].map(|()| Lanes::new(&mut inboxes, 1 << 20));
        while flooded.send(0, capsule(1, 100), Duration::ZERO) {}
        assert!(quiet.send(0, capsule(2, 100), Duration::ZERO));
        let first = taken(&mut inboxes[0]);
        assert_eq!((first.len(), first.last()), (ROUND_MAX / 2 + 1, Some(&2)), "in one round");
    }

    #[test]
    fn whoever_waits_is_woken_by_any_listener() {
        let mut inboxes = inboxes(1);
        let [_first, second] = [(); 2].map(|()| Lanes::new(&mut inboxes, 1 << 20));
        let sender = std::thread::spawn(move || {
            assert!(second.send(0, capsule(1, 1), Duration::ZERO));
            second
        });
        assert_eq!(inboxes[0].take(Duration::from_secs(60), &mut |_| {}), 1);
        drop(sender.join());
    }
}
