//! Recordings of streams whose audio is known, sample for sample.

use proptest::prelude::*;

use super::*;
use crate::codec::Codec;

/// What a recording was given.
#[derive(Debug, Default)]
struct Frames(Vec<[i16; 2]>);

impl Sink for Frames {
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()> {
        self.0.extend_from_slice(frames);
        Ok(())
    }
}

/// Counts what it is given.
#[derive(Debug, Default)]
struct Count(u64);

impl Sink for Count {
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()> {
        self.0 += frames.len() as u64;
        Ok(())
    }
}

const MS: u64 = 1_000_000;

fn coding(codec: Codec) -> Coding {
    let clock = if codec == Codec::Opus { 48_000 } else { 8000 };
    Coding::new(codec, clock).unwrap()
}

/// A stream with A-law as 8, µ-law as 0, G.722 as 9 and Opus as 96.
fn stream(side: Side, rank: u16) -> Stream {
    let types = [(8, Codec::Pcma), (0, Codec::Pcmu), (9, Codec::G722), (96, Codec::Opus)];
    Stream { side, rank, types: types.map(|(number, codec)| (number, coding(codec))).into() }
}

/// Packet `n` of a stream of 20 ms packets of A-law: its 160 bytes are all `n`'s code.
fn packet(stream: usize, n: u16, payload: &[u8]) -> Packet<'_> {
    Packet {
        stream,
        arrival_ns: u64::from(n) * 20 * MS,
        sequence: 65_530_u16.wrapping_add(n),
        timestamp: 0xffff_ff00_u32.wrapping_add(u32::from(n) * 160),
        marker: false,
        payload_type: 8,
        payload,
    }
}

/// A code that tells packets apart, and its sample.
fn code(n: u16) -> u8 {
    0xd5 ^ (n % 100) as u8
}

fn sample(n: u16) -> i16 {
    let mut samples = Vec::new();
    let alaw = coding(Codec::Pcma);
    assert!(crate::codec::Decoder::new(alaw).unwrap().decode(&[code(n)], alaw, &mut samples));
    samples[0]
}

/// What 20 ms pieces of a channel hold: a sample, or nothing if they are not all alike.
fn pieces(frames: &[[i16; 2]], channel: usize) -> Vec<Option<i16>> {
    let piece = |piece: &[[i16; 2]]| {
        let first = piece[0][channel];
        piece.iter().all(|frame| frame[channel] == first).then_some(first)
    };
    frames.chunks(160).map(piece).collect()
}

#[track_caller]
fn record(rate: u32, streams: &[Stream], packets: &[Packet<'_>]) -> (Vec<[i16; 2]>, Vec<Tally>) {
    let mut recording = Recording::new(rate, 600_000, streams.to_vec(), Frames::default());
    for packet in packets {
        recording.packet(packet).unwrap();
    }
    let (frames, length, tallies) = recording.finish().unwrap();
    assert_eq!(frames.0.len() as u64, length);
    (frames.0, tallies)
}

#[test]
fn samples_stand_where_their_timestamps_say() {
    let codes: Vec<[u8; 160]> = (0..1000).map(|n| [code(n); 160]).collect();
    let mut packets: Vec<Packet<'_>> =
        (0..1000_u16).map(|n| packet(0, n, &codes[usize::from(n)])).collect();
    // Lost, swapped, repeated, and 3 s late.
    let late = packets.remove(700);
    packets.insert(849, Packet { arrival_ns: late.arrival_ns + 3000 * MS, ..late });
    packets.remove(500);
    let again = Packet { arrival_ns: packets[305].arrival_ns, ..packets[300] };
    packets.insert(306, again);
    packets.swap(100, 101);
    (packets[100].arrival_ns, packets[101].arrival_ns) = (2000 * MS, 2020 * MS);
    let (frames, tallies) = record(8000, &[stream(Side::Left, 1)], &packets);
    let wanted: Vec<Option<i16>> =
        (0..1000).map(|n| Some(if n == 500 { 0 } else { sample(n) })).collect();
    assert_eq!(pieces(&frames, 0), wanted);
    assert!(frames.iter().all(|frame| frame[1] == 0));
    assert_eq!(tallies, [Tally { decoded: 999, twice: 1, ..Tally::default() }]);
}

#[test]
fn both_sides_share_one_time_line() {
    let (left, right) = ([code(3); 160], [code(5); 160]);
    let mut packets: Vec<Packet<'_>> = (0..10).map(|n| packet(0, n, &left)).collect();
    // The callee speaks from 100 ms on; its clock has nothing to do with the caller's.
    for n in 0..10 {
        let callee = Packet { timestamp: 77 + u32::from(n) * 160, ..packet(1, n, &right) };
        packets.push(Packet { arrival_ns: callee.arrival_ns + 100 * MS, ..callee });
    }
    packets.sort_by_key(|packet| packet.arrival_ns);
    let streams = [stream(Side::Left, 1), stream(Side::Right, 1)];
    let (frames, _) = record(8000, &streams, &packets);
    assert_eq!(frames.len(), 300 * 8);
    for (at, frame) in frames.iter().enumerate() {
        let wanted = [if at < 1600 { sample(3) } else { 0 }, if at < 800 { 0 } else { sample(5) }];
        assert_eq!(*frame, wanted, "frame {at}");
    }
}

#[test]
fn a_first_packet_that_was_overtaken_comes_first() {
    let codes: Vec<[u8; 160]> = (0..1000).map(|n| [code(n); 160]).collect();
    for length in [3, 1000] {
        let mut packets: Vec<Packet<'_>> =
            (0..length).map(|n| packet(0, n, &codes[usize::from(n)])).collect();
        packets.swap(0, 1);
        (packets[0].arrival_ns, packets[1].arrival_ns) = (0, MS);
        let (frames, _) = record(8000, &[stream(Side::Left, 1)], &packets);
        let wanted: Vec<_> = (0..length).map(|n| Some(sample(n))).collect();
        assert_eq!(pieces(&frames, 0), wanted);
    }
}

#[test]
fn other_streams_and_codecs_go_on_where_they_arrive() {
    let a = [code(1); 160];
    let mut packets: Vec<Packet<'_>> = (0..5).map(|n| packet(0, n, &a)).collect();
    // Another SSRC after 60 ms of silence; then the same stream in µ-law.
    for n in 8..12 {
        packets.push(Packet { stream: 1, timestamp: u32::from(n) * 160, ..packet(1, n, &a) });
    }
    for n in 12..14 {
        let ulaw = Packet { payload_type: 0, payload: &[0x80; 160], ..packet(1, n, &a) };
        packets.push(Packet { timestamp: u32::from(n) * 160, ..ulaw });
    }
    let streams = [stream(Side::Left, 1), stream(Side::Left, 2)];
    let (frames, _) = record(8000, &streams, &packets);
    let (a, nothing, u) = (Some(sample(1)), Some(0), Some(8031 * 4));
    let wanted = [a, a, a, a, a, nothing, nothing, nothing, a, a, a, a, u, u];
    assert_eq!(pieces(&frames, 0), wanted);
}

#[test]
fn of_two_streams_at_once_the_higher_rank_is_heard() {
    let (loud, other) = ([code(1); 160], [code(2); 160]);
    let mut packets: Vec<Packet<'_>> = (0..10).map(|n| packet(0, n, &other)).collect();
    packets.extend((4..7).map(|n| packet(1, n, &loud)));
    packets.sort_by_key(|packet| packet.arrival_ns);
    let streams = [stream(Side::Right, 1), stream(Side::Right, 2)];
    let (frames, tallies) = record(8000, &streams, &packets);
    let wanted: Vec<_> =
        (0..10).map(|n| Some(sample(if (4..7).contains(&n) { 1 } else { 2 }))).collect();
    assert_eq!(pieces(&frames, 1), wanted);
    assert_eq!(tallies[0].shared + tallies[1].shared, 3 * 160);
}

#[test]
fn packets_without_audio_are_silence() {
    let a = [code(1); 160];
    let event = Packet { payload_type: 101, timestamp: 5, ..packet(0, 1, &[1, 2, 3, 4]) };
    let noise = Packet { payload_type: 13, ..packet(0, 3, &[40]) };
    let packets = [packet(0, 0, &a), event, packet(0, 2, &a), noise, packet(0, 4, &a)];
    let (frames, tallies) = record(8000, &[stream(Side::Left, 1)], &packets);
    let (a, nothing) = (Some(sample(1)), Some(0));
    assert_eq!(pieces(&frames, 0), [a, nothing, a, nothing, a]);
    assert_eq!(tallies, [Tally { decoded: 3, ..Tally::default() }]);
}

#[test]
fn narrowband_in_a_wide_recording_keeps_its_time() {
    let a = [code(1); 160];
    let wide = [0xa0; 160];
    let mut packets: Vec<Packet<'_>> = (0..50).map(|n| packet(0, n, &a)).collect();
    packets.extend((0..50).map(|n| Packet { payload_type: 9, ..packet(1, n, &wide) }));
    packets.sort_by_key(|packet| packet.arrival_ns);
    let streams = [stream(Side::Left, 1), stream(Side::Right, 1)];
    for rate in [16_000, 48_000] {
        let (frames, tallies) = record(rate, &streams, &packets);
        assert_eq!(frames.len(), rate as usize);
        assert!(frames.iter().all(|frame| frame[0] == sample(1)));
        assert_eq!((tallies[0].decoded, tallies[1].decoded), (50, 50));
    }
}

#[test]
fn hostile_times_cost_no_disk_and_are_counted() {
    let a = [code(1); 160];
    let limit_ms = 60_000;
    let streams = vec![stream(Side::Left, 1)];
    let mut recording = Recording::new(8000, limit_ms, streams, Count::default());
    for n in 0..200_u16 {
        // Every timestamp far from the one before; then arrivals in other centuries.
        let timestamp = u32::from(n).wrapping_mul(0x6000_0000);
        recording.packet(&Packet { timestamp, ..packet(0, n, &a) }).unwrap();
    }
    for n in 200..210_u16 {
        let arrival_ns = u64::MAX - 1000 + u64::from(n);
        recording.packet(&Packet { arrival_ns, ..packet(0, n, &a) }).unwrap();
    }
    let (count, length, tallies) = recording.finish().unwrap();
    assert_eq!(count.0, length);
    assert!(length <= limit_ms * 8, "{length}");
    let tally = tallies[0];
    assert_eq!((tally.beyond, tally.decoded), (10, 200));
    assert!(tally.jumps > 100, "{tally:?}");
}

#[test]
fn a_long_call_is_written_as_it_goes() {
    // Four hours: nothing of it is held but the last seconds.
    let a = [code(1); 160];
    let streams = vec![stream(Side::Left, 1)];
    let mut recording = Recording::new(8000, 5 * 3_600_000, streams, Count::default());
    let mut most = 0;
    for n in 0..4 * 3600 * 50_u32 {
        let timestamp = n.wrapping_mul(160);
        let arrival_ns = u64::from(n) * 20 * MS;
        let one = Packet { arrival_ns, timestamp, ..packet(0, n as u16, &a) };
        recording.packet(&one).unwrap();
        most = most.max(u64::from(n) * 160 - recording.sink.0);
    }
    assert!(most < 11 * 8000, "{most}");
    let (_, length, tallies) = recording.finish().unwrap();
    assert_eq!((length, tallies[0].decoded), (4 * 3600 * 8000, 4 * 3600 * 50));
}

fn any_packet() -> impl Strategy<Value = (usize, u64, u16, u32, bool, u8, Vec<u8>)> {
    let types = prop_oneof![Just(0_u8), Just(8), Just(9), Just(96), any::<u8>()];
    let times = prop_oneof![0..30_000 * MS, any::<u64>()];
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    (0..4_usize, times, any::<u16>(), any::<u32>(), any::<bool>(), types, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_the_recording_has_its_bounds(
        mut given in proptest::collection::vec(any_packet(), 0..60),
    ) {
        given.sort_by_key(|one| one.1);
        let streams = vec![stream(Side::Left, 1), stream(Side::Right, 2), stream(Side::Left, 3)];
        let mut recording = Recording::new(48_000, 40_000, streams, Count::default());
        for (stream, arrival_ns, sequence, timestamp, marker, payload_type, payload) in &given {
            let (stream, arrival_ns, sequence) = (*stream, *arrival_ns, *sequence);
            let (timestamp, marker, payload_type) = (*timestamp, *marker, *payload_type);
            recording.packet(&Packet {
                stream, arrival_ns, sequence, timestamp, marker, payload_type, payload,
            }).unwrap();
        }
        let (count, length, tallies) = recording.finish().unwrap();
        prop_assert_eq!(count.0, length);
        prop_assert!(length <= 48 * 50_000);
        let known = |tally: &Tally| {
            tally.decoded + tally.twice + tally.damaged + tally.unplaced + tally.beyond
        };
        let audible = given.iter().filter(|one| one.0 < 3 && [0, 8, 9, 96].contains(&one.5));
        prop_assert_eq!(tallies.iter().map(known).sum::<u64>(), audible.count() as u64);
    }
}
