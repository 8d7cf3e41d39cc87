//! Claims, closes and ends: how streams get their owner, and how reports of them come to be.

use std::sync::Arc;

use ringtap_call::{Claim, Side};
use ringtap_cdr::StreamRecord;
use ringtap_media::{Entry, Id, PayloadInfo, Stream, StreamReport};
use smallvec::SmallVec;

use super::blame::{Instants, SETTLED_NS};
use super::{EARLY_MEDIA_NS, ENDED_NS, Finished, Held, Owner, REPORTS_MAX, Streams};
use crate::ledger::{Disposition, Event, Tally};
use crate::worker::endpoints::{CallInstance, Ended, Endpoint, endpoint};
use crate::worker::pace::SWEEP_NS;
use crate::worker::record::streams_so_far;
use crate::worker::spooling::Spooling;

/// A stream without three consistent packets is forgotten after this time.
const PROBATION_NS: u64 = 5_000_000_000;

/// Tells a stream what the description said of its payload types.
fn explain(stream: &mut Stream, claim: &Claim) {
    let infos: SmallVec<[PayloadInfo; 8]> = claim
        .payload_types
        .iter()
        .map(|pt| PayloadInfo::from_rtpmap(pt.payload_type, &pt.name, pt.clock_rate))
        .collect();
    stream.set_codecs(&infos);
}

fn instance(claim: &Claim) -> CallInstance {
    (claim.call, claim.instance)
}

/// What a report takes with it.
fn finished(
    entry: &mut Entry<Held>,
    sender: Option<Side>,
    report: StreamReport,
    instants: &Instants,
) -> Finished {
    let held = &mut entry.data;
    let blame = held.suspicion.as_deref_mut().map(|suspicion| {
        suspicion.judge(report.last_clock_ns, &entry.stream, held.origin, instants);
        suspicion.take()
    });
    Finished {
        flow: entry.key.flow,
        sender,
        session: held.session,
        report,
        blame: blame.unwrap_or_default(),
        dtls: held.dtls,
        shared: held.shared,
        tunnel: held.tunnel.as_deref().copied(),
        after: held.after.clone().filter(|_| sender.is_none()),
    }
}

impl Streams {
    /// The third packet: a stream begins, and belongs to whoever claims its endpoints.
    #[cold]
    pub(super) fn confirm(&mut self, id: Id, tally: &mut Tally) -> Disposition {
        let Some(entry) = self.table.get_mut(id) else { return Disposition::RtpUnconfirmed };
        let flow = entry.key.flow;
        let earlier = entry.stream.packets().saturating_sub(1);
        tally.recount(Disposition::RtpUnconfirmed, Disposition::Rtp, earlier);
        tally.note(Event::Streams);
        let (to, from) = ((flow.dst, flow.dport), (flow.src, flow.sport));
        self.endpoints.add_stream(to, id);
        self.endpoints.add_stream(from, id);
        if let Some(claim) = self.endpoints.claim_of(&to).cloned() {
            self.adopt(id, &claim, true, tally);
        } else if let Some(claim) = self.endpoints.claim_of(&from).cloned() {
            self.adopt(id, &claim, false, tally);
        } else if let Some(entry) = self.table.get_mut(id) {
            let first_ns = entry.stream.report().first_clock_ns;
            let before = |at| self.endpoints.ended_before(at, first_ns).cloned();
            entry.data.after = before(&to).or_else(|| before(&from));
        }
        Disposition::Rtp
    }

    /// An endpoint belongs to a call from now on. True: it is new to this call.
    pub fn claim(&mut self, claim: &Arc<Claim>, tally: &mut Tally) -> bool {
        tally.note(Event::Claims);
        let at = endpoint(claim.endpoint);
        let others = |held: &Arc<Claim>| !held.correlated && instance(held) != instance(claim);
        if claim.correlated && self.endpoints.claim_of(&at).is_some_and(others) {
            return false;
        }
        if !self.endpoints.claim(at, claim) {
            tally.note(Event::ClaimsRefused);
            return false;
        }
        let owned = self.calls.entry(instance(claim)).or_default();
        let new = !owned.endpoints.contains(&at);
        if new {
            owned.endpoints.push(at);
        }
        if let Some(rtcp) = claim.rtcp.map(endpoint)
            && self.endpoints.claim_rtcp(rtcp, at)
        {
            owned.rtcp.push(rtcp);
        }
        self.own_told(claim);
        for id in self.endpoints.streams_at(&at) {
            let by_destination = self
                .table
                .get_mut(id)
                .is_some_and(|entry| (entry.key.flow.dst, entry.key.flow.dport) == at);
            self.adopt(id, claim, by_destination, tally);
        }
        new
    }

    /// The endpoints that a call has claimed.
    pub fn endpoints_of(&self, call: CallInstance) -> &[Endpoint] {
        self.calls.get(&call).map_or(&[], |owned| &owned.endpoints)
    }

    /// Gives a stream to a call, unless somebody has a better claim.
    fn adopt(&mut self, id: Id, claim: &Claim, by_destination: bool, tally: &mut Tally) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let call = instance(claim);
        let sender = if by_destination { claim.side.other() } else { claim.side };
        let before = entry.data.owner;
        if claim.correlated && matches!(before, Owner::Call { call: had, .. } if had != call) {
            return;
        }
        entry.data.owner = Owner::Call { call, sender, by_destination };
        match before {
            Owner::Call { call: had, by_destination: true, .. } if !by_destination => {
                // The destination speaks louder than the source, whichever claim is newer.
                entry.data.owner = before;
                if had == call {
                    explain(&mut entry.stream, claim);
                }
                return;
            }
            Owner::Call { call: had, .. } if had == call => {}
            Owner::Call { call: had, sender, .. } => {
                // Both are open: what each has of the stream is marked.
                entry.data.shared = true;
                let cut = self.cut(id, claim.at_clock_ns, Some(sender), tally);
                if let (Some(piece), Some(owned)) = (cut, self.calls.get_mut(&had)) {
                    owned.live.retain(|other| *other != id);
                    if owned.done.len() < REPORTS_MAX {
                        owned.done.push(piece);
                    }
                }
            }
            Owner::Ended => {
                entry.data.shared = false;
                let _ = self.cut(id, claim.at_clock_ns, None, tally);
                self.take_back(id, tally);
            }
            Owner::Nobody => {
                let oldest = claim.at_clock_ns.saturating_sub(EARLY_MEDIA_NS);
                if entry.stream.report().first_clock_ns < oldest {
                    let piece = self.cut(id, claim.at_clock_ns, None, tally);
                    self.lone.extend(piece);
                }
            }
        }
        if let Some(entry) = self.table.get_mut(id) {
            explain(&mut entry.stream, claim);
        }
        let owned = self.calls.entry(call).or_default();
        if !owned.live.contains(&id) {
            owned.live.push(id);
        }
    }

    /// What a cut has left of an ended stream belongs to the new call: it came before the claim.
    fn take_back(&mut self, id: Id, tally: &mut Tally) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let kept = entry.stream.report();
        let kept = kept.received + kept.duplicate + kept.stray;
        let after_end = u64::from(std::mem::take(&mut entry.data.after_end));
        tally.recount(Disposition::RtpAfterEnd, Disposition::Rtp, kept.min(after_end));
    }

    /// Cuts a stream at `at_clock_ns`; what was before leaves as a report, if it is anything.
    fn cut(
        &mut self,
        id: Id,
        at_clock_ns: u64,
        sender: Option<Side>,
        tally: &mut Tally,
    ) -> Option<Finished> {
        let entry = self.table.get_mut(id)?;
        let (report, exact) = entry.stream.split(at_clock_ns);
        if !exact {
            tally.note(Event::InexactSplits);
        }
        (report.received > 0).then(|| finished(entry, sender, report, &self.instants))
    }

    /// A call has ended: its reports leave, its streams and endpoints are free again.
    pub fn close(&mut self, ended: &Arc<Ended>, spool: Option<&mut Spooling>) -> Vec<Finished> {
        let call = ended.call;
        let Some(owned) = self.calls.remove(&call) else { return Vec::new() };
        for at in &owned.endpoints {
            self.endpoints.release(at, ended);
        }
        for at in &owned.rtcp {
            self.endpoints.release_rtcp(at);
        }
        let mut reports = owned.done;
        reports.extend(self.take_told(call, &owned.told));
        let mut spool = spool;
        for id in owned.live {
            let Some(entry) = self.table.get_mut(id) else { continue };
            let Owner::Call { call: owner, sender, .. } = entry.data.owner else { continue };
            if owner != call {
                continue;
            }
            if let Some(spool) = spool.as_deref_mut() {
                spool.flush(&mut entry.data.slot);
            }
            let report = entry.stream.report();
            // Where nothing came since the stream was cut, it is none of this call.
            if report.received > 0 {
                reports.push(finished(entry, Some(sender), report, &self.instants));
            }
            entry.data.owner = Owner::Ended;
        }
        reports
    }

    /// The streams of a call that runs, as they are now.
    pub fn look(&self, call: CallInstance) -> Vec<StreamRecord> {
        let Some(owned) = self.calls.get(&call) else { return Vec::new() };
        let live = owned.live.iter().filter_map(|id| {
            let entry = self.table.get(*id)?;
            let Owner::Call { call: owner, sender, .. } = entry.data.owner else { return None };
            let report = (owner == call).then(|| entry.stream.report())?;
            let (held, stream) = (&entry.data, &entry.stream);
            let suspicion = held.suspicion.as_ref();
            let blame = suspicion.map(|s| s.so_far(stream, held.origin, &self.instants));
            let finished = Finished {
                flow: entry.key.flow,
                sender: Some(sender),
                session: held.session,
                report,
                shared: held.shared,
                blame: blame.unwrap_or_default(),
                dtls: held.dtls,
                tunnel: held.tunnel.as_deref().copied(),
                after: None,
            };
            (finished.report.received > 0).then_some(finished)
        });
        streams_so_far(owned.done.iter().cloned().chain(live).collect())
    }

    /// Ends what has had no packets for too long, and tells which calls have media. Called about
    /// once a second.
    pub fn sweep(
        &mut self,
        now_clock_ns: u64,
        spool: Option<&mut Spooling>,
        mut alive: impl FnMut(CallInstance, u64),
    ) {
        let mut expired = std::mem::take(&mut self.expired);
        let idle_ns = self.options.idle_ns;
        let swept_ns = std::mem::replace(&mut self.swept_clock_ns, now_clock_ns);
        let mut due = Vec::new();
        self.instants.begin_count();
        for entry in self.table.entries() {
            let idle = entry.idle_ns(now_clock_ns);
            if entry.confirmed && idle <= SWEEP_NS {
                self.instants.count(entry.data.origin);
            }
            if entry.data.suspicion.as_ref().is_some_and(|s| s.is_due(now_clock_ns)) {
                due.push(entry.id());
            }
            let limit = match entry.data.owner {
                Owner::Ended => ENDED_NS,
                Owner::Nobody if !entry.confirmed => PROBATION_NS,
                Owner::Nobody => idle_ns,
                Owner::Call { call, .. } => {
                    // However long ago the last sweep was: a file's gap may lie between. Live,
                    // a packet can be taken a moment after its time.
                    let last_ns = entry.stream.last_clock_ns();
                    if last_ns >= swept_ns.saturating_sub(SWEEP_NS) {
                        alive(call, last_ns);
                    }
                    u64::MAX
                }
            };
            if idle >= limit {
                expired.push(entry.id());
            }
        }
        self.instants.counted();
        for id in due {
            let Some(entry) = self.table.get_mut(id) else { continue };
            let (stream, origin) = (&entry.stream, entry.data.origin);
            if let Some(suspicion) = &mut entry.data.suspicion {
                let until_ns = now_clock_ns.saturating_sub(SETTLED_NS);
                suspicion.judge(until_ns, stream, origin, &self.instants);
            }
        }
        self.sweep_told(now_clock_ns, idle_ns);
        let mut spool = spool;
        for id in expired.drain(..) {
            self.remove(id, spool.as_deref_mut());
        }
        self.expired = expired;
    }

    /// Ends everything: the capture is over. What no call owns becomes reports of its own.
    pub fn finish(&mut self, mut spool: Option<&mut Spooling>) {
        self.sweep_told(u64::MAX, 0);
        for id in self.table.ids() {
            self.remove(id, spool.as_deref_mut());
        }
    }

    /// Reports of streams that no call owns and that have ended since the last time.
    pub fn take_lone(&mut self) -> impl Iterator<Item = Finished> + '_ {
        self.lone.drain(..)
    }

    fn remove(&mut self, id: Id, spool: Option<&mut Spooling>) {
        let Some(mut entry) = self.table.remove(id) else { return };
        let flow = entry.key.flow;
        let confirmed = entry.confirmed;
        if let Some(spool) = spool {
            if confirmed {
                spool.flush(&mut entry.data.slot);
            } else {
                spool.discard(&mut entry.data.slot);
            }
        }
        let ends: [Endpoint; 2] = [(flow.dst, flow.dport), (flow.src, flow.sport)];
        if confirmed {
            for at in &ends {
                self.endpoints.remove_stream(at, id);
            }
        }
        if confirmed && entry.data.owner == Owner::Nobody {
            let report = entry.stream.report();
            self.lone.push(finished(&mut entry, None, report, &self.instants));
        }
    }
}
