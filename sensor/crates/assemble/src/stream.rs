//! TCP segments put in order, for connections that carry SIP.
//!
//! Each direction of a connection is a flow of its own, so a mirror that shows only one works
//! too. Retransmissions and copies are cut off, segments ahead of their time wait, and a hole
//! that is not filled in time is stepped over: the framer then looks for the next start line.
//! A flow seen from the middle begins in that search. This is no TCP stack: no windows, no
//! options, no checksums, and whoever writes both a hole and its filling is believed first.
//!
//! Limits: flows, segments and bytes that wait in a flow, bytes together, time.

mod flow;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ringtap_common::walk::{Headers, Ip, PROTO_TCP};

use crate::{sip_frame, websocket};
use flow::Direction;

/// Flows (one direction each) that are followed at one time, at most.
pub const FLOWS_MAX: usize = 16_384;
/// Segments that wait in one flow, at most.
pub const WAITING_MAX: usize = 32;
/// Bytes that wait in one flow, at most.
pub const WAITING_BYTES_MAX: usize = 128 << 10;
/// Bytes held for all flows together, at most.
pub const BYTES_MAX: usize = 32 << 20;
/// How long a hole may stay open.
pub const HOLE_NS: u64 = 1_000_000_000;
/// How long a flow may be silent before it is forgotten.
pub const IDLE_NS: u64 = 600_000_000_000;
/// How long a flow is remembered after its end, so that copies of its last segments are known as
/// copies.
pub const LINGER_NS: u64 = 5_000_000_000;
/// Sequence numbers further away than this belong to another life of the flow.
pub const JUMP_MAX: u32 = 1 << 20;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source address.
    pub src: Ip,
    /// Destination address.
    pub dst: Ip,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Whose.
    pub flow: Flow,
    /// Sequence number of the first byte (of the SYN, if it has one).
    pub seq: u32,
    /// TCP flags, FIN is bit 0.
    pub flags: u8,
    /// Its data.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads the segment in a frame that the walk has described; `None` if it holds no TCP.
    pub fn read(headers: &Headers, frame: &'a [u8]) -> Option<Self> {
        if headers.proto != PROTO_TCP {
            return None;
        }
        let seq = frame.get(usize::from(headers.l4) + 4..)?.first_chunk::<4>()?;
        let start = usize::from(headers.payload);
        let end = start.checked_add(headers.payload_len as usize)?;
        let Headers { src, dst, sport, dport, flags, .. } = *headers;
        Some(Self {
            flow: Flow { src, dst, sport, dport },
            seq: u32::from_be_bytes(*seq),
            flags,
            payload: frame.get(start..end)?,
        })
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Segments given.
    pub segments: u64,
    /// Segments of which nothing was new.
    pub retransmissions: u64,
    /// Segments that came before their time and waited.
    pub reordered: u64,
    /// Holes that were stepped over.
    pub holes: u64,
    /// Bytes missing in them.
    pub hole_bytes: u64,
    /// Flows begun.
    pub flows: u64,
    /// Flows seen from the middle.
    pub midstream: u64,
    /// Sequence numbers that jumped: a flow's next life.
    pub jumps: u64,
    /// Flows forgotten because they were silent.
    pub idle: u64,
    /// Flows pushed out by a limit of flows or bytes.
    pub evicted: u64,
    /// What the flows' framers counted.
    pub framing: sip_frame::Counters,
    /// What those of WebSocket connections counted.
    pub websocket: websocket::Counters,
}

#[derive(Debug)]
struct Slot {
    flow: Flow,
    /// Tells this use of the slot from later ones in the queue.
    serial: u64,
    last_ns: u64,
    /// It has a place in the queue of holes.
    hole_queued: bool,
    /// When it ended, if it has.
    closed_ns: Option<u64>,
    direction: Direction,
}

/// The flows.
#[derive(Debug)]
pub struct Streams {
    index: HashMap<Flow, usize, FixedState>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// One place for each flow: slot, serial, and when it was queued.
    idle: VecDeque<(usize, u64, u64)>,
    /// Flows with a hole: slot, serial and when to step over it.
    holes: VecDeque<(usize, u64, u64)>,
    /// Flows that have ended: slot, serial and when.
    closed: VecDeque<(usize, u64, u64)>,
    bytes: usize,
    serial: u64,
    counters: Counters,
}

impl Streams {
    /// An empty table; memory is taken as it is needed. `seed` is for the table's hash.
    pub fn new(seed: u64) -> Self {
        Self {
            index: HashMap::with_hasher(FixedState::with_seed(seed)),
            slots: Vec::new(),
            free: Vec::new(),
            idle: VecDeque::new(),
            holes: VecDeque::new(),
            closed: VecDeque::new(),
            bytes: 0,
            serial: 0,
            counters: Counters::default(),
        }
    }

    /// Takes a segment and hands out every SIP message that it completes, with its flow.
    /// `clock_ns` must not go back.
    pub fn push(
        &mut self,
        segment: &Segment<'_>,
        clock_ns: u64,
        emit: &mut impl FnMut(&Flow, &[u8]),
    ) {
        self.counters.segments += 1;
        let syn = segment.flags & SYN != 0;
        let slot = match self.index.get(&segment.flow).copied() {
            Some(slot) => slot,
            // Nothing begins with a bare acknowledgement or an end.
            None if !syn && segment.payload.is_empty() => return,
            None => self.begin(segment, clock_ns, emit),
        };
        let Some(Some(state)) = self.slots.get_mut(slot) else { return };
        state.last_ns = clock_ns;
        let before = state.direction.bytes();
        let flow = state.flow;
        let ended =
            state.direction.push(segment, clock_ns, &mut self.counters, &mut |message: &[u8]| {
                emit(&flow, message);
            }) || segment.flags & RST != 0;
        self.settle(slot, before, ended, clock_ns, emit);
        while self.bytes > BYTES_MAX {
            self.evict(emit);
        }
    }

    /// Steps over holes that have been open for too long, and forgets silent flows.
    pub fn expire(&mut self, clock_ns: u64, emit: &mut impl FnMut(&Flow, &[u8])) {
        while let Some(&(slot, serial, due_ns)) = self.holes.front() {
            if clock_ns < due_ns {
                break;
            }
            self.holes.pop_front();
            self.step_over(slot, serial, clock_ns, emit);
        }
        while let Some(&(slot, serial, ended_ns)) = self.closed.front() {
            if clock_ns.saturating_sub(ended_ns) <= LINGER_NS {
                break;
            }
            self.closed.pop_front();
            self.forget_closed(slot, serial, ended_ns, emit);
        }
        // Each flow has one place in the queue: one round looks at each at most once.
        for _ in 0..self.idle.len() {
            let Some(&(slot, serial, queued_ns)) = self.idle.front() else { break };
            if clock_ns.saturating_sub(queued_ns) <= IDLE_NS {
                break;
            }
            self.idle.pop_front();
            let Some(last_ns) = self.slot(slot, serial).map(|state| state.last_ns) else {
                continue;
            };
            if clock_ns.saturating_sub(last_ns) > IDLE_NS {
                self.counters.idle += 1;
                self.remove(slot, emit);
            } else {
                self.idle.push_back((slot, serial, last_ns));
            }
        }
    }

    /// Forgets every flow, after handing out what still waits: no more frames will come.
    pub fn finish(&mut self, emit: &mut impl FnMut(&Flow, &[u8])) {
        for slot in 0..self.slots.len() {
            self.remove(slot, emit);
        }
        self.idle.clear();
        self.holes.clear();
        self.closed.clear();
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no flow is followed.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn slot(&self, slot: usize, serial: u64) -> Option<&Slot> {
        self.slots.get(slot)?.as_ref().filter(|state| state.serial == serial)
    }

    fn begin(
        &mut self,
        segment: &Segment<'_>,
        clock_ns: u64,
        emit: &mut impl FnMut(&Flow, &[u8]),
    ) -> usize {
        while self.index.len() >= FLOWS_MAX {
            self.evict(emit);
        }
        self.serial += 1;
        self.counters.flows += 1;
        self.counters.midstream += u64::from(segment.flags & SYN == 0);
        let state = Slot {
            flow: segment.flow,
            serial: self.serial,
            last_ns: clock_ns,
            hole_queued: false,
            closed_ns: None,
            direction: Direction::new(segment),
        };
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(state),
            None => self.slots.push(Some(state)),
        }
        self.index.insert(segment.flow, slot);
        self.idle.push_back((slot, self.serial, clock_ns));
        slot
    }

    fn step_over(
        &mut self,
        slot: usize,
        serial: u64,
        clock_ns: u64,
        emit: &mut impl FnMut(&Flow, &[u8]),
    ) {
        let Some(Some(state)) = self.slots.get_mut(slot) else { return };
        if state.serial != serial {
            return;
        }
        state.hole_queued = false;
        let Some(since_ns) = state.direction.hole_since_ns() else { return };
        let due_ns = since_ns.saturating_add(HOLE_NS);
        if clock_ns < due_ns {
            // The hole that was queued has been filled; this one is younger.
            state.hole_queued = true;
            self.holes.push_back((slot, serial, due_ns));
            return;
        }
        let before = state.direction.bytes();
        let flow = state.flow;
        let ended =
            state.direction.step_over(clock_ns, &mut self.counters, &mut |message: &[u8]| {
                emit(&flow, message);
            });
        self.settle(slot, before, ended, clock_ns, emit);
    }

    /// Books what a flow's step has changed: bytes, counters, holes, end.
    fn settle(
        &mut self,
        slot: usize,
        bytes_before: usize,
        ended: bool,
        clock_ns: u64,
        emit: &mut impl FnMut(&Flow, &[u8]),
    ) {
        let Some(Some(state)) = self.slots.get_mut(slot) else { return };
        if ended && !state.direction.is_closed() {
            let flow = state.flow;
            state.direction.close(&mut self.counters, &mut |message: &[u8]| emit(&flow, message));
            state.closed_ns = Some(clock_ns);
            self.closed.push_back((slot, state.serial, clock_ns));
        }
        self.bytes = (self.bytes + state.direction.bytes()).saturating_sub(bytes_before);
        count(&mut self.counters, &mut state.direction);
        if let (false, Some(since_ns)) = (state.hole_queued, state.direction.hole_since_ns()) {
            state.hole_queued = true;
            self.holes.push_back((slot, state.serial, since_ns.saturating_add(HOLE_NS)));
        }
    }

    /// Removes a flow that ended then and has not begun again. Gives whether it was there.
    fn forget_closed(
        &mut self,
        slot: usize,
        serial: u64,
        ended_ns: u64,
        emit: &mut impl FnMut(&Flow, &[u8]),
    ) -> bool {
        let there = self
            .slot(slot, serial)
            .is_some_and(|state| state.direction.is_closed() && state.closed_ns == Some(ended_ns));
        if there {
            self.remove(slot, emit);
        }
        there
    }

    /// Pushes one flow out: one that has ended, or one that has been silent for long.
    fn evict(&mut self, emit: &mut impl FnMut(&Flow, &[u8])) {
        while let Some((slot, serial, ended_ns)) = self.closed.pop_front() {
            if self.forget_closed(slot, serial, ended_ns, emit) {
                return;
            }
        }
        // Every flow has been queued, so an empty queue means that there is none.
        for _ in 0..=self.idle.len() {
            let Some((slot, serial, queued_ns)) = self.idle.pop_front() else {
                self.bytes = 0;
                return;
            };
            let Some(last_ns) = self.slot(slot, serial).map(|state| state.last_ns) else {
                continue;
            };
            if last_ns > queued_ns {
                self.idle.push_back((slot, serial, last_ns));
                continue;
            }
            self.counters.evicted += 1;
            self.remove(slot, emit);
            return;
        }
    }

    fn remove(&mut self, slot: usize, emit: &mut impl FnMut(&Flow, &[u8])) {
        let Some(mut state) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.bytes = self.bytes.saturating_sub(state.direction.bytes());
        let flow = state.flow;
        state.direction.close(&mut self.counters, &mut |message: &[u8]| emit(&flow, message));
        count(&mut self.counters, &mut state.direction);
        self.index.remove(&state.flow);
        self.free.push(slot);
        // Places of flows that are gone must not pile up.
        let slots = &self.slots;
        for queue in [&mut self.idle, &mut self.holes, &mut self.closed] {
            if queue.len() > 2 * FLOWS_MAX {
                queue.retain(|&(slot, serial, _)| alive(slots, slot, serial));
            }
        }
    }
}

fn count(counters: &mut Counters, direction: &mut Direction) {
    let (framing, websocket) = direction.take_framing();
    counters.framing.add(&framing);
    counters.websocket.add(&websocket);
}

fn alive(slots: &[Option<Slot>], slot: usize, serial: u64) -> bool {
    matches!(slots.get(slot), Some(Some(state)) if state.serial == serial)
}
