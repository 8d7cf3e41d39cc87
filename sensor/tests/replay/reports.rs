//! What endpoints say of a call's quality, and what is missing of its media: RTCP, extended
//! reports, voice quality reports by SIP, DTLS, one-way audio.

use std::fs::File;
use std::net::SocketAddr;

use crate::support::{replay, ringtap, run};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::{Block, Rtp, Sender, goodbye, report};
use ringtap_testkit::pcap;
use ringtap_testkit::sip::{Dialog, Media, Message, Method, Side};
use serde_json::Value;

const MS: u64 = 1_000_000;
const START: u64 = 1_767_225_600_000 * MS;
const CALLER: u32 = 0x1111;
const CALLEE: u32 = 0x2222;

fn caller(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

fn callee(port: u16) -> SocketAddr {
    ([10, 0, 0, 2], port).into()
}

/// Frames with their times in ms; they are sorted when they are written.
#[derive(Default)]
struct Script(Vec<(u64, Vec<u8>)>);

impl Script {
    fn udp(&mut self, at_ms: u64, (src, dst): (SocketAddr, SocketAddr), payload: &[u8]) {
        self.0.push((at_ms, Packet::udp(src, dst, payload).build()));
    }

    /// INVITE to BYE, answered at once, 6 s long.
    fn call(&mut self, number: u64) -> String {
        self.call_with(number, "")
    }

    /// The same, with further lines in the caller's description.
    fn call_with(&mut self, number: u64, lines: &str) -> String {
        let dialog = Dialog::new(number, caller(5060), callee(5060));
        let (mut a, b) = (
            Media::new(caller(10_000), 0, "PCMU/8000"),
            Media::new(callee(20_000), 0, "PCMU/8000"),
        );
        a.attributes += lines;
        for (at_ms, message) in [
            (0, Message::request(Side::Caller, Method::Invite, 1).media(&a)),
            (100, Message::response(Side::Called, 200, Method::Invite, 1).media(&b)),
            (120, Message::request(Side::Caller, Method::Ack, 1)),
            (6000, Message::request(Side::Caller, Method::Bye, 2)),
            (6020, Message::response(Side::Called, 200, Method::Bye, 2)),
        ] {
            self.udp(at_ms, dialog.way(message.from), dialog.text(&message).as_bytes());
        }
        let invite = dialog.text(&Message::request(Side::Caller, Method::Invite, 1));
        let line = invite.lines().find_map(|line| line.strip_prefix("Call-ID: "));
        line.unwrap().trim().to_owned()
    }

    /// RTP of one direction between two moments.
    fn rtp(&mut self, way: (SocketAddr, SocketAddr), ssrc: u32, from_ms: u64, until_ms: u64) {
        for (number, at_ms) in (from_ms..until_ms).step_by(20).enumerate() {
            let mut payload = Vec::new();
            let timestamp = number as u32 * 160;
            let seq = number as u16;
            Rtp { payload_type: 0, marker: false, seq, timestamp, ssrc }.write(&mut payload);
            payload.resize(172, 0x7e);
            self.udp(at_ms, way, &payload);
        }
    }

    fn records(mut self, name: &str) -> (Vec<Value>, tempfile::TempDir) {
        self.0.sort_by_key(|(at_ms, _)| *at_ms);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut writer =
            pcap::Writer::new(File::create(&path).unwrap(), pcap::Options::default()).unwrap();
        for (at_ms, frame) in &self.0 {
            writer.frame(START + at_ms * MS, frame).unwrap();
        }
        writer.finish().unwrap();
        let one = replay(&[&path], 1).0.well();
        assert_eq!(replay(&[&path], 2).0.well().out, one.out, "2 workers");
        (one.records(), folder)
    }
}

/// A report of one side about the other: sent at `at_ms` with NTP time `ntp`, and an answer to
/// `last_sr` that it has held for `held_ms`.
fn rtcp(ssrc: u32, ntp: u64, of: u32, last_sr: u32, held_ms: u32) -> Vec<u8> {
    let sender = Sender { ntp, timestamp: 0, packets: 10, octets: 1600 };
    let delay = held_ms * 65_536 / 1000;
    let block =
        Block { ssrc: of, fraction_lost: 26, lost: 3, jitter: 40, last_sr, delay, highest: 9 };
    let mut out = Vec::new();
    report(ssrc, Some(sender), &[block], &mut out);
    out
}

/// VoIP metrics (RFC 3611 §4.7) about a source.
fn xr(reporter: u32, of: u32, mos_lq_x10: u8) -> Vec<u8> {
    let mut out = vec![0x80, 207, 0, 10];
    out.extend(reporter.to_be_bytes());
    out.extend([7, 0, 0, 8]);
    out.extend(of.to_be_bytes());
    out.extend([10, 5, 0, 0, 0, 0, 0, 0, 0, 60, 0, 30, 127, 127, 127, 16]);
    out.extend([88, 127, mos_lq_x10, 127, 0, 0, 0, 40, 0, 80, 0, 120]);
    out
}

#[test]
fn both_halves_of_the_round_trip_and_what_the_receivers_say() {
    let mut script = Script::default();
    script.call(1);
    let (there, back) = ((caller(10_000), callee(20_000)), (callee(20_000), caller(10_000)));
    script.rtp(there, CALLER, 130, 5990);
    script.rtp(back, CALLEE, 130, 5990);
    let (there, back) = ((caller(10_001), callee(20_001)), (callee(20_001), caller(10_001)));
    // The caller's report passes at 1000; the answer to it comes 50 ms later, held for 10: 40 ms.
    script.udp(1000, there, &rtcp(CALLER, 5 << 32, CALLEE, 0, 0));
    script.udp(1050, back, &rtcp(CALLEE, 7 << 32, CALLER, 5 << 16, 10));
    // The callee's at 1050 is answered at 1100, held for 30: 20 ms.
    script.udp(1100, there, &rtcp(CALLER, 8 << 32, CALLEE, 7 << 16, 30));
    script.udp(2000, back, &xr(CALLEE, CALLER, 41));
    script.udp(3000, back, &xr(CALLEE, CALLER, 37));
    let mut bye = Vec::new();
    goodbye(CALLER, &mut bye);
    script.udp(5995, there, &bye);
    let (records, _folder) = script.records("rtcp.pcap");
    let call = &records[0];
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 0.1;
    // One way is half of 60 ms; behind 50 ms and a packet of 20 that makes 100: no impairment.
    for stream in call["streams"].as_array().unwrap() {
        assert!(near(&stream["path_ms"], 30.0) && near(&stream["rtcp_rtd_ms_avg"], 60.0));
        assert!(near(&stream["mos_f1"], 4.41) && near(&stream["r_f1"], 93.2), "{stream:#}");
        assert!(stream["mos_f2"].as_f64() < Some(4.35), "250 ms of delay: {stream:#}");
        assert_eq!(
            (&stream["mos_scale"], &stream["mos_figures"]),
            (&"G.107".into(), &"G.113".into())
        );
    }
    assert_eq!(
        (&call["a_rtcp_avgrtd_mult10"], &call["b_rtcp_maxrtd_mult10"]),
        (&600.into(), &600.into())
    );
    assert_eq!((&call["a_rtcp_loss"], &call["a_rtcp_maxfr"]), (&3.into(), &26.into()));
    assert_eq!(
        (&call["a_rtcp_maxjitter"], &call["a_rtcp_fraclost_pktcount"]),
        (&5.into(), &1.into())
    );
    assert_eq!((&call["a_mos_xr_mult10"], &call["a_mos_xr_min_mult10"]), (&39.into(), &37.into()));
    assert_eq!(call["b_mos_xr_mult10"], Value::Null);
    let sent = |side: &str| {
        let streams = call["streams"].as_array().unwrap();
        streams.iter().find(|stream| stream["side"] == side).unwrap().clone()
    };
    let (a, b) = (sent("caller"), sent("callee"));
    assert!(near(&a["rtcp_half_trip_ms"], 40.0) && near(&b["rtcp_half_trip_ms"], 20.0));
    assert_eq!((&a["rtcp_byes"], &b["rtcp_byes"]), (&1.into(), &0.into()));
    assert_eq!((&a["xr_r"], &a["xr_loss_rate"]), (&88.into(), &10.into()));
    assert_eq!(call["media_marks"], serde_json::json!([]));
}

#[test]
fn media_that_never_came_stopped_or_began_late_is_marked() {
    let (there, back) = ((caller(10_000), callee(20_000)), (callee(20_000), caller(10_000)));
    let marks = |rtp: &dyn Fn(&mut Script)| {
        let mut script = Script::default();
        script.call(2);
        rtp(&mut script);
        script.records("marks.pcap").0[0]["media_marks"].clone()
    };
    assert_eq!(marks(&|_| {}), serde_json::json!(["no_media"]));
    let one_way = marks(&|script| script.rtp(there, CALLER, 130, 5990));
    assert_eq!(one_way, serde_json::json!(["callee_missing"]));
    let apart = marks(&|script| {
        script.rtp(there, CALLER, 2500, 5990);
        script.rtp(back, CALLEE, 130, 3000);
    });
    assert_eq!(apart, serde_json::json!(["caller_late", "callee_stopped"]));
    let other = marks(&|script| script.rtp(back, CALLEE, 130, 5990));
    assert_eq!(other, serde_json::json!(["caller_missing"]));
    let apart = marks(&|script| {
        script.rtp(there, CALLER, 130, 3990);
        script.rtp(back, CALLEE, 2200, 5990);
    });
    assert_eq!(apart, serde_json::json!(["callee_late", "caller_stopped"]));
    let just = marks(&|script| {
        script.rtp(there, CALLER, 130, 4040);
        script.rtp(back, CALLEE, 2080, 5990);
    });
    assert_eq!(just, serde_json::json!([]), "less than two seconds");
    let encrypted = marks(&|script| {
        // A DTLS ClientHello's record header, on the media's ports.
        let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40];
        hello.resize(53, 1);
        script.udp(125, there, &hello);
        script.udp(127, back, &hello);
        script.rtp(there, CALLER, 130, 5990);
        script.rtp(back, CALLEE, 130, 5990);
    });
    assert_eq!(encrypted, serde_json::json!(["encrypted"]));
}

#[test]
fn media_that_begins_after_the_end_is_found_with_its_call() {
    let mut script = Script::default();
    let call_id = script.call(5);
    script.rtp((caller(10_000), callee(20_000)), CALLER, 7500, 7700);
    script.rtp((caller(10_002), callee(20_002)), CALLEE, 7500, 7700);
    let (records, folder) = script.records("after.pcap");
    let after = |ssrc: u32| {
        let stream = records.iter().find(|r| r["type"] == "stream" && r["ssrc"] == ssrc);
        stream.unwrap()["after_call"].clone()
    };
    assert_eq!((after(CALLER), after(CALLEE)), (Value::from(&*call_id), Value::Null));

    let store = format!("sqlite:{}", folder.path().join("calls.db").display());
    let [spool, file, out] =
        ["spool", "after.pcap", "call.pcap"].map(|name| folder.path().join(name));
    let mut replay = ringtap();
    replay.args(["replay", "--quiet", "--store", &store, "--spool"]).arg(&spool).arg(&file);
    run(&mut replay).well();
    let asked = ["call", &call_id, "--store", &store];
    let call = &run(ringtap().args(asked).args(["--format", "json"])).well().records()[0];
    assert_eq!(
        (&call["streams"], &call["after_streams"][0]["received"]),
        (&serde_json::json!([]), &10.into())
    );
    let shown = run(ringtap().args(asked)).well().out;
    assert!(shown.contains("\nRTP that began after its end\n"), "{shown}");
    let mut pcap = ringtap();
    pcap.args(["pcap", &call_id, "--store", &store, "--spool"]).arg(&spool).arg("-o").arg(&out);
    let said = run(&mut pcap).well().err;
    assert!(said.starts_with("15 packets"), "5 of SIP, 10 of RTP: {said}");
}

/// A voice quality report of a call, with that score.
fn publish(call_id: &str, cseq: u32, mos: &str) -> String {
    let body = format!(
        "VQSessionReport: CallTerm\r\nCallID:{call_id}\r\nLocalID:<sip:a@example.com>\r\n\
         LocalMetrics:\r\nPacketLoss:NLR=1.5 JDR=0.5\r\nQualityEst:MOSLQ={mos} MOSCQ=3.9\r\n"
    );
    format!(
        "PUBLISH sip:collector@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKvq{cseq}\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:collector@example.com>\r\n\
         Call-ID: another@10.0.0.1\r\nCSeq: {cseq} PUBLISH\r\nEvent: vq-rtcpxr\r\n\
         Content-Type: application/vq-rtcpxr\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_report_that_is_sent_again_is_one_report_on_each_hop() {
    let mut script = Script::default();
    let call_id = script.call(4);
    let hops = [caller(5060), ([10, 0, 0, 8], 5060).into(), ([10, 0, 0, 9], 5060).into()];
    let [first, second] = [(hops[0], hops[1]), (hops[1], hops[2])];
    // No answer comes in time; then it is challenged. Another report follows.
    for (at_ms, way, cseq, mos) in [
        (6500, first, 1, "4.1"),
        (7000, first, 1, "4.1"),
        (7010, second, 1, "4.1"),
        (8000, first, 2, "4.1"),
        (9000, first, 3, "3.2"),
    ] {
        script.udp(at_ms, way, publish(&call_id, cseq, mos).as_bytes());
    }
    let (records, _folder) = script.records("again.pcap");
    let reports: Vec<_> = records.iter().filter(|r| r["type"] == "vq_report").collect();
    let told = |r: &&Value| (r["reporter"].to_string(), r["local_mos_lq"].as_f64().unwrap());
    let [a, b] = ["\"10.0.0.1\"", "\"10.0.0.8\""].map(str::to_owned);
    let all: Vec<_> = reports.iter().map(told).collect();
    assert_eq!(all, [(a.clone(), 4.1), (b, 4.1), (a, 3.2)], "{reports:#?}");
}

#[test]
fn what_the_signalling_announces_beside_audio_is_marked() {
    let (there, back) = ((caller(10_000), callee(20_000)), (callee(20_000), caller(10_000)));
    for (lines, mark) in [
        ("m=video 30000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n", "video"),
        ("m=image 30002 udptl t38\r\n", "t38"),
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n", "encrypted"),
    ] {
        let mut script = Script::default();
        script.call_with(4, lines);
        script.rtp(there, CALLER, 130, 5990);
        script.rtp(back, CALLEE, 130, 5990);
        let (records, _folder) = script.records("announced.pcap");
        let call = &records[0];
        assert_eq!(call["media_marks"], serde_json::json!([mark]), "{lines}");
        let streams = call["streams"].as_array().unwrap();
        let by_signalling = streams.iter().filter(|stream| stream["encryption"] == "SRTP").count();
        assert_eq!(by_signalling > 0, mark == "encrypted", "{call:#}");
        assert!(streams.iter().all(|stream| stream["mos_f1"].as_f64() > Some(4.4)), "{call:#}");
    }
}

#[test]
fn a_pause_of_a_call_on_hold_is_no_mark() {
    let (there, back) = ((caller(10_000), callee(20_000)), (callee(20_000), caller(10_000)));
    let mut script = Script::default();
    script.call(5);
    script.rtp(there, CALLER, 130, 2500);
    script.rtp(back, CALLEE, 130, 2500);
    let dialog = Dialog::new(5, caller(5060), callee(5060));
    let mut hold = Media::new(caller(10_000), 0, "PCMU/8000");
    (hold.direction, hold.session) = ("inactive", (1, 2));
    let mut held = Media::new(callee(20_000), 0, "PCMU/8000");
    (held.direction, held.session) = ("inactive", (1, 2));
    for (at_ms, message) in [
        (2500, Message::request(Side::Caller, Method::Invite, 9).media(&hold).tagged()),
        (2550, Message::response(Side::Called, 200, Method::Invite, 9).media(&held)),
        (2560, Message::request(Side::Caller, Method::Ack, 9)),
    ] {
        script.udp(at_ms, dialog.way(message.from), dialog.text(&message).as_bytes());
    }
    let (records, _folder) = script.records("hold.pcap");
    assert!(records[0]["hold"].is_string(), "{:#}", records[0]);
    assert_eq!(records[0]["media_marks"], serde_json::json!([]), "{:#}", records[0]);
}

#[test]
fn a_voice_quality_report_is_found_with_its_call() {
    let mut script = Script::default();
    let call_id = script.call(3);
    let to_collector = (caller(5060), ([10, 0, 0, 9], 5060).into());
    let publish = publish(&call_id, 1, "4.1");
    script.udp(6500, to_collector, publish.as_bytes());
    let (records, folder) = script.records("vq.pcap");
    let report = records.iter().find(|record| record["type"] == "vq_report").unwrap();
    assert_eq!((&report["callid"], &report["kind"]), (&call_id.as_str().into(), &"session".into()));
    assert_eq!(
        (&report["local_mos_lq"], &report["local_loss_percent"]),
        (&4.1.into(), &1.5.into())
    );
    let store = format!("sqlite:{}", folder.path().join("calls.db").display());
    let file = folder.path().join("vq.pcap");
    run(ringtap().args(["replay", "--quiet", "--store", &store]).arg(file)).well();
    let asked = ["call", &call_id, "--store", &store, "--format", "json"];
    let call = &run(ringtap().args(asked)).well().records()[0];
    assert_eq!(call["vq_reports"][0]["local_mos_cq"], 3.9);
    let shown = run(ringtap().args(["call", &call_id, "--store", &store])).well().out;
    assert!(shown.contains("10.0.0.1 reports (session)"), "{shown}");
}
