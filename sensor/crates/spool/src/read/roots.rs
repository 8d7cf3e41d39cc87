//! Several roots read as one: a thread each, and their packets merged by time.
//!
//! A root that does not answer (NFS without its server) holds up nobody for longer than the
//! patience: it is named, and the others go on. When it answers again it is taken back; what came
//! too late for its place in time is left out and counted. Its thread cannot be ended, and ends
//! with the process at the latest.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::SpoolError;
use crate::layout::clock_time;
use crate::read::Times;
use crate::read::export::{Exported, Packet};
use crate::read::slices::sliced;

/// Roots that one reader takes in.
pub const ROOTS_MAX: usize = 16;
/// How long a root may take for the next of its packets.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Packets that are handed over at once, and their bytes.
const BATCH_PACKETS: usize = 1024;
const BATCH_BYTES: usize = 256 * 1024;
/// Batches under way from one root.
const BATCHES_MAX: usize = 4;

#[derive(Debug, Default)]
struct Batch {
    packets: Vec<Told>,
    bytes: Vec<u8>,
}

/// A packet in a batch; its bytes end at `end`.
#[derive(Clone, Copy, Debug)]
struct Told {
    ts_ns: u64,
    link: u16,
    wire_len: u32,
    end: usize,
}

#[derive(Debug)]
enum News {
    Batch(Batch),
    End(Result<Exported, SpoolError>),
}

/// One root.
#[derive(Debug)]
struct Lane {
    root: PathBuf,
    news: Receiver<News>,
    batch: Batch,
    at: usize,
    state: State,
    last_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Answers,
    Silent,
    Ended,
}

/// Hands over the packets of all roots, in the order of their time stamps.
pub(super) fn merged(
    roots: &[PathBuf],
    times: &Times,
    take: &mut dyn FnMut(&Packet<'_>) -> io::Result<()>,
) -> Result<Exported, SpoolError> {
    if roots.len() > ROOTS_MAX {
        return Err(SpoolError::Options("more than 16 roots to read from"));
    }
    let mut lanes = Vec::with_capacity(roots.len());
    for root in roots {
        lanes.push(Lane::start(root.clone(), times.clone())?);
    }
    let (mut sum, mut error) = (Exported::default(), None);
    loop {
        for lane in &mut lanes {
            if let Some(failure) = lane.fill(sum.last_ns, &mut sum) {
                tracing::warn!(error = %failure, "packets of the root {} are missing", lane.name());
                error = Some(failure);
            }
        }
        let ready = lanes.iter_mut().filter(|lane| lane.peek().is_some());
        let Some(lane) = ready.min_by_key(|lane| lane.peek()) else { break };
        let Some(packet) = lane.packet() else { break };
        if sum.packets == 0 {
            sum.first_ns = packet.ts_ns;
        }
        (sum.last_ns, sum.packets) = (packet.ts_ns, sum.packets + 1);
        sum.bytes += packet.bytes.len() as u64;
        take(&packet).map_err(SpoolError::Output)?;
        lane.at += 1;
    }
    sum.silent_roots = lanes.iter().filter(|lane| lane.state == State::Silent).count() as u64;
    match error {
        // Nothing came from anywhere: then the reason is the answer.
        Some(error) if sum.packets == 0 => Err(error),
        _ => Ok(sum),
    }
}

impl Lane {
    fn start(root: PathBuf, times: Times) -> Result<Self, SpoolError> {
        let (sender, news) = sync_channel(BATCHES_MAX);
        let of = root.clone();
        thread::Builder::new()
            .name("spool-root".into())
            .spawn(move || read(&of, &times, &sender))
            .map_err(|error| SpoolError::Thread(format!("cannot start a thread: {error}")))?;
        let (batch, state) = (Batch::default(), State::Answers);
        Ok(Self { root, news, batch, at: 0, state, last_ns: 0 })
    }

    fn name(&self) -> std::path::Display<'_> {
        self.root.display()
    }

    /// Gets the next batch if there is nothing left of this one. `last_ns` is how far others are.
    fn fill(&mut self, last_ns: u64, sum: &mut Exported) -> Option<SpoolError> {
        while self.state != State::Ended && self.peek().is_none() {
            let news = match self.state {
                State::Silent => self.news.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
                _ => self.news.recv_timeout(PATIENCE),
            };
            match news {
                Ok(News::Batch(batch)) => {
                    self.is_back();
                    (self.batch, self.at) = (batch, 0);
                    while self.peek().is_some_and(|ts_ns| ts_ns < last_ns) {
                        self.at += 1;
                        sum.late += 1;
                    }
                }
                Ok(News::End(done)) => {
                    self.is_back();
                    self.state = State::Ended;
                    match done {
                        Ok(done) => sum.damaged += done.damaged,
                        Err(error) => return Some(error),
                    }
                }
                Err(RecvTimeoutError::Disconnected) => self.state = State::Ended,
                Err(RecvTimeoutError::Timeout) => {
                    self.is_silent();
                    break;
                }
            }
        }
        None
    }

    fn is_silent(&mut self) {
        if self.state == State::Answers {
            self.state = State::Silent;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let since = since.saturating_sub(PATIENCE).as_nanos();
            let since = clock_time(u64::try_from(since).unwrap_or(0));
            let behind = match self.last_ns {
                0 => "all its packets".to_owned(),
                last_ns => format!("its packets behind {}", clock_time(last_ns)),
            };
            let name = self.name();
            tracing::warn!("the root {name} has not answered since {since}: {behind} are missing");
        }
    }

    fn is_back(&mut self) {
        if self.state == State::Silent {
            self.state = State::Answers;
            tracing::info!("the root {} answers again", self.name());
        }
    }

    /// The time stamp of its next packet.
    fn peek(&self) -> Option<u64> {
        self.batch.packets.get(self.at).map(|packet| packet.ts_ns)
    }

    fn packet(&mut self) -> Option<Packet<'_>> {
        let told = *self.batch.packets.get(self.at)?;
        let before = self.at.checked_sub(1).and_then(|at| self.batch.packets.get(at));
        let start = before.map_or(0, |before| before.end);
        self.last_ns = told.ts_ns;
        let bytes = self.batch.bytes.get(start..told.end)?;
        let Told { ts_ns, link, wire_len, .. } = told;
        Some(Packet { ts_ns, link, wire_len, bytes })
    }
}

/// Reads one root, until nobody listens any more.
fn read(root: &std::path::Path, times: &Times, sender: &SyncSender<News>) {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut batch = Batch::default();
    let done = sliced(root, times, &mut |packet| {
        batch.bytes.extend_from_slice(packet.bytes);
        let &Packet { ts_ns, link, wire_len, .. } = packet;
        batch.packets.push(Told { ts_ns, link, wire_len, end: batch.bytes.len() });
        if batch.packets.len() >= BATCH_PACKETS || batch.bytes.len() >= BATCH_BYTES {
            sender.send(News::Batch(std::mem::take(&mut batch))).map_err(gone)?;
        }
        Ok(())
    });
    if !batch.packets.is_empty() && sender.send(News::Batch(batch)).is_err() {
        return;
    }
    // Whoever does not listen any more needs no end.
    let _ = sender.send(News::End(done));
}
