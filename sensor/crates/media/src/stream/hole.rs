//! Missing packets as they are found: when, how many, and which, so that somebody who sees many
//! streams can tell whose loss it was.
//!
//! A hole is what one packet has jumped over. It may fill again, when what is missing comes late:
//! [`crate::Stream::still_missing`] knows.

/// Numbers missing before one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hole {
    /// Arrival of the packet behind it on the ordering clock, ns.
    pub clock_ns: u64,
    /// The same as UNIX time, ns.
    pub ts_ns: u64,
    /// Time since the packet before it, ns.
    pub span_ns: u64,
    /// Its first number, with cycles.
    pub first: u32,
    /// How many numbers.
    pub count: u32,
    /// Which numbering of the stream: a restart begins another.
    pub(crate) numbering: u16,
}
