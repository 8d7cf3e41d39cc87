//! Every way a call may end: races, refusals of the BYE, both sides at once, and nothing at all.
//!
//! The plain ends are in `shapes`.

use ringtap_call::{CallSummary, Options, RequestDelay, SessionDuration, Side};

use crate::script::{closed, closed_with};
use crate::shapes::check;

const TALK: &str = "0 A INVITE 1\n100 B 180/INVITE 1\n1000 B 200/INVITE 1\n1010 A ACK 1\n";

fn one(script: &str) -> CallSummary {
    let mut all = closed(script);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn ended(rest: &str) -> CallSummary {
    one(&format!("{TALK}{rest}"))
}

const MS: u64 = 1_000_000;

#[test]
fn both_hang_up_at_once() {
    let call = ended(
        "5000 A BYE 2
         5001 B BYE 1
         5010 B 481/BYE 2
         5012 A 200/BYE 1
         9000 tick",
    );
    assert_eq!((call.bye.code(), call.hung_up), (3, Some(Side::Caller)));
    assert!(call.flags.both_hung_up);
    assert_eq!(call.post_bye_delay_ns(), Some(10 * MS));
    assert_eq!(call.session_disconnect_delay_ns(), Some(12 * MS));
}

#[test]
fn an_answer_that_was_lost_shows_in_what_follows() {
    // 200 and ACK were not seen: the re-INVITE tells that the call was answered.
    let call = one("0 A INVITE 1 sdp=4000
         100 B 180/INVITE 1
         9000 A INVITE 2 re sdp=4000 dir=sendonly
         9010 B 200/INVITE 2 sdp=5000 dir=recvonly
         9020 A ACK 2
         20000 A BYE 3
         20010 B 200/BYE 3");
    assert!(call.flags.answer_inferred);
    assert_eq!((call.setup_time_ns(), call.reinvites, call.bye.code()), (Some(9000 * MS), 1, 3));
    assert_eq!(call.holds.len(), 1);
    // The tag of a challenge in the next INVITE is no such proof.
    let call = one("0 A INVITE 1
         10 B 407/INVITE 1 to=x
         20 A ACK 1 br=INVITE1a1 to=x
         30 A INVITE 2 re to=x
         100 B 486/INVITE 2 to=b1
         110 A ACK 2 br=INVITE2a1 to=b1");
    assert!(!call.flags.answer_inferred && call.connected.is_none());
    assert_eq!(call.last_response.map(|r| r.status), Some(486));
}

#[test]
fn a_bye_that_is_refused_is_not_confirmed_but_the_end() {
    let call = ended("5000 A BYE 2\n5010 B 481/BYE 2\n5511 tick");
    assert_eq!((call.bye.code(), call.closed_clock_ns), (2, 5510 * MS));
    assert_eq!(call.post_bye_delay_ns(), Some(10 * MS));
    assert_eq!(call.session_disconnect_delay_ns(), None);
    assert_eq!(call.session_duration_time(), Some(SessionDuration::Successful(4000 * MS)));
}

#[test]
fn a_bye_that_is_challenged_is_sent_again() {
    for challenge in ["401", "407"] {
        let call = ended(&format!(
            "5000 A BYE 2
             5010 B {challenge}/BYE 2
             5020 A BYE 3
             5030 B 100/BYE 3
             5100 B 200/BYE 3
             9000 tick"
        ));
        assert_eq!((call.bye.code(), call.closed_clock_ns), (3, 5600 * MS));
        assert_eq!(call.session_disconnect_delay_ns(), Some(100 * MS));
    }
}

#[test]
fn a_bye_that_nobody_answers() {
    let call = ended("5000 B BYE 1\n5500 B BYE 1\n6500 B BYE 1\n60000 tick");
    assert_eq!((call.bye.code(), call.hung_up), (2, Some(Side::Callee)));
    assert_eq!((call.post_bye_delay_ns(), call.counts.requests_again), (None, 2));
    assert_eq!(call.connect_duration_ns(), Some(4000 * MS));
    // Answer to the expiry of timer F.
    assert_eq!(call.session_duration_time(), Some(SessionDuration::Failed(36_000 * MS)));
}

#[test]
fn a_bye_is_repeated_for_longer_than_bye_timeout() {
    let mut script = TALK.to_owned();
    for second in 0..1300 {
        script += &format!("{} A BYE 2\n", 5000 + second * 1000);
    }
    let all = closed(&script);
    // What follows the timeout belongs to no call any more.
    let [call] = &all[..] else { panic!("{}", all.len()) };
    assert_eq!((call.bye.code(), call.closed_clock_ns), (103, 1_205_000 * MS));
}

#[test]
fn an_answer_that_crossed_a_bye() {
    // The caller hangs up while the answer is on its way; the mirror shows the answer later.
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         2000 A BYE 2
         1990 B 200/INVITE 1
         2010 B 200/BYE 2
         9000 tick",
        &["2510 close bye=3 response=200 hung=Caller pdd=100 connected=1990 duration=2010 \
             talk=10 unacknowledged"],
    );
    // One that was really sent after the BYE answers nothing.
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         2000 A BYE 2
         2005 B 200/INVITE 1
         2010 B 200/BYE 2
         9000 tick",
        &["2510 close bye=3 response=200 hung=Caller pdd=100 connected=- duration=2010 talk=-"],
    );
}

#[test]
fn an_answer_that_is_never_acknowledged_and_hung_up_for_it() {
    let call = one("0 A INVITE 1
         1000 B 200/INVITE 1
         1500 B 200/INVITE 1
         2500 B 200/INVITE 1
         4500 B 200/INVITE 1
         33000 B BYE 1
         33010 A 481/BYE 1
         60000 tick");
    assert!(call.flags.unacknowledged);
    assert_eq!((call.bye.code(), call.counts.responses_again), (2, 3));
    assert_eq!(call.setup_time_ns(), Some(1000 * MS));
}

#[test]
fn cancel_races() {
    // 200 to the INVITE crosses the CANCEL, which is answered with 481.
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         4999 B 200/INVITE 1
         5000 A CANCEL 1 br=INVITE1a1
         5010 B 481/CANCEL 1
         5020 A ACK 1
         5030 A BYE 2
         5040 B 200/BYE 2
         9000 tick",
        &["5540 close bye=3 response=200 hung=Caller pdd=100 connected=4999 duration=5040 \
             talk=31"],
    );
    // The 487 comes, but its ACK does not.
    check(
        "0 A INVITE 1
         100 B 180/INVITE 1
         5000 A CANCEL 1 br=INVITE1a1
         5010 B 487/INVITE 1
         5510 B 487/INVITE 1
         60000 tick",
        &["20010 close bye=0 response=487 hung=Caller pdd=100 connected=- duration=5510 talk=- \
             cancelled"],
    );
    // CANCEL to an INVITE that nobody has answered: one side is all there is.
    check(
        "0 A INVITE 1
         5000 A CANCEL 1 br=INVITE1a1
         60000 tick",
        &["15000 close bye=101 response=0 hung=Caller pdd=- connected=- duration=5000 talk=- \
             cancelled"],
    );
}

#[test]
fn a_redirection_that_nobody_follows() {
    let call = one("0 A INVITE 1
         10 B 302/INVITE 1 h=Contact:<sip:300@c.example>
         20 A ACK 1 br=INVITE1a1
         60000 tick");
    assert_eq!((call.closed_clock_ns, call.bye.code()), (4020 * MS, 0));
    assert_eq!((call.session_request_delay(), call.last_response.unwrap().status), (None, 302));
    // Never acknowledged either: redirect_response_300_timeout, not the zombie's code.
    let call = one("0 A INVITE 1\n10 B 302/INVITE 1\n900000 tick");
    assert_eq!((call.closed_clock_ns, call.bye.code()), (300_010 * MS, 0));
}

#[test]
fn a_refusal_that_asks_for_another_invite() {
    // 422: the session interval was too small (RFC 4028).
    check(
        "0 A INVITE 1 h=Session-Expires:60
         10 B 422/INVITE 1
         20 A ACK 1 br=INVITE1a1
         2000 A INVITE 2 h=Session-Expires:1800
         2100 B 486/INVITE 2
         2110 A ACK 2 br=INVITE2a1
         9000 tick",
        &["2610 close bye=0 response=486 hung=- pdd=- connected=- duration=2110 talk=-"],
    );
}

#[test]
fn what_may_still_follow_is_waited_for_as_long_as_the_options_say() {
    let options = Options {
        challenge_timeout: 3,
        retry_timeout: 20,
        cancel_timeout: 7,
        ..Options::default()
    };
    for (rest, closed_ms) in [
        ("10 B 407/INVITE 1\n20 A ACK 1 br=INVITE1a1", 3010),
        ("10 B 484/INVITE 1\n20 A ACK 1 br=INVITE1a1", 20_020),
        ("10 B 404/INVITE 1\n20 A ACK 1 br=INVITE1a1", 520),
        ("10 B 180/INVITE 1\n20 A CANCEL 1 br=INVITE1a1\n30 B 200/CANCEL 1", 7020),
    ] {
        let script = format!("0 A INVITE 1\n{rest}\n90000 tick");
        let [call] = &closed_with(options, &script)[..] else { panic!("{rest}") };
        assert_eq!(call.closed_clock_ns, closed_ms * MS, "{rest}");
    }
    // One that comes in time is the same call, one that comes later another.
    let again = |ms: u64| {
        format!("0 A INVITE 1\n10 B 407/INVITE 1\n20 A ACK 1 br=INVITE1a1\n{ms} A INVITE 2")
    };
    assert_eq!(closed_with(options, &again(3009)).len(), 1);
    assert_eq!(closed_with(options, &again(3011)).len(), 2);
}

#[test]
fn password_that_is_never_right() {
    let call = one("0 A INVITE 1
         10 B 401/INVITE 1 to=x1
         20 A ACK 1 br=INVITE1a1 to=x1
         30 A INVITE 2 h=Authorization:Digest_username=\"u\",realm=\"r\"
         40 B 401/INVITE 2 to=x2
         50 A ACK 2 br=INVITE2a1 to=x2
         60 A INVITE 3 h=Authorization:Digest_username=\"u\",realm=\"r\"
         70 B 401/INVITE 3 to=x3
         80 A ACK 3 br=INVITE3a1 to=x3
         90000 tick");
    assert_eq!((call.counts.challenges, call.digest_username.as_str()), (3, "u"));
    assert_eq!((call.last_response.map(|r| r.status), call.bye.code()), (Some(401), 0));
    assert!(call.branches.is_empty() && !call.flags.forked);
}

#[test]
fn delays_of_rfc_6076() {
    let delay = |script: &str| one(script).session_request_delay();
    let auth = "0 A INVITE 1\n10 B 407/INVITE 1\n20 A ACK 1 br=INVITE1a1\n30 A INVITE 2\n";
    // From the first INVITE, authentication included; 100 tells nothing.
    let rings = delay(&format!("{auth}40 B 100/INVITE 2\n90 B 183/INVITE 2"));
    assert_eq!(rings, Some(RequestDelay::Successful(90 * MS)));
    let refused = delay(&format!("{auth}40 B 100/INVITE 2\n70 B 486/INVITE 2"));
    assert_eq!(refused, Some(RequestDelay::Failed(70 * MS)));
    // Payment that is asked for is no failure (RFC 6076 §4.3).
    let unpaid = one("0 A INVITE 1\n70 B 402/INVITE 1\n80 A ACK 1\n9000 tick");
    assert_eq!(unpaid.session_request_delay(), None);
    let late = delay("0 A INVITE 1\n50 B 180/INVITE 1\n9000 B 480/INVITE 1");
    assert_eq!(late, Some(RequestDelay::Failed(50 * MS)));
    assert_eq!(delay("0 A INVITE 1\n10 B 100/INVITE 1"), None);
    assert_eq!(delay("0 B 200/INVITE 1"), None);
    let call = ended("5000 A BYE 2\n5010 B 200/BYE 2");
    assert_eq!(call.session_duration_time(), Some(SessionDuration::Successful(4000 * MS)));
    assert_eq!(call.ringing_time_ns(), Some(100 * MS));
}

#[test]
fn the_ladder_keeps_how_a_long_call_ended() {
    let mut script = TALK.to_owned();
    for n in 0..500 {
        script += &format!("{} A INFO {}\n", 2000 + n, 2 + n);
    }
    script += "9000 A BYE 900\n9010 B 200/BYE 900";
    let call = one(&script);
    assert_eq!((call.ladder.len(), call.ladder_omitted), (64, 506 - 64));
    let texts: Vec<_> = call.ladder.iter().map(|step| step.text.as_str()).collect();
    assert_eq!((texts[0], texts[62], texts[63]), ("INVITE", "BYE", "200 Phrase200"));
}
