//! Streams of which only RTCP is known: an agent tells it, and nobody has seen their packets.
//!
//! They are kept beside the table of streams, and belong to calls by the same claims. Whether
//! another worker has seen their packets is not known here: the call's shard looks.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_call::{Claim, Side};
use ringtap_media::{Key, PayloadInfo, RtcpReport, StreamReport};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::rtcp::{Compound, Packet, xr};

use super::{Finished, Streams, correlation};
use crate::ledger::{Event, Tally};

use crate::worker::endpoints::{CallInstance, Endpoint, endpoint};
use crate::worker::spooling::session_key;
use crate::worker::streams::blame::Blame;

/// Such streams of one worker at most.
const TOLD_MAX: usize = 1 << 14;

/// Of them, those without a call.
const UNOWNED_MAX: usize = 1 << 11;

/// What is known of one.
#[derive(Clone, Debug, Default)]
struct One {
    owner: Option<(CallInstance, Side)>,
    payload: PayloadInfo,
    rtcp: RtcpReport,
    first: (u64, u64),
    /// The last report: UNIX ns, and on the ordering clock.
    last: (u64, u64),
}

/// All of one worker.
#[derive(Debug, Default)]
pub(in crate::worker) struct Told {
    all: HashMap<Key, One, RandomState>,
    unowned: Vec<Key>,
}

/// When a report came: UNIX ns, and on the ordering clock.
pub(in crate::worker) type At = (u64, u64);

impl Streams {
    /// RTCP that an agent sends: what it says of streams that are not here is kept.
    pub(in crate::worker) fn told(
        &mut self,
        flow: &FlowKey,
        bytes: &[u8],
        at: At,
        tally: &mut Tally,
    ) {
        for packet in Compound::new(bytes).filter_map(Result::ok) {
            match packet {
                Packet::Sender(report) => {
                    let push = |rtcp: &mut RtcpReport| rtcp.push_sender(&report.info, at.1);
                    self.tell(flow, report.ssrc, at, push, tally);
                    for block in report.blocks() {
                        let push = |rtcp: &mut RtcpReport| rtcp.push_block(&block, at.1);
                        self.tell(&flow.reversed(), block.ssrc, at, push, tally);
                    }
                }
                Packet::Receiver(report) => {
                    for block in report.blocks() {
                        let push = |rtcp: &mut RtcpReport| rtcp.push_block(&block, at.1);
                        self.tell(&flow.reversed(), block.ssrc, at, push, tally);
                    }
                }
                Packet::Extended(report) => {
                    for block in report.blocks() {
                        let xr::Block::Voip(metrics) = block else { continue };
                        let push = |rtcp: &mut RtcpReport| rtcp.push_voip(&metrics);
                        self.tell(&flow.reversed(), metrics.ssrc, at, push, tally);
                    }
                }
                Packet::Bye(_) | Packet::Sdes(_) | Packet::App(_) | Packet::Other(..) => {}
            }
        }
    }

    /// Something is said of a stream on the media flow of an RTCP flow.
    fn tell(
        &mut self,
        rtcp: &FlowKey,
        ssrc: u32,
        at: At,
        push: impl FnOnce(&mut RtcpReport),
        tally: &mut Tally,
    ) {
        if self.of_rtcp(rtcp, ssrc).is_some() {
            return;
        }
        let media = |at: Endpoint, usual| self.endpoints.media_of(&at).unwrap_or((at.0, usual));
        let usual = correlation::media_of(*rtcp);
        let (src, sport) = media((rtcp.src, rtcp.sport), usual.sport);
        let (dst, dport) = media((rtcp.dst, rtcp.dport), usual.dport);
        let key = Key { flow: FlowKey { src, dst, sport, dport }, ssrc };
        if let Some(one) = self.told.all.get_mut(&key) {
            push(&mut one.rtcp);
            one.last = at;
            return;
        }
        let ends = [(dst, dport), (src, sport)];
        if ends.iter().any(|end| self.endpoints.ended_before(end, at.1).is_some()) {
            // The last words of a call that has its record.
            return;
        }
        let claims = ends.map(|end| self.endpoints.claim_of(&end).cloned());
        let owned = claims.iter().any(Option::is_some);
        let full = self.told.all.len() >= TOLD_MAX;
        if full || (!owned && self.told.unowned.len() >= UNOWNED_MAX) {
            tally.note(Event::RtcpStreamsRefused);
            return;
        }
        tally.note(Event::RtcpStreams);
        let mut one = One { first: at, last: at, ..One::default() };
        push(&mut one.rtcp);
        self.told.all.insert(key, one);
        match claims.into_iter().flatten().next() {
            Some(claim) => self.own(key, &claim),
            None => self.told.unowned.push(key),
        }
    }

    /// The stream belongs to the claim's call.
    fn own(&mut self, key: Key, claim: &Arc<Claim>) {
        let Some(one) = self.told.all.get_mut(&key) else { return };
        let to = (key.flow.dst, key.flow.dport) == endpoint(claim.endpoint);
        let call = (claim.call, claim.instance);
        one.owner = Some((call, if to { claim.side.other() } else { claim.side }));
        if let Some(first) = claim.payload_types.first() {
            let (number, rate) = (first.payload_type, first.clock_rate);
            one.payload = PayloadInfo::from_rtpmap(number, &first.name, rate);
        }
        self.calls.entry(call).or_default().told.push(key);
    }

    /// A new claim: streams that waited for one.
    pub(in crate::worker) fn own_told(&mut self, claim: &Arc<Claim>) {
        if self.told.unowned.is_empty() {
            return;
        }
        let at = endpoint(claim.endpoint);
        let touches = |key: &Key| {
            (key.flow.dst, key.flow.dport) == at || (key.flow.src, key.flow.sport) == at
        };
        let (mine, rest) = std::mem::take(&mut self.told.unowned).into_iter().partition(touches);
        self.told.unowned = rest;
        let mine: Vec<Key> = mine;
        mine.into_iter().for_each(|key| self.own(key, claim));
    }

    /// What a call that ends has of them.
    pub(in crate::worker) fn take_told(
        &mut self,
        call: CallInstance,
        keys: &[Key],
    ) -> impl Iterator<Item = Finished> {
        keys.iter().filter_map(move |key| {
            let owner = self.told.all.get(key)?.owner?;
            let one = (owner.0 == call).then(|| self.told.all.remove(key))??;
            Some(finished(key, one))
        })
    }

    /// Those without a call that have been silent for too long become reports of their own.
    pub(in crate::worker) fn sweep_told(&mut self, now_clock_ns: u64, idle_ns: u64) {
        let (all, lone) = (&mut self.told.all, &mut self.lone);
        self.told.unowned.retain(|key| {
            let last_ns = all.get(key).map_or(0, |one| one.last.1);
            let waits = now_clock_ns.saturating_sub(last_ns) < idle_ns;
            if !waits && let Some(one) = all.remove(key) {
                lone.push(finished(key, one));
            }
            waits
        });
    }
}

fn finished(key: &Key, one: One) -> Finished {
    let report = StreamReport {
        ssrc: key.ssrc,
        payload_type: one.payload.payload_type,
        codec: one.payload.codec,
        clock_rate: one.payload.clock_rate,
        first_ts_ns: one.first.0,
        first_clock_ns: one.first.1,
        last_ts_ns: one.last.0,
        last_clock_ns: one.last.1,
        rtcp: one.rtcp,
        exact: true,
        ..StreamReport::default()
    };
    Finished {
        flow: key.flow,
        sender: one.owner.map(|(_, sender)| sender),
        session: session_key(&key.flow),
        report,
        shared: false,
        blame: Blame::default(),
        dtls: false,
        after: None,
        tunnel: None,
    }
}

/// Leaves out streams of which only RTCP is known here where another worker has their packets.
pub(in crate::worker) fn without_seen(streams: &mut Vec<Finished>) {
    let is_told = |one: &Finished| one.report.received == 0;
    if !streams.iter().any(is_told) {
        return;
    }
    let name = |one: &Finished| (one.report.ssrc, one.sender);
    let seen: Vec<_> = streams.iter().filter(|one| !is_told(one)).map(name).collect();
    streams.retain(|one| !is_told(one) || !seen.contains(&name(one)));
}
