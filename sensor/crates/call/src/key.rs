//! What names a call, and what is known of a message besides its text.
//!
//! No call state.

use std::net::SocketAddr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A call's name: a fixed hash of realm and Call-ID, the same in every process and on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

impl CallKey {
    /// The key of a Call-ID in a realm. Equal Call-IDs in different realms are different calls.
    pub fn of(realm: u64, call_id: &[u8]) -> Self {
        Self(xxh3_64_with_seed(call_id, realm))
    }
}

/// A second hash that tells two Call-IDs of one key apart.
pub(crate) fn check_of(call_id: &[u8]) -> u64 {
    xxh3_64_with_seed(call_id, 0x7269_6e67_7461_7021)
}

/// Hash of a tag or branch; 0 stands for none.
pub(crate) fn token_of(token: Option<&[u8]>) -> u64 {
    token.map_or(0, |t| xxh3_64_with_seed(t, 1).max(1))
}

/// Times and path of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// When it was sent or seen, UNIX nanoseconds: what is reported.
    pub ts_ns: u64,
    /// Monotonic nanoseconds: what orders messages and drives timers.
    pub clock_ns: u64,
    /// Where it came from.
    pub src: SocketAddr,
    /// Where it went.
    pub dst: SocketAddr,
    /// Which interface, file or tunnel brought it.
    pub origin: u16,
    /// Outermost VLAN, 0 for none.
    pub vlan: u16,
    /// It came over TCP.
    pub tcp: bool,
    /// Its DSCP.
    pub dscp: u8,
}
