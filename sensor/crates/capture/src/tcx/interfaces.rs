//! The interfaces on which the programs are: those that are named, or all that are up, also those
//! that come later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::load::{Links, Rings};
use super::source::TcxSource;
use crate::batch::Link;
use crate::hardware;
use crate::open::ANY;
use crate::source::CaptureError;
use crate::sys::{self, Promiscuous};
use crate::xdp::load::{LoadError, Options, Program};

/// Interfaces that are taken at most, where all are wanted.
const INTERFACES_MAX: usize = 4096;

/// How to open a host's own interfaces by TCX.
#[derive(Clone, Debug)]
pub struct TcxOptions {
    /// Their names; none: all that are up.
    pub interfaces: Vec<String>,
    /// What the kernel programs are loaded with.
    pub program: Options,
    /// Rings, one for each source.
    pub rings: Rings,
    /// Whether to take frames that are not addressed to this host.
    pub promiscuous: bool,
    /// What frames carry as their origin.
    pub origin: u16,
}

/// What has become of an interface where all are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new, and captured.
    New(String),
    /// It is gone.
    Gone(String),
    /// It is new, and cannot be captured, for this reason.
    Refused(String, String),
}

/// Interfaces with the programs on them. Dropping it detaches the programs; so does the end of
/// the process, however it comes.
pub struct TcxInterfaces {
    state: Mutex<State>,
    /// All are wanted.
    any: bool,
    promiscuous: bool,
}

struct State {
    program: Program,
    /// By their index.
    attached: BTreeMap<u32, Attached>,
    /// Those that cannot be had, by their index: they are not tried again.
    refused: BTreeSet<u32>,
    stopped: bool,
}

struct Attached {
    name: String,
    _links: Links,
    _promiscuous: Option<Promiscuous>,
}

impl fmt::Debug for TcxInterfaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcxInterfaces").field("any", &self.any).finish_non_exhaustive()
    }
}

/// Opens interfaces: their handle, and a source for each ring.
pub fn open(options: &TcxOptions) -> Result<(TcxInterfaces, Vec<TcxSource>), CaptureError> {
    let any = options.interfaces.is_empty();
    let names = if any { ANY.to_owned() } else { options.interfaces.join(",") };
    for name in &options.interfaces {
        check(name)?;
    }
    let loaded = Program::load_host(&options.program, options.rings);
    let (program, rings, lost) = loaded.map_err(|error| refused(&names, error))?;
    let (attached, refused) = (BTreeMap::new(), BTreeSet::new());
    let state = Mutex::new(State { program, attached, refused, stopped: false });
    let promiscuous = options.promiscuous;
    let interfaces = TcxInterfaces { state, any, promiscuous };
    if any {
        interfaces.take_all(&names)?;
    } else {
        let mut state = interfaces.state();
        for name in &options.interfaces {
            state.attach(name, promiscuous)?;
        }
    }
    let count = rings.len();
    let sources = (0..).zip(rings).map(|(number, ring)| {
        let about = format!(
            "{names} ring {number} of {count}: TCX, ring of {} MiB, both directions",
            ring.bytes() >> 20
        );
        TcxSource::new(ring, number, Arc::clone(&lost), options.origin, about)
    });
    let sources = sources.collect();
    Ok((interfaces, sources))
}

/// What an interface's frames begin with, if it can be captured now.
fn check(name: &str) -> Result<(u32, Link, bool), CaptureError> {
    let index =
        sys::interface_index(name).ok_or_else(|| CaptureError::NoInterface(name.to_owned()))?;
    let facts = sys::facts(name)
        .map_err(|error| CaptureError::system(name, "ask about the interface", error))?;
    if !facts.up {
        return Err(CaptureError::Down(name.to_owned()));
    }
    let hardware = facts.hardware;
    let link = hardware::link(hardware)
        .ok_or_else(|| CaptureError::UnknownLink { interface: name.to_owned(), hardware })?;
    Ok((index, link, hardware == hardware::LOOPBACK))
}

impl TcxInterfaces {
    /// Whether all interfaces are wanted.
    pub const fn any(&self) -> bool {
        self.any
    }

    /// Does something with the programs.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Program) -> T) -> T {
        work(&mut self.state().program)
    }

    /// Takes the programs off all interfaces, for good. What the rings hold can still be read.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.attached.clear();
        state.stopped = true;
    }

    /// Where all interfaces are wanted: looks for new ones, and for those that are gone.
    pub fn look(&self) -> Vec<Change> {
        let mut state = self.state();
        if !self.any || state.stopped {
            return Vec::new();
        }
        let Ok(there) = sys::interfaces() else { return Vec::new() };
        state.look(&there, self.promiscuous)
    }

    /// The first look at all interfaces: one of them at least must be had.
    fn take_all(&self, names: &str) -> Result<(), CaptureError> {
        let there = sys::interfaces()
            .map_err(|error| CaptureError::system(names, "list the interfaces", error))?;
        let mut state = self.state();
        let changes = state.look(&there, self.promiscuous);
        let refused: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Refused(name, why) => Some(format!("{name}: {why}")),
                Change::New(_) | Change::Gone(_) => None,
            })
            .collect();
        if state.attached.is_empty() {
            let why = refused.into_iter().next().unwrap_or_else(|| "no interface is up".into());
            return Err(CaptureError::NoTcx { interface: names.to_owned(), why });
        }
        for refused in refused {
            tracing::warn!("not captured: {refused}");
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The program's state is the kernel's: a panic elsewhere cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn attach(&mut self, name: &str, promiscuous: bool) -> Result<(), CaptureError> {
        let (index, link, loopback) = check(name)?;
        // What the loopback interface sends it receives.
        let links = self
            .program
            .attach_host(name, link == Link::RawIp, !loopback)
            .map_err(|error| refused(name, error))?;
        let promiscuous = (promiscuous && !loopback).then(|| Promiscuous::on(index)).transpose();
        let promiscuous = promiscuous
            .map_err(|e| CaptureError::system(name, "make the interface promiscuous", e))?;
        let name = name.to_owned();
        self.attached.insert(index, Attached { name, _links: links, _promiscuous: promiscuous });
        Ok(())
    }

    fn look(&mut self, there: &[(u32, String)], promiscuous: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        self.attached.retain(|index, attached| {
            let stays = there.iter().any(|(there, _)| there == index);
            if !stays {
                changes.push(Change::Gone(attached.name.clone()));
            }
            stays
        });
        self.refused.retain(|index| there.iter().any(|(there, _)| there == index));
        for (index, name) in there {
            if self.attached.contains_key(index) || self.refused.contains(index) {
                continue;
            }
            if self.attached.len() >= INTERFACES_MAX {
                self.refused.insert(*index);
                let why = format!("there are more than {INTERFACES_MAX} interfaces");
                changes.push(Change::Refused(name.clone(), why));
                continue;
            }
            match self.attach(name, promiscuous) {
                Ok(()) => changes.push(Change::New(name.clone())),
                // It will be looked at again.
                Err(CaptureError::Down(_) | CaptureError::NoInterface(_)) => {}
                Err(error) => {
                    self.refused.insert(*index);
                    changes.push(Change::Refused(name.clone(), error.to_string()));
                }
            }
        }
        changes
    }
}

/// The loader's errors in this crate's words.
fn refused(interface: &str, error: LoadError) -> CaptureError {
    match error {
        LoadError::NotPermitted { what } => CaptureError::NotAllowed { what },
        LoadError::NoInterface(name) => CaptureError::NoInterface(name),
        LoadError::NoTcx { why } => CaptureError::NoTcx { interface: interface.to_owned(), why },
        other => CaptureError::Load(other.to_string()),
    }
}
