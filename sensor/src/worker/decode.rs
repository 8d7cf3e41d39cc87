//! A frame's first steps in user space: headers, class, and whether it is a mirror's copy.
//!
//! The walk, the classes and the duplicate rule are those of the kernel program; they run again
//! here because files, the packet socket and reassembled datagrams never met it.

pub mod copies;

use std::sync::Arc;

use ringtap_capture::{Frame, Link};
use ringtap_common::classify::{Class, Ports, classify};
use ringtap_common::fingerprint::Fingerprint;
use ringtap_common::peel::{Peeled, Tunnel, peel};
use ringtap_common::tunnel::{self, Entry, Inner};
use ringtap_common::walk::{
    ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Fragment, Headers, Ip, Layer, Stop,
    walk_layer,
};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::link::{self, LinkKind};

use copies::Memory;

/// Fixed: replays shard alike on every machine.
const SHARD_SEED: u64 = 0x7269_6e67_7461_7021;

/// A frame that has been walked.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// Its headers.
    pub headers: Headers,
    /// What it carries.
    pub class: Class,
    /// The tunnel that it came through.
    pub tunnel: Option<Tunnel>,
    /// It is a whole message that came over TCP, though its packet here has a UDP header.
    pub over_tcp: bool,
    /// Its own outermost header.
    layer: Layer,
}

/// What an agent says of a packet that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it carries.
    pub class: Class,
    /// It is a whole message that came over TCP.
    pub over_tcp: bool,
    /// VLAN id, 0 for none.
    pub vlan: u16,
}

impl<'a> Decoded<'a> {
    /// Whether it is a piece of a fragmented datagram.
    pub fn is_piece(&self) -> bool {
        self.headers.fragment != Fragment::Whole
    }

    /// The packet without the tunnels around it, and its headers.
    pub fn bare(&self) -> (Frame<'a>, Headers) {
        let (frame, headers) = (self.frame, self.headers);
        if self.tunnel.is_none() {
            return (frame, headers);
        }
        let (at, link) = match self.layer.ethertype {
            ETHERTYPE_ETHERNET => (self.layer.at, Link::Ethernet),
            _ => (usize::from(headers.l3), Link::RawIp),
        };
        let bytes = frame.bytes.get(at..).unwrap_or_default();
        let wire_len = frame.wire_len.saturating_sub(at as u32);
        (Frame { bytes, wire_len, link, ..frame }, headers.without(at))
    }

    /// The UDP or TCP payload.
    pub fn payload(&self) -> &'a [u8] {
        let start = usize::from(self.headers.payload);
        let end = start.saturating_add(self.headers.payload_len as usize);
        self.frame.bytes.get(start..end).unwrap_or_default()
    }

    /// Addresses and ports.
    pub fn flow(&self) -> FlowKey {
        FlowKey::from_headers(&self.headers)
    }
}

/// How far frames are opened: which ports are tunnels', and how many stand in each other.
#[derive(Clone, Debug)]
pub struct Opening<P> {
    /// Which ports mean what.
    pub ports: P,
    /// Tunnels in tunnels at most.
    pub depth: u8,
}

impl<P: Ports> Opening<P> {
    /// A frame's innermost packet.
    #[inline(always)]
    pub fn innermost(&self, frame: &Frame<'_>) -> Result<Peeled, Stop> {
        self.read(frame.link, frame.bytes)
    }

    /// The innermost packet in the bytes of a frame.
    #[inline(always)]
    pub fn read(&self, link: Link, bytes: &[u8]) -> Result<Peeled, Stop> {
        link::innermost(link_kind(link), bytes, &self.ports, self.depth)
    }

    /// The hosts between which a frame's innermost packet goes, the same both ways: what they
    /// send each other must come to one worker. Ports do not count, since pieces have none.
    ///
    /// Of a tunnel's packet in pieces the first one tells; the second value names that packet.
    pub fn hosts(&self, frame: &Frame<'_>) -> Option<(u64, Option<Pieces>)> {
        let outer = self.innermost(frame).ok()?.headers;
        let pieces = (outer.fragment != Fragment::Whole).then_some(Pieces {
            src: outer.src,
            dst: outer.dst,
            id: outer.ip_id,
            first: outer.fragment == Fragment::First,
        });
        let whole = Headers { fragment: Fragment::Whole, ..outer };
        let inner = pieces
            .filter(|pieces| pieces.first && self.depth > 0)
            .and_then(|_| tunnel::enter(&frame.bytes, &whole, &self.ports))
            .and_then(|entry| match entry {
                Entry::Layer(Inner { layer, .. }) => {
                    Some(peel(&frame.bytes, layer, &self.ports, self.depth).ok()?.headers)
                }
                Entry::Told(told) => Some(told.headers),
            });
        let headers = inner.unwrap_or(outer);
        let hosts = FlowKey { sport: 0, dport: 0, ..FlowKey::from_headers(&headers) };
        Some((hosts.symmetric_hash(SHARD_SEED), pieces))
    }
}

/// The packet that a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Source address.
    pub src: Ip,
    /// Destination address.
    pub dst: Ip,
    /// Its number.
    pub id: u32,
    /// This is its first piece.
    pub first: bool,
}

/// How frames are opened, and the memory for duplicates.
#[derive(Debug)]
pub struct Decoder<P> {
    opening: Opening<P>,
    copies: Option<Arc<Memory>>,
}

impl<P: Ports> Decoder<P> {
    /// `copies`: by which copies are told; `None`: they are not.
    pub fn new(opening: Opening<P>, copies: Option<Arc<Memory>>) -> Self {
        Self { opening, copies }
    }

    /// Walks a frame and tells what it carries. A piece of a datagram carries nothing yet.
    #[inline(always)]
    pub fn walk<'a>(&self, frame: Frame<'a>) -> Result<Decoded<'a>, Stop> {
        let peeled = self.opening.innermost(&frame)?;
        let Peeled { headers, tunnel, layer, unopened, .. } = peeled;
        let class = match (peeled.class, headers.fragment) {
            (Some(class), _) => class,
            (None, Fragment::Whole) => classify(&frame.bytes, &headers, &self.opening.ports),
            (None, Fragment::First | Fragment::Later) => Class::Other,
        };
        if let Some(copies) = self.copies.as_ref().filter(|_| unopened) {
            copies.compare_all();
        }
        Ok(Decoded { frame, headers, class, tunnel, over_tcp: false, layer })
    }

    /// A packet of which it is told what it carries: its ports do not count, nor is it a tunnel's.
    pub fn told<'a>(&self, frame: Frame<'a>, told: Told) -> Result<Decoded<'a>, Stop> {
        let ethertype = match frame.bytes.first().map(|byte| byte >> 4) {
            Some(4) => ETHERTYPE_IPV4,
            _ => ETHERTYPE_IPV6,
        };
        let layer = Layer { ethertype, at: 0 };
        let headers = Headers { vlan: told.vlan, ..walk_layer(&frame.bytes, layer)? };
        let Told { class, over_tcp, .. } = told;
        Ok(Decoded { frame, headers, class, tunnel: None, over_tcp, layer })
    }

    /// By what a copy of this frame is known; `None`: nobody asks, or it has no copies.
    #[inline(always)]
    pub fn fingerprint(&self, decoded: &Decoded<'_>) -> Option<Fingerprint> {
        self.copies.as_ref()?.fingerprint(decoded)
    }

    /// Whether a copy of this frame was seen within the window; remembers it if not.
    #[inline(always)]
    pub fn is_duplicate(&self, print: Option<&Fingerprint>, clock_ns: u64) -> bool {
        let Some((copies, print)) = self.copies.as_ref().zip(print) else { return false };
        copies.is_duplicate(print, clock_ns)
    }
}

/// How the frames of a link are read.
pub fn link_kind(link: Link) -> LinkKind {
    match link {
        Link::Ethernet => LinkKind::Ethernet,
        Link::RawIp => LinkKind::RawIp,
        Link::Sll => LinkKind::Sll,
        Link::Sll2 => LinkKind::Sll2,
        Link::Null => LinkKind::Null,
    }
}
