//! The spool thread and the sealing thread.
//!
//! The spool thread takes chunks from all workers, packs them into segments and gives them back.
//! It waits for the disk, and for room on a full one, and for nobody else. Sealing waits for
//! fdatasync, so a thread of its own does that. Neither looks into packets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};

use crate::chunk::Chunk;
use crate::counters::{SealerCounts, WriterCounts};
use crate::error::SpoolError;
use crate::format::Class;
use crate::retain::Room;
use crate::segment::{Packer, Segment};

/// Segments that are open at once: by class, link type and time.
pub(crate) const OPEN_MAX: usize = 16;
/// Segments that wait to be sealed; the spool thread waits beyond that.
const SEALS_MAX: usize = 4;
/// Chunks taken from one worker before the next one's turn.
const BURST_MAX: usize = 64;
/// The longest rest of a spool thread without work.
const IDLE: Duration = Duration::from_millis(5);
/// How often open segments are looked at for their age.
const AGING: Duration = Duration::from_secs(1);
/// How long a failed disk is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long the spool thread waits for room on a full disk; the pool takes what comes meanwhile.
const ROOM_PATIENCE: Duration = Duration::from_millis(500);
/// How long sealing waits for workers that still hold their gatherers without giving chunks.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5000 });

/// The spool thread's ends of one worker's rings.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) full: Consumer<Box<Chunk>>,
    pub(crate) free: Producer<Box<Chunk>>,
}

/// Where and how segments are written.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) root: PathBuf,
    pub(crate) sensor: u32,
    pub(crate) segment_bytes: usize,
    pub(crate) segment_age: Duration,
}

/// How each class is packed.
#[derive(Debug)]
pub(crate) struct Packers {
    pub(crate) sip: Packer,
    pub(crate) rtp: Packer,
}

/// The spool thread's state.
#[derive(Debug)]
pub(crate) struct Writer {
    plan: Plan,
    open: Vec<Segment>,
    packers: Packers,
    counts: Arc<WriterCounts>,
    uses: u64,
    failing: Option<Failing>,
    /// Segments given to the sealing thread, and what it made of them.
    sent: u64,
    sealed: Arc<SealerCounts>,
    /// Where to ask for room on a full disk.
    room: Option<Arc<Room>>,
    /// Before the thread's handle, so that the thread sees the end before it is waited for.
    seals: Option<SyncSender<Segment>>,
    sealer: Option<JoinHandle<()>>,
}

/// A disk that takes nothing.
#[derive(Debug)]
struct Failing {
    until: Instant,
    lost: u64,
}

impl Writer {
    pub(crate) fn new(
        plan: Plan,
        packers: Packers,
        (counts, sealed): (Arc<WriterCounts>, Arc<SealerCounts>),
        room: Option<Arc<Room>>,
    ) -> Result<Self, SpoolError> {
        let seen = Arc::clone(&sealed);
        let (seals, segments) = mpsc::sync_channel::<Segment>(SEALS_MAX);
        let sealer = thread::Builder::new()
            .name("spool-seal".into())
            .spawn(move || {
                for segment in segments {
                    match segment.seal() {
                        Ok(()) => sealed.sealed.add(1),
                        Err(error) => {
                            sealed.errors.add(1);
                            tracing::error!(%error, "a spool segment stays unsealed");
                        }
                    }
                }
            })
            .map_err(|error| SpoolError::Thread(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            plan,
            open: Vec::with_capacity(OPEN_MAX),
            packers,
            counts,
            uses: 0,
            failing: None,
            sent: 0,
            sealed: seen,
            room,
            seals: Some(seals),
            sealer: Some(sealer),
        })
    }

    /// The spool thread's life: until `stop` is set and all workers are through.
    pub(crate) fn run(mut self, mut lanes: Vec<Lane>, stop: &AtomicBool) {
        let mut aged = Instant::now();
        let mut quiet_since = None;
        loop {
            // Asked before the rings are emptied: what was given before the end is taken.
            let over = stop.load(Ordering::Acquire);
            let gone = lanes.iter().all(|lane| lane.full.is_abandoned());
            self.counts.beats.add(1);
            let busy = self.round(&mut lanes);
            let now = Instant::now();
            if now.duration_since(aged) >= AGING {
                aged = now;
                self.seal_aged(now);
            }
            if busy {
                quiet_since = None;
                continue;
            }
            if over {
                let since = *quiet_since.get_or_insert(now);
                if gone || now.duration_since(since) >= PATIENCE {
                    break;
                }
            }
            thread::park_timeout(IDLE);
        }
        while let Some(segment) = self.open.pop() {
            self.seal(segment);
        }
        if let Some(failing) = self.failing.take() {
            tracing::error!(packets = failing.lost, "the spool ends with packets lost");
        }
        drop(self.seals.take());
        if let Some(sealer) = self.sealer.take()
            && sealer.join().is_err()
        {
            self.counts.errors.add(1);
        }
    }

    /// Takes a burst from every worker; whether there was anything.
    fn round(&mut self, lanes: &mut [Lane]) -> bool {
        let mut busy = false;
        for lane in lanes {
            for _ in 0..BURST_MAX {
                let Ok(chunk) = lane.full.pop() else { break };
                busy = true;
                self.store(&chunk);
                // The ring holds all of the worker's chunks, so this cannot fail.
                let _ = lane.free.push(chunk);
            }
        }
        busy
    }

    /// Stores a chunk or counts its packets as lost.
    pub(crate) fn store(&mut self, chunk: &Chunk) {
        let packets = u64::from(chunk.packets());
        if let Some(failing) = &mut self.failing
            && Instant::now() < failing.until
        {
            failing.lost += packets;
            self.counts.dropped_disk.add(packets);
            return;
        }
        let stored = match self.try_store(chunk) {
            Err(error) if error.is_full() && self.makes_room() => self.try_store(chunk),
            other => other,
        };
        match stored {
            Ok(bytes) => {
                self.counts.stored.add(packets);
                self.counts.chunks.add(1);
                self.counts.record_bytes.add(chunk.records().len() as u64);
                self.counts.disk_bytes.add(bytes);
                if let Some(failing) = self.failing.take() {
                    tracing::warn!(lost_packets = failing.lost, "the spool can write again");
                }
            }
            Err(error) => {
                self.counts.errors.add(1);
                self.counts.dropped_disk.add(packets);
                if self.failing.is_none() {
                    tracing::error!(%error, "packets are lost; records go on");
                }
                let lost = self.failing.take().map_or(0, |failing| failing.lost) + packets;
                self.failing = Some(Failing { until: Instant::now() + RETRY, lost });
            }
        }
    }

    /// Whether old segments have made room on a full disk. Where nothing else may go, our own open
    /// ones are sealed, so that they may.
    fn makes_room(&mut self) -> bool {
        let Some(room) = self.room.clone() else { return false };
        let until = Instant::now() + ROOM_PATIENCE;
        if room.ask(ROOM_PATIENCE) {
            return true;
        }
        while let Some(segment) = self.open.pop() {
            self.seal(segment);
        }
        loop {
            let sealing = self.sent > self.sealed.sealed.get() + self.sealed.errors.get();
            if room.ask(until.saturating_duration_since(Instant::now())) {
                return true;
            }
            if !sealing || Instant::now() >= until {
                return false;
            }
            thread::sleep(IDLE);
        }
    }

    fn try_store(&mut self, chunk: &Chunk) -> Result<u64, SpoolError> {
        let at = match self.open.iter().position(|segment| segment.accepts(chunk)) {
            Some(at) if self.open.get(at).is_some_and(|segment| segment.fits(chunk)) => at,
            Some(full) => {
                let segment = self.open.swap_remove(full);
                self.seal(segment);
                self.create(chunk)?
            }
            None => self.create(chunk)?,
        };
        self.uses += 1;
        let Some(segment) = self.open.get_mut(at) else {
            return Err(SpoolError::Thread("a segment vanished".into()));
        };
        *segment.used() = self.uses;
        let packer = match chunk.key().kind.class() {
            Class::Sip => &mut self.packers.sip,
            Class::Media => &mut self.packers.rtp,
        };
        segment.append(chunk, packer).map_err(|source| {
            let segment = self.open.swap_remove(at);
            self.seal(segment);
            SpoolError::io("write to", &self.plan.root, source)
        })
    }

    /// Opens a segment for a chunk, at the expense of the one longest unused if there are many.
    fn create(&mut self, chunk: &Chunk) -> Result<usize, SpoolError> {
        if self.open.len() >= OPEN_MAX {
            let oldest = (0..self.open.len())
                .min_by_key(|at| self.open.get_mut(*at).map_or(u64::MAX, |open| *open.used()));
            if let Some(oldest) = oldest {
                let segment = self.open.swap_remove(oldest);
                self.seal(segment);
            }
        }
        let key = chunk.key();
        let segment = Segment::create(
            &self.plan.root,
            self.plan.sensor,
            (key.kind.class(), key.link),
            chunk.first_ns(),
            self.plan.segment_bytes,
        )?;
        self.counts.segments.add(1);
        self.open.push(segment);
        Ok(self.open.len() - 1)
    }

    fn seal_aged(&mut self, now: Instant) {
        let age = self.plan.segment_age;
        while let Some(at) =
            self.open.iter().position(|segment| now.duration_since(segment.opened()) >= age)
        {
            let segment = self.open.swap_remove(at);
            self.seal(segment);
        }
    }

    fn seal(&mut self, segment: Segment) {
        self.sent += 1;
        if let Some(seals) = &self.seals
            && let Err(refused) = seals.send(segment)
        {
            // The sealing thread has died; the segment stays `.part`, for recovery to find.
            self.counts.errors.add(1);
            drop(refused);
        }
    }
}
