//! The columns of `message`, `sip_msg` and of registrations, with their values.

use super::{Column, I16, U8, U16, U24, U32, Value, int, ip, maybe, port, span, text};
use crate::outside::{RegisterRecord, TransactionRecord};

fn flag(set: bool) -> Value<'static> {
    Value::Int(i64::from(set))
}

fn time(us: Option<u64>) -> Value<'static> {
    us.map_or(Value::Null, Value::Time)
}

fn id(id: u64) -> Value<'static> {
    if id == 0 { Value::Null } else { Value::Id(id) }
}

fn sensor(sensor: u16) -> Value<'static> {
    maybe((sensor > 0).then_some(sensor), U16)
}

fn milliseconds(us: Option<u64>, limit: u64) -> Value<'static> {
    maybe(us.map(|us| us.saturating_add(500) / 1000), limit)
}

/// Columns of `message`, texts that have tables of their own included.
pub static MESSAGE: &[Column<TransactionRecord>] = columns! {
    "ID": |t| id(t.id),
    "id_sensor": |t| sensor(t.id_sensor),
    "calldate": |t| Value::Time(t.first_us),
    "caller": |t| text(&t.caller.number),
    "caller_domain": |t| text(&t.caller.domain),
    "callername": |t| text(&t.caller.name),
    "called": |t| text(&t.called.number),
    "called_domain": |t| text(&t.called.domain),
    "sipcallerip": |t| ip(t.caller.addr),
    "sipcallerport": |t| port(t.caller.addr),
    "sipcalledip": |t| ip(t.called.addr),
    "sipcalledport": |t| port(t.called.addr),
    "lastSIPresponseNum": |t| maybe(t.response_num, U16),
    "lastSIPresponse": |t| text(&t.response),
    "response_time": |t| milliseconds(t.delay_us, U16),
    "contenttype": |t| text(&t.request_body.content_type),
    "content_length": |t| int(t.request_body.length, U24),
    "message": |t| text(&t.content),
    "a_ua": |t| text(&t.caller.agent),
    "b_ua": |t| text(&t.called.agent),
    "callid": |t| text(&t.callid),
    "cseq": |t| int(t.cseq, U32),
    "request_time": |t| time(t.request_us),
    "request_repetition": |t| int(t.request_repetition, U16),
    "sip_messages": |t| int(t.sip_messages, U32),
    "digest_username": |t| text(&t.digest_username),
    "challenged": |t| flag(t.challenged),
    "sighup": |t| if t.sighup { Value::Int(1) } else { Value::Null },
    "tcp": |t| flag(t.tcp),
    "vlan": |t| maybe(t.vlan, I16),
    "malformed": |t| text(&t.malformed),
};

/// Columns of `sip_msg`, texts that have tables of their own included.
pub static SIP_MSG: &[Column<TransactionRecord>] = columns! {
    "ID": |t| id(t.id),
    "id_sensor": |t| sensor(t.id_sensor),
    "time": |t| Value::Time(t.first_us),
    "method": |t| text(&t.method),
    "ip_src": |t| ip(t.caller.addr),
    "port_src": |t| port(t.caller.addr),
    "ip_dst": |t| ip(t.called.addr),
    "port_dst": |t| port(t.called.addr),
    "number_src": |t| text(&t.caller.number),
    "domain_src": |t| text(&t.caller.domain),
    "number_dst": |t| text(&t.called.number),
    "domain_dst": |t| text(&t.called.domain),
    "callername": |t| text(&t.caller.name),
    "ua_src": |t| text(&t.caller.agent),
    "ua_dst": |t| text(&t.called.agent),
    "callid": |t| text(&t.callid),
    "cseq": |t| int(t.cseq, U32),
    "event": |t| text(&t.event),
    "request_content_type": |t| text(&t.request_body.content_type),
    "request_content_length": |t| int(t.request_body.length, U24),
    "response_content_type": |t| text(&t.response_body.content_type),
    "response_content_length": |t| int(t.response_body.length, U24),
    "response_number": |t| maybe(t.response_num, U16),
    "response": |t| text(&t.response),
    "request_repetition": |t| int(t.request_repetition, U16),
    "request_time": |t| time(t.request_us),
    "response_time": |t| time(t.response_us),
    "response_duration_ms": |t| milliseconds(t.delay_us, U32),
    "qualify_ok": |t| t.qualify_ok().map_or(Value::Null, flag),
    "repeats": |t| int(t.repeats, U32),
    "sip_messages": |t| int(t.sip_messages, U32),
    "digest_username": |t| text(&t.digest_username),
    "challenged": |t| flag(t.challenged),
    "sighup": |t| if t.sighup { Value::Int(1) } else { Value::Null },
    "tcp": |t| flag(t.tcp),
    "vlan": |t| maybe(t.vlan, I16),
    "malformed": |t| text(&t.malformed),
};

/// Columns of a registration: those of `register_state` and `register_failed`, and our own.
pub static REGISTER: &[Column<RegisterRecord>] = columns! {
    "ID": |r| id(r.id),
    "id_sensor": |r| sensor(r.id_sensor),
    "created_at": |r| Value::Time(r.created_us),
    "state": |r| int(r.state.code(), U8),
    "state_name": |r| Value::Text(r.state.label()),
    "counter": |r| int(r.counter, U32),
    "sipcallerip": |r| ip(r.src),
    "sipcallerport": |r| port(r.src),
    "sipcalledip": |r| ip(r.dst),
    "sipcalledport": |r| port(r.dst),
    "from_num": |r| text(&r.from_num),
    "from_domain": |r| text(&r.from_domain),
    "to_num": |r| text(&r.to_num),
    "to_domain": |r| text(&r.to_domain),
    "contact_num": |r| text(&r.contact_num),
    "contact_domain": |r| text(&r.contact_domain),
    "digestusername": |r| text(&r.digest_username),
    "digestrealm": |r| text(&r.digest_realm),
    "ua": |r| text(&r.agent),
    "expires_asked": |r| maybe(r.expires_asked, U32),
    "expires": |r| maybe(r.expires, U24),
    "response_number": |r| maybe(r.response_num, U16),
    "response": |r| text(&r.response),
    "rrd": |r| span(r.rrd_us),
    "request_repetition": |r| int(r.request_repetition, U16),
    "refreshes": |r| int(r.refreshes, U32),
    "challenged": |r| flag(r.challenged),
    "register_key": |r| Value::Id(r.register_key),
    "callid": |r| text(&r.callid),
    "sighup": |r| if r.sighup { Value::Int(1) } else { Value::Null },
    "tcp": |r| flag(r.tcp),
    "vlan": |r| maybe(r.vlan, I16),
    "malformed": |r| text(&r.malformed),
};
