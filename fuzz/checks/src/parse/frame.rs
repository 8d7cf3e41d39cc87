//! A frame: walk, classification and fingerprint; and the way to the walk from each link type, and
//! through tunnels.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use ringtap_common::classify::{Class, DefaultPorts, classify};
use ringtap_common::fingerprint::{SLOTS_MIN, Seed, Table, fingerprint};
use ringtap_common::maps::PortSets;
use ringtap_common::peel::{DEPTH, TOLD};
use ringtap_common::tunnel::Kind;
use ringtap_common::walk::{
    Fragment, Headers, PROTO_ETHERIP, PROTO_GRE, PROTO_IPIP, PROTO_IPV6, PROTO_L2TP, PROTO_MPLS,
    PROTO_TCP, PROTO_UDP, walk_ethernet,
};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::link::{LinkKind, headers, innermost, network};
use ringtap_wire::{rtcp, rtp};

const SEED: Seed = Seed::new(7);
/// Every kind of tunnel has a port.
static PORTS: LazyLock<PortSets> = LazyLock::new(|| {
    let mut ports = PortSets::default();
    ports.insert_tunnel(925, Kind::AudioCodes);
    ports
});
const WINDOW_NS: u64 = 20_000_000;
/// Protocols that carry others' packets.
const TUNNELS: [u8; 6] = [PROTO_IPIP, PROTO_IPV6, PROTO_GRE, PROTO_ETHERIP, PROTO_L2TP, PROTO_MPLS];

/// An Ethernet frame: every offset lies inside of it, what is classified as media can be read as
/// such, and copies have the same fingerprint and other payloads another one.
pub fn walk(frame: &[u8]) {
    let walked = walk_ethernet(&frame);
    assert_eq!(walked, walk_ethernet(&frame), "the walk is not deterministic");
    let Ok(headers) = walked else { return };
    inside(&headers, frame);
    readable(&headers, frame);
    compared(&headers, frame);
}

const KINDS: [LinkKind; 5] =
    [LinkKind::Ethernet, LinkKind::RawIp, LinkKind::Sll, LinkKind::Sll2, LinkKind::Null];

/// The first byte chooses the link type, the rest is the frame.
pub fn link(data: &[u8]) {
    let Some((choice, frame)) = data.split_first() else { return };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    let found = network(kind, frame);
    if let Ok((_, at)) = found {
        assert!(at <= frame.len());
    }
    let Ok(walked) = headers(kind, frame) else { return };
    assert!(found.is_ok(), "walked without a network layer");
    inside(&walked, frame);
    let flow = FlowKey::from_headers(&walked);
    assert_eq!(flow.reversed().reversed(), flow);
    assert_eq!(flow.symmetric_hash(5), flow.reversed().symmetric_hash(5));
}

/// The first byte chooses the link type: what is inside of all tunnels is inside of the frame, and
/// is no tunnel's protocol.
pub fn tunnel(data: &[u8]) {
    let Some((choice, frame)) = data.split_first() else { return };
    let kind = KINDS[usize::from(*choice) % KINDS.len()];
    let Ok(peeled) = innermost(kind, frame, &*PORTS, DEPTH) else { return };
    if peeled.layer.ethertype == TOLD {
        // Of a recording there is the payload only.
        let end = usize::from(peeled.headers.payload) + peeled.headers.payload_len as usize;
        assert!(end <= frame.len() && peeled.tunnel.is_some(), "{peeled:?}");
        return;
    }
    inside(&peeled.headers, frame);
    assert!(peeled.layer.at <= usize::from(peeled.headers.l3), "{peeled:?}");
    let whole = peeled.headers.fragment == Fragment::Whole;
    assert!(!whole || !TUNNELS.contains(&peeled.headers.proto), "{peeled:?}");
    if peeled.tunnel.is_none() {
        assert_eq!(headers(kind, frame), Ok(peeled.headers));
    }
}

fn inside(headers: &Headers, frame: &[u8]) {
    let (l3, l4, payload) = (headers.l3, headers.l4, headers.payload);
    assert!(l3 < l4 && l4 <= payload, "headers out of order: {headers:?}");
    let end = usize::from(payload) + headers.payload_len as usize;
    assert!(end <= frame.len(), "payload beyond the frame: {headers:?}");
    if headers.fragment == Fragment::Later {
        assert_eq!((headers.sport, headers.dport), (0, 0));
    } else if matches!(headers.proto, PROTO_TCP | PROTO_UDP) {
        assert!(payload > l4, "no transport header: {headers:?}");
    } else {
        assert!(TUNNELS.contains(&headers.proto), "{headers:?}");
        assert_eq!((payload, headers.sport, headers.dport), (l4, 0, 0), "{headers:?}");
    }
    if headers.fragment == Fragment::Whole {
        assert_eq!(headers.fragment_offset, 0);
    }
}

/// What the kernel program lets pass as media can be parsed as media.
fn readable(headers: &Headers, frame: &[u8]) {
    let start = usize::from(headers.payload);
    let payload = &frame[start..start + headers.payload_len as usize];
    match classify(&frame, headers, &DefaultPorts) {
        Class::Rtp => assert!(rtp::View::parse(payload).is_ok(), "{headers:?}"),
        Class::Rtcp => {
            let first = rtcp::Compound::new(payload).next();
            let reason = first.and_then(Result::err);
            assert!(!matches!(
                reason,
                Some(rtcp::Reject::Short | rtcp::Reject::Version | rtcp::Reject::Length)
            ));
        }
        Class::Sip | Class::Stun | Class::Dtls | Class::Other => {}
    }
}

fn compared(headers: &Headers, frame: &[u8]) {
    let Some(own) = fingerprint(&frame, headers, &SEED) else { return };
    let slots = [const { AtomicU64::new(0) }; SLOTS_MIN];
    let table = Table::new(slots, WINDOW_NS, false).expect("a power of two");
    assert!(!table.is_duplicate(&own, WINDOW_NS));
    assert!(table.is_duplicate(&own, WINDOW_NS + 1), "a copy at once is a duplicate");
    // What a switch or router rewrites: MAC, TTL, checksums.
    let mut copy = frame.to_vec();
    let (l3, l4) = (usize::from(headers.l3), usize::from(headers.l4));
    copy[..12].fill(0xa5);
    let rewritten = if headers.version == 4 { [l3 + 8, l3 + 10, l3 + 11] } else { [l3 + 7; 3] };
    let sum = if headers.proto == PROTO_TCP { l4 + 16 } else { l4 + 6 };
    for at in rewritten.into_iter().chain([sum, sum + 1]) {
        copy[at] = !copy[at];
    }
    let walked = walk_ethernet(&copy.as_slice()).expect("only what may differ was rewritten");
    assert_eq!(fingerprint(&copy.as_slice(), &walked, &SEED), Some(own));
    // Another payload is another packet.
    if headers.payload_len > 0 {
        let last = usize::from(headers.payload) + headers.payload_len as usize - 1;
        copy[last] ^= 1;
        let other = fingerprint(&copy.as_slice(), &walked, &SEED);
        assert!(other.is_some_and(|other| other.key != own.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_corpus_of_tunnels_has_every_kind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/tunnel");
        let mut missing: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.label()).collect();
        for entry in std::fs::read_dir(folder).expect("the corpus is there") {
            let data = std::fs::read(entry.expect("a file").path()).expect("it can be read");
            let Some((choice, frame)) = data.split_first() else { continue };
            let kind = KINDS[usize::from(*choice) % KINDS.len()];
            if let Ok(Some(tunnel)) =
                innermost(kind, frame, &*PORTS, DEPTH).map(|peeled| peeled.tunnel)
            {
                missing.remove(tunnel.kind.label());
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }
}
