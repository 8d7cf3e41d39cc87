//! The same call by other ways: TCP, IPv6, fragments, short headers, a long Call-ID.

use super::{Form, Over, SHAPE, Shape};

const LADDER: &str = "
    > INVITE sdp
    < 100
    < 180
    wait 200
    < 200 sdp
    > ACK
    audio both pcmu-50
    wait 2400
    > BYE
    < 200";

/// The INVITE and the 200 are longer than a frame.
const LONG: &str = "
    > INVITE sdp=long
    < 100
    < 180
    wait 200
    < 200 sdp=long
    > ACK
    audio both pcmu-50
    wait 2400
    > BYE
    < 200";

pub(super) const SHAPES: &[Shape] = &[
    Shape { name: "tcp", over: Over::Tcp, ladder: LADDER, ..SHAPE },
    Shape { name: "tcp-long-messages", over: Over::Tcp, ladder: LONG, ..SHAPE },
    Shape { name: "ipv6", over: Over::Udp6, ladder: LADDER, ..SHAPE },
    Shape { name: "ipv6-tcp", over: Over::Tcp6, ladder: LADDER, ..SHAPE },
    Shape { name: "fragmented", ladder: LONG, ..SHAPE },
    Shape { name: "ipv6-fragmented", over: Over::Udp6, ladder: LONG, ..SHAPE },
    Shape { name: "compact-headers", form: Form::Compact, ladder: LADDER, ..SHAPE },
    Shape { name: "long-call-id", call_id_length: 400, ladder: LADDER, ..SHAPE },
];
