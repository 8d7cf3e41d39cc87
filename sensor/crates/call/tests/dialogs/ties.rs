//! What ties calls together, as far as one call says it.

use proptest::prelude::*;
use ringtap_call::{CallKey, Calls, CustomHeader, CustomHeaders, Event, Options, TIES_MAX, Ties};
use ringtap_sip::Message;

use crate::script::{message, run};

const A: &str = "ab30317f1a784dc48ff824d0d3715d86";
const B: &str = "47755a9de7794ba387653f2099600ef2";
const NIL: &str = "00000000000000000000000000000000";

fn ties(headers: &[&str], script: &str) -> Ties {
    let match_headers = headers.iter().map(|name| (*name).into()).collect();
    let mut calls = Calls::new(Options::default()).tied_by(match_headers);
    let mut events = Vec::new();
    run(&mut calls, script, &mut events);
    calls.flush(&mut events);
    let close = |event| if let Event::Close(call) = event { Some(call.ties) } else { None };
    events.into_iter().find_map(close).unwrap()
}

fn token(text: &str) -> CallKey {
    CallKey::of(0, text.as_bytes())
}

#[test]
fn session_identifiers_of_both_ends_in_any_order_but_not_nil() {
    let script = format!(
        "0 A INVITE 1 h=Session-ID:{};remote={NIL}
         9 B 180/INVITE 1 h=Session-ID:{B};remote={A}
         20 B 200/INVITE 1 h=Session-ID:{B};remote={A}",
        A.to_uppercase()
    );
    assert_eq!(ties(&[], &script).tokens[..], [token(A), token(B)]);
    for bad in ["1234", &A.replace('a', "g"), NIL] {
        let script = format!("0 A INVITE 1 h=Session-ID:{bad};remote={NIL}");
        assert_eq!(ties(&[], &script).tokens[..], [], "{bad}");
    }
}

#[test]
fn replaces_in_an_invite_and_in_a_transfer() {
    let script = "0 A INVITE 1 h=Replaces:call-9@x;to-tag=1;from-tag=2";
    assert_eq!(ties(&[], script).tokens[..], [token("call-9@x")]);
    let transfer = "0 A INVITE 1
        9 B 200/INVITE 1
        20 A REFER 2 re \
        h=Refer-To:<sip:c@h?A=b&Replaces=call%2d9%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    assert_eq!(ties(&[], transfer).tokens[..], [token("call-9@x")]);
    let blind = "0 A INVITE 1\n9 B 200/INVITE 1\n20 A REFER 2 re h=Refer-To:<sip:c@h>";
    assert_eq!(ties(&[], blind).tokens[..], []);
    let odd = "0 A INVITE 1\n20 A REFER 2 re h=Refer-To:<sip:c@h?Replaces=%zz%4>";
    assert_eq!(ties(&[], odd).tokens[..], [token("%zz%4")]);
}

#[test]
fn headers_that_the_configuration_names() {
    let script = "0 A INVITE 1 h=X-Call-ID:first@host\n9 B 486/INVITE 1 h=X-Call-ID:first@host";
    assert_eq!(ties(&[], script), Ties::default());
    let known = ties(&["x-call-id"], script);
    assert_eq!(
        (&known.tokens[..], known.match_header.as_str()),
        (&[token("first@host")][..], "first@host")
    );
    let list = ties(&["In-Reply-To"], "0 A INVITE 1 h=In-Reply-To:a@x,b@y");
    assert_eq!(list.tokens[..], [token("a@x"), token("b@y")]);
}

#[test]
fn values_that_the_configuration_wants_are_kept_of_any_message_of_the_call() {
    let script = "0 A INVITE 1 h=X-Tenant:one
        10 B 200/INVITE 1 h=X-Route:west
        20 A ACK 1
        90 B BYE 1 h=X-Tenant:two h=X-Loss:3%
        95 A 200/BYE 1
        0 A MESSAGE 7 id=m h=X-Tenant:three";
    let kept = |last: bool| {
        let names = |names: &[&str]| names.iter().map(|n| (*n).into()).collect();
        let (of_calls, of_messages) =
            (names(&["X-Tenant", "x-route", "X-Loss"]), names(&["X-Tenant"]));
        let headers = |names| CustomHeaders::new(names, last, 100);
        let mut calls =
            Calls::new(Options::default()).keeping(headers(of_calls), headers(of_messages));
        let mut events = Vec::new();
        run(&mut calls, script, &mut events);
        calls.flush(&mut events);
        let values = |known: &[CustomHeader]| -> Vec<String> {
            known.iter().map(|one| format!("{}={}", one.name, one.value)).collect()
        };
        events
            .iter()
            .filter_map(|event| match event {
                Event::Close(call) => Some(values(&call.custom_headers)),
                Event::Transaction(one) => Some(values(&one.custom_headers)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let want = |tenant: &str| {
        let call = [tenant, "x-route=west", "X-Loss=3%"].map(str::to_owned).to_vec();
        [call, vec!["X-Tenant=three".to_owned()]]
    };
    assert_eq!(kept(true), want("X-Tenant=two"));
    assert_eq!(kept(false), want("X-Tenant=one"));
}

#[test]
fn tokens_are_bounded_and_counted() {
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    for n in 1..=40 {
        let line = format!("{n} A INVITE 1 br=x{n} h=Session-ID:{n:032x};remote={NIL}");
        run(&mut calls, &line, &mut events);
    }
    calls.flush(&mut events);
    let Some(Event::Close(call)) = events.last() else { panic!("no call") };
    assert_eq!((call.ties.tokens.len(), call.ties.omitted), (TIES_MAX, 40 - TIES_MAX as u32));
    assert_eq!(calls.counters().ties_omitted, 40 - TIES_MAX as u64);
}

proptest! {
    #[test]
    fn any_value_of_any_header_is_read_or_not(
        name in "Session-ID|Replaces|Refer-To|In-Reply-To",
        value in prop_oneof![
            ".{0,80}",
            "[<]?sip:x[?]replaces=([%;&a0]|%3b){0,40}",
            "[,;=a-f0]{0,80}",
        ],
    ) {
        let headers = vec!["In-Reply-To".into()];
        let (mut calls, mut events) = (Calls::new(Options::default()).tied_by(headers), Vec::new());
        for (n, what) in ["INVITE", "REFER"].into_iter().enumerate() {
            let (meta, text) = message(n as u64, "A", vec![what, "1"]);
            let text = text.replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1);
            if let Ok(message) = Message::parse(text.as_bytes()) {
                calls.handle(&meta, &message, &mut events);
            }
        }
        calls.flush(&mut events);
        for event in &events {
            if let Event::Close(call) = event {
                prop_assert!(call.ties.tokens.len() <= TIES_MAX);
            }
        }
    }
}
