//! What session descriptions claim, and the limits of a call.
//!
//! Plain ports are in the other scripts; here is what else descriptions say.

use std::fmt::Write;

use ringtap_call::{Calls, Claim, Event, MediaKind, Options};
use ringtap_sip::Message;

use crate::script::{closed, message, run};

/// The claims of an INVITE with this description.
fn claims(sdp: &str) -> Vec<Claim> {
    let (meta, text) = message(0, "A", vec!["INVITE", "1"]);
    let sdp = sdp.lines().map(str::trim).fold(String::new(), |all, line| all + line + "\r\n");
    let text = text.replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()),
    );
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    calls.handle(&meta, &Message::parse(text.as_bytes()).unwrap(), &mut events);
    let claim = |event| if let Event::Claim(claim) = event { Some(claim) } else { None };
    events.into_iter().filter_map(claim).collect()
}

#[test]
fn several_media() {
    let all = claims(
        "v=0
         c=IN IP4 10.0.0.1
         m=audio 4000 RTP/SAVP 9 111
         a=rtpmap:111 opus/48000/2
         a=ptime:60
         a=rtcp:4100 IN IP4 10.0.0.7
         a=ssrc:5 cname:a
         a=ssrc:5 msid:b
         a=ssrc:6 cname:a
         m=video 4002 RTP/AVP 96
         c=IN IP6 2001:db8::7
         m=audio 0 RTP/AVP 0
         m=image 4004 udptl t38
         m=audio 4006 TCP/MRCPv2 1",
    );
    let [audio, video] = &all[..] else { panic!("{all:?}") };
    assert_eq!((audio.kind, audio.secure, audio.ptime_ms), (MediaKind::Audio, true, 60));
    assert_eq!(audio.rtcp.unwrap().to_string(), "10.0.0.7:4100");
    assert_eq!(audio.ssrcs[..], [5, 6]);
    let opus = &audio.payload_types[1];
    assert_eq!((opus.name.as_str(), opus.clock_rate, opus.channels), ("opus", 48_000, 2));
    assert_eq!(
        (video.kind, video.endpoint.to_string()),
        (MediaKind::Video, "[2001:db8::7]:4002".into())
    );
    assert_eq!(video.rtcp.unwrap().port(), 4003);
    let unknown = &video.payload_types[0];
    assert_eq!((unknown.payload_type, unknown.name.as_str(), unknown.clock_rate), (96, "", 0));
}

#[test]
fn candidates_are_claimed_too() {
    let all = claims(
        "v=0
         c=IN IP4 0.0.0.0
         m=audio 9 UDP/TLS/RTP/SAVPF 0
         a=rtcp-mux
         a=candidate:1 1 udp 2 192.168.1.5 50000 typ host
         a=candidate:1 2 udp 2 192.168.1.5 50001 typ host
         a=candidate:2 1 tcp 1 192.168.1.5 9 typ host
         a=candidate:3 1 UDP 1 203.0.113.5 60000 typ srflx raddr 0.0.0.0 rport 0",
    );
    let ends: Vec<_> = all.iter().map(|c| c.endpoint.to_string()).collect();
    assert_eq!(ends, ["192.168.1.5:50000", "203.0.113.5:60000"]);
    assert!(all.iter().all(|c| c.candidate && c.secure && c.rtcp.is_none()));
}

#[test]
fn mux_needs_no_second_port() {
    let with =
        |more: &str| claims(&format!("v=0\nc=IN IP4 10.0.0.1\nm=audio 65535 RTP/AVP 0\n{more}"));
    assert_eq!(with("a=rtcp-mux")[0].rtcp, None);
    assert_eq!(with("a=rtcp:65535\na=rtcp-mux")[0].rtcp, None);
    assert_eq!(with("a=rtcp:7")[0].rtcp.unwrap().port(), 7);
    assert_eq!(with("")[0].rtcp, None, "there is no port after the last");
}

#[test]
fn media_that_share_a_port_make_one_claim_with_all_payload_types() {
    let all = claims(
        "v=0
         c=IN IP4 10.0.0.1
         a=group:BUNDLE a v
         m=audio 4000 UDP/TLS/RTP/SAVPF 111 0
         a=mid:a
         a=rtcp-mux
         a=fingerprint:sha-256 AA
         a=rtpmap:111 opus/48000/2
         a=ssrc:5 cname:a
         a=candidate:1 1 udp 2 192.168.1.5 50000 typ host
         a=candidate:2 1 udp 2 4f3b6a1c-0000.local 50002 typ host
         a=candidate:3 1 udp 1 203.0.113.9 3478 typ relay raddr 10.0.0.1 rport 4000
         m=video 4000 UDP/TLS/RTP/SAVPF 96 111
         a=mid:v
         a=rtcp-mux
         a=rtpmap:96 VP8/90000
         a=ssrc:6 cname:a
         a=candidate:1 1 udp 2 192.168.1.5 50000 typ host",
    );
    let ends: Vec<_> = all.iter().map(|c| (c.endpoint.to_string(), c.candidate)).collect();
    let expected =
        [("10.0.0.1:4000", false), ("192.168.1.5:50000", true), ("203.0.113.9:3478", true)];
    assert_eq!(ends, expected.map(|(end, candidate)| (end.to_owned(), candidate)));
    for claim in &all[..2] {
        let names: Vec<_> = claim
            .payload_types
            .iter()
            .map(|one| format!("{} {}", one.payload_type, one.name))
            .collect();
        assert_eq!(names, ["111 opus", "0 PCMU", "96 VP8"]);
        assert_eq!((claim.kind, claim.secure), (MediaKind::Audio, true));
        assert_eq!((&claim.ssrcs[..], claim.rtcp), (&[5, 6][..], None));
    }
}

#[test]
fn several_ports_of_one_medium() {
    let all = claims("v=0\nc=IN IP6 2001:db8::1\nm=audio 4000/3 RTP/AVP 0\nm=audio 0/2 RTP/AVP 0");
    let ports: Vec<_> = all.iter().map(|c| (c.endpoint.port(), c.rtcp.unwrap().port())).collect();
    assert_eq!(ports, [(4000, 4001), (4002, 4003), (4004, 4005)]);
    assert_eq!(claims("v=0\nc=IN IP4 10.0.0.1\nm=audio 65534/9000 RTP/AVP 0").len(), 1);
}

#[test]
fn hold_in_all_its_spellings() {
    let hold = |how: &str| {
        let script = format!(
            "0 A INVITE 1 sdp=4000\n1 B 200/INVITE 1 sdp=5000\n2 A ACK 1\n10 A INVITE 2 re {how}\n\
             11 B 200/INVITE 2 sdp=5000\n12 A ACK 2\n20 A INVITE 3 re sdp=4000\n\
             21 B 200/INVITE 3 sdp=5000"
        );
        let all = closed(&script);
        let ms = |at: ringtap_call::Moment| at.clock_ns / 1_000_000;
        all[0].holds.iter().map(|(from, to)| (ms(*from), to.map(ms))).collect::<Vec<_>>()
    };
    let held = [(10, Some(20))];
    for how in ["sdp=4000 dir=sendonly", "sdp=4000 dir=inactive", "sdp=0.0.0.0:4000"] {
        assert_eq!(hold(how), held, "{how}");
    }
    for how in ["sdp=4000", "sdp=4000 dir=recvonly", "sdp=4000 dir=sendrecv", "sdp=0"] {
        assert_eq!(hold(how), [], "{how}");
    }
}

#[test]
fn a_call_has_limits() {
    let mut script = "0 A INVITE 1 sdp=4000\n1 B 200/INVITE 1 sdp=5000\n2 A ACK 1\n".to_owned();
    for n in 2..100 {
        writeln!(script, "{n}0 A INVITE {n} re sdp={}\n{n}1 B 200/INVITE {n} sdp=5000", 4000 + n)
            .unwrap();
    }
    let all = closed(&script);
    let [call] = &all[..] else { panic!("{all:?}") };
    assert_eq!((call.claims.len(), call.claims_omitted), (40, 60));
    assert_eq!((call.ladder.len(), call.ladder_omitted), (64, 199 - 64));
    assert_eq!((call.messages, call.reinvites), (199, 98));
}

#[test]
fn a_full_table_refuses_and_counts() {
    let mut calls = Calls::new(Options { calls_max: 2, ..Options::default() });
    let mut events = Vec::new();
    run(
        &mut calls,
        "0 A INVITE 1 id=a\n0 A INVITE 1 id=b\n0 A INVITE 1 id=c\n1 B 100/INVITE 1 id=a",
        &mut events,
    );
    let counters = calls.counters();
    assert_eq!((calls.live(), counters.refused_calls, counters.in_call), (2, 1, 3));
}

#[test]
fn realms_are_apart() {
    let keys = [0, 1].map(|realm| ringtap_call::CallKey::of(realm, b"call-1"));
    assert_ne!(keys[0], keys[1]);
    // The value is on disk: it may never change.
    assert_eq!(keys[0].0, 2_803_922_277_869_495_397);
}
