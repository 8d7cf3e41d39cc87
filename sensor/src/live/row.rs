//! One running call: what is told of it, and whether it passes a filter.
//!
//! A row is made of the record that the call would get if it ended now.

use ringtap_call::{CallSummary, Live, State};
use ringtap_cdr::column::Value as Cell;
use ringtap_cdr::quality::Evidence;
use ringtap_cdr::record::{CallRecord, Side};
use ringtap_cdr::{Cidr, Filter, StreamRecord, Tunnel, clock};
use serde_json::{Map, Value, json};

use crate::worker::endpoints::CallInstance;

/// A running call.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) call: CallInstance,
    pub(super) state: State,
    /// UNIX time of the answer, µs.
    pub(super) answered_us: Option<u64>,
    /// What was agreed on, where no stream tells.
    pub(super) codec: String,
    /// What is known so far; its end is the moment of the look.
    pub(super) record: CallRecord,
}

/// The flat keys of a row, in order: these are also the columns of CSV.
pub const COLUMNS: [&str; 26] = [
    "callid",
    "state",
    "calldate",
    "duration",
    "answered",
    "connect_duration",
    "caller",
    "callername",
    "called",
    "sipcallerip",
    "sipcallerport",
    "sipcalledip",
    "sipcalledport",
    "lastSIPresponse",
    "codec",
    "sip_messages",
    "a_received",
    "a_lost",
    "a_jitter_ms_avg",
    "a_mos_f1",
    "a_mos_min",
    "b_received",
    "b_lost",
    "b_jitter_ms_avg",
    "b_mos_f1",
    "b_mos_min",
];

impl Row {
    /// A row of a call's record so far.
    pub(super) fn new(live: &Live<'_>, mut record: CallRecord, now_clock_ns: u64) -> Self {
        let summary = live.summary;
        let since = |at: ringtap_call::Moment| now_clock_ns.saturating_sub(at.clock_ns) / 1000;
        record.callend_us = record.calldate_us + since(summary.first);
        record.connect_duration_us = match summary.bye_sent {
            Some(_) => record.connect_duration_us,
            None => summary.connected.map(since),
        };
        Self {
            call: (summary.call, summary.instance),
            state: live.state,
            answered_us: summary.connected.map(|at| at.ts_ns / 1000),
            codec: summary.codec.as_ref().map(|codec| codec.name.to_string()).unwrap_or_default(),
            record,
        }
    }

    /// Adds streams that a worker has of it.
    pub(super) fn add(&mut self, streams: Vec<StreamRecord>) {
        self.record.streams.extend(streams);
        self.record.streams.sort_by_key(|s| (s.first_us, s.src, s.dst, s.ssrc));
    }

    /// The call as a JSON object: [`COLUMNS`], then its streams.
    pub(super) fn to_json(&self) -> Value {
        let call = &self.record;
        let party = |party: &ringtap_cdr::Party| {
            let ip = party.addr.map(|addr| Value::from(addr.ip().to_canonical().to_string()));
            (known(&party.number), ip.into(), party.addr.map(|addr| addr.port()).into())
        };
        let (caller, caller_ip, caller_port): (Value, Value, Value) = party(&call.caller);
        let (called, called_ip, called_port): (Value, Value, Value) = party(&call.called);
        let mains = [Side::Caller, Side::Callee].map(|side| call.main_stream(side));
        let mut cells = vec![
            known(&call.callid),
            self.state.label().into(),
            time(call.calldate_us),
            seconds(call.duration_us()),
            self.answered_us.map(time).into(),
            call.connect_duration_us.map(seconds).into(),
            caller,
            known(&call.caller.name),
            called,
            caller_ip,
            caller_port,
            called_ip,
            called_port,
            known(&call.last_sip_response),
            self.codec().into(),
            call.sip_messages.into(),
        ];
        for main in mains {
            let main = main.map(|(_, stream)| stream);
            cells.extend([
                main.map(|s| s.received).into(),
                main.map(|s| s.lost).into(),
                score(main.and_then(|s| s.jitter_ms_avg)),
                score(main.and_then(|s| s.mos.f1)),
                score(main.and_then(|s| s.mos.min)),
            ]);
        }
        let mut row: Map<String, Value> = Map::new();
        row.insert("type".into(), "live".into());
        row.extend(COLUMNS.iter().map(|name| (*name).to_owned()).zip(cells));
        row.insert("tunnel".into(), tunnel(call.tunnel.as_ref()));
        row.insert("streams".into(), call.streams.iter().map(stream).collect());
        row.into()
    }

    fn codec(&self) -> Option<&str> {
        let of = |side| call_codec(self.record.main_stream(side));
        let heard = of(Side::Caller).or_else(|| of(Side::Callee));
        heard.or((!self.codec.is_empty()).then_some(&self.codec))
    }

    /// Whether the call passes those parts of the filter that ask of its streams.
    pub(super) fn media_passes(&self, filter: &Filter) -> bool {
        let call = &self.record;
        let low = filter.mos_below.is_none_or(|below| call.mos_min().is_some_and(|m| m < below));
        let codec = filter
            .codec
            .as_ref()
            .is_none_or(|wanted| call.streams.iter().any(|s| s.codec.eq_ignore_ascii_case(wanted)));
        low && codec
    }
}

fn call_codec(main: Option<(usize, &StreamRecord)>) -> Option<&str> {
    main.map(|(_, stream)| stream.codec.as_str()).filter(|codec| !codec.is_empty())
}

/// Whether a call passes the filter, as far as its signalling tells.
pub(super) fn passes(filter: &Filter, call: &CallSummary, id_sensor: u16) -> bool {
    let began_us = call.first.ts_ns / 1000;
    let begins = |number: &str, prefix: &Option<String>| {
        prefix.as_ref().is_none_or(|prefix| number.starts_with(prefix.as_str()))
    };
    let inside = |network: Cidr| {
        let sip = [call.caller.address.ip(), call.called.address.ip()];
        let media = call.claims.iter().map(|claim| claim.endpoint.ip());
        sip.into_iter().chain(media).any(|ip| network.contains(ip))
    };
    let has_agent = |wanted: &String| {
        let wanted = wanted.to_lowercase();
        let agents = [&call.caller.user_agent, &call.called.user_agent];
        agents.iter().any(|agent| agent.to_lowercase().contains(&wanted))
    };
    filter.since_us.is_none_or(|since| began_us >= since)
        && filter.until_us.is_none_or(|until| began_us < until)
        && begins(&call.caller.number, &filter.caller)
        && begins(&call.called.number, &filter.called)
        && filter.ip.is_none_or(inside)
        && filter.sensor.is_none_or(|sensor| sensor == id_sensor)
        && filter
            .response
            .is_none_or(|n| call.last_response.as_ref().is_some_and(|r| r.status == n))
        && filter.agent.as_ref().is_none_or(has_agent)
        && filter.header.as_ref().is_none_or(|asked| {
            call.custom_headers.iter().any(|one| asked.finds(&one.name, &one.value))
        })
        && filter
            .tunnel
            .as_ref()
            .is_none_or(|asked| call.tunnel.is_some_and(|t| asked.finds(t.kind.label(), t.id)))
}

/// A stream with the keys of a record's stream.
fn stream(stream: &StreamRecord) -> Value {
    let cell = |column: &ringtap_cdr::column::Column<StreamRecord>| {
        let value = match (column.value)(stream) {
            Cell::Null => Value::Null,
            Cell::Int(number) => number.into(),
            Cell::Real(number) => ((number * 1000.0).round() / 1000.0).into(),
            Cell::Text(text) => text.into(),
            other => {
                let mut plain = String::new();
                ringtap_cdr::json::push_plain(&mut plain, other);
                plain.into()
            }
        };
        (column.name.to_owned(), value)
    };
    let mut cells: Map<String, Value> = ringtap_cdr::column::STREAM.iter().map(cell).collect();
    cells.insert("loss_evidence".into(), stream.quality.evidence.iter().map(evidence).collect());
    cells.insert("tunnel".into(), tunnel(stream.tunnel.as_ref()));
    Value::Object(cells)
}

fn evidence(one: &Evidence) -> Value {
    json!({
        "time": time(one.ts_us),
        "lost": one.lost,
        "cause": one.cause.label(),
        "seen": one.seen,
        "of": one.of,
    })
}

/// A tunnel with the keys of a record's.
fn tunnel(tunnel: Option<&Tunnel>) -> Value {
    let Some(Tunnel { kind, id, src, dst }) = tunnel else { return Value::Null };
    let ip = |ip: &std::net::IpAddr| ip.to_string();
    let (src, dst) = (src.as_ref().map(ip), dst.as_ref().map(ip));
    json!({ "type": kind.as_str(), "id": id, "src": src, "dst": dst })
}

fn known(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn time(us: u64) -> Value {
    let mut text = String::new();
    clock::push_rfc3339(&mut text, us);
    text.into()
}

/// Whole milliseconds of a span, in seconds.
fn seconds(us: u64) -> Value {
    ((us / 1000) as f64 / 1000.0).into()
}

fn score(number: Option<f32>) -> Value {
    number.map(|n| (f64::from(n) * 1000.0).round() / 1000.0).into()
}
