//! On which UDP ports tunnels are looked for.
//!
//! Tunnels that are IP protocols of their own (IP in IP, GRE, ERSPAN), and those on Ethernet
//! (MPLS, PPPoE), need no key: they are recognised as what they are.

use ringtap_common::maps::{PortSets, TUNNEL_PORTS};
use ringtap_common::tunnel::Kind;

use super::value::{PortRange, ports};

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
