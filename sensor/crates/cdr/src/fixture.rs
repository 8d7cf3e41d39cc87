//! Records for the tests.

use crate::marks::MediaMarks;
use crate::outside::{Body, RegisterRecord, RegisterState, TransactionRecord};
use crate::quality::{Cause, Encryption, Evidence, Interval, Quality, Xr};
use crate::record::asserted::Asserted;
use crate::record::dialog::{Branch, CustomHeader, Dialog, Timer, Transfer};
use crate::record::{
    AfterCall, CallRecord, Dtmf, DtmfKind, LoneStream, Party, Reason, Record, Side, Step, Tunnel,
};
use crate::stream::{Mos, Rtcp, StreamRecord, Ttl};
use crate::vq::{VqMetrics, VqReport};

/// 2026-11-22T21:17:18.123456Z.
pub(crate) const CALLDATE_US: u64 = 1_795_382_238_123_456;

fn stream() -> StreamRecord {
    StreamRecord {
        src: "10.0.0.1:4000".parse().unwrap(),
        dst: "10.0.0.2:5000".parse().unwrap(),
        side: Some(Side::Caller),
        tunnel: Some(Tunnel { kind: "mpls".into(), id: 7, src: None, dst: None }),
        ssrc: 0xdead_beef,
        payload: 8,
        codec: "PCMA".into(),
        clock_rate: 8000,
        first_us: CALLDATE_US + 200_000,
        last_us: CALLDATE_US + 10_200_000,
        received: 498,
        lost: 2,
        reordered: 1,
        duplicate: 4,
        jitter_ms_avg: Some(1.25),
        jitter_ms_max: Some(12.4),
        sl: [2, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        d: [5, 0, 0, 0, 0, 0, 1],
        mos: Mos { f1: Some(4.3), f2: Some(4.4), min: Some(4.1), ..Mos::default() },
        rtcp: Some(Rtcp { loss: -1, maxfr: 3, avgjitter_ms: 0.5, ..Rtcp::default() }),
        rtp_ptime_ms: Some(20),
        ttl: Some(Ttl { min: 62, max: 64, avg: 63.5 }),
        exact: false,
        spool_key: u64::MAX - 1,
        quality: quality(),
        ..StreamRecord::default()
    }
}

fn dialog() -> Dialog {
    let branch = |tag: &str, won: bool| Branch {
        tag: tag.into(),
        cseq: 1,
        addr: "10.0.0.2:5060".parse().unwrap(),
        number: "201".into(),
        domain: "b.example".into(),
        agent: "phone/2.0".into(),
        first_us: CALLDATE_US + 90_001,
        ringing_us: Some(CALLDATE_US + 180_002),
        answered_us: won.then_some(CALLDATE_US + 2_500_000),
        ended_us: None,
        bye: 1,
        response_num: if won { 200 } else { 486 },
        response: if won { "200 OK" } else { "486 Busy Here" }.into(),
        reason_sip: Reason::default(),
        reason_q850: Reason { cause: Some(17), text: "User busy".into() },
        won,
    };
    Dialog {
        ringing_time_us: Some(180_000),
        setup_time_us: Some(2_500_000),
        srd_us: Some(90_000),
        sdd_us: Some(1_000),
        sdt_us: Some(10_000_000),
        reinvites: 2,
        responses_again: 3,
        timer: Some(Timer {
            expires_s: 1800,
            refresher: Some(Side::Callee),
            refreshes: 4,
            missed: false,
            ended_call: true,
        }),
        dialled: "200".into(),
        marks: "early_media forked".into(),
        branches: vec![branch("x", false), branch("y", true)],
        transfers: vec![Transfer {
            at_us: CALLDATE_US + 5_000_000,
            by: Side::Callee,
            refer_to: "<sip:300@c.example>".into(),
            number: "300".into(),
            attended: false,
            status: Some(202),
            result: None,
        }],
        custom_headers: headers(&[("X-Cause", "\u{e4}\""), ("X-Tenant", "acme-7")]),
        ..Dialog::default()
    }
}

fn headers(values: &[(&str, &str)]) -> Vec<CustomHeader> {
    let one =
        |&(name, value): &(&str, &str)| CustomHeader { name: name.into(), value: value.into() };
    values.iter().map(one).collect()
}

fn quality() -> Quality {
    let interval = Interval { received: 50, mos_mult100: [441, 0, 0], ..Interval::default() };
    let seen = Evidence { ts_us: CALLDATE_US, lost: 1, cause: Cause::Mirror, seen: 12, of: 20 };
    Quality {
        lost_mirror: 1,
        evidence: vec![seen],
        encryption: Encryption::Dtls,
        gaps: 1,
        stray: 2,
        codec_changes: 1,
        dscp: 46,
        mos_scale: "G.107".into(),
        mos_figures: "G.113".into(),
        r_f1: Some(91.5),
        path_ms: Some(12.5),
        half_trip_ms: Some(10.5),
        sender_reports: 3,
        byes: 1,
        xr: Some(Xr { blocks: 2, mos_avg: Some(4.0), mos_min: Some(3.8), ..Xr::default() }),
        interval_ms: 1000,
        intervals: vec![interval, Interval { start_ms: 1000, lost: 2, ..interval }],
        ..Quality::default()
    }
}

/// An answered call, with one stream from the caller; `n` is its ID and in its texts.
pub(crate) fn call(n: u64) -> CallRecord {
    let step = |ms: u64, text: &str| Step {
        ts_us: CALLDATE_US + ms * 1000,
        src: "10.0.0.1:5060".parse().unwrap(),
        dst: "[2001:db8::2]:5062".parse().unwrap(),
        text: text.into(),
    };
    CallRecord {
        id: n,
        id_sensor: 3,
        call_key: u64::MAX - n,
        instance: 1,
        callid: format!("call-{n}@example.com").into(),
        calldate_us: CALLDATE_US,
        callend_us: CALLDATE_US + 12_500_000,
        connect_duration_us: Some(10_000_000),
        progress_time_us: Some(180_000),
        post_bye_delay_us: Some(1_000),
        caller: Party {
            number: format!("+493010{n:02}").into(),
            domain: "a.example".into(),
            name: "Alice".into(),
            addr: Some("10.0.0.1:5060".parse().unwrap()),
            agent: "phone/1.0".into(),
        },
        called: Party {
            number: "200".into(),
            domain: "b.example".into(),
            addr: Some("[2001:db8::2]:5062".parse().unwrap()),
            ..Party::default()
        },
        whohanged: Some(Side::Callee),
        bye: 3,
        last_sip_response_num: Some(200),
        last_sip_response: "200 OK".into(),
        reason_q850: Reason { cause: Some(16), text: "Normal call clearing".into() },
        max_retransmission_invite: Some(0),
        flags: Some(1 << 63),
        vlan: Some(100),
        tunnel: Some(tunnel()),
        tcp: true,
        sip_messages: 7,
        digest_username: "alice".into(),
        asserted: Asserted { caller: "+49301".into(), ..Asserted::default() },
        media_marks: MediaMarks(MediaMarks::CALLEE_MISSING.0 | MediaMarks::ENCRYPTED.0),
        streams: vec![stream()],
        dtmf: vec![Dtmf {
            firsttime_us: 3_200_001,
            saddr: "10.0.0.1".parse().unwrap(),
            daddr: "10.0.0.2".parse().unwrap(),
            digit: '#',
            kind: DtmfKind::Event,
        }],
        ladder: vec![step(0, "INVITE (SDP)"), step(180, "180 Ringing")],
        ladder_dropped: 1,
        dialog: dialog(),
        malformed: "bad_quote".into(),
        ..CallRecord::default()
    }
}

/// A tunnel.
pub(crate) fn tunnel() -> Tunnel {
    Tunnel {
        kind: "vxlan".into(),
        id: 4660,
        src: Some("192.0.2.1".parse().unwrap()),
        dst: Some("2001:db8::2".parse().unwrap()),
    }
}

/// The call with this `n`, as a stream after it names it.
pub(crate) fn after(n: u64) -> AfterCall {
    let call = call(n);
    AfterCall { call_key: call.call_key, instance: call.instance, callid: call.callid }
}

/// A stream without a call.
pub(crate) fn lone(id: u64) -> Record {
    Record::Stream(Box::new(LoneStream {
        id,
        id_sensor: 3,
        stream: StreamRecord { side: None, ..stream() },
        after: Some(after(99)),
    }))
}

/// A report about the call with this `n`.
pub(crate) fn vq(id: u64, n: u64) -> VqReport {
    VqReport {
        id,
        id_sensor: 3,
        ts_us: CALLDATE_US + 13_000_000,
        reporter: Some("10.0.0.1:0".parse().unwrap()),
        call_key: call(n).call_key,
        callid: call(n).callid,
        kind: "session".into(),
        local_id: "<sip:a@example.com>".into(),
        codec: "PCMA".into(),
        local: VqMetrics { mos_lq: Some(4.2), loss_percent: Some(1.5), ..VqMetrics::default() },
        remote: VqMetrics { round_trip_ms: Some(40.0), ..VqMetrics::default() },
        ..VqReport::default()
    }
}

/// A request outside of calls that was answered after a retransmission.
pub(crate) fn transaction(n: u64, method: &str) -> TransactionRecord {
    let call = call(n);
    TransactionRecord {
        id: n,
        id_sensor: 3,
        call_key: call.call_key,
        callid: call.callid,
        method: method.into(),
        cseq: 17,
        first_us: CALLDATE_US,
        last_us: CALLDATE_US + 701_234,
        request_us: Some(CALLDATE_US),
        response_us: Some(CALLDATE_US + 701_234),
        delay_us: Some(701_234),
        caller: call.caller,
        called: call.called,
        response_num: Some(200),
        response: "200 OK".into(),
        request_repetition: 1,
        sip_messages: 3,
        request_body: Body { content_type: "text/plain".into(), length: 12 },
        response_body: Body::default(),
        content: "".into(),
        custom_headers: headers(if method == "MESSAGE" { &[("X-App", "chat")] } else { &[] }),
        event: "presence".into(),
        digest_username: "alice".into(),
        challenged: true,
        sighup: false,
        tcp: true,
        vlan: Some(7),
        tunnel: Some(tunnel()),
        repeats: 9,
        malformed: "bad_version".into(),
    }
}

/// A registration for five minutes.
pub(crate) fn register(n: u64) -> RegisterRecord {
    RegisterRecord {
        id: n,
        id_sensor: 3,
        register_key: u64::MAX - n,
        call_key: u64::MAX - 2 * n,
        callid: format!("register-{n}@example.com").into(),
        created_us: CALLDATE_US,
        state: RegisterState::Registered,
        counter: 1,
        src: Some("10.0.0.1:40000".parse().unwrap()),
        dst: Some("[2001:db8::2]:5062".parse().unwrap()),
        from_num: format!("10{n}").into(),
        from_domain: "a.example".into(),
        to_num: format!("10{n}").into(),
        to_domain: "b.example".into(),
        contact_num: format!("10{n}").into(),
        contact_domain: "10.0.0.1".into(),
        digest_username: "alice".into(),
        digest_realm: "b.example".into(),
        agent: "phone/1.0".into(),
        expires_asked: Some(3600),
        expires: Some(300),
        response_num: Some(200),
        response: "200 OK".into(),
        rrd_us: Some(20_000),
        request_repetition: 1,
        refreshes: 2,
        challenged: true,
        sighup: false,
        tcp: false,
        vlan: Some(7),
        tunnel: Some(tunnel()),
        malformed: "".into(),
    }
}
