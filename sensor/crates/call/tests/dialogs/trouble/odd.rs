//! Odd calls as scripts: what is lost, late, forked, begun in the middle or never ended.
//!
//! The usual shapes are in `shapes`.

use ringtap_call::{CallKey, Calls, Options, Side};

use crate::script::{closed, closed_with, run, show};
use crate::shapes::check;

#[test]
fn lost_ack_and_lost_answer() {
    check(
        "0 A INVITE 1
         1000 B 200/INVITE 1
         1500 B 200/INVITE 1
         3000 B BYE 1
         3001 A 200/BYE 1
         60000 tick",
        &["3501 close bye=3 response=200 hung=Callee pdd=1000 connected=1000 duration=3001 \
             talk=2000 unacknowledged"],
    );
    check(
        "0 A INVITE 1
         500 B 180/INVITE 1
         1000 A ACK 1
         3000 A BYE 2
         3001 B 200/BYE 2
         60000 tick",
        &["3501 close bye=3 response=180 hung=Caller pdd=500 connected=1000 duration=3001 \
             talk=2000 answer_inferred"],
    );
}

#[test]
fn an_inferred_answer_withdrawn_late_does_not_end_the_call_in_the_past() {
    let calls = closed(
        "0 A INVITE 1
         1 A ACK 1
         301000 B 481/INVITE 1
         400000 tick",
    );
    let call = &calls[0];
    assert_eq!((calls.len(), call.messages), (1, 3));
    assert!(call.closed_clock_ns >= call.last_message.clock_ns);
    assert_eq!((call.bye.code(), call.closed_clock_ns), (0, 301_500_000_000));
}

#[test]
fn responses_that_come_after_their_ack() {
    check(
        "0 A INVITE 1
         222 A ACK 1
         1 B 100/INVITE 1
         214 B 180/INVITE 1
         221 B 486/INVITE 1
         60000 tick",
        &["722 close bye=0 response=486 hung=- pdd=214 connected=- duration=222 talk=-"],
    );
    check(
        "0 A INVITE 1
         222 A ACK 1
         221 B 200/INVITE 1
         3000 A BYE 2
         3001 B 200/BYE 2
         60000 tick",
        &["3501 close bye=3 response=200 hung=Caller pdd=221 connected=221 duration=3001 \
             talk=2779"],
    );
}

#[test]
fn ipv6() {
    check(
        "0 A6 INVITE 1 sdp=4000
         1000 B6 200/INVITE 1 sdp=5000
         1010 A6 ACK 1
         3000 B6 BYE 2 from=b1 to=a1
         3001 A6 200/BYE 2 from=b1 to=a1
         60000 tick",
        &[
            "0 claim Caller [2001:db8::1]:4000",
            "1000 claim Callee [2001:db8::2]:5000",
            "3501 close bye=3 response=200 hung=Callee pdd=1000 connected=1000 duration=3001 \
             talk=2000",
        ],
    );
}

#[test]
fn call_id_used_again() {
    let script = "0 A INVITE 1
         1000 B 200/INVITE 1
         1010 A ACK 1
         3000 A BYE 2
         3010 B 200/BYE 2
         3100 A INVITE 1 from=a2
         3200 B 486/INVITE 1 from=a2
         3210 A ACK 1 from=a2 br=INVITE1a2
         9000 A INVITE 7 from=a3
         9100 B 200/INVITE 7 from=a3
         60000 tick";
    check(
        script,
        &[
            "3100 close bye=3 response=200 hung=Caller pdd=1000 connected=1000 duration=3010 \
             talk=2000 replaced",
            "3710 close bye=0 response=486 hung=- pdd=- connected=- duration=110 talk=-",
            "9100 close bye=1 response=200 hung=- pdd=100 connected=100 duration=100 talk=0 \
             unacknowledged flushed",
        ],
    );
    let instances: Vec<_> = closed(script).iter().map(|c| c.instance).collect();
    assert_eq!(instances, [0, 3_100_000_000, 9_000_000_000]);
}

#[test]
fn redirected() {
    check(
        "0 A INVITE 1
         20 B 302/INVITE 1
         30 A ACK 1 br=INVITE1a1
         40 A>C INVITE 2 sdp=4000
         60 C 180/INVITE 2
         900 C 200/INVITE 2 to=c1 sdp=6000
         910 A>C ACK 2 to=c1
         2000 A>C BYE 3 to=c1
         2010 C 200/BYE 3 to=c1
         9000 tick",
        &[
            "40 claim Caller 10.0.0.1:4000",
            "900 claim Callee 10.0.0.3:6000",
            "2510 close bye=3 response=200 hung=Caller pdd=60 connected=900 duration=2010 \
             talk=1100 forked",
        ],
    );
}

#[test]
fn abandoned_after_the_answer() {
    check(
        "0 A INVITE 1
         1000 B 200/INVITE 1
         1010 A ACK 1
         4000000 tick",
        &["3601010 close bye=108 response=200 hung=- pdd=1000 connected=1000 duration=1010 \
             talk=10"],
    );
}

#[test]
fn media_keeps_a_call_alive_until_it_stops() {
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    run(&mut calls, "0 A INVITE 1 sdp=4000\n1000 B 200/INVITE 1\n1010 A ACK 1", &mut events);
    let key = CallKey::of(0, b"call-1");
    calls.saw_media(key, 50_000_000_000);
    run(&mut calls, "349999 tick", &mut events);
    assert_eq!(calls.live(), 1);
    run(&mut calls, "350000 tick", &mut events);
    assert_eq!(
        show(&events[1]),
        "350000 close bye=104 response=200 hung=- pdd=1000 connected=1000 duration=50000 talk=49000"
    );
}

#[test]
fn absolute_timeout_ends_the_longest_call() {
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    run(&mut calls, "0 A INVITE 1\n1000 B 200/INVITE 1\n1010 A ACK 1", &mut events);
    for second in (0..20_000u64).step_by(100) {
        calls.saw_media(CallKey::of(0, b"call-1"), second * 1_000_000_000);
        calls.handle_timeout(second * 1_000_000_000, &mut events);
    }
    assert_eq!(events.len(), 1);
    assert!(show(&events[0]).starts_with("14400000 close bye=102 "), "{}", show(&events[0]));
}

#[test]
fn forked_by_a_proxy() {
    check(
        "0 A>P INVITE 1 sdp=4000
         10 P>B INVITE 1 br=p1 sdp=10.0.0.1:4000
         11 P>C INVITE 1 br=p2 sdp=10.0.0.1:4000
         100 B>P 180/INVITE 1 br=p1
         110 P>A 180/INVITE 1
         150 C>P 486/INVITE 1 br=p2 to=c1
         151 P>C ACK 1 br=p2 to=c1
         900 B>P 200/INVITE 1 br=p1 sdp=5000
         901 P>A 200/INVITE 1 sdp=10.0.0.2:5000
         910 A>P ACK 1
         911 P>B ACK 1 br=p3
         2000 B>P BYE 1
         2001 P>A BYE 1 from=b1 to=a1
         2010 A>P 200/BYE 1
         2011 P>B 200/BYE 1 from=b1 to=a1
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "900 claim Callee 10.0.0.2:5000",
            "2510 close bye=3 response=200 hung=Callee pdd=100 connected=900 duration=2010 \
             talk=1100 forked",
        ],
    );
}

#[test]
fn every_fork_fails() {
    check(
        "0 P>B INVITE 1 br=p1
         1 P>C INVITE 1 br=p2
         150 C>P 486/INVITE 1 br=p2 to=c1 from=a1
         151 P>C ACK 1 br=p2 to=c1
         5000 B>P 480/INVITE 1 br=p1 from=a1 to=b1
         5001 P>B ACK 1 br=p1
         9000 tick",
        &["5501 close bye=0 response=480 hung=- pdd=- connected=- duration=5001 talk=- forked"],
    );
}

#[test]
fn starts_in_the_middle() {
    check(
        "0 B 200/INVITE 1 sdp=5000
         10 A ACK 1
         3000 A BYE 2
         3010 B 200/BYE 2
         9000 tick",
        &[
            "0 claim Callee 10.0.0.2:5000",
            "3510 close bye=3 response=200 hung=Caller pdd=0 connected=0 duration=3010 talk=3000 \
             no_invite",
        ],
    );
    check(
        "0 A INVITE 5 re sdp=4000
         10 B 200/INVITE 5
         20 A ACK 5
         3000 B BYE 2
         3010 A 200/BYE 2
         9000 tick",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "3510 close bye=3 response=200 hung=Callee pdd=10 connected=10 duration=3010 \
             talk=2990 mid_dialog",
        ],
    );
}

#[test]
fn a_response_that_overtakes_its_invite() {
    check(
        "0 B 100/INVITE 1
         1 A INVITE 1 sdp=4000
         300 B 180/INVITE 1
         400 B 486/INVITE 1
         410 A ACK 1 br=INVITE1a1
         9000 tick",
        &[
            "1 claim Caller 10.0.0.1:4000",
            "910 close bye=0 response=486 hung=- pdd=300 connected=- duration=410 talk=-",
        ],
    );
}

#[test]
fn what_has_no_invite_is_counted() {
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    let script = "0 A BYE 2
         10 B 200/BYE 2
         20 A REGISTER 1 id=r
         30 B 200/REGISTER 1 id=r
         40 A CANCEL 1 id=x
         50 B 486/INVITE 1 id=y";
    run(&mut calls, script, &mut events);
    let counters = calls.counters();
    assert!(events.is_empty());
    assert_eq!((counters.messages, counters.without_invite, counters.other_methods), (6, 4, 2));
    assert_eq!(counters.calls_begun, 0);
}

#[test]
fn one_side_only() {
    check(
        "0 A INVITE 1 sdp=4000
         1010 A ACK 1
         3000 A BYE 2",
        &[
            "0 claim Caller 10.0.0.1:4000",
            "3000 close bye=101 response=0 hung=Caller pdd=1010 connected=1010 duration=3000 \
             talk=1990 \
             answer_inferred flushed",
        ],
    );
}

#[test]
fn bye_without_any_response() {
    check(
        "0 A INVITE 1
         10 B 100/INVITE 1
         20 A BYE 2
         30 B 200/BYE 2
         9000 tick",
        &["530 close bye=106 response=100 hung=Caller pdd=- connected=- duration=30 talk=-"],
    );
}

#[test]
fn the_facts_of_a_summary() {
    let script = "0 A INVITE 1 sdp=4000 h=P-Asserted-Identity:<tel:+49> h=Session-ID:aa;remote=00
         10 B 407/INVITE 1
         20 A ACK 1 br=INVITE1a1
         50 A INVITE 2 sdp=4000 h=Proxy-Authorization:Digest_username=\"u\",realm=\"r\"
         60 B 100/INVITE 2
         250 B 180/INVITE 2
         1000 B 200/INVITE 2 sdp=5000
         1010 A ACK 2
         2000 B BYE 1 h=Reason:SIP;cause=200;text=\"done\",Q.850;cause=16
         2010 A 200/BYE 1";
    let all = closed(script);
    let [call] = &all[..] else { panic!("{all:?}") };
    let caller =
        (call.caller.number.as_str(), call.caller.domain.as_str(), call.caller.name.as_str());
    assert_eq!(caller, ("100", "a.example", "Na1"));
    assert_eq!((call.called.number.as_str(), call.called.domain.as_str()), ("200", "b.example"));
    assert_eq!(call.caller.address.to_string(), "10.0.0.1:5060");
    assert_eq!(call.called.address.to_string(), "10.0.0.2:5060");
    assert_eq!(
        (call.caller.user_agent.as_str(), call.called.user_agent.as_str()),
        ("ua-A", "ua-B")
    );
    assert_eq!((call.caller.asserted.as_str(), call.caller.session_id.as_str()), ("+49", "aa"));
    assert_eq!((call.digest_username.as_str(), call.digest_realm.as_str()), ("u", "r"));
    assert_eq!((call.response_time_100_ms, call.response_time_xxx_ms), (Some(10), Some(10)));
    assert_eq!(call.reason_sip.as_ref().map(|r| (r.cause, r.text.as_str())), Some((200, "done")));
    assert_eq!(call.reason_q850.as_ref().map(|r| r.cause), Some(16));
    assert_eq!((call.messages, call.invites, call.reinvites), (10, 2, 0));
    assert_eq!((call.call_id.as_str(), call.dialled.as_str()), ("call-1", "200"));
    assert_eq!(call.codec.as_ref().map(|c| c.name.as_str()), Some("PCMA"));
    assert_eq!(call.last_response.as_ref().map(|r| r.text.as_str()), Some("Phrase200"));
    assert_eq!((call.caller.dscp, call.called.dscp), (26, 26));
    let texts: Vec<_> =
        call.ladder.iter().map(|l| (l.text.as_str(), l.sdp, l.retransmission)).collect();
    assert_eq!(texts[0], ("INVITE", true, false));
    assert_eq!(texts[6], ("200 Phrase200", true, false));
    let [caller, callee] = &call.claims[..] else { panic!("{:?}", call.claims) };
    assert_eq!((caller.side, callee.side), (Side::Caller, Side::Callee));
    assert_eq!(caller.rtcp.map(|r| r.port()), Some(4001));
    assert_eq!(caller.payload_types.len(), 2);
    assert_eq!((caller.ptime_ms, caller.payload_types[1].name.as_str()), (20, "telephone-event"));
}

#[test]
fn calls_of_one_call_id_that_begin_at_one_moment_are_told_apart() {
    // Every other INVITE begins a call of its own, and each ends at its second message.
    let options = Options { max_invite_packets_in_call: 1, ..Options::default() };
    let script: String = (1..9).map(|n| format!("0 A INVITE {n} from=f{n}\n")).collect();
    let calls = closed_with(options, &script);
    let instances: std::collections::BTreeSet<_> = calls.iter().map(|c| c.instance).collect();
    assert!(calls.len() > 2, "{}", calls.len());
    assert_eq!(instances.len(), calls.len());
}
