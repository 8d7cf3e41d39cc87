//! One step of a packet's way at a time: time, and allocations beside it.
//!
//! Steps of RTP must show no allocations at all. Each iteration takes one packet of each of a
//! thousand streams (`Kitem/s` tells packets), so that tables are met as traffic meets them and
//! not in one cache line. Parsers of text take one message a thousand times.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use ringtap_capture::pcap_file::{Block, Reader};
use ringtap_common::classify::classify;
use ringtap_common::fingerprint::{Seed, Table as Duplicates, fingerprint};
use ringtap_common::maps::PortSets;
use ringtap_common::walk::walk_ethernet;
use ringtap_media::{Key, Packet as Scored, Stream, Table};
use ringtap_sip::Message;
use ringtap_spool::{ChunkKey, Compression, Kind, Options, Slot, Spool};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::pcap::{Options as PcapOptions, Writer};
use ringtap_testkit::sip::{Dialog, Media, Message as Wanted, Method, Side};
use ringtap_testkit::traffic::{self, Plan};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::rtp::View;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const STREAMS: u32 = 1000;
const STEP_NS: u64 = 20_000_000;

fn main() {
    divan::main();
}

fn rtp(stream: u32, seq: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(172);
    let timestamp = u32::from(seq) * 160;
    Rtp { payload_type: 0, marker: false, seq, timestamp, ssrc: stream }.write(&mut bytes);
    bytes.extend((0..160_u32).map(|n| (n ^ stream) as u8));
    bytes
}

/// A frame of each stream.
fn frames() -> Vec<Vec<u8>> {
    let to = "10.2.0.1:30000".parse().expect("an address");
    (0..STREAMS)
        .map(|stream| {
            let from = std::net::SocketAddr::from(([10, 1, 0, 1], 20_000 + 2 * stream as u16));
            Packet::udp(from, to, &rtp(stream, 1)).build()
        })
        .collect()
}

/// Runs `step` for each stream in turn.
fn for_each(bencher: Bencher<'_, '_>, mut step: impl FnMut(u32)) {
    bencher.counter(ItemsCount::new(STREAMS)).bench_local(|| (0..STREAMS).for_each(&mut step));
}

/// Runs `step` on one frame after the other.
fn per_frame<R>(bencher: Bencher<'_, '_>, step: impl Fn(&[u8]) -> R) {
    let frames = frames();
    for_each(bencher, |stream| {
        black_box(step(black_box(&frames[stream as usize])));
    });
}

#[divan::bench]
fn walk(bencher: Bencher<'_, '_>) {
    per_frame(bencher, |frame| walk_ethernet(&frame).is_ok());
}

#[divan::bench]
fn walk_and_classify(bencher: Bencher<'_, '_>) {
    let ports = PortSets::default();
    per_frame(bencher, |frame| {
        let headers = walk_ethernet(&frame).expect("a good frame");
        classify(&frame, &headers, &ports)
    });
}

#[divan::bench]
fn walk_and_fingerprint(bencher: Bencher<'_, '_>) {
    let seed = Seed::new(7);
    per_frame(bencher, |frame| {
        let headers = walk_ethernet(&frame).expect("a good frame");
        fingerprint(&frame, &headers, &seed)
    });
}

#[divan::bench]
fn duplicate_table(bencher: Bencher<'_, '_>) {
    let seed = Seed::new(7);
    let prints: Vec<_> = frames()
        .iter()
        .filter_map(|frame| {
            let frame = frame.as_slice();
            fingerprint(&frame, &walk_ethernet(&frame).ok()?, &seed)
        })
        .collect();
    let slots: Vec<AtomicU64> = (0..1 << 18).map(|_| AtomicU64::new(0)).collect();
    let table = Duplicates::new(slots, STEP_NS, false).expect("a power of two");
    let mut now_ns = 0;
    for_each(bencher, |stream| {
        now_ns += 2 * STEP_NS / u64::from(STREAMS);
        black_box(table.is_duplicate(&prints[stream as usize], now_ns));
    });
}

#[divan::bench]
fn rtp_view(bencher: Bencher<'_, '_>) {
    per_frame(bencher, |frame| View::parse(&frame[42..]).map(|view| view.sequence()).ok());
}

fn scored(stream: u32, number: u32) -> Scored {
    let clock_ns = u64::from(number) * STEP_NS + u64::from(stream) * 1000;
    Scored {
        clock_ns,
        ts_ns: clock_ns,
        timestamp: number.wrapping_mul(160),
        ssrc: stream,
        seq: number as u16,
        payload_len: 160,
        ..Scored::default()
    }
}

#[divan::bench]
fn stream_push(bencher: Bencher<'_, '_>) {
    let mut stream = Stream::new(&scored(1, 0));
    let mut number = 0;
    for_each(bencher, |_| {
        number += 1;
        black_box(stream.push(black_box(&scored(1, number))));
    });
}

#[divan::bench(args = [1000, 50_000])]
fn table_find_and_push(bencher: Bencher<'_, '_>, streams: u32) {
    let mut table: Table<()> = Table::new(streams as usize, 3);
    let key = |stream: u32| {
        let mut src = [0; 16];
        src[12..].copy_from_slice(&stream.to_be_bytes());
        Key { flow: FlowKey { src, dst: [1; 16], sport: 10_000, dport: 20_000 }, ssrc: stream }
    };
    for stream in 0..streams {
        let key = key(stream);
        table.insert(table.hash_of(&key), key, &scored(stream, 0), ()).expect("room");
    }
    let (mut stream, mut number) = (0, 1);
    for_each(bencher, |_| {
        stream += 1;
        if stream == streams {
            (stream, number) = (0, number + 1);
        }
        let key = key(stream);
        let found = table.find(table.hash_of(&key), &key).and_then(|id| table.get_mut(id));
        black_box(found.map(|entry| entry.push(&scored(stream, number))));
    });
}

/// With the spool thread writing behind it; the pool is as large as it is by default.
#[divan::bench]
fn spool_append(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        compression_rtp: Compression::None,
        lossless: true,
        ..Options::new(folder.path().to_owned())
    };
    let (spool, mut gatherers) = Spool::start(&options, 1).expect("a spool");
    let mut gatherer = gatherers.remove(0);
    let frames = frames();
    let mut slots = vec![Slot::default(); frames.len()];
    let mut now_ns = 1_700_000_000_000_000_000;
    for_each(bencher, |stream| {
        now_ns += STEP_NS / u64::from(STREAMS);
        let key = ChunkKey { realm: 0, kind: Kind::Rtp, key: stream.into(), link: 1 };
        let (slot, frame) = (&mut slots[stream as usize], &frames[stream as usize]);
        let len = frame.len() as u32;
        let _ = black_box(gatherer.append(slot, &key, now_ns, now_ns, len, frame));
    });
    drop(gatherer);
    spool.seal().expect("a sealed spool");
}

/// An INVITE with its SDP.
fn invite() -> Vec<u8> {
    let (from, to) = ("10.0.0.1:5060", "10.0.0.2:5060");
    let address = |text: &str| text.parse().expect("an address");
    let media = Media::new(address("10.0.0.1:10000"), 0, "PCMU/8000");
    let dialog = Dialog::new(7, address(from), address(to));
    let text = dialog.text(&Wanted::request(Side::Caller, Method::Invite, 1).media(&media));
    text.into_bytes()
}

#[divan::bench]
fn sip_parse(bencher: Bencher<'_, '_>) {
    let text = invite();
    for_each(bencher, |_| {
        let message = Message::parse(black_box(&text)).expect("a good message");
        black_box((message.cseq(), message.from(), message.call_id()));
    });
}

#[divan::bench]
fn sdp_parse(bencher: Bencher<'_, '_>) {
    let text = invite();
    let message = Message::parse(&text).expect("a good message");
    for_each(bencher, |_| {
        let sdp = black_box(&message).sdp().expect("a description");
        black_box((sdp.connection(), sdp.media().count()));
    });
}

/// A capture of some 12 000 frames, block by block; the memory is the first round's.
#[divan::bench]
fn file_read(bencher: Bencher<'_, '_>) {
    let path = tempfile::NamedTempFile::new().expect("a file");
    let plan = Plan { calls: 20, talk_ms: 6000, ..Plan::default() };
    let file = std::io::BufWriter::new(path.reopen().expect("the file"));
    let mut writer = Writer::new(file, PcapOptions::default()).expect("a header");
    let truth = traffic::generate(&plan, &mut writer).expect("traffic");
    std::io::Write::flush(&mut writer.finish().expect("an end")).expect("written");
    let block = RefCell::new(Block::new());
    bencher.counter(ItemsCount::new(truth.totals.frames)).bench_local(|| {
        let mut reader = Reader::open(path.path()).expect("a capture");
        let mut frames = 0;
        loop {
            let more = reader.next_block(&mut block.borrow_mut()).expect("frames");
            frames += block.borrow().len();
            block.borrow_mut().clear();
            if !more {
                return frames;
            }
        }
    });
}
