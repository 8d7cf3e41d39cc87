//! What can be said of an interface before anything is captured: its device, its rings and
//! queues, how it spreads packets, what it does to them, what it counts, and which programs are
//! attached to it.
//!
//! Nothing is changed. What a device does not tell is `None` or empty; no answer is believed to
//! be as long as it says.

mod answer;
mod attached;
mod ethtool;

use std::io;
use std::net::IpAddr;

pub use answer::{Channels, Driver, Feature, Rings, Spreading};
pub use attached::{Ability, Attached, Place, XdpProgram, attached};
use ethtool::{ANSWER_MAX, Asker};

use crate::sys;

/// Strings of one set, or counters, that are read at most.
const STRINGS_MAX: usize = 20_000;

const GET_DRIVER: u32 = 0x03;
const GET_RINGS: u32 = 0x10;
const GET_STRINGS: u32 = 0x1b;
const GET_STATISTICS: u32 = 0x1d;
const GET_HASH_FIELDS: u32 = 0x29;
const GET_SET_LENGTH: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const GET_CHANNELS: u32 = 0x3c;
const GET_HASH: u32 = 0x46;

const SET_STATISTICS: u32 = 1;
const SET_FEATURES: u32 = 4;

/// UDP over IPv4, as hashing knows it.
const UDP_V4: u32 = 0x02;

/// The first facts of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basics {
    /// It is up.
    pub up: bool,
    /// Longest packet without the Ethernet header, bytes.
    pub mtu: u32,
    /// `ARPHRD_` number; 1 is Ethernet.
    pub hardware: u16,
    /// Receive queues.
    pub queues: u32,
}

/// An interface that is asked about.
#[derive(Debug)]
pub struct Nic {
    asker: Asker,
    name: String,
}

impl Nic {
    /// An interface of this network namespace.
    ///
    /// # Errors
    /// What the system says; `NotFound` where there is no such interface.
    pub fn open(name: &str) -> io::Result<Self> {
        if sys::interface_index(name).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { asker: Asker::new(name)?, name: name.to_owned() })
    }

    /// Whether it is up, and how it is built.
    ///
    /// # Errors
    /// What the system says.
    pub fn basics(&self) -> io::Result<Basics> {
        let sys::Facts { up, mtu, hardware, queues } = sys::facts(&self.name)?;
        Ok(Basics { up, mtu, hardware, queues })
    }

    /// An address of this host that frames of this interface may be for, and the interface that
    /// has it: this one, or one above it (a bridge, a VLAN, a bond).
    ///
    /// # Errors
    /// What the system says.
    pub fn own_address(&self) -> io::Result<Option<(String, IpAddr)>> {
        for carrier in std::iter::once(self.name.clone()).chain(sys::uppers(&self.name)) {
            if let Some(address) = sys::own_address(&carrier)? {
                return Ok(Some((carrier, address)));
            }
        }
        Ok(None)
    }

    /// Who drives it.
    pub fn driver(&mut self) -> Option<Driver> {
        answer::driver(self.ask(&[GET_DRIVER])?)
    }

    /// Its receive ring.
    pub fn rings(&mut self) -> Option<Rings> {
        answer::rings(self.ask(&[GET_RINGS])?)
    }

    /// Its queues.
    pub fn channels(&mut self) -> Option<Channels> {
        answer::channels(self.ask(&[GET_CHANNELS])?)
    }

    /// How it spreads packets over its queues.
    pub fn spreading(&mut self) -> Option<Spreading> {
        let (slots, key) = answer::hash_sizes(self.ask(&[GET_HASH])?)?;
        if slots.saturating_add(key) > ANSWER_MAX / 8 {
            return None;
        }
        let question = [GET_HASH, 0, slots as u32, key as u32];
        let mut spreading = answer::hash(self.ask(&question)?, slots, key)?;
        spreading.udp_ports = self.ask(&[GET_HASH_FIELDS, UDP_V4]).and_then(answer::hashes_ports);
        Some(spreading)
    }

    /// What it does to packets, by the names that `ethtool -k` has.
    pub fn features(&mut self) -> Vec<Feature> {
        let Some(names) = self.features_names() else { return Vec::new() };
        let blocks = names.len().div_ceil(32) as u32;
        let states = self.ask(&[GET_FEATURES, blocks]).unwrap_or_default();
        answer::features(names, states)
    }

    fn features_names(&mut self) -> Option<Vec<String>> {
        // A set of sets, a number of 64 bits.
        let [one, other] = match cfg!(target_endian = "little") {
            true => [1 << SET_FEATURES, 0],
            false => [0, 1 << SET_FEATURES],
        };
        let count = answer::set_length(self.ask(&[GET_SET_LENGTH, 0, one, other])?)?;
        self.strings(SET_FEATURES, count)
    }

    /// What its driver counts, by the names that `ethtool -S` has.
    pub fn statistics(&mut self) -> Vec<(String, u64)> {
        self.driver_statistics().unwrap_or_default()
    }

    fn driver_statistics(&mut self) -> Option<Vec<(String, u64)>> {
        let count = answer::statistics_count(self.ask(&[GET_DRIVER])?)?;
        let names = self.strings(SET_STATISTICS, count)?;
        let values = answer::statistics(self.ask(&[GET_STATISTICS, count as u32])?, count)?;
        Some(names.into_iter().zip(values).collect())
    }

    fn strings(&mut self, set: u32, count: usize) -> Option<Vec<String>> {
        if count > STRINGS_MAX {
            return None;
        }
        answer::strings(self.ask(&[GET_STRINGS, set, count as u32])?, count)
    }

    /// `None`: the driver does not tell, or not us.
    fn ask(&mut self, question: &[u32]) -> Option<&[u8]> {
        let question: Vec<u8> = question.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.asker.ask(&question).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_tells_what_it_has() {
        let mut nic = Nic::open("lo").unwrap();
        let basics = nic.basics().unwrap();
        assert!(basics.mtu >= 1500 && basics.hardware == 772, "{basics:?}");
        assert_eq!(nic.rings(), None);
        let features = nic.features();
        assert!(features.iter().any(|one| one.name == "rx-gro"), "{features:?}");
        assert!(Nic::open("absent0").is_err());
    }
}
