//! Messages as devices send them, and worse.

use super::*;
use proptest::prelude::*;

const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport\r\n\
    Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0\r\n\
    Max-Forwards: 70\r\n\
    f: \"Alice, A.\" <sip:+4930123;x=y@a.example>;tag=a1\r\n\
    To: <sip:bob@b.example>\r\n\
    Call-ID: 1234@10.0.0.1\r\n\
    CSeq: 2 INVITE\r\n\
    m: <sip:alice@10.0.0.1:5062>, <sip:second@x>\r\n\
    User-Agent: Phone\r\n \t 1.0 \u{e9}\r\n\
    P-Asserted-Identity: <sip:+4930123@a.example>\r\n\
    P-Asserted-Identity: <tel:+4930123>\r\n\
    Reason: SIP;cause=200, Q.850 ;cause=16;text=\"x\"\r\n\
    Session-ID: ab;remote=00\r\n\
    Proxy-Authorization: Digest username=\"alice\", realm=\"r\"\r\n\
    Replaces: other@host;to-tag=1;from-tag=2\r\n\
    Expires: 180\r\n\
    X-Custom: one\r\n\
    x-custom: two\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 57\r\n\
    \r\n\
    v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 8 101\r\nt=0\r\n";

fn parse(text: &str) -> Message<'_> {
    Message::parse(text.as_bytes()).unwrap()
}

fn headers(extra: &str) -> String {
    format!(
        "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n\
         Call-ID: c\r\n{extra}"
    )
}

#[test]
fn reads_every_field() {
    let m = parse(INVITE);
    assert_eq!((m.method(), m.status(), m.malformed()), (Some(Method::Invite), None, None));
    assert_eq!(m.call_id(), Some(&b"1234@10.0.0.1"[..]));
    let from = m.from().unwrap();
    assert_eq!(from.display.to_string(), "Alice, A.");
    assert_eq!((from.uri.number().to_string(), from.tag()), ("+4930123".into(), Some(&b"a1"[..])));
    assert_eq!(m.to().unwrap().tag(), None);
    assert_eq!(m.contact().unwrap().uri.port(), Some(5062));
    assert_eq!(m.addresses(Header::Contact).count(), 2);
    assert_eq!(m.addresses(Header::PAssertedIdentity).count(), 2);
    assert_eq!(m.cseq().unwrap().number, 2);
    assert_eq!(m.via().unwrap().branch(), Some(&b"z9hG4bK1"[..]));
    assert_eq!(m.user_agent().unwrap().to_string(), "Phone 1.0 \u{e9}");
    assert_eq!(m.reasons().map(|r| r.cause).collect::<Vec<_>>(), [Some(200), Some(16)]);
    assert_eq!(m.session_id().unwrap().local.to_string(), "ab");
    assert_eq!(m.credentials().unwrap().username().unwrap().to_string(), "alice");
    assert_eq!(m.replaces().unwrap().call_id, b"other@host");
    assert_eq!((m.expires(), m.content_length()), (Some(180), Some(57)));
    let custom: Vec<_> = m.header("X-CUSTOM").map(|t| t.to_string()).collect();
    assert_eq!(custom, ["one", "two"]);
    assert_eq!(m.header("via").count(), 2);
    assert!(m.content_type().unwrap().is("application/sdp"));
    assert_eq!(m.sdp().unwrap().media().next().unwrap().port, 4000);
    assert_eq!((m.length(), m.trailing().len()), (INVITE.len(), 0));
    assert_eq!(m.request_uri().unwrap().user().to_string(), "bob");
}

#[test]
fn bare_line_feeds_and_keep_alives() {
    let text = format!("\r\n\r\n{}", INVITE.replace('\r', ""));
    let m = parse(&text);
    assert_eq!(m.call_id(), Some(&b"1234@10.0.0.1"[..]));
    assert_eq!(m.malformed(), Some(Reason::ContentLengthTooLarge));
    assert_eq!(m.sdp().unwrap().media().count(), 1);
}

#[test]
fn body_lengths() {
    let with = |length: &str, body: &str| headers(&format!("CSeq: 1 BYE\r\n{length}\r\n{body}"));
    let check = |length: &str, body: &str, want: &str, fault: Option<Reason>| {
        let text = with(length, body);
        let m = parse(&text);
        assert_eq!(m.body(), want.as_bytes(), "{length}");
        assert_eq!(m.malformed(), fault, "{length}");
        assert_eq!(m.length() + m.trailing().len(), text.len());
    };
    check("Content-Length: 3\r\n", "abcdef", "abc", None);
    check("l: 0\r\n", "abc", "", None);
    check("", "abc", "abc", None);
    check("Content-Length: 99\r\n", "abc", "abc", Some(Reason::ContentLengthTooLarge));
    check("Content-Length: -1\r\n", "abc", "abc", Some(Reason::BadContentLength));
    check(
        "Content-Length: 9999999999999999999999\r\n",
        "abc",
        "abc",
        Some(Reason::BadContentLength),
    );
    check("Content-Length: 1\r\nl: 2\r\n", "abc", "a", Some(Reason::Repeated));
}

#[test]
fn faults_are_named() {
    let check =
        |text: &str, fault: Reason| assert_eq!(parse(text).malformed(), Some(fault), "{text}");
    check("BYE sip:a SIP/2.0\r\n\r\n", Reason::MissingCallId);
    check(&headers("CSeq: 1 INVITE\r\n\r\n"), Reason::MethodMismatch);
    check(&headers("CSeq: 4294967296 BYE\r\n\r\n"), Reason::BadCSeq);
    check(&headers("CSeq: 1 BYE\r\nCall-ID: d\r\n\r\n"), Reason::Repeated);
    check(&headers("CSeq: 1 BYE\r\n"), Reason::Truncated);
    check(&headers("CSeq: 1 BYE\r\nno colon here\r\n\r\n"), Reason::BadHeaderLine);
    check(&headers("\r\n"), Reason::MissingCSeq);
    check(&headers("CSeq: 1 BYE\r\n\r\n").replace("UDP h", "UDP h;;,"), Reason::BadVia);
    check(
        &headers("CSeq: 1 BYE\r\n\r\n").replace("To: <sip:b>", "To: \"x <sip:b>"),
        Reason::BadQuote,
    );
}

#[test]
fn what_is_no_message() {
    assert_eq!(Message::parse(b"").unwrap_err(), Reason::Empty);
    assert_eq!(Message::parse(b"\x80\x08abcdefgh").unwrap_err(), Reason::NotSip);
    assert_eq!(Message::parse(&vec![b'a'; MESSAGE_MAX + 1]).unwrap_err(), Reason::TooLarge);
}

/// Touches everything a view offers.
pub(crate) fn exercise(bytes: &[u8]) -> Option<Reason> {
    let m = match Message::parse(bytes) {
        Ok(m) => m,
        Err(reason) => return Some(reason),
    };
    assert!(m.length() + m.trailing().len() == bytes.len());
    for address in
        [m.from(), m.to(), m.contact(), m.remote_party_id(), m.diversion()].into_iter().flatten()
    {
        let _ = (address.display.to_string(), address.uri.number().to_string(), address.tag());
        let _ = (address.uri.host().to_string(), address.uri.params().count());
    }
    let _ = (m.cseq(), m.via().map(|v| (v.branch(), v.received())), m.reasons().count());
    let _ = (m.session_id(), m.replaces(), m.expires(), m.header("x").count(), m.parts().count());
    let _ = m.credentials().map(|c| (c.username(), c.realm()));
    let _ = (m.challenge(), m.request_uri(), m.addresses(Header::Contact).count());
    if let Some(sdp) = m.sdp() {
        let _ = sdp.media().map(|x| x.codecs().count() + x.candidates().count()).sum::<usize>();
    }
    m.malformed()
}

#[test]
fn headers_without_a_place_are_found_by_either_name() {
    let text = "INVITE sip:b SIP/2.0\r\ns: one\r\nSUBJECT: two\r\nX: 90\r\nz: odd\r\n\r\n";
    let message = Message::parse(text.as_bytes()).unwrap();
    let values = |name| message.header(name).map(|v| v.to_string()).collect::<Vec<_>>();
    assert_eq!(values("Subject"), ["one", "two"]);
    assert_eq!(values("session-expires"), ["90"]);
    assert_eq!((values("z"), values("Supported")), (vec!["odd".to_owned()], vec![]));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn any_header_block(
        lines in proptest::collection::vec(
            "[a-zA-Z-]{0,8}[ :;,<>\"@=]{0,3}[ -~\\r\\n]{0,20}",
            0..12,
        )
    ) {
        exercise(format!("INVITE sip:a SIP/2.0\r\n{}", lines.join("\r\n")).as_bytes());
    }

    #[test]
    fn mutated(
        changes in proptest::collection::vec((0..INVITE.len(), any::<u8>()), 0..8),
        end in 0..=INVITE.len(),
    ) {
        let mut bytes = INVITE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at % INVITE.len()] = byte;
        }
        exercise(&bytes);
        exercise(&bytes[..end.min(bytes.len())]);
        exercise(&bytes[end.min(bytes.len())..]);
    }
}
