//! Ties of calls, and the legs that are found by them.

use super::*;

/// A call with ties, `seconds` after the others.
fn tied(n: u64, key: u64, tokens: &[u64], seconds: u64) -> Record {
    let mut call = fixture::call(n);
    call.callid = format!("leg-{n}").into();
    call.call_key = key;
    call.calldate_us += seconds * 1_000_000;
    call.callend_us += seconds * 1_000_000;
    call.legs.tokens = tokens.to_vec();
    call.legs.leg_group = (!tokens.is_empty()).then_some(u64::MAX >> 1);
    boxed(call)
}

fn legs(store: &mut Database, id: u64) -> Vec<u64> {
    let call = store.call(id).unwrap().unwrap();
    assert!(call.legs.known.iter().all(|leg| leg.callid == format!("leg-{}", leg.id)));
    call.legs.known.iter().map(|leg| leg.id).collect()
}

#[test]
fn ties_come_back_and_legs_of_legs_are_found_from_each_of_them() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let records = [
        tied(1, 100, &[7], 0),
        tied(2, 200, &[7, u64::MAX], 1),
        // Whose Call-ID the second one carries, and one that carries this one's.
        tied(3, u64::MAX, &[], 2),
        tied(4, 400, &[u64::MAX], 3),
        tied(5, 500, &[9], 4),
    ];
    store.write(&records).unwrap();
    for id in 1..=4 {
        let others: Vec<u64> = (1..=4).filter(|other| *other != id).collect();
        assert_eq!(legs(&mut store, id), others);
    }
    assert_eq!(legs(&mut store, 5), [0u64; 0]);
    let second = store.call(2).unwrap().unwrap();
    assert_eq!(second.legs.tokens.len(), 2);
    assert!(second.legs.tokens.contains(&u64::MAX));
    assert_eq!(second.legs.leg_group, Some(u64::MAX >> 1));
}

#[test]
fn calls_days_apart_are_no_legs_and_neither_are_those_with_a_call_id_used_again() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let day = 24 * 3600;
    let records = [tied(1, 100, &[7], 0), tied(2, 200, &[7], day + 1), tied(3, 100, &[], 60)];
    store.write(&records).unwrap();
    for id in 1..=3 {
        assert_eq!(legs(&mut store, id), [0u64; 0]);
    }
}

#[test]
fn a_flood_of_legs_gives_a_bounded_answer() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let records: Vec<Record> = (1..=500).map(|n| tied(n, 1000 + n, &[7, n + 5000], 0)).collect();
    store.write(&records).unwrap();
    assert_eq!(legs(&mut store, 250).len(), crate::record::LEGS_MAX - 1);
}
