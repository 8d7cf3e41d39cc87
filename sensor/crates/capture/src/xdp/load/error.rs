//! Why the kernel program could not be loaded, attached or reached, in one line each.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use ringtap_common::maps;
use thiserror::Error;

use super::AttachMode;

/// Why the kernel program could not be loaded, attached or reached.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The program was not there when this crate was compiled.
    #[error("the kernel program is not built in: run `cargo xtask build-ebpf`, then build again")]
    NoObject,
    /// The kernel refused for lack of a privilege.
    #[error(
        "{what} is not permitted: run as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and \
         CAP_PERFMON"
    )]
    NotPermitted {
        /// What was tried.
        what: &'static str,
    },
    /// The object cannot be loaded by this library or kernel.
    #[error("cannot load the kernel program: {0}")]
    Load(#[source] Box<EbpfError>),
    /// The kernel's verifier refused the program.
    #[error("this kernel refuses the program: {reason}")]
    Verifier {
        /// The end of the verifier's log.
        reason: String,
    },
    /// There is no such interface.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// Another XDP program holds the interface.
    #[error("another XDP program is attached to {0}: `ip link show {0}` names it")]
    Busy(String),
    /// The interface cannot run the program in this mode.
    #[error("{interface} cannot run XDP in {mode} mode: {}", root(source.as_ref()))]
    Attach {
        /// The interface.
        interface: String,
        /// The mode that was tried.
        mode: AttachMode,
        /// The kernel's answer.
        source: Box<ProgramError>,
    },
    /// The kernel has no TCX, or not for this interface.
    #[error("{why}")]
    NoTcx {
        /// What the system said.
        why: String,
    },
    /// A ring's memory cannot be had.
    #[error("cannot map the kernel program's ring: {0}")]
    Ring(#[source] io::Error),
    /// A socket cannot be told to stop.
    #[error("cannot stop a packet socket: {0}")]
    Stop(#[source] io::Error),
    /// The host does not tell its interfaces.
    #[error("cannot list the interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// The host does not tell its addresses.
    #[error("cannot ask for this host's own addresses: {0}")]
    Addresses(#[source] io::Error),
    /// A map is missing or refuses an operation.
    #[error("kernel map {name}: {source}")]
    Map {
        /// The map.
        name: &'static str,
        /// What went wrong.
        source: Box<MapError>,
    },
    /// The program itself is missing, or a request about it failed.
    #[error("kernel program: {0}")]
    Program(#[source] Box<ProgramError>),
    /// The channel for the program's rare log lines could not be opened.
    #[error("kernel program's log: {0}")]
    Log(#[source] Box<aya_log::Error>),
    /// A size is not a power of two, or out of its range.
    #[error(
        "the duplicate table cannot have {0} slots: a power of two up to {max}",
        max = maps::DEDUP_SLOTS_MAX
    )]
    DedupSlots(u32),
}

pub(crate) fn in_map(name: &'static str) -> impl Fn(MapError) -> LoadError {
    move |source| LoadError::Map { name, source: Box::new(source) }
}

pub(crate) fn from_load(error: EbpfError) -> LoadError {
    match os_error(&error) {
        Some(libc::EPERM | libc::EACCES) => {
            LoadError::NotPermitted { what: "creating the kernel program's maps" }
        }
        _ => LoadError::Load(Box::new(error)),
    }
}

pub(crate) fn from_program(error: ProgramError, what: &'static str) -> LoadError {
    match (&error, os_error(&error)) {
        (ProgramError::LoadError { verifier_log, .. }, _)
            if !verifier_log.to_string().trim().is_empty() =>
        {
            let log = verifier_log.to_string();
            let mut lines: Vec<&str> = log.trim().lines().rev().take(4).collect();
            lines.reverse();
            tracing::debug!(log, "verifier");
            LoadError::Verifier { reason: lines.join("; ") }
        }
        (_, Some(libc::EPERM | libc::EACCES)) => LoadError::NotPermitted { what },
        _ => LoadError::Program(Box::new(error)),
    }
}

/// The operating system's error number at the root of an error.
pub(crate) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}

/// The last cause of an error, which is the operating system's own word.
pub(crate) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
