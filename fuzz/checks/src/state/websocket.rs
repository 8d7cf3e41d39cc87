//! SIP over WebSocket: what comes out must not depend on how the connection is cut, and what was
//! sent whole comes out whole.

use ringtap_assemble::stream::Counters;
use ringtap_assemble::{Flow, Segment, Streams, sip_frame::MESSAGE_MAX};

use crate::input::Input;

const ACK: u8 = 16;
const SYN: u8 = 2;
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

/// What is said.
const WORDS: [&[u8]; 5] = [
    b"INVITE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nl: 0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    b"\r\n\r\n",
    b"\x81\x20INVITE in a message",
    b"x",
];

/// One direction of a connection, and what it says in frames that are all sound.
struct Talk {
    bytes: Vec<u8>,
    messages: Vec<Vec<u8>>,
    sound: bool,
}

/// Frames, junk and cuts: sound frames give their messages, each once and whole, wherever the
/// segments begin; nothing hands out what was not there or holds more than it may.
pub fn websocket(data: &[u8]) {
    let mut input = Input::new(data);
    let upgrade = if input.byte() & 1 == 0 { UPGRADE } else { SWITCHING };
    let cuts = input.bytes(6);
    let talk = talk(&mut input);
    let (messages, counters) = connection(upgrade, &talk.bytes, cuts);
    assert_eq!(counters.websocket.upgrades, 1, "{counters:?}");
    assert_eq!(messages.len() as u64, counters.websocket.messages);
    assert!(messages.iter().all(|message| (1..=MESSAGE_MAX).contains(&message.len())));
    let out: usize = messages.iter().map(Vec::len).sum();
    assert!(out <= talk.bytes.len(), "more than was said");
    if talk.sound {
        assert_eq!(messages, talk.messages);
        let websocket = counters.websocket;
        assert_eq!((websocket.resyncs, websocket.skipped_bytes), (0, 0), "{websocket:?}");
        assert_eq!(connection(upgrade, &talk.bytes, &[]).0, messages, "the cuts matter");
    }
}

/// A whole connection's direction: SYN, upgrade, and the rest in segments as long as `cuts` says.
fn connection(upgrade: &[u8], bytes: &[u8], cuts: &[u8]) -> (Vec<Vec<u8>>, Counters) {
    let flow = Flow { src: [1; 16], dst: [2; 16], sport: 40_000, dport: 80 };
    let (mut streams, mut messages) = (Streams::new(7), Vec::new());
    let mut emit = |_: &Flow, message: &[u8]| messages.push(message.to_vec());
    let mut seq: u32 = 0xffff_ff00;
    let mut send = |flags: u8, payload: &[u8]| {
        streams.push(&Segment { flow, seq, flags, payload }, 0, &mut emit);
        seq = seq.wrapping_add(payload.len() as u32 + u32::from(flags & SYN != 0));
    };
    send(SYN, b"");
    send(ACK, upgrade);
    let (mut rest, mut turn) = (bytes, 0);
    while !rest.is_empty() {
        let length = cuts.get(turn % cuts.len().max(1)).map_or(rest.len(), |cut| {
            // Long connections in few pieces: each piece may have the held bytes looked at again.
            (usize::from(*cut) + 1).max(bytes.len() / 512)
        });
        let (piece, later) = rest.split_at(length.min(rest.len()));
        send(ACK, piece);
        (rest, turn) = (later, turn + 1);
    }
    streams.finish(&mut emit);
    (messages, streams.counters())
}

/// Reads the script: messages in one frame or several, control frames between them, compressed
/// ones, and bytes that are no frame.
fn talk(input: &mut Input<'_>) -> Talk {
    let mut talk = Talk { bytes: Vec::new(), messages: Vec::new(), sound: true };
    while !input.is_empty() {
        let choice = input.byte();
        match choice & 7 {
            0..=3 => message(&mut talk, input),
            4 => frame(&mut talk.bytes, 0x89, input.byte(), b"ping"),
            5 => frame(&mut talk.bytes, 0xc1, input.byte(), WORDS[0]),
            6 => {
                talk.sound = false;
                talk.bytes.extend_from_slice(input.bytes(usize::from(choice >> 3) + 1));
            }
            _ => {
                talk.sound = false;
                // A header of which anything may be wrong, its length above all.
                talk.bytes.extend_from_slice(input.bytes(10));
                talk.bytes.extend_from_slice(WORDS[usize::from(choice >> 3) % WORDS.len()]);
            }
        }
    }
    talk
}

/// A message of words in as many frames as it says, pings between them.
fn message(talk: &mut Talk, input: &mut Input<'_>) {
    let frames = input.byte() % 4 + 1;
    let mut whole = Vec::new();
    for number in 0..frames {
        let (word, mask, shape) = (input.pick(&WORDS), input.byte(), input.byte());
        let word = word.get(..usize::from(shape >> 1)).unwrap_or(word);
        let last = if number + 1 == frames { 0x80 } else { 0 };
        let kind = if number == 0 { 1 + (shape & 1) } else { 0 };
        frame(&mut talk.bytes, last | kind, mask, word);
        if mask & 2 == 2 {
            frame(&mut talk.bytes, 0x8a, 0, b"");
        }
        whole.extend_from_slice(word);
    }
    if !whole.is_empty() {
        talk.messages.push(whole);
    }
}

/// A frame; an odd `mask` masks it. Bit 2 of `mask` writes its length longer than need be.
fn frame(out: &mut Vec<u8>, first: u8, mask: u8, payload: &[u8]) {
    let (masked, long) = (mask & 1, mask & 4 == 4 && first & 8 == 0);
    out.push(first);
    match payload.len() {
        length @ 0..126 if !long => out.push(masked << 7 | length as u8),
        length => {
            out.push(masked << 7 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    let key = if masked == 1 { [mask, !mask, mask.rotate_left(3), 7] } else { [0; 4] };
    if masked == 1 {
        out.extend_from_slice(&key);
    }
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}
