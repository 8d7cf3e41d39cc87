//! What is lost, comes late, comes twice, or never comes.

use super::{ANSWERED, Expected, REFUSED, SHAPE, Shape, TALK};
use crate::ladder::Side;

pub(super) const SHAPES: &[Shape] = &[
    // The INVITE is not heard at first (RFC 3261 §17.1.1.2, timer A).
    Shape {
        name: "invite-lost",
        ladder: "
            > INVITE sdp
            wait 300
            > INVITE sdp again
            wait 600
            > INVITE sdp again
            < 100
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { lasts: 1.1 + TALK, invites_again: 2, ..ANSWERED },
        ..SHAPE
    },
    // A long ring is told again and again; the first one counts.
    Shape {
        name: "rings-repeatedly",
        ladder: "
            > INVITE sdp
            < 100
            < 180
            wait 500
            < 180 again
            wait 500
            < 180 again
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { lasts: 1.2 + TALK, ..ANSWERED },
        ..SHAPE
    },
    // The 200 is not heard at first (RFC 3261 §13.3.1.4).
    Shape {
        name: "answer-lost",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            wait 500
            < 200 sdp again
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { talk: Some(0.5 + TALK), lasts: 0.7 + TALK, ..ANSWERED },
        ..SHAPE
    },
    // The ACK is not heard at first: each further 200 is acknowledged again.
    Shape {
        name: "ack-lost",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 500
            < 200 sdp again
            > ACK again
            wait 1900
            > BYE
            < 200",
        ..SHAPE
    },
    // No ACK ever comes: the called side gives up (RFC 3261 §13.3.1.4).
    Shape {
        name: "never-acknowledged",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            wait 500
            < 200 sdp again
            wait 1000
            < 200 sdp again
            wait 900
            < BYE
            > 200",
        record: Expected {
            hung_up: Some(Side::Callee),
            streams: &[],
            marks: "unacknowledged",
            ..ANSWERED
        },
        ..SHAPE
    },
    Shape {
        name: "refusal-lost",
        ladder: "
            > INVITE sdp
            < 100
            < 486
            wait 500
            < 486 again
            > ACK",
        record: Expected { response: Some(486), lasts: 0.5, ..REFUSED },
        ..SHAPE
    },
    // A refusal that is never acknowledged ends by response_default_timeout.
    Shape {
        name: "refusal-never-acknowledged",
        ladder: "
            > INVITE sdp
            < 100
            < 486
            wait 500
            < 486 again
            wait 1000
            < 486 again",
        record: Expected { response: Some(486), lasts: 1.5, ..REFUSED },
        ..SHAPE
    },
    // The answer to the BYE is not heard at first. The first one is the call's end.
    Shape {
        name: "bye-answer-lost",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 200
            wait 200
            > BYE again
            < 200 again",
        ..SHAPE
    },
    // Nobody is there (onewaytimeout).
    Shape {
        name: "nobody-there",
        ladder: "
            > INVITE sdp
            wait 500
            > INVITE sdp again
            wait 1000
            > INVITE sdp again",
        record: Expected { bye: 105, lasts: 1.5, invites_again: 2, ..REFUSED },
        ..SHAPE
    },
    // The caller is gone after a second of talk (rtptimeout).
    Shape {
        name: "caller-vanishes-talking",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 1500",
        record: Expected { hung_up: None, bye: 104, talk: Some(0.9), lasts: 1.1, ..ANSWERED },
        ..SHAPE
    },
    // The caller is gone right after its ACK (sipwithoutrtptimeout).
    Shape {
        name: "caller-vanishes-silent",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK",
        record: Expected {
            hung_up: None,
            bye: 108,
            talk: Some(0.0),
            lasts: 0.2,
            streams: &[],
            ..ANSWERED
        },
        ..SHAPE
    },
    // The called side is gone: the BYE is never answered (bye_timeout).
    Shape {
        name: "callee-vanishes",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            wait 500
            > BYE again
            wait 1000
            > BYE again",
        record: Expected { bye: 103, lasts: 1.7 + TALK, ..ANSWERED },
        ..SHAPE
    },
    // The media has ended long before the BYE, but not so long that the call is given up.
    Shape {
        name: "late-bye",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 6000
            > BYE
            < 200",
        record: Expected { talk: Some(6.0), lasts: 6.2, ..ANSWERED },
        ..SHAPE
    },
    // So long that the record is there already: the BYE changes nothing, and makes no other.
    Shape {
        name: "bye-after-record",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 12000
            ---
            > BYE
            < 200",
        record: Expected { hung_up: None, bye: 104, talk: Some(0.9), lasts: 1.1, ..ANSWERED },
        ..SHAPE
    },
];
