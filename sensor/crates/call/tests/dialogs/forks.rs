//! One INVITE, several answers: forks in parallel and in a row, spirals, cancelled branches.
//!
//! What becomes of the call is in the closing line; what became of each branch beside it.

use ringtap_call::{CallSummary, Side};

use crate::script::closed;
use crate::shapes::check;

/// A line for each branch: tag, number asked for, response, code, and whether it won.
fn branches(call: &CallSummary) -> Vec<String> {
    let line = |b: &ringtap_call::Branch| {
        let won = if b.won { " won" } else { "" };
        let (from, response) = (b.address.ip(), b.response.status);
        format!("{} {}@{from} {response} bye={}{won}", b.tag, b.number, b.bye().code())
    };
    call.branches.iter().map(line).collect()
}

fn one(script: &str) -> CallSummary {
    let mut all = closed(script);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn two_answers_and_the_second_carries_the_call() {
    let script = "0 A>P INVITE 1 sdp=4000
         100 P>A 180/INVITE 1 to=b1
         110 P>A 180/INVITE 1 to=c1
         1000 P>A 200/INVITE 1 to=b1 sdp=10.0.0.2:5000 h=Server:phone-b
         1010 A>P ACK 1 to=b1
         1200 P>A 200/INVITE 1 to=c1 sdp=10.0.0.3:6000 h=Server:phone-c
         1210 A>P ACK 1 to=c1
         1300 A>P BYE 2 to=b1
         1310 P>A 200/BYE 2 to=b1
         1400 A>P BYE 2 to=b1
         9000 P>A BYE 1 from=c1 to=a1
         9010 A>P 200/BYE 1 from=c1 to=a1
         20000 tick";
    check(
        script,
        &[
            "0 claim Caller 10.0.0.1:4000",
            "1000 claim Callee 10.0.0.2:5000",
            "1200 claim Callee 10.0.0.3:6000",
            "9510 close bye=3 response=200 hung=Callee pdd=100 connected=1200 duration=9010 \
             talk=7800 forked",
        ],
    );
    let call = one(script);
    assert_eq!(branches(&call), ["b1 200@10.0.0.9 200 bye=3", "c1 200@10.0.0.9 200 bye=3 won"]);
    assert_eq!(call.called.user_agent, "phone-c");
    assert_eq!(call.branches[0].ended.map(|at| at.clock_ns / 1_000_000), Some(1300));
}

#[test]
fn the_first_answer_is_hung_up_last() {
    let call = one("0 A INVITE 1
         1000 B 200/INVITE 1 to=b1
         1010 A ACK 1 to=b1
         1200 B 200/INVITE 1 to=c1
         1210 A ACK 1 to=c1
         1220 A BYE 2 to=c1
         1230 B 200/BYE 2 to=c1
         5000 A BYE 2 to=b1
         60000 tick");
    assert_eq!(branches(&call), ["b1 200@10.0.0.2 200 bye=2 won", "c1 200@10.0.0.2 200 bye=3"]);
    // The BYE that nobody answered is the call's, the other one the surplus branch's.
    assert_eq!((call.bye.code(), call.hung_up), (2, Some(Side::Caller)));
    assert_eq!(call.connect_duration_ns(), Some(4_000_000_000));
    assert_eq!(call.post_bye_delay_ns(), None);
}

#[test]
fn a_proxy_forks_and_each_branch_keeps_its_own() {
    let script = "0 A>P INVITE 1 sdp=4000
         10 P>B INVITE 1 br=p1 uri=sip:201@b.example
         11 P>C INVITE 1 br=p2 uri=sip:301@c.example
         100 B>P 180/INVITE 1 br=p1 to=b1
         110 P>A 180/INVITE 1 to=b1
         150 C>P 486/INVITE 1 br=p2 to=c1 from=a1 h=Reason:Q.850;cause=17
         151 P>C ACK 1 br=p2 to=c1
         900 B>P 200/INVITE 1 br=p1 to=b1 sdp=5000
         901 P>A 200/INVITE 1 to=b1 sdp=10.0.0.2:5000
         910 A>P ACK 1
         2000 A>P BYE 2
         2001 P>B BYE 2
         2010 B>P 200/BYE 2
         2011 P>A 200/BYE 2
         9000 tick";
    let call = one(script);
    assert_eq!(branches(&call), ["b1 201@10.0.0.2 200 bye=3 won", "c1 301@10.0.0.3 486 bye=0"]);
    // The busy branch's reason is its own, not that of an answered call.
    assert_eq!(call.reason_q850, None);
    assert_eq!(call.branches[1].reason_q850.as_ref().map(|r| r.cause), Some(17));
    assert_eq!((call.flags.forked, call.counts.requests_again), (true, 0));
    assert_eq!(call.path.len(), 2);
}

#[test]
fn no_answer_here_so_the_proxy_tries_there() {
    // Its CANCEL of the first branch is not the caller's.
    check(
        "0 A>P INVITE 1
         5 P>A 100/INVITE 1
         10 P>B INVITE 1 br=p1
         100 B>P 180/INVITE 1 br=p1 to=b1
         101 P>A 180/INVITE 1 to=b1
         10000 P>B CANCEL 1 br=p1
         10001 B>P 200/CANCEL 1 br=p1
         10002 B>P 487/INVITE 1 br=p1 to=b1 from=a1
         10003 P>B ACK 1 br=p1
         10010 P>C INVITE 1 br=p2
         10100 C>P 180/INVITE 1 br=p2 to=c1
         10101 P>A 180/INVITE 1 to=c1
         40000 C>P 200/INVITE 1 br=p2 to=c1
         40001 P>A 200/INVITE 1 to=c1
         40010 A>P ACK 1 to=c1
         50000 A>P BYE 2 to=c1
         50010 P>A 200/BYE 2 to=c1
         90000 tick",
        &["50510 close bye=3 response=200 hung=Caller pdd=100 connected=40000 duration=50010 \
             talk=10000 forked"],
    );
}

#[test]
fn the_first_sender_forks_and_gives_one_up() {
    check(
        "0 P>B INVITE 1 br=p1
         1 P>C INVITE 1 br=p2
         100 B>P 180/INVITE 1 br=p1 to=b1 from=a1
         2000 P>B CANCEL 1 br=p1
         2010 B>P 487/INVITE 1 br=p1 to=b1 from=a1
         2011 P>B ACK 1 br=p1 to=b1
         20000 C>P 200/INVITE 1 br=p2 to=c1 from=a1
         20010 P>C ACK 1 to=c1
         30000 P>C BYE 2 to=c1
         30010 C>P 200/BYE 2 to=c1 from=a1
         60000 tick",
        &["30510 close bye=3 response=200 hung=Caller pdd=100 connected=20000 duration=30010 \
             talk=10000 forked"],
    );
    // And both: then the call is given up.
    check(
        "0 P>B INVITE 1 br=p1
         1 P>C INVITE 1 br=p2
         100 B>P 180/INVITE 1 br=p1 to=b1 from=a1
         2000 P>B CANCEL 1 br=p1
         2001 P>C CANCEL 1 br=p2
         60000 tick",
        &["12001 close bye=0 response=180 hung=Caller pdd=100 connected=- duration=2001 talk=- \
             cancelled"],
    );
}

#[test]
fn what_a_proxy_keeps_to_itself_is_not_how_the_call_went() {
    let script = "0 A>P INVITE 1
         10 P>B INVITE 1 br=p1
         100 B>P 503/INVITE 1 br=p1 to=b1 from=a1 h=Reason:Q.850;cause=38
         101 P>B ACK 1 br=p1
         110 P>C INVITE 1 br=p2
         200 C>P 180/INVITE 1 br=p2 to=c1 from=a1
         201 P>A 180/INVITE 1 to=c1
         9000 A>P CANCEL 1 br=INVITE1a1
         9001 P>C CANCEL 1 br=p2
         9010 C>P 487/INVITE 1 br=p2 to=c1 from=a1
         9020 P>A 487/INVITE 1 to=p9
         9030 A>P ACK 1 br=INVITE1a1
         20000 tick";
    check(
        script,
        &["9530 close bye=0 response=487 hung=Caller pdd=200 connected=- duration=9030 talk=- \
             forked cancelled"
            .replace("forked cancelled", "cancelled forked")
            .as_str()],
    );
    let call = one(script);
    assert_eq!(call.reason_q850, None);
    assert_eq!(
        branches(&call),
        ["b1 200@10.0.0.2 503 bye=0", "c1 200@10.0.0.3 487 bye=0", "p9 200@10.0.0.9 487 bye=0"]
    );
    // Where only a branch was seen to answer, that is all there is to tell.
    let call = one("0 A>P INVITE 1
         10 P>B INVITE 1 br=p1
         100 B>P 404/INVITE 1 br=p1 to=b1 from=a1
         101 P>B ACK 1 br=p1");
    assert_eq!(call.last_response.map(|r| r.status), Some(404));
}

#[test]
fn a_spiral_is_one_call() {
    // P sends the call to C, which sends it back to P with another Request-URI, and on to B.
    let script = "0 A>P INVITE 1 uri=sip:200@p
         1 P>C INVITE 1 br=s1 uri=sip:200@c
         2 C>P INVITE 1 br=s2 uri=sip:202@p
         3 P>B INVITE 1 br=s3 uri=sip:202@b
         100 B>P 180/INVITE 1 br=s3 to=b1 from=a1
         101 P>C 180/INVITE 1 br=s2 to=b1 from=a1
         102 C>P 180/INVITE 1 br=s1 to=b1 from=a1
         103 P>A 180/INVITE 1 to=b1
         900 B>P 200/INVITE 1 br=s3 to=b1 from=a1
         901 P>C 200/INVITE 1 br=s2 to=b1 from=a1
         902 C>P 200/INVITE 1 br=s1 to=b1 from=a1
         903 P>A 200/INVITE 1 to=b1
         910 A>P ACK 1
         5000 A>P BYE 2
         5010 P>A 200/BYE 2
         9000 tick";
    check(
        script,
        &["5510 close bye=3 response=200 hung=Caller pdd=100 connected=900 duration=5010 \
             talk=4100"],
    );
    let call = one(script);
    assert_eq!(branches(&call), ["b1 202@10.0.0.2 200 bye=3 won"]);
    assert_eq!((call.max_retransmission_invite, call.counts.responses_again), (0, 0));
    assert_eq!((call.dialled.as_str(), call.invites), ("200", 4));
}

#[test]
fn a_challenge_is_no_branch_and_a_redirection_another_attempt() {
    let call = one("0 A INVITE 1
         10 B 407/INVITE 1 to=x1
         20 A ACK 1 br=INVITE1a1 to=x1
         30 A INVITE 2 h=Proxy-Authorization:Digest_username=\"u\",realm=\"r\"
         40 B 407/INVITE 2 to=x2
         50 A ACK 2 br=INVITE2a1 to=x2
         60 A INVITE 3 h=Proxy-Authorization:Digest_username=\"u\",realm=\"r\"
         70 B 302/INVITE 3 to=b1 h=Contact:<sip:300@c.example>;q=0.5,<sip:x@y>
         80 A ACK 3 br=INVITE3a1
         3000 A>C INVITE 4
         3100 C 180/INVITE 4 to=c1
         3200 C 603/INVITE 4 to=c1
         3210 A>C ACK 4 br=INVITE4a1 to=c1
         60000 tick");
    assert_eq!(branches(&call), ["b1 200@10.0.0.2 302 bye=0", "c1 200@10.0.0.3 603 bye=0"]);
    assert_eq!(
        (call.flags.forked, call.flags.challenged, call.counts.challenges),
        (false, true, 2)
    );
    assert_eq!(call.redirected_to, "sip:300@c.example");
    assert_eq!(call.last_response.map(|r| r.status), Some(603));
    assert_eq!(call.digest_username, "u");
}

#[test]
fn branches_are_bounded() {
    let mut script = "0 A INVITE 1\n".to_owned();
    for n in 0..100 {
        script += &format!("{n} B 183/INVITE 1 to=t{n}\n");
    }
    let call = one(&script);
    assert_eq!(call.branches.len(), 16);
    assert!(call.flags.forked);
}
