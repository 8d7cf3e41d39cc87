//! The call table: any SIP at any time, with copies, and with timers polled often or never.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;

use ringtap_call::{CallKey, CallSummary, Calls, Event, Meta, Moment, Options};
use ringtap_sip::Message;

use crate::input::Input;

const MS: u64 = 1_000_000;
const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.9"];
const CALL_IDS: [&str; 3] = ["one", "two", "three"];
const TAGS: [&str; 5] = ["", ";tag=a1", ";tag=b1", ";tag=b2", ";tag=\"\""];
const METHODS: [&str; 12] = [
    "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO", "OPTIONS", "REGISTER", "REFER",
    "MESSAGE", "FOO",
];
const CODES: [u16; 17] =
    [100, 180, 183, 200, 202, 302, 401, 404, 407, 423, 481, 486, 487, 491, 500, 603, 699];
/// Pauses: none, retransmissions, the timers of a call, days.
const WAITS_MS: [u64; 8] = [0, 1, 500, 5_000, 32_000, 301_000, 3_600_000, 100_000_000];
const EXTRAS: [&str; 12] = [
    "",
    "Reason: Q.850;cause=16;text=\"x\"\r\n",
    "Reason: SIP;cause=200, Q.850;cause=17\r\n",
    "Proxy-Authorization: Digest username=\"u\", realm=\"r\"\r\n",
    "Replaces: two;to-tag=1;from-tag=2\r\n",
    "Session-ID: ab;remote=cd\r\n",
    "Diversion: <sip:9@c.example>;reason=busy\r\n",
    "P-Asserted-Identity: <sip:8@c.example>, <tel:+7>\r\n",
    "Contact: <sip:1@10.0.0.1>;expires=60\r\n",
    "Contact: *\r\nExpires: 0\r\n",
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n",
    "Contact: <sip:1@10.0.0.1>\r\nAuthorization: Digest username=\"u\", nonce=\"n\"\r\n",
];

/// One thing that happens.
enum Step {
    Message(Meta, String),
    Media(CallKey),
    Poll,
}

/// Every call ends exactly once, its times are in order, the table keeps to its limit and is
/// empty after a long silence, and how often timers are polled changes no record.
pub fn call_machine(data: &[u8]) {
    let mut input = Input::new(data);
    let options = match input.byte() % 4 {
        0 => Options {
            calls_max: 2,
            max_sip_packets_in_call: 8,
            transactions_max: 2,
            registrations_max: 1,
            ..Options::default()
        },
        1 => Options { bye_timeout: 1, rtptimeout: 2, zombie_timeout: 1, ..Options::default() },
        _ => Options::default(),
    };
    let steps = script(&mut input);
    let often = play(&steps, options, true);
    let never = play(&steps, options, false);
    // Where the table is full, it does: a call that nobody has closed yet takes a place.
    if options.calls_max > CALL_IDS.len() {
        assert_eq!(sorted(&often), sorted(&never), "polling changes a record");
    }
}

/// Everything that happens, with its time.
fn script(input: &mut Input<'_>) -> Vec<(u64, Step)> {
    let (mut clock_ns, mut steps) = (0, Vec::new());
    while !input.is_empty() {
        let choice = input.byte();
        clock_ns += WAITS_MS[usize::from(choice & 7)] * MS;
        let step = match choice >> 3 {
            0 => Step::Poll,
            1 => Step::Media(CallKey::of(0, input.pick(&CALL_IDS).as_bytes())),
            2 => match steps.last() {
                // A mirror's copy, or a retransmission.
                Some((_, Step::Message(meta, text))) => {
                    Step::Message(Meta { clock_ns, ts_ns: ts(clock_ns), ..*meta }, text.clone())
                }
                _ => Step::Poll,
            },
            _ => message(clock_ns, input),
        };
        steps.push((clock_ns, step));
    }
    steps
}

fn ts(clock_ns: u64) -> u64 {
    1_700_000_000_000 * MS + clock_ns
}

fn message(clock_ns: u64, input: &mut Input<'_>) -> Step {
    let who = input.byte();
    let (from, to) = (HOSTS[usize::from(who) % 3], HOSTS[usize::from(who >> 2) % 3]);
    let what = input.byte();
    let method = METHODS[usize::from(what) % METHODS.len()];
    let more = input.byte();
    let (cseq, extra) = (more & 3, EXTRAS[usize::from(more >> 2) % EXTRAS.len()]);
    let (tags, body) = (input.byte(), input.byte());
    let id = CALL_IDS[usize::from(tags >> 6) % CALL_IDS.len()];
    let (near, far) = (TAGS[usize::from(tags & 7) % 5], TAGS[usize::from(tags >> 3 & 7) % 5]);
    let mut text = if what & 0x80 == 0 {
        format!("{method} sip:200@b.example SIP/2.0\r\n")
    } else {
        format!("SIP/2.0 {} X\r\n", input.pick(&CODES))
    };
    let branch = body >> 6;
    let _ = write!(
        text,
        "Via: SIP/2.0/UDP {from};branch=z9hG4bK{branch}\r\nFrom: \"N\" <sip:1@a.example>{near}\r\n\
         To: <sip:2@b.example>{far}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n{extra}"
    );
    let body = description(body, from);
    let _ = write!(text, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n", body.len());
    text.push_str(&body);
    let place =
        |host: &str| SocketAddr::from((host.parse::<std::net::Ipv4Addr>().unwrap_or(ANY), 5060));
    let meta = Meta {
        ts_ns: ts(clock_ns),
        clock_ns,
        src: place(from),
        dst: place(to),
        origin: 0,
        vlan: 0,
        tunnel: None,
        tcp: who & 0x80 != 0,
        dscp: 0,
    };
    Step::Message(meta, text)
}

const ANY: std::net::Ipv4Addr = std::net::Ipv4Addr::UNSPECIFIED;

fn description(choice: u8, host: &str) -> String {
    if choice & 1 == 0 {
        return String::new();
    }
    let host = if choice & 2 == 0 { host } else { "0.0.0.0" };
    let port = [0, 4000, 4002, 4004][usize::from(choice >> 2 & 3)];
    let direction = ["sendrecv", "sendonly", "inactive", "recvonly"][usize::from(choice >> 4 & 3)];
    format!(
        "v=0\r\no=- 1 {choice} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

fn play(steps: &[(u64, Step)], options: Options, polls: bool) -> Vec<Event> {
    let (mut calls, mut events) = (Calls::new(options), Vec::new());
    let mut now_ns = 0;
    for (clock_ns, step) in steps {
        now_ns = *clock_ns;
        match step {
            Step::Message(meta, text) => {
                let message = Message::parse(text.as_bytes()).expect("a message of this script");
                calls.handle(meta, &message, &mut events);
            }
            Step::Media(call) => calls.saw_media(*call, now_ns),
            Step::Poll => {}
        }
        if polls {
            calls.handle_timeout(now_ns, &mut events);
            assert!(calls.poll_timeout().is_none_or(|due| due > now_ns));
        }
        let (open, users) = calls.live_outside();
        assert!(calls.live() <= options.calls_max);
        assert!(open <= options.transactions_max && users <= options.registrations_max);
        assert_eq!(calls.poll_timeout().is_none(), calls.live() + open + users == 0);
    }
    // A day and a limit later all is over, without a flush.
    let silence_ns = (u64::from(options.absolute_timeout) + 86_400) * 1_000 * MS;
    calls.handle_timeout(now_ns + silence_ns, &mut events);
    assert_eq!((calls.live(), calls.poll_timeout()), (0, None), "a call never ends");
    assert_eq!(calls.live_outside(), (0, 0), "a request or a registration never ends");
    balanced(&calls, &events);
    events
}

/// Each call that began was closed once, after all its claims, and each message was counted once.
fn balanced(calls: &Calls, events: &[Event]) {
    let mut closed = BTreeSet::new();
    for event in events {
        match event {
            Event::Claim(claim) => assert!(!closed.contains(&(claim.call, claim.instance))),
            Event::Close(call) => {
                assert!(closed.insert((call.call, call.instance)), "closed twice");
                ordered(call);
            }
            Event::Transaction(one) => assert!(one.first.clock_ns <= one.last.clock_ns, "{one:?}"),
            Event::Register(one) => assert!(one.counter > 0, "{one:?}"),
        }
    }
    balanced_outside(calls, events);
    let counters = calls.counters();
    assert_eq!(counters.calls_begun, counters.calls_closed);
    assert_eq!(counters.calls_closed, closed.len() as u64);
    let placed = counters.in_call
        + counters.other_methods
        + counters.without_invite
        + counters.late
        + counters.no_call
        + counters.refused_calls;
    assert_eq!(counters.messages, placed);
}

/// Each message outside of calls was counted once, and each change of a registration was told.
fn balanced_outside(calls: &Calls, events: &[Event]) {
    let outside = calls.outside_counters();
    let placed = outside.in_transaction + outside.late + outside.refused + outside.unwanted;
    assert_eq!(outside.messages, placed);
    assert_eq!(outside.begun, outside.closed);
    let changes = events.iter().filter(|event| matches!(event, Event::Register(_))).count();
    assert_eq!(outside.register_changes, changes as u64);
}

/// A record's times do not go back, and its counts agree.
fn ordered(call: &CallSummary) {
    assert!(call.first.clock_ns <= call.end.clock_ns, "{call:?}");
    assert!(call.last_message.clock_ns <= call.closed_clock_ns, "{call:?}");
    assert!(call.end.clock_ns <= call.closed_clock_ns, "{call:?}");
    let moments = [call.trying, call.progress, call.ringing, call.connected, call.bye_sent];
    for Moment { clock_ns, ts_ns } in moments.into_iter().chain([call.cancelled]).flatten() {
        assert!((call.first.clock_ns..=call.closed_clock_ns).contains(&clock_ns), "{call:?}");
        assert!(ts_ns >= call.first.ts_ns, "{call:?}");
    }
    for (begin, end) in &call.holds {
        assert!(end.is_none_or(|end| end.clock_ns >= begin.clock_ns), "{call:?}");
    }
    assert_eq!(call.ladder.len() as u32 + call.ladder_omitted, call.messages);
    assert!(call.connect_duration_ns().is_none_or(|talk| talk <= call.duration_ns()), "{call:?}");
}

fn sorted(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
    lines.sort_unstable();
    lines
}
