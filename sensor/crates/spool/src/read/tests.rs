//! Tests of finding and exporting.

use std::fs;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapNGReader};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::format::next_record;
use crate::tests::{MS, T0, chunk_key, folder, options, packet};
use crate::{Gatherer, Slot, Spool, Stored};

fn want(kind: Kind, key: u64) -> Wanted {
    Wanted { realm: 1, kind, key, from_ns: 0, to_ns: u64::MAX }
}

/// A call: signalling every 90 ms, two streams every 20 ms, reports every 500 ms; among others.
fn call(gatherer: &mut Gatherer, links: [u16; 2]) -> u64 {
    let mut packets = 0;
    let parts = [(Kind::Sip, 7, 90), (Kind::Rtp, 8, 20), (Kind::Rtp, 9, 20), (Kind::Rtcp, 8, 500)];
    let mut slots = [Slot::default(); 4];
    let mut other = Slot::default();
    for ms in (0..40_000).step_by(10) {
        let ts = T0 + ms * MS;
        for ((kind, key, every), slot) in parts.iter().zip(slots.iter_mut()) {
            if ms % every == 0 {
                let key = ChunkKey {
                    link: links[usize::from(*kind == Kind::Sip)],
                    ..chunk_key(*kind, *key)
                };
                // A little out of order, as packets of several queues are.
                let ts = ts + (ms * 7 % 5) * MS;
                let kept = gatherer.append(slot, &key, ts, ts, 999, &packet(key.key, ms));
                assert_eq!(kept, Stored::Kept);
                packets += 1;
            }
        }
        let strange = ChunkKey { realm: 2, ..chunk_key(Kind::Rtp, 8) };
        let _ = gatherer.append(&mut other, &strange, ts, ts, 999, &packet(99, ms));
    }
    packets
}

const CALL: [(Kind, u64); 4] = [(Kind::Sip, 7), (Kind::Rtp, 8), (Kind::Rtp, 9), (Kind::Rtcp, 8)];

#[test]
fn a_call_comes_out_in_the_order_of_time() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let packets = call(&mut gatherers[0], [1, 1]);
    drop(gatherers);
    spool.seal().unwrap();
    // Asked twice, given once.
    let wanted: Vec<Wanted> =
        CALL.iter().chain(&CALL).map(|(kind, key)| want(*kind, *key)).collect();
    let mut file = Vec::new();
    let done = export(root.path(), &wanted, &mut file, Format::Pcap).unwrap();
    assert_eq!((done.packets, done.damaged), (packets, 0));
    let mut rest = &file[24..];
    let mut last = (0, 0, 0);
    while let Some(record) = next_record(&mut rest) {
        let millis = u64::from_le_bytes(record.bytes[8..16].try_into().unwrap());
        assert!(record.ts_ns >= last.0, "time goes on");
        assert_eq!(record.ts_ns, T0 + (millis + millis * 7 % 5) * MS);
        last = (record.ts_ns, record.bytes.len() as u64, last.2 + record.bytes.len() as u64);
    }
    assert_eq!((done.last_ns, done.bytes), (last.0, last.2));
    assert_eq!(done.first_ns, T0);
    // Handed over one by one they are the same.
    let mut records = &file[24..];
    let handed = packets_of(root.path(), &wanted, |packet| {
        let record = next_record(&mut records).unwrap();
        assert_eq!((packet.ts_ns, packet.bytes), (record.ts_ns, record.bytes));
        assert_eq!((packet.wire_len, packet.link), (record.wire_len, 1));
    });
    assert_eq!(handed, done);
}

fn packets_of(root: &Path, wanted: &[Wanted], mut take: impl FnMut(&Packet<'_>)) -> Exported {
    let done = packets(root, wanted, &mut |packet| {
        take(packet);
        Ok(())
    });
    done.unwrap()
}

#[test]
fn a_stream_is_cut_exactly_where_asked() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    call(&mut gatherers[0], [1, 1]);
    drop(gatherers);
    spool.seal().unwrap();
    let (from_ns, to_ns) = (T0 + 10_000 * MS, T0 + 20_000 * MS);
    let wanted = [Wanted { from_ns, to_ns, ..want(Kind::Rtp, 9) }];
    let mut file = Vec::new();
    let done = export(root.path(), &wanted, &mut file, Format::Pcap).unwrap();
    // Every 20 ms, both ends included; each packet's shift is a multiple of its number's.
    let expected = (0..40_000_u64)
        .step_by(20)
        .map(|ms| T0 + (ms + ms * 7 % 5) * MS)
        .filter(|ts| (from_ns..=to_ns).contains(ts))
        .count();
    assert_eq!(done.packets, expected as u64);
    assert!(done.first_ns >= from_ns && done.last_ns <= to_ns);
    let none = [Wanted { to_ns: T0 - 1, ..want(Kind::Rtp, 9) }];
    assert!(find(root.path(), &none).unwrap().chunks.is_empty());
    assert!(find(&root.path().join("absent"), &wanted).unwrap().chunks.is_empty());
}

#[test]
fn slices_of_time_give_what_one_search_gives() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    call(&mut gatherers[0], [1, 1]);
    drop(gatherers);
    spool.seal().unwrap();
    let mut wanted = CALL.map(|(kind, key)| want(kind, key));
    wanted[2].from_ns = T0 + 10_000 * MS;
    wanted[3].to_ns = T0 + 20_000 * MS;
    let chunks = find(root.path(), &wanted).unwrap().chunks.len();
    assert!(chunks > 60, "several slices: {chunks}");
    let (mut whole, mut sliced) = (Vec::new(), Vec::new());
    let one = export(root.path(), &wanted, &mut whole, Format::Pcap).unwrap();
    let asked = Asked::These(&wanted);
    let many = export_in_slices(&[root.path().into()], asked, &mut sliced, Format::Pcap).unwrap();
    assert_eq!(one, many);
    // Of packets with one time stamp any may come first.
    let sorted = |file: &[u8]| {
        let mut rest = &file[24..];
        let records = std::iter::from_fn(|| next_record(&mut rest));
        let mut all: Vec<_> = records.map(|one| (one.ts_ns, one.bytes.to_vec())).collect();
        assert!(all.is_sorted_by_key(|(ts, _)| *ts));
        all.sort();
        all
    };
    assert!(sorted(&whole) == sorted(&sliced));
    // Everything between two times, whoever it belongs to.
    let (from, to) = (T0 + 5_000 * MS, T0 + 15_000 * MS);
    let mut seen = 0;
    let done = packets_in_slices(&[root.path().into()], Asked::Between(from, to), &mut |packet| {
        assert!((from..=to).contains(&packet.ts_ns));
        seen += 1;
        Ok(())
    });
    let all =
        packets_in_slices(&[root.path().into()], Asked::Between(0, u64::MAX), &mut |_| Ok(()))
            .unwrap();
    let strange = Wanted { realm: 2, ..want(Kind::Rtp, 8) };
    let with_others = [wanted[0], want(Kind::Rtp, 8), want(Kind::Rtp, 9), want(Kind::Rtcp, 8)];
    let with_others = [&with_others[..], &[strange]].concat();
    let count = |from_ns, to_ns| {
        let cut: Vec<Wanted> =
            with_others.iter().map(|one| Wanted { from_ns, to_ns, ..*one }).collect();
        packets_of(root.path(), &cut, |_| {}).packets
    };
    assert_eq!((done.unwrap().packets, seen), (count(from, to), count(from, to)));
    assert_eq!(all.packets, count(0, u64::MAX));
}

/// Two sensors' spools, with every other stream of a call each.
fn two_roots() -> (Vec<tempfile::TempDir>, Vec<PathBuf>, u64) {
    let roots = vec![folder(), folder()];
    for (number, root) in (1..).zip(&roots) {
        let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
        let mut slot = Slot::default();
        for ms in 0..5000_u64 {
            let ts = T0 + (2 * ms + number) * MS;
            let bytes = packet(number, ms);
            let key = chunk_key(Kind::Rtp, number);
            let _ = gatherers[0].append(&mut slot, &key, ts, ts, 99, &bytes);
        }
        drop(gatherers);
        spool.seal().unwrap();
    }
    let paths = roots.iter().map(|root| root.path().to_path_buf()).collect();
    (roots, paths, 5000)
}

fn of_roots(roots: &[PathBuf]) -> (Exported, Vec<u64>) {
    let mut times = Vec::new();
    let asked = Asked::Between(0, u64::MAX);
    let done = packets_in_slices(roots, asked, &mut |packet| {
        times.push(packet.ts_ns);
        Ok(())
    });
    assert!(times.is_sorted());
    (done.unwrap(), times)
}

#[test]
fn several_roots_are_read_as_one() {
    let (_folders, mut roots, each) = two_roots();
    let (done, times) = of_roots(&roots);
    assert_eq!((done.packets, done.silent_roots, done.late), (2 * each, 0, 0));
    let expected: Vec<u64> = (1..=2 * each).map(|ms| T0 + ms * MS).collect();
    assert!(times == expected);
    // One that is not there has nothing; one that cannot be listed is left out.
    roots.push("/no/such/root".into());
    assert_eq!(of_roots(&roots).0.packets, 2 * each);
    let file = tempfile::NamedTempFile::new().unwrap();
    roots.push(file.path().into());
    assert_eq!(of_roots(&roots).0.packets, 2 * each);
    let all_bad = [file.path().to_path_buf(), file.path().to_path_buf()];
    let refused = packets_in_slices(&all_bad, Asked::Between(0, 1), &mut |_| Ok(()));
    assert!(matches!(refused, Err(SpoolError::Io { .. })));
}

/// A pipe in place of a segment: whoever opens it waits until somebody writes.
#[test]
fn a_root_that_does_not_answer_holds_up_nobody_and_is_taken_back() {
    let (_folders, roots, each) = two_roots();
    let folder = layout::class_folders(&roots[1]).unwrap().remove(0);
    let pipe = folder.join("20231114T221319Z-s1-l1-0000000000000000.pcap.zst");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let begun = std::time::Instant::now();
    let (done, _) = of_roots(&roots);
    assert_eq!((done.packets, done.silent_roots), (each, 1), "the other root is there");
    assert!(begun.elapsed() < std::time::Duration::from_secs(4));
    // It answers again while the other is still being read: what comes then is not lost.
    let mut seen = 0;
    let asked = Asked::Between(0, u64::MAX);
    let done = packets_in_slices(&roots, asked, &mut |_| {
        seen += 1;
        if seen == 100 {
            // Both readers, this one's and the one that still waits from before.
            let writer = fs::File::options().write(true).open(&pipe).unwrap();
            fs::remove_file(&pipe).unwrap();
            drop(writer);
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        Ok(())
    });
    let done = done.unwrap();
    assert_eq!(done.silent_roots, 0);
    assert!(done.late > 0 && done.packets + done.late == 2 * each, "{done:?}");
}

#[test]
fn several_link_types_need_pcapng() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    let packets = call(&mut gatherers[0], [1, 113]);
    drop(gatherers);
    spool.seal().unwrap();
    let wanted = CALL.map(|(kind, key)| want(kind, key));
    let mut file = Vec::new();
    let refused = export(root.path(), &wanted, &mut file, Format::Pcap);
    assert!(matches!(refused, Err(SpoolError::MixedLinks(2))));
    assert!(file.is_empty());
    let sliced = |format, file: &mut Vec<u8>| {
        export_in_slices(&[root.path().into()], Asked::These(&wanted), file, format)
    };
    assert!(matches!(sliced(Format::Pcap, &mut Vec::new()), Err(SpoolError::MixedLinks(2))));
    let mut lazy = Vec::new();
    assert_eq!(sliced(Format::PcapNg, &mut lazy).unwrap().packets, packets);
    export(root.path(), &wanted, &mut file, Format::PcapNg).unwrap();
    let mut reader = PcapNGReader::new(1 << 20, file.as_slice()).unwrap();
    let (mut links, mut seen, mut last) = (Vec::new(), 0, 0);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        assert_eq!(interface.ts_resolution(), Some(1_000_000_000));
                        links.push(interface.linktype.0);
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let ts = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        let stream = u64::from_le_bytes(packet.data[..8].try_into().unwrap());
                        assert_eq!(links[packet.if_id as usize], if stream == 7 { 113 } else { 1 });
                        assert!(ts >= last && packet.origlen == 999);
                        (last, seen) = (ts, seen + 1);
                    }
                    _ => {}
                }
                reader.consume(used);
            }
            Err(pcap_parser::PcapError::Eof) => break,
            Err(pcap_parser::PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((links, seen), (vec![1, 113], packets));
}

#[test]
fn what_is_being_written_can_be_read() {
    let root = folder();
    let options = crate::Options { segment_bytes: 64 << 20, ..options(root.path()) };
    let (spool, mut gatherers) = Spool::start(&options, 1).unwrap();
    let packets = call(&mut gatherers[0], [1, 1]);
    gatherers[0].flush_all();
    while spool.counters().pending() > 0 {
        std::thread::yield_now();
    }
    let wanted = CALL.map(|(kind, key)| want(kind, key));
    let hits = find(root.path(), &wanted).unwrap();
    assert!(hits.segments.iter().all(|path| path.to_str().unwrap().ends_with(".part")));
    let live = export(root.path(), &wanted, &mut io::sink(), Format::PcapNg).unwrap();
    assert_eq!((live.packets, live.damaged), (packets, 0));
    drop(gatherers);
    spool.seal().unwrap();
    let sealed = export(root.path(), &wanted, &mut io::sink(), Format::PcapNg).unwrap();
    assert_eq!(sealed, live);
}

#[test]
fn damage_costs_its_chunk_only_and_lost_indexes_nothing() {
    let root = folder();
    let (spool, mut gatherers) = Spool::start(&options(root.path()), 1).unwrap();
    call(&mut gatherers[0], [1, 1]);
    drop(gatherers);
    spool.seal().unwrap();
    let wanted = [want(Kind::Rtp, 8)];
    let hits = find(root.path(), &wanted).unwrap();
    let all = export(root.path(), &wanted, &mut io::sink(), Format::Pcap).unwrap();
    for source in &hits.files {
        fs::remove_file(source.place.index_path()).unwrap();
    }
    let again = export(root.path(), &wanted, &mut io::sink(), Format::Pcap).unwrap();
    assert_eq!(again, all);
    for source in &hits.files {
        fs::write(source.place.index_path(), b"RTIX is what an index starts with").unwrap();
    }
    assert_eq!(export(root.path(), &wanted, &mut io::sink(), Format::Pcap).unwrap(), all);
    crate::recover(root.path()).unwrap();
    let hurt = &hits.chunks[1];
    let path = &hits.segments[hurt.segment];
    let mut bytes = fs::read(path).unwrap();
    bytes[hurt.entry.offset as usize + crate::format::HEADER_BYTES + 30] ^= 1;
    fs::write(path, bytes).unwrap();
    let rest = export(root.path(), &wanted, &mut io::sink(), Format::Pcap).unwrap();
    assert_eq!((rest.damaged, rest.packets), (1, all.packets - u64::from(hurt.packets)));
}

proptest! {
    #[test]
    fn an_index_comes_back_and_damage_is_noticed(
        entries in vec((any::<u32>(), 0_u8..3, any::<[u64; 4]>(), any::<[u32; 3]>()), 0..20),
        flip: prop::sample::Index,
    ) {
        let entries: Vec<Entry> = entries
            .into_iter()
            .map(|(realm, kind, [key, first_ns, last_ns, offset], lengths)| {
                let [packets, records_len, body_len] = lengths;
                let key = ChunkKey { realm, kind: Kind::from_byte(kind).unwrap(), key, link: 1 };
                Entry { key, first_ns, last_ns, offset, packets, records_len, body_len }
            })
            .collect();
        let facts =
            index::Facts { class: Class::Media, link: 1, sensor: 2, segment: 3, segment_len: 4 };
        let index = Index::encode(facts, &entries);
        prop_assert_eq!(index.entries().collect::<Vec<_>>(), entries);
        let root = folder();
        let place = Place::from_path(&root.path().join("x.pcap.zst")).unwrap();
        index.write(&place).unwrap();
        let mut bytes = fs::read(place.index_path()).unwrap();
        prop_assert_eq!(Index::decode(bytes.clone()), Some(index));
        let bit = flip.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Index::decode(bytes.clone()), None);
        bytes.truncate(bit / 8);
        prop_assert_eq!(Index::decode(bytes), None);
    }
}
