//! What a call's messages look like.

use super::{Dialog, Media, Message, Method, Side};

fn dialog() -> Dialog {
    Dialog::new(7, "10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5080".parse().unwrap())
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|l| l.starts_with(name)).unwrap_or_default()
}

#[test]
fn invite_has_its_body_measured() {
    let media = Media::new("10.0.0.1:10000".parse().unwrap(), 0, "PCMU/8000");
    let text = dialog().text(&Message::request(Side::Caller, Method::Invite, 1).media(&media));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("INVITE sip:2000000007@10.0.0.2:5080 SIP/2.0\r\nVia: SIP/2.0/UDP"));
    assert_eq!(line(head, "Content-Length"), format!("Content-Length: {}", body.len()));
    assert_eq!(line(body, "m="), "m=audio 10000 RTP/AVP 0 101");
    assert_eq!(line(body, "c="), "c=IN IP4 10.0.0.1");
}

#[test]
fn a_response_repeats_the_requests_from_to_and_via() {
    let dialog = dialog();
    let bye = dialog.text(&Message::request(Side::Called, Method::Bye, 1));
    let ok = dialog.text(&Message::response(Side::Caller, 200, Method::Bye, 1));
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        assert_eq!(line(&bye, name), line(&ok, name));
    }
    assert_eq!(line(&bye, "From"), "From: <sip:2000000007@example.org>;tag=b7");
    assert!(ok.starts_with("SIP/2.0 200 OK\r\n"));
}

#[test]
fn branches_follow_the_transaction() {
    let dialog = dialog();
    let via = |m: &Message<'_>| line(&dialog.text(m), "Via").to_owned();
    let invite = via(&Message::request(Side::Caller, Method::Invite, 1));
    assert_eq!(invite, via(&Message::request(Side::Caller, Method::Cancel, 1)));
    assert_eq!(invite, via(&Message::failure_ack(Side::Caller, 1)));
    assert_eq!(invite, via(&Message::response(Side::Called, 180, Method::Invite, 1)));
    assert_ne!(invite, via(&Message::request(Side::Caller, Method::Ack, 1)));
    assert_ne!(invite, via(&Message::request(Side::Called, Method::Invite, 1)));
}
