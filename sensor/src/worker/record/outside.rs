//! Requests outside of calls, and registrations, into their records.
//!
//! Only names and units change here, as for calls.

use compact_str::{CompactString, format_compact};
use ringtap_call::outside::Body;
use ringtap_call::{RegisterState, RegisterSummary, Response, TransactionSummary};
use ringtap_cdr::outside::{self, RegisterRecord, TransactionRecord};
use ringtap_sip::Reason;

use super::{Recorder, party, tunnel, us};

impl Recorder {
    /// The record of a request outside of calls.
    pub fn transaction(&self, t: &TransactionSummary) -> TransactionRecord {
        TransactionRecord {
            id: 0,
            id_sensor: self.id_sensor,
            call_key: t.call.0,
            callid: t.call_id.clone(),
            method: t.name.clone(),
            cseq: t.cseq,
            first_us: us(t.first),
            last_us: us(t.last),
            request_us: t.requested.map(us),
            response_us: t.responded.map(us),
            delay_us: t.delay_ns.map(|ns| ns / 1000),
            caller: party(&t.caller),
            called: party(&t.called),
            response_num: number(t.response.as_ref()),
            response: line(t.response.as_ref()),
            request_repetition: t.repetitions,
            sip_messages: t.messages,
            request_body: body(&t.request_body),
            response_body: body(&t.response_body),
            content: t.text.clone(),
            custom_headers: super::dialog::headers(&t.custom_headers),
            event: t.event.clone(),
            digest_username: t.digest_username.clone(),
            challenged: t.challenged,
            sighup: t.flushed,
            tcp: t.tcp,
            vlan: (t.vlan != 0).then_some(t.vlan),
            tunnel: t.tunnel.as_ref().map(tunnel),
            repeats: 0,
            malformed: label(t.malformed),
        }
    }

    /// The record of a change of a registration.
    pub fn register(&self, r: &RegisterSummary) -> RegisterRecord {
        RegisterRecord {
            id: 0,
            id_sensor: self.id_sensor,
            register_key: r.registration,
            call_key: r.call.0,
            callid: r.call_id.clone(),
            created_us: us(r.at),
            state: state(r.state),
            counter: r.counter,
            src: Some(r.source),
            dst: Some(r.target),
            from_num: r.from_number.clone(),
            from_domain: r.from_domain.clone(),
            to_num: r.to_number.clone(),
            to_domain: r.to_domain.clone(),
            contact_num: r.contact_number.clone(),
            contact_domain: r.contact_domain.clone(),
            digest_username: r.digest_username.clone(),
            digest_realm: r.digest_realm.clone(),
            agent: r.user_agent.clone(),
            expires_asked: r.expires_asked,
            expires: r.expires,
            response_num: number(r.response.as_ref()),
            response: line(r.response.as_ref()),
            rrd_us: r.request_delay_ns.map(|ns| ns / 1000),
            request_repetition: r.repetitions,
            refreshes: r.refreshes,
            challenged: r.challenged,
            sighup: r.flushed,
            tcp: r.tcp,
            vlan: (r.vlan != 0).then_some(r.vlan),
            tunnel: r.tunnel.as_ref().map(tunnel),
            malformed: label(r.malformed),
        }
    }
}

/// A number that cannot be read is none.
fn number(response: Option<&Response>) -> Option<u16> {
    response.map(|r| r.status).filter(|status| *status > 0)
}

fn line(response: Option<&Response>) -> CompactString {
    match response {
        None => CompactString::const_new(""),
        Some(Response { status: 0, text }) => text.clone(),
        Some(r) => format_compact!("{} {}", r.status, r.text),
    }
}

fn body(body: &Body) -> outside::Body {
    outside::Body { content_type: body.content_type.clone(), length: body.length }
}

/// The label of a fault; empty for none.
pub(super) fn label(malformed: Option<Reason>) -> CompactString {
    CompactString::const_new(malformed.map_or("", Reason::label))
}

fn state(state: RegisterState) -> outside::RegisterState {
    match state {
        RegisterState::Registered => outside::RegisterState::Registered,
        RegisterState::Failed => outside::RegisterState::Failed,
        RegisterState::Expired => outside::RegisterState::Expired,
        RegisterState::Unregistered => outside::RegisterState::Unregistered,
    }
}
