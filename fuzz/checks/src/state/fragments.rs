//! IP fragments in any order: what comes out was put in, and nothing is lost without a count.

use ringtap_assemble::fragments::{Counters, DATA_MAX, Options, Overlap, PACKETS_MAX};
use ringtap_assemble::{Fragments, Outcome};
use ringtap_common::walk::{Fragment, walk_ethernet};

use crate::input::Input;

const MS: u64 = 1_000_000;

/// Each packet's bytes are a function of its id, so that a packet put together wrongly shows.
///
/// Every fragment ends in one of the counters, and time empties the table.
pub fn fragments(data: &[u8]) {
    let mut input = Input::new(data);
    let first_wins = input.byte() & 1 == 1;
    let overlap = if first_wins { Overlap::FirstWins } else { Overlap::Reject };
    let mut table = Fragments::new(Options { overlap, ..Options::default() });
    let (mut clock_ns, mut pushed, mut finished) = (0, 0, 0);
    while !input.is_empty() {
        let (frame, genuine) = fragment(&mut input);
        clock_ns += u64::from(input.byte() >> 4) * 100 * MS;
        let Ok(headers) = walk_ethernet(&frame.as_slice()) else { continue };
        pushed += 1;
        if let Outcome::Whole(whole) = table.push(&headers, &frame, genuine, clock_ns) {
            finished += whole.pieces;
            check(whole.frame, whole.packet());
        }
        assert!(table.len() <= PACKETS_MAX);
    }
    table.finish();
    assert!(table.is_empty());
    let Counters { pieces, duplicates, rejected, lost_pieces, .. } = table.counters();
    assert_eq!(pieces, pushed);
    assert_eq!(pushed, finished + duplicates + rejected + lost_pieces, "{:?}", table.counters());
}

fn check(frame: &[u8], packet: &[u8]) {
    assert!(packet.len() <= frame.len() && packet.len() <= DATA_MAX + 60);
    // The transport header may be nonsense; the IP header is ours.
    let Ok(headers) = walk_ethernet(&frame) else { return };
    assert_eq!(headers.fragment, Fragment::Whole);
    assert!(usize::from(headers.l4) <= frame.len());
    if headers.ip_id >= FORGED_FROM || headers.version == 6 {
        return;
    }
    let data = &frame[usize::from(headers.l4)..];
    for (at, byte) in data.iter().enumerate() {
        assert_eq!(*byte, content(headers.ip_id, at), "at {at} of packet {}", headers.ip_id);
    }
}

/// Packets of these ids and above have arbitrary bytes.
const FORGED_FROM: u32 = 8;

/// Byte `at` of packet `id`: a UDP header of zero length, then a pattern.
fn content(id: u32, at: usize) -> u8 {
    if at < 8 { 0 } else { (at as u32 * 7 + id * 31 + (at as u32 >> 8)) as u8 }
}

/// A fragment, and whether its header was left alone.
fn fragment(input: &mut Input<'_>) -> (Vec<u8>, bool) {
    let choice = input.byte();
    let id = u32::from(choice & 7);
    let (start, length) = (usize::from(input.byte()) * 8, usize::from(input.byte()));
    let start = if choice & 0x10 == 0 { start } else { start * 32 };
    let more = choice & 8 != 0;
    let length = if more { length / 8 * 8 } else { length };
    let data: Vec<u8> = (start..start + length).map(|at| content(id, at)).collect();
    let six = choice & 0x20 != 0;
    let field = (start / 8) as u16;
    let mut frame = if six { ipv6(id, field, more, &data) } else { ipv4(id, field, more, &data) };
    if choice & 0x40 != 0 {
        // Forged: another id, and damage anywhere in the headers.
        let id = if six { 14 + 40 + 7 } else { 14 + 5 };
        frame[id] |= FORGED_FROM as u8;
        for _ in 0..input.byte() % 3 {
            let at = 14 + usize::from(input.byte()) % 48;
            let value = input.byte();
            if at != id
                && let Some(byte) = frame.get_mut(at)
            {
                *byte = value;
            }
        }
    }
    (frame, choice & 0x40 == 0)
}

fn ipv4(id: u32, field: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((20 + data.len() as u16).to_be_bytes());
    frame.extend((id as u16).to_be_bytes());
    frame.extend((field & 0x1fff | if more { 0x2000 } else { 0 }).to_be_bytes());
    frame.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(data);
    frame
}

fn ipv6(id: u32, field: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend((8 + data.len() as u16).to_be_bytes());
    frame.extend([44, 64]);
    frame.extend([[0xfd; 16], [0xfe; 16]].concat());
    frame.extend([17, 0]);
    frame.extend((field << 3 | u16::from(more)).to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend(data);
    frame
}
