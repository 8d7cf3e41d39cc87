//! Protocols by their first bytes alone, on whatever ports, and which port is theirs.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Pairs of ports that are told apart.
const PAIRS_MAX: usize = 4096;

/// How far a start line may reach.
const LINE_MAX: usize = 2048;

/// Whether a message of SIP begins here: its start line is whole and sound.
pub(super) fn begins_sip(payload: &[u8]) -> bool {
    let text = payload.trim_ascii_start();
    let text = text.get(..LINE_MAX).unwrap_or(text);
    if text.starts_with(b"SIP/2.0 ") {
        return true;
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return false };
    let line = text.get(..end).unwrap_or_default().trim_ascii_end();
    let method = line.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    method >= 3 && line.get(method) == Some(&b' ') && line.ends_with(b" SIP/2.0")
}

/// Whether a record of TLS begins here (RFC 8446 §5.1).
pub(super) fn is_tls(payload: &[u8]) -> bool {
    matches!(payload, [20..=23, 3, 0..=4, ..])
}

/// Whether a message of HEP 3 begins here.
pub(super) fn is_hep(payload: &[u8]) -> bool {
    payload.starts_with(b"HEP3")
}

/// Whether it is a packet of GTP-U, version 1, with a user's packet in it (3GPP TS 29.281).
pub(super) fn is_gtp(dport: u16, payload: &[u8]) -> bool {
    dport == 2152 && matches!(payload, [first, 0xff, ..] if first >> 5 == 1)
}

/// Packets by protocol and both ports.
#[derive(Debug, Default)]
pub(super) struct PortPairs {
    pairs: HashMap<(u8, u16, u16), u64, RandomState>,
    untold: u64,
}

/// A port, and how many packets had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) proto: u8,
    pub(super) port: u16,
    pub(super) packets: u64,
}

impl PortPairs {
    /// A packet between these ports.
    pub(super) fn note(&mut self, proto: u8, (one, other): (u16, u16)) {
        let pair = (proto, one.min(other), one.max(other));
        let room = self.pairs.len() < PAIRS_MAX;
        match self.pairs.get_mut(&pair) {
            Some(packets) => *packets += 1,
            None if room => {
                self.pairs.insert(pair, 1);
            }
            None => self.untold += 1,
        }
    }

    /// The ports that explain the most packets, `most` of them, and the packets that these do not
    /// explain. A pair counts for its commoner port.
    pub(super) fn busiest(&self, most: usize) -> (Vec<Port>, u64) {
        let mut pairs = self.pairs.clone();
        let mut found = Vec::new();
        while found.len() < most && !pairs.is_empty() {
            let mut ports: HashMap<(u8, u16), u64, RandomState> = HashMap::default();
            for (&(proto, one, other), packets) in &pairs {
                *ports.entry((proto, one)).or_default() += packets;
                if one != other {
                    *ports.entry((proto, other)).or_default() += packets;
                }
            }
            // Of two that are as common, the lower one is more likely to be a server's.
            let best = ports.into_iter().max_by_key(|&((proto, port), packets)| {
                (packets, std::cmp::Reverse((port, proto)))
            });
            let Some(((proto, port), packets)) = best else { break };
            pairs.retain(|&(p, one, other), _| p != proto || (one != port && other != port));
            found.push(Port { proto, port, packets });
        }
        (found, self.untold + pairs.values().sum::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sip_is_told_by_its_start_line() {
        assert!(begins_sip(b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n"));
        assert!(begins_sip(b"\r\n\r\nSIP/2.0 200 OK"));
        assert!(!begins_sip(b"OPTIONS sip:a SIP/2.0"), "no whole line");
        assert!(!begins_sip(b"GET / HTTP/1.1\r\nX: SIP/2.0\r\n"));
        assert!(!begins_sip(b"M-SEARCH * SIP/2.0\r\n"));
        assert!(!begins_sip(&[b'A'; 4000]));
        assert!(!begins_sip(b""));
    }

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        assert!(is_tls(&[22, 3, 1, 2, 0]) && !is_tls(&[22, 3]) && !is_tls(b"SIP"));
        assert!(is_hep(b"HEP3\0\x06") && !is_hep(b"HEP"));
        assert!(is_gtp(2152, &[0x32, 0xff, 0]) && !is_gtp(2153, &[0x32, 0xff, 0]));
        assert!(!is_gtp(2152, &[0x80, 0xff]) && !is_gtp(2152, &[]));
    }

    #[test]
    fn the_common_port_of_many_pairs_is_the_one() {
        let mut pairs = PortPairs::default();
        for client in 40_000..40_050 {
            pairs.note(17, (client, 5070));
            pairs.note(17, (5070, client));
        }
        pairs.note(6, (5080, 5080));
        pairs.note(17, (9, 8));
        let port = |proto, port, packets| Port { proto, port, packets };
        let (found, rest) = pairs.busiest(2);
        assert_eq!(found[0], port(17, 5070, 100));
        assert_eq!(found[1].packets, 1);
        assert_eq!(rest, 1);
        assert_eq!(pairs.busiest(9), (vec![found[0], port(17, 8, 1), port(6, 5080, 1)], 0));
    }

    #[test]
    fn pairs_are_bounded() {
        let mut pairs = PortPairs::default();
        for port in 0..5000 {
            pairs.note(17, (port, 60_000));
        }
        assert_eq!(pairs.pairs.len(), PAIRS_MAX);
        assert_eq!(pairs.busiest(1).1, 5000 - PAIRS_MAX as u64);
    }

    proptest! {
        #[test]
        fn any_bytes_are_told_apart(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = (begins_sip(&bytes), is_tls(&bytes), is_hep(&bytes), is_gtp(2152, &bytes));
        }
    }
}
