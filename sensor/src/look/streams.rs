//! RTP that goes on: a stream is three packets in sequence between two ends under one SSRC.
//!
//! Single packets that look like RTP are common in other traffic; streams are not.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_common::classify::{Class, Ports, classify};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::rtp;

use crate::worker::decode::Decoded;

/// Senders that are watched at one time.
const STREAMS_MAX: usize = 1 << 16;

/// Packets in sequence that make a stream.
const IN_SEQUENCE: u8 = 3;

/// Every port may have media, and none anything else.
struct AnyPort;

impl Ports for AnyPort {
    fn sip(&self, _: u16) -> bool {
        false
    }

    fn media(&self, _: u16) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    last: u16,
    in_sequence: u8,
    packets: u64,
    on_media_port: bool,
}

/// Streams so far.
#[derive(Debug, Default)]
pub(super) struct Streams {
    senders: HashMap<(FlowKey, u32), Sender, RandomState>,
    untold: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Streams on the ports of media.
    pub(super) streams: usize,
    /// Streams elsewhere.
    pub(super) elsewhere: usize,
    /// Their packets.
    pub(super) packets_elsewhere: u64,
    /// The lowest and the highest port that they are sent to.
    pub(super) ports: Option<(u16, u16)>,
    /// Streams for which there is another one the other way.
    pub(super) answered: usize,
    /// Packets of senders beyond the limit.
    pub(super) untold: u64,
}

impl Streams {
    /// A packet that may be RTP. True: it looks like media.
    pub(super) fn packet(&mut self, decoded: &Decoded<'_>, on_media_port: bool) -> bool {
        if !on_media_port {
            match classify(&decoded.frame.bytes, &decoded.headers, &AnyPort) {
                Class::Rtp => {}
                Class::Rtcp | Class::Stun | Class::Dtls => return true,
                Class::Sip | Class::Other => return false,
            }
        }
        let Ok(view) = rtp::View::parse(decoded.payload()) else { return false };
        let (key, sequence) = ((decoded.flow(), view.ssrc()), view.sequence());
        let room = self.senders.len() < STREAMS_MAX;
        match self.senders.get_mut(&key) {
            Some(sender) => {
                let follows = sequence == sender.last.wrapping_add(1);
                if sender.in_sequence < IN_SEQUENCE {
                    sender.in_sequence = if follows { sender.in_sequence + 1 } else { 1 };
                }
                sender.last = sequence;
                sender.packets += 1;
            }
            None if room => {
                let sender = Sender { last: sequence, in_sequence: 1, packets: 1, on_media_port };
                self.senders.insert(key, sender);
            }
            None => self.untold += 1,
        }
        true
    }

    /// The streams among what was seen.
    pub(super) fn found(&self) -> Found {
        let streams = || self.senders.iter().filter(|(_, one)| one.in_sequence >= IN_SEQUENCE);
        let flows: hashbrown::HashSet<FlowKey, RandomState> =
            streams().map(|((flow, _), _)| *flow).collect();
        let mut found = Found { untold: self.untold, ..Found::default() };
        for ((flow, _), sender) in streams() {
            found.answered += usize::from(flows.contains(&flow.reversed()));
            if sender.on_media_port {
                found.streams += 1;
                continue;
            }
            found.elsewhere += 1;
            found.packets_elsewhere += sender.packets;
            let (low, high) = found.ports.unwrap_or((flow.dport, flow.dport));
            found.ports = Some((low.min(flow.dport), high.max(flow.dport)));
        }
        found
    }
}
