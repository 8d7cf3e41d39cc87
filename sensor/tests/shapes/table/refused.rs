//! Calls that nobody answers: refused, given up, challenged in vain, redirected.

use super::{Expected, REFUSED, SHAPE, Shape};
use crate::ladder::Side;

/// A refusal with this response.
const fn by(response: u16) -> Expected {
    Expected { response: Some(response), ..REFUSED }
}

pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "busy",
        ladder: "
            > INVITE sdp
            < 100
            < 486
            > ACK",
        record: by(486),
        ..SHAPE
    },
    Shape {
        name: "not-found",
        ladder: "
            > INVITE sdp
            < 100
            < 404 | Reason: Q.850;cause=1;text=\"Unallocated number\"
            > ACK",
        record: Expected { reasons: [None, Some(1)], ..by(404) },
        ..SHAPE
    },
    Shape {
        name: "server-error",
        ladder: "
            > INVITE sdp
            < 500
            > ACK",
        record: by(500),
        ..SHAPE
    },
    Shape {
        name: "declined",
        ladder: "
            > INVITE sdp
            < 180
            wait 300
            < 603
            > ACK",
        record: Expected { lasts: 0.3, ..by(603) },
        ..SHAPE
    },
    Shape {
        name: "cancelled",
        ladder: "
            > INVITE sdp
            < 100
            < 180
            wait 600
            > CANCEL | Reason: SIP;cause=200;text=\"Call completed elsewhere\"
            < 200/CANCEL
            < 487/INVITE
            > ACK",
        record: Expected {
            hung_up: Some(Side::Caller),
            lasts: 0.6,
            marks: "cancelled",
            reasons: [Some(200), None],
            ..by(487)
        },
        ..SHAPE
    },
    Shape {
        name: "no-answer-480",
        ladder: "
            > INVITE sdp
            < 100
            < 180
            wait 1500
            < 480
            > ACK",
        record: Expected { lasts: 1.5, ..by(480) },
        ..SHAPE
    },
    Shape {
        name: "no-answer-408",
        ladder: "
            > INVITE sdp
            < 100
            wait 1500
            < 408
            > ACK",
        record: Expected { lasts: 1.5, ..by(408) },
        ..SHAPE
    },
    Shape {
        name: "auth-401-never-right",
        ladder: "
            > INVITE sdp
            < 401 | WWW-Authenticate: Digest realm=\"shapes\", nonce=\"n1\"
            > ACK
            > INVITE sdp | Authorization: Digest username=\"bert\", realm=\"shapes\"
            < 401 | WWW-Authenticate: Digest realm=\"shapes\", nonce=\"n2\"
            > ACK",
        // Somebody may still be typing the password when the sensor ends.
        record: Expected {
            user: Some("bert"),
            open: true,
            marks: "challenged",
            counted: &[("challenges", 2)],
            ..by(401)
        },
        ..SHAPE
    },
    Shape {
        name: "auth-401-forbidden",
        ladder: "
            > INVITE sdp
            < 401 | WWW-Authenticate: Digest realm=\"shapes\", nonce=\"n1\"
            > ACK
            > INVITE sdp | Authorization: Digest username=\"carl\", realm=\"shapes\"
            < 403
            > ACK",
        record: Expected {
            user: Some("carl"),
            marks: "challenged",
            counted: &[("challenges", 1)],
            ..by(403)
        },
        ..SHAPE
    },
    Shape {
        name: "redirected",
        ladder: "
            > INVITE sdp
            < 100
            < 302 | Contact: <sip:elsewhere@10.78.2.200>
            > ACK",
        record: Expected { redirected_to: Some("sip:elsewhere@10.78.2.200"), ..by(302) },
        ..SHAPE
    },
    // RFC 3261 §15.1.2: a BYE in an early dialog ends the INVITE with a 487.
    Shape {
        name: "bye-before-answer",
        ladder: "
            > INVITE sdp
            < 180
            wait 300
            > BYE
            < 200/BYE
            < 487/INVITE
            > ACK",
        record: Expected { hung_up: Some(Side::Caller), bye: 3, lasts: 0.3, ..by(487) },
        ..SHAPE
    },
];
