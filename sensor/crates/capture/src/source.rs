//! What live sources have in common: how frames are asked for, what is counted, what goes wrong.
//!
//! The sources themselves are [`crate::xdp`] and [`crate::packet_socket`].

use std::io;
use std::time::Duration;

use crate::batch::Batch;

/// A live source: one queue of an interface, used by one thread.
pub trait Source: Send {
    /// Waits at most `timeout` for frames, calls `f` once with what came (perhaps nothing), then
    /// gives the memory back.
    fn receive(
        &mut self,
        timeout: Duration,
        f: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<(), CaptureError>;

    /// What was received and lost since the source was opened.
    fn stats(&mut self) -> SourceStats;

    /// In one line: which queue this is, how it is read and why not better.
    fn describe(&self) -> String;
}

/// Counters of one source since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Frames given in batches.
    pub received: u64,
    /// Of these, frames that the host itself has sent.
    pub outgoing: u64,
    /// XDP socket: frames the kernel had no buffer for, or could not take.
    pub rx_dropped: u64,
    /// XDP socket, or TCX: frames for which its ring had no room.
    pub rx_ring_full: u64,
    /// XDP socket: how often the kernel found no free buffer; overlaps `rx_dropped`.
    pub fill_ring_empty: u64,
    /// Packet socket: frames for which its ring had no room.
    pub packet_dropped: u64,
    /// Packet socket: how often its ring stood still because it was full.
    pub packet_freezes: u64,
    /// Frames that the kernel gave but that could not be given on: impossible descriptors, or
    /// longer than any frame.
    pub unusable: u64,
    /// Frames whose time was behind an earlier one's or ahead of the present, and was clamped.
    pub clock_clamped: u64,
    /// Frames with the time of the batch instead of one of their own.
    pub unstamped: u64,
}

impl SourceStats {
    /// Frames that reached the source's queue and were not given on.
    pub const fn lost(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full + self.packet_dropped + self.unusable
    }

    /// Adds another source's counters.
    pub fn add(&mut self, other: &SourceStats) {
        self.received += other.received;
        self.outgoing += other.outgoing;
        self.rx_dropped += other.rx_dropped;
        self.rx_ring_full += other.rx_ring_full;
        self.fill_ring_empty += other.fill_ring_empty;
        self.packet_dropped += other.packet_dropped;
        self.packet_freezes += other.packet_freezes;
        self.unusable += other.unusable;
        self.clock_clamped += other.clock_clamped;
        self.unstamped += other.unstamped;
    }
}

/// Why live capture cannot start or go on; every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No such interface.
    #[error("there is no interface {0}: `ip link` lists those there are")]
    NoInterface(String),
    /// The interface is down.
    #[error("interface {0} is down: bring it up with `ip link set {0} up`")]
    Down(String),
    /// The process lacks rights.
    #[error(
        "not allowed to {what}: run as root, or with the capabilities CAP_NET_ADMIN, \
         CAP_NET_RAW, CAP_BPF, CAP_PERFMON and CAP_IPC_LOCK"
    )]
    NotAllowed {
        /// What was tried.
        what: &'static str,
    },
    /// Taking all frames of this interface could cut the host off.
    #[error(
        "interface {interface} carries this host's address {address}, and capturing there with \
         XDP would take its frames away: use a mirror port, or `capture = packet`, or allow it \
         by name"
    )]
    OwnAddress {
        /// The interface.
        interface: String,
        /// One of its addresses.
        address: String,
    },
    /// The interface's frames are of a kind that is not read.
    #[error("interface {interface} has frames of hardware type {hardware}, which are not read")]
    UnknownLink {
        /// The interface.
        interface: String,
        /// `ARPHRD_` number.
        hardware: u16,
    },
    /// The kernel program could not be loaded.
    #[error("{0}")]
    Load(String),
    /// The kernel program could not be attached.
    #[error("XDP cannot be had on {interface}: {why}")]
    NoXdp {
        /// The interface.
        interface: String,
        /// For each mode that was tried, what the system said.
        why: String,
    },
    /// The kernel programs for a host's own interfaces cannot be had.
    #[error("TCX cannot be had on {interface}: {why}")]
    NoTcx {
        /// The interface.
        interface: String,
        /// What the system said.
        why: String,
    },
    /// The settings contradict each other.
    #[error("{0}")]
    Method(&'static str),
    /// Somebody else captures this queue by XDP.
    #[error("queue {1} of {0} is taken by another AF_XDP socket: stop the program that holds it")]
    Taken(String, u32),
    /// A system call failed.
    #[error("{interface}: cannot {what}: {source}")]
    System {
        /// The interface.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl CaptureError {
    /// A failed system call; missing rights get a message of their own.
    pub(crate) fn system(interface: &str, what: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => CaptureError::NotAllowed { what },
            _ => CaptureError::System { interface: interface.to_owned(), what, source },
        }
    }
}
