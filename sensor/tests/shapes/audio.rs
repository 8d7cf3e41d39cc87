//! What the telephones play: capture files of G.711 noise, as many packets as their names say.
//!
//! The same bytes on every run, and the same SSRC in every call: streams must be told apart by
//! flow and call. sipp takes the payloads and puts its own addresses and ports before them.

use std::path::Path;

use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::{Event, Rtp};
use ringtap_testkit::pcap;

use crate::ladder::Side;

/// Samples, and bytes, of 20 ms.
const SAMPLES: u32 = 160;
/// Nanoseconds of 20 ms.
const STEP_NS: u64 = 20_000_000;
/// Packets of a telephone event: five while the key is down, and the end thrice (RFC 4733
/// §2.5.1.4).
const EVENT_PACKETS: u32 = 8;
/// Payload type of telephone events.
const EVENT_TYPE: u8 = 101;

/// A piece of audio, by its name in a ladder: `pcmu-50`, `pcma-50`, `digit-48`, and `pcmu-50+50`
/// for one whose numbering goes on after 50 packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tune {
    name: &'static str,
    payload_type: u8,
    packets: u32,
    first: u32,
    /// A key is pressed in its middle.
    digit: bool,
}

impl Tune {
    pub(crate) fn read(name: &'static str) -> Self {
        let (kind, count) = name.split_once('-').expect("a tune has a number of packets");
        let (count, first) = count.split_once('+').unwrap_or((count, "0"));
        let number = |text: &str| text.parse().expect("a number of packets");
        let payload_type = match kind {
            "pcmu" | "digit" => 0,
            "pcma" => 8,
            other => panic!("no tune is called {other}"),
        };
        let (packets, first) = (number(count), number(first));
        Self { name, payload_type, packets, first, digit: kind == "digit" }
    }

    /// The capture file's name.
    pub(crate) fn file(&self, side: Side) -> String {
        format!("{}-{}.pcap", side.label(), self.name)
    }

    /// Writes the capture file into `folder`.
    pub(crate) fn write(&self, folder: &Path, side: Side) {
        let path = folder.join(self.file(side));
        let mut bytes = Vec::new();
        let mut file = pcap::Writer::new(&mut bytes, pcap::Options::default()).expect("a header");
        for place in 0..self.packets {
            let payload = self.packet(place, side);
            let ends = ["10.0.0.1:20000", "10.0.0.2:20000"].map(|a| a.parse().expect("an address"));
            let frame = Packet::udp(ends[0], ends[1], &payload).build();
            file.frame(u64::from(place) * STEP_NS, &frame).expect("memory can be written");
        }
        file.finish().expect("memory can be written");
        std::fs::write(path, bytes).expect("a file can be written");
    }

    fn packet(&self, place: u32, side: Side) -> Vec<u8> {
        let down = self.packets / 2 - EVENT_PACKETS / 2;
        let event = place.checked_sub(down).filter(|n| self.digit && *n < EVENT_PACKETS);
        let ssrc = if side == Side::Caller { 0x0ca1_1e12 } else { 0x5e2e_e201 };
        let number = self.first + place;
        let start = number - event.unwrap_or(0);
        let mut payload = Vec::new();
        Rtp {
            payload_type: if event.is_some() { EVENT_TYPE } else { self.payload_type },
            marker: place == 0 || event == Some(0),
            seq: 1000 + u16::try_from(number).expect("few packets"),
            timestamp: 8000 + start * SAMPLES,
            ssrc,
        }
        .write(&mut payload);
        match event {
            // Key 5, volume 10; the last three say that it is over, and for how long it was down.
            Some(n) => {
                let last = EVENT_PACKETS - 3;
                let duration = (n.min(last) + 1) as u16 * SAMPLES as u16;
                payload.extend(Event { code: 5, end: n >= last, volume: 10, duration }.bytes());
            }
            None => {
                let mut noise = u64::from(ssrc) << 16 | u64::from(number);
                for _ in 0..SAMPLES {
                    // Knuth's 64-bit linear congruence; its high bits are good enough for noise.
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    // Quiet noise: the lower segments, either sign.
                    payload.push(0x60 | (noise >> 56) as u8);
                }
            }
        }
        payload
    }
}
