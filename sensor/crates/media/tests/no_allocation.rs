//! A running stream allocates nothing: two million packets of a thousand streams, with loss,
//! reordering, duplicates and intervals.

use ringtap_media::{Key, Packet, Table};
use ringtap_testkit::alloc::{CountingAllocator, measure};
use ringtap_wire::flow::FlowKey;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const STREAMS: u32 = 1000;

fn key(number: u32) -> Key {
    let mut src = [0; 16];
    src[12..].copy_from_slice(&number.to_be_bytes());
    Key { flow: FlowKey { src, dst: [1; 16], sport: 10_000, dport: 20_000 }, ssrc: number }
}

fn packet(stream: u32, number: u32) -> Packet {
    let clock_ns = u64::from(number) * 20_000_000 + u64::from(stream) * 1000;
    Packet {
        clock_ns,
        ts_ns: clock_ns,
        timestamp: number * 160,
        ssrc: stream,
        seq: number as u16,
        payload_len: 160,
        payload_type: 8,
        ..Packet::default()
    }
}

#[test]
fn steady_state_does_not_allocate() {
    let mut table: Table<u32> = Table::new(STREAMS as usize, 3);
    for stream in 0..STREAMS {
        let key = key(stream);
        table.insert(table.hash_of(&key), key, &packet(stream, 0), stream).unwrap();
    }
    let mut pushed = 0u64;
    let ((), counts) = measure(|| {
        for number in 1..2000 {
            for stream in 0..STREAMS {
                let wave = (number + stream * 7) % 50;
                // One in fifty is lost, one double, one pair is swapped.
                let sent = match wave {
                    10 => continue,
                    20 => number + 1,
                    21 => number - 1,
                    _ => number,
                };
                let key = key(stream);
                let id = table.find(table.hash_of(&key), &key).unwrap();
                let packet =
                    Packet { clock_ns: packet(stream, number).clock_ns, ..packet(stream, sent) };
                let entry = table.get_mut(id).unwrap();
                for _ in 0..1 + u32::from(wave == 30) {
                    entry.push(&packet);
                    pushed += 1;
                }
            }
        }
    });
    assert!(pushed > 1_900_000);
    assert!(counts.is_zero(), "{counts:?}");
    let report = table.get(table.ids()[0]).unwrap().stream.report();
    assert!(report.lost > 0 && report.reordered > 0 && report.duplicate > 0);
    assert_eq!(report.received + report.lost, 2000);
}
