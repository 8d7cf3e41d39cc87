//! What names a call, and what is known of a message besides its text.
//!
//! No call state.

use std::net::{IpAddr, SocketAddr};

use ringtap_common::peel::Tunnel;
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
    /// Which interface or file brought it.
    pub origin: u16,
    /// Outermost VLAN, 0 for none.
    pub vlan: u16,
    /// The tunnel that it came through.
    pub tunnel: Option<Tunnel>,
    /// It came over TCP.
    pub tcp: bool,
    /// Its DSCP.
    pub dscp: u8,
}

impl Meta {
    /// The key of a message without a Call-ID: that of its two ends, in either direction.
    pub fn nameless_key(&self, realm: u64) -> CallKey {
        let bytes = |address: SocketAddr| {
            let mut bytes = [0; 18];
            let ip = match address.ip() {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let (place, port) = bytes.split_at_mut(16);
            place.copy_from_slice(&ip.octets());
            port.copy_from_slice(&address.port().to_be_bytes());
            bytes
        };
        let (a, b) = (bytes(self.src), bytes(self.dst));
        CallKey(xxh3_64_with_seed(&[a.min(b), a.max(b)].concat(), realm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_of_two_ends_have_one_key() {
        let meta = |src: &str, dst: &str| Meta {
            ts_ns: 0,
            clock_ns: 0,
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            origin: 0,
            vlan: 0,
            tunnel: None,
            tcp: false,
            dscp: 0,
        };
        let one = meta("10.0.0.1:5060", "[2001:db8::1]:5061").nameless_key(1);
        assert_eq!(one, meta("[2001:db8::1]:5061", "10.0.0.1:5060").nameless_key(1));
        assert_ne!(one, meta("10.0.0.1:5061", "[2001:db8::1]:5060").nameless_key(1));
        assert_ne!(one, meta("10.0.0.1:5060", "[2001:db8::1]:5061").nameless_key(2));
    }
}
