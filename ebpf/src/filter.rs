//! Which frames are VoIP, and which may hold some.

use ringtap_common::classify::{Class, classify};
use ringtap_common::cursor::Cursor;
use ringtap_common::maps::{Address, Endpoint, PortSets};
use ringtap_common::tunnel::{self, Kind};
use ringtap_common::verdict::{Fate, Verdict};
use ringtap_common::walk::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, Fragment, Headers, Ip, Layer, PROTO_GRE, PROTO_IPIP,
    PROTO_IPV6, PROTO_UDP, walk_layer,
};

use crate::{Packet, maps};

/// A frame that user space wants.
pub(crate) struct Wanted {
    pub(crate) headers: Headers,
    /// Index of its verdict. A number and not the verdict itself, so that the verifier can forget
    /// which one it is, and follows what comes next once and not once for each verdict.
    pub(crate) verdict: u32,
}

/// What a look at one layer has come to.
pub(crate) enum Step {
    Wanted(Wanted),
    Not(Verdict),
    /// A tunnel's packet, and what is in it.
    Enter(Layer),
    /// A tunnel's packet that user space looks into.
    Whole,
}

/// Walks and classifies a frame from one of its layers on.
#[inline(always)]
pub(crate) fn sift(packet: &Packet, layer: Layer) -> Step {
    let headers = match walk_layer(packet, layer) {
        Ok(headers) => headers,
        Err(stop) => return Step::Not(stop.into()),
    };
    if !matches!(headers.fragment, Fragment::Whole) {
        return wanted(packet, headers, Verdict::Fragment);
    }
    let Some(ports) = maps::PORTS.get_ptr(0) else { return Step::Not(Verdict::NotVoip) };
    // SAFETY: the map's only value; user space may replace it meanwhile, and any bits are valid.
    let ports = unsafe { &*ports };
    if maps::is_shared() && (headers.is_tunnel() || tunnel::by_port(&headers, ports).is_some()) {
        note_sender(headers.src);
    }
    if maps::tunnel_depth() > 0
        && let Some(step) = tunnel(packet, &headers, ports)
    {
        return step;
    }
    if headers.is_tunnel() {
        return Step::Not(Verdict::OtherProto);
    }
    let class = classify(packet, &headers, ports);
    let verdict = if maps::is_learned_only() && !matches!(class, Class::Sip) {
        learned(&headers)
    } else {
        Verdict::of(class, headers.proto)
    };
    match verdict.fate() {
        Fate::Redirected => wanted(packet, headers, verdict),
        Fate::Dropped | Fate::Rest => Step::Not(verdict),
    }
}

/// What to do with a packet, if it is a tunnel's.
#[inline(always)]
fn tunnel(packet: &Packet, h: &Headers, ports: &PortSets) -> Option<Step> {
    let at = packet.forget(usize::from(h.payload));
    let inner = match h.proto {
        PROTO_UDP => match tunnel::by_port(h, ports)? {
            Kind::Vxlan => tunnel::vxlan(packet, at)?,
            Kind::Geneve => tunnel::geneve(packet, at)?,
            _ => return Some(Step::Whole),
        },
        PROTO_GRE => match tunnel::gre(packet, at) {
            Some(inner) => inner,
            None => return Some(Step::Whole),
        },
        PROTO_IPIP => return Some(Step::Enter(Layer { ethertype: ETHERTYPE_IPV4, at })),
        PROTO_IPV6 => return Some(Step::Enter(Layer { ethertype: ETHERTYPE_IPV6, at })),
        _ if h.is_tunnel() => return Some(Step::Whole),
        _ => return None,
    };
    let Layer { ethertype, at } = inner.layer;
    let ethertype = packet.forget(usize::from(ethertype)) as u16;
    Some(Step::Enter(Layer { ethertype, at: packet.forget(at) }))
}

/// Pieces of tunnels' packets have no port: they are known by who sends tunnels.
#[inline(always)]
fn note_sender(ip: Ip) {
    let address = Address::new(ip);
    if maps::SENDERS.get_ptr(address).is_none() {
        // A full table forgets the longest silent; there is nothing to do about an error.
        let _ = maps::SENDERS.insert(address, 1, 0);
    }
}

/// Whether a frame is this host's own business, on an interface that brings a mirror's tunnels
/// besides.
#[inline(always)]
pub(crate) fn is_own(wanted: &Wanted) -> bool {
    let h = &wanted.headers;
    let piece = !matches!(h.fragment, Fragment::Whole);
    maps::OWN.get_ptr(Address::new(h.dst)).is_some()
        && !(piece && maps::SENDERS.get_ptr(Address::new(h.src)).is_some())
}

#[inline(always)]
fn wanted(packet: &Packet, headers: Headers, verdict: Verdict) -> Step {
    Step::Wanted(Wanted { headers, verdict: packet.forget(verdict.index() as usize) as u32 })
}

#[inline(always)]
fn learned(h: &Headers) -> Verdict {
    if h.proto == PROTO_UDP && (is_learned(h.dst, h.dport) || is_learned(h.src, h.sport)) {
        Verdict::Learned
    } else {
        Verdict::NotVoip
    }
}

#[inline(always)]
fn is_learned(ip: Ip, port: u16) -> bool {
    maps::LEARNED.get_ptr(Endpoint::new(ip, port)).is_some()
}
