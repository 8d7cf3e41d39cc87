//! What the frames of an interface begin with, by its `ARPHRD_` number.

use crate::batch::Link;

const ETHER: u16 = 1;
const PPP: u16 = 512;
const RAWIP: u16 = 519;
/// The loopback interface gives each frame twice, as sent and as received.
pub(crate) const LOOPBACK: u16 = 772;
const NONE: u16 = 65_534;

/// `None`: with something that is not read here.
pub(crate) const fn link(hardware: u16) -> Option<Link> {
    match hardware {
        ETHER | LOOPBACK => Some(Link::Ethernet),
        NONE | RAWIP | PPP => Some(Link::RawIp),
        _ => None,
    }
}
