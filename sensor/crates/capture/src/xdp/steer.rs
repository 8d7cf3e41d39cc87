//! The handle of an interface that is captured by XDP: which queue leads to which socket, which
//! endpoints are learned, what the program counted.
//!
//! It can be used from any thread while the sources work; they do not touch it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringtap_common::maps::Mode;
use ringtap_common::walk::Ip;

use super::load::{AttachMode, Counts, LoadError, Program, Size};
use crate::sys::{self, Promiscuous};

/// A captured interface. Dropping it detaches the program and ends promiscuous mode; so does the
/// end of the process, however it comes.
pub struct XdpInterface {
    program: Mutex<Program>,
    name: String,
    mode: AttachMode,
    queues: u32,
    _promiscuous: Option<Promiscuous>,
}

impl fmt::Debug for XdpInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XdpInterface")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

impl XdpInterface {
    pub(super) fn new(
        program: Program,
        name: String,
        mode: AttachMode,
        queues: u32,
        promiscuous: Option<Promiscuous>,
    ) -> Self {
        XdpInterface { program: Mutex::new(program), name, mode, queues, _promiscuous: promiscuous }
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the program is attached.
    pub const fn mode(&self) -> AttachMode {
        self.mode
    }

    /// Number of RX queues, each with a source.
    pub const fn queues(&self) -> u32 {
        self.queues
    }

    /// What the program counted; frames go on meanwhile.
    pub fn counts(&self) -> Result<Counts, LoadError> {
        self.program().counts()
    }

    /// How large the program is.
    pub fn size(&self) -> Result<Size, LoadError> {
        self.program().size()
    }

    /// Lets every datagram from or to an endpoint through.
    pub fn learn(&self, ip: Ip, port: u16) -> Result<(), LoadError> {
        self.program().learn(ip, port)
    }

    /// Takes a learned endpoint back.
    pub fn forget(&self, ip: Ip, port: u16) -> Result<(), LoadError> {
        self.program().forget(ip, port)
    }

    /// Tells the program which addresses are this host's own, as they are now, if it asks.
    pub fn tell_own_addresses(&self) -> Result<(), LoadError> {
        if self.program().settings().mode != Mode::Tunnel as u8 {
            return Ok(());
        }
        let own = own_addresses().map_err(LoadError::Addresses)?;
        self.program().set_own(&own)
    }

    /// Hands the program's rare log lines to the `log` crate.
    pub fn flush_log(&self) {
        self.program().flush_log();
    }

    /// Sends no more frames to the sources, while the counters go on. What the sources still hold
    /// can then be read to the end, and the ledger balances.
    pub fn stop(&self) -> Result<(), LoadError> {
        let mut program = self.program();
        (0..self.queues).try_for_each(|queue| program.clear_socket(queue))
    }

    fn program(&self) -> MutexGuard<'_, Program> {
        // The program's state is the kernel's: a panic elsewhere cannot leave it half changed.
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All addresses of this host.
pub(super) fn own_addresses() -> std::io::Result<Vec<Ip>> {
    let as_ip = |address| match address {
        IpAddr::V4(ip) => Ipv4Addr::to_ipv6_mapped(&ip).octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    Ok(sys::own_addresses()?.into_iter().map(as_ip).collect())
}
