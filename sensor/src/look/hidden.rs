//! Tunnels on ports that the configuration does not name.
//!
//! A datagram is one if a tunnel's header stands in it with a whole and sound packet behind: an
//! IPv4 header whose checksum is right, or an IPv6 header that fits. One such packet may be
//! chance; three of one kind to one port are not.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_common::classify::Ports;
use ringtap_common::tunnel::{Entry, Kind, enter};
use ringtap_common::walk::{Fragment, Headers, walk_layer};

use crate::worker::decode::Decoded;

/// Ports that are watched.
const PORTS_MAX: usize = 1024;

/// Datagrams to a port without a tunnel after which no more are looked at.
const TRIES_MAX: u32 = 64;

/// Packets from which on it is no chance.
const PACKETS_MIN: u64 = 3;

/// Tunnels over UDP, those first that say the most of themselves.
const KINDS: [Kind; 7] = [
    Kind::Vxlan,
    Kind::Geneve,
    Kind::GreUdp,
    Kind::HpErm,
    Kind::Tzsp,
    Kind::Mpls,
    Kind::AudioCodes,
];

/// One port has one kind of tunnel.
struct Only(u16, Kind);

impl Ports for Only {
    fn sip(&self, _: u16) -> bool {
        false
    }

    fn media(&self, _: u16) -> bool {
        false
    }

    fn tunnel(&self, port: u16) -> Option<Kind> {
        (port == self.0).then_some(self.1)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Port {
    tries: u32,
    packets: [u64; KINDS.len()],
}

/// Datagrams by the port that they are sent to.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    ports: HashMap<u16, Port, RandomState>,
}

impl Hidden {
    /// A datagram of which nothing else is known.
    pub(super) fn packet(&mut self, decoded: &Decoded<'_>) {
        let port = decoded.headers.dport;
        if self.ports.len() >= PORTS_MAX && !self.ports.contains_key(&port) {
            return;
        }
        let seen = self.ports.entry(port).or_default();
        if seen.tries >= TRIES_MAX {
            return;
        }
        let holds = |kind: &Kind| holds(decoded.frame.bytes, &decoded.headers, *kind);
        match KINDS.iter().position(holds).and_then(|at| seen.packets.get_mut(at)) {
            Some(packets) => {
                *packets += 1;
                seen.tries = 0;
            }
            None => seen.tries += 1,
        }
    }

    /// Ports with tunnels, their kind, and how many packets showed it; the busiest first.
    pub(super) fn found(&self) -> Vec<(u16, Kind, u64)> {
        let ports = self.ports.iter().filter_map(|(port, seen)| {
            let kinds = KINDS.into_iter().zip(seen.packets);
            let (kind, packets) = kinds.max_by_key(|(_, packets)| *packets)?;
            (packets >= PACKETS_MIN).then_some((*port, kind, packets))
        });
        let mut ports: Vec<_> = ports.collect();
        ports.sort_unstable_by_key(|(port, _, packets)| (std::cmp::Reverse(*packets), *port));
        ports
    }
}

/// Whether the datagram is such a tunnel's.
fn holds(bytes: &[u8], headers: &Headers, kind: Kind) -> bool {
    match enter(&bytes, headers, &Only(headers.dport, kind)) {
        Some(Entry::Layer(inner)) => walk_layer(&bytes, inner.layer)
            .is_ok_and(|inner| inner.fragment == Fragment::Whole && is_sound(bytes, &inner)),
        Some(Entry::Told(told)) => told.class.is_some(),
        None => false,
    }
}

/// Whether an IPv4 header's checksum is right (RFC 1071); IPv6 has none.
fn is_sound(bytes: &[u8], headers: &Headers) -> bool {
    if headers.version != 4 {
        return true;
    }
    let at = usize::from(headers.l3);
    let length = bytes.get(at).map_or(0, |byte| usize::from(byte & 0x0f) * 4);
    let Some(header) = bytes.get(at..at + length).filter(|header| header.len() >= 20) else {
        return false;
    };
    let words = header.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let sum: u32 = words.sum();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}
