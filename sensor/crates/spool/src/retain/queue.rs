//! The segments of a root that may be removed, oldest first, one folder in memory at a time.
//!
//! It has the folder at hand alone: no reader comes in while segments of it are removed.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::format::Class;
use crate::layout::{Place, segments_in};
use crate::read::{Held, exclude};
use crate::retain::stock::{Stock, on_disk};

/// A `.part` that nobody has locked is left behind, unless it has only just been made.
const LEFT_BEHIND: Duration = Duration::from_secs(60);

/// A segment that may go.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) class: Class,
    pub(super) base_ns: u64,
    pub(super) bytes: u64,
}

/// Both classes, each in its own order.
#[derive(Debug)]
pub(super) struct Queue {
    lines: [Line; 2],
}

#[derive(Debug)]
struct Line {
    class: Class,
    folders: VecDeque<PathBuf>,
    here: VecDeque<Place>,
    /// On the folder of `here`.
    lock: Held,
    next: Option<Candidate>,
    in_use: u64,
}

impl Queue {
    pub(super) fn new(stock: &Stock) -> Self {
        let lines = Class::ALL.map(|class| Line {
            class,
            folders: stock.folders(class).cloned().collect(),
            here: VecDeque::new(),
            lock: Held::Unknown,
            next: None,
            in_use: 0,
        });
        Self { lines }
    }

    /// The oldest segment of a class, or of all, that may go.
    pub(super) fn peek(&mut self, class: Option<Class>) -> Option<&Candidate> {
        self.oldest(class)?.next.as_ref()
    }

    /// The same, to be removed.
    pub(super) fn take(&mut self, class: Option<Class>) -> Option<Candidate> {
        self.oldest(class)?.next.take()
    }

    /// Folders and segments that were passed over, because somebody reads or writes them.
    pub(super) fn in_use(&self) -> u64 {
        self.lines.iter().map(|line| line.in_use).sum()
    }

    fn oldest(&mut self, class: Option<Class>) -> Option<&mut Line> {
        let lines = self.lines.iter_mut().filter(|line| class.is_none_or(|one| one == line.class));
        lines
            .filter_map(|line| {
                let base_ns = line.advance()?;
                Some((base_ns, line))
            })
            .min_by_key(|(base_ns, _)| *base_ns)
            .map(|(_, line)| line)
    }
}

impl Line {
    /// Finds the next one, if it is not known yet, and tells its time.
    fn advance(&mut self) -> Option<u64> {
        while self.next.is_none() {
            let Some(place) = self.here.pop_front() else {
                self.enter()?;
                continue;
            };
            match removable(&place) {
                Some(true) => self.next = self.candidate(place),
                Some(false) => self.in_use += 1,
                None => {}
            }
        }
        self.next.as_ref().map(|next| next.base_ns)
    }

    /// Goes into the next folder that nobody reads.
    fn enter(&mut self) -> Option<()> {
        self.lock = Held::Unknown;
        let folder = self.folders.pop_front()?;
        match exclude(&folder) {
            Held::InUse => self.in_use += 1,
            lock => {
                self.lock = lock;
                self.here = segments_in(&folder).unwrap_or_default().into();
            }
        }
        Some(())
    }

    fn candidate(&self, place: Place) -> Option<Candidate> {
        // A name without a time is none of ours.
        let base_ns = place.base_ns()?;
        let bytes = on_disk(&place.path()) + on_disk(&place.index_path());
        Some(Candidate { place, class: self.class, base_ns, bytes })
    }
}

/// Whether a segment may go; `None`: it is not there any more.
fn removable(place: &Place) -> Option<bool> {
    let path = place.path();
    let lock = exclude(&path);
    let file = fs::symlink_metadata(&path).ok()?;
    Some(match lock {
        Held::InUse => false,
        Held::Ours(_) if place.part => {
            let idle = SystemTime::now().duration_since(file.modified().ok()?);
            idle.is_ok_and(|idle| idle > LEFT_BEHIND)
        }
        Held::Ours(_) => true,
        Held::Unknown => !place.part,
    })
}
