//! The correlation id joins what the descriptions of a call do not.

use std::net::SocketAddr;

use serde_json::Value;

use crate::agent::{Agent, Call, Seen};
use crate::sensor::Sensor;
use crate::{PORTS, datagrams, whole};

/// Ends that no description announces.
fn behind_nat(n: u8) -> (SocketAddr, SocketAddr) {
    (([192, 168, n, 5], 7000).into(), ([192, 168, n, 9], 9000).into())
}

/// RTP of the call on such a flow, and as much the other way.
fn media(call: &Call, n: u8) -> Vec<Seen> {
    let (there, here) = behind_nat(n);
    let rtp = call.rtp(20);
    let on = |way| rtp.iter().map(move |seen| Seen { way, ..seen.clone() });
    on((there, here)).chain(on((here, there)).take(10)).collect()
}

fn said(correlation: Option<&str>) -> Agent {
    Agent { correlation: correlation.map(str::to_owned), ..Agent::default() }
}

fn of<'a>(records: &'a [Value], call: &Call) -> &'a Value {
    records.iter().find(|record| record["callid"] == call.dialog.call_id.as_str()).unwrap()
}

#[test]
fn media_of_other_senders_is_the_calls_by_its_call_id_or_by_an_id_that_they_share() {
    let sensor = Sensor::start(&["workers=3"]);
    let calls: Vec<Call> = (1..=5).map(|n| Call::new(n, PORTS)).collect();
    let call_id = calls[0].dialog.call_id.clone();
    // By SIP, and by RTP: the Call-ID, ids of their own, an id that SIP does not bear, and none.
    let ids = [
        (None, Some(call_id.as_str())),
        (Some("channel-17"), Some("channel-17")),
        (Some("channel-18"), Some("channel-18")),
        (Some("channel-19"), Some("nobody\'s")),
        (Some("channel-20"), None),
    ];
    let send = |messages: &dyn Fn(&Call, u8) -> Vec<Seen>, sip: bool| {
        for ((n, call), (signalling, rtp)) in (1..).zip(&calls).zip(ids) {
            let agent = said(if sip { signalling } else { rtp });
            datagrams(&sensor, messages(call, n).iter().map(|seen| agent.hep3(seen)));
        }
    };
    send(&|call, _| call.answered(), true);
    send(&media, false);
    let sent = 5 * (4 + 30);
    wait_for(&sensor, sent, 3);
    send(&|call, _| call.ended(), true);
    let records = sensor.calls(5);
    records.iter().for_each(whole);
    for call in &calls[..3] {
        let record = of(&records, call);
        assert_eq!((&record["a_received"], &record["b_received"]), (&20.into(), &10.into()));
    }
    for call in &calls[3..] {
        assert_eq!(of(&records, call)["a_received"], Value::Null, "nobody said that it is its");
    }
}

/// Waits until so many messages have come and so many flows belong to calls by what agents
/// said.
fn wait_for(sensor: &Sensor, messages: u64, flows: u64) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let (hep, events) = (sensor.hep(), sensor.events());
        if hep["messages"] == messages && events["correlated_flows"] == flows {
            return;
        }
        assert!(std::time::Instant::now() < until, "{hep:#} {events:#}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_another_call_has_announced_is_not_taken_from_it() {
    let sensor = Sensor::start(&[]);
    let (owner, other) = (Call::new(1, PORTS), Call::new(2, PORTS));
    datagrams(&sensor, owner.answered().iter().map(|seen| said(None).hep3(seen)));
    // The other call announces nothing.
    let silent: Vec<Seen> = other.all().into_iter().map(without_sdp).collect();
    datagrams(&sensor, silent[..4].iter().map(|seen| said(None).hep3(seen)));
    let wrong = said(Some(&other.dialog.call_id));
    datagrams(&sensor, owner.rtp(30).iter().map(|seen| wrong.hep3(seen)));
    wait_for(&sensor, 38, 1);
    datagrams(&sensor, silent[4..].iter().map(|seen| said(None).hep3(seen)));
    datagrams(&sensor, owner.ended().iter().map(|seen| said(None).hep3(seen)));
    let records = sensor.calls(2);
    assert_eq!(of(&records, &owner)["a_received"], 30);
    assert_eq!(of(&records, &other)["a_received"], Value::Null);
}

/// The message without its description.
fn without_sdp(seen: Seen) -> Seen {
    let text = String::from_utf8(seen.payload).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().filter(|line| !line.starts_with("Content-"));
    let head: Vec<&str> = lines.collect();
    let payload = format!("{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n"));
    Seen { payload: payload.into_bytes(), ..seen }
}

#[test]
fn reports_of_streams_that_nobody_has_seen_are_the_calls_too() {
    let sensor = Sensor::start(&["rtptimeout=2"]);
    let (call, nat) = (Call::new(1, PORTS), Call::new(2, PORTS));
    datagrams(&sensor, call.answered().iter().map(|seen| said(None).hep3(seen)));
    let elsewhere = nat.answered().into_iter().map(announcing_others);
    datagrams(&sensor, elsewhere.map(|seen| said(None).hep3(&seen)));
    // One by the ends that its description announces, one by its Call-ID, one by nothing.
    let report = call.rtcp_json();
    let (there, here) = behind_nat(1);
    let hidden = Seen { way: (here, there), ..report.clone() };
    let lost = Seen { way: (behind_nat(2).1, behind_nat(2).0), ..report.clone() };
    let known = said(Some(&nat.dialog.call_id));
    let messages = [
        said(None).hep3(&report),
        known.hep3(&hidden),
        known.hep3(&Seen { at: hidden.at + std::time::Duration::from_secs(1), ..again(&hidden) }),
        said(None).hep3(&lost),
    ];
    datagrams(&sensor, messages);
    wait_for(&sensor, 12, 1);
    for call in [&call, &nat] {
        datagrams(&sensor, call.ended().iter().map(|seen| said(None).hep3(seen)));
    }
    let records = sensor.calls(2);
    // Nothing tells whose unannounced ends are: who reports first is taken for the caller.
    for (call, side) in [(&call, "a"), (&nat, "b")] {
        let record = of(&records, call);
        let of_side = |key: &str| record[&format!("{side}_{key}")].clone();
        assert_eq!(of_side("received"), 0, "{record:#}");
        assert_eq!((of_side("rtcp_loss"), of_side("rtcp_maxjitter")), (3.into(), 10.into()));
        assert_eq!(of_side("last_rtp_from_end"), Value::Null);
        assert_eq!(record["streams"].as_array().unwrap().len(), 1);
    }
    let events = sensor.with_record("stream");
    assert_eq!((&events["rtcp_streams"], &events["stream_records"]), (&3.into(), &1.into()));
}

/// The message with other addresses in its description.
fn announcing_others(seen: Seen) -> Seen {
    let text = String::from_utf8(seen.payload).unwrap().replace("10.1.0.", "10.2.0.");
    Seen { payload: text.into_bytes(), ..seen }
}

/// The same report with other words, so that it is no copy.
fn again(seen: &Seen) -> Seen {
    let text = String::from_utf8(seen.payload.clone()).unwrap();
    let payload = text.replace("\"highest_seq_no\":49", "\"highest_seq_no\":99").into_bytes();
    Seen { payload, ..seen.clone() }
}
