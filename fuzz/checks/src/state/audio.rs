//! A call's audio: packets of any codec with any payload, time and number become a recording.

use std::io;

use ringtap_audio::{Codec, Coding, Packet, Recording, Side, Sink, Stream, rate};

use crate::input::Input;

const MS: u64 = 1_000_000;
const LIMIT_MS: u64 = 15_000;
const CODECS: [(u8, Codec, u32); 6] = [
    (0, Codec::Pcmu, 8000),
    (8, Codec::Pcma, 8000),
    (9, Codec::G722, 8000),
    (96, Codec::Opus, 48_000),
    (97, Codec::Pcmu, 16_000),
    (98, Codec::Opus, 8000),
];
/// Pauses between packets.
const WAITS_MS: [u64; 8] = [0, 1, 20, 20, 200, 3000, 11_000, 100_000];
/// How far timestamps go from packet to packet.
const STEPS: [u32; 8] = [0, 160, 160, 320, 960, 0x8000_0000, 0xffff_ff00, 100_000];

/// Counts what it is given.
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()> {
        self.0 += frames.len() as u64;
        Ok(())
    }
}

/// The recording is as long as it says and no longer than allowed, and every packet with audio
/// has one fate.
pub fn audio(data: &[u8]) {
    let mut input = Input::new(data);
    let chosen = input.byte();
    let types = |mask: u8| {
        let chosen = CODECS.iter().enumerate().filter(move |(at, _)| mask >> at & 1 == 1);
        chosen
            .filter_map(|(_, (number, codec, clock))| Some((*number, Coding::new(*codec, *clock)?)))
    };
    let streams = [(Side::Left, 1, chosen), (Side::Right, 1, !chosen), (Side::Left, 2, 0x3f)]
        .map(|(side, rank, mask)| Stream { side, rank, types: types(mask).collect() });
    let codings: Vec<Coding> =
        streams.iter().flat_map(|stream| stream.types.iter().map(|(_, coding)| *coding)).collect();
    let rate = rate(codings.iter().copied());
    let mut audible = [0_u64; 3];
    let mut recording = Recording::new(rate, LIMIT_MS, streams.to_vec(), Count::default());
    let (mut arrival_ns, mut sequence, mut timestamp) = (0, [0_u16; 3], [0_u32; 3]);
    while !input.is_empty() {
        let (time, what) = (input.byte(), input.byte());
        let stream = usize::from(what) % streams.len();
        arrival_ns += WAITS_MS[usize::from(time & 7)] * MS;
        timestamp[stream] = timestamp[stream].wrapping_add(STEPS[usize::from(time >> 3 & 7)]);
        sequence[stream] = match time >> 6 {
            0 => sequence[stream],
            1 | 2 => sequence[stream].wrapping_add(1),
            _ => input.u16(),
        };
        let payload_type = CODECS[usize::from(what >> 2) % CODECS.len()].0;
        let short = input.byte();
        let payload = match short {
            0..=127 => input.bytes(usize::from(short)),
            filler => &[filler; 160][..],
        };
        let known = streams[stream].types.iter().any(|(number, _)| *number == payload_type);
        audible[stream] += u64::from(known);
        let packet = Packet {
            stream,
            arrival_ns,
            sequence: sequence[stream],
            timestamp: timestamp[stream],
            marker: what & 0x80 != 0,
            payload_type,
            payload,
        };
        assert!(recording.packet(&packet).is_ok());
    }
    let Ok((count, frames, tallies)) = recording.finish() else { panic!("nothing failed") };
    assert_eq!(count.0, frames);
    assert!(frames <= (LIMIT_MS + 20_000) * u64::from(rate) / 1000, "{frames} frames");
    for (tally, audible) in tallies.iter().zip(audible) {
        let fates = tally.decoded + tally.twice + tally.damaged + tally.unplaced + tally.beyond;
        assert_eq!(fates, audible, "{tally:?}");
    }
}
