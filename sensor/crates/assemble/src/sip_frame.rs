//! SIP messages out of a byte stream, by `Content-Length` (RFC 3261 §18.3, §20.14).
//!
//! A framer belongs to one direction of one connection. Between messages it steps over
//! keep-alive line ends (RFC 5626 §3.5.1). What is not a start line is garbage; it is skipped up
//! to the next start line, so a lost segment or a capture that begins in the middle costs the
//! messages it touches and no more. Nothing of a message is understood here but where it ends.

#[cfg(test)]
mod tests;

/// A message, headers and body, at most. A longer one is handed out without what is beyond.
pub const MESSAGE_MAX: usize = 128 << 10;
/// Memory that a framer with little to hold keeps, at most.
const KEPT_MAX: usize = 4096;
/// A start line, at most; a longer line is garbage.
pub const START_LINE_MAX: usize = 4096;

/// Length of the message that these bytes begin with, headers and body; `None`: its headers do
/// not end here. A message that does not tell how long its body is has none.
#[must_use]
pub fn message_len(bytes: &[u8]) -> Option<usize> {
    let headers = headers_end(bytes)?;
    let body = content_length(bytes.get(..headers)?).unwrap_or(0);
    usize::try_from(body).ok()?.checked_add(headers)
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed out.
    pub messages: u64,
    /// Bytes of line ends between messages.
    pub keepalive_bytes: u64,
    /// Bytes skipped in search of a start line.
    pub garbage_bytes: u64,
    /// Times the search for a start line began.
    pub resyncs: u64,
    /// Messages without a readable `Content-Length`: taken to have no body.
    pub no_length: u64,
    /// Messages that were longer than [`MESSAGE_MAX`] and lost their end, or all of it where the
    /// headers alone were too long.
    pub oversized: u64,
    /// Messages handed out without the end of their body: it never came, or `Content-Length`
    /// claims too much.
    pub cut: u64,
}

impl Counters {
    /// Adds another framer's counters.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.keepalive_bytes += other.keepalive_bytes;
        self.garbage_bytes += other.garbage_bytes;
        self.resyncs += other.resyncs;
        self.no_length += other.no_length;
        self.oversized += other.oversized;
        self.cut += other.cut;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At a message's start, as far as one knows.
    Between,
    /// Looking for a start line; whether here is the start of a line.
    Searching { line_start: bool },
    /// In the headers; how many bytes of them hold no end of headers.
    Headers { seen: usize },
    /// In the body; how long the headers are, and the body by their word.
    Body { headers: usize, body: Option<u64> },
    /// In the rest of a message that is too long to be kept.
    Skipping { left: u64 },
}

/// Cuts one direction of a connection into messages.
#[derive(Debug)]
pub struct SipFramer {
    state: State,
    /// The beginning of an unfinished message or line.
    held: Vec<u8>,
    counters: Counters,
}

/// What one step over the bytes came to.
enum Step {
    /// This many bytes are done with.
    Consumed(usize),
    /// Nothing can be said until more bytes come.
    More,
}

impl SipFramer {
    /// A framer. `in_step` says that the first byte is known to begin a message, as after a
    /// connection's handshake.
    pub fn new(in_step: bool) -> Self {
        let state = if in_step { State::Between } else { State::Searching { line_start: true } };
        Self { state, held: Vec::new(), counters: Counters::default() }
    }

    /// Takes the next bytes and hands out every message that they complete.
    pub fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) {
        if self.held.is_empty() {
            let done = self.consume(bytes, emit);
            self.held.extend_from_slice(bytes.get(done..).unwrap_or_default());
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let done = self.consume(&held, emit);
            held.drain(..done.min(held.len()));
            self.held = held;
        }
        // Many connections are silent for most of the time: none of them keeps much memory.
        if self.held.capacity() > KEPT_MAX.max(4 * self.held.len()) {
            self.held.shrink_to_fit();
        }
    }

    /// Bytes are missing from here on: the next start line is looked for. Of what is held, a
    /// message whose headers are there is handed out, anything else given up.
    pub fn gap(&mut self, emit: &mut impl FnMut(&[u8])) {
        self.hand_out_cut(emit);
        // The rest of a line may follow.
        self.search(false);
    }

    /// The stream begins anew, with a message. Of what is held, a message whose headers are there
    /// is handed out, anything else given up.
    pub fn restart(&mut self, emit: &mut impl FnMut(&[u8])) {
        self.hand_out_cut(emit);
        self.state = State::Between;
    }

    /// In a body whose end has not come.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    /// At a message's start, as far as one knows, and nothing is held.
    pub(crate) fn is_between(&self) -> bool {
        self.state == State::Between && self.held.is_empty()
    }

    /// Looking for a start line.
    pub(crate) fn is_searching(&self) -> bool {
        matches!(self.state, State::Searching { .. })
    }

    /// What is held and so many more bytes are nothing that this framer can read.
    pub(crate) fn give_up(&mut self, more: usize) {
        self.counters.garbage_bytes += (self.held.len() + more) as u64;
        self.held = Vec::new();
    }

    /// Empties what is held: into a message, if the headers are there.
    fn hand_out_cut(&mut self, emit: &mut impl FnMut(&[u8])) {
        if let State::Body { headers, .. } = self.state
            && self.held.len() >= headers
        {
            self.counters.messages += 1;
            self.counters.cut += 1;
            emit(&std::mem::take(&mut self.held));
        }
        self.give_up(0);
    }

    /// What has happened since the last time this was asked.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What has happened so far, or since [`SipFramer::take_counters`].
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Steps until nothing more can be said; gives the number of bytes done with.
    fn consume(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8])) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let step = match self.state {
                State::Between => self.between(rest),
                State::Searching { line_start } => self.searching(rest, line_start),
                State::Headers { seen } => self.headers(rest, seen),
                State::Body { headers, body } => self.body(rest, headers, body, emit),
                State::Skipping { left } => self.skipping(rest, left),
            };
            match step {
                Step::Consumed(count) => done += count,
                Step::More => break,
            }
        }
        done
    }

    fn search(&mut self, line_start: bool) {
        if !matches!(self.state, State::Searching { .. }) {
            self.counters.resyncs += 1;
        }
        self.state = State::Searching { line_start };
    }

    fn between(&mut self, rest: &[u8]) -> Step {
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.counters.keepalive_bytes += blank as u64;
            return Step::Consumed(blank);
        }
        match line(rest) {
            Line::Start => self.state = State::Headers { seen: 0 },
            Line::Other => self.search(true),
            Line::Unfinished => return Step::More,
        }
        Step::Consumed(0)
    }

    /// Skips to the next start line, a line at a time.
    fn searching(&mut self, rest: &[u8], line_start: bool) -> Step {
        if line_start {
            match line(rest) {
                Line::Start => {
                    self.state = State::Headers { seen: 0 };
                    return Step::Consumed(0);
                }
                Line::Unfinished => return Step::More,
                Line::Other => {}
            }
        }
        let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let skipped = end.unwrap_or(rest.len());
        self.counters.garbage_bytes += skipped as u64;
        self.state = State::Searching { line_start: end.is_some() };
        Step::Consumed(skipped)
    }

    fn headers(&mut self, rest: &[u8], seen: usize) -> Step {
        // The end may begin in the last three bytes already seen.
        let from = seen.saturating_sub(3);
        if let Some(end) = rest.get(from..).and_then(headers_end) {
            let headers = from + end;
            let body = content_length(rest.get(..headers).unwrap_or_default());
            self.state = State::Body { headers, body };
            return Step::Consumed(0);
        }
        if rest.len() >= MESSAGE_MAX {
            self.counters.oversized += 1;
            self.counters.garbage_bytes += rest.len() as u64;
            self.search(rest.last() == Some(&b'\n'));
            return Step::Consumed(rest.len());
        }
        self.state = State::Headers { seen: rest.len() };
        Step::More
    }

    fn body(
        &mut self,
        rest: &[u8],
        headers: usize,
        body: Option<u64>,
        emit: &mut impl FnMut(&[u8]),
    ) -> Step {
        let length = (headers as u64).saturating_add(body.unwrap_or(0));
        let kept = length.min(MESSAGE_MAX.max(headers) as u64) as usize;
        let Some(message) = rest.get(..kept) else { return Step::More };
        self.counters.no_length += u64::from(body.is_none());
        self.counters.messages += 1;
        emit(message);
        let left = length - kept as u64;
        self.counters.oversized += u64::from(left > 0);
        self.state = if left > 0 { State::Skipping { left } } else { State::Between };
        Step::Consumed(kept)
    }

    fn skipping(&mut self, rest: &[u8], left: u64) -> Step {
        let skipped = left.min(rest.len() as u64);
        let left = left - skipped;
        self.state = if left > 0 { State::Skipping { left } } else { State::Between };
        Step::Consumed(skipped as usize)
    }
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A request line or a status line.
    Start,
    Other,
    /// Not all of it is here, and it may yet be a start line.
    Unfinished,
}

/// Judges the line that `rest` begins with.
fn line(rest: &[u8]) -> Line {
    const STATUS: &[u8] = b"SIP/2.0 ";
    const REQUEST: &[u8] = b" SIP/2.0";
    let window = rest.get(..START_LINE_MAX).unwrap_or(rest);
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        let hopeful = window.len() < START_LINE_MAX && may_start(window);
        return if hopeful { Line::Unfinished } else { Line::Other };
    };
    let line = window.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let status = starts_with(line, STATUS)
        && line
            .get(STATUS.len()..STATUS.len() + 3)
            .is_some_and(|c| c.iter().all(u8::is_ascii_digit));
    let request = line.len() > REQUEST.len()
        && line.get(line.len() - REQUEST.len()..).is_some_and(|e| e.eq_ignore_ascii_case(REQUEST))
        && may_start(line)
        && line.iter().filter(|byte| **byte == b' ').count() >= 2;
    if status || request { Line::Start } else { Line::Other }
}

fn starts_with(line: &[u8], start: &[u8]) -> bool {
    line.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Whether an unfinished line can still become a start line: it begins with a method and a
/// space, or with `SIP/`, or with the beginning of either.
fn may_start(line: &[u8]) -> bool {
    const METHOD_MAX: usize = 32;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let length = line.iter().take_while(|byte| token(byte)).count();
    match line.get(length) {
        None => length <= METHOD_MAX,
        Some(b' ') => (1..=METHOD_MAX).contains(&length),
        Some(b'/') => line.get(..length).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP")),
        Some(_) => false,
    }
}

/// Whether a whole header block with what every message has begins here. A body can begin with a
/// start line (RFC 3420), but hardly ever has it all of this, at the start of a segment.
pub(crate) fn begins_message(bytes: &[u8]) -> bool {
    if line(bytes) != Line::Start {
        return false;
    }
    let Some(head) = headers_end(bytes).and_then(|end| bytes.get(..end)) else { return false };
    let has = |full: &[u8], compact: &[u8]| {
        head.split(|byte| *byte == b'\n').any(|line| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
            name.eq_ignore_ascii_case(full) || name.eq_ignore_ascii_case(compact)
        })
    };
    has(b"Via", b"v") && has(b"Call-ID", b"i") && has(b"CSeq", b"cseq")
}

/// Where the headers end: behind the first empty line. Line feeds alone are tolerated.
pub(crate) fn headers_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == b'\n') {
        let next = from + at + 1;
        match bytes.get(next..)? {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => from = next,
        }
    }
    None
}

/// The value of `Content-Length` or `l`; `None` without one that can be read. The last one
/// counts, as in a message that a proxy has lengthened by another.
fn content_length(head: &[u8]) -> Option<u64> {
    let mut found = None;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            let value = value.trim_ascii();
            // Ten digits are more than any length that is believed.
            if (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) {
                found = Some(value.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')));
            }
        }
    }
    found
}
