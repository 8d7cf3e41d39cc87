//! The messages of RFC 5118: SIP with IPv6 addresses wherever they can stand.
//!
//! What each of them is about is the RFC's, what does not matter is short. Lengths are counted:
//! those that the RFC prints do not fit its bodies.

use crate::fields::Via;
use crate::message::{Message, tests::exercise};
use crate::reason::Reason;
use crate::start::Method;

const CALL_ID: &str = "SSG9559905523997077@hlau_4100";
const TO: &str = "To: sip:user@example.com";
const VIA: &str = "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";

/// A message of that first line, with those headers and a body.
fn message(first: &str, headers: &[&str], body: &str) -> String {
    let (headers, length) = (headers.join("\r\n"), body.len());
    let cseq = first.split(' ').next().unwrap();
    format!(
        "{first} SIP/2.0\r\n{headers}\r\nFrom: sip:user@example.com;tag=81x2\r\n\
         Call-ID: {CALL_ID}\r\nMax-Forwards: 70\r\nCSeq: 98176 {cseq}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The message, once host and port of its Request-URI and its fault are the expected ones.
#[track_caller]
fn read<'a>(text: &'a str, place: (&str, Option<u16>), fault: Option<Reason>) -> Message<'a> {
    let view = Message::parse(text.as_bytes()).unwrap();
    let uri = view.request_uri().unwrap();
    assert_eq!((uri.host().to_string().as_str(), uri.port()), place);
    assert_eq!(exercise(text.as_bytes()), fault);
    assert_eq!(view.call_id(), Some(CALL_ID.as_bytes()));
    view
}

/// Transport, host, port and `received` of every Via.
fn path(view: &Message<'_>) -> Vec<String> {
    let vias = view.header("Via").map(|line| Via::parse(line.as_bytes()).unwrap());
    vias.map(|via| {
        let port = via.port.map(|port| format!(" {port}")).unwrap_or_default();
        let seen = via.received().map(|seen| format!(" seen {seen}")).unwrap_or_default();
        format!("{} {}{port}{seen}", via.transport, via.host)
    })
    .collect()
}

/// Address and port of every medium.
fn media(view: &Message<'_>) -> Vec<String> {
    let sdp = view.sdp().unwrap();
    sdp.media().map(|media| format!("{} {}", media.connection().unwrap(), media.port)).collect()
}

#[test]
fn references_and_ports_in_the_request_uri() {
    let headers = [TO, VIA, "Contact: \"Caller\" <sip:caller@[2001:db8::1]>"];
    // §4.1: an address in brackets.
    let text = message("REGISTER sip:[2001:db8::10]", &headers, "");
    let view = read(&text, ("2001:db8::10", None), None);
    assert_eq!(path(&view), ["UDP 2001:db8::9:1"]);
    assert_eq!(view.contact().unwrap().uri.host().to_string(), "2001:db8::1");
    // §4.2: without brackets, which no grammar allows.
    let text = message("REGISTER sip:2001:db8::10", &headers, "");
    read(&text, ("2001:db8::10", None), Some(Reason::BadRequestUri));
    // §4.3: a port inside of the brackets is part of the address, whatever was meant.
    let text = message("REGISTER sip:[2001:db8::10:5070]", &headers, "");
    read(&text, ("2001:db8::10:5070", None), None);
    // §4.4: behind them it is a port.
    let text = message("REGISTER sip:[2001:db8::10]:5070", &headers, "");
    read(&text, ("2001:db8::10", Some(5070)), None);
    // §4.10: three colons, a slip of RFC 3261's grammar that readers may forgive (RFC 5954 mends
    // it), and the same address as it should be.
    for place in ["2001:db8:::192.0.2.1", "2001:db8::192.0.2.1"] {
        let to = format!("To: sip:user@[{place}]");
        let via = "Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111";
        let text = message(&format!("OPTIONS sip:user@[{place}]"), &[to.as_str(), via], "");
        let view = read(&text, (place, None), None);
        assert_eq!(view.to().unwrap().uri.host().to_string(), place);
        assert_eq!(path(&view), ["UDP lab1.east.example.com"]);
    }
}

#[test]
fn references_in_via() {
    // §4.5: `received` in brackets, which the grammar forbids and a reader must bear …
    let to = "To: sip:user@example.com;tag=bd76ya";
    let via = "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111";
    let text = message("BYE sip:[2001:db8::10]", &[to, via], "");
    let view = read(&text, ("2001:db8::10", None), None);
    assert_eq!(path(&view), ["UDP 2001:db8::9:1 seen [2001:db8::9:255]"]);
    assert_eq!(view.via().unwrap().branch(), Some(&b"z9hG4bKas3-111"[..]));
    // … and without, as it should be.
    let via = "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3";
    let contact = "Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>";
    let text = message("OPTIONS sip:[2001:db8::10]", &[TO, via, contact], "");
    let view = read(&text, ("2001:db8::10", None), None);
    assert_eq!(path(&view), ["UDP 2001:db8::9:1 seen 2001:db8::9:255"]);
    assert_eq!(view.via().unwrap().branch(), Some(&b"z9hG4bKas3"[..]));
    assert_eq!(view.contact().unwrap().uri.host().to_string(), "2001:db8::9:1");
    // §4.7: both families on one path; the last hop says IPv6 and was seen to come over IPv4.
    let headers = [
        "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
        "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
        "To: sip:user@example.net;tag=9817--94",
    ];
    let text = message("BYE sip:user@host.example.net", &headers, "");
    let view = read(&text, ("host.example.net", None), None);
    let hops = ["UDP 2001:db8::9:1 6050", "UDP 192.0.2.1", "TCP 2001:db8::9:255 seen 192.0.2.200"];
    assert_eq!(path(&view), hops);
}

#[test]
fn addresses_in_session_descriptions() {
    let kind = "Content-Type: application/sdp";
    let formats = "m=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n\
        m=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n";
    // §4.6: for the whole session, without brackets, as SDP wants it.
    let headers = [
        "Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111",
        "To: sip:user@[2001:db8::10]",
        "Contact: \"Caller\" <sip:caller@[2001:db8::20]>",
        kind,
    ];
    let body = format!(
        "v=0\r\no=a 1 0 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n{formats}"
    );
    let text = message("INVITE sip:user@[2001:db8::10]", &headers, &body);
    let view = read(&text, ("2001:db8::10", None), None);
    assert_eq!(view.method(), Some(Method::Invite));
    assert_eq!(media(&view), ["2001:db8::20 6000", "2001:db8::20 6024"]);
    // §4.8: for each medium its own, of either family; a host name as origin, no session name.
    let headers = [
        VIA,
        "To: sip:user@[2001:db8::10]",
        "Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>",
        kind,
    ];
    let body = "v=0\r\no=b 1 2 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n\
        m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n\
        m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n";
    let text = message("INVITE sip:user@[2001:db8::10]", &headers, body);
    let view = read(&text, ("2001:db8::10", None), None);
    assert_eq!(view.sdp().unwrap().connection(), None);
    assert_eq!(media(&view), ["192.0.2.1 22334", "2001:db8::1 6024"]);
    // §4.9: IPv4 in the clothes of IPv6, in both Vias, in Contact and in SDP.
    let headers = [
        "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
        "Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111",
        TO,
        "Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>",
        kind,
    ];
    let body = format!(
        "v=0\r\no=a 1 0 IN IP6 ::ffff:192.0.2.2\r\ns=-\r\nc=IN IP6 ::ffff:192.0.2.2\r\n\
         t=0 0\r\n{formats}"
    );
    let text = message("INVITE sip:user@example.com", &headers, &body);
    let view = read(&text, ("example.com", None), None);
    assert_eq!(path(&view), ["UDP ::ffff:192.0.2.10 19823", "UDP ::ffff:192.0.2.2"]);
    assert_eq!(view.contact().unwrap().uri.host().to_string(), "::ffff:192.0.2.2");
    assert_eq!(media(&view), ["::ffff:192.0.2.2 6000", "::ffff:192.0.2.2 6024"]);
}
