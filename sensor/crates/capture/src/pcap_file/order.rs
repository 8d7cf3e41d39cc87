//! Numbers the frames of files and gives them their clock, across several files.
//!
//! Formats push what they found; this decides what a frame carries besides its bytes.

use super::block::FileDesc;
use crate::batch::Link;
use crate::clock::{ClockCounts, FileClock, Place};

/// Where the frames of one file begin, so that several files make one replay.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Number of the first frame.
    pub order: u64,
    /// Origin of the file's first interface; further interfaces of the file count on.
    pub origin: u16,
    /// The clock as the file before left it.
    pub clock: FileClock,
}

/// What a reader did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames given.
    pub frames: u64,
    /// Frames passed over because of their link type.
    pub unknown_link_frames: u64,
    /// The first such link type.
    pub unknown_link: Option<u16>,
    /// What happened to the clock, in this file and those before it.
    pub clock: ClockCounts,
}

/// A frame as a format found it.
pub(super) struct Found {
    pub(super) ts: u64,
    pub(super) offset: usize,
    pub(super) len: u32,
    pub(super) wire_len: u32,
}

#[derive(Debug, Default)]
pub(super) struct Order {
    next: u64,
    first_origin: u16,
    last_origin: u16,
    clock: FileClock,
    counts: Counts,
}

impl Order {
    pub(super) fn start(&mut self, start: Start) {
        self.next = start.order;
        self.first_origin = start.origin;
        self.last_origin = start.origin;
        self.clock = start.clock;
        self.clock.join();
    }

    pub(super) fn next_start(&self) -> Start {
        Start {
            order: self.next,
            origin: self.last_origin.saturating_add(1),
            clock: self.clock.clone(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { clock: self.clock.counts(), ..self.counts }
    }

    /// So many of the frames pushed last may yet get another clock.
    pub(super) fn waiting(&self) -> usize {
        self.clock.waiting()
    }

    /// The origin that frames of the file's `interface` carry.
    pub(super) fn origin(&mut self, interface: usize) -> u16 {
        let interface = u16::try_from(interface).unwrap_or(u16::MAX);
        let origin = self.first_origin.saturating_add(interface);
        self.last_origin = self.last_origin.max(origin);
        origin
    }

    /// Takes a frame; one whose link type is unknown is counted and left out.
    #[inline]
    pub(super) fn push(
        &mut self,
        descs: &mut Vec<FileDesc>,
        found: &Found,
        origin: u16,
        link: Result<Link, u16>,
    ) {
        match link {
            Ok(link) => {
                let clock = match self.clock.place(found.ts) {
                    Place::At(clock) | Place::Held(clock) => clock,
                    Place::Step(held) => self.step(descs, held, found.ts),
                };
                descs.push(FileDesc {
                    ts: found.ts,
                    clock,
                    order: self.next,
                    // A block's buffer is far below 4 GiB.
                    offset: found.offset as u32,
                    len: found.len,
                    wire_len: found.wire_len.max(found.len),
                    origin,
                    link,
                });
                self.counts.frames += 1;
            }
            Err(dlt) => {
                self.counts.unknown_link_frames += 1;
                self.counts.unknown_link.get_or_insert(dlt);
            }
        }
        // Frames that are left out keep their number, which is then the one other tools show.
        self.next += 1;
    }
    /// The latest `held` frames are believed with the one at `ts`: they get their true clock, as
    /// if nobody had doubted them.
    #[cold]
    fn step(&mut self, descs: &mut [FileDesc], held: usize, ts: u64) -> u64 {
        let first = descs.len().saturating_sub(held);
        for desc in descs.iter_mut().skip(first) {
            desc.clock = self.clock.believe(desc.ts);
        }
        self.clock.believe(ts)
    }
}
