//! Who is heard, and what is heard besides audio.

use super::{ANSWERED, Expected, SHAPE, Shape};
use crate::ladder::Side;

pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "one-way-audio",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio caller pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { streams: &[(Side::Caller, "PCMU", 50)], ..ANSWERED },
        ..SHAPE
    },
    Shape {
        name: "silent-caller",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio callee pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected { streams: &[(Side::Callee, "PCMU", 50)], ..ANSWERED },
        ..SHAPE
    },
    Shape {
        name: "no-media",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            wait 1000
            > BYE
            < 200",
        record: Expected { talk: Some(1.0), lasts: 1.2, streams: &[], ..ANSWERED },
        ..SHAPE
    },
    Shape {
        name: "digit-by-info",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 400
            > INFO body=digit
            < 200
            wait 2000
            > BYE
            < 200",
        record: Expected { digits: &[("5", 0)], ..ANSWERED },
        ..SHAPE
    },
    Shape {
        name: "digit-by-rtp",
        ladder: "
            > INVITE sdp=events
            < 180
            wait 200
            < 200 sdp=events
            > ACK
            audio caller digit-48
            audio callee pcmu-50
            wait 2400
            > BYE
            < 200",
        record: Expected {
            streams: &[(Side::Caller, "PCMU", 48), (Side::Callee, "PCMU", 50)],
            digits: &[("5", 2)],
            ..ANSWERED
        },
        ..SHAPE
    },
];
