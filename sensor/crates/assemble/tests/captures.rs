//! Real captures: fragments and TCP segments as other people's machines have sent them.
//!
//! The captures lie beside the project; where they are absent, each test says so and ends.

use std::path::Path;

use ringtap_assemble::fragments::{self, Fragments, Outcome};
use ringtap_assemble::stream::{self, Segment, Streams};
use ringtap_common::walk::{ETHERTYPE_IPV4, Fragment, Headers, walk_ethernet, walk_network};

/// Every frame of a little-endian pcap file; `None`, and a line, if it is absent.
fn frames(name: &str) -> Option<Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/captures");
    let Ok(file) = std::fs::read(root.join(name)) else {
        eprintln!("left out: there is no {name}");
        return None;
    };
    let mut frames = Vec::new();
    let mut rest = &file[24..];
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let (frame, behind) = behind.split_at(length);
        frames.push(frame.to_vec());
        rest = behind;
    }
    assert!(!frames.is_empty());
    Some(frames)
}

/// Lengths of the packets that come out whole, and the counters.
fn reassembled(frames: &[Vec<u8>]) -> (Vec<usize>, fragments::Counters) {
    let mut table = Fragments::new(fragments::Options::default());
    let mut lengths = Vec::new();
    for (clock, frame) in (0..).zip(frames) {
        let Ok(headers) = walk_ethernet(&frame.as_slice()) else { continue };
        if headers.fragment == Fragment::Whole {
            continue;
        }
        if let Outcome::Whole(whole) = table.push(&headers, frame, (), clock) {
            let headers = walk_ethernet(&whole.frame).expect("a whole packet walks");
            assert_eq!(headers.fragment, Fragment::Whole);
            let end = usize::from(headers.payload) + headers.payload_len as usize;
            assert_eq!(end, whole.frame.len());
            lengths.push(whole.frame.len() - usize::from(headers.l4));
        }
    }
    table.finish();
    (lengths, table.counters())
}

/// Messages of all flows, in their order, and the counters.
fn messages(frames: &[(Headers, Vec<u8>)]) -> (Vec<Vec<u8>>, stream::Counters) {
    let mut streams = Streams::new(0);
    let mut messages = Vec::new();
    for (clock, (headers, frame)) in (0..).zip(frames) {
        let Some(segment) = Segment::read(headers, frame) else { continue };
        streams.push(&segment, clock, &mut |_, message| messages.push(message.to_vec()));
    }
    streams.finish(&mut |_, message| messages.push(message.to_vec()));
    (messages, streams.counters())
}

fn starts(messages: &[Vec<u8>]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| {
            let end = message.iter().position(|byte| *byte == b'\r').unwrap_or(0);
            std::str::from_utf8(&message[..end]).unwrap_or("?")
        })
        .collect()
}

#[test]
fn ipv4_fragments_of_a_real_stack() {
    let Some(frames) = frames("PcapPlusPlus__IPv4Frag.pcap") else { return };
    let (lengths, counters) = reassembled(&frames);
    assert_eq!(lengths, [4060]);
    assert_eq!((counters.pieces, counters.lost_pieces), (3, 0));
}

#[test]
fn ipv6_fragments_of_a_real_stack() {
    let Some(frames) = frames("zeek__ipv6-fragmented-dns.pcap") else { return };
    let (lengths, counters) = reassembled(&frames);
    assert!(lengths.contains(&3238), "{lengths:?}");
    assert_eq!(counters.rejected, 0);
}

#[test]
fn teardrop_puts_nothing_together() {
    let Some(frames) = frames("peafowl__teardrop.pcap") else { return };
    let (lengths, counters) = reassembled(&frames);
    assert!(lengths.is_empty());
    // The first has a length that only a last one may have; the second waits in vain.
    assert_eq!((counters.rejected, counters.lost_pieces), (1, 1));
}

#[test]
fn a_request_over_two_segments_and_its_answer() {
    let Some(frames) = frames("suricata-verify__sip-tcp.pcap") else { return };
    let walked = frames.into_iter().filter_map(|frame| {
        let headers = walk_ethernet(&frame.as_slice()).ok()?;
        Some((headers, frame))
    });
    let (messages, counters) = messages(&walked.collect::<Vec<_>>());
    let lengths: Vec<usize> = messages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [585, 491]);
    let request = "REGISTER sip:192.168.43.100;transport=TCP SIP/2.0";
    assert_eq!(starts(&messages), [request, "SIP/2.0 200 OK"]);
    assert_eq!((counters.framing.garbage_bytes, counters.holes), (0, 0));
}

#[test]
fn a_body_longer_than_any_datagram() {
    let Some(frames) = frames("suricata-verify__sip-body-large.pcap") else { return };
    // Link type NULL: four bytes before the IP header.
    let walked = frames.into_iter().filter_map(|frame| {
        let headers = walk_network(&frame.as_slice(), ETHERTYPE_IPV4, 4).ok()?;
        Some((headers, frame))
    });
    let (messages, counters) = messages(&walked.collect::<Vec<_>>());
    assert_eq!(starts(&messages), ["INVITE sip:bob@target.com SIP/2.0", "SIP/2.0 100 Trying"]);
    assert!(messages[0].len() > 65_536);
    assert_eq!((counters.framing.garbage_bytes, counters.framing.oversized), (0, 0));
}
