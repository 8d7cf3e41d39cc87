//! Which programs are attached to an interface, and what its driver can do for XDP.
//!
//! Asked of the kernel (libbpf); nothing is attached or detached here. Names of programs are told
//! to privileged processes only.

use std::io;
use std::os::fd::AsFd;

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramInfo, SchedClassifier};
use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::{Xdp, XdpFlags};

use crate::sys;

/// Programs of the whole kernel that are looked through for a name, at most.
const PROGRAMS_MAX: usize = 10_000;

/// What a driver can do for XDP, as it tells it (kernels from 6.3 on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Native mode, with redirection to sockets.
    pub native: bool,
    /// Zero-copy sockets.
    pub zero_copy: bool,
    /// Frames longer than a buffer.
    pub long_frames: bool,
}

/// How an XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the driver.
    Native,
    /// In front of the network stack.
    Generic,
    /// In the device.
    Hardware,
    /// In several of these.
    Several,
}

/// An XDP program on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpProgram {
    /// Its number.
    pub id: u32,
    /// Its name, where we may know it.
    pub name: Option<String>,
    /// Where it sits.
    pub place: Place,
}

/// What is attached to an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// The XDP program.
    pub xdp: Option<XdpProgram>,
    /// What the driver can do; `None`: it does not tell.
    pub ability: Option<Ability>,
    /// Names of TCX programs, with those of outgoing frames.
    pub tcx: Vec<String>,
}

/// Asks the kernel about an interface of this network namespace.
///
/// # Errors
/// What the system says; `NotFound` where there is no such interface.
pub fn attached(interface: &str) -> io::Result<Attached> {
    let index = sys::interface_index(interface).ok_or(io::ErrorKind::NotFound)?;
    let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    // A query needs no program, and therefore looks at no descriptor.
    let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    let told = Xdp::new(socket.as_fd()).query(index, XdpFlags::NONE);
    let told = told.map_err(|error| io::Error::other(error.to_string()))?;
    let place = place(told.attach_mode);
    let ids = [told.drv_prog_id, told.skb_prog_id, told.hw_prog_id];
    let id = std::iter::once(told.prog_id).chain(ids).find(|id| *id != 0).unwrap_or_default();
    let xdp = place.map(|place| XdpProgram { id, name: name_of(id), place });
    Ok(Attached { xdp, ability: ability(told.feature_flags), tcx: tcx(interface) })
}

fn place(mode: u8) -> Option<Place> {
    Some(match mode {
        0 => return None,
        1 => Place::Native,
        2 => Place::Generic,
        3 => Place::Hardware,
        _ => Place::Several,
    })
}

/// `enum netdev_xdp_act` of `linux/netdev.h`. No flag at all is what kernels say that do not
/// know; a driver without XDP has none either.
fn ability(flags: u64) -> Option<Ability> {
    const BASIC: u64 = 1;
    const REDIRECT: u64 = 2;
    const ZERO_COPY: u64 = 8;
    const LONG: u64 = 32;
    (flags != 0).then_some(Ability {
        native: flags & (BASIC | REDIRECT) == BASIC | REDIRECT,
        zero_copy: flags & ZERO_COPY != 0,
        long_frames: flags & LONG != 0,
    })
}

fn name_of(id: u32) -> Option<String> {
    let program = ProgInfoIter::default().take(PROGRAMS_MAX).find(|program| program.id == id)?;
    Some(program.name.to_string_lossy().into_owned())
}

fn tcx(interface: &str) -> Vec<String> {
    let ways = [TcAttachType::Ingress, TcAttachType::Egress];
    let programs = ways.into_iter().filter_map(|way| {
        SchedClassifier::query_tcx(interface, way).ok().map(|(_, programs)| programs)
    });
    let name = |program: ProgramInfo| program.name_as_str().unwrap_or("?").to_owned();
    programs.flatten().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_apart_from_silence() {
        assert_eq!(ability(0), None);
        let veth = Ability { native: true, zero_copy: false, long_frames: true };
        assert_eq!(ability(1 | 2 | 4 | 32 | 64), Some(veth));
        assert!(!ability(4).unwrap().native);
        assert!(ability(1 | 2 | 8).unwrap().zero_copy);
    }

    #[test]
    fn loopback_has_nothing_and_absent_interfaces_are_errors() {
        assert_eq!(attached("lo").unwrap().xdp, None);
        assert_eq!(attached("absent0").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
