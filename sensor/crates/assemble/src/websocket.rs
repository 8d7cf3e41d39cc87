//! SIP messages out of a WebSocket connection (RFC 7118 over RFC 6455), one direction at a time.
//!
//! The HTTP upgrade is read only as far as to see that it is one. From then on frames are taken
//! apart: masks are undone, continued messages put together, control frames stepped over. One
//! WebSocket message carries one SIP message (RFC 7118 §4.2). Bytes that are no frame begin a
//! search for the next frame that carries the start of a SIP message, so a lost segment or a
//! capture that begins in the middle costs the messages it touches and no more. Compressed
//! messages (RFC 7692) are counted, not read.
//!
//! Limits: the head of the upgrade, the length of a frame, the length of a message.

mod frame;
mod handshake;
#[cfg(test)]
mod tests;

use frame::{Header, Kind, Read};
use handshake::Head;

use crate::sip_frame::MESSAGE_MAX;

pub(crate) use frame::{begins_message, find_frame};
pub(crate) use handshake::may_be_http;

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// HTTP upgrades to WebSocket, requests and responses alike.
    pub upgrades: u64,
    /// Connections recognised by a frame in their middle.
    pub midstream: u64,
    /// Messages handed out.
    pub messages: u64,
    /// Pings, pongs and closes.
    pub control: u64,
    /// Compressed messages, which are not read.
    pub compressed: u64,
    /// Times the search for a frame began.
    pub resyncs: u64,
    /// Bytes skipped in search of a frame.
    pub skipped_bytes: u64,
    /// Messages that lost a part: given up by their sender, or a continuation of something
    /// unseen.
    pub broken: u64,
    /// Messages longer than [`MESSAGE_MAX`], which lost their end.
    pub oversized: u64,
}

impl Counters {
    /// Adds another connection's counters.
    pub fn add(&mut self, other: &Self) {
        self.upgrades += other.upgrades;
        self.midstream += other.midstream;
        self.messages += other.messages;
        self.control += other.control;
        self.compressed += other.compressed;
        self.resyncs += other.resyncs;
        self.skipped_bytes += other.skipped_bytes;
        self.broken += other.broken;
        self.oversized += other.oversized;
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the head of an HTTP message; how many bytes of it hold no end of it.
    Head { seen: usize },
    /// At a frame's start, as far as one knows.
    Between,
    /// In a frame's payload.
    Payload(Payload),
    /// Looking for a frame that carries a SIP message's start.
    Searching,
}

/// What is left of a frame.
#[derive(Clone, Copy, Debug)]
struct Payload {
    left: u64,
    mask: [u8; 4],
    /// Which of the mask's bytes is next.
    turn: usize,
    /// It belongs to the message that is gathered.
    kept: bool,
    /// Its message ends with it.
    ends: bool,
}

/// What becomes of the message that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// None has.
    None,
    /// It is put together.
    Gathered,
    /// It is compressed, and stepped over.
    Passed,
}

/// What has become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    WebSocket,
    /// It never was one: what is held is the stream's, from its beginning.
    SomethingElse,
}

/// One direction of a WebSocket connection.
#[derive(Debug)]
pub(crate) struct WebSocket {
    state: State,
    /// The beginning of an unfinished HTTP head or frame header.
    held: Vec<u8>,
    /// The message that is gathered.
    message: Vec<u8>,
    course: Message,
    /// The message that is gathered has lost its end.
    cut: bool,
    /// It has been seen that this is a WebSocket.
    sure: bool,
    counters: Counters,
}

/// What one step over the bytes came to.
enum Step {
    /// This many bytes are done with.
    Consumed(usize),
    /// Nothing can be said until more bytes come.
    More,
    /// No WebSocket.
    SomethingElse,
}

impl WebSocket {
    /// A connection that begins with what may be an HTTP upgrade.
    pub(crate) fn at_its_beginning() -> Self {
        Self::new(State::Head { seen: 0 })
    }

    /// A connection of which a frame was recognised, which comes next.
    pub(crate) fn at_a_frame() -> Self {
        let mut new = Self::new(State::Between);
        (new.sure, new.counters.midstream) = (true, 1);
        new
    }

    fn new(state: State) -> Self {
        Self {
            state,
            held: Vec::new(),
            message: Vec::new(),
            course: Message::None,
            cut: false,
            sure: false,
            counters: Counters::default(),
        }
    }

    /// Takes the next bytes and hands out every message that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) -> Verdict {
        let mut joined = std::mem::take(&mut self.held);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            joined.as_slice()
        };
        let done = self.consume(bytes, emit);
        self.held = bytes.get(done.unwrap_or(0)..).unwrap_or_default().to_vec();
        if done.is_some() { Verdict::WebSocket } else { Verdict::SomethingElse }
    }

    /// Bytes are missing from here on.
    pub(crate) fn gap(&mut self) {
        self.drop_held();
        self.search();
    }

    /// The connection is over: what it has counted since the last time that was asked.
    pub(crate) fn end(&mut self) -> Counters {
        self.drop_held();
        self.take_counters()
    }

    fn drop_held(&mut self) {
        self.counters.skipped_bytes += self.held.len() as u64;
        self.held = Vec::new();
        self.give_up();
    }

    /// What is held, for somebody else to read.
    pub(crate) fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.held.len() + self.message.len()
    }

    /// What has happened since the last time this was asked.
    pub(crate) fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Steps until nothing more can be said; gives the number of bytes done with, `None` where
    /// this is no WebSocket.
    fn consume(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) -> Option<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let step = match self.state {
                State::Head { seen } => self.head(rest, seen),
                State::Between => self.between(rest, emit),
                State::Payload(payload) => self.payload(rest, payload, emit),
                State::Searching => self.searching(rest),
            };
            match step {
                Step::Consumed(count) => done += count,
                Step::More => break,
                Step::SomethingElse => return None,
            }
        }
        Some(done)
    }

    fn head(&mut self, rest: &[u8], seen: usize) -> Step {
        match handshake::read(rest, seen) {
            Head::Unfinished => {
                self.state = State::Head { seen: rest.len() };
                Step::More
            }
            Head::Upgrade(length) => {
                self.counters.upgrades += 1;
                (self.state, self.sure) = (State::Between, true);
                Step::Consumed(length)
            }
            Head::Other(length) if self.sure => {
                self.state = State::Between;
                Step::Consumed(length)
            }
            Head::NotHttp if self.sure => {
                self.search();
                Step::Consumed(0)
            }
            Head::Other(_) | Head::NotHttp => Step::SomethingElse,
        }
    }

    fn between(&mut self, rest: &[u8], emit: &mut impl FnMut(&[u8])) -> Step {
        match frame::header(rest) {
            Read::Header(header) => {
                self.enter(&header, emit);
                Step::Consumed(header.length)
            }
            Read::Unfinished => Step::More,
            // The first request was refused, and the client asks again.
            Read::Bad if may_be_http(rest) => {
                self.state = State::Head { seen: 0 };
                Step::Consumed(0)
            }
            Read::Bad => {
                self.give_up();
                self.search();
                Step::Consumed(0)
            }
        }
    }

    /// Goes into a frame's payload.
    fn enter(&mut self, header: &Header, emit: &mut impl FnMut(&[u8])) {
        let Header { kind, last, compressed, mask, payload: left, .. } = *header;
        match (kind, self.course) {
            (Kind::Control, _) => self.counters.control += 1,
            (Kind::Message, _) => {
                self.give_up();
                self.counters.compressed += u64::from(compressed);
                self.course = if compressed { Message::Passed } else { Message::Gathered };
            }
            (Kind::Continuation, Message::None) => self.counters.broken += u64::from(last),
            (Kind::Continuation, _) => {}
        }
        let data = kind != Kind::Control;
        let kept = data && self.course == Message::Gathered;
        let payload = Payload { left, mask, turn: 0, kept, ends: data && last };
        self.state = State::Payload(payload);
        if left == 0 {
            self.leave(payload, emit);
        }
    }

    fn payload(&mut self, rest: &[u8], at: Payload, emit: &mut impl FnMut(&[u8])) -> Step {
        let length = at.left.min(rest.len() as u64) as usize;
        let (part, _) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        if at.kept {
            let room = MESSAGE_MAX - self.message.len().min(MESSAGE_MAX);
            self.cut |= part.len() > room;
            let masked = part.iter().take(room).zip(at.mask.iter().cycle().skip(at.turn));
            self.message.extend(masked.map(|(byte, mask)| byte ^ mask));
        }
        let left = at.left - length as u64;
        let after = Payload { left, turn: (at.turn + length) % 4, ..at };
        self.state = State::Payload(after);
        if left == 0 {
            self.leave(after, emit);
        }
        Step::Consumed(length)
    }

    /// The frame is over, and perhaps its message.
    fn leave(&mut self, payload: Payload, emit: &mut impl FnMut(&[u8])) {
        self.state = State::Between;
        if !payload.ends {
            return;
        }
        if payload.kept && !self.message.is_empty() {
            self.counters.messages += 1;
            self.counters.oversized += u64::from(self.cut);
            emit(&self.message);
        }
        self.forget();
    }

    /// The message that is gathered will not be whole.
    fn give_up(&mut self) {
        self.counters.broken += u64::from(self.course == Message::Gathered);
        self.forget();
    }

    fn forget(&mut self) {
        // Many connections are silent for most of the time: none of them keeps memory.
        self.message = Vec::new();
        (self.course, self.cut) = (Message::None, false);
    }

    fn search(&mut self) {
        self.counters.resyncs += 1;
        self.state = State::Searching;
    }

    fn searching(&mut self, rest: &[u8]) -> Step {
        if let Some(at) = find_frame(rest) {
            self.counters.skipped_bytes += at as u64;
            self.state = State::Between;
            return Step::Consumed(at);
        }
        // A frame that has only begun may be recognised when more of it has come.
        let skipped = rest.len().saturating_sub(frame::PROOF_MAX);
        self.counters.skipped_bytes += skipped as u64;
        if skipped == 0 { Step::More } else { Step::Consumed(skipped) }
    }
}
