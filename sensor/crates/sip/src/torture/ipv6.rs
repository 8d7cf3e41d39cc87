//! The messages of RFC 5118: SIP with IPv6 addresses wherever they can stand.

use crate::message::{Message, tests::exercise};
use crate::reason::Reason;
use crate::sdp::Sdp;
use crate::start::Method;

/// A message of that first line, with further lines and a body.
fn message(first: &str, more: &str, body: &str) -> String {
    let cseq = first.split(' ').next().unwrap();
    let length = body.len();
    let via = if more.contains("Via:") {
        ""
    } else {
        "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n"
    };
    format!(
        "{first} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n\
         {via}Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n\
         CSeq: 98176 {cseq}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Host and port of the Request-URI, and the fault.
#[track_caller]
fn target(text: &str, host: &str, port: Option<u16>, fault: Option<Reason>) {
    let view = Message::parse(text.as_bytes()).unwrap();
    let uri = view.request_uri().unwrap();
    assert_eq!((uri.host().to_string().as_str(), uri.port()), (host, port));
    assert_eq!(exercise(text.as_bytes()), fault);
    assert_eq!(view.call_id(), Some(&b"SSG9559905523997077@hlau_4100"[..]));
}

fn addresses(sdp: &Sdp<'_>) -> Vec<String> {
    sdp.media().map(|media| format!("{} {}", media.connection().unwrap(), media.port)).collect()
}

#[test]
fn references_and_ports_in_the_request_uri() {
    let contact = "Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\n";
    // §4.1: an address in brackets.
    let text = message("REGISTER sip:[2001:db8::10]", contact, "");
    target(&text, "2001:db8::10", None, None);
    let view = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(view.via().unwrap().host.to_string(), "2001:db8::9:1");
    assert_eq!(view.contact().unwrap().uri.host().to_string(), "2001:db8::1");
    // §4.2: without brackets, which no grammar allows.
    let text = message("REGISTER sip:2001:db8::10", contact, "");
    target(&text, "2001:db8::10", None, Some(Reason::BadRequestUri));
    // §4.3: the port inside of the brackets is part of the address.
    let text = message("REGISTER sip:[2001:db8::10:5070]", contact, "");
    target(&text, "2001:db8::10:5070", None, None);
    // §4.4: behind them it is a port.
    let text = message("REGISTER sip:[2001:db8::10]:5070", contact, "");
    target(&text, "2001:db8::10", Some(5070), None);
    // §4.10: three colons, as an early grammar of SIP demanded.
    let text = message("OPTIONS sip:user@[2001:db8:::192.0.2.1]", contact, "");
    target(&text, "2001:db8:::192.0.2.1", None, None);
}

#[test]
fn references_in_via() {
    // §4.5: `received` with brackets and without.
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!(
            "Via: SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111\r\n"
        );
        let text = message("BYE sip:[2001:db8::10]", &via, "");
        target(&text, "2001:db8::10", None, None);
        let via = Message::parse(text.as_bytes()).unwrap().via().unwrap();
        assert_eq!(via.received().unwrap().to_string(), received);
        assert_eq!((via.host.to_string().as_str(), via.port), ("2001:db8::9:1", None));
        assert_eq!(via.branch(), Some(&b"z9hG4bKas3-111"[..]));
    }
    // §4.7: both families on one path.
    let vias = "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n\
        Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\n";
    let text = message("BYE sip:user@host.example.net", vias, "");
    target(&text, "host.example.net", None, None);
    let view = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(view.via().unwrap().port, Some(6050));
    assert_eq!(view.header("v").count(), 3);
}

#[test]
fn addresses_in_session_descriptions() {
    let kind = "Content-Type: application/sdp\r\n";
    let check = |body: &str, expected: &[&str]| {
        let text = message("INVITE sip:user@[2001:db8::10]", kind, body);
        assert_eq!(exercise(text.as_bytes()), None);
        let view = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(view.method(), Some(Method::Invite));
        assert_eq!(addresses(&view.sdp().unwrap()), expected);
    };
    let origin = "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=-\r\n";
    // §4.6, §4.8, §4.9: for the session, for each medium, and IPv4 in the clothes of IPv6.
    let session = "c=IN IP6 2001:db8::20\r\nt=0 0\r\nm=audio 6000 RTP/AVP 2\r\n";
    check(&format!("{origin}{session}"), &["2001:db8::20 6000"]);
    let each = "t=0 0\r\nm=audio 3456 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n\
        m=audio 3458 RTP/AVP 18\r\nc=IN IP4 192.0.2.30\r\n";
    check(&format!("{origin}{each}"), &["2001:db8::1 3456", "192.0.2.30 3458"]);
    let mapped = "c=IN IP6 ::ffff:192.0.2.2\r\nt=0 0\r\nm=audio 3456 RTP/AVP 0\r\n";
    check(&format!("{origin}{mapped}"), &["::ffff:192.0.2.2 3456"]);
}
