//! Moments of loss by hand.

use ringtap_media::Packet;

use super::*;

const MS: u64 = 1_000_000;

/// A G.711 stream that misses numbers, and the holes that it has told.
fn stream(missing: impl Fn(u16) -> bool) -> (Stream, Vec<Hole>) {
    let packet = |number: u16| Packet {
        clock_ns: 5_000 * MS + u64::from(number) * 20 * MS,
        ts_ns: u64::from(number) * 20 * MS,
        seq: number,
        timestamp: u32::from(number) * 160,
        ..Packet::default()
    };
    let mut stream = Stream::new(&packet(0));
    let mut holes = Vec::new();
    for number in (1..400).filter(|number| !missing(*number)) {
        stream.push(&packet(number));
        holes.extend(stream.take_hole());
    }
    (stream, holes)
}

fn at(number: u64) -> u64 {
    5_000 * MS + number * 20 * MS
}

/// Two workers' gaps at the end of an outage before packet 100, of 40 running streams.
fn heard(gaps: [u32; 2]) -> Instants {
    let mut instants = Instants::default();
    for (worker, gaps) in gaps.into_iter().enumerate() {
        let mut own = Instants::default();
        (0..gaps).for_each(|gap| own.note(3, at(100) + u64::from(gap % 2) * STEP_NS));
        own.begin_count();
        (0..20).for_each(|_| own.count(3));
        own.counted();
        instants.hear(worker as u16, &own.tell().unwrap());
        assert_eq!(own.tell(), None);
    }
    instants
}

fn judged(instants: &mut Instants, origin: u16) -> Blame {
    let (stream, holes) = stream(|number| (95..100).contains(&number) || number == 300);
    let mut suspicion = Suspicion::default();
    for hole in holes {
        suspicion.push(hole, &stream, origin, instants);
    }
    suspicion.judge(u64::MAX, &stream, origin, instants);
    suspicion.take()
}

#[test]
fn half_of_all_streams_at_once_is_the_mirror() {
    let blame = judged(&mut heard([12, 12]), 3);
    assert_eq!((blame.sensor, blame.mirror), (0, 5));
    let [evidence] = blame.evidence[..] else { panic!("{blame:?}") };
    assert_eq!((evidence.cause, evidence.lost), (Cause::Mirror, 5));
    assert_eq!((evidence.seen, evidence.of), (24, 40));
    assert_eq!(evidence.ts_ns, 100 * 20 * MS);
}

#[test]
fn where_nothing_is_mirrored_it_is_the_network() {
    let mut instants = heard([12, 12]);
    instants.no_mirror();
    assert_eq!(judged(&mut instants, 3), Blame::default());
    instants.dropped(at(94), at(101), 2);
    assert_eq!(judged(&mut instants, 3).sensor, 2);
}

#[test]
fn few_streams_or_another_interface_are_the_network() {
    assert_eq!(judged(&mut heard([12, 7]), 3), Blame::default(), "less than half");
    assert_eq!(judged(&mut heard([12, 12]), 4), Blame::default(), "another interface");
    let mut few = Instants::default();
    (0..7).for_each(|_| few.note(3, at(100)));
    (0..7).for_each(|_| few.count(3));
    few.counted();
    let told = few.tell().unwrap();
    few.hear(0, &told);
    assert_eq!(judged(&mut few, 3), Blame::default(), "too few to mean anything");
}

#[test]
fn what_is_always_so_is_no_outage() {
    let mut instants = heard([12, 12]);
    let counts = (1..100).map(|back| Count { origin: 3, step: at(100) / STEP_NS - back, gaps: 2 });
    instants.hear(0, &Told { counts: counts.collect(), running: None });
    assert_eq!(judged(&mut instants, 3), Blame::default());
}

#[test]
fn drops_of_the_own_sockets_come_first_and_bound_the_blame() {
    let mut instants = heard([12, 12]);
    instants.dropped(at(90), at(96), 3);
    instants.dropped(at(310), at(320), 50);
    let blame = judged(&mut instants, 3);
    assert_eq!((blame.sensor, blame.mirror), (3, 0));
    assert_eq!(blame.evidence[0].seen, 3);
}

#[test]
fn what_comes_late_is_not_lost() {
    let packet = |number: u16, at: u16| Packet {
        clock_ns: u64::from(at) * 20 * MS,
        seq: number,
        timestamp: u32::from(number) * 160,
        ..Packet::default()
    };
    let mut stream = Stream::new(&packet(0, 0));
    stream.push(&packet(3, 3));
    let hole = stream.take_hole().unwrap();
    assert_eq!((hole.count, stream.still_missing(&hole)), (2, 2));
    stream.push(&packet(1, 4));
    assert_eq!(stream.still_missing(&hole), 1);
    let mut instants = Instants::default();
    instants.dropped(0, u64::MAX, 9);
    let mut suspicion = Suspicion::default();
    suspicion.push(hole, &stream, 0, &mut instants);
    assert!(suspicion.is_due(60 * MS + SETTLED_NS) && !suspicion.is_due(60 * MS));
    suspicion.judge(u64::MAX, &stream, 0, &instants);
    assert_eq!(suspicion.take().sensor, 1);
}

#[test]
fn evidence_is_bounded_but_counts_go_on() {
    let (stream, holes) = stream(|number| number % 4 == 1 && number > 4);
    assert!(holes.len() > 2 * EVIDENCE_MAX);
    let mut instants = Instants::default();
    instants.dropped(0, u64::MAX, 1000);
    let mut suspicion = Suspicion::default();
    let lost = holes.len() as u64;
    for hole in holes {
        suspicion.push(hole, &stream, 0, &mut instants);
    }
    suspicion.judge(u64::MAX, &stream, 0, &instants);
    let blame = suspicion.take();
    assert_eq!((blame.sensor, blame.evidence.len()), (lost, EVIDENCE_MAX));
}

#[test]
fn holes_of_one_step_are_one_and_nothing_is_lost_of_them() {
    let packet = |number: u32| Packet {
        clock_ns: 1_000 * MS + u64::from(number) * MS,
        seq: number as u16,
        timestamp: number * 8,
        ..Packet::default()
    };
    let mut instants = Instants::default();
    instants.dropped(0, u64::MAX, 1000);
    let (mut stream, mut suspicion) = (Stream::new(&packet(0)), Suspicion::default());
    for number in (2..6_000).step_by(2) {
        stream.push(&packet(number));
        let hole = stream.take_hole().unwrap();
        suspicion.push(hole, &stream, 0, &mut instants);
        if number == 5_990 {
            stream.push(&packet(number - 1));
        }
    }
    let steps = instants.tell().unwrap().counts;
    assert!(steps.len() == 600 && steps.iter().all(|count| count.gaps == 1));
    let blame = suspicion.so_far(&stream, 0, &instants);
    suspicion.judge(u64::MAX, &stream, 0, &instants);
    // All but the one that came late, the first ones too, which the window no longer reaches.
    assert_eq!((blame.sensor, suspicion.take().sensor), (2_998, 2_998));
    assert_eq!(blame.evidence[0].lost, 4, "numbers 1 to 7: the packet at 10 ms is the next step's");
}
