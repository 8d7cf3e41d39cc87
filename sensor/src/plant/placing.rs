//! Which worker a frame of a file goes to: all that two hosts send each other to one, whatever
//! tunnel it comes through, so that the records are the same for any number of workers.
//!
//! Pieces of a tunnel's packet follow its first one. One that overtakes the first goes by the
//! tunnel's own ends, and its packet is not put together where there are several workers. So does
//! a packet whose first piece ends before the addresses inside, which no MTU in use makes.

use std::collections::VecDeque;

use ringtap_capture::Frame;
use ringtap_common::classify::Ports;

use crate::worker::decode::{Opening, Pieces};

/// Packets in pieces that are remembered at one time.
const PACKETS_MAX: usize = 64;

/// Gives frames their workers.
#[derive(Debug)]
pub(super) struct Placing<P> {
    opening: Opening<P>,
    packets: VecDeque<(Pieces, u64)>,
}

impl<P: Ports> Placing<P> {
    pub(super) fn new(opening: Opening<P>) -> Self {
        Self { opening, packets: VecDeque::new() }
    }

    /// The frame's worker, as a number to be taken by the count of workers.
    pub(super) fn of(&mut self, frame: &Frame<'_>) -> u64 {
        let Some((hosts, pieces)) = self.opening.hosts(frame) else { return 0 };
        let Some(piece) = pieces else { return hosts };
        let packet = Pieces { first: true, ..piece };
        if piece.first {
            self.packets.truncate(PACKETS_MAX - 1);
            self.packets.push_front((packet, hosts));
            return hosts;
        }
        let known = self.packets.iter().find(|(known, _)| *known == packet);
        known.map_or(hosts, |(_, hosts)| *hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtap_capture::Link;
    use ringtap_common::maps::PortSets;
    use ringtap_common::peel::DEPTH;
    use ringtap_testkit::packet::Packet;
    use ringtap_testkit::packet::tunnel::Wrap;

    fn frame(bytes: &[u8]) -> Frame<'_> {
        let wire_len = bytes.len() as u32;
        Frame { ts: 0, clock: 0, order: 0, origin: 0, link: Link::Ethernet, wire_len, bytes }
    }

    #[test]
    fn hosts_meet_whatever_carries_their_packets() {
        let opening = Opening { ports: PortSets::default(), depth: DEPTH };
        let mut placing = Placing::new(opening);
        let (a, b) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
        let mut place = |bytes: &[u8]| placing.of(&frame(bytes));
        let plain = place(&Packet::udp(a, b, b"hello").build());
        assert_eq!(place(&Packet::udp(b, a, b"hello").vlan(3).build()), plain);
        let big = Packet::udp(a, b, &[1; 2000]).ip_id(5);
        let usual = |wrap: &Wrap| !matches!(wrap, Wrap::VxlanOther | Wrap::AudioCodes);
        for wrap in Wrap::ALL.into_iter().filter(usual) {
            assert_eq!(place(&wrap.wrap(&big.build())), plain, "{}", wrap.label());
            for piece in big.fragments(1000) {
                assert_eq!(place(&wrap.wrap(&piece)), plain, "{}", wrap.label());
            }
        }
        let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let gre = [&[0, 0, 0x65, 0x58][..], &big.build()].concat();
        for piece in Packet::ip(src, dst, 47, &gre).ip_id(9).fragments(800) {
            assert_eq!(place(&piece), plain);
        }
    }
}
