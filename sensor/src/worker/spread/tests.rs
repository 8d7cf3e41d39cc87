//! Workers that read, give and take, without the rest of them.

use ringtap_capture::{Frame, Link};
use ringtap_common::maps::PortSets;
use ringtap_common::peel::DEPTH;
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::tunnel::Wrap;

use super::*;
use crate::worker::decode::{Decoder, Opening};

fn frame(clock: u64, bytes: &[u8]) -> Frame<'_> {
    let wire_len = bytes.len() as u32;
    Frame { ts: clock, clock, order: clock, origin: 0, link: Link::Ethernet, wire_len, bytes }
}

fn udp(from: u16, to: u16) -> Packet<'static> {
    Packet::udp(([10, 0, 0, 1], from).into(), ([10, 0, 0, 2], to).into(), b"RTP")
}

/// What the other side sends.
fn answer(from: u16, to: u16) -> Packet<'static> {
    Packet::udp(([10, 0, 0, 2], from).into(), ([10, 0, 0, 1], to).into(), b"RTP")
}

fn home(spread: &Spread, bytes: &[u8]) -> usize {
    let decoder = Decoder::new(Opening { ports: PortSets::default(), depth: DEPTH }, None);
    let decoded = decoder.walk(frame(0, bytes)).unwrap();
    spread.place(&decoded).unwrap_or(spread.worker)
}

/// The clocks of what is taken, 1000 more for what was put together, and before which time
/// nothing is left.
fn taken(spread: &mut Spread, now_ns: u64) -> (Vec<u64>, u64) {
    let (mut inbox, read, due_ns) = spread.begin(now_ns);
    let mut clocks = Vec::new();
    let left_ns = inbox.take(&read, (now_ns, due_ns), |given| match given {
        Given::Frames(frames) => clocks.extend(frames.map(|frame| frame.clock)),
        Given::Whole(frame, _) => clocks.push(1000 + frame.clock),
    });
    spread.end(inbox);
    (clocks, left_ns)
}

#[test]
fn a_flow_has_one_worker_both_ways_with_its_rtcp_and_in_any_tunnel() {
    let spreads = mesh(&[1; 4], Which::All);
    let mut homes = [0; 4];
    for port in (10_000..10_400).step_by(2) {
        let packet = udp(port, 20_000);
        let one = home(&spreads[0], &packet.build());
        homes[one] += 1;
        for worker in &spreads {
            assert_eq!(home(worker, &answer(20_000, port).build()), one);
            assert_eq!(home(worker, &udp(port + 1, 20_001).build()), one, "RTCP");
            assert_eq!(home(worker, &Wrap::Gre.wrap(&packet.build())), one);
            assert_eq!(home(worker, &Wrap::Vxlan.wrap(&packet.vlan(7).build())), one);
        }
    }
    assert!(homes.iter().all(|flows| *flows > 20), "{homes:?}");
    let tunnels = &mesh(&[1; 4], Which::Tunnels)[0];
    let decoder = Decoder::new(Opening { ports: PortSets::default(), depth: DEPTH }, None);
    for port in 10_000..10_100 {
        let plain = udp(port, 20_000).build();
        assert_eq!(home(tunnels, &plain), 0, "no tunnel: it stays");
        let whole = decoder.walk(frame(0, &plain)).unwrap();
        assert_eq!(tunnels.elsewhere(&whole), None, "also what comes in pieces");
    }
}

#[test]
fn frames_are_taken_in_the_order_of_their_times_when_no_earlier_one_can_come() {
    // The first worker has two interfaces, the second one.
    let mut spreads = mesh(&[2, 1], Which::All);
    let [first, second] = &mut spreads[..] else { panic!() };
    let mut give = |source: usize, clock: u64, as_what: As<'_>| {
        first.read_from(source);
        assert!(first.give(0, &frame(clock, b"a"), as_what));
    };
    give(0, 10, As::Read);
    give(0, 12, As::Read);
    give(0, 30, As::Read);
    give(1, 11, As::Whole(None));
    first.has_read(0, 30);
    first.has_read(1, 12);
    assert_eq!(taken(first, 0), (vec![], 0), "the third source was not read");
    assert!(second.give(0, &frame(9, b"b"), As::Read));
    second.has_read(0, 20);
    assert!(second.has_given() && !first.has_given());
    assert_eq!(taken(first, 0), (vec![9, 10, 1011], 12));
    first.has_read(1, 40);
    assert_eq!(taken(first, 0), (vec![12], 20));
    assert_eq!(taken(first, 31 + PATIENCE_NS), (vec![30], 20), "it is not waited for for ever");
    assert_eq!(taken(second, 0), (vec![], 20));
    first.has_read_all();
    second.has_read_all();
    assert_eq!(taken(second, 0), (vec![], u64::MAX));
}

#[test]
fn flows_of_tunnels_are_taken_at_once() {
    let mut spreads = mesh(&[1, 1], Which::Tunnels);
    let [first, second] = &mut spreads[..] else { panic!() };
    assert!(first.give(1, &frame(11, b"a"), As::Read));
    assert!(first.give(1, &frame(12, b"b"), As::Whole(None)));
    assert!(!second.is_busy(2 * BUSY_NS));
    assert_eq!(taken(second, 5), (vec![11, 1012], 0));
    assert!(second.is_busy(6));
    first.has_read(0, 14);
    second.has_read(0, 20);
    assert_eq!(taken(second, 6), (vec![], 14));
}

#[test]
fn rings_are_bounded_and_what_is_left_in_them_holds_time_back() {
    let mut spreads = mesh(&[1, 0], Which::All);
    let [first, second] = &mut spreads[..] else { panic!() };
    let bytes = vec![0; 60_000];
    let given = (0..1_000).filter(|clock| first.give(1, &frame(*clock, &bytes), As::Read)).count();
    assert!((50..200).contains(&given), "{given}");
    first.has_read(0, 5_000);
    let (mut all, mut left_ns) = (Vec::new(), 0);
    while left_ns < 5_000 {
        let more;
        (more, left_ns) = taken(second, 0);
        assert!(!more.is_empty() && more.len() < given, "a part at a time");
        all.extend(more);
        assert!(left_ns == 5_000 || Some(&left_ns) == all.last(), "{left_ns}");
    }
    assert_eq!(all, (0..given as u64).collect::<Vec<_>>(), "nothing is left behind");
    assert!(!second.give(0, &frame(0, &bytes), As::Read), "it has no source");
}
