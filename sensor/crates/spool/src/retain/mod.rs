//! Retention: the oldest segments go when a limit says so, and at once when the disk is full.
//!
//! A thread of its own looks at what lies in the root every so often, and at once when the spool
//! thread finds no room. Age is that of the packets, not of the files. What limits of one kind
//! leave counts for those of all kinds, whose oldest segments go whatever kind they are. Segments
//! that are being written, and folders that are being read, stay: their limits are then exceeded,
//! which is counted and said.

mod queue;
mod room;
mod rules;
mod stock;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::counters::KeeperCounts;
use crate::error::SpoolError;
use crate::format::Class;
use crate::layout::Place;
use crate::retain::queue::{Candidate, Queue};
use crate::retain::room::Wake;
use crate::retain::rules::{Rule, State};
use crate::retain::stock::Stock;

pub(crate) use crate::retain::room::Room;

/// What may be kept of a kind; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Bytes on disk, indexes included.
    pub bytes: u64,
    /// Days since the packets came.
    pub days: u32,
}

/// When segments are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What is kept of all kinds together,
    pub all: Limit,
    /// of SIP,
    pub sip: Limit,
    /// of RTP and RTCP.
    pub media: Limit,
    /// Room that is kept free: this part of the file system in percent,
    pub free_percent: u8,
    /// but no more bytes than this. Where one of the two is 0, the other alone counts.
    pub free_bytes: u64,
    /// How often to look.
    pub every: Duration,
}

impl Default for Retention {
    /// 1 % or 5 GiB free, whichever is less, and no other limit; a look every minute.
    fn default() -> Self {
        Self {
            all: Limit::default(),
            sip: Limit::default(),
            media: Limit::default(),
            free_percent: 1,
            free_bytes: 5 << 30,
            every: Duration::from_secs(60),
        }
    }
}

/// The thread that removes.
#[derive(Debug)]
pub(crate) struct Keeper {
    thread: Option<JoinHandle<()>>,
    room: Arc<Room>,
}

impl Keeper {
    /// Starts it; its first look is at once.
    pub(crate) fn start(
        root: &Path,
        retention: &Retention,
        segment_bytes: u64,
        counts: Arc<KeeperCounts>,
    ) -> Result<Self, SpoolError> {
        let room = Arc::new(Room::default());
        let mut cleaner = Cleaner::new(root, retention, segment_bytes, counts);
        let (every, bell) = (retention.every, Arc::clone(&room));
        let thread = thread::Builder::new()
            .name("spool-keep".into())
            .spawn(move || {
                let mut wake = Wake::Time;
                while wake != Wake::Stop {
                    let removed = cleaner.round(now_ns(), wake == Wake::Full);
                    if wake == Wake::Full {
                        bell.answer(removed > 0);
                    }
                    wake = bell.wait(every);
                }
            })
            .map_err(|error| SpoolError::Thread(format!("cannot start a thread: {error}")))?;
        Ok(Self { thread: Some(thread), room })
    }

    /// Where the spool thread asks for room.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.room.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that removes old segments has died");
        }
    }
}

/// What removes, without its thread.
#[derive(Debug)]
struct Cleaner {
    root: PathBuf,
    retention: Retention,
    /// What a full disk is relieved by at least.
    relief_bytes: u64,
    stock: Stock,
    counts: Arc<KeeperCounts>,
    stuck: bool,
}

impl Cleaner {
    fn new(
        root: &Path,
        retention: &Retention,
        segment_bytes: u64,
        counts: Arc<KeeperCounts>,
    ) -> Self {
        Self {
            root: root.to_path_buf(),
            retention: retention.clone(),
            relief_bytes: segment_bytes,
            stock: Stock::default(),
            counts,
            stuck: false,
        }
    }

    /// Removes what the limits say, and if the disk is `full` the oldest in any case. Tells how
    /// many segments went.
    fn round(&mut self, now_ns: u64, full: bool) -> u64 {
        self.counts.rounds.add(1);
        let looked = self.stock.look(&self.root);
        let disk = rustix::fs::statvfs(&self.root);
        let (Ok(()), Ok(disk)) = (&looked, &disk) else {
            self.counts.errors.add(1);
            let error = looked.err().map(|error| error.to_string());
            let error = error.unwrap_or_else(|| "the file system tells no room".into());
            tracing::error!(%error, "limits of the spool cannot be kept");
            return 0;
        };
        let mut state = State {
            held: self.stock.held(),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            disk: disk.f_blocks.saturating_mul(disk.f_frsize),
            gained: 0,
        };
        let mut queue = Queue::new(&self.stock);
        let (mut removed, mut stuck) = (0, false);
        for rule in rules::all(&self.retention, now_ns, full.then_some(self.relief_bytes)) {
            loop {
                let oldest = queue.peek(rule.class);
                if !rule.wants(&state, oldest) {
                    break;
                }
                let Some(candidate) = queue.take(rule.class) else {
                    stuck = true;
                    break;
                };
                if self.remove(&candidate, &rule) {
                    removed += 1;
                    state.remove(candidate.class, candidate.bytes);
                    self.look_at_room(&mut state);
                }
            }
        }
        self.counts.in_use.add(queue.in_use());
        self.publish(&state, &mut queue);
        self.say(stuck);
        removed
    }

    fn remove(&self, candidate: &Candidate, rule: &Rule) -> bool {
        let Candidate { place, bytes, class, .. } = candidate;
        let path = place.path();
        // The index last: without its segment it is nothing, and recovery removes it.
        let done = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            other => other,
        };
        let _ = fs::remove_file(place.index_path());
        if let Err(source) = done {
            if self.counts.errors.get() == 0 {
                let error = SpoolError::io("remove", &path, source);
                tracing::error!(%error, "limits of the spool cannot be kept");
            }
            self.counts.errors.add(1);
            return false;
        }
        tracing::debug!(path = %path.display(), rule = rule.name(), "a segment is removed");
        let of_class = match class {
            Class::Sip => &self.counts.removed_sip,
            Class::Media => &self.counts.removed_media,
        };
        of_class.add(1);
        self.counts.removed_bytes.add(*bytes);
        rule.count(&self.counts).add(1);
        remove_empty(place, &self.root);
        true
    }

    /// What the file system says counts, not what was removed: others write there too.
    fn look_at_room(&self, state: &mut State) {
        if let Ok(disk) = rustix::fs::statvfs(&self.root) {
            state.free = disk.f_bavail.saturating_mul(disk.f_frsize);
        }
    }

    fn publish(&self, state: &State, queue: &mut Queue) {
        let [sip, media] = state.held;
        self.counts.held_sip.set(sip);
        self.counts.held_media.set(media);
        self.counts.free.set(state.free);
        self.counts.disk.set(state.disk);
        let mut oldest =
            |class| queue.peek(Some(class)).map_or(0, |one| one.base_ns / 1_000_000_000);
        self.counts.oldest_sip_s.set(oldest(Class::Sip));
        self.counts.oldest_media_s.set(oldest(Class::Media));
    }

    fn say(&mut self, stuck: bool) {
        self.counts.stuck.add(u64::from(stuck));
        if stuck && !self.stuck {
            tracing::warn!(
                "the spool {} is beyond a limit, and nothing more can be removed: what is left is \
                 being read or written",
                self.root.display()
            );
        } else if self.stuck && !stuck {
            tracing::info!("the spool {} is within its limits again", self.root.display());
        }
        self.stuck = stuck;
    }
}

/// Removes the folders of a segment that have become empty.
fn remove_empty(place: &Place, root: &Path) {
    for folder in place.folder().ancestors().take(3).take_while(|folder| *folder != root) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
