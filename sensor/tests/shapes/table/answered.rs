//! Calls that are answered, by the ways to get there: at once, after a challenge, a redirection,
//! a fork, with early media and reliable responses.

use super::{ANSWERED, BOTH, Expected, SHAPE, Shape, TALK};
use crate::ladder::Side;

pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "caller-hangs-up",
        ladder: "
            > INVITE sdp
            < 100
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE | Reason: Q.850;cause=16;text=\"Normal call clearing\"
            < 200",
        record: Expected { reasons: [None, Some(16)], ..ANSWERED },
        ..SHAPE
    },
    Shape {
        name: "callee-hangs-up",
        ladder: "
            > INVITE sdp
            < 100
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            < BYE
            > 200",
        record: Expected { hung_up: Some(Side::Callee), ..ANSWERED },
        ..SHAPE
    },
    // RFC 3261 §22.3: one call, a new attempt in the same one, with the same tag.
    Shape {
        name: "auth-407",
        ladder: "
            > INVITE sdp
            < 100
            < 407 tag=p | Proxy-Authenticate: Digest realm=\"shapes\", nonce=\"n1\"
            > ACK
            > INVITE sdp | Proxy-Authorization: Digest username=\"anna\", realm=\"shapes\"
            < 100
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            user: Some("anna"),
            marks: "challenged",
            counted: &[("challenges", 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // RFC 3261 §8.1.3.4: the new attempt may keep Call-ID, From and To.
    Shape {
        name: "redirection-followed",
        ladder: "
            > INVITE sdp
            < 302 tag=r | Contact: <sip:elsewhere@10.78.2.200>
            > ACK
            wait 100
            > INVITE sdp
            < 180
            wait 100
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            redirected_to: Some("sip:elsewhere@10.78.2.200"),
            branches: &[("r", 0, 302, 0), ("b", 3, 200, 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // RFC 4028 §7.4: the interval was too short, and the caller tries again with another.
    Shape {
        name: "interval-too-small",
        ladder: "
            > INVITE sdp | Supported: timer | Session-Expires: 90
            < 422 tag=s | Min-SE: 1800
            > ACK
            > INVITE sdp | Supported: timer | Session-Expires: 1800 | Min-SE: 1800
            < 180
            wait 200
            < 200 sdp | Session-Expires: 1800;refresher=uas
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            counted: &[("session_expires", 1800)],
            branches: &[("s", 0, 422, 0), ("b", 3, 200, 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // Two telephones ring, one answers (RFC 3261 §12.1: a dialog by each tag).
    Shape {
        name: "forked",
        ladder: "
            > INVITE sdp
            < 100
            < 180 tag=b1
            < 180 tag=b2
            wait 200
            < 200 sdp tag=b2
            > ACK tag=b2
            audio both pcmu-50
            wait 2400
            > BYE tag=b2
            < 200 tag=b2",
        record: Expected {
            marks: "forked",
            branches: &[("b1", 0, 180, 0), ("b2", 3, 200, 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // Two answer; the caller takes leave of the second at once (RFC 3261 §13.2.2.4), which does
    // not end the call with the first.
    Shape {
        name: "forked-answered-twice",
        ladder: "
            > INVITE sdp
            < 180 tag=b1
            < 180 tag=b2
            wait 200
            < 200 sdp tag=b1
            > ACK tag=b1
            audio both pcmu-50
            wait 300
            < 200 sdp tag=b2
            > ACK tag=b2
            > BYE tag=b2
            < 200 tag=b2
            wait 2100
            > BYE tag=b1
            < 200 tag=b1",
        record: Expected {
            marks: "forked",
            branches: &[("b1", 3, 200, 1), ("b2", 3, 200, 0)],
            ..ANSWERED
        },
        ..SHAPE
    },
    Shape {
        name: "early-media",
        ladder: "
            > INVITE sdp
            < 100
            < 183 sdp
            audio callee pcmu-75
            wait 600
            < 200 sdp
            > ACK
            audio caller pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            lasts: 0.6 + TALK,
            streams: &[(Side::Caller, "PCMU", 50), (Side::Callee, "PCMU", 75)],
            marks: "early_media",
            ..ANSWERED
        },
        ..SHAPE
    },
    // RFC 3262: a reliable provisional response and its PRACK, before the answer.
    Shape {
        name: "prack",
        ladder: "
            > INVITE sdp | Supported: 100rel
            < 183 sdp | Require: 100rel | RSeq: 7
            > PRACK | RAck: 7 1 INVITE
            < 200/PRACK
            < 180 | Require: 100rel | RSeq: 8
            > PRACK | RAck: 8 1 INVITE
            < 200/PRACK
            wait 200
            < 200/INVITE
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { marks: "early_media", counted: &[("pracks", 2)], ..ANSWERED },
        ..SHAPE
    },
    // RFC 3311: the session changes before the answer, to another codec and other ports.
    Shape {
        name: "update-before-answer",
        ladder: "
            > INVITE sdp | Supported: 100rel
            < 183 sdp | Require: 100rel | RSeq: 1
            > PRACK | RAck: 1 1 INVITE
            < 200/PRACK
            > UPDATE sdp=moved
            < 200/UPDATE sdp=moved
            < 180
            wait 200
            < 200/INVITE
            > ACK
            audio both pcma-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            streams: &[(Side::Caller, "PCMA", 50), (Side::Callee, "PCMA", 50)],
            marks: "early_media",
            counted: &[("pracks", 1), ("updates", 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // The offer is in the 200, the answer in the ACK (RFC 3264 §4).
    Shape {
        name: "delayed-offer",
        ladder: "
            > INVITE
            < 100
            < 180
            wait 200
            < 200 sdp
            > ACK sdp
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { streams: BOTH, ..ANSWERED },
        ..SHAPE
    },
    // The CANCEL comes too late: it is answered and changes nothing (RFC 3261 §9.2), so the
    // caller hangs up.
    Shape {
        name: "cancel-crosses-200",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            > CANCEL
            < 200/INVITE sdp
            < 200/CANCEL
            > ACK
            > BYE
            < 200",
        record: Expected {
            talk: Some(0.0),
            lasts: 0.2,
            streams: &[],
            marks: "cancelled",
            ..ANSWERED
        },
        ..SHAPE
    },
];
