//! Sources of packets: a source gives timestamped batches of frames and parses nothing.
//!
//! In the order of the way: [`batch`] is what every source yields, [`xdp`], [`tcx`] and
//! [`packet_socket`] are the live sources that [`open()`] and [`open_host`] choose between, and
//! [`pcap_file`] reads captures. [`clock`] gives every frame its two times, [`affinity`] pins
//! the thread that asks, [`datagram`] tells what a UDP socket has lost. [`nic`] and
//! [`timekeeping`] tell beforehand what can be expected of an interface and of the clock. What the
//! bytes mean is the business of the crates that follow.
#![deny(missing_docs)]

pub mod affinity;
pub mod batch;
pub mod clock;
pub mod datagram;
mod hardware;
pub mod nic;
pub mod open;
pub mod packet_socket;
pub mod pcap_file;
pub mod presence;
pub mod source;
mod sys;
pub mod tcx;
pub mod timekeeping;
pub mod xdp;

pub use batch::{Batch, Frame, Gather, Link};
pub use open::{Handle, Method, Opened, open, open_host};
pub use source::{CaptureError, Source, SourceStats};
