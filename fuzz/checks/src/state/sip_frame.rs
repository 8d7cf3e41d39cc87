//! SIP over TCP: where messages begin and end must not depend on how the stream is cut.

use ringtap_assemble::SipFramer;
use ringtap_assemble::sip_frame::{Counters, MESSAGE_MAX};

use crate::input::Input;

/// What streams are made of, besides the input's own bytes.
const WORDS: [&[u8]; 9] = [
    b"INVITE sip:b@example.com SIP/2.0\r\n",
    b"SIP/2.0 200 OK\r\n",
    b"Call-ID: 1\r\n",
    b"Content-Length: 7\r\n",
    b"l: 4000\r\n",
    b"Content-Length: 4294967296\r\n",
    b"\r\n",
    b"\n",
    b"v=0\r\n",
];
/// Where cuts do not matter: what is longer may have lost its end before the rest has come.
const STREAM_MAX: usize = MESSAGE_MAX - 1;

/// The same bytes cut anywhere give the same messages and counters, and every byte is in a
/// message, counted or held.
pub fn sip_frame(data: &[u8]) {
    let mut input = Input::new(data);
    let in_step = input.byte() & 1 == 1;
    let cuts = input.bytes(8);
    let stream = stream(&mut input);
    let (messages, counters, held) = frame(in_step, &[&stream]);
    let used: usize = messages.iter().map(Vec::len).sum();
    let counted = counters.keepalive_bytes + counters.garbage_bytes;
    assert_eq!(stream.len() as u64, used as u64 + counted + held as u64, "{counters:?}");
    assert_eq!(messages.len() as u64, counters.messages);
    let pieces = cut(&stream, cuts);
    assert_eq!(frame(in_step, &pieces), (messages, counters, held), "the cuts matter");
}

fn frame(in_step: bool, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Counters, usize) {
    let mut framer = SipFramer::new(in_step);
    let mut messages = Vec::new();
    for piece in pieces {
        framer.push(piece, &mut |message| messages.push(message.to_vec()));
        assert!(framer.held() <= MESSAGE_MAX);
    }
    (messages, framer.counters(), framer.held())
}

/// Cuts by turns as long as `cuts` says.
fn cut<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let (mut rest, mut turn) = (stream, 0);
    while !rest.is_empty() {
        let length = cuts.get(turn % cuts.len().max(1)).map_or(1, |cut| usize::from(*cut) + 1);
        // Long streams in few pieces: each piece may have the held bytes looked at again.
        let length = length.max(stream.len() / 512);
        let (piece, later) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = later;
        turn += 1;
    }
    pieces
}

fn stream(input: &mut Input<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !input.is_empty() {
        match input.byte() {
            choice @ 0..=63 => {
                stream.extend_from_slice(WORDS[usize::from(choice) % WORDS.len()]);
            }
            length @ 64..=249 => stream.extend_from_slice(input.bytes(usize::from(length) - 63)),
            250..=255 => {
                let (filler, length) = (input.byte(), usize::from(input.u16()));
                stream.resize(stream.len() + length, filler);
            }
        }
    }
    stream.truncate(STREAM_MAX);
    stream
}
