//! Who calls: by From, or by the headers that the configuration believes.

use crate::support::{ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::pcap::{Options, Writer};
use serde_json::Value;

const INVITE: &str = "INVITE sip:b@example.org SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
    From: \"From\" <sip:from@example.org>;tag=1\r\nTo: <sip:to@example.org>\r\n\
    Call-ID: identity\r\nCSeq: 1 INVITE\r\n\
    Remote-Party-ID: \"Remote\" <sip:remote@example.net>;party=calling\r\n\
    P-Asserted-Identity: <tel:+4930123>\r\nContent-Length: 0\r\n\r\n";
const RINGING: &str = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
    From: \"From\" <sip:from@example.org>;tag=1\r\nTo: <sip:to@example.org>;tag=2\r\n\
    Call-ID: identity\r\nCSeq: 1 INVITE\r\nP-Asserted-Identity: <sip:+49891@example.org>\r\n\
    Content-Length: 0\r\n\r\n";

#[test]
fn headers_name_the_caller_where_they_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.pcap");
    let file = std::fs::File::create(&path).unwrap();
    let mut file = Writer::new(file, Options::default()).unwrap();
    let (a, b) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    let start_ns = 1_700_000_000_000_000_000;
    file.frame(start_ns, &Packet::udp(a, b, INVITE.as_bytes()).build()).unwrap();
    file.frame(start_ns + 1_000_000, &Packet::udp(b, a, RINGING.as_bytes()).build()).unwrap();
    file.finish().unwrap();
    let caller = |options: &[&str]| {
        let mut command = ringtap();
        command.args(["replay", "--format", "json"]);
        for option in options {
            command.args(["-O", option]);
        }
        let records = run(command.arg(&path)).well().records();
        let [record] = &records[..] else { panic!("{records:?}") };
        // What was said is there whether it is believed or not.
        assert_eq!(record["caller_asserted"], "+4930123");
        assert_eq!(record["called_asserted"], "+49891");
        assert_eq!(record["called"], "to");
        ["caller", "caller_domain", "callername"].map(|key| match &record[key] {
            Value::String(text) => text.clone(),
            _ => String::new(),
        })
    };
    let asserted = ["+4930123", "", ""];
    let remote = ["remote", "example.net", "Remote"];
    assert_eq!(caller(&[]), ["from", "example.org", "From"]);
    assert_eq!(caller(&["ppreferredidentity=yes"]), ["from", "example.org", "From"]);
    assert_eq!(caller(&["remotepartyid=yes"]), remote);
    assert_eq!(caller(&["passertedidentity=yes", "remotepartyid=yes"]), asserted);
    let first = ["passertedidentity=yes", "remotepartyid=yes", "remotepartypriority=yes"];
    assert_eq!(caller(&first), remote);
}
