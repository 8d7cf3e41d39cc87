//! One direction of a connection: what is expected next, what waits, and the framer.
//!
//! Sequence numbers wrap; all comparisons go by the signed distance (RFC 9293 §3.4). Limits of
//! the whole table are the table's.

use crate::framer::Framer;
use crate::{sip_frame, websocket};

use super::{Counters, FIN, JUMP_MAX, SYN, Segment, WAITING_BYTES_MAX, WAITING_MAX};

/// A segment that came before its time.
#[derive(Debug)]
struct Waiting {
    seq: u32,
    payload: Vec<u8>,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Direction {
    /// The next byte's sequence number.
    expected: u32,
    /// In the order of their sequence numbers.
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    /// Since when the first of them waits.
    hole_since_ns: Option<u64>,
    /// Where the stream ends, once a FIN has said so.
    end: Option<u32>,
    closed: bool,
    framer: Framer,
}

impl Direction {
    /// A flow that begins with this segment.
    pub(super) fn new(segment: &Segment<'_>) -> Self {
        let syn = segment.flags & SYN != 0;
        Self {
            expected: segment.seq.wrapping_add(u32::from(syn)),
            waiting: Vec::new(),
            waiting_bytes: 0,
            hole_since_ns: None,
            end: None,
            closed: false,
            framer: Framer::new(syn),
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.waiting_bytes + self.framer.held()
    }

    /// Since when there is a hole, if there is one.
    pub(super) fn hole_since_ns(&self) -> Option<u64> {
        self.hole_since_ns
    }

    /// What the framer has counted since the last time this was asked.
    pub(super) fn take_framing(&mut self) -> (sip_frame::Counters, websocket::Counters) {
        self.framer.take_counters()
    }

    /// Takes a segment; gives whether the stream has come to its end.
    pub(super) fn push(
        &mut self,
        segment: &Segment<'_>,
        clock_ns: u64,
        counters: &mut Counters,
        emit: &mut impl FnMut(&[u8]),
    ) -> bool {
        let syn = segment.flags & SYN != 0;
        let seq = segment.seq.wrapping_add(u32::from(syn));
        let distance = distance(seq, self.expected);
        if syn && (distance != 0 || self.closed) {
            counters.jumps += 1;
            self.drain(counters, emit);
            self.framer.restart(emit);
            (self.expected, self.end, self.closed) = (seq, None, false);
        } else if self.closed {
            counters.retransmissions += 1;
            return false;
        } else if distance.unsigned_abs() > JUMP_MAX {
            counters.jumps += 1;
            self.drain(counters, emit);
            self.framer.gap(emit);
            (self.expected, self.end) = (seq, None);
        }
        if segment.flags & FIN != 0 {
            self.end = Some(seq.wrapping_add(segment.payload.len() as u32));
        }
        if !segment.payload.is_empty() {
            self.take(seq, segment.payload, clock_ns, counters, emit);
        }
        self.ended()
    }

    /// Steps over the first hole; gives whether the stream has come to its end.
    pub(super) fn step_over(
        &mut self,
        clock_ns: u64,
        counters: &mut Counters,
        emit: &mut impl FnMut(&[u8]),
    ) -> bool {
        if let Some(first) = self.waiting.first() {
            counters.holes += 1;
            counters.hole_bytes += u64::from(first.seq.wrapping_sub(self.expected));
            self.framer.gap(emit);
            self.expected = first.seq;
            self.follow(clock_ns, emit);
        }
        self.ended()
    }

    /// The stream has come to its end: hands out what waits. Nothing but a new beginning counts
    /// from here on.
    pub(super) fn close(&mut self, counters: &mut Counters, emit: &mut impl FnMut(&[u8])) {
        self.drain(counters, emit);
        self.framer.restart(emit);
        self.closed = true;
    }

    /// Whether the stream has come to its end.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Hands out everything that waits, over all holes.
    fn drain(&mut self, counters: &mut Counters, emit: &mut impl FnMut(&[u8])) {
        // Each round takes one segment at least.
        while !self.waiting.is_empty() {
            self.step_over(0, counters, emit);
        }
    }

    fn ended(&self) -> bool {
        self.end.is_some_and(|end| distance(end, self.expected) <= 0)
    }

    fn take(
        &mut self,
        seq: u32,
        payload: &[u8],
        clock_ns: u64,
        counters: &mut Counters,
        emit: &mut impl FnMut(&[u8]),
    ) {
        let ahead = distance(seq, self.expected);
        if ahead > 0 {
            self.wait(seq, payload, clock_ns, counters, emit);
            return;
        }
        let old = ahead.unsigned_abs() as usize;
        match payload.get(old..).filter(|new| !new.is_empty()) {
            None => counters.retransmissions += 1,
            Some(new) => {
                self.deliver(new, emit);
                self.follow(clock_ns, emit);
            }
        }
    }

    fn deliver(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        self.expected = self.expected.wrapping_add(bytes.len() as u32);
        self.framer.push(bytes, emit);
    }

    /// Delivers what waits and is now in order.
    fn follow(&mut self, clock_ns: u64, emit: &mut impl FnMut(&[u8])) {
        let mut count = 0;
        let waiting = std::mem::take(&mut self.waiting);
        for next in &waiting {
            let ahead = distance(next.seq, self.expected);
            if ahead > 0 {
                break;
            }
            count += 1;
            self.waiting_bytes -= next.payload.len();
            if let Some(new) = next.payload.get(ahead.unsigned_abs() as usize..) {
                self.deliver(new, emit);
            }
        }
        self.waiting = waiting;
        self.waiting.drain(..count);
        self.hole_since_ns = match (self.waiting.is_empty(), count, self.hole_since_ns) {
            (true, ..) => None,
            (false, 0, since) => since,
            // What waits now waits for another hole.
            (false, ..) => Some(clock_ns),
        };
    }

    /// Keeps a segment that is ahead of its time; makes room by stepping over the hole.
    fn wait(
        &mut self,
        seq: u32,
        payload: &[u8],
        clock_ns: u64,
        counters: &mut Counters,
        emit: &mut impl FnMut(&[u8]),
    ) {
        let expected = self.expected;
        let ahead = distance(seq, expected);
        let at = self.waiting.partition_point(|other| distance(other.seq, expected) < ahead);
        let longer = self.waiting.get_mut(at).filter(|other| other.seq == seq);
        if let Some(other) = longer {
            let more = payload.len().saturating_sub(other.payload.len());
            counters.retransmissions += u64::from(more == 0);
            if let Some(tail) = payload.get(other.payload.len()..) {
                other.payload.extend_from_slice(tail);
            }
            self.waiting_bytes += more;
        } else {
            counters.reordered += 1;
            self.waiting.insert(at, Waiting { seq, payload: payload.to_vec() });
            self.waiting_bytes += payload.len();
        }
        self.hole_since_ns.get_or_insert(clock_ns);
        while self.waiting.len() > WAITING_MAX || self.waiting_bytes > WAITING_BYTES_MAX {
            self.step_over(clock_ns, counters, emit);
        }
    }
}

/// How far `seq` is ahead of `expected`.
fn distance(seq: u32, expected: u32) -> i32 {
    seq.wrapping_sub(expected).cast_signed()
}
