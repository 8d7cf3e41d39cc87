//! Quality of RTP streams: what arrived, what was lost, how evenly, and how it would sound.
//!
//! Reads headers only and never decodes media. It does no I/O and asks no clock: time comes with
//! each packet. Which call a stream belongs to is decided elsewhere.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod table;

pub mod stream;

pub mod codec;
pub mod delay;
pub mod dtmf;
pub mod interval;
pub mod jitter;
pub mod loss;
pub mod rtcp;
pub mod score;
pub mod sequence;

pub use codec::{Codec, Kind, PayloadInfo};
pub use dtmf::DtmfEvent;
pub use interval::Interval;
pub use rtcp::RtcpReport;
pub use stream::hole::Hole;
pub use stream::report::StreamReport;
pub use stream::{Cut, Packet, Pushed, Stream};
pub use table::{Entry, Id, Key, Step, Table};
