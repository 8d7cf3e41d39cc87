//! What the sensor's own sockets drop is blamed on the sensor: all of it, by every stream that it
//! hit, on every queue; and nothing else is.
//!
//! The sensor is stopped for a second of traffic. The sockets of the busy queues run out of
//! buffers, those of the quiet ones do not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};
use serde_json::Value;

use super::lost_by_sockets;
use crate::compare::streams;
use crate::lab::Lab;
use crate::live_call::listed;
use crate::sender::{Lane, processors, send_all};
use crate::sensor::{Files, Sensor, number, wait_for};

/// Calls of the busy queues: in a second 1200 packets, for two queues with 512 buffers at most.
const BUSY: u64 = 12;
/// And one call of the quiet queues: 100 packets in a second.
const CALLS: u64 = BUSY + 1;
/// Packets of a stream in one part, a second.
const PART: u16 = 50;
/// The whole of a stream.
const NUMBERS: u64 = 3 * PART as u64;
/// How long something may take that takes moments.
const LIMIT: Duration = Duration::from_secs(20);

/// A number that the network loses of the first stream of a call, before it comes to the mirror:
/// of the first busy call long before the sensor stops, of the quiet one while it is stopped.
fn lost_before(call: u64) -> Option<u16> {
    match call {
        0 => Some(PART / 2),
        BUSY => Some(PART + PART / 2),
        _ => None,
    }
}

fn media(call: u64, side: Side) -> SocketAddr {
    let host = if side == Side::Caller { 1 } else { 2 };
    SocketAddr::from(([10, 9, call as u8, host], 20_000))
}

fn sip(call: u64, message: &Message<'_>) -> Vec<u8> {
    let [from, to] = [1, 2].map(|host| SocketAddr::from(([10, 9, 200, host], 5060)));
    let dialog = Dialog::new(call, from, to);
    let (src, dst) = dialog.way(message.from);
    Packet::udp(src, dst, dialog.text(message).as_bytes()).ip_id(1).build()
}

fn begun(call: u64) -> [Vec<u8>; 2] {
    let [from, to] =
        [Side::Caller, Side::Called].map(|side| Media::new(media(call, side), 0, "PCMU/8000"));
    let invite = Message::request(Side::Caller, Method::Invite, 1).media(&from);
    let answer = Message::response(Side::Called, 200, Method::Invite, 1).media(&to);
    [sip(call, &invite), sip(call, &answer)]
}

fn ended(call: u64) -> [Vec<u8>; 2] {
    let bye = Message::request(Side::Caller, Method::Bye, 2);
    [sip(call, &bye), sip(call, &Message::response(Side::Called, 200, Method::Bye, 2))]
}

fn rtp(call: u64, side: Side, seq: u16, timestamp: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let ssrc = call as u32 * 2 + u32::from(side == Side::Called);
    Rtp { payload_type: 0, marker: false, seq, timestamp, ssrc }.write(&mut payload);
    payload.resize(172, 0xd5);
    Packet::udp(media(call, side), media(call, side.peer()), &payload).ip_id(1).build()
}

/// One second of every stream, and where each frame goes: to the busy queues or to the quiet ones.
struct Part(Vec<(u64, bool, Vec<u8>)>);

impl Part {
    /// The part from a number on. However long ago the first began, timestamps go with the clock,
    /// as those of a sender that was silent meanwhile.
    fn new(from: u16, began: Instant) -> Self {
        let base = u32::try_from(began.elapsed().as_millis() / 20 * 160).expect("a brief test");
        let mut frames = Vec::new();
        for number in 0..PART {
            for call in 0..CALLS {
                let due_ns = u64::from(number) * 20_000_000 + call * 1_000_000;
                for side in [Side::Caller, Side::Called] {
                    let seq = from + number;
                    if side == Side::Caller && lost_before(call) == Some(seq) {
                        continue;
                    }
                    let timestamp = base + u32::from(number) * 160;
                    frames.push((due_ns, call < BUSY, rtp(call, side, seq, timestamp)));
                }
            }
        }
        Self(frames)
    }

    /// Sends it in real time, busy and quiet streams on a processor each; gives the frames sent.
    fn send(&self, lab: &Lab, cpus: [usize; 2]) -> u64 {
        let lane = |cpu, busy| {
            let frames = self.0.iter().filter(|(_, of, _)| *of == busy);
            let frames = frames.map(|(due_ns, _, bytes)| (*due_ns, bytes.as_slice())).collect();
            Lane { cpu: Some(cpu), frames, ..Lane::default() }
        };
        send_all(lab, &[lane(cpus[0], true), lane(cpus[1], false)]);
        self.0.len() as u64
    }
}

/// Sends messages of all calls on the quiet queues; gives their number.
fn signal(lab: &Lab, cpu: usize, of: fn(u64) -> [Vec<u8>; 2]) -> u64 {
    let messages: Vec<Vec<u8>> = (0..CALLS).flat_map(of).collect();
    let frames = messages.iter().map(|bytes| (0, bytes.as_slice())).collect();
    send_all(lab, &[Lane { cpu: Some(cpu), frames, ..Lane::default() }]);
    messages.len() as u64
}

/// What a stream says of its loss, and whether its evidence agrees.
fn blame(stream: &Value) -> [u64; 4] {
    let keys = ["lost", "lost_sensor", "lost_mirror", "lost_network"];
    let lost = keys.map(|key| number(&stream[key]));
    let evidence = stream["loss_evidence"].as_array().expect("a list");
    assert!(evidence.iter().all(|one| one["cause"] == "sensor"), "{stream:#}");
    assert!(evidence.iter().all(|one| number(&one["seen"]) >= number(&one["lost"])), "{stream:#}");
    let shown: u64 = evidence.iter().map(|one| number(&one["lost"])).sum();
    assert_eq!(shown, lost[1], "{stream:#}");
    lost
}

/// Holds the calls, live ones or records, against the truth: each stream lost what the network
/// took, and what sockets dropped of it, which for all of them is what the kernel counted.
fn check(calls: &[Value], dropped: u64) {
    assert_eq!(calls.len() as u64, CALLS);
    let mut of_sensor = 0;
    for stream in calls.iter().flat_map(streams) {
        let ssrc = number(&stream["ssrc"]);
        let from_caller = ssrc.is_multiple_of(2);
        let network = u64::from(from_caller && lost_before(ssrc / 2).is_some());
        let [lost, sensor, mirror, rest] = blame(stream);
        assert_eq!(number(&stream["received"]) + lost, NUMBERS, "{stream:#}");
        assert_eq!((mirror, rest), (0, network), "{stream:#}");
        assert!(ssrc / 2 < BUSY || sensor == 0, "its sockets dropped nothing: {stream:#}");
        of_sensor += sensor;
    }
    assert_eq!(calls.iter().flat_map(streams).count() as u64, 2 * CALLS);
    assert_eq!(of_sensor, dropped);
}

#[test]
fn what_the_sockets_drop_is_the_sensors_and_nothing_else() {
    let Some(lab) = Lab::new() else { return };
    let &[first, second, ..] = processors().as_slice() else {
        println!("skipped: needs two processors");
        return;
    };
    lab.queues_by_processor([first, second]);
    let options = ["--capture", "xdp", "-O", "xdp_buffers=256"];
    let sensor = Sensor::start(&lab, &Files::new(&lab, "sensor"), &options);
    let files = sensor.files.clone();
    let mut sent = signal(&lab, second, begun);
    let began = Instant::now();
    sent += Part::new(0, began).send(&lab, [first, second]);
    assert_eq!(lost_by_sockets(&sensor.settled(sent)), 0);

    sensor.signal("STOP");
    sent += Part::new(PART, began).send(&lab, [first, second]);
    wait_for("all frames have arrived", LIMIT, || (lab.received() == sent).then_some(()));
    sensor.signal("CONT");
    let dropped = lost_by_sockets(&sensor.settled(sent));
    println!("the sockets dropped {dropped} of {} frames", BUSY * 2 * u64::from(PART));
    assert!(dropped >= BUSY * 2 * u64::from(PART) - 2 * 512);

    sent += Part::new(2 * PART, began).send(&lab, [first, second]);
    assert_eq!(lost_by_sockets(&sensor.settled(sent)), dropped);
    let running = wait_for("the blame of all that was lost, live", LIMIT, || {
        let calls = listed(&files, &[]);
        let blamed: u64 = calls.iter().flat_map(streams).map(|s| number(&s["lost_sensor"])).sum();
        (blamed >= dropped).then_some(calls)
    });
    check(&running, dropped);

    sent += signal(&lab, second, ended);
    let records = wait_for("all records", LIMIT, || {
        Some(files.calls()).filter(|calls| calls.len() as u64 == CALLS)
    });
    check(&records, dropped);
    sensor.settled(sent);
    let messages = sensor.finish();
    assert!(messages.contains("Ledger: balances"), "{messages}");
}
