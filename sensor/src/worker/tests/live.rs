//! Questions about the calls that run: what workers answer, joined; and what they answer with is
//! bounded, whatever runs and whoever asks.

use std::time::{Duration, Instant};

use ringtap_cdr::Filter;
use serde_json::Value;

use super::*;
use crate::live::{Asked, Desk, LISTED_MAX};

/// Live workers that can be asked.
fn asked_bench(count: usize) -> (Bench, Desk) {
    let mut bench = Bench::new(count, 4096, Pace::live);
    let (desk, respondents) = crate::live::open(count, 1);
    for (worker, respondent) in bench.workers.iter_mut().zip(respondents) {
        worker.answer_by(respondent);
    }
    (bench, desk)
}

/// Asks, and lets time pass until there is an answer.
fn ask(bench: &mut Bench, desk: &mut Desk, at: u64, asked: Asked) -> Value {
    let start = Instant::now();
    desk.ask(asked, start);
    for round in 0..10_000 {
        bench.round(at + round * MS, &[]);
        if let Some(answer) = desk.step(start) {
            return answer;
        }
    }
    panic!("no answer");
}

fn all() -> Asked {
    Asked::Calls(Filter::default())
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["calls"].as_array().unwrap().iter().map(|c| c["callid"].as_str().unwrap()).collect()
}

#[test]
fn a_call_and_its_streams_come_from_whoever_has_them() {
    for count in [1, 2, 4] {
        let (mut bench, mut desk) = asked_bench(count);
        bench.round(START, &[invite(1), ok(1)]);
        bench.round(START + SECOND, &[]);
        for n in 0..50 {
            if n == 7 {
                continue;
            }
            bench.round(START + SECOND + u64::from(n) * 20 * MS, &[rtp(n, 7)]);
        }
        let at = START + 2 * SECOND;
        let answer = ask(&mut bench, &mut desk, at, all());
        assert_eq!((&answer["running"], &answer["omitted"]), (&1.into(), &0.into()), "{answer:#}");
        let call = &answer["calls"][0];
        assert_eq!(call["callid"].as_str().unwrap(), dialog(1).call_id);
        assert_eq!((&call["state"], &call["codec"]), (&"answered".into(), &"PCMU".into()));
        assert_eq!((&call["a_received"], &call["a_lost"]), (&49.into(), &1.into()), "{call:#}");
        assert!(call["a_mos_f1"].as_f64().unwrap() > 3.0, "{call:#}");
        assert_eq!(call["b_received"], Value::Null);
        assert_eq!(call["streams"][0]["ssrc"], 7);
        assert!((2.0..2.2).contains(&call["duration"].as_f64().unwrap()), "{call:#}");

        // Being looked at changes nothing.
        bench.round(at + SECOND, &bye(1));
        for step in 1..20 {
            bench.round(at + SECOND + step * 200 * MS, &[]);
        }
        let ended = bench.calls();
        assert_eq!((ended.len(), ended[0].streams[0].received), (1, 49));
        assert_eq!(ask(&mut bench, &mut desk, at + 10 * SECOND, all())["running"], 0);
    }
}

#[test]
fn whose_loss_it_was_is_told_while_the_call_runs() {
    for count in [1, 2, 4] {
        let (mut bench, mut desk) = asked_bench(count);
        bench.round(START, &[invite(1), ok(1)]);
        bench.round(START + SECOND, &[]);
        let at = |n: u16| START + SECOND + u64::from(n) * 20 * MS;
        for n in 0..220 {
            if !(100..105).contains(&n) && n != 200 {
                bench.round(at(n), &[rtp(n, 7)]);
            }
            if n == 110 {
                bench.workers[0].dropped(at(98), at(103), 40);
            }
        }
        // The holes are younger than three seconds: what is known so far is told all the same.
        let told = |bench: &mut Bench, desk: &mut Desk, at| {
            let answer = ask(bench, desk, at, all());
            let stream = answer["calls"][0]["streams"][0].clone();
            let lost = ["lost", "lost_sensor", "lost_mirror", "lost_network"];
            (lost.map(|key| stream[key].as_u64().unwrap()), stream, answer)
        };
        let (lost, stream, answer) = told(&mut bench, &mut desk, at(220));
        assert_eq!(lost, [6, 5, 0, 1], "{stream:#}");
        let [evidence] = stream["loss_evidence"].as_array().unwrap().as_slice() else {
            panic!("{stream:#}")
        };
        assert_eq!(
            (&evidence["cause"], &evidence["lost"], &evidence["seen"]),
            (&"sensor".into(), &5.into(), &40.into())
        );
        let mut table = Vec::new();
        crate::query::live_calls(&answer, crate::query::Format::Table, &mut table).unwrap();
        assert!(String::from_utf8(table).unwrap().contains("sensor 5"));
        let asked = Asked::Call(dialog(1).call_id.clone());
        let one = ask(&mut bench, &mut desk, at(220), asked);
        let text = one["call"]["text"].as_str().unwrap();
        assert!(text.contains("whose loss: network 1, mirror 0, sensor 5"), "{text}");

        // They have been judged for good meanwhile; the record says the same.
        (220..440).for_each(|n| bench.round(at(n), &[rtp(n, 7)]));
        assert_eq!(told(&mut bench, &mut desk, at(440)).0, [6, 5, 0, 1]);
        (0..20).for_each(|step| bench.round(at(440) + SECOND + step * 200 * MS, &[]));
        bench.round(at(700), &bye(1));
        (0..20).for_each(|step| bench.round(at(700) + step * 200 * MS, &[]));
        let ended = bench.calls();
        let stream = &ended[0].streams[0];
        assert_eq!(
            (stream.lost, stream.quality.lost_sensor, stream.quality.evidence.len()),
            (6, 5, 1)
        );
    }
}

#[test]
fn one_call_is_told_in_full() {
    let (mut bench, mut desk) = asked_bench(2);
    bench.round(START, &[invite(1), ok(1), invite(2)]);
    bench.round(START + SECOND, &[]);
    let asked = Asked::Call(dialog(2).call_id.clone());
    let answer = ask(&mut bench, &mut desk, START + SECOND, asked);
    let call = &answer["call"];
    assert_eq!(call["state"], "trying", "{answer:#}");
    let text = call["text"].as_str().unwrap();
    assert!(text.contains("INVITE (SDP)") && !text.contains("200 OK"), "{text}");
    let nobody = ask(&mut bench, &mut desk, START + SECOND, Asked::Call("nobody".into()));
    assert_eq!(nobody["call"], Value::Null);
}

#[test]
fn the_latest_come_first_and_what_is_beyond_the_limit_is_told() {
    let (mut bench, mut desk) = asked_bench(2);
    let calls = LISTED_MAX as u64 + 500;
    for n in 0..calls {
        bench.round(START + n * MS, &[invite(n)]);
    }
    let at = START + 3 * SECOND;
    bench.round(at, &[]);
    let answer = ask(&mut bench, &mut desk, at, all());
    assert_eq!((&answer["running"], &answer["omitted"]), (&calls.into(), &500.into()));
    let latest: Vec<String> = (500..calls).rev().map(|n| dialog(n).call_id.clone()).collect();
    assert_eq!(ids(&answer), latest);
    let asked = Asked::Calls(Filter { limit: Some(3), ..Filter::default() });
    let answer = ask(&mut bench, &mut desk, at, asked);
    assert_eq!(ids(&answer), latest[..3]);
    assert_eq!(answer["omitted"], calls - 3);
}

#[test]
fn filters_choose_and_the_count_is_of_those_that_pass() {
    let (mut bench, mut desk) = asked_bench(2);
    bench.round(START, &[invite(1), ok(1), invite(2)]);
    let later = START + 10 * SECOND;
    bench.round(later, &[invite(3)]);
    bench.round(later + SECOND, &[]);
    let mut with = |name: &str, value: &str| {
        let mut filter = Filter::default();
        filter.set(name, value, 0).unwrap();
        let answer = ask(&mut bench, &mut desk, later + SECOND, Asked::Calls(filter));
        assert_eq!(answer["omitted"], 0, "{answer:#}");
        answer["calls"].as_array().unwrap().len()
    };
    assert_eq!(["cseq=*INVITE", "CSeq=1*", "CSeq=1"].map(|v| with("header", v)), [3, 3, 0]);
    assert_eq!(with("response", "200"), 1);
    assert_eq!(with("since", &(later / SECOND).to_string()), 1);
    assert_eq!(with("until", &(later / SECOND).to_string()), 2);
    assert_eq!(with("ip", "10.0.0.2"), 3);
    assert_eq!(with("ip", "192.0.2.0/24"), 0);
    assert_eq!(with("sensor", "1"), 3);
    assert_eq!(with("sensor", "2"), 0);
    assert_eq!(with("caller", "no such number"), 0);
    assert_eq!(with("agent", "no such agent"), 0);
    assert_eq!(with("mos-below", "5"), 0, "nothing is scored yet");
    assert_eq!(with("codec", "PCMU"), 0);
}

#[test]
fn a_worker_that_does_not_answer_is_not_waited_for() {
    let (mut bench, mut desk) = asked_bench(2);
    for n in 0..8 {
        bench.round(START + n * MS, &[invite(n)]);
    }
    bench.round(START + SECOND, &[]);
    let start = Instant::now();
    desk.ask(all(), start);
    let mut given = None;
    for step in 0..100u32 {
        // The second worker has no time.
        bench.workers[0].round(START + SECOND + 1, START + SECOND + 1);
        given = desk.step(start + step * Duration::from_millis(50));
        if given.is_some() {
            break;
        }
    }
    let answer = given.expect("the time is limited");
    assert_eq!(answer["silent_workers"], 1);
    let some = answer["calls"].as_array().unwrap().len();
    assert!(some > 0 && some < 8, "{some} of 8 live at the first worker");
    // What the second one has to say later belongs to no question any more.
    let answer = ask(&mut bench, &mut desk, START + 2 * SECOND, all());
    assert_eq!((&answer["silent_workers"], ids(&answer).len()), (&0.into(), 8));
}

#[test]
fn nobody_at_the_desk_holds_no_worker_up() {
    let (mut bench, mut desk) = asked_bench(2);
    bench.round(START, &[invite(1), ok(1)]);
    bench.round(START + SECOND, &[]);
    // Questions that nobody waits for any more: answers pile up no further than there is room.
    for n in 0..20 {
        desk.ask(all(), Instant::now());
        bench.round(START + (2 + n) * SECOND, &[]);
    }
    bench.round(START + 30 * SECOND, &bye(1));
    for step in 1..20 {
        bench.round(START + 30 * SECOND + step * 200 * MS, &[]);
    }
    assert_eq!(bench.calls().len(), 1);
    assert_eq!(ask(&mut bench, &mut desk, START + 60 * SECOND, all())["running"], 0);
}

#[test]
fn an_answer_is_no_larger_than_it_may_be() {
    let (mut bench, mut desk) = asked_bench(1);
    let calls = LISTED_MAX as u64;
    for n in 0..calls {
        let mut dialog = dialog(n);
        dialog.call_id = format!("{n}-{}", "i".repeat(500));
        dialog.caller = "c".repeat(1000);
        dialog.called = "\u{1}".repeat(1000);
        let invite = Message::request(Side::Caller, Method::Invite, 1);
        bench.round(START + n * MS, &[sip(&dialog, &invite)]);
    }
    bench.round(START + 2 * SECOND, &[]);
    let answer = ask(&mut bench, &mut desk, START + 2 * SECOND, all());
    let listed = ids(&answer).len() as u64;
    assert!(listed > 100 && listed < calls, "{listed}");
    assert_eq!((&answer["running"], &answer["omitted"]), (&calls.into(), &(calls - listed).into()));
    assert!(answer.to_string().len() < 3 << 20);
    assert!(ids(&answer)[0].starts_with("999-"), "the latest are kept");
}
