//! How long a call without an orderly end is waited on: what the configuration says, seen in the
//! records.

use std::path::Path;

use crate::support::{ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::pcap::{Options, Writer};
use ringtap_testkit::sip::{Dialog, Message, Method, Side};

const MS: u64 = 1_000_000;
const START: u64 = 1_767_225_600_000 * MS;

/// An INVITE that gets `status`, and the next one a while later, which is refused for good.
fn scene(path: &Path, status: u16, next_ms: u64) {
    let dialog = Dialog::new(1, "10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    let mut writer = Writer::new(std::fs::File::create(path).unwrap(), Options::default()).unwrap();
    for (at_ms, message) in [
        (0, Message::request(Side::Caller, Method::Invite, 1)),
        (10, Message::response(Side::Called, status, Method::Invite, 1)),
        (20, Message::request(Side::Caller, Method::Ack, 1)),
        (next_ms, Message::request(Side::Caller, Method::Invite, 2)),
        (next_ms + 10, Message::response(Side::Called, 486, Method::Invite, 2)),
        (next_ms + 20, Message::request(Side::Caller, Method::Ack, 2)),
    ] {
        let (src, dst) = dialog.way(message.from);
        let frame = Packet::udp(src, dst, dialog.text(&message).as_bytes()).build();
        writer.frame(START + at_ms * MS, &frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn the_next_attempt_is_the_same_call_for_as_long_as_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.pcap");
    let responses = |options: &[&str]| -> Vec<u64> {
        let mut command = ringtap();
        command.args(["replay", "--format", "json"]);
        for option in options {
            command.args(["-O", option]);
        }
        let records = run(command.arg(&path)).well().records();
        records.iter().map(|record| record["lastSIPresponseNum"].as_u64().unwrap()).collect()
    };
    scene(&path, 401, 20_000);
    assert_eq!(responses(&[]), [486]);
    assert_eq!(responses(&["challenge_timeout=10"]), [401, 486]);
    scene(&path, 491, 6000);
    assert_eq!(responses(&[]), [491, 486]);
    assert_eq!(responses(&["retry_timeout=10"]), [486]);
    assert_eq!(responses(&["retry_timeout=10", "challenge_timeout=1"]), [486]);
}
