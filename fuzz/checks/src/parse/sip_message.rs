//! A SIP message: every view of it.

use ringtap_sip::{Header, Message, NameAddr, Text, call_id_of, looks_like_sip};

use super::sdp;

/// Views lie inside of the message, a message cut at its own end reads the same, and the quick
/// look at the Call-ID agrees with the parser.
pub fn sip_message(bytes: &[u8]) {
    let _ = looks_like_sip(bytes);
    let parsed = Message::parse(bytes);
    assert_eq!(call_id_of(bytes), parsed.as_ref().ok().and_then(Message::call_id));
    let Ok(message) = parsed else { return };
    assert_eq!(message.length() + message.trailing().len(), bytes.len());
    assert!(message.method().is_some() != message.status().is_some(), "request or response");
    parts(&message);
    addresses(&message);
    fields(&message);
    let own = &bytes[..message.length()];
    let alone = Message::parse(own).expect("a message is a message without what follows it");
    assert_eq!(alone.length(), own.len());
    assert_eq!(alone.call_id(), message.call_id());
    assert_eq!((alone.method(), alone.status()), (message.method(), message.status()));
    assert_eq!(alone.body(), message.body());
}

fn text(text: Text<'_>) {
    let shown = text.to_string();
    assert!(text.plain().is_none_or(|plain| plain == shown));
    assert!(text.bytes().count() <= text.as_bytes().len());
    assert!(shown.chars().count() <= text.as_bytes().len());
}

fn parts(message: &Message<'_>) {
    let length = message.length();
    let lines: usize = message.headers().map(|line| line.name.len() + line.value.len()).sum();
    assert!(lines <= length);
    assert!(message.body().len() <= length);
    assert!(message.content_length().is_none_or(|length| length >= message.body().len()));
    for part in message.parts() {
        assert!(part.content_type.len() <= length && part.content.len() <= message.body().len());
    }
    let report = message.voice_quality();
    assert!(report.is_none_or(|report| report.call_id.as_bytes().len() <= length));
    if let Some(description) = message.sdp() {
        sdp::read(&description);
    }
    let _ = message.malformed().map(|reason| assert!(!reason.label().is_empty()));
}

fn addresses(message: &Message<'_>) {
    let single = [
        message.from(),
        message.to(),
        message.contact(),
        message.asserted_identity(),
        message.remote_party_id(),
        message.diversion(),
    ];
    let listed = [Header::Contact, Header::PAssertedIdentity, Header::Via]
        .into_iter()
        .flat_map(|header| message.addresses(header));
    for address in single.into_iter().flatten().chain(listed) {
        one_address(&address);
    }
    if let Some(uri) = message.request_uri() {
        text(uri.number());
        text(uri.host());
    }
}

fn one_address(address: &NameAddr<'_>) {
    text(address.display);
    let uri = address.uri;
    for part in [uri.scheme(), uri.user(), uri.number(), uri.host()] {
        assert!(part.as_bytes().len() <= uri.as_bytes().len());
        text(part);
    }
    let _ = (uri.port(), address.tag(), address.broken_quote());
    for (name, value) in address.params().chain(uri.params()) {
        assert!(name.len() + value.as_bytes().len() <= ringtap_sip::message::MESSAGE_MAX);
        text(value);
    }
}

fn fields(message: &Message<'_>) {
    if let Some(via) = message.via() {
        text(via.transport);
        text(via.host);
        let _ = (via.branch(), via.received().map(text), via.params().count());
    }
    for cause in message.reasons() {
        text(cause.protocol);
        text(cause.text);
    }
    for credentials in [message.credentials(), message.challenge()].into_iter().flatten() {
        text(credentials.scheme);
        let _ = (credentials.username().map(text), credentials.realm().map(text));
    }
    if let Some(replaces) = message.replaces() {
        let _ = (replaces.to_tag.map(text), replaces.from_tag.map(text));
    }
    if let Some(session) = message.session_id() {
        text(session.local);
        let _ = session.remote.map(text);
    }
    for found in [message.user_agent(), message.server(), message.content_type()] {
        let _ = found.map(text);
    }
    let _ = (message.cseq(), message.expires());
    message.header("Via").for_each(text);
}
