//! A call shape's script: one ladder that both telephones play, each its own side.
//!
//! ```text
//! > INVITE sdp               the caller sends, the called side receives
//! < 180                      and the other way round
//! wait 300                   who sends next waits for so many milliseconds first
//! < 200 sdp
//! > ACK
//! audio both pcmu-50         plays 50 packets of 20 ms, without waiting for their end
//! wait 2200
//! > BYE
//! ---                        what follows comes after the record, and is not in it
//! < 200
//! ```
//!
//! A pause follows audio: sipp takes a message that comes while it starts to play for an old one.
//! A final response belongs to the last request of the other side, a provisional one to its
//! INVITE; `200/INVITE` names another. Words after a message: `sdp` or `sdp=KIND` gives it a
//! session description, `body=KIND` another body, `tag=T` the called side's tag, and `again`
//! sends the same message once more, byte for byte. `| Header: value` adds headers. A message
//! that is lost on its way stands there like any other: its receiver just does nothing with it.

use crate::audio::Tune;

/// One side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// As the records name it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// What a message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Request(&'static str),
    /// A status, and the method where it is not the obvious one.
    Response(u16, Option<&'static str>),
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: Side,
    pub(crate) start: Start,
    /// The kind of session description.
    pub(crate) sdp: Option<&'static str>,
    /// The kind of another body.
    pub(crate) body: Option<&'static str>,
    /// The called side's tag, where the ladder names it.
    pub(crate) tag: Option<&'static str>,
    pub(crate) again: bool,
    /// Further headers, whole lines.
    pub(crate) headers: Vec<&'static str>,
}

/// One line of a ladder.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Message(Message),
    Wait(u64),
    Audio(Vec<Side>, Tune),
    /// The record is written here.
    Record,
}

/// Reads a ladder.
pub(crate) fn read(ladder: &'static str) -> Vec<Line> {
    ladder.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
}

fn line(text: &'static str) -> Line {
    let mut parts = text.split('|').map(str::trim);
    let mut words = parts.next().unwrap_or_default().split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("`{text}` lacks a word"));
    match word() {
        "---" => Line::Record,
        "wait" => Line::Wait(word().parse().expect("wait has milliseconds")),
        "audio" => {
            let sides = match word() {
                "caller" => vec![Side::Caller],
                "callee" => vec![Side::Callee],
                "both" => Side::BOTH.to_vec(),
                other => panic!("`{text}`: who is {other}?"),
            };
            Line::Audio(sides, Tune::read(word()))
        }
        arrow @ (">" | "<") => {
            let from = if arrow == ">" { Side::Caller } else { Side::Callee };
            let start = start(word());
            let mut message = Message {
                from,
                start,
                sdp: None,
                body: None,
                tag: None,
                again: false,
                headers: parts.collect(),
            };
            for word in words {
                match word.split_once('=') {
                    None if word == "sdp" => message.sdp = Some("pcmu"),
                    None if word == "again" => message.again = true,
                    Some(("sdp", kind)) => message.sdp = Some(kind),
                    Some(("body", kind)) => message.body = Some(kind),
                    Some(("tag", tag)) => message.tag = Some(tag),
                    _ => panic!("`{text}`: what is {word}?"),
                }
            }
            Line::Message(message)
        }
        other => panic!("`{text}`: what is {other}?"),
    }
}

fn start(word: &'static str) -> Start {
    let (status, method) = match word.split_once('/') {
        Some((status, method)) => (status, Some(method)),
        None => (word, None),
    };
    match status.parse() {
        Ok(status) => Start::Response(status, method),
        Err(_) => Start::Request(word),
    }
}

/// The messages that the record shows, as the record's own ladder writes them.
pub(crate) fn recorded(lines: &[Line]) -> Vec<String> {
    let before = lines.iter().take_while(|line| !matches!(line, Line::Record));
    before
        .filter_map(|line| if let Line::Message(m) = line { Some(shown(m)) } else { None })
        .collect()
}

/// Seconds from the beginning until the call makes progress: a first response that is neither
/// 100 nor a refusal. By the ladder's pauses alone.
pub(crate) fn progress(lines: &[Line]) -> Option<f64> {
    let mut waited_ms = 0;
    for line in lines {
        match line {
            Line::Wait(ms) => waited_ms += ms,
            Line::Message(Message {
                from: Side::Callee,
                start: Start::Response(status, _),
                ..
            }) if (101..300).contains(status) => {
                return Some(waited_ms as f64 / 1e3);
            }
            _ => {}
        }
    }
    None
}

/// Whether the side itself is heard: challenges and 100 may be a proxy's.
pub(crate) fn speaks(lines: &[Line], side: Side) -> bool {
    messages(lines).filter(|message| message.from == side).any(|message| match message.start {
        Start::Request(_) => true,
        Start::Response(status, _) => !matches!(status, 100 | 401 | 407),
    })
}

/// Requests and responses before the record that are sent again.
pub(crate) fn repeated(lines: &[Line]) -> [u64; 2] {
    let mut counts = [0; 2];
    let recorded = recorded(lines).len();
    for message in messages(lines).take(recorded).filter(|message| message.again) {
        counts[usize::from(matches!(message.start, Start::Response(..)))] += 1;
    }
    counts
}

/// All messages, those after the record too.
pub(crate) fn messages(lines: &[Line]) -> impl Iterator<Item = &Message> {
    lines.iter().filter_map(|line| if let Line::Message(m) = line { Some(m) } else { None })
}

fn shown(message: &Message) -> String {
    let mut text = match message.start {
        Start::Request(method) => method.to_owned(),
        Start::Response(status, _) => format!("{status} {}", crate::message::phrase(status)),
    };
    if message.sdp.is_some() {
        text.push_str(" (SDP)");
    }
    if message.again {
        text.push_str(" (again)");
    }
    text
}
