//! A recording as it is made: packets come in the order of their arrival, wait [`HELD_MS`] for
//! those they have overtaken, are decoded in the order of their positions, and leave as frames.
//!
//! Memory is bounded by that time, whatever the length of the call.

use std::io;

use crate::canvas::Canvas;
use crate::codec::Coding;
use crate::course::{Course, Mark};
use crate::decoders::Decoders;
use crate::held::Held;
use crate::wav::{FRAMES_MAX, Sink};

/// How long packets wait, in ms of arrivals. What comes later than that cannot be placed.
const HELD_MS: i64 = 10_000;
/// Frames between two looks at what may leave.
const STRIDE: i64 = 800;
/// Frames at the border that are not written yet: the line to the next sample is drawn in them.
const BORDER: i64 = 16;

/// Whose: which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller: left.
    Left,
    /// The callee: right.
    Right,
}

/// One RTP stream of the call.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Who sends it.
    pub side: Side,
    /// Where two streams of a side speak at once, the one of higher rank is heard. From 1 on.
    pub rank: u16,
    /// What its payload types mean. Others carry no audio that can be heard.
    pub types: Vec<(u8, Coding)>,
}

/// One packet of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The stream's number, as given.
    pub stream: usize,
    /// Arrival, from the recording's start.
    pub arrival_ns: u64,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker.
    pub marker: bool,
    /// RTP payload type.
    pub payload_type: u8,
    /// The payload without padding.
    pub payload: &'a [u8],
}

/// What became of a stream's packets with audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that were decoded.
    pub decoded: u64,
    /// Packets that came a second time.
    pub twice: u64,
    /// Packets whose payload is empty or none of their codec.
    pub damaged: u64,
    /// Packets that came too late, or too far from their timestamp, to be placed.
    pub unplaced: u64,
    /// Packets behind the end of what may be recorded.
    pub beyond: u64,
    /// Times that timestamps could not be true and the arrival counted instead.
    pub jumps: u64,
    /// Frames in which another stream of its side spoke too, and one of the two is not heard;
    /// counted for the stream that was decoded later.
    pub shared: u64,
}

#[derive(Debug)]
struct Track {
    stream: Stream,
    course: Course,
    tally: Tally,
}

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording<S> {
    rate: u32,
    limit: i64,
    tracks: Vec<Track>,
    held: Held,
    decoders: Decoders,
    canvas: Canvas,
    /// Where it begins, in frames from the first arrival; `None`: nothing has left yet.
    origin: Option<i64>,
    sink: S,
}

impl<S: Sink> Recording<S> {
    /// Begins a recording of these streams at `rate` frames a second (see [`rate`]) that is no
    /// longer than `limit_ms`.
    ///
    /// [`rate`]: crate::rate
    pub fn new(rate: u32, limit_ms: u64, streams: Vec<Stream>, sink: S) -> Self {
        let limit = (u128::from(limit_ms) * u128::from(rate) / 1000).min(u128::from(FRAMES_MAX));
        let track = |stream| {
            let (course, tally) = (Course::default(), Tally::default());
            Track { stream, course, tally }
        };
        Self {
            rate,
            limit: limit as i64,
            tracks: streams.into_iter().map(track).collect(),
            held: Held::default(),
            decoders: Decoders::default(),
            canvas: Canvas::default(),
            origin: None,
            sink,
        }
    }

    /// Takes the next packet; none may have arrived before the one before.
    ///
    /// # Errors
    /// The sink does not take what is ready.
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let rate = i64::from(self.rate);
        let arrival =
            (i128::from(packet.arrival_ns) * i128::from(rate) + 500_000_000) / 1_000_000_000;
        let Some(track) = self.tracks.get_mut(packet.stream) else { return Ok(()) };
        let types = &track.stream.types;
        let coding = types.iter().find(|(number, _)| *number == packet.payload_type);
        let Some((_, coding)) = coding.copied() else {
            track.course.pass(packet.sequence);
            return Ok(());
        };
        let Some(arrival) = i64::try_from(arrival).ok().filter(|at| *at < self.limit) else {
            track.tally.beyond += 1;
            return Ok(());
        };
        let held_for = HELD_MS * rate / 1000;
        let ready = arrival - held_for;
        if ready - self.canvas.base() > STRIDE {
            self.advance(ready)?;
        }
        let Some(track) = self.tracks.get_mut(packet.stream) else { return Ok(()) };
        let position = track.course.place(&Mark {
            arrival,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            rate: self.rate,
            unit: self.rate / coding.clock_rate(),
            marker: packet.marker,
        });
        let base = self.origin.map_or(-held_for, |_| self.canvas.base());
        if position < base || position - arrival > held_for {
            track.tally.unplaced += 1;
        } else if position >= self.limit {
            track.tally.beyond += 1;
        } else if !self.held.insert(
            (position, packet.stream, packet.sequence),
            coding,
            packet.payload,
        ) {
            track.tally.twice += 1;
        }
        if self.held.is_full() { self.advance(ready) } else { Ok(()) }
    }

    /// Writes what is left. The sink, the recording's length in frames, and what became of each
    /// stream's packets.
    ///
    /// # Errors
    /// The sink does not take it.
    pub fn finish(mut self) -> io::Result<(S, u64, Vec<Tally>)> {
        let origin = self.begin();
        self.decode(i64::MAX);
        self.canvas.finish(&mut self.sink)?;
        let frames = u64::try_from(self.canvas.base() - origin).unwrap_or(0);
        let tally = |track: Track| Tally { jumps: track.course.jumps, ..track.tally };
        Ok((self.sink, frames, self.tracks.into_iter().map(tally).collect()))
    }

    /// Decodes what stands before `to`, and writes it.
    fn advance(&mut self, to: i64) -> io::Result<()> {
        self.begin();
        self.decode(to);
        self.canvas.write((to - BORDER).min(self.limit), &mut self.sink)
    }

    /// The recording begins with its first packet's arrival, or with one that this overtook.
    fn begin(&mut self) -> i64 {
        if let Some(origin) = self.origin {
            return origin;
        }
        let origin = self.held.first().unwrap_or(0).min(0);
        self.canvas.begin(origin);
        *self.origin.insert(origin)
    }

    fn decode(&mut self, before: i64) {
        while let Some(((position, stream, _), waiting)) = self.held.pop(before) {
            let Some(track) = self.tracks.get_mut(stream) else { continue };
            let (rate, coding) = (self.rate, waiting.coding);
            let decoded = self.decoders.decode(stream, coding, &waiting.payload, position, rate);
            let Some((at, samples)) = decoded else {
                track.tally.damaged += 1;
                continue;
            };
            track.tally.decoded += 1;
            let room = usize::try_from(self.limit.saturating_sub(at)).unwrap_or(0);
            let samples = samples.get(..room).unwrap_or(samples);
            let channel = usize::from(track.stream.side == Side::Right);
            track.tally.shared += self.canvas.place(channel, track.stream.rank, at, samples);
        }
    }
}

#[cfg(test)]
mod tests;
