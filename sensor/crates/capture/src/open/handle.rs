//! The kernel's side of an opened interface: what its program counted, which endpoints are
//! learned, and its end.
//!
//! It can be used from any thread while the sources work; they do not touch it.

use ringtap_common::walk::Ip;

use crate::packet_socket::Filter;
use crate::tcx::{Change, TcxInterfaces};
use crate::xdp::XdpInterface;
use crate::xdp::load::{Counts, LoadError, Size};

/// What filters in the kernel.
#[derive(Debug)]
pub enum Handle {
    /// An XDP program.
    Xdp(XdpInterface),
    /// TCX programs.
    Tcx(TcxInterfaces),
    /// The filter of packet sockets.
    Filter(Filter),
}

impl Handle {
    /// What the program counted; frames go on meanwhile.
    pub fn counts(&self) -> Result<Counts, LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.counts(),
            Handle::Tcx(tcx) => tcx.with(|program| program.counts()),
            Handle::Filter(filter) => filter.with(|program| program.counts()),
        }
    }

    /// How large the program is.
    pub fn size(&self) -> Result<Size, LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.size(),
            Handle::Tcx(tcx) => tcx.with(|program| program.host_size()),
            Handle::Filter(filter) => filter.with(|program| program.filter_size()),
        }
    }

    /// Lets every datagram from or to an endpoint through.
    pub fn learn(&self, ip: Ip, port: u16) -> Result<(), LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.learn(ip, port),
            Handle::Tcx(tcx) => tcx.with(|program| program.learn(ip, port)),
            Handle::Filter(filter) => filter.with(|program| program.learn(ip, port)),
        }
    }

    /// Takes a learned endpoint back.
    pub fn forget(&self, ip: Ip, port: u16) -> Result<(), LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.forget(ip, port),
            Handle::Tcx(tcx) => tcx.with(|program| program.forget(ip, port)),
            Handle::Filter(filter) => filter.with(|program| program.forget(ip, port)),
        }
    }

    /// Whether the program drops mirrored copies. The others leave them to whoever reads.
    pub const fn tells_copies(&self) -> bool {
        matches!(self, Handle::Xdp(_))
    }

    /// Looks at the host as it is now: its addresses, and its interfaces where all are wanted.
    pub fn look(&self) -> Result<Vec<Change>, LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.tell_own_addresses().map(|()| Vec::new()),
            Handle::Tcx(tcx) => Ok(tcx.look()),
            Handle::Filter(filter) => filter.look().map(|()| Vec::new()),
        }
    }

    /// Sends no more frames to the sources. What these still hold can then be read to the end,
    /// and the ledger balances.
    pub fn stop(&self) -> Result<(), LoadError> {
        match self {
            Handle::Xdp(xdp) => xdp.stop(),
            Handle::Tcx(tcx) => {
                tcx.stop();
                Ok(())
            }
            Handle::Filter(filter) => filter.stop().map_err(LoadError::Stop),
        }
    }
}
