//! An RTCP compound, extended reports too.

use ringtap_wire::rtcp::xr::Block;
use ringtap_wire::rtcp::{Compound, Packet};

/// The walk ends, every list is as long as its count says, and no part is longer than the whole.
pub fn rtcp(datagram: &[u8]) {
    let (mut packets, mut failed) = (0, false);
    for packet in Compound::new(datagram) {
        assert!(!failed, "a packet behind an error");
        packets += 1;
        match packet {
            Ok(packet) => part(&packet, datagram.len()),
            Err(_) => failed = true,
        }
    }
    assert!(packets <= datagram.len() / 4 + 1);
}

fn part(packet: &Packet<'_>, whole: usize) {
    match packet {
        Packet::Sender(report) => {
            let blocks = report.blocks().count();
            assert!(blocks <= 31 && blocks * 24 + report.extension.len() <= whole);
            let _ = report.info.ntp_middle();
        }
        Packet::Receiver(report) => {
            let blocks = report.blocks().count();
            assert!(blocks <= 31 && blocks * 24 + report.extension.len() <= whole);
        }
        Packet::Sdes(sdes) => {
            let bytes: usize = sdes.items().map(|item| 2 + item.text.len()).sum();
            assert!(bytes <= whole);
        }
        Packet::Bye(bye) => {
            assert!(bye.sources().count() <= 31);
            assert!(bye.reason.is_none_or(|reason| reason.len() < whole));
        }
        Packet::Extended(report) => {
            let bytes: usize = report.blocks().map(|part| block(&part)).sum();
            assert!(bytes <= whole);
        }
        Packet::App(app) => assert!(app.data.len() <= whole),
        Packet::Other(_, count, body) => assert!(*count < 32 && body.len() <= whole),
    }
}

/// The least that a block took.
fn block(block: &Block<'_>) -> usize {
    match block {
        Block::ReferenceTime(_) => 12,
        Block::LastReference(references) => 4 + references.iter().count() * 12,
        Block::Voip(metrics) => {
            assert!(metrics.r_factor.is_none_or(|r| r != 127));
            36
        }
        Block::Other(_, _, body) => 4 + body.len(),
    }
}
