//! One ring as a source. Nobody is told of new frames: an idle reader looks a thousand times a
//! second, because a wake-up for each frame would cost the host more than the frame.
#![expect(unsafe_code, reason = "records are lent from memory shared with the kernel")]

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use ringtap_common::record::{BARE, HEAD_LEN, Head, SENT};

use super::load::Lost;
use super::ring::Ring;
use crate::batch::{Batch, Desc, Link};
use crate::clock::LiveClock;
use crate::source::{CaptureError, Source, SourceStats};

/// How often an idle reader looks.
const LOOK: Duration = Duration::from_millis(1);
/// Frames of a batch at most.
const BATCH_MAX: usize = 512;

/// One ring.
pub struct TcxSource {
    ring: Ring,
    /// Its number, and where the kernel counts what it had no room for.
    number: u32,
    lost: Lost,
    descs: Vec<Desc>,
    clock: LiveClock,
    stats: SourceStats,
    origin: u16,
    about: String,
}

impl fmt::Debug for TcxSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcxSource").field("about", &self.about).finish_non_exhaustive()
    }
}

impl TcxSource {
    pub(super) fn new(ring: Ring, number: u32, lost: Lost, origin: u16, about: String) -> Self {
        Self {
            ring,
            number,
            lost,
            descs: Vec::with_capacity(BATCH_MAX),
            clock: LiveClock::new(),
            stats: SourceStats::default(),
            origin,
            about,
        }
    }

    /// Describes the frames that are there.
    fn gather(&mut self) {
        self.clock.begin();
        self.descs.clear();
        while self.descs.len() < BATCH_MAX {
            let Some(record) = self.ring.next() else { return };
            let frame = Head::read(record).zip(record.get(HEAD_LEN..));
            let Some((head, frame)) = frame else {
                self.stats.unusable += 1;
                continue;
            };
            self.stats.outgoing += u64::from(head.is(SENT));
            let (ts, clock) = self.clock.place(head.clock_ns);
            self.descs.push(Desc {
                ptr: frame.as_ptr(),
                len: head.len,
                wire_len: head.wire_len.max(head.len),
                ts,
                clock,
                order: clock,
                origin: self.origin,
                link: if head.is(BARE) { Link::RawIp } else { Link::Ethernet },
            });
        }
    }
}

impl Source for TcxSource {
    fn receive(
        &mut self,
        timeout: Duration,
        f: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<(), CaptureError> {
        self.gather();
        if self.descs.is_empty() {
            let until = Instant::now() + timeout;
            while self.descs.is_empty() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                thread::sleep(left.min(LOOK));
                self.gather();
            }
        }
        self.stats.received += self.descs.len() as u64;
        // SAFETY: each descriptor was checked to lie inside a complete record, and records go back
        // to the kernel only after the call.
        f(&unsafe { Batch::lend(&self.descs) });
        self.ring.give_back();
        Ok(())
    }

    fn stats(&mut self) -> SourceStats {
        if let Ok(lost) = self.lost.get(&self.number, 0) {
            self.stats.rx_ring_full = lost.iter().sum();
        }
        self.stats.clock_clamped = self.clock.clamped();
        self.stats
    }

    fn describe(&self) -> String {
        self.about.clone()
    }
}
