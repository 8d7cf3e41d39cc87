//! Random sequences of messages, media and time: nothing panics, every call that began is closed
//! exactly once, every message is counted once, and how often timers are polled changes nothing.

use std::collections::BTreeMap;

use crate::script::{message, show};
use proptest::prelude::*;
use ringtap_call::{CallKey, Calls, Event, Options, RegisterState};
use ringtap_sip::Message;

/// One step: milliseconds since the last one, and what happens.
#[derive(Clone, Debug)]
struct Step {
    wait_ms: u64,
    who: &'static str,
    words: Vec<String>,
    media: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![5 => 0..700u64, 2 => 700..40_000u64, 1 => 40_000..20_000_000u64];
    let who = prop::sample::select(vec!["A", "B", "A>P", "P>B", "P", "B>P"]);
    let what = prop::sample::select(vec![
        "INVITE",
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "UPDATE",
        "PRACK",
        "INFO",
        "REFER",
        "NOTIFY",
        "OPTIONS",
        "REGISTER",
        "REGISTER",
        "MESSAGE",
        "200/REGISTER",
        "401/REGISTER",
        "403/REGISTER",
        "423/REGISTER",
        "200/OPTIONS",
        "202/MESSAGE",
        "407/MESSAGE",
        "100/INVITE",
        "180/INVITE",
        "183/INVITE",
        "200/INVITE",
        "302/INVITE",
        "401/INVITE",
        "407/INVITE",
        "486/INVITE",
        "487/INVITE",
        "491/INVITE",
        "603/INVITE",
        "200/BYE",
        "407/BYE",
        "481/BYE",
        "200/CANCEL",
        "200/UPDATE",
        "491/UPDATE",
        "481/BYE",
        "202/REFER",
        "422/INVITE",
    ]);
    let options = prop::collection::vec(
        prop::sample::select(vec![
            "re",
            "sdp=4000",
            "sdp=4002",
            "sdp=0.0.0.0:4000",
            "sdp=0",
            "dir=sendonly",
            "from=a2",
            "to=b2",
            "from=b1",
            "to=",
            "br=x",
            "br=y",
            "h=Reason:Q.850;cause=16",
            "h=Session-Expires:90;refresher=uac",
            "h=Refer-To:<sip:1@c?Replaces=x>",
            "body=application/dtmf:1",
            "body=message/sipfrag:SIP/2.0_200_OK",
            "h=Contact:<sip:100@10.0.0.1>",
            "h=Contact:<sip:101@10.0.0.1>;expires=40",
            "h=Contact:*",
            "h=Expires:0",
            "h=Authorization:Digest_username=\"u\",nonce=\"n\"",
            "h=WWW-Authenticate:Digest_realm=\"r\",nonce=\"n\"",
        ]),
        0..3,
    );
    let id = prop::sample::select(vec!["id=one", "id=two", "id=three"]);
    let step = (wait, who, what, 0..4u32, options, id, prop::bool::weighted(0.1)).prop_map(
        |(wait_ms, who, what, cseq, options, id, media)| {
            let mut words = vec![what.to_owned(), cseq.to_string(), id.to_owned()];
            words.extend(options.into_iter().map(str::to_owned));
            Step { wait_ms, who, words, media }
        },
    );
    prop::collection::vec(step, 1..60)
}

/// Plays the steps, polling timers where `polls` says so.
fn play(steps: &[Step], options: Options, polls: impl Fn(usize) -> bool) -> (Vec<Event>, Calls) {
    let (mut calls, mut events, mut now_ms) = (Calls::new(options), Vec::new(), 0);
    for (number, step) in steps.iter().enumerate() {
        now_ms += step.wait_ms;
        let clock_ns = now_ms * 1_000_000;
        if step.media {
            let id = step.words[2].trim_start_matches("id=");
            calls.saw_media(CallKey::of(0, id.as_bytes()), clock_ns);
        } else {
            let (meta, text) =
                message(clock_ns, step.who, step.words.iter().map(String::as_str).collect());
            calls.handle(&meta, &Message::parse(text.as_bytes()).unwrap(), &mut events);
        }
        if polls(number) {
            calls.handle_timeout(clock_ns, &mut events);
            assert!(calls.poll_timeout().is_none_or(|due| due > clock_ns));
        }
        let idle = calls.live() == 0 && calls.live_outside() == (0, 0);
        assert_eq!(calls.poll_timeout().is_none(), idle);
    }
    // What is due by now is closed as due in either way, before the rest is flushed.
    calls.handle_timeout(now_ms * 1_000_000, &mut events);
    calls.flush(&mut events);
    (events, calls)
}

pub(crate) fn check_events(events: &[Event], calls: &Calls) {
    let (mut open, mut transactions, mut registers) = (BTreeMap::new(), 0, 0);
    for event in events {
        match event {
            Event::Claim(claim) => *open.entry((claim.call, claim.instance)).or_insert(0u32) += 1,
            Event::Close(call) => {
                let claims = open.remove(&(call.call, call.instance)).unwrap_or(0);
                assert!(claims as usize >= call.claims.len());
                assert!(call.end.clock_ns >= call.first.clock_ns);
                assert!(call.closed_clock_ns >= call.last_message.clock_ns);
                assert!(call.ladder.len() as u32 + call.ladder_omitted == call.messages);
                assert!(call.branches.iter().filter(|branch| branch.won).count() <= 1);
                let holds = call.holds.iter();
                assert!(holds.rev().skip(1).all(|(_, end)| end.is_some()), "{:?}", call.holds);
            }
            Event::Transaction(one) => {
                assert!(one.last.clock_ns >= one.first.clock_ns && one.messages > 0);
                transactions += 1;
            }
            Event::Register(one) => {
                assert!(one.counter > 0);
                assert!(one.counter == 1 || one.state == RegisterState::Failed);
                registers += 1;
            }
        }
    }
    assert!(open.is_empty(), "claims without a close: {open:?}");
    let closes = events.iter().filter(|e| matches!(e, Event::Close(_))).count() as u64;
    let counters = calls.counters();
    assert_eq!((calls.live(), closes), (0, counters.calls_closed));
    assert_eq!(counters.calls_begun, counters.calls_closed);
    let placed = counters.in_call
        + counters.other_methods
        + counters.without_invite
        + counters.late
        + counters.no_call
        + counters.refused_calls;
    assert_eq!(counters.messages, placed);
    let kinds: u64 = counters.requests.iter().chain(&counters.responses).sum();
    assert_eq!(counters.messages, kinds);
    check_outside(calls, transactions, registers);
}

/// What was told of requests outside of calls is what was counted.
fn check_outside(calls: &Calls, transactions: u64, registers: u64) {
    let (counters, outside) = (calls.counters(), calls.outside_counters());
    assert_eq!(calls.live_outside(), (0, 0));
    let given = counters.other_methods + counters.without_invite + counters.no_call
        - counters.key_collisions;
    assert_eq!(outside.messages, given);
    let placed = outside.in_transaction + outside.late + outside.refused + outside.unwanted;
    assert_eq!(outside.messages, placed);
    assert_eq!(outside.begun, outside.closed);
    assert_eq!(outside.register_changes, registers);
    assert!(transactions <= outside.closed);
}

fn sorted(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<_> = events.iter().map(|e| format!("{} {e:?}", show(e))).collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_call_is_closed_once(steps in steps()) {
        let (events, calls) = play(&steps, Options::default(), |n| n % 3 == 0);
        check_events(&events, &calls);
    }

    #[test]
    fn polling_changes_nothing(steps in steps()) {
        let (often, _) = play(&steps, Options::default(), |_| true);
        let (never, _) = play(&steps, Options::default(), |_| false);
        prop_assert_eq!(sorted(&often), sorted(&never));
    }

    #[test]
    fn limits_hold(steps in steps()) {
        let options = Options {
            calls_max: 2,
            max_sip_packets_in_call: 5,
            transactions_max: 2,
            registrations_max: 1,
            ..Options::default()
        };
        let (events, calls) = play(&steps, options, |n| n % 2 == 0);
        check_events(&events, &calls);
        for event in &events {
            if let Event::Close(call) = event {
                prop_assert!(call.messages <= 6);
            }
        }
    }
}

/// A cheap generator of mutations: the same ones every time.
struct Mutator(u64);

impl Mutator {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

#[test]
fn damaged_messages() {
    let lines = [
        ("A", "INVITE 1 sdp=4000 h=Proxy-Authorization:Digest_username=\"u\""),
        ("B", "183/INVITE 1 sdp=5000 h=Server:x h=Require:100rel"),
        ("B", "200/INVITE 1 sdp=[::1]:5000"),
        ("A", "ACK 1"),
        ("A", "INVITE 2 re sdp=4002 dir=sendonly"),
        ("B", "486/INVITE 2 h=Reason:SIP;cause=486,Q.850;cause=17;text=\"b\""),
        ("B", "BYE 1 h=Reason:Q.850;cause=16;text=\"x\""),
        ("A", "200/BYE 1"),
        ("A", "CANCEL 1"),
        ("A", "REGISTER 3 id=r h=Contact:<sip:100@a>;expires=60"),
        ("B", "401/REGISTER 3 id=r h=WWW-Authenticate:Digest_nonce=\"n\",realm=\"r\""),
        ("A", "REGISTER 4 id=r h=Contact:<sip:100@a> h=Authorization:Digest_nonce=\"n\""),
        ("B", "200/REGISTER 4 id=r h=Contact:<sip:100@a>;expires=60"),
        ("A", "MESSAGE 5 id=m h=Event:x"),
        ("B", "202/MESSAGE 5 id=m"),
    ];
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    let mut mutator = Mutator(7);
    let (mut parsed, mut clock_ns) = (0u64, 0);
    for round in 0..30_000usize {
        clock_ns += mutator.next(400) as u64 * 1_000_000;
        let (who, words) = lines[mutator.next(lines.len())];
        let (meta, text) = message(clock_ns, who, words.split_whitespace().collect());
        let mut bytes = text.into_bytes();
        for _ in 0..round % 5 {
            let at = mutator.next(bytes.len());
            match mutator.next(3) {
                0 => bytes[at] = mutator.next(256) as u8,
                1 => drop(bytes.drain(at..(at + mutator.next(20)).min(bytes.len()))),
                _ => {
                    let copy = bytes[at..(at + mutator.next(40)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        if let Ok(message) = Message::parse(&bytes) {
            parsed += 1;
            calls.handle(&meta, &message, &mut events);
        }
        if round % 16 == 0 {
            calls.handle_timeout(clock_ns, &mut events);
        }
    }
    calls.flush(&mut events);
    check_events(&events, &calls);
    assert!(parsed > 20_000 && calls.counters().malformed > 1000, "{parsed}");
}
