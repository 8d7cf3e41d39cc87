//! TCP segments of two flows in any order, with copies, holes, overlaps and time.

use ringtap_assemble::stream::IDLE_NS;
use ringtap_assemble::{Flow, Segment, Streams};

use crate::input::Input;

const MS: u64 = 1_000_000;
const SYN: u8 = 2;
const FLOWS: u8 = 2;

/// What both flows say, again and again.
const TALK: &[u8] =
    b"INVITE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n\
    \r\n\r\nSIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n\
    BYE sip:b@example.com SIP/2.0\r\nCall-ID: 1\r\nX: yz\r\nContent-Length: 0\r\n\r\n";
const ROUNDS: usize = 8;

/// Every message that comes out stands in the stream in one piece, whatever was missing or came
/// twice; silence and the end leave nothing behind.
pub fn tcp_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let stream = TALK.repeat(ROUNDS);
    let begin = u32::from(input.byte()).wrapping_mul(0x0101_0101);
    let mut streams = Streams::new(7);
    let mut emit = |flow: &Flow, message: &[u8]| {
        assert!(flow.src[0] < FLOWS, "a flow that was not there");
        let found = message.len() <= stream.len()
            && stream.windows(message.len()).any(|window| window == message);
        assert!(found, "not in the stream: {}", String::from_utf8_lossy(message));
    };
    let (mut clock_ns, mut segments) = (0, 0);
    while !input.is_empty() {
        let choice = input.byte();
        let mut src = [0; 16];
        src[0] = choice % FLOWS;
        let flow = Flow { src, dst: [9; 16], sport: 40_000, dport: 5060 };
        let from = usize::from(input.u16()) % (stream.len() + 1);
        let to = (from + usize::from(input.byte())).min(stream.len());
        let flags = if choice & 0x0e == 0x0e { input.byte() & !SYN } else { 16 };
        // A SYN takes the number before the first byte.
        let (seq, flags, payload): (u32, u8, &[u8]) = if choice & 0x70 == 0x70 {
            (begin.wrapping_sub(1), SYN, b"")
        } else {
            (begin.wrapping_add(from as u32), flags, &stream[from..to])
        };
        clock_ns += u64::from(choice >> 7) * u64::from(input.byte()) * 10 * MS;
        streams.push(&Segment { flow, seq, flags, payload }, clock_ns, &mut emit);
        streams.expire(clock_ns, &mut emit);
        segments += 1;
        assert!(streams.len() <= usize::from(FLOWS));
    }
    assert_eq!(streams.counters().segments, segments);
    streams.expire(clock_ns + 2 * IDLE_NS, &mut emit);
    assert!(streams.is_empty(), "silent flows are still there");
    streams.finish(&mut emit);
    let framing = streams.counters().framing;
    assert!(framing.messages <= segments * (TALK.len() as u64));
}
