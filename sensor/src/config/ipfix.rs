//! The IPFIX listener's settings.

use std::net::IpAddr;

/// What the `ipfix…` keys say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipfix {
    /// It listens.
    pub on: bool,
    /// Where; `None`: at all addresses.
    pub bind_ip: Option<IpAddr>,
    /// Port of TCP.
    pub bind_port: u16,
    /// The controllers' time is not used.
    pub system_time: bool,
    /// A time further off is not used, s.
    pub skew_max_s: u32,
    /// Connections at once.
    pub connections: usize,
    /// What waits for workers at most, MiB.
    pub memory_mb: usize,
}

impl Default for Ipfix {
    fn default() -> Self {
        Self {
            on: false,
            bind_ip: None,
            // IANA's, which the controllers have too.
            bind_port: 4739,
            system_time: false,
            skew_max_s: 60,
            connections: 256,
            memory_mb: 32,
        }
    }
}
