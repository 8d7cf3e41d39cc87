//! The way that packets came.

use compact_str::CompactString;
use std::net::IpAddr;

/// The outermost tunnel around packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its kind: `vxlan`, `gre`, …
    pub kind: CompactString,
    /// Its number, or that of its customer; 0 where it has none.
    pub id: u32,
    /// Who sent the outermost packets; `None` where the tunnel has no addresses.
    pub src: Option<IpAddr>,
    /// Whom to.
    pub dst: Option<IpAddr>,
}
