//! One call in full: what it was, its ladder, its streams and their quality, its digits.
//!
//! For people only; programs take JSON.

use std::fmt::Write;

use ringtap_cdr::record::{DtmfKind, Party, Reason, Side, Tunnel};
use ringtap_cdr::text::safe;
use ringtap_cdr::{CallRecord, StreamRecord};
use ringtap_common::tunnel::Kind;

use super::course;
use super::dialog;
use super::ladder::ladder;
use super::list::{score, seconds, socket, streams, when};

/// Everything of a call as text.
pub(super) fn text(call: &CallRecord) -> String {
    described(call, facts(call, false), &messages(call))
}

/// The same with something else drawn in place of its own ladder.
pub(super) fn text_with(call: &CallRecord, drawn: &str) -> String {
    described(call, facts(call, false), drawn)
}

/// What is known of a call that still runs.
pub(super) fn so_far(call: &CallRecord) -> String {
    described(call, facts(call, true), &messages(call))
}

/// Its own ladder.
fn messages(call: &CallRecord) -> String {
    let mut out = String::new();
    if !call.ladder.is_empty() {
        out.push('\n');
        out.push_str(&ladder(&call.ladder));
        if call.ladder_dropped > 0 {
            let _ = writeln!(out, "{} more before the last 16", call.ladder_dropped);
        }
    }
    out
}

/// The facts, with what follows them.
fn described(call: &CallRecord, facts: String, drawn: &str) -> String {
    let mut out = facts;
    out.push_str(drawn);
    out.push_str(&dialog::details(call));
    out.push('\n');
    if call.streams.is_empty() {
        out.push_str("No RTP.\n");
    } else {
        out.push_str(&streams(&call.streams));
        out.push_str(&quality(call));
    }
    if !call.after.is_empty() {
        out.push_str("\nRTP that began after its end\n");
        out.push_str(&streams(&call.after));
    }
    out.push_str(&course::reports(call));
    out.push_str(&course::log(call));
    if !call.dtmf.is_empty() {
        out.push_str(&digits(call));
    }
    out
}

/// A line for each fact that is known; one that runs has neither ID nor end.
fn facts(call: &CallRecord, running: bool) -> String {
    let mut out = String::new();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<10}{value}");
        }
    };
    if !running {
        fact("ID", &call.id.to_string());
    }
    fact("Call-ID", &safe(&call.callid));
    fact("began", &format!("{} UTC", when(call.calldate_us)));
    let mut lasted = format!("{} s", seconds(call.duration_us()));
    for (name, us) in [
        ("answered for", call.connect_duration_us),
        ("post-dial delay", call.progress_time_us),
        ("first RTP after", call.first_rtp_time_us()),
    ] {
        if let Some(us) = us {
            let _ = write!(lasted, ", {name} {} s", seconds(us));
        }
    }
    fact(if running { "lasts" } else { "lasted" }, &lasted);
    fact("caller", &party(&call.caller));
    fact("called", &party(&call.called));
    fact("session", &safe(&call.legs.session_id));
    fact("replaces", &safe(&call.legs.replaces));
    fact("matches", &safe(&call.match_header));
    fact("response", &response(call));
    if !running {
        fact("end", &end(call));
    }
    fact("reason", &[reason("SIP", &call.reason_sip), reason("Q.850", &call.reason_q850)].concat());
    let asserted = [("caller", &call.asserted.caller), ("called", &call.asserted.called)];
    let asserted = asserted.iter().filter(|(_, number)| !number.is_empty());
    let asserted: Vec<_> = asserted.map(|(who, n)| format!("{who} {}", safe(n))).collect();
    fact("asserted", &asserted.join(", "));
    for (name, value) in dialog::facts(call) {
        fact(name, &value);
    }
    for one in &call.dialog.custom_headers {
        fact("header", &format!("{}: {}", safe(&one.name), safe(&one.value)));
    }
    let mut place = Vec::new();
    if call.id_sensor > 0 {
        place.push(format!("sensor {}", call.id_sensor));
    }
    if let Some(vlan) = call.vlan {
        place.push(format!("VLAN {vlan}"));
    }
    if let Some(tunnel) = &call.tunnel {
        place.push(through(tunnel));
    }
    place.push(if call.tcp { "SIP over TCP".into() } else { "SIP over UDP".into() });
    place.push(format!("{} SIP messages", call.sip_messages));
    fact("seen", &place.join(", "));
    fact("media", &course::marks(call));
    fact("fault", &safe(&call.malformed));
    out
}

/// A tunnel in words.
fn through(tunnel: &Tunnel) -> String {
    let title = match Kind::from_label(&tunnel.kind) {
        Some(kind) => kind.title(),
        None => &tunnel.kind,
    };
    let mut out = format!("through {}", safe(title));
    if tunnel.id > 0 {
        let _ = write!(out, " {}", tunnel.id);
    }
    if let (Some(src), Some(dst)) = (tunnel.src, tunnel.dst) {
        let _ = write!(out, " from {} to {}", src.to_canonical(), dst.to_canonical());
    }
    out
}

fn party(party: &Party) -> String {
    let mut out = String::new();
    if !party.name.is_empty() {
        let _ = write!(out, "\"{}\" ", safe(&party.name));
    }
    out.push_str(&safe(&party.number));
    if !party.domain.is_empty() {
        let _ = write!(out, "@{}", safe(&party.domain));
    }
    if let Some(addr) = party.addr {
        let _ = write!(out, "  at {}", socket(addr));
    }
    if !party.agent.is_empty() {
        let _ = write!(out, "  ({})", safe(&party.agent));
    }
    out
}

fn response(call: &CallRecord) -> String {
    if call.last_sip_response.is_empty() {
        return call.last_sip_response_num.map(|number| number.to_string()).unwrap_or_default();
    }
    safe(&call.last_sip_response)
}

fn end(call: &CallRecord) -> String {
    let how = match call.bye {
        0 => "not answered",
        1 => "no BYE was seen",
        2 => "BYE, not confirmed",
        3 => "BYE, confirmed",
        101 => "only one side's SIP was seen",
        102 => "longer than absolute_timeout",
        103 => "the BYE was never answered (bye_timeout)",
        104 => "no more RTP (rtptimeout)",
        105 => "the INVITE was never answered (onewaytimeout)",
        106 => "BYE without an answer to the INVITE",
        107 => "neither ringing nor answer nor RTP",
        108 => "no RTP at all (sipwithoutrtptimeout)",
        109 => "too many SIP messages",
        110 => "closed by force",
        _ => "",
    };
    let mut out = if how.is_empty() { format!("code {}", call.bye) } else { how.to_owned() };
    if let Some(side) = call.whohanged {
        let _ = write!(out, ", by the {}", side.label());
    }
    if call.sighup {
        out.push_str(", when the sensor was stopped");
    }
    out
}

fn reason(protocol: &str, reason: &Reason) -> String {
    match (reason.cause, reason.text.as_str()) {
        (None, "") => String::new(),
        (None, text) => format!("{protocol} ({})  ", safe(text)),
        (Some(cause), "") => format!("{protocol} {cause}  "),
        (Some(cause), text) => format!("{protocol} {cause} ({})  ", safe(text)),
    }
}

/// A line for each direction: bursts of loss, and packets that came late.
fn quality(call: &CallRecord) -> String {
    let mut out = String::new();
    for side in [Side::Caller, Side::Callee] {
        let Some((_, stream)) = call.main_stream(side) else { continue };
        let _ = writeln!(
            out,
            "\n{} to {}: lowest MOS {}; loss bursts {}; delay variation {}",
            side.label(),
            if side == Side::Caller { "callee" } else { "caller" },
            score(stream.mos.min),
            bursts(stream),
            delays(stream),
        );
        if let Some(rtcp) = &stream.rtcp {
            let _ = writeln!(
                out,
                "  its receiver says (RTCP): lost {}, jitter avg/max {:.2}/{:.2} ms{}",
                rtcp.loss,
                rtcp.avgjitter_ms,
                rtcp.maxjitter_ms,
                rtcp.avgrtd_ms.map(|ms| format!(", round trip {ms:.1} ms")).unwrap_or_default(),
            );
        }
        out.push_str(&course::more(stream));
    }
    out
}

fn bursts(stream: &StreamRecord) -> String {
    let counts = (1..).zip(stream.sl).filter(|(_, count)| *count > 0);
    let texts = counts.map(|(length, count)| {
        let length = if length == 10 { "10+".to_owned() } else { length.to_string() };
        format!("{count} of {length}")
    });
    joined(texts)
}

fn delays(stream: &StreamRecord) -> String {
    const FROM_MS: [u16; 7] = [50, 70, 90, 120, 150, 200, 300];
    let counts = FROM_MS.iter().zip(stream.d).filter(|(_, count)| *count > 0);
    joined(counts.map(|(ms, count)| format!("{count} from {ms} ms")))
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

fn digits(call: &CallRecord) -> String {
    let mut out = String::from("\nDTMF:");
    for one in &call.dtmf {
        let how = match one.kind {
            DtmfKind::Info => "INFO",
            DtmfKind::Inband => "tone",
            DtmfKind::Event => "event",
        };
        let digit = safe(one.digit.encode_utf8(&mut [0; 4]));
        let _ = write!(out, " {digit} at {} s ({how})", seconds(one.firsttime_us));
    }
    out.push('\n');
    out
}
