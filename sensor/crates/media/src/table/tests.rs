//! Probation, limits, and the slots against a map.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn key(number: u32) -> Key {
    let mut src = [0; 16];
    src[12..].copy_from_slice(&number.to_be_bytes());
    Key { flow: FlowKey { src, dst: [1; 16], sport: 1000, dport: 2000 }, ssrc: number / 3 }
}

fn packet(seq: u16) -> Packet {
    Packet {
        clock_ns: u64::from(seq) * 20_000_000,
        seq,
        timestamp: u32::from(seq) * 160,
        payload_len: 160,
        ..Packet::default()
    }
}

fn insert(table: &mut Table<u32>, number: u32, seq: u16) -> Result<Id, Full> {
    let key = key(number);
    table.insert(table.hash_of(&key), key, &packet(seq), number)
}

#[test]
fn three_packets_make_a_stream_and_are_counted() {
    let mut table = Table::new(10, 1);
    let id = insert(&mut table, 1, 5).unwrap();
    let entry = table.get_mut(id).unwrap();
    assert_eq!(entry.push(&packet(5)), Step::Probation);
    assert_eq!(entry.push(&packet(7)), Step::Probation);
    assert_eq!(entry.push(&packet(6)), Step::Confirmed);
    assert_eq!(entry.push(&packet(8)), Step::Stream(Pushed::Continues));
    let report = entry.stream.report();
    assert_eq!((report.received, report.duplicate, report.reordered), (4, 1, 1));
}

#[test]
fn what_does_not_fit_begins_anew() {
    let mut table = Table::new(10, 1);
    let id = insert(&mut table, 1, 5).unwrap();
    let entry = table.get_mut(id).unwrap();
    assert_eq!(entry.push(&packet(6)), Step::Probation);
    assert_eq!(entry.push(&packet(500)), Step::Restarted(2));
    let mut other = packet(501);
    other.payload_type = 8;
    assert_eq!(entry.push(&other), Step::Restarted(1));
    other.timestamp = 1 << 30;
    other.seq += 1;
    assert_eq!(entry.push(&other), Step::Restarted(1));
    assert!(!entry.confirmed);
    assert_eq!(entry.stream.packets(), 1);
}

#[test]
fn the_limit_is_counted_and_ids_are_not_reused() {
    let mut table = Table::new(2, 1);
    let first = insert(&mut table, 1, 0).unwrap();
    insert(&mut table, 2, 0).unwrap();
    assert_eq!(insert(&mut table, 3, 0), Err(Full));
    assert_eq!(table.remove(first).unwrap().data, 1);
    let third = insert(&mut table, 3, 0).unwrap();
    assert!(table.get(first).is_none() && table.remove(first).is_none());
    assert_eq!(table.get(third).unwrap().data, 3);
    assert_eq!(table.counters(), Counters { inserted: 3, full: 1, forgotten: 0 });
    let order: Vec<u32> = table.ids().iter().map(|id| table.get(*id).unwrap().data).collect();
    assert_eq!(order, [2, 3]);
}

#[test]
fn a_sweep_forgets_ghosts_and_names_the_idle() {
    let mut table = Table::new(1000, 1);
    let mut stream = None;
    for number in 0..300 {
        let id = insert(&mut table, number, 0).unwrap();
        if number == 150 {
            let entry = table.get_mut(id).unwrap();
            entry.push(&packet(1));
            entry.push(&packet(2));
            stream = Some(id);
        }
    }
    let mut expired = Vec::new();
    let now = 3_000_000_000;
    for _ in 0..30 {
        table.sweep(now, 10, 300_000_000_000, &mut expired);
    }
    assert_eq!((table.len(), table.counters().forgotten, expired.len()), (1, 299, 0));
    table.sweep(now, 300, 1_000_000_000, &mut expired);
    assert_eq!(expired, [stream.unwrap()]);
}

proptest! {
    #[test]
    fn equals_a_map(steps in proptest::collection::vec((0u32..60, any::<bool>()), 1..400)) {
        let mut table = Table::new(40, 7);
        let mut map = HashMap::new();
        for (number, add) in steps {
            let key = key(number);
            let hash = table.hash_of(&key);
            prop_assert_eq!(table.find(hash, &key), map.get(&number).copied());
            match (add, map.get(&number).copied()) {
                (true, None) => match insert(&mut table, number, 0) {
                    Ok(id) => {
                        map.insert(number, id);
                    }
                    Err(Full) => prop_assert_eq!(map.len(), 40),
                },
                (false, Some(id)) => {
                    prop_assert_eq!(table.remove(id).unwrap().data, number);
                    map.remove(&number);
                }
                _ => {}
            }
            prop_assert_eq!(table.len(), map.len());
        }
        for (number, id) in map {
            prop_assert_eq!(table.find(table.hash_of(&key(number)), &key(number)), Some(id));
            prop_assert_eq!(table.get(id).unwrap().data, number);
        }
    }
}
