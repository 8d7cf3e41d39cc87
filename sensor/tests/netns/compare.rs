//! What the records must say, by the truth about the traffic; jitter and times left out, since
//! they follow how the sender was scheduled.

use std::collections::{BTreeMap, BTreeSet};

use ringtap_testkit::traffic::{CallTruth, Truth};
use serde_json::Value;

/// One stream: addresses, SSRC, codec, and received, lost, reordered, duplicate.
type Stream = (String, u64, String, u64, u64, String, [u64; 4]);

/// What is compared of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    caller: String,
    called: String,
    addresses: [String; 2],
    agents: [String; 2],
    response: u64,
    hung_up: Option<String>,
    bye: u64,
    streams: Vec<Stream>,
}

/// By Call-ID.
pub(crate) type AllFacts = BTreeMap<String, Facts>;

/// The records say what the truth says; shows the calls that differ, and only those.
pub(crate) fn assert_same(calls: &[Value], wanted: &AllFacts) {
    let got = recorded(calls);
    let ids: BTreeSet<&String> = got.keys().chain(wanted.keys()).collect();
    let differ: Vec<_> = ids
        .into_iter()
        .map(|id| (id, got.get(id), wanted.get(id)))
        .filter(|(_, got, wanted)| got != wanted)
        .collect();
    assert!(differ.is_empty(), "(Call-ID, recorded, truth): {differ:#?}");
}

/// The facts by the truth.
pub(crate) fn expected(truth: &Truth) -> AllFacts {
    truth.calls.iter().map(|call| (call.call_id.clone(), of_truth(call))).collect()
}

fn of_truth(call: &CallTruth) -> Facts {
    let mut streams: Vec<Stream> = call
        .streams
        .iter()
        .map(|s| {
            let counts = [s.received, s.lost_inside, s.reordered, s.duplicate];
            let (from, to) = (s.src.ip().to_string(), s.dst.ip().to_string());
            let (sport, dport) = (s.src.port().into(), s.dst.port().into());
            (from, sport, to, dport, s.ssrc.into(), s.codec.to_owned(), counts)
        })
        .collect();
    streams.sort();
    Facts {
        caller: call.caller.clone(),
        called: call.called.clone(),
        addresses: [call.caller_addr, call.called_addr].map(|addr| addr.ip().to_string()),
        agents: [call.caller_agent.clone(), call.called_agent.clone()],
        response: call.response.into(),
        hung_up: call.hung_up.map(str::to_owned),
        bye: call.bye_code.into(),
        streams,
    }
}

/// The facts by the records.
fn recorded(calls: &[Value]) -> AllFacts {
    let by_id: AllFacts = calls.iter().map(|c| (text(&c["callid"]), of_record(c))).collect();
    assert_eq!(by_id.len(), calls.len(), "a call has more than one record");
    by_id
}

fn of_record(call: &Value) -> Facts {
    let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let mut streams: Vec<Stream> = streams(call)
        .map(|s| {
            let counts = ["received", "lost", "reordered", "duplicate"].map(|k| number(&s[k]));
            let (from, to) = (text(&s["saddr"]), text(&s["daddr"]));
            let (sport, dport) = (number(&s["sport"]), number(&s["dport"]));
            (from, sport, to, dport, number(&s["ssrc"]), text(&s["codec"]), counts)
        })
        .collect();
    streams.sort();
    Facts {
        caller: text(&call["caller"]),
        called: text(&call["called"]),
        addresses: [text(&call["sipcallerip"]), text(&call["sipcalledip"])],
        agents: [text(&call["a_ua"]), text(&call["b_ua"])],
        response: number(&call["lastSIPresponseNum"]),
        hung_up: call["whohanged"].as_str().map(str::to_owned),
        bye: number(&call["bye"]),
        streams,
    }
}

/// The streams of a record.
pub(crate) fn streams(call: &Value) -> impl Iterator<Item = &Value> {
    call["streams"].as_array().into_iter().flatten()
}

/// RTCP of both sides has found the call.
pub(crate) fn has_rtcp(call: &Value) -> bool {
    ["a_rtcp_loss", "b_rtcp_loss"].iter().all(|key| call[*key].is_i64())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
