//! What ties a call to other calls, and which these are.
//!
//! Two calls are legs of one call where both carry the same token (a Session-ID's UUID, the value
//! of a configured header), or where one carries the other's Call-ID (Replaces, such a header);
//! and legs of legs are legs too.

use compact_str::CompactString;

use super::CallRecord;

/// Legs that are told of one call at most.
pub const LEGS_MAX: usize = 32;

/// A call's ties to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legs {
    /// Hashes of the tokens that it carries, made like `call_key`.
    pub tokens: Vec<u64>,
    /// The Session-ID as the caller's side sends it: its own UUID, and the other one as `remote`.
    pub session_id: CompactString,
    /// Call-ID of the dialog that the call replaces.
    pub replaces: CompactString,
    /// The same number for all legs that had been joined when this one closed; `None` for a call
    /// without ties.
    pub leg_group: Option<u64>,
    /// The other legs: those that had closed before this one, or all that the store has.
    pub known: Vec<Leg>,
    /// Legs beyond [`LEGS_MAX`].
    pub omitted: u32,
}

/// Another leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its record's ID.
    pub id: u64,
    /// Its Call-ID.
    pub callid: CompactString,
}

impl CallRecord {
    /// The number of the group that begins with this call: 63 bits of its key and its beginning.
    pub fn own_group(&self) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (self.call_key ^ self.calldate_us.wrapping_mul(ODD)).wrapping_mul(ODD);
        (mixed ^ (mixed >> 32)) >> 1
    }
}
