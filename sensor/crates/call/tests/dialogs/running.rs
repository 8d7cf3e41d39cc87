//! Calls looked at while they run: how far they are, and in which order they are given.

use ringtap_call::{Calls, Options, State};

use crate::script::run;

fn states(script: &str) -> Vec<(String, State)> {
    let mut calls = Calls::new(Options::default());
    run(&mut calls, script, &mut Vec::new());
    let of =
        |(_, live): (_, ringtap_call::Live<'_>)| (live.summary.call_id.to_string(), live.state);
    calls.latest(None).map(of).collect()
}

#[test]
fn a_call_goes_from_trying_to_ending() {
    let steps = [
        ("0 A INVITE 1 sdp=4000", State::Trying),
        ("20 B 100/INVITE 1", State::Trying),
        ("300 B 180/INVITE 1", State::Ringing),
        ("1000 B 200/INVITE 1 sdp=5000", State::Answered),
        ("1010 A ACK 1", State::Answered),
        ("2000 A INVITE 2 re sdp=4000 dir=sendonly", State::Answered),
        ("2020 B 200/INVITE 2 sdp=5000 dir=recvonly", State::OnHold),
        ("3000 A INVITE 3 re sdp=4000", State::OnHold),
        ("3020 B 200/INVITE 3 sdp=5000", State::Answered),
        ("4000 A BYE 4", State::Ending),
        ("4030 B 200/BYE 4", State::Ending),
    ];
    let mut script = String::new();
    for (line, state) in steps {
        script.push_str(line);
        script.push('\n');
        assert_eq!(states(&script), [("call-1".to_owned(), state)], "{script}");
    }
    script.push_str("5000 tick");
    assert_eq!(states(&script), []);
    assert_eq!(states("0 A INVITE 1\n9 B 486/INVITE 1")[0].1, State::Ending);
    assert_eq!(states("0 A INVITE 1\n9 B 180/INVITE 1\n20 A CANCEL 1")[0].1, State::Ending);
}

#[test]
fn the_latest_comes_first_and_the_walk_can_go_on_later() {
    let mut calls = Calls::new(Options::default());
    let script: String = (0..10).map(|n| format!("{n} A INVITE 1 id=call-{n}\n")).collect();
    run(&mut calls, &script, &mut Vec::new());
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let some: Vec<_> = calls.latest(before).take(3).collect();
        let Some((place, _)) = some.last() else { break };
        before = Some(*place);
        seen.extend(some.iter().map(|(_, live)| live.summary.call_id.to_string()));
    }
    let wanted: Vec<String> = (0..10).rev().map(|n| format!("call-{n}")).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn a_call_is_found_by_its_call_id_while_it_runs() {
    let mut calls = Calls::new(Options::default());
    run(&mut calls, "0 A INVITE 1 id=one", &mut Vec::new());
    assert!(calls.find(b"one").is_some_and(|live| live.summary.call_id == "one"));
    assert!(calls.find(b"two").is_none());
    run(&mut calls, "1 B 486/INVITE 1 id=one\n2 A ACK 1 id=one to=b1\n9000 tick", &mut Vec::new());
    assert!(calls.find(b"one").is_none());
    assert_eq!(calls.latest(None).count(), 0);
}
