//! Session descriptions as devices send them, and worse.

use super::*;
use proptest::prelude::*;

const OFFER: &str = "v=0\r\no=- 42 7 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
    a=sendonly\r\na=fingerprint:sha-256 AA\r\n\
    m=audio 4000 RTP/AVP 0 101 96 97\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=rtpmap:96 opus/48000/2\r\na=ptime:20\r\na=rtcp:4005 IN IP4 10.0.0.2\r\n\
    a=ssrc:1 cname:x\r\na=ssrc:1 msid:y\r\na=ssrc:4294967295 cname:z\r\n\
    a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ host\r\n\
    a=candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998\r\n\
    a=candidate:3 1 tcp 1 host.local 9 typ host\r\n\
    m=video 0 RTP/SAVPF 34\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\na=rtcp-mux\r\na=crypto:1 X\r\n\
    m=image 5000 udptl t38\r\n";

#[test]
fn reads_an_offer() {
    let sdp = Sdp::parse(OFFER.as_bytes()).unwrap();
    assert_eq!(sdp.version(), Some((&b"42"[..], &b"7"[..])));
    let media: Vec<_> = sdp.media().collect();
    assert_eq!(media.len(), 3);
    let audio = media[0];
    assert_eq!((audio.kind, audio.port, audio.is_rtp()), (MediaKind::Audio, 4000, true));
    assert_eq!(audio.connection(), Some("10.0.0.1".parse().unwrap()));
    assert_eq!(audio.direction(), Direction::SendOnly);
    assert_eq!(audio.ptime_ms(), Some(20));
    assert_eq!(audio.rtcp(), Some((4005, Some("10.0.0.2".parse().unwrap()))));
    assert_eq!(audio.ssrcs().collect::<Vec<_>>(), [1, 1, u32::MAX]);
    assert!(audio.has_fingerprint() && !audio.has_crypto() && !audio.is_secure());
    let codecs: Vec<_> = audio
        .codecs()
        .map(|c| format!("{} {} {} {}", c.payload_type, c.name, c.clock_rate, c.channels))
        .collect();
    assert_eq!(
        codecs,
        ["0 PCMU 8000 1", "101 telephone-event 8000 1", "96 opus 48000 2", "97  0 0"]
    );
    let candidates: Vec<_> = audio.candidates().collect();
    assert_eq!(candidates.len(), 2, "a host name is no candidate");
    assert_eq!(candidates[1].kind, CandidateKind::ServerReflexive);
    assert_eq!(candidates[1].endpoint.to_string(), "192.0.2.3:45664");
}

#[test]
fn sections_have_their_own_lines() {
    let sdp = Sdp::parse(OFFER.as_bytes()).unwrap();
    let media: Vec<_> = sdp.media().collect();
    let video = media[1];
    assert_eq!((video.kind, video.port, video.is_secure()), (MediaKind::Video, 0, true));
    assert_eq!(video.connection(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(video.direction(), Direction::Inactive);
    assert!(video.rtcp_mux() && video.has_crypto() && video.ssrcs().next().is_none());
    assert_eq!((media[2].kind, media[2].is_rtp()), (MediaKind::Image, false));
}

#[test]
fn odd_descriptions() {
    assert!(Sdp::parse(b"").is_none());
    assert!(Sdp::parse(b"hello\nx=1\n").is_none());
    let bare = Sdp::parse(b"m=audio 1 RTP/AVP 0").unwrap();
    assert_eq!(bare.media().next().unwrap().connection(), None);
    let bad = Sdp::parse(
        b"v=0\nc=IN IP4 host.example\nm=audio x RTP/AVP 0\nm=\nm=audio 70000 RTP/AVP 0\n",
    )
    .unwrap();
    assert_eq!((bad.connection(), bad.media().count()), (None, 0));
    let group =
        Sdp::parse(b"v=0\nc=IN IP4 224.2.1.1/127\nm=audio 4000/2 RTP/AVP 0 300 x\n").unwrap();
    let audio = group.media().next().unwrap();
    assert_eq!((audio.port, audio.connection()), (4000, Some("224.2.1.1".parse().unwrap())));
    assert_eq!(audio.codecs().count(), 1);
    assert_eq!(audio.ports().collect::<Vec<_>>(), [4000, 4002]);
}

#[test]
fn what_holds_for_the_session_holds_for_its_media() {
    let text = "v=0\no=- 1 1 IN IP4 h\nc=IN IP4 0.0.0.0\na=inactive\na=fingerprint:sha-1 A\n\
        m=audio 4000 RTP/SAVP 0 13\nm=audio 4002/4 RTP/AVP 18\nc=IN IP6 ::\na=recvonly\n\
        m=image 6000/2 UDPTL t38\na=T38FaxVersion:0\nm=audio 0 RTP/AVP 8\n";
    let sdp = Sdp::parse(text.as_bytes()).unwrap();
    let media: Vec<_> = sdp.media().collect();
    let unspecified: Vec<bool> =
        media.iter().map(|one| one.connection().unwrap().is_unspecified()).collect();
    assert_eq!(unspecified, [true; 4]);
    let directions: Vec<_> = media.iter().map(Media::direction).collect();
    let (inactive, receive) = (Direction::Inactive, Direction::RecvOnly);
    assert_eq!(directions, [inactive, receive, inactive, inactive]);
    assert!(media.iter().all(Media::has_fingerprint));
    let ports: Vec<Vec<u16>> = media.iter().map(|one| one.ports().collect()).collect();
    assert_eq!(ports, [&[4000][..], &[4002, 4004, 4006, 4008], &[6000, 6001], &[]]);
    assert_eq!(media[2].attributes("T38FaxVersion").next(), Some(&b"0"[..]));
    assert_eq!(media[2].formats().collect::<Vec<_>>(), [b"t38"]);
}

#[test]
fn codecs_by_map_by_number_and_by_neither() {
    let text = "m=audio 4000 RTP/AVP 98 0 101 99 102 9\na=rtpmap:98 AMR-WB/16000/1\n\
        a=fmtp:98 octet-align=1\na=rtpmap:101 telephone-event/16000\na=rtpmap:0 PCMU/8000\n\
        a=rtpmap: 99  G7221 / 16000\na=rtpmap:9 G722/8000\na=ptime:20.0\n";
    let sdp = Sdp::parse(text.as_bytes()).unwrap();
    let audio = sdp.media().next().unwrap();
    let codecs: Vec<String> =
        audio.codecs().map(|c| format!("{} {} {}", c.payload_type, c.name, c.clock_rate)).collect();
    let expected = [
        "98 AMR-WB 16000",
        "0 PCMU 8000",
        "101 telephone-event 16000",
        "99 G7221 16000",
        "102  0",
        "9 G722 8000",
    ];
    assert_eq!(codecs, expected);
    assert_eq!(audio.attributes("fmtp").next(), Some(&b"98 octet-align=1"[..]));
    assert_eq!(audio.ptime_ms(), Some(20));
}

proptest! {
    #[test]
    fn any_text_is_read(
        text in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0..1500usize,
        byte: u8,
    ) {
        let mut mutated = OFFER.as_bytes().to_vec();
        let at = cut % mutated.len();
        mutated[at] = byte;
        mutated.extend_from_slice(&text);
        for source in [&text[..], &mutated[..], &mutated[at..]] {
            let Some(sdp) = Sdp::parse(source) else { continue };
            let _ = (sdp.connection(), sdp.origin(), sdp.version());
            prop_assert!(sdp.media().count() <= MEDIA_MAX);
            for media in sdp.media() {
                let _ = (media.connection(), media.direction(), media.ptime_ms(), media.rtcp());
                let _ = (media.codecs().count(), media.ssrcs().count(), media.candidates().count());
            }
        }
    }
}
