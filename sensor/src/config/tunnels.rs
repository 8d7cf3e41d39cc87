//! On which UDP ports tunnels are looked for, and which of them the host's own sockets receive.
//!
//! Tunnels that are IP protocols of their own (IP in IP, GRE, ERSPAN), and those on Ethernet
//! (MPLS, PPPoE), need no key: they are recognised as what they are.

use std::net::IpAddr;

use ringtap_common::maps::{PortSets, TUNNEL_PORTS};
use ringtap_common::tunnel::Kind;

use super::value::{PortRange, list, ports};

/// Where debug recordings by AudioCodes are sent, unless something else is said.
const AUDIOCODES_PORT: u16 = 925;

/// Ports of each kind of tunnel, in the order of the kinds; several entries of a kind add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPorts(Vec<(Kind, PortRange)>);

impl Default for TunnelPorts {
    fn default() -> Self {
        let audiocodes = (AUDIOCODES_PORT, Kind::AudioCodes);
        let all = TUNNEL_PORTS.into_iter().chain([audiocodes]);
        let mut all: Vec<_> = all.map(|(port, kind)| (kind, (port, port))).collect();
        all.sort_unstable();
        Self(all)
    }
}

impl TunnelPorts {
    /// Adds what a key says: ports, or that there are none.
    pub(super) fn add(&mut self, kind: Kind, text: &str) -> Option<()> {
        if !matches!(text, "no" | "0") {
            self.0.extend(ports(text)?.into_iter().map(|range| (kind, range)));
            self.0.sort_unstable();
        }
        Some(())
    }

    /// Forgets the ports of a kind.
    pub(super) fn clear(&mut self, kind: Kind) {
        self.0.retain(|(known, _)| *known != kind);
    }

    /// Puts all of them into a table, those of recordings by AudioCodes only if they are wanted.
    /// Where two kinds share a port, the one has it that stands later in [`Kind`].
    pub fn fill(&self, sets: &mut PortSets, audiocodes: bool) {
        for (kind, (first, last)) in &self.0 {
            if *kind == Kind::AudioCodes && !audiocodes {
                continue;
            }
            (*first..=*last).for_each(|port| sets.insert_tunnel(port, *kind));
        }
    }

    /// The ports of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = u16> + '_ {
        let ranges = self.0.iter().filter(move |(known, _)| *known == kind);
        ranges.flat_map(|(_, (first, last))| *first..=*last)
    }

    /// A port that two kinds want.
    pub(super) fn contested(&self) -> Option<u16> {
        self.0.iter().enumerate().find_map(|(at, (kind, range))| {
            let others = self.0.iter().take(at).filter(|(other, _)| other != kind);
            others
                .map(|(_, other)| (range.0.max(other.0), range.1.min(other.1)))
                .find_map(|(first, last)| (first <= last).then_some(first))
        })
    }
}

/// What the `listen…` keys say: tunnels that the host's own sockets receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Kinds over UDP, at the ports of each.
    pub udp: Vec<Kind>,
    /// Recordings by AudioCodes over TCP,
    pub tcp_audiocodes: bool,
    /// at this port.
    pub tcp_port_audiocodes: u16,
    /// Where; `None`: at all addresses.
    pub bind_ip: Option<IpAddr>,
    /// Connections at once.
    pub connections: usize,
    /// What waits for workers at most, MiB.
    pub memory_mb: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp_audiocodes: false,
            tcp_port_audiocodes: AUDIOCODES_PORT,
            bind_ip: None,
            connections: 256,
            memory_mb: 32,
        }
    }
}

impl Listen {
    /// Whether anything is listened to.
    pub fn is_on(&self) -> bool {
        self.tcp_audiocodes || !self.udp.is_empty()
    }

    /// Whether recordings by AudioCodes are.
    pub fn audiocodes(&self) -> bool {
        self.tcp_audiocodes || self.udp.contains(&Kind::AudioCodes)
    }
}

/// Kinds of tunnels that come by UDP, or that there are none.
pub(super) fn udp_kinds(text: &str) -> Option<Vec<Kind>> {
    if text == "no" {
        return Some(Vec::new());
    }
    let kind = |name: &str| {
        Kind::from_label(name).filter(|kind| {
            use Kind::{AudioCodes, Geneve, GreUdp, HpErm, L2tp, Mpls, Tzsp, Vxlan};
            matches!(kind, Vxlan | Geneve | Tzsp | L2tp | GreUdp | Mpls | HpErm | AudioCodes)
        })
    };
    let kinds: Vec<Kind> = list(text).map(kind).collect::<Option<_>>()?;
    (!kinds.is_empty()).then_some(kinds)
}
