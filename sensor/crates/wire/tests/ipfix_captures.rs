//! Real exporters of flows, read as if they were session border controllers: their templates and
//! data are recognised and skipped. The captures are no part of the project: without them nothing
//! is tested.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::fs;
use std::path::Path;

use ringtap_wire::ipfix::{Kind, Message, Qos, Sip};

/// Ethernet, IPv4 and UDP without options.
const UDP_AT: usize = 42;

/// The frames of a classic little-endian capture file.
fn frames(file: &[u8]) -> Vec<&[u8]> {
    let (mut frames, mut rest) = (Vec::new(), file.get(24..).unwrap_or_default());
    while let Some((header, more)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let Some((frame, more)) = more.split_at_checked(len as usize) else { break };
        frames.push(frame);
        rest = more;
    }
    frames
}

fn capture(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/captures");
    let read = fs::read(folder.join(name)).ok();
    if read.is_none() {
        println!("skipped: no {name} in {}", folder.display());
    }
    read
}

#[test]
fn templates_and_their_data_are_recognised() {
    let Some(file) = capture("scapy__ipfix.pcap") else { return };
    let mut kinds = Vec::new();
    for frame in frames(&file) {
        let message = Message::parse(&frame[UDP_AT..]).unwrap();
        for set in message.sets() {
            let set = set.unwrap();
            kinds.push(set.kind());
            assert!(Sip::udp(set.body).is_err() && Qos::parse(set.body).is_err());
        }
    }
    assert!(kinds.contains(&Kind::Template), "{kinds:?}");
    let known = |kind: &Kind| matches!(kind, Kind::SipUdp | Kind::SipTcp | Kind::Qos);
    assert!(!kinds.iter().any(known), "{kinds:?}");
}

#[test]
fn no_capture_is_too_much_from_any_byte_on() {
    for name in ["scapy__ipfix.pcap", "ipfixprobe__inputs_sip.pcap", "ipfixprobe__vlan.pcap"] {
        let Some(file) = capture(name) else { continue };
        let mut messages = 0;
        for at in 0..file.len() {
            let bytes = &file[at..];
            let _ = (Sip::udp(bytes), Sip::tcp(bytes), Qos::parse(bytes));
            if let Ok(message) = Message::parse(bytes) {
                messages += 1;
                assert!(message.sets().count() <= bytes.len());
            }
        }
        println!("{name}: {messages} messages");
    }
}
