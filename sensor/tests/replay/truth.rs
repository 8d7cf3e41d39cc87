//! What replay says of generated traffic is the truth about it, whatever went wrong on the way
//! and with any number of workers.
//!
//! The generator counts at the capture point and shares no code with the sensor. How files are
//! read is not tested here.

use crate::support::{capture, number, replay};
use ringtap_testkit::pcap::{Kind, Options};
use ringtap_testkit::traffic::{
    CallTruth, Duration, IpId, Loss, MirrorShape, Plan, Shares, StreamTruth, Truth,
};
use serde_json::Value;

/// Calls that go every way there is.
fn all_ways() -> Shares {
    Shares {
        busy: 0.1,
        cancelled: 0.1,
        no_answer: 0.1,
        rejected: 0.1,
        auth: 0.3,
        reinvite: 0.3,
        early_media: 0.3,
        called_hangs_up: 0.4,
        unconfirmed: 0.1,
        abandoned: 0.1,
        retransmitted: 0.2,
        dtmf: 0.3,
        ipv6: 0.3,
        pcma: 0.4,
    }
}

fn plan(seed: u64) -> Plan {
    Plan { seed, calls: 10, concurrent: 5, talk_ms: 3000, rtcp_ms: 1000, ..Plan::default() }
}

/// Replays the plan with 1, 2 and 4 workers and compares everything that is known.
#[track_caller]
fn check(plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traffic.pcap");
    let truth =
        capture(&path, plan, Options { nanos: true, kind: Kind::Pcap, ..Options::default() });
    let (one, ledger) = replay(&[&path], 1);
    let one = one.well();
    for workers in [2, 4] {
        let (more, other) = replay(&[&path], workers);
        assert_eq!(more.well().out, one.out, "{workers} workers");
        assert_eq!(other["user"]["dispositions"], ledger["user"]["dispositions"]);
    }
    let records = one.records();
    assert_eq!(records.len(), truth.calls.len());
    for call in &truth.calls {
        let found = records.iter().find(|r| r["callid"] == call.call_id.as_str());
        // A sender's repetitions count in the sensor's jitter, as in Wireshark's; in the truth's
        // they do not.
        check_call(found.expect(&call.call_id), call, plan.duplicates == 0.0);
    }
    check_ledger(&ledger, &truth);
}

#[track_caller]
fn check_ledger(ledger: &Value, truth: &Truth) {
    assert_eq!(ledger["balanced"], true, "{ledger:#}");
    let totals = &truth.totals;
    let of = |label: &str| number(ledger, &format!("/user/dispositions/{label}"));
    assert_eq!(number(ledger, "/file_frames"), totals.frames);
    assert_eq!(number(ledger, "/user/received"), totals.frames);
    assert_eq!(of("duplicate"), totals.mirror_copies);
    assert_eq!(of("sip_udp"), totals.sip);
    assert_eq!(of("rtcp"), totals.rtcp);
    assert_eq!(of("rtp"), totals.rtp, "{ledger:#}");
    assert_eq!(number(ledger, "/user/events/call_records"), totals.calls);
    assert_eq!(number(ledger, "/user/events/stream_records"), 0);
    assert_eq!(number(ledger, "/user/events/inexact_splits"), 0, "{ledger:#}");
}

#[track_caller]
fn check_call(record: &Value, call: &CallTruth, jitter: bool) {
    let id = &call.call_id;
    let seconds = |key: &str| record[key].as_f64();
    let close = |key: &str, ns: Option<u64>| match (seconds(key), ns) {
        (None, None) => true,
        (Some(s), Some(ns)) => (s - ns as f64 / 1e9).abs() < 0.002,
        _ => false,
    };
    assert_eq!(record["type"], "call");
    assert_eq!(record["caller"], call.caller.as_str());
    assert_eq!(record["called"], call.called.as_str());
    assert_eq!(record["sipcallerip"], call.caller_addr.ip().to_string());
    assert_eq!(record["sipcalledip"], call.called_addr.ip().to_string());
    assert_eq!(record["a_ua"], call.caller_agent.as_str());
    assert_eq!(record["b_ua"], call.called_agent.as_str());
    assert_eq!(record["lastSIPresponseNum"], call.response, "{id}");
    assert_eq!(record["bye"], call.bye_code, "{id} {:?}", call.outcome);
    assert_eq!(record["whohanged"].as_str(), call.hung_up, "{id}");
    assert_eq!(record["calldate"].as_str().map(unix_us), Some(call.invite_ns / 1000), "{id}");
    let ringing = call.ringing_ns.map(|at| at - call.invite_ns);
    assert!(close("progress_time", ringing), "{id}: {} {ringing:?}", record["progress_time"]);
    if let (Some(answer), Some(bye)) = (call.answer_ns, call.bye_ns) {
        let talked = record["connect_duration"].as_f64().expect("connected");
        assert!(talked >= (bye - answer) as f64 / 1e9 - 0.002, "{id}: {talked}");
        assert!(talked <= (call.end_ns - answer) as f64 / 1e9 + 0.002, "{id}: {talked}");
        assert!(close("duration", Some(call.end_ns - call.invite_ns)), "{id}");
    } else if call.answer_ns.is_none() {
        assert!(record["connect_duration"].is_null(), "{id}");
    }
    let streams = record["streams"].as_array().unwrap();
    let heard: Vec<&StreamTruth> = call.streams.iter().filter(|s| s.received > 0).collect();
    assert_eq!(streams.len(), heard.len(), "{id}: {record:#}");
    let mut dialled = String::new();
    for truth in heard {
        let same =
            |s: &&Value| s["saddr"] == truth.src.ip().to_string() && s["sport"] == truth.src.port();
        let stream = streams.iter().find(same).expect("a stream from this source");
        check_stream(stream, truth, id);
        if jitter {
            check_jitter(stream, truth, id);
        }
        let leg = if truth.from_caller { "a_" } else { "b_" };
        let sl: Vec<u64> = (1..=10)
            .map(|n| record[format!("{leg}sl{n}")].as_u64().expect("a histogram"))
            .collect();
        assert_eq!(sl, truth.bursts, "{id} {leg}");
        dialled.push_str(&truth.dtmf);
    }
    let digits = record["dtmf"].as_array().unwrap().iter();
    let digits: String = digits.map(|d| d["dtmf"].as_str().unwrap()).collect();
    assert_eq!(digits, dialled, "{id}");
}

#[track_caller]
fn check_stream(stream: &Value, truth: &StreamTruth, id: &str) {
    assert_eq!(stream["daddr"], truth.dst.ip().to_string(), "{id}");
    assert_eq!(stream["dport"], truth.dst.port(), "{id}");
    assert_eq!(stream["ssrc"], truth.ssrc, "{id}");
    assert_eq!(stream["codec"], truth.codec, "{id}");
    assert_eq!(stream["payload"], truth.payload, "{id}");
    assert_eq!(stream["side"], if truth.from_caller { "caller" } else { "callee" }, "{id}");
    let count = |key: &str| stream[key].as_u64().unwrap();
    let counts = [count("received"), count("lost"), count("reordered"), count("duplicate")];
    let true_counts = [truth.received, truth.lost_inside, truth.reordered, truth.duplicate];
    assert_eq!(counts, true_counts, "{id}: received, lost, reordered, duplicate");
    let moment = |key: &str| unix_us(stream[key].as_str().unwrap());
    assert_eq!(Some(moment("first")), truth.first_ns.map(|ns| ns / 1000), "{id}");
    assert_eq!(Some(moment("last")), truth.last_ns.map(|ns| ns / 1000), "{id}");
    assert_eq!(stream["exact"], 1, "{id}");
}

#[track_caller]
fn check_jitter(stream: &Value, truth: &StreamTruth, id: &str) {
    for (key, true_ms) in
        [("jitter_ms_avg", truth.jitter_ms_avg), ("jitter_ms_max", truth.jitter_ms_max)]
    {
        let ms = stream[key].as_f64().unwrap();
        assert!((ms - true_ms).abs() <= true_ms * 0.01 + 0.001, "{id} {key}: {ms} {true_ms}");
    }
}

/// RFC 3339 in UTC with microseconds.
fn unix_us(text: &str) -> u64 {
    let form = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, form).expect(text);
    u64::try_from(at.unix_timestamp_nanos() / 1000).expect(text)
}

#[test]
fn calm_calls() {
    check(&plan(1));
}

#[test]
fn one_percent_lost() {
    check(&Plan { loss: Loss::Independent(0.01), ..plan(2) });
}

#[test]
fn five_percent_lost() {
    check(&Plan { loss: Loss::Independent(0.05), calls: 20, ..plan(3) });
}

#[test]
fn lost_in_bursts() {
    check(&Plan { loss: Loss::Burst { share: 0.08, burst: 6.0 }, ..plan(4) });
}

#[test]
fn jitter_and_reordering() {
    check(&Plan { jitter_ms: 8.0, ..plan(5) });
    check(&Plan { jitter_ms: 3.0, reorder: 0.03, reorder_depth: 4, ..plan(6) });
}

#[test]
fn repeated_by_the_sender_and_by_the_mirror() {
    let mirror_shapes = vec![
        MirrorShape { routed: false, vlan: None },
        MirrorShape { routed: true, vlan: None },
        MirrorShape { routed: true, vlan: Some(42) },
    ];
    check(&Plan { mirror: 0.5, mirror_shapes, ..plan(7) });
    // A copy that comes after the sender's own repetition is not recognised: the table remembers
    // one packet of equal payload. So copies follow at once here.
    check(&Plan { duplicates: 0.03, mirror: 0.3, mirror_delay_us: 0, ..plan(15) });
    check(&Plan { duplicates: 0.03, mirror: 0.3, ip_id: IpId::Zero, ..plan(8) });
}

#[test]
fn sequence_numbers_wrap() {
    check(&Plan { wrap: true, loss: Loss::Independent(0.02), reorder: 0.02, ..plan(9) });
}

#[test]
fn tagged_frames() {
    check(&Plan { vlans: vec![7, 300], ..plan(10) });
}

#[test]
fn the_same_ports_and_sources_again() {
    let again = Plan { reuse_ports: true, concurrent: 2, pause_ms: 100, calls: 12, ..plan(11) };
    check(&again);
    check(&Plan { ssrc_reuse: true, ..again.clone() });
    check(&Plan { ssrc_reuse: true, wrap: true, pause_ms: 2000, ..again });
}

#[test]
fn calls_that_go_every_way() {
    check(&Plan { shares: all_ways(), calls: 40, concurrent: 10, talk_ms: 1500, ..plan(12) });
}

#[test]
fn everything_at_once() {
    let rough = Plan {
        shares: all_ways(),
        duration: Duration::Uniform(0.5),
        loss: Loss::Burst { share: 0.03, burst: 2.0 },
        jitter_ms: 4.0,
        reorder: 0.01,
        duplicates: 0.01,
        mirror_delay_us: 0,
        mirror: 0.3,
        mirror_shapes: vec![MirrorShape { routed: true, vlan: Some(9) }],
        vlans: vec![100],
        wrap: true,
        reuse_ports: true,
        ssrc_reuse: true,
        calls: 40,
        concurrent: 8,
        talk_ms: 2000,
        ..plan(13)
    };
    check(&rough);
    check(&Plan { seed: 14, resolution_ns: 1, ..rough });
}
