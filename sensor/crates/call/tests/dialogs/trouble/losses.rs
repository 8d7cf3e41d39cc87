//! Whole calls whose messages are lost, doubled and delayed on their way to the sensor: one record
//! each, whatever is left of them.
//!
//! The delays stay below the time that an ended call is kept; what comes later is in `chaos`.

use proptest::prelude::*;
use ringtap_call::{Calls, Event, Options};
use ringtap_sip::Message;

use super::chaos::check_events;
use crate::script::message;

/// A mirror's two directions are so far apart at most, in milliseconds.
const DELAY_MAX_MS: u64 = 400;

const CALLS: [&str; 8] = [
    "0 A INVITE 1 sdp=4000\n10 B 100/INVITE 1\n300 B 180/INVITE 1\n1000 B 200/INVITE 1 sdp=5000
     1010 A ACK 1\n5000 A BYE 2\n5010 B 200/BYE 2",
    "0 A INVITE 1\n10 B 407/INVITE 1 to=x\n20 A ACK 1 br=INVITE1a1 to=x\n30 A INVITE 2
     40 B 100/INVITE 2\n300 B 183/INVITE 2 sdp=5000\n2000 B 200/INVITE 2\n2010 A ACK 2
     5000 B BYE 1\n5010 A 401/BYE 1\n5020 B BYE 2\n5030 A 200/BYE 2",
    "0 A>P INVITE 1\n1 P>B INVITE 1 br=p1\n2 P>C INVITE 1 br=p2\n100 B>P 180/INVITE 1 br=p1
     101 P>A 180/INVITE 1\n200 C>P 486/INVITE 1 br=p2 to=c1 from=a1\n201 P>C ACK 1 br=p2 to=c1
     900 B>P 200/INVITE 1 br=p1\n901 P>A 200/INVITE 1\n910 A>P ACK 1\n911 P>B ACK 1 br=p3
     3000 A>P BYE 2\n3001 P>B BYE 2\n3010 B>P 200/BYE 2\n3011 P>A 200/BYE 2",
    "0 A INVITE 1\n100 B 180/INVITE 1\n4000 A CANCEL 1 br=INVITE1a1\n4005 B 200/CANCEL 1
     4010 B 487/INVITE 1\n4020 A ACK 1 br=INVITE1a1",
    "0 A INVITE 1\n10 B 302/INVITE 1\n20 A ACK 1 br=INVITE1a1\n30 A>C INVITE 2
     100 C 180/INVITE 2 to=c1\n500 C 200/INVITE 2 to=c1\n510 A>C ACK 2 to=c1
     2000 C BYE 1 from=c1 to=a1\n2010 A>C 200/BYE 1 from=c1 to=a1",
    "0 A INVITE 1 sdp=4000\n500 B 200/INVITE 1 sdp=5000 to=b1\n510 A ACK 1
     600 B 200/INVITE 1 to=c1\n610 A ACK 1 to=c1\n620 A BYE 2 to=c1\n630 B 200/BYE 2 to=c1
     1000 A INVITE 3 re sdp=4000 dir=sendonly\n1010 B 200/INVITE 3 sdp=5000 dir=recvonly
     1020 A ACK 3\n2000 A INVITE 4 re sdp=4000\n2001 B INVITE 1 re\n2010 B 491/INVITE 4
     2011 A 491/INVITE 1\n3000 A BYE 5\n3000 B BYE 2\n3010 B 200/BYE 5\n3010 A 200/BYE 2",
    "0 A INVITE 1\n500 B 200/INVITE 1 h=Session-Expires:90\n510 A ACK 1
     1000 A REFER 2 h=Refer-To:<sip:3@c>\n1010 B 202/REFER 2
     1100 B NOTIFY 1 h=Event:refer body=message/sipfrag:SIP/2.0_100_Trying\n1110 A 200/NOTIFY 1
     2000 A INFO 3 body=application/dtmf-relay:Signal=5\n2010 B 200/INFO 3
     3000 A UPDATE 4\n3010 B 200/UPDATE 4 h=Session-Expires:90\n4000 B BYE 2\n4010 A 481/BYE 2",
    "0 A INVITE 1\n500 A INVITE 1\n1500 A INVITE 1\n3500 A INVITE 1\n7500 A INVITE 1",
];

/// What the way does to one message.
#[derive(Clone, Debug)]
struct Fate {
    copies: usize,
    delays_ms: [u64; 3],
}

fn fate() -> impl Strategy<Value = Fate> {
    let copies = prop_oneof![2 => Just(0usize), 8 => Just(1), 2 => Just(2), 1 => Just(3)];
    (copies, [0..DELAY_MAX_MS, 0..DELAY_MAX_MS, 0..DELAY_MAX_MS])
        .prop_map(|(copies, delays_ms)| Fate { copies, delays_ms })
}

fn begins(what: &str) -> bool {
    let (status, method) = what.split_once('/').unwrap_or(("", what));
    method == "INVITE" && (status.is_empty() || status < "300")
}

/// Plays what arrives, in the order in which it arrives; each message keeps its own time.
fn arrive(script: &str, fates: &[Fate]) -> (Vec<Event>, Calls, bool) {
    let mut arrivals = Vec::new();
    for (line, fate) in script.lines().zip(fates.iter().cycle()) {
        let mut words = line.split_whitespace();
        let ms: u64 = words.next().unwrap().parse().unwrap();
        let who = words.next().unwrap();
        let words: Vec<_> = words.collect();
        for delay in fate.delays_ms.iter().take(fate.copies) {
            arrivals.push((ms + delay, ms, who, words.clone()));
        }
    }
    arrivals.sort_by_key(|(arrives, ..)| *arrives);
    let begun = arrivals.iter().any(|(.., words)| begins(words[0]));
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    for (arrives, sent, who, words) in arrivals {
        let (meta, text) = message(sent * 1_000_000, who, words);
        calls.handle(&meta, &Message::parse(text.as_bytes()).unwrap(), &mut events);
        // Timers follow the latest that is known for sure.
        calls.handle_timeout(arrives.saturating_sub(DELAY_MAX_MS) * 1_000_000, &mut events);
    }
    calls.flush(&mut events);
    (events, calls, begun)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn one_call_gives_one_record(
        number in 0..CALLS.len(),
        fates in prop::collection::vec(fate(), 24),
    ) {
        let (events, calls, begun) = arrive(CALLS[number], &fates);
        check_events(&events, &calls);
        let records = events.iter().filter(|e| matches!(e, Event::Close(_))).count();
        prop_assert_eq!(records, usize::from(begun), "{:?}", events);
    }

    #[test]
    fn copies_change_nothing_but_counts(
        number in 0..CALLS.len(),
        copies in prop::collection::vec(1..4usize, 24),
    ) {
        let exact = |copies| Fate { copies, delays_ms: [0; 3] };
        let once = arrive(CALLS[number], &[exact(1)]).0;
        let fates: Vec<_> = copies.into_iter().map(exact).collect();
        let often = arrive(CALLS[number], &fates).0;
        let facts = |events: &[Event]| {
            let mut last = None;
            for event in events {
                if let Event::Close(call) = event {
                    last = Some((
                        (call.bye, call.hung_up, call.connected, call.end, call.progress),
                        (call.holds.clone(), call.branches.clone(), call.transfers.clone()),
                        (call.digits.clone(), call.timer, call.reinvites, call.flags),
                    ));
                }
            }
            last
        };
        prop_assert_eq!(facts(&once), facts(&often));
    }
}
