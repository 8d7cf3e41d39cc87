//! Requests outside of calls as scripts, and what must be told of each.

use std::fmt::Write;

use crate::script::{message, play, run, show};
use ringtap_call::{Calls, Event, Options, Recorded};
use ringtap_sip::Message;

fn check(script: &str, want: &[&str]) {
    assert_eq!(play(script), want, "{script}");
}

const CHALLENGE: &str = "h=WWW-Authenticate:Digest_realm=\"r\",nonce=\"n1\"";
const ANSWER: &str = "h=Authorization:Digest_username=\"u\",realm=\"r\",nonce=\"n1\"";
const CONTACT: &str = "h=Contact:<sip:100@10.0.0.1:5060>";

/// A script in which `CHALLENGE`, `ANSWER` and `CONTACT` stand for their headers.
fn check_register(script: &str, want: &[&str]) {
    let script = script.replace("CHALLENGE", CHALLENGE).replace("ANSWER", ANSWER);
    check(&script.replace("CONTACT", CONTACT), want);
}

#[test]
fn a_challenged_registration_is_one() {
    check_register(
        "0 A REGISTER 1 CONTACT h=Expires:600
         20 B 401/REGISTER 1 CHALLENGE
         100 A REGISTER 2 CONTACT h=Expires:600 ANSWER
         130 B 100/REGISTER 2
         150 B 200/REGISTER 2 CONTACT;expires=300
         9000 tick",
        &["150 Registered 100@10.0.0.1 response=200 expires=300 delay=50 challenged"],
    );
}

#[test]
fn refreshes_are_no_change_and_time_is() {
    check_register(
        "0 A REGISTER 1 CONTACT
         20 B 200/REGISTER 1 CONTACT;expires=60
         50000 A REGISTER 2 CONTACT
         50020 B 200/REGISTER 2 CONTACT;expires=60
         99000 A REGISTER 3 CONTACT
         99020 B 401/REGISTER 3 CHALLENGE
         99040 A REGISTER 4 CONTACT ANSWER
         99050 B 200/REGISTER 4 CONTACT;expires=60
         170000 tick",
        &[
            "20 Registered 100@10.0.0.1 response=200 expires=60 delay=20",
            "159050 Expired 100@10.0.0.1 response=- expires=60 refreshes=2 challenged",
        ],
    );
}

#[test]
fn taken_back() {
    check_register(
        "0 A REGISTER 1 CONTACT
         20 B 200/REGISTER 1 CONTACT;expires=60
         5000 A REGISTER 2 CONTACT h=Expires:0
         5020 B 200/REGISTER 2
         9000 A REGISTER 3 CONTACT h=Expires:0
         9020 B 200/REGISTER 3
         99000 tick",
        &[
            "20 Registered 100@10.0.0.1 response=200 expires=60 delay=20",
            "5020 Unregistered 100@10.0.0.1 response=200 expires=0 delay=20",
        ],
    );
}

#[test]
fn all_contacts_are_taken_back_at_once() {
    check_register(
        "0 A REGISTER 1 CONTACT
         20 B 200/REGISTER 1 CONTACT;expires=60
         1000 A REGISTER 2 h=Contact:<sip:100@10.0.0.7>
         1020 B 200/REGISTER 2 CONTACT,<sip:100@10.0.0.7>;expires=50
         5000 A REGISTER 3 h=Contact:* h=Expires:0
         5020 B 200/REGISTER 3
         99000 tick",
        &[
            "20 Registered 100@10.0.0.1 response=200 expires=60 delay=20",
            "1020 Registered 100@10.0.0.7 response=200 expires=50 delay=20",
            "5020 Unregistered 100@10.0.0.1 response=200 expires=0 delay=20",
            "5020 Unregistered 100@10.0.0.7 response=200 expires=0 delay=20",
        ],
    );
}

#[test]
fn failures_of_one_kind_are_counted_together() {
    let mut script = String::new();
    for n in 0..30u32 {
        writeln!(script, "{} A REGISTER {} CONTACT", n * 60_000, n + 1).unwrap();
        writeln!(script, "{} B 403/REGISTER {}", n * 60_000 + 10, n + 1).unwrap();
    }
    check_register(
        &(script + "1800000 A REGISTER 50 CONTACT\n1800040 B 200/REGISTER 50\n1801000 tick"),
        &[
            "10 Failed 100@10.0.0.1 response=403",
            "540010 Failed 100@10.0.0.1 response=403 counter=9",
            "1080010 Failed 100@10.0.0.1 response=403 counter=9",
            "1620010 Failed 100@10.0.0.1 response=403 counter=9",
            "1740010 Failed 100@10.0.0.1 response=403 counter=2",
            "1800040 Registered 100@10.0.0.1 response=200 expires=3600 delay=40",
        ],
    );
}

#[test]
fn every_wrong_password_counts() {
    // The guesser keeps CSeq and Call-ID, and answers each challenge with the next guess.
    let mut script = "0 A REGISTER 1 CONTACT\n5 B 401/REGISTER 1 CHALLENGE\n".to_owned();
    for n in 0..5u32 {
        let (at, next) = (10 + n * 10, n + 2);
        writeln!(
            script,
            "{at} A REGISTER 2 CONTACT br=g{n} \
             h=Authorization:Digest_username=\"u\",nonce=\"n{}\",response=\"{n}\"
             {} B 401/REGISTER 2 br=g{n} h=WWW-Authenticate:Digest_realm=\"r\",nonce=\"n{next}\"",
            n + 1,
            at + 5
        )
        .unwrap();
    }
    check_register(
        &script,
        &[
            "15 Failed 100@10.0.0.1 response=401 challenged",
            "55 Failed 100@10.0.0.1 response=401 counter=4 challenged",
        ],
    );
}

#[test]
fn an_old_nonce_is_no_failure() {
    check_register(
        "0 A REGISTER 8 CONTACT ANSWER
         20 B 401/REGISTER 8 h=WWW-Authenticate:Digest_realm=\"r\",nonce=\"new\",stale=true
         30 A REGISTER 9 CONTACT h=Authorization:Digest_username=\"u\",nonce=\"new\"
         50 B 200/REGISTER 9 CONTACT
         9000 tick",
        &["50 Registered 100@10.0.0.1 response=200 expires=3600 delay=20 challenged"],
    );
}

#[test]
fn too_short_a_time_is_asked_for_again() {
    check_register(
        "0 A REGISTER 1 CONTACT;expires=5
         20 B 423/REGISTER 1 h=Min-Expires:60
         30 A REGISTER 2 CONTACT;expires=60
         50 B 200/REGISTER 2
         9000 tick",
        &["50 Registered 100@10.0.0.1 response=200 expires=60 delay=20"],
    );
}

#[test]
fn a_registrar_that_does_not_answer() {
    check_register(
        "0 A REGISTER 1 CONTACT
         500 A REGISTER 1 CONTACT
         1500 A REGISTER 1 CONTACT
         3500 A REGISTER 1 CONTACT
         9000 tick",
        &["3500 Failed 100@10.0.0.1 response=- again=3"],
    );
}

#[test]
fn a_challenge_that_nobody_answers_is_a_failure() {
    check_register(
        "0 A REGISTER 1 CONTACT
         20 B 401/REGISTER 1 CHALLENGE
         70000 tick",
        &["20 Failed 100@10.0.0.1 response=401 challenged"],
    );
}

#[test]
fn a_new_call_id_is_the_same_registration_and_another_source_is_not() {
    check_register(
        "0 A REGISTER 1 id=before CONTACT
         20 B 200/REGISTER 1 id=before CONTACT
         1000 A REGISTER 1 id=after CONTACT
         1020 B 200/REGISTER 1 id=after CONTACT
         2000 C>B REGISTER 1 id=third from=a1 CONTACT
         2020 B>C 200/REGISTER 1 id=third CONTACT
         9000 tick",
        &[
            "20 Registered 100@10.0.0.1 response=200 expires=3600 delay=20",
            "2020 Registered 100@10.0.0.1 response=200 expires=3600 delay=20",
        ],
    );
}

#[test]
fn a_question_for_contacts_is_no_registration() {
    check(
        "0 A REGISTER 1
         20 B 200/REGISTER 1 h=Contact:<sip:100@10.0.0.1>;expires=5
         9000 tick",
        &["0 REGISTER 1 response=200 delay=20 messages=2"],
    );
}

#[test]
fn message_with_retransmissions() {
    check(
        "0 A MESSAGE 1 to=
         500 A MESSAGE 1 to=
         700 B 202/MESSAGE 1
         701 B 202/MESSAGE 1
         9000 tick
         9500 B 202/MESSAGE 1",
        &["0 MESSAGE 1 response=202 delay=700 messages=4 again=1"],
    );
}

#[test]
fn message_with_a_challenge() {
    check(
        "0 A MESSAGE 1 to=
         20 B 407/MESSAGE 1 h=Proxy-Authenticate:Digest_nonce=\"x\",realm=\"r\"
         30 A MESSAGE 2 to= h=Proxy-Authorization:Digest_nonce=\"x\",username=\"u\"
         90 B 200/MESSAGE 2
         9000 tick",
        &["0 MESSAGE 2 response=200 delay=60 messages=4 challenged"],
    );
}

#[test]
fn what_comes_alone() {
    check(
        "0 A OPTIONS 1
         100 B>A 200/NOTIFY 7
         200 A SUBSCRIBE 3 to= id=s
         300 B 100/SUBSCRIBE 3 id=s
         400 B 486/INVITE 9 id=i
         410 A ACK 9 id=i
         500 A BYE 4 id=b
         600 A ACK 4 id=k
         40000 tick",
        &[
            "100 NOTIFY 7 response=200 delay=- messages=1 no_request",
            "400 INVITE 9 response=486 delay=- messages=2 no_request",
            "600 ACK 4 response=- delay=- messages=1",
            "0 OPTIONS 1 response=- delay=- messages=1",
            "200 SUBSCRIBE 3 response=100 delay=- messages=2",
            "500 BYE 4 response=- delay=- messages=1",
        ],
    );
}

#[test]
fn a_request_on_two_hops_is_two() {
    check(
        "0 A>P OPTIONS 1
         1 P>B OPTIONS 1 from=a1 br=p
         2 B>P 200/OPTIONS 1 br=p
         3 P>A 200/OPTIONS 1
         9000 tick",
        &[
            "1 OPTIONS 1 response=200 delay=1 messages=2",
            "0 OPTIONS 1 response=200 delay=3 messages=2",
        ],
    );
}

#[test]
fn inside_of_a_call_nothing_is_told_beside_it() {
    let lines = play(
        "0 A INVITE 1 sdp=4000
         100 B 200/INVITE 1 sdp=5000
         110 A ACK 1
         200 A OPTIONS 2
         210 B 200/OPTIONS 2
         220 B INFO 3
         230 A 200/INFO 3
         240 A MESSAGE 4
         250 B 200/MESSAGE 4
         1000 A BYE 5
         1010 B 200/BYE 5
         9000 tick",
    );
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[test]
fn a_call_that_takes_over_the_call_id_leaves_the_request_its_answer() {
    let lines = play(
        "0 A OPTIONS 1
         10 A INVITE 2
         20 B 200/OPTIONS 1
         30 B 486/INVITE 2
         40 A ACK 2 br=INVITE2a1
         9000 tick",
    );
    assert!(
        lines.contains(&"0 OPTIONS 1 response=200 delay=20 messages=2".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_refusal_that_overtakes_its_invite_does_not_take_the_call_away() {
    let lines = play(
        "0 B 407/INVITE 1
         1 A INVITE 1
         2 B 407/INVITE 1
         3 A ACK 1 br=INVITE1a1
         10 A INVITE 2
         20 B 486/INVITE 2
         30 A ACK 2 br=INVITE2a1
         9000 tick",
    );
    let closes = lines.iter().filter(|line| line.contains(" close ")).count();
    assert_eq!(closes, 1, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("response=486")), "{lines:?}");
}

#[test]
fn the_end_of_input_tells_what_is_open() {
    check(
        "0 A MESSAGE 1 to=
         10 A OPTIONS 2 id=o
         20 B 200/OPTIONS 2 id=o",
        &[
            "0 MESSAGE 1 response=- delay=- messages=1 flushed",
            "10 OPTIONS 2 response=200 delay=10 messages=2",
        ],
    );
}

#[test]
fn text_is_kept_only_where_it_is_asked_for() {
    let text = |max: usize| {
        let options = Options { message_text_max: max, ..Options::default() };
        let (mut calls, mut events) = (Calls::new(options), Vec::new());
        let (meta, head) = message(0, "A", vec!["MESSAGE", "1", "to="]);
        let head =
            head.replace("Content-Length: 0", "Content-Type: text/plain\r\nContent-Length: 8");
        let bytes = head + "gr\u{fc}\u{df}e\n";
        calls.handle(&meta, &Message::parse(bytes.as_bytes()).unwrap(), &mut events);
        calls.flush(&mut events);
        let Some(Event::Transaction(one)) = events.pop() else { panic!("{events:?}") };
        assert_eq!(
            (one.request_body.content_type.as_str(), one.request_body.length),
            ("text/plain", 8)
        );
        one.text
    };
    assert_eq!(text(0), "");
    assert_eq!(text(100), "gr\u{fc}\u{df}e\n");
    assert_eq!(text(3), "gr\u{fffd}");
}

#[test]
fn methods_that_are_not_wanted_are_counted() {
    let recorded = Recorded { options: false, register: false, ..Recorded::default() };
    let mut calls = Calls::new(Options { recorded, ..Options::default() });
    let mut events = Vec::new();
    run(&mut calls, "0 A OPTIONS 1\n1 A REGISTER 1\n2 A MESSAGE 1 to= id=m", &mut events);
    calls.flush(&mut events);
    let lines: Vec<_> = events.iter().map(show).collect();
    assert_eq!(lines, ["2 MESSAGE 1 response=- delay=- messages=1 flushed"]);
    assert_eq!(calls.outside_counters().unwanted, 2);
}
