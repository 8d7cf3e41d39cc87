//! A frame's first steps in user space: headers, class, and whether it is a mirror's copy.
//!
//! The walk, the classes and the duplicate rule are those of the kernel program; they run again
//! here because files, the packet socket and reassembled datagrams never met it.

use ringtap_capture::{Frame, Link};
use ringtap_common::classify::{Class, Ports, classify};
use ringtap_common::fingerprint::{Fingerprint, Seed, Table, fingerprint};
use ringtap_common::walk::{Fragment, Headers, Stop};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::link::{self, LinkKind};

/// Fixed: replays shard alike on every machine.
const SHARD_SEED: u64 = 0x7269_6e67_7461_7021;

/// Slots of a worker's duplicate table: 20 ms at 2 M packets a second, four times over.
const DEDUP_SLOTS: usize = 1 << 18;

/// A frame that has been walked.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// Its headers.
    pub headers: Headers,
    /// What it carries.
    pub class: Class,
}

impl<'a> Decoded<'a> {
    /// Whether it is a piece of a fragmented datagram.
    pub fn is_piece(&self) -> bool {
        self.headers.fragment != Fragment::Whole
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

/// Which ports mean what, and the memory for duplicates.
pub struct Decoder<P> {
    ports: P,
    duplicates: Option<(Table<Box<[u64]>>, Seed)>,
}

impl<P> std::fmt::Debug for Decoder<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("dedup", &self.duplicates.is_some()).finish()
    }
}

impl<P: Ports> Decoder<P> {
    /// `window_ns`: how long copies are recognised; `None`: the kernel has done it already, or
    /// nobody shall. `random` keys the fingerprints.
    pub fn new(ports: P, window_ns: Option<u64>, random: u64) -> Self {
        let duplicates = window_ns.filter(|ns| *ns > 0).and_then(|window_ns| {
            let slots = vec![0u64; DEDUP_SLOTS].into_boxed_slice();
            Some((Table::new(slots, window_ns)?, Seed::new(random)))
        });
        Self { ports, duplicates }
    }

    /// Walks a frame and tells what it carries. A piece of a datagram carries nothing yet.
    #[inline]
    pub fn walk<'a>(&self, frame: Frame<'a>) -> Result<Decoded<'a>, Stop> {
        let headers = link::headers(link_kind(frame.link), frame.bytes)?;
        let class = match headers.fragment {
            Fragment::Whole => classify(&frame.bytes, &headers, &self.ports),
            Fragment::First | Fragment::Later => Class::Other,
        };
        Ok(Decoded { frame, headers, class })
    }

    /// By what a copy of this frame is known; `None`: nobody asks, or it has no copies.
    #[inline]
    pub fn fingerprint(&self, decoded: &Decoded<'_>) -> Option<Fingerprint> {
        let (_, seed) = self.duplicates.as_ref()?;
        fingerprint(&decoded.frame.bytes, &decoded.headers, seed)
    }

    /// Whether a copy of this frame was seen within the window; remembers it if not.
    #[inline]
    pub fn is_duplicate(&mut self, print: Option<&Fingerprint>, clock_ns: u64) -> bool {
        let Some(((table, _), print)) = self.duplicates.as_mut().zip(print) else { return false };
        table.is_duplicate(print, clock_ns)
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

/// The same number for all that two hosts send each other.
///
/// Ports do not count: pieces of a datagram have none, and the fragmented and the whole packets
/// of one stream, and the RTCP beside it, must come to one worker for the records to be the same
/// for any number of them.
pub fn flow_hash(frame: &Frame<'_>) -> u64 {
    let Ok(headers) = link::headers(link_kind(frame.link), frame.bytes) else { return 0 };
    let hosts = FlowKey { sport: 0, dport: 0, ..FlowKey::from_headers(&headers) };
    hosts.symmetric_hash(SHARD_SEED)
}
