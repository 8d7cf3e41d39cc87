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
    /// How many of them had not come when it was found: all, but for holes put together.
    pub missing: u32,
    /// Which numbering of the stream: a restart begins another.
    pub(crate) numbering: u16,
}

impl Hole {
    /// Puts the next hole of the same stream to this one. False: they are not of one numbering.
    #[must_use]
    pub fn extend(&mut self, next: &Self) -> bool {
        let behind = next.first.saturating_sub(self.first);
        if next.numbering != self.numbering || behind < self.count {
            return false;
        }
        let begun_ns = self.clock_ns.saturating_sub(self.span_ns);
        self.span_ns = next.clock_ns.saturating_sub(begun_ns);
        (self.clock_ns, self.ts_ns) = (next.clock_ns, next.ts_ns);
        self.count = behind.saturating_add(next.count);
        self.missing = self.missing.saturating_add(next.missing);
        true
    }
}
