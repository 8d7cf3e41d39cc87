//! The reading thread of `replay`: capture files into loads of frames, cut into numbered ticks.
//!
//! A tick is at most [`TICK_NS`] of packet time. Where nothing was captured for longer, empty
//! ticks stand in the gap, so that timers fire and their consequences arrive before the next
//! frame. Ticks depend on the files alone, never on the number of workers: that is what makes
//! the records the same for any number. Frames go to workers by the symmetric hash of their
//! addresses; nothing else of a frame is looked at here.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use ringtap_capture::Frame;
use ringtap_capture::clock::ClockCounts;
use ringtap_capture::pcap_file::{Block, FileError, Reader};

use super::SharedPorts;
use super::placing::Placing;
use crate::look::Look;
use crate::worker::LAG_TICKS;
use crate::worker::decode::Opening;
use crate::worker::exchange::Progress;

/// Packet time that one tick spans at most.
pub const TICK_NS: u64 = 20_000_000;

/// Loads on their way at most: what bounds the memory of a replay.
pub const LOADS_MAX: usize = 6;

/// How often a reader that waits for its workers looks whether they live.
const FAILURE_WATCH: Duration = Duration::from_millis(100);

/// Empty ticks after which everything that a tick caused has arrived everywhere.
const SETTLE_TICKS: usize = 2 * LAG_TICKS as usize + 1;

/// A run of frames for all workers.
#[derive(Debug, Default)]
pub struct Load {
    /// The frames.
    pub block: Block,
    /// Which of them each worker takes; empty with one worker, who takes all.
    pub shares: Vec<Vec<u32>>,
    /// The ticks, in order.
    pub ticks: Vec<Tick>,
    /// Where each worker's share ends in each tick: `ends[tick * workers + worker]`.
    pub ends: Vec<u32>,
}

/// One tick: its number and the packet time at its end.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Counts on through all files.
    pub number: u64,
    /// Packet time, ns.
    pub clock_ns: u64,
}

/// Read so far; for the progress bar.
#[derive(Debug, Default)]
pub struct Passed {
    /// Frames.
    pub frames: AtomicU64,
}

/// What reading gave beside the frames.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Frames read.
    pub frames: u64,
    /// One clear line each: damage, unknown link types, clocks that went back.
    pub remarks: Vec<String>,
    /// What happened to the clock.
    pub clock: ClockCounts,
    /// What was looked at on the way.
    pub look: Option<Box<Look>>,
}

/// Reads all files; every load goes to every worker.
pub struct Reading {
    files: Vec<PathBuf>,
    workers: usize,
    placing: Placing<SharedPorts>,
    free: Receiver<Load>,
    progress: Arc<Progress>,
    out: Vec<Sender<Arc<Load>>>,
    passed: Arc<Passed>,
    number: u64,
    tick_start_ns: Option<u64>,
    clock_ns: u64,
    /// A load that was taken and not filled.
    spare: Option<Load>,
    look: Option<Box<Look>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Reading {
    /// A reading of `files`: takes empty loads from `free`, sends filled ones to every `out`.
    pub fn new(
        files: Vec<PathBuf>,
        opening: Opening<SharedPorts>,
        free: Receiver<Load>,
        progress: Arc<Progress>,
        out: Vec<Sender<Arc<Load>>>,
        passed: Arc<Passed>,
    ) -> Self {
        Self {
            files,
            workers: out.len(),
            placing: Placing::new(opening),
            free,
            progress,
            out,
            passed,
            number: 0,
            tick_start_ns: None,
            clock_ns: 0,
            spare: None,
            look: None,
        }
    }

    /// Looks at every frame on the way.
    #[must_use]
    pub fn looked_at(mut self, look: Option<Box<Look>>) -> Self {
        self.look = look;
        self
    }

    /// Reads to the end of the last file, or to the first file that cannot be read at all.
    pub fn run(mut self) -> Result<Outcome, FileError> {
        let mut outcome = Outcome::default();
        let mut start = None;
        for path in std::mem::take(&mut self.files) {
            let mut reader = Reader::open(&path)?;
            if let Some(start) = start {
                reader = reader.starting_at(start);
            }
            let read = self.file(&mut reader, &mut outcome);
            outcome.remarks.extend(reader.remarks());
            outcome.clock = reader.counts().clock;
            read?;
            start = Some(reader.next_start());
        }
        let mut last = self.empty_load();
        self.settle(&mut last, self.clock_ns);
        self.send(last);
        outcome.look = self.look.take();
        Ok(outcome)
    }

    fn file(&mut self, reader: &mut Reader, outcome: &mut Outcome) -> Result<(), FileError> {
        loop {
            let mut load = self.empty_load();
            let more = reader.next_block(&mut load.block)?;
            if !load.block.is_empty() {
                outcome.frames += load.block.len() as u64;
                self.passed.frames.fetch_add(load.block.len() as u64, Ordering::Relaxed);
                self.cut(&mut load);
                self.send(load);
            } else {
                self.spare = Some(load);
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// A load to fill; one that came back if there is one.
    fn empty_load(&mut self) -> Load {
        let spare = self.spare.take();
        let mut load = spare.unwrap_or_else(|| self.returned());
        load.ticks.clear();
        load.ends.clear();
        load.block.clear();
        load.shares.resize_with(if self.workers > 1 { self.workers } else { 0 }, Vec::new);
        load.shares.iter_mut().for_each(Vec::clear);
        load
    }

    /// Waits for a load that the workers have done with. When a worker has died, loads are lost
    /// with it: then a new one is made, which goes nowhere either.
    fn returned(&self) -> Load {
        loop {
            match self.free.recv_timeout(FAILURE_WATCH) {
                Ok(load) => return load,
                Err(RecvTimeoutError::Timeout) if !self.progress.failed() => {}
                Err(_) => return Load::default(),
            }
        }
    }

    fn cut(&mut self, load: &mut Load) {
        let block = std::mem::take(&mut load.block);
        for (index, frame) in (0u32..).zip(block.iter()) {
            match self.tick_start_ns {
                Some(start_ns) if frame.clock.saturating_sub(start_ns) < TICK_NS => {}
                start_ns => {
                    if start_ns.is_some() {
                        self.end_tick(load, index);
                    }
                    self.bridge(load, index, frame.clock);
                    self.tick_start_ns = Some(frame.clock);
                }
            }
            self.clock_ns = frame.clock;
            self.share(load, index, &frame);
            if let Some(look) = &mut self.look {
                look.frame(frame);
            }
        }
        let count = u32::try_from(block.len()).unwrap_or(u32::MAX);
        self.end_tick(load, count);
        self.tick_start_ns = None;
        load.block = block;
    }

    /// Fills a gap before the frame with empty ticks, be it within a load or between two.
    fn bridge(&mut self, load: &mut Load, index: u32, clock_ns: u64) {
        if self.number > 0 && clock_ns.saturating_sub(self.clock_ns) >= 2 * TICK_NS {
            self.settle(load, clock_ns.saturating_sub(1));
            for _ in 0..SETTLE_TICKS {
                self.mark_ends(load, index);
            }
        }
    }

    fn share(&mut self, load: &mut Load, index: u32, frame: &Frame<'_>) {
        if self.workers > 1 {
            let worker = self.placing.of(frame) % self.workers as u64;
            if let Some(share) = load.shares.get_mut(worker as usize) {
                share.push(index);
            }
        }
    }

    fn end_tick(&mut self, load: &mut Load, next_frame: u32) {
        self.number += 1;
        load.ticks.push(Tick { number: self.number, clock_ns: self.clock_ns });
        self.mark_ends(load, next_frame);
    }

    fn mark_ends(&self, load: &mut Load, next_frame: u32) {
        if self.workers > 1 {
            let ends = load.shares.iter().map(|s| u32::try_from(s.len()).unwrap_or(u32::MAX));
            load.ends.extend(ends);
        } else {
            load.ends.push(next_frame);
        }
    }

    /// Empty ticks at `clock_ns`; the caller marks where shares end, if there are any.
    fn settle(&mut self, load: &mut Load, clock_ns: u64) {
        for _ in 0..SETTLE_TICKS {
            self.number += 1;
            load.ticks.push(Tick { number: self.number, clock_ns });
        }
    }

    fn send(&self, mut load: Load) {
        // Ticks without marks (a load of empty ticks only) end where they begin.
        load.ends.resize(load.ticks.len() * self.workers, 0);
        let Some((last, others)) = self.out.split_last() else { return };
        let load = Arc::new(load);
        // A worker that is gone takes no more loads; its failure is reported by its thread.
        for out in others {
            let _ = out.send(Arc::clone(&load));
        }
        // The last one gets ours: a load kept here could come back to nobody.
        let _ = last.send(load);
    }
}
