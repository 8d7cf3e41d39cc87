//! One direction of a call's media: what its sender sends with each tick, and what becomes of it
//! on the way.

use super::observer::Observer;
use super::path::Path;
use super::plan::Plan;
use crate::packet::rtp::{Event, Rtp};
use crate::rng::Rng;
use std::net::SocketAddr;

/// Time between packets.
pub(super) const TICK_NS: u64 = 20_000_000;
/// Timestamp units of a tick at 8000 Hz, and bytes of G.711.
pub(super) const TICK_UNITS: u32 = 160;
/// Payload type of telephone events.
pub(super) const EVENT_TYPE: u8 = 101;
/// Packets of a stream that pass before any may be overtaken.
const GUARD: u64 = 4;
/// Time before a stream's end in which none may be, beside the time of the longest overtaking.
pub(super) const CALM_NS: u64 = 100_000_000;
/// First digit, distance of digits, ticks of a digit while it lasts, and end packets after.
const DIGIT_FIRST: u32 = 50;
const DIGIT_EVERY: u32 = 15;
const DIGIT_TICKS: u32 = 5;
const DIGIT_ENDS: u32 = 2;

/// An RTP packet on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    /// Number since the stream's start.
    pub(super) index: u32,
    pub(super) ip_id: u16,
    /// Sent again by its sender.
    pub(super) again: bool,
}

/// One direction's sender.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) first_seq: u16,
    pub(super) first_timestamp: u32,
    /// Seed of the audio's noise.
    pub(super) noise: u64,
    /// Codes of the digits to dial.
    pub(super) digits: Vec<u8>,
    /// Time of the first tick, if it talks or has talked.
    pub(super) started_ns: Option<u64>,
    pub(super) talking: bool,
    /// From then on nothing is overtaken or comes late, so that a stream's last packet in the
    /// file is its highest.
    pub(super) calm_from_ns: u64,
    /// Packets sent, lost ones included.
    pub(super) sent: u32,
    pub(super) octets: u32,
    pub(super) lost: u64,
    pub(super) rtcp: u64,
    /// When this side sent its last sender report, and its NTP time.
    pub(super) last_report: Option<(u64, u64)>,
    /// Extended highest number and count of packets when the peer reported last.
    pub(super) reported: (u64, u64),
    pub(super) path: Path,
    pub(super) observer: Observer,
    /// Overtaken packets, with the tick after which they go on.
    held: Vec<(u32, Packet)>,
    passed: u64,
    rng: Rng,
}

/// Packets that arrive because of one tick; at most the tick's own, its duplicate and the held
/// ones that are due.
pub(super) type Arrivals = Vec<(u64, Packet)>;

impl Sender {
    pub(super) fn new(plan: &Plan, rng: Rng, src: SocketAddr, dst: SocketAddr) -> Self {
        let mut dice = rng.fork(1);
        let (mut first_seq, mut first_timestamp) = (dice.next_u16(), dice.next_u32());
        let mut ssrc = dice.next_u32();
        if plan.wrap {
            first_seq = u16::MAX - dice.below(100) as u16;
            first_timestamp = u32::MAX - dice.below(100 * u64::from(TICK_UNITS)) as u32;
        }
        if plan.ssrc_reuse {
            ssrc = Rng::new(plan.seed).fork(0x55).next_u32();
        }
        Self {
            src,
            dst,
            ssrc,
            payload_type: 0,
            first_seq,
            first_timestamp,
            noise: dice.next_u64(),
            digits: Vec::new(),
            started_ns: None,
            talking: false,
            calm_from_ns: u64::MAX,
            sent: 0,
            octets: 0,
            lost: 0,
            rtcp: 0,
            last_report: None,
            reported: (0, 0),
            path: Path::new(plan, rng.fork(2)),
            observer: Observer::default(),
            held: Vec::new(),
            passed: 0,
            rng: rng.fork(3),
        }
    }

    /// Sends the next packet at `now_ns`; adds to `arrivals` what will arrive and when.
    pub(super) fn tick(
        &mut self,
        plan: &Plan,
        now_ns: u64,
        mut next_id: impl FnMut() -> u16,
        arrivals: &mut Arrivals,
    ) {
        let packet = Packet { index: self.sent, ip_id: next_id(), again: false };
        self.sent += 1;
        let is_event = self.digit_at(packet.index).is_some();
        self.octets += if is_event { 4 } else { TICK_UNITS };
        let arrival_ns = self.path.arrival_ns(now_ns);
        let lost = self.path.loses();
        self.observer.sent(lost);
        if lost {
            self.lost += 1;
        } else {
            self.passed += 1;
            let calm = self.passed <= GUARD || now_ns >= self.calm_from_ns;
            let overtaken = !calm && self.rng.chance(plan.reorder);
            if overtaken {
                let by = self.rng.between(1, u64::from(plan.reorder_depth)) as u32;
                self.held.push((packet.index + by, packet));
            } else {
                arrivals.push((arrival_ns, packet));
            }
            if !calm && !overtaken && self.rng.chance(plan.duplicates) {
                let wait_ns = self.repeat_after_ns(plan);
                let again = Packet { again: true, ip_id: next_id(), ..packet };
                arrivals.push((arrival_ns + wait_ns, again));
            }
        }
        self.release(Some(packet.index), arrival_ns, arrivals);
    }

    /// Lets held packets go that wait for tick `index`, or all of them.
    pub(super) fn release(&mut self, index: Option<u32>, at_ns: u64, arrivals: &mut Arrivals) {
        let mut after_ns = at_ns;
        self.held.retain(|(until, packet)| {
            let due = index.is_none_or(|index| *until <= index);
            if due {
                after_ns += 100_000;
                arrivals.push((after_ns, *packet));
            }
            !due
        });
    }

    /// When a sender's second copy follows: soon where its IP id tells it from a mirror copy,
    /// else outside the time in which mirror copies come.
    fn repeat_after_ns(&mut self, plan: &Plan) -> u64 {
        let told_apart = self.src.is_ipv4() && plan.ip_id == super::plan::IpId::Counter;
        if told_apart {
            self.rng.between(100_000, 5_000_000)
        } else {
            self.rng.between(25_000_000, 45_000_000)
        }
    }

    /// Which digit the packet of tick `index` carries, and how many ticks into it.
    pub(super) fn digit_at(&self, index: u32) -> Option<(u32, u32)> {
        let since = index.checked_sub(DIGIT_FIRST)?;
        let (digit, into) = (since / DIGIT_EVERY, since % DIGIT_EVERY);
        let dialled = (digit as usize) < self.digits.len() && into < DIGIT_TICKS + DIGIT_ENDS;
        dialled.then_some((digit, into))
    }

    /// RTP timestamp of tick `index`: all packets of a digit carry that of its start.
    pub(super) fn timestamp(&self, index: u32) -> u32 {
        let into = self.digit_at(index).map_or(0, |(_, into)| into);
        let units = (index - into).wrapping_mul(TICK_UNITS);
        self.first_timestamp.wrapping_add(units)
    }

    /// Sequence number with its cycles, as a receiver extends it (RFC 3550 appendix A.1).
    pub(super) fn extended(&self, index: u32) -> u32 {
        u32::from(self.first_seq) + index
    }

    /// Writes RTP header and payload of a packet over what `out` held.
    pub(super) fn write(&self, index: u32, out: &mut Vec<u8>) {
        out.clear();
        let digit = self.digit_at(index);
        let first_of_talk = index == 0;
        let header = Rtp {
            payload_type: if digit.is_some() { EVENT_TYPE } else { self.payload_type },
            marker: digit.map_or(first_of_talk, |(_, into)| into == 0),
            seq: self.extended(index) as u16,
            timestamp: self.timestamp(index),
            ssrc: self.ssrc,
        };
        header.write(out);
        match digit {
            None => {
                let mut audio = [0u8; TICK_UNITS as usize];
                Rng::new(self.noise ^ u64::from(index)).fill(&mut audio);
                out.extend_from_slice(&audio);
            }
            Some((digit, into)) => {
                let ticks = (into + 1).min(DIGIT_TICKS);
                let event = Event {
                    code: self.digits.get(digit as usize).copied().unwrap_or_default(),
                    end: into >= DIGIT_TICKS,
                    volume: 10,
                    duration: (ticks * TICK_UNITS) as u16,
                };
                out.extend_from_slice(&event.bytes());
            }
        }
    }

    /// The digits of which something arrived.
    pub(super) fn dtmf(&self) -> String {
        let seen = |at: &usize| self.observer.digits_seen & (1 << at) != 0;
        let codes = (0..self.digits.len()).filter(seen).filter_map(|at| self.digits.get(at));
        codes.filter_map(|code| "0123456789*#ABCD".chars().nth(usize::from(*code))).collect()
    }
}
