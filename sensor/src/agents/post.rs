//! What an agent has seen becomes a packet on its way to a worker: dated, built, sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringtap_call::CallKey;
use ringtap_capture::clock::LiveClock;
use ringtap_cdr::{LogLine, VqReport};
use ringtap_wire::flow::FlowKey;

use super::House;
use super::lane::{Capsule, Parcel};
use super::packet;
use super::sources::Heard;
use crate::worker::decode::Told;

/// The same two hosts always meet the same worker, on every machine.
const SEED: u64 = 0x6865_7020_6c61_6e65;

/// One thread's way to the workers.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) house: Arc<House>,
    clock: LiveClock,
}

/// Something that an agent has seen.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    /// Who says it: an address, and the number of its agent.
    pub(crate) name: (IpAddr, u32),
    /// When that was, UNIX ns, as the agent says.
    pub(crate) told_ns: Option<u64>,
    /// From where to where.
    pub(crate) flow: FlowKey,
    /// Type of service.
    pub(crate) tos: u8,
    /// What it carries; `None`: its ports and first bytes tell.
    pub(crate) told: Option<Told>,
    /// By which it belongs to others of its call.
    pub(crate) token: Option<CallKey>,
    /// What was in it.
    pub(crate) payload: &'a [u8],
}

impl Post {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self { house, clock: LiveClock::new() }
    }

    /// When something happened that an agent dates: UNIX ns as far as the agent is believed, and
    /// the ordering clock of its arrival.
    pub(crate) fn date(&mut self, name: (IpAddr, u32), told_ns: Option<u64>) -> (u64, u64) {
        let now_ns = self.clock.begin();
        let (unix_ns, clock_ns) = self.clock.place(now_ns);
        let heard = Heard { name, told_ns, unix_ns, clock_ns };
        (self.house.sources.time(&heard, &self.house.events), clock_ns)
    }

    /// Sends a packet; waits for room at its worker as long as that. False: there was none.
    pub(crate) fn send(&mut self, letter: &Letter<'_>, patience: Duration) -> bool {
        let (ts, clock) = self.date(letter.name, letter.told_ns);
        let packet = packet::build(&letter.flow, letter.tos, letter.payload);
        let Letter { told, token, .. } = *letter;
        let capsule = Capsule { ts, clock, told, token, packet };
        self.house.lanes.send(hosts(&letter.flow), Parcel::Packet(capsule), patience)
    }

    /// Sends a packet of a tunnel, in which one of this flow is.
    pub(crate) fn forward(
        &mut self,
        from: IpAddr,
        inner: &FlowKey,
        packet: Box<[u8]>,
        patience: Duration,
    ) -> bool {
        let (ts, clock) = self.date((from, 0), None);
        let capsule = Capsule { ts, clock, told: None, token: None, packet };
        self.house.lanes.send(hosts(inner), Parcel::Packet(capsule), patience)
    }

    /// The same with what an agent says about a call.
    pub(crate) fn report(&self, report: VqReport, patience: Duration) -> bool {
        let call = report.call_key;
        self.house.lanes.send(call, Parcel::Report(Box::new(report)), patience)
    }

    /// And with a line of a log.
    pub(crate) fn log(&self, line: LogLine, patience: Duration) -> bool {
        let call = line.call_key;
        self.house.lanes.send(call, Parcel::Log(Box::new(line)), patience)
    }
}

/// A number for the two hosts of a flow, the same both ways.
fn hosts(flow: &FlowKey) -> u64 {
    FlowKey { sport: 0, dport: 0, ..*flow }.symmetric_hash(SEED)
}
