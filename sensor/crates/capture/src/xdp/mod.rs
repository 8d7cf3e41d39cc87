//! Capture by XDP: the kernel program picks out VoIP, drops what a mirror doubles, and redirects
//! the rest into one socket for each RX queue.
//!
//! In the order of setting up: [`load`] brings the program into the kernel, [`attach`] sets up an
//! interface, [`steer`] leads frames and endpoints, [`socket`] receives.

pub mod attach;
mod buffers;
pub mod load;
pub mod socket;
pub mod steer;

pub use attach::{XdpOptions, open};
pub use socket::{BusyPoll, XdpSource};
pub use steer::XdpInterface;
