//! What happens inside of an answered call: hold, changes, transfers, refreshes, collisions.

use super::{ANSWERED, Expected, SHAPE, Shape, TALK};
use crate::ladder::Side;

pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "hold-and-resume",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 1800
            > INVITE sdp=hold
            < 100
            < 200 sdp=held
            > ACK
            wait 1000
            > INVITE sdp
            < 100
            < 200 sdp
            > ACK
            audio both pcmu-25+50
            wait 1800
            > BYE
            < 200",
        record: Expected {
            talk: Some(4.6),
            lasts: 4.8,
            streams: &[(Side::Caller, "PCMU", 75), (Side::Callee, "PCMU", 75)],
            held: Some((2.0, 3.0)),
            counted: &[("reinvites", 2)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // Both sides change codec and port: four streams.
    Shape {
        name: "other-codec-and-ports",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2000
            < INVITE sdp=moved
            > 200 sdp=moved
            < ACK
            audio both pcma-40
            wait 2000
            > BYE
            < 200",
        record: Expected {
            talk: Some(4.0),
            lasts: 4.2,
            streams: &[
                (Side::Caller, "PCMA", 40),
                (Side::Caller, "PCMU", 50),
                (Side::Callee, "PCMA", 40),
                (Side::Callee, "PCMU", 50),
            ],
            marks: "codec_changed",
            counted: &[("reinvites", 1)],
            ..ANSWERED
        },
        ..SHAPE
    },
    // A re-INVITE that is refused leaves the session as it was (RFC 3261 §14.1).
    Shape {
        name: "change-refused",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 400
            > INVITE sdp=pcma
            < 488
            > ACK
            wait 2000
            > BYE
            < 200",
        record: Expected { counted: &[("reinvites", 1)], ..ANSWERED },
        ..SHAPE
    },
    // Both offer at once, both are told to wait; then one tries again (RFC 3261 §14.1, §14.2).
    Shape {
        name: "glare",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 400
            > INVITE sdp
            < INVITE sdp
            < 491
            > 491
            < ACK
            > ACK
            wait 300
            < INVITE sdp
            > 200 sdp
            < ACK
            wait 1700
            > BYE
            < 200",
        record: Expected { counted: &[("reinvites", 3), ("glares", 2)], ..ANSWERED },
        ..SHAPE
    },
    // RFC 3515: the called side takes leave once the transfer has succeeded.
    Shape {
        name: "refer",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 1800
            > REFER | Refer-To: <sip:3000@10.78.2.200>
            < 202
            < NOTIFY body=100 | Event: refer | Subscription-State: active;expires=60
            > 200
            wait 600
            < NOTIFY body=200 | Event: refer | Subscription-State: terminated;reason=noresource
            > 200
            < BYE
            > 200",
        record: Expected {
            hung_up: Some(Side::Callee),
            transfer: Some(("caller", "3000", 202, 200)),
            ..ANSWERED
        },
        ..SHAPE
    },
    // The 200 to a re-INVITE is not heard at first.
    Shape {
        name: "change-answered-twice",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 400
            > INVITE sdp
            < 200 sdp
            wait 500
            < 200 sdp again
            > ACK
            wait 1500
            > BYE
            < 200",
        record: Expected { counted: &[("reinvites", 1)], ..ANSWERED },
        ..SHAPE
    },
    // The audio gives way to a fax (T.38), which is announced and not scored.
    Shape {
        name: "fax",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 1600
            < INVITE sdp=fax
            > 200 sdp=fax
            < ACK
            wait 800
            > BYE
            < 200",
        record: Expected { counted: &[("reinvites", 1)], ..ANSWERED },
        ..SHAPE
    },
    // RFC 4028, by UPDATE and by re-INVITE with the session as it is.
    Shape {
        name: "session-timer",
        ladder: "
            > INVITE sdp | Supported: timer | Session-Expires: 90;refresher=uac
            < 180
            wait 200
            < 200 sdp | Session-Expires: 90;refresher=uac
            > ACK
            audio both pcmu-50
            wait 400
            > UPDATE | Session-Expires: 90;refresher=uac
            < 200 | Session-Expires: 90;refresher=uac
            wait 400
            > INVITE sdp | Session-Expires: 90;refresher=uac
            < 200 sdp | Session-Expires: 90;refresher=uac
            > ACK
            wait 1600
            > BYE
            < 200",
        record: Expected {
            counted: &[
                ("updates", 1),
                ("reinvites", 1),
                ("session_expires", 90),
                ("session_refreshes", 2),
            ],
            ..ANSWERED
        },
        ..SHAPE
    },
    // Both hang up in the same moment; whose BYE comes first has hung up.
    Shape {
        name: "bye-crosses-bye",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < BYE
            > 200
            < 200",
        record: Expected { marks: "both_hung_up", ..ANSWERED },
        ..SHAPE
    },
    // A challenged BYE comes again with credentials; only its answer ends the call.
    Shape {
        name: "bye-challenged",
        ladder: "
            > INVITE sdp
            < 180
            wait 200
            < 200 sdp
            > ACK
            audio both pcmu-50
            wait 2400
            > BYE
            < 407 | Proxy-Authenticate: Digest realm=\"shapes\", nonce=\"n1\"
            wait 100
            > BYE | Proxy-Authorization: Digest username=\"dora\", realm=\"shapes\"
            < 200",
        record: Expected { lasts: 0.3 + TALK, ..ANSWERED },
        ..SHAPE
    },
];
