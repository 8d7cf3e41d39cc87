//! Small text scripts of SIP messages, played into a call table.
//!
//! A line is `TIME_MS WHO WHAT [CSEQ] [OPTION…]`. WHO is `A` (the caller, 10.0.0.1), `B` (the
//! callee, 10.0.0.2) or `P` (a proxy, 10.0.0.9); `A>P` names the receiver too. WHAT is a method,
//! or `STATUS/METHOD`. Options: `sdp=PORT` or `sdp=IP:PORT`, `dir=ATTRIBUTE`, `pt=PAYLOAD-TYPE`,
//! `re` (inside of the dialog), `from=TAG`, `to=TAG`, `br=BRANCH`, `id=CALL-ID`, `h=Name:value`
//! (`_` for a blank), `body=TYPE:TEXT` (`|` for a line's end), `uri=URI`. `TIME_MS tick` lets time
//! pass.

use std::fmt::Write;
use std::net::SocketAddr;

use ringtap_call::{CallSummary, Calls, Event, Meta, Options, RegisterSummary, TransactionSummary};
use ringtap_sip::Message;

/// Plays a script; gives every event as one line.
pub(crate) fn play(script: &str) -> Vec<String> {
    let (mut calls, mut events) = (Calls::new(Options::default()), Vec::new());
    run(&mut calls, script, &mut events);
    calls.flush(&mut events);
    assert_eq!(calls.live(), 0);
    assert_eq!(calls.poll_timeout(), None);
    events.iter().map(show).collect()
}

/// Plays a script; gives the calls that were closed.
pub(crate) fn closed(script: &str) -> Vec<CallSummary> {
    closed_with(Options::default(), script)
}

/// The same with other options.
pub(crate) fn closed_with(options: Options, script: &str) -> Vec<CallSummary> {
    let (mut calls, mut events) = (Calls::new(options), Vec::new());
    run(&mut calls, script, &mut events);
    calls.flush(&mut events);
    let close = |event| if let Event::Close(call) = event { Some(*call) } else { None };
    events.into_iter().filter_map(close).collect()
}

/// Plays a script into a table.
pub(crate) fn run(calls: &mut Calls, script: &str, events: &mut Vec<Event>) {
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let mut words = line.split_whitespace();
        let ms: u64 = words.next().unwrap().parse().unwrap();
        let who = words.next().unwrap();
        let clock_ns = ms * 1_000_000;
        if who == "tick" {
            calls.handle_timeout(clock_ns, events);
            continue;
        }
        let (meta, text) = message(clock_ns, who, words.collect());
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.malformed(), None, "{line}\n{text}");
        calls.handle(&meta, &message, events);
    }
}

fn place(who: &str) -> SocketAddr {
    let host = match who {
        "A" => "10.0.0.1",
        "B" => "10.0.0.2",
        "C" => "10.0.0.3",
        "P" => "10.0.0.9",
        "A6" => "[2001:db8::1]",
        "B6" => "[2001:db8::2]",
        other => panic!("{other}"),
    };
    format!("{host}:5060").parse().unwrap()
}

/// Builds the message that one script line names.
pub(crate) fn message(clock_ns: u64, who: &str, words: Vec<&str>) -> (Meta, String) {
    let (src, dst) = who.split_once('>').unwrap_or(match who {
        "A" => ("A", "B"),
        "A6" => ("A6", "B6"),
        "B6" => ("B6", "A6"),
        other => (other, "A"),
    });
    let what = words[0];
    let cseq = words.get(1).and_then(|w| w.parse().ok()).unwrap_or(1u32);
    let option = |name: &str| words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
    let (status, method) = what.split_once('/').map_or((None, what), |(s, m)| (Some(s), m));
    let by_caller = src.starts_with('A') || (src == "P" && !dst.starts_with('A'));
    let requester_is_caller = by_caller == status.is_none();
    let inside =
        words.contains(&"re") || !matches!(method, "INVITE" | "CANCEL" | "REGISTER" | "OPTIONS");
    let answered = status.is_some_and(|s| s != "100");
    let (mut from, mut to) = if requester_is_caller { ("a1", "b1") } else { ("b1", "a1") };
    from = option("from").unwrap_or(from);
    to = option("to").unwrap_or(if inside || answered { to } else { "" });
    let branch = option("br").map_or_else(|| format!("{method}{cseq}{from}"), str::to_owned);
    let id = option("id").unwrap_or("call-1");

    let mut text = match status {
        Some(status) => format!("SIP/2.0 {status} Phrase{status}\r\n"),
        None => format!("{method} {} SIP/2.0\r\n", option("uri").unwrap_or("sip:200@b.example")),
    };
    let to_tag = if to.is_empty() { String::new() } else { format!(";tag={to}") };
    let (from_uri, to_uri) =
        if requester_is_caller { ("100@a", "200@b") } else { ("200@b", "100@a") };
    write!(
        text,
        "Via: SIP/2.0/UDP {src}.example;branch=z9hG4bK{branch}\r\n\
         From: \"N{from}\" <sip:{from_uri}.example>;tag={from}\r\n\
         To: <sip:{to_uri}.example>{to_tag}\r\nCall-ID: {id}\r\n\
         CSeq: {cseq} {method}\r\nUser-Agent: ua-{src}\r\n"
    )
    .unwrap();
    for header in words.iter().filter_map(|w| w.strip_prefix("h=")) {
        writeln!(text, "{}\r", header.replace('_', " ")).unwrap();
    }
    let body = option("sdp").map(|sdp| {
        let own = || (place(src).ip().to_string(), sdp);
        let (ip, port) = sdp.rsplit_once(':').map_or_else(own, |(i, p)| (i.into(), p));
        let family = if ip.contains(':') { "IP6" } else { "IP4" };
        let direction = option("dir").unwrap_or("sendrecv");
        let codec = option("pt").unwrap_or("8");
        format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {codec} 101\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=ptime:20\r\na={direction}\r\n"
        )
    });
    let other = option("body").and_then(|b| b.split_once(':'));
    let other = other.map(|(kind, text)| (kind, text.replace('|', "\r\n").replace('_', " ")));
    match body.map(|sdp| ("application/sdp", sdp)).or(other) {
        Some((kind, body)) => {
            write!(text, "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        None => write!(text, "Content-Length: 0\r\n\r\n"),
    }
    .unwrap();
    let ts_ns = 1_700_000_000_000_000_000 + clock_ns;
    let (src, dst) = (place(src), place(dst));
    (
        Meta { ts_ns, clock_ns, src, dst, origin: 0, vlan: 0, tunnel: None, tcp: false, dscp: 26 },
        text,
    )
}

fn ms(ns: u64) -> u64 {
    ns / 1_000_000
}

/// One event as a line; times in milliseconds from the call's first message.
pub(crate) fn show(event: &Event) -> String {
    let call = match event {
        Event::Claim(c) => {
            return format!("{} claim {:?} {}", ms(c.at_clock_ns), c.side, c.endpoint);
        }
        Event::Close(call) => call,
        Event::Transaction(one) => return show_transaction(one),
        Event::Register(one) => return show_register(one),
    };
    let since = |m: Option<ringtap_call::Moment>| {
        m.map_or("-".into(), |m| ms(m.since_ns(call.first)).to_string())
    };
    let mut line = format!(
        "{} close bye={} response={} hung={} pdd={} connected={} duration={} talk={}",
        ms(call.closed_clock_ns),
        call.bye.code(),
        call.last_response.as_ref().map_or(0, |r| r.status),
        call.hung_up.map_or("-".into(), |s| format!("{s:?}")),
        since(call.progress),
        since(call.connected),
        ms(call.duration_ns()),
        call.connect_duration_ns().map_or("-".into(), |ns| ms(ns).to_string()),
    );
    let flags = call.flags;
    for (name, set) in [
        ("mid_dialog", flags.mid_dialog),
        ("no_invite", flags.no_invite),
        ("early_media", flags.early_media),
        ("cancelled", flags.cancelled),
        ("challenged", flags.challenged),
        ("forked", flags.forked),
        ("unacknowledged", flags.unacknowledged),
        ("answer_inferred", flags.answer_inferred),
        ("flushed", flags.flushed),
        ("replaced", flags.replaced),
        ("both_hung_up", flags.both_hung_up),
    ] {
        if set {
            write!(line, " {name}").unwrap();
        }
    }
    if call.max_retransmission_invite > 0 {
        write!(line, " again={}", call.max_retransmission_invite).unwrap();
    }
    if !call.holds.is_empty() {
        write!(line, " holds={}", call.holds.len()).unwrap();
    }
    line
}

/// A request outside of calls as a line.
fn show_transaction(one: &TransactionSummary) -> String {
    let mut line = format!(
        "{} {} {} response={} delay={} messages={}",
        ms(one.first.clock_ns),
        one.name,
        one.cseq,
        one.response.as_ref().map_or("-".into(), |r| r.status.to_string()),
        one.delay_ns.map_or("-".into(), |ns| ms(ns).to_string()),
        one.messages,
    );
    for (name, set) in [
        ("no_request", one.requested.is_none()),
        ("challenged", one.challenged),
        ("flushed", one.flushed),
    ] {
        if set {
            write!(line, " {name}").unwrap();
        }
    }
    if one.repetitions > 0 {
        write!(line, " again={}", one.repetitions).unwrap();
    }
    line
}

/// A change of a registration as a line.
fn show_register(one: &RegisterSummary) -> String {
    let mut line = format!(
        "{} {:?} {}@{} response={}",
        ms(one.at.clock_ns),
        one.state,
        one.contact_number,
        one.contact_domain,
        one.response.as_ref().map_or("-".into(), |r| r.status.to_string()),
    );
    let numbers = [
        ("expires", one.expires.map(u64::from)),
        ("delay", one.request_delay_ns.map(ms)),
        ("counter", (one.counter != 1).then_some(one.counter.into())),
        ("again", (one.repetitions > 0).then_some(one.repetitions.into())),
        ("refreshes", (one.refreshes > 0).then_some(one.refreshes.into())),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            write!(line, " {name}={number}").unwrap();
        }
    }
    if one.challenged {
        line.push_str(" challenged");
    }
    line
}
