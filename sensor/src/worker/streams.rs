//! The media side of one worker: its streams, whose they are, and what is reported of them.
//!
//! A stream is found by flow and SSRC and scored without asking anybody. Whose it is was decided
//! when it began or when a claim arrived: the claim of its destination first, then of its source
//! (symmetric RTP, NAT). A claim that takes a stream from another call cuts it, at a natural edge
//! if there is one.

pub mod blame;
mod claims;
pub mod correlation;
pub(in crate::worker) mod told;

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use ringtap_call::Side;
use ringtap_common::peel::Tunnel;
use ringtap_media::{Entry, Id, Key, Packet, Pushed, Step, StreamReport, Table};
use ringtap_spool::Slot;
use ringtap_wire::flow::FlowKey;
use ringtap_wire::rtcp;

use blame::{Blame, Instants, Suspicion};

use super::endpoints::{CallInstance, Ended, Endpoint, Endpoints};
use super::spooling::{Spooling, session_key};
use crate::ledger::{Disposition, Tally};

/// RTP this much older than the first claim of its endpoint is still the call's early media.
pub(super) const EARLY_MEDIA_NS: u64 = 10_000_000_000;

/// A stream whose call has ended is forgotten this long after its last packet.
pub(super) const ENDED_NS: u64 = 10_000_000_000;

/// Stream reports that one call keeps at most.
pub(super) const REPORTS_MAX: usize = 1000;

/// DTLS flows that are remembered, twice: the older half is forgotten when this many are new.
const DTLS_MAX: usize = 1 << 15;

/// Limits and timeouts of the media side.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Streams at most.
    pub streams_max: usize,
    /// A stream without a call ends after this long without packets.
    pub idle_ns: u64,
    /// Seed of the tables.
    pub seed: u64,
}

/// Whose a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// No claim yet.
    Nobody,
    /// A call's.
    Call { call: CallInstance, sender: Side, by_destination: bool },
    /// It was a call's that has been closed.
    Ended,
}

/// What the worker keeps beside a stream's quality.
#[derive(Debug)]
pub struct Held {
    pub(super) owner: Owner,
    /// Its open chunk in the spool.
    pub slot: Slot,
    /// By which the spool names its session.
    pub session: u64,
    /// Packets that came since its call was closed.
    pub(super) after_end: u32,
    /// It began where a call had just ended.
    pub(super) after: Option<Arc<Ended>>,
    /// Two open calls announced its endpoint.
    pub(super) shared: bool,
    /// The interface it came from.
    pub(super) origin: u16,
    /// The tunnel that its first packets came through; most streams have none.
    pub(super) tunnel: Option<Box<Tunnel>>,
    /// DTLS was seen on its flow.
    pub(super) dtls: bool,
    /// Its gaps, and whose they were; most streams have none.
    pub(super) suspicion: Option<Box<Suspicion>>,
}

/// A stream's report with all that a record needs to know beside it.
#[derive(Clone, Debug)]
pub struct Finished {
    /// From where to where.
    pub flow: FlowKey,
    /// Who sent it, where a call knows.
    pub sender: Option<Side>,
    /// By which the spool names its session.
    pub session: u64,
    /// Its quality.
    pub report: StreamReport,
    /// Another call that was open announced the same endpoint.
    pub shared: bool,
    /// What of its loss is not the network's.
    pub blame: Blame,
    /// DTLS was seen on its flow.
    pub dtls: bool,
    /// The tunnel that its first packets came through.
    pub tunnel: Option<Tunnel>,
    /// No call owned it, and it began where this one had just ended.
    pub after: Option<Arc<Ended>>,
}

/// What one call has here.
#[derive(Debug, Default)]
pub(super) struct Owned {
    pub(super) live: Vec<Id>,
    pub(super) done: Vec<Finished>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) rtcp: Vec<Endpoint>,
    /// Streams of which only RTCP is known.
    pub(super) told: Vec<Key>,
}

/// The media side of one worker.
#[derive(Debug)]
pub struct Streams {
    pub(super) table: Table<Held>,
    pub(super) endpoints: Endpoints,
    pub(super) calls: HashMap<CallInstance, Owned, FixedState>,
    pub(super) options: Options,
    pub(super) lone: Vec<Finished>,
    pub(super) expired: Vec<Id>,
    /// When it was last told which calls have media.
    pub(super) swept_clock_ns: u64,
    pub(super) instants: Instants,
    dtls: [HashSet<FlowKey, FixedState>; 2],
    told: told::Told,
}

/// An RTP packet on its way to its stream.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Flow and SSRC.
    pub key: Key,
    /// Their hash.
    pub hash: u64,
    /// What is scored.
    pub packet: Packet,
    /// The frame.
    pub bytes: &'a [u8],
    /// Bytes up to the end of the RTP header.
    pub header_len: usize,
    /// Length on the wire.
    pub wire_len: u32,
    /// LINKTYPE of the frame.
    pub link: u16,
    /// Its interface.
    pub origin: u16,
    /// The tunnel that it came through.
    pub tunnel: Option<&'a Tunnel>,
}

impl Streams {
    /// No streams yet.
    pub fn new(options: Options) -> Self {
        Self {
            table: Table::new(options.streams_max, options.seed),
            endpoints: Endpoints::new(options.seed),
            calls: HashMap::with_hasher(FixedState::with_seed(options.seed)),
            options,
            lone: Vec::new(),
            expired: Vec::new(),
            swept_clock_ns: 0,
            instants: Instants::default(),
            told: told::Told::default(),
            dtls: [0, 1].map(|_| HashSet::with_hasher(FixedState::with_seed(options.seed))),
        }
    }

    /// The hash by which a packet's stream is found.
    #[inline]
    pub fn hash_of(&self, key: &Key) -> u64 {
        self.table.hash_of(key)
    }

    /// An early look at the stream that a packet with this hash most likely belongs to, so that
    /// the memory of a whole group is fetched at once; its place in the spool.
    #[inline]
    pub fn approach(&self, hash: u64) -> Slot {
        let Some(entry) = self.table.touch(hash) else { return Slot::default() };
        std::hint::black_box(&entry.data.owner);
        entry.data.slot
    }

    /// Scores one packet and spools it.
    #[inline]
    pub fn packet(
        &mut self,
        arrival: &Arrival<'_>,
        tally: &mut Tally,
        spool: Option<&mut Spooling>,
    ) -> Disposition {
        let Some(id) = self.table.find(arrival.hash, &arrival.key) else {
            return self.begin(arrival, spool);
        };
        let Some(entry) = self.table.get_mut(id) else { return Disposition::RtpTableFull };
        let step = entry.push(&arrival.packet);
        let held = &mut entry.data;
        let owner = held.owner;
        if let Some(spool) = spool {
            if matches!(step, Step::Restarted(_)) {
                spool.discard(&mut held.slot);
            }
            spool.media(&mut held.slot, held.session, arrival);
        }
        match step {
            Step::Stream(_) if owner == Owner::Ended => {
                held.after_end = held.after_end.saturating_add(1);
                Disposition::RtpAfterEnd
            }
            Step::Stream(Pushed::Continues) => Disposition::Rtp,
            Step::Stream(_) => {
                self.suspect(id);
                Disposition::Rtp
            }
            Step::Confirmed => self.confirm(id, tally),
            Step::Restarted(_) => {
                if held.tunnel.as_deref() != arrival.tunnel {
                    held.tunnel = arrival.tunnel.copied().map(Box::new);
                }
                Disposition::RtpUnconfirmed
            }
            Step::Probation => Disposition::RtpUnconfirmed,
        }
    }

    #[cold]
    fn begin(&mut self, arrival: &Arrival<'_>, spool: Option<&mut Spooling>) -> Disposition {
        let session = session_key(&arrival.key.flow);
        let flow = &arrival.key.flow;
        let seen = |flow: &FlowKey| self.dtls.iter().any(|flows| flows.contains(flow));
        let mut held = Held {
            owner: Owner::Nobody,
            slot: Slot::default(),
            session,
            after_end: 0,
            after: None,
            shared: false,
            origin: arrival.origin,
            tunnel: arrival.tunnel.copied().map(Box::new),
            dtls: seen(flow) || seen(&flow.reversed()),
            suspicion: None,
        };
        if let Some(spool) = spool {
            spool.media(&mut held.slot, session, arrival);
        }
        match self.table.insert(arrival.hash, arrival.key, &arrival.packet, held) {
            Ok(_) => Disposition::RtpUnconfirmed,
            Err(_) => Disposition::RtpTableFull,
        }
    }

    /// A packet has not simply followed the one before: perhaps some are missing.
    #[cold]
    fn suspect(&mut self, id: Id) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let Some(hole) = entry.stream.take_hole() else { return };
        let origin = entry.data.origin;
        let suspicion = entry.data.suspicion.get_or_insert_default();
        suspicion.push(hole, &entry.stream, origin, &mut self.instants);
    }

    /// DTLS on a flow: the media that follows on it is encrypted. How many older flows were
    /// forgotten for it.
    pub fn dtls(&mut self, flow: FlowKey) -> u64 {
        let [young, old] = &mut self.dtls;
        let mut forgotten = 0;
        if young.contains(&flow) {
            return 0;
        }
        if young.len() >= DTLS_MAX {
            std::mem::swap(young, old);
            forgotten = young.len() as u64;
            young.clear();
        }
        young.insert(flow);
        forgotten
    }

    /// An RTCP packet: its reports go to the streams they speak of. False: some of these are not
    /// here.
    pub fn rtcp(&mut self, flow: &FlowKey, bytes: &[u8], clock_ns: u64) -> bool {
        let mut all = true;
        for packet in rtcp::Compound::new(bytes).filter_map(Result::ok) {
            match packet {
                rtcp::Packet::Sender(report) => {
                    match self.of_rtcp(flow, report.ssrc) {
                        Some(entry) => entry.stream.push_sender_report(&report.info, clock_ns),
                        None => all = false,
                    }
                    all &= self.blocks(flow, report.blocks(), clock_ns);
                }
                rtcp::Packet::Receiver(report) => {
                    all &= self.blocks(flow, report.blocks(), clock_ns);
                }
                rtcp::Packet::Extended(report) => {
                    for block in report.blocks() {
                        let rtcp::xr::Block::Voip(metrics) = block else { continue };
                        match self.of_rtcp(&flow.reversed(), metrics.ssrc) {
                            Some(entry) => entry.stream.push_voip_metrics(&metrics),
                            None => all = false,
                        }
                    }
                }
                rtcp::Packet::Bye(bye) => {
                    for ssrc in bye.sources() {
                        match self.of_rtcp(flow, ssrc) {
                            Some(entry) => entry.stream.push_bye(),
                            None => all = false,
                        }
                    }
                }
                rtcp::Packet::Sdes(_) | rtcp::Packet::App(_) | rtcp::Packet::Other(..) => {}
            }
        }
        all
    }

    /// The open chunk of the stream that an RTCP packet comes with.
    pub fn slot_beside(&mut self, flow: &FlowKey, rtcp: &[u8]) -> Option<&mut Slot> {
        let ssrc = u32::from_be_bytes(*rtcp.get(4..)?.first_chunk()?);
        self.of_rtcp(flow, ssrc).map(|entry| &mut entry.data.slot)
    }

    /// Report blocks speak of what comes the other way.
    fn blocks(
        &mut self,
        flow: &FlowKey,
        blocks: impl Iterator<Item = rtcp::ReportBlock>,
        clock_ns: u64,
    ) -> bool {
        let mut all = true;
        for block in blocks {
            match self.of_rtcp(&flow.reversed(), block.ssrc) {
                Some(entry) => entry.stream.push_report_block(&block, clock_ns),
                None => all = false,
            }
        }
        all
    }

    /// The stream of a source on the RTP flow of an RTCP flow: where `a=rtcp` says so, one port
    /// below, or the same.
    fn of_rtcp(&mut self, flow: &FlowKey, ssrc: u32) -> Option<&mut Entry<Held>> {
        let media = |at: Endpoint| {
            let named = self.endpoints.media_of(&at);
            named.unwrap_or((at.0, at.1.saturating_sub(1)))
        };
        let (src, sport) = media((flow.src, flow.sport));
        let (dst, dport) = media((flow.dst, flow.dport));
        let rtp = FlowKey { src, dst, sport, dport };
        let find = |flow| {
            let key = Key { flow, ssrc };
            self.table.find(self.table.hash_of(&key), &key)
        };
        let id = find(rtp).or_else(|| find(*flow))?;
        self.table.get_mut(id)
    }
}
