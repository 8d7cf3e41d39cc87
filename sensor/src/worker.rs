//! The packet's whole way.
//!
//! `frame → walk → duplicate? → (assemble) → SIP | RTP | RTCP → call | stream → spool → record`
//!
//! A worker shares nothing but bounded rings (`exchange`), and the table of copies. What belongs to
//! another worker's flows is given to it (`spread`). RTP is scored where it lands (`streams`); SIP
//! goes to the shard of its Call-ID, or for a REGISTER of its address of record (`shard`); what
//! they tell each other comes in the order of the packets, so that the number of workers does not
//! show in the records.

pub mod decode;
pub mod endpoints;
pub mod exchange;
pub mod record;
pub mod shard;
pub mod spooling;
pub mod spread;
pub mod streams;
pub mod upstream;

mod pace;
pub mod signalling;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crossbeam::channel::Sender;
use ringtap_assemble::fragments::{self, Fragments, Outcome};
use ringtap_call::CallKey;
use ringtap_capture::{Frame, Link};
use ringtap_common::classify::{Class, Ports};
use ringtap_common::fingerprint::Fingerprint;
use ringtap_common::walk::{PROTO_TCP, Stop};
use ringtap_media::{Key, Packet};
use ringtap_sip::call_id_of;
use ringtap_spool::Slot;
use ringtap_wire::rtp;
use smallvec::SmallVec;

use crate::agents::{Capsule, Parcel};
use crate::ledger::{Disposition, Event, Published, Tally};
use crate::live::Respondent;
use decode::{Decoded, Decoder};
use exchange::{Exchange, Note, Progress, RtcpNote};
use shard::Shard;
use signalling::{Heard, Signalling};
use spooling::{Kept, Spooling, session_key};
use spread::Spread;
use streams::correlation::{Correlated, Flows, media_of};
use streams::{Arrival, Streams};
use upstream::{Teller, Upstream};

pub use pace::{LAG_TICKS, Pace};

/// Frames that are walked together, so that their streams' memory is fetched at once.
const GROUP: usize = 16;

/// Packets in pieces that hold pieces of packets, at most.
const PIECES_DEPTH: u8 = 4;

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts<P> {
    /// Ports, and the memory for duplicates.
    pub decoder: Decoder<P>,
    /// Streams.
    pub streams: Streams,
    /// Calls.
    pub shard: Shard,
    /// The spool.
    pub spool: Option<Spooling>,
    /// Rings to the other workers.
    pub exchange: Exchange,
    /// Rings for frames that go to the worker of their flow; none where each keeps what it reads.
    pub spread: Option<Spread>,
    /// How far every worker has come.
    pub progress: Arc<Progress>,
    /// Where others read this worker's counters.
    pub published: Arc<Published>,
    /// How its steps are ordered against those of the others.
    pub pace: Pace,
    /// Realm of its calls and streams.
    pub realm: u32,
}

/// One worker.
#[derive(Debug)]
pub struct Worker<P> {
    parts: Parts<P>,
    signalling: Signalling,
    fragments: Option<Box<Fragments<()>>>,
    pieces_lost: u64,
    tally: Tally,
    upstream: Option<Teller>,
    respondent: Option<Respondent>,
    sweep_due_ns: u64,
    alive: Vec<(endpoints::CallInstance, u64)>,
    flows: Flows,
    instants_due_ns: u64,
}

/// A walked frame, and for RTP where its stream is looked for.
struct Seen<'a> {
    decoded: Decoded<'a>,
    rtp: Option<(rtp::View<'a>, u64)>,
    print: Option<Fingerprint>,
    duplicate: bool,
}

impl<P: Ports> Worker<P> {
    /// A worker of these parts.
    pub fn new(parts: Parts<P>) -> Self {
        let signalling = Signalling::new(parts.realm);
        let fragments = Fragments::new(fragments::Options::default());
        Self {
            parts,
            signalling,
            fragments: Some(Box::new(fragments)),
            pieces_lost: 0,
            tally: Tally::default(),
            upstream: None,
            respondent: None,
            sweep_due_ns: 0,
            alive: Vec::new(),
            flows: Flows::default(),
            instants_due_ns: 0,
        }
    }

    /// Takes frames all the way.
    pub fn frames<'a>(&mut self, mut frames: impl Iterator<Item = Frame<'a>>) {
        let mut group: SmallVec<[Seen<'a>; GROUP]> = SmallVec::new();
        while self.gather(&mut frames, &mut group) {
            for seen in &group {
                let became = self.take(seen);
                self.tally.count(became);
            }
            group.clear();
        }
    }

    /// Takes what an agent has sent all the way.
    pub fn parcel(&mut self, parcel: &Parcel, origin: u16) {
        match parcel {
            Parcel::Packet(capsule) => self.capsule(capsule, origin),
            Parcel::Report(report) => self.parts.shard.report(report, &mut self.tally),
            Parcel::Log(line) => self.parts.shard.log(line, &mut self.tally),
        }
    }

    fn capsule(&mut self, capsule: &Capsule, origin: u16) {
        let wire_len = u32::try_from(capsule.packet.len()).unwrap_or(u32::MAX);
        let Capsule { ts, clock, told, packet: bytes, .. } = capsule;
        let (ts, clock, order, link) = (*ts, *clock, *clock, Link::RawIp);
        let frame = Frame { ts, clock, order, origin, link, wire_len, bytes };
        self.tally.received += 1;
        self.tally.bytes += u64::from(wire_len);
        let decoder = &mut self.parts.decoder;
        let decoded = match told {
            Some(told) => decoder.told(frame, *told),
            None => decoder.walk(frame),
        };
        let seen = decoded.map_err(stopped).and_then(|decoded| self.see(decoded));
        let became = match seen {
            Ok(mut seen) => {
                self.fetch(std::slice::from_mut(&mut seen));
                if let Some(token) = capsule.token.filter(|_| !seen.duplicate) {
                    self.correlate(token, &seen.decoded);
                }
                if let Some(tunnel) = &seen.decoded.tunnel {
                    self.tally.note_tunnel(tunnel.kind);
                } else if seen.decoded.class == Class::Rtcp && !seen.duplicate {
                    let (flow, bytes) = (seen.decoded.flow(), seen.decoded.payload());
                    self.parts.streams.told(&flow, bytes, (ts, clock), &mut self.tally);
                }
                self.take(&seen)
            }
            Err(known) => known,
        };
        self.tally.count(became);
    }

    /// Tells the token's shard whose it is, or which flow bears it.
    fn correlate(&mut self, token: CallKey, decoded: &Decoded<'_>) {
        let (flow, clock_ns) = (decoded.flow(), decoded.frame.clock);
        let note = match decoded.class {
            Class::Sip => {
                let Some(id) = call_id_of(decoded.payload()) else { return };
                let call = CallKey::of(u64::from(self.parts.realm), id);
                if call == token {
                    return;
                }
                Note::Token { token, call }
            }
            Class::Rtp | Class::Rtcp => {
                let is_rtp = decoded.class == Class::Rtp;
                let flow = if is_rtp { flow } else { media_of(flow) };
                if !self.flows.is_due(flow, token, clock_ns) {
                    return;
                }
                Note::Correlated(Box::new(Correlated { token, flow, clock_ns, found: false }))
            }
            _ => return,
        };
        let shard = token.0 % self.parts.exchange.workers() as u64;
        let place = self.parts.pace.place(&decoded.frame);
        self.parts.exchange.send(shard as usize, place, note);
    }

    /// Walks the next few frames. False: there were none.
    #[inline]
    fn gather<'a>(
        &mut self,
        frames: &mut impl Iterator<Item = Frame<'a>>,
        group: &mut SmallVec<[Seen<'a>; GROUP]>,
    ) -> bool {
        let mut any = false;
        for frame in frames.take(GROUP) {
            any = true;
            let decoded = self.parts.decoder.walk(frame);
            if let (Ok(decoded), Some(spread)) = (&decoded, &self.parts.spread)
                && let Some(to) = spread.place(decoded)
            {
                self.give(to, &frame);
                continue;
            }
            self.tally.received += 1;
            self.tally.bytes += u64::from(frame.wire_len);
            match decoded.map_err(stopped).and_then(|decoded| self.see(decoded)) {
                Ok(seen) => {
                    if let Some(tunnel) = &seen.decoded.tunnel {
                        self.tally.note_tunnel(tunnel.kind);
                    }
                    group.push(seen);
                }
                Err(known) => self.tally.count(known),
            }
        }
        self.fetch(group);
        any
    }

    /// Tells copies, and fetches what scoring and spooling will touch: the same step for the
    /// whole group, so that the waits for memory overlap.
    #[inline]
    fn fetch(&mut self, group: &mut [Seen<'_>]) {
        let Parts { decoder, streams, spool, .. } = &mut self.parts;
        for seen in &mut *group {
            seen.duplicate = decoder.is_duplicate(seen.print.as_ref(), seen.decoded.frame.clock);
        }
        let mut slots = [Slot::default(); GROUP];
        for (seen, slot) in group.iter().zip(&mut slots) {
            *slot = seen.rtp.as_ref().map_or(*slot, |(_, hash)| streams.approach(*hash));
        }
        if let Some(spool) = spool {
            for (seen, slot) in group.iter().zip(slots) {
                spool.approach(slot, seen.decoded.frame.bytes.len());
            }
        }
    }

    /// Walks a frame and looks where it will go.
    #[inline(always)]
    fn look<'a>(&mut self, frame: Frame<'a>) -> Result<Seen<'a>, Disposition> {
        let decoded = self.parts.decoder.walk(frame).map_err(stopped)?;
        self.see(decoded)
    }

    #[inline(always)]
    fn see<'a>(&self, decoded: Decoded<'a>) -> Result<Seen<'a>, Disposition> {
        let mut rtp = None;
        if decoded.class == Class::Rtp {
            let view = rtp::View::parse(decoded.payload()).map_err(|_| Disposition::NotVoip)?;
            let key = Key { flow: decoded.flow(), ssrc: view.ssrc() };
            rtp = Some((view, self.parts.streams.hash_of(&key)));
        }
        let print = self.parts.decoder.fingerprint(&decoded);
        Ok(Seen { decoded, rtp, print, duplicate: false })
    }

    /// Gives a frame to what it is for, and tells what became of it.
    #[inline]
    fn take(&mut self, seen: &Seen<'_>) -> Disposition {
        let decoded = &seen.decoded;
        if seen.duplicate {
            self.tally.note_copy(decoded.frame.origin);
            return Disposition::Duplicate;
        }
        match decoded.class {
            Class::Rtp => self.rtp(seen),
            Class::Rtcp => self.rtcp(decoded),
            Class::Sip if decoded.headers.proto == PROTO_TCP => self.sip_tcp(decoded),
            Class::Sip => self.sip(decoded),
            Class::Stun => Disposition::Stun,
            Class::Dtls => {
                let forgotten = self.parts.streams.dtls(decoded.flow());
                self.tally.note_many(Event::DtlsForgotten, forgotten);
                Disposition::Dtls
            }
            Class::Other if decoded.is_piece() => self.piece(decoded),
            Class::Other => Disposition::NotVoip,
        }
    }

    /// A piece of a datagram: the last one missing sends the whole on its way.
    #[cold]
    fn piece(&mut self, decoded: &Decoded<'_>) -> Disposition {
        let Some(mut fragments) = self.fragments.take() else { return Disposition::FragmentLost };
        let became = self.put_together(&mut fragments, decoded, PIECES_DEPTH);
        self.fragments = Some(fragments);
        became
    }

    /// Puts a piece to the others of its packet. The whole packet of a tunnel may hold a piece of
    /// another one, as where a full frame was too long with the tunnel's headers before it.
    fn put_together(
        &mut self,
        fragments: &mut Fragments<()>,
        decoded: &Decoded<'_>,
        depth: u8,
    ) -> Disposition {
        let (frame, headers) = decoded.bare();
        let whole = match fragments.push(&headers, frame.bytes, (), frame.clock) {
            Outcome::Held => return Disposition::Fragment,
            Outcome::Duplicate => return Disposition::Duplicate,
            Outcome::Rejected(_) => return Disposition::FragmentLost,
            Outcome::Whole(whole) => whole.frame,
        };
        let wire_len = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        // Frames are counted, not datagrams: what became of the whole is not counted.
        self.tally.note(Event::Reassembled);
        let Ok(mut seen) = self.look(Frame { bytes: whole, wire_len, ..frame }) else {
            return Disposition::Fragment;
        };
        if let (None, Some(tunnel)) = (&decoded.tunnel, &seen.decoded.tunnel) {
            self.tally.note_tunnel(tunnel.kind);
        }
        let tunnel = decoded.tunnel.or(seen.decoded.tunnel);
        if !seen.decoded.is_piece() {
            seen.decoded.tunnel = tunnel;
            if self.give_whole(&seen.decoded) {
                return Disposition::Fragment;
            }
            self.fetch(std::slice::from_mut(&mut seen));
            self.take(&seen);
            return Disposition::Fragment;
        }
        let Some(depth) = depth.checked_sub(1) else { return Disposition::FragmentLost };
        // Its bytes are the table's, which is to take them.
        let bytes = whole.to_vec();
        let Ok(mut inner) = self.look(Frame { bytes: &bytes, wire_len, ..frame }) else {
            return Disposition::Fragment;
        };
        inner.decoded.tunnel = tunnel;
        self.put_together(fragments, &inner.decoded, depth)
    }

    #[inline]
    fn rtp(&mut self, seen: &Seen<'_>) -> Disposition {
        let Some((view, hash)) = &seen.rtp else { return Disposition::NotVoip };
        let Decoded { frame, headers, .. } = &seen.decoded;
        let arrival = Arrival {
            key: Key { flow: seen.decoded.flow(), ssrc: view.ssrc() },
            hash: *hash,
            packet: Packet::new(view, headers, frame.clock, frame.ts),
            bytes: frame.bytes,
            header_len: usize::from(headers.payload) + view.payload_range().start,
            wire_len: frame.wire_len,
            link: frame.link.dlt(),
            origin: frame.origin,
            tunnel: seen.decoded.tunnel.as_ref(),
        };
        self.parts.streams.packet(&arrival, &mut self.tally, self.parts.spool.as_mut())
    }

    fn rtcp(&mut self, decoded: &Decoded<'_>) -> Disposition {
        let flow = decoded.flow();
        let (bytes, clock_ns) = (decoded.payload(), decoded.frame.clock);
        if let Some(spool) = &mut self.parts.spool {
            let slot = self.parts.streams.slot_beside(&flow, bytes);
            spool.rtcp(slot, session_key(&flow), &kept(decoded));
        }
        let all_here = self.parts.streams.rtcp(&flow, bytes, clock_ns);
        if !all_here && self.parts.pace.scatters_rtcp() {
            let place = self.parts.pace.place(&decoded.frame);
            let note = || Note::Rtcp(Box::new(RtcpNote { flow, clock_ns, bytes: bytes.into() }));
            self.parts.exchange.tell_others(place, note);
        }
        Disposition::Rtcp
    }

    fn sip(&mut self, decoded: &Decoded<'_>) -> Disposition {
        let parts = &mut self.parts;
        let place = parts.pace.place(&decoded.frame);
        let Some(call) = self.signalling.datagram(decoded, place, &mut parts.exchange) else {
            return Disposition::SipUnreadable;
        };
        if let Some(spool) = &mut parts.spool {
            spool.sip(call.0, &kept(decoded));
        }
        Disposition::SipUdp
    }

    fn sip_tcp(&mut self, decoded: &Decoded<'_>) -> Disposition {
        let parts = &mut self.parts;
        let place = parts.pace.place(&decoded.frame);
        let (exchange, spool) = (&mut parts.exchange, parts.spool.as_mut());
        self.signalling.segment(decoded, &kept(decoded), place, exchange, spool);
        Disposition::SipTcp
    }

    /// Which hosts were heard lately to send SIP, and which to be sent some.
    pub fn heard(&mut self, now_ns: u64) -> Vec<Heard> {
        self.signalling.heard(now_ns)
    }

    /// Frames come from the host's own interfaces, by no mirror.
    pub fn no_mirror(&mut self) {
        self.parts.streams.instants.no_mirror();
    }

    /// From now on this worker tells which endpoints calls announce and let go of.
    pub fn tell_upstream(&mut self, sender: Sender<Upstream>) {
        self.upstream = Some(Teller::new(sender));
    }

    /// From now on this worker answers questions about the calls that run.
    pub fn answer_by(&mut self, respondent: Respondent) {
        self.respondent = Some(respondent);
    }

    /// This worker's counters.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

fn kept<'a>(decoded: &Decoded<'a>) -> Kept<'a> {
    let frame = &decoded.frame;
    Kept {
        ts_ns: frame.ts,
        clock_ns: frame.clock,
        wire_len: frame.wire_len,
        link: frame.link.dlt(),
        bytes: frame.bytes,
    }
}

fn stopped(stop: Stop) -> Disposition {
    match stop {
        Stop::NotIp => Disposition::NotIp,
        Stop::OtherProto => Disposition::NotVoip,
        _ => Disposition::Malformed,
    }
}
