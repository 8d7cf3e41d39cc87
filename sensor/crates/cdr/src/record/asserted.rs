//! Who the two parties of a call are by the word of the network. An empty text means: not said.

use compact_str::CompactString;

/// Numbers in P-Asserted-Identity (RFC 3325) or Remote-Party-ID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asserted {
    /// The caller's, in its requests.
    pub caller: CompactString,
    /// The called side's, in its responses.
    pub called: CompactString,
}

impl Asserted {
    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        self.caller.is_empty() && self.called.is_empty()
    }
}
