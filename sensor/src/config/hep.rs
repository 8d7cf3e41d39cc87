//! The HEP listener's settings.

use std::net::IpAddr;
use std::path::PathBuf;

use super::value::path;
use crate::hep::Secret;

/// What the `hep…` keys say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hep {
    /// It listens.
    pub on: bool,
    /// Where; `None`: at all addresses.
    pub bind_ip: Option<IpAddr>,
    /// Port of TCP and UDP.
    pub bind_port: u16,
    /// UDP too.
    pub bind_udp: bool,
    /// Kamailio's numbers of protocols are understood.
    pub kamailio: bool,
    /// The agents' time is not used.
    pub system_time: bool,
    /// A time further off is not used, s.
    pub skew_max_s: u32,
    /// The key that agents must send.
    pub auth_key: Option<Secret>,
    /// Lines of logs are kept.
    pub log: bool,
    /// Port of TLS.
    pub tls_port: u16,
    /// Certificate and key of TLS; without them it is not spoken.
    pub tls_cert: Option<PathBuf>,
    /// The key.
    pub tls_key: Option<PathBuf>,
    /// Connections at once.
    pub connections: usize,
    /// What waits for workers at most, MiB.
    pub memory_mb: usize,
}

impl Default for Hep {
    fn default() -> Self {
        Self {
            on: false,
            bind_ip: None,
            bind_port: 9060,
            bind_udp: true,
            kamailio: true,
            system_time: false,
            skew_max_s: 60,
            auth_key: None,
            log: false,
            tls_port: 9061,
            tls_cert: None,
            tls_key: None,
            connections: 256,
            memory_mb: 32,
        }
    }
}

/// An address, or nothing: all of them.
pub(super) fn address(text: &str) -> Option<Option<IpAddr>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

/// A key, or nothing: none is wanted.
pub(super) fn secret(text: &str) -> Option<Option<Secret>> {
    Some((!text.is_empty()).then(|| Secret(text.to_owned())))
}

/// A file, or nothing.
pub(super) fn file(text: &str) -> Option<Option<PathBuf>> {
    Some(path(text))
}
