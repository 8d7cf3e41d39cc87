//! Flows that an agent says are a call's.

use std::net::SocketAddr;

use ringtap_call::{CallKey, Calls, Correlation, Event, Options, Side};

use crate::script::run;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What becomes of a flow: the ends that are claimed, and for which side.
type Said = (Correlation, Vec<(SocketAddr, Side)>);

/// Flows of a call that announces ports 4000 and 5000.
fn flows(flows: &[(&str, &str)]) -> Vec<Said> {
    flows_of("0 A INVITE 1 sdp=4000\n1000 B 200/INVITE 1 sdp=5000\n1010 A ACK 1", flows)
}

fn flows_of(script: &str, flows: &[(&str, &str)]) -> Vec<Said> {
    let mut calls = Calls::new(Options::default());
    run(&mut calls, script, &mut Vec::new());
    let call = CallKey::of(0, b"call-1");
    let one = |(src, dst): &(&str, &str)| {
        let mut events = Vec::new();
        let said = calls.correlate(call, (at(src), at(dst)), 2_000_000_000, &mut events);
        let ends = events.into_iter().map(|event| {
            let Event::Claim(claim) = event else { panic!("{event:?}") };
            assert!(claim.correlated && claim.call == call && !claim.payload_types.is_empty());
            (claim.endpoint, claim.side)
        });
        (said, ends.collect())
    };
    flows.iter().map(one).collect()
}

#[test]
fn ports_and_hosts_tell_who_sends_and_else_the_caller_is_supposed_to() {
    use Side::{Callee, Caller};
    for (src, dst, sender) in [
        ("192.168.0.1:4000", "192.168.0.2:7000", Caller),
        ("192.168.0.1:5000", "192.168.0.2:7000", Callee),
        ("192.168.0.1:7000", "192.168.0.2:4000", Callee),
        ("10.0.0.2:7000", "192.168.0.2:7000", Callee),
        ("192.168.0.2:7000", "10.0.0.2:7000", Caller),
        ("192.168.0.1:7000", "192.168.0.2:7000", Caller),
    ] {
        let ends = vec![(at(dst), sender.other()), (at(src), sender)];
        assert_eq!(flows(&[(src, dst)]), [(Correlation::New, ends)], "{src} {dst}");
    }
}

#[test]
fn behind_a_proxy_who_answers_is_the_called_host() {
    use Side::{Callee, Caller};
    let script = "0 A>P INVITE 1 sdp=4000\n1000 B>P 200/INVITE 1 sdp=5000\n1010 A>P ACK 1";
    for (src, dst, sender) in [
        ("10.0.0.1:7000", "10.0.0.9:8000", Caller),
        ("10.0.0.9:8000", "10.0.0.1:7000", Callee),
        ("10.0.0.2:7000", "10.0.0.9:8000", Callee),
        ("10.0.0.9:8000", "10.0.0.2:7000", Caller),
    ] {
        let ends = vec![(at(dst), sender.other()), (at(src), sender)];
        assert_eq!(flows_of(script, &[(src, dst)]), [(Correlation::New, ends)], "{src} {dst}");
    }
}

#[test]
fn what_is_known_is_not_said_again_and_there_is_a_limit() {
    let (one, other) = ("192.168.0.1:7000", "192.168.0.2:7000");
    let announced = ("192.168.0.1:7000", "10.0.0.1:4000");
    let said = flows(&[(one, other), (one, other), (other, one)]);
    assert_eq!(said[1..], [(Correlation::Known, vec![]), (Correlation::Known, vec![])]);
    assert_eq!(flows(&[announced]), [(Correlation::Known, vec![])]);
    let ports: Vec<(String, String)> = (0..40)
        .map(|n| (format!("192.168.0.1:{}", 8000 + n), format!("192.168.0.2:{n}")))
        .collect();
    let many: Vec<(&str, &str)> = ports.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let said = flows(&many);
    let new = said.iter().filter(|(said, _)| *said == Correlation::New).count();
    assert_eq!((new, said[39].0), (32, Correlation::Refused));
    let mut calls = Calls::new(Options::default());
    let nobody = calls.correlate(CallKey(1), (at(one), at(other)), 0, &mut Vec::new());
    assert_eq!(nobody, Correlation::NoCall);
}
