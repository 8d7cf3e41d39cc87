//! What one worker gives to the spool: which packets, under which key, and how much of them.
//!
//! SIP is kept by call. RTP and RTCP are kept by session: the pair of endpoints with the RTCP
//! port folded onto its RTP port, so that both directions and their RTCP are found together.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_spool::{ChunkKey, Gatherer, Kind, Slot};
use ringtap_wire::flow::FlowKey;

use super::streams::Arrival;

/// Calls, and RTCP sessions, that have an open chunk at one worker at most.
const OPEN_MAX: usize = 65_536;

/// Fixed: the keys are on the disk.
const SESSION_SEED: u64 = 0x7370_6f6f_6c20_7631;

/// The spool's name for the media session of a flow, the same for both directions and for RTCP.
pub fn session_key(flow: &FlowKey) -> u64 {
    let mut session = *flow;
    session.sport &= !1;
    session.dport &= !1;
    session.symmetric_hash(SESSION_SEED)
}

/// How much of RTP is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveRtp {
    /// Whole packets.
    #[default]
    Whole,
    /// Up to the end of the RTP header.
    Header,
    /// Nothing.
    No,
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct Saving {
    /// SIP.
    pub sip: bool,
    /// RTP.
    pub rtp: SaveRtp,
    /// RTCP.
    pub rtcp: bool,
    /// The realm under which it is kept.
    pub realm: u32,
}

/// A packet as the spool takes it.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// UNIX time, ns.
    pub ts_ns: u64,
    /// The worker's clock, ns.
    pub clock_ns: u64,
    /// Length on the wire.
    pub wire_len: u32,
    /// LINKTYPE.
    pub link: u16,
    /// The frame.
    pub bytes: &'a [u8],
}

/// One worker's side of the spool.
#[derive(Debug)]
pub struct Spooling {
    gatherer: Gatherer,
    saving: Saving,
    sip: HashMap<u64, Slot, FixedState>,
    rtcp: HashMap<u64, Slot, FixedState>,
    table_full: u64,
}

impl Spooling {
    /// Gives what `saving` says to `gatherer`.
    pub fn new(gatherer: Gatherer, saving: Saving, seed: u64) -> Self {
        let table = || HashMap::with_hasher(FixedState::with_seed(seed));
        Self { gatherer, saving, sip: table(), rtcp: table(), table_full: 0 }
    }

    /// An RTP packet of the stream that holds `slot`.
    #[inline]
    pub fn media(&mut self, slot: &mut Slot, session: u64, arrival: &Arrival<'_>) {
        let bytes = match self.saving.rtp {
            SaveRtp::No => return,
            SaveRtp::Whole => arrival.bytes,
            SaveRtp::Header => arrival.bytes.get(..arrival.header_len).unwrap_or(arrival.bytes),
        };
        let key = self.key(Kind::Rtp, session, arrival.link);
        let packet = &arrival.packet;
        // What became of it is in the gatherer's own counters.
        let _ = self.gatherer.append(
            slot,
            &key,
            packet.ts_ns,
            packet.clock_ns,
            arrival.wire_len,
            bytes,
        );
    }

    /// An early look at where a packet of `len` bytes would be put, so that the memory of a whole
    /// group is fetched at once.
    #[inline]
    pub fn approach(&self, slot: Slot, len: usize) {
        std::hint::black_box(self.gatherer.touch(slot, len));
    }

    /// A SIP message of the call with this key.
    pub fn sip(&mut self, call: u64, kept: &Kept<'_>) {
        if self.saving.sip {
            let key = self.key(Kind::Sip, call, kept.link);
            self.table_full += u64::from(append(&mut self.gatherer, &mut self.sip, &key, kept));
        }
    }

    /// An RTCP packet of this session: into the chunk of the stream it comes with, if that is
    /// known, else into one of the session's own.
    pub fn rtcp(&mut self, slot: Option<&mut Slot>, session: u64, kept: &Kept<'_>) {
        if !self.saving.rtcp {
            return;
        }
        let Some(slot) = slot else {
            let key = self.key(Kind::Rtcp, session, kept.link);
            self.table_full += u64::from(append(&mut self.gatherer, &mut self.rtcp, &key, kept));
            return;
        };
        let key = self.key(Kind::Rtp, session, kept.link);
        let Kept { ts_ns, clock_ns, wire_len, bytes, .. } = *kept;
        let _ = self.gatherer.append(slot, &key, ts_ns, clock_ns, wire_len, bytes);
    }

    /// The stream was none: what it has gathered is thrown away.
    pub fn discard(&mut self, slot: &mut Slot) {
        self.gatherer.discard(slot);
    }

    /// The stream has ended: what it has gathered is handed over.
    pub fn flush(&mut self, slot: &mut Slot) {
        self.gatherer.flush(slot);
    }

    /// Hands old chunks over and forgets the places of calls whose chunk has gone.
    pub fn tick(&mut self, clock_ns: u64) {
        self.gatherer.tick(clock_ns);
        for table in [&mut self.sip, &mut self.rtcp] {
            if table.len() >= OPEN_MAX / 2 {
                // Chunks that are still open stay known to the gatherer, which hands them over at
                // their age; only the way to append to them is forgotten.
                table.clear();
            }
        }
    }

    /// Packets that found the table of open chunks full.
    pub fn table_full(&self) -> u64 {
        self.table_full
    }

    fn key(&self, kind: Kind, key: u64, link: u16) -> ChunkKey {
        ChunkKey { realm: self.saving.realm, kind, key, link }
    }
}

/// Appends to the open chunk of `key.key`. True: the table is full, and the packet got a chunk
/// of its own.
fn append(
    gatherer: &mut Gatherer,
    table: &mut HashMap<u64, Slot, FixedState>,
    key: &ChunkKey,
    kept: &Kept<'_>,
) -> bool {
    let full = table.len() >= OPEN_MAX && !table.contains_key(&key.key);
    let mut alone = Slot::default();
    let slot = if full { &mut alone } else { table.entry(key.key).or_default() };
    let _ = gatherer.append(slot, key, kept.ts_ns, kept.clock_ns, kept.wire_len, kept.bytes);
    if full {
        gatherer.flush(&mut alone);
    }
    full
}
