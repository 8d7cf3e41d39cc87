//! Limits that are counted: what is beyond them is told, and costs nothing else.

use super::*;

/// Handshakes that one half of the table remembers.
const DTLS_HALF: u32 = 1 << 15;

/// A DTLS handshake's first record from a host of the caller's network.
fn hello(host: u32) -> Vec<u8> {
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40];
    record.resize(53, 1);
    let from = SocketAddr::from(((0x0b00_0000 + host).to_be_bytes(), 4000));
    Datagram::udp(from, addr(2, 4000), &record).build()
}

/// Packet `n` of a stream of the same host.
fn of_host(host: u32, n: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    let timestamp = u32::from(n) * 160;
    Rtp { payload_type: 0, marker: false, seq: n, timestamp, ssrc: host }.write(&mut payload);
    payload.resize(172, 0x55);
    let from = SocketAddr::from(((0x0b00_0000 + host).to_be_bytes(), 4000));
    Datagram::udp(from, addr(2, 4000), &payload).build()
}

#[test]
fn handshakes_beyond_the_limit_forget_the_oldest_and_are_counted() {
    let mut bench = Bench::files();
    let forgotten = |bench: &Bench| bench.workers[0].tally().events_of(Event::DtlsForgotten);
    // Two halves fit; a flow known already takes no room.
    for host in 0..2 * DTLS_HALF {
        bench.workers[0].frames([frame(START, &hello(host))].into_iter());
    }
    bench.workers[0].frames([frame(START, &hello(2 * DTLS_HALF - 1))].into_iter());
    assert_eq!(forgotten(&bench), 0);
    bench.workers[0].frames([frame(START, &hello(2 * DTLS_HALF))].into_iter());
    assert_eq!(forgotten(&bench), u64::from(DTLS_HALF));
    // Of the first half nothing is known any more, of the second and the last one it is.
    let hosts = [0, DTLS_HALF - 1, DTLS_HALF, 2 * DTLS_HALF];
    for n in 0..5 {
        let frames: Vec<_> = hosts.iter().map(|host| of_host(*host, n)).collect();
        bench.tick(START + u64::from(n) * 20 * MS, &frames);
    }
    bench.workers[0].finish();
    let mut known: Vec<(u32, bool)> = Vec::new();
    for record in bench.made() {
        let Record::Stream(lone) = record else { panic!("{record:?}") };
        let dtls = lone.stream.quality.encryption.label() == Some("DTLS");
        known.push((lone.stream.ssrc, dtls));
    }
    known.sort_unstable();
    let expected = hosts.map(|host| (host, host >= DTLS_HALF));
    assert_eq!(known, expected);
}

#[test]
fn gaps_beyond_what_is_told_at_once_are_counted_and_still_lost() {
    /// Steps with gaps that one telling holds.
    const TOLD: u64 = 4096;
    let mut bench = Bench::new(1, 64, Pace::live);
    (0..3).for_each(|n| bench.round(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]));
    // Every second packet is missing, and the worker does not come to tell of it.
    let gaps = TOLD + 100;
    let packets: Vec<(u64, Vec<u8>)> =
        (0..gaps).map(|gap| 4 + gap * 2).map(|n| (START + n * 20 * MS, rtp(n as u16, 7))).collect();
    bench.workers[0].frames(packets.iter().map(|(at, bytes)| frame(*at, bytes)));
    let omitted = |bench: &Bench| bench.workers[0].tally().events_of(Event::BlameOmitted);
    assert_eq!(omitted(&bench), 0, "it is counted when it is told");
    bench.round(START + (4 + gaps * 2) * 20 * MS, &[]);
    assert_eq!(omitted(&bench), 100);
    // There is room again.
    let n = (4 + gaps * 2) as u16;
    bench.round(START + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
    bench.round(START + u64::from(n) * 20 * MS + SECOND, &[]);
    assert_eq!(omitted(&bench), 100);
    bench.workers[0].finish();
    let made = bench.made();
    let [Record::Stream(lone)] = &made[..] else { panic!("{made:?}") };
    let stream = &lone.stream;
    assert_eq!((stream.received, stream.lost), (3 + gaps + 1, gaps + 1));
    assert_eq!(stream.quality.lost_network(stream.lost), stream.lost);
}
