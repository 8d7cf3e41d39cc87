//! What the call table counts, including everything it could not keep.
//!
//! Plain numbers; who shows them decides on names and units.

use ringtap_sip::Method;

/// Counters of one shard; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handled. Each is in exactly one of the six counters below.
    pub messages: u64,
    /// … that belong to a call, its first message included.
    pub in_call: u64,
    /// … of other methods, outside of any call.
    pub other_methods: u64,
    /// … of a dialog whose INVITE was not seen.
    pub without_invite: u64,
    /// … that came after their call was closed.
    pub late: u64,
    /// … without a Call-ID, or whose key already names a call with another Call-ID.
    pub no_call: u64,
    /// … that would have begun a call, with the table full.
    pub refused_calls: u64,
    /// Requests by method, in the order of [`Method`].
    pub requests: [u64; Method::COUNT],
    /// Responses by class, 1xx to 6xx; the first place is for unreadable codes.
    pub responses: [u64; 7],
    /// Messages with a fault.
    pub malformed: u64,
    /// Calls begun.
    pub calls_begun: u64,
    /// Calls closed.
    pub calls_closed: u64,
    /// Calls begun by a response, before or without their INVITE.
    pub begun_by_response: u64,
    /// Call-IDs used again while their last call was still kept.
    pub reused_call_ids: u64,
    /// Two Call-IDs with one key.
    pub key_collisions: u64,
    /// Claims made.
    pub claims: u64,
    /// Endpoints not claimed: the call has too many.
    pub claims_refused: u64,
    /// Session descriptions without a usable audio or video endpoint.
    pub descriptions_without_media: u64,
    /// Ladder entries not kept.
    pub ladder_omitted: u64,
    /// Transactions or tags not kept.
    pub dialog_omitted: u64,
    /// Ties to other calls not kept.
    pub ties_omitted: u64,
    /// Closed calls forgotten before their time: later messages may begin ghosts.
    pub recent_forgotten: u64,
}

impl Counters {
    /// Adds another shard's numbers.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.messages, other.messages),
            (&mut self.in_call, other.in_call),
            (&mut self.other_methods, other.other_methods),
            (&mut self.without_invite, other.without_invite),
            (&mut self.late, other.late),
            (&mut self.no_call, other.no_call),
            (&mut self.refused_calls, other.refused_calls),
            (&mut self.malformed, other.malformed),
            (&mut self.calls_begun, other.calls_begun),
            (&mut self.calls_closed, other.calls_closed),
            (&mut self.begun_by_response, other.begun_by_response),
            (&mut self.reused_call_ids, other.reused_call_ids),
            (&mut self.key_collisions, other.key_collisions),
            (&mut self.claims, other.claims),
            (&mut self.claims_refused, other.claims_refused),
            (&mut self.descriptions_without_media, other.descriptions_without_media),
            (&mut self.ladder_omitted, other.ladder_omitted),
            (&mut self.dialog_omitted, other.dialog_omitted),
            (&mut self.ties_omitted, other.ties_omitted),
            (&mut self.recent_forgotten, other.recent_forgotten),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
        for (mine, theirs) in self.requests.iter_mut().zip(other.requests) {
            *mine += theirs;
        }
        for (mine, theirs) in self.responses.iter_mut().zip(other.responses) {
            *mine += theirs;
        }
    }
}
