//! A message of a session border controller.

use ringtap_wire::ipfix::{self, Message, Qos, Sip};

/// What sets say lies within them, the sets are the message, and a stream of messages is cut
/// where they end.
pub fn ipfix(bytes: &[u8]) {
    let framed = ipfix::frame(bytes);
    let Ok(message) = Message::parse(bytes) else {
        return body(bytes);
    };
    let len = framed.ok().flatten().unwrap_or_default();
    assert!((ipfix::HEADER_LEN..=bytes.len()).contains(&len), "a message is a frame");
    let whole = bytes.get(..len).unwrap_or_default();
    assert_eq!(Message::parse(whole), Ok(message), "what stands behind does not count");
    let mut sum = ipfix::HEADER_LEN;
    for set in message.sets() {
        let Ok(set) = set else {
            assert!(sum < len);
            return;
        };
        sum += ipfix::SET_LEN + set.body.len();
        body(set.body);
        let answer: Vec<u8> = message.answer(&set, 257).collect();
        let read = Message::parse(&answer).expect("the answer is a message");
        let sets: Vec<_> = read.sets().flatten().collect();
        assert!(matches!(sets[..], [one] if one.id == 257 && one.body == set.body));
    }
    assert_eq!(sum, len, "the sets are the message");
}

/// The same bytes as every kind of set.
fn body(bytes: &[u8]) {
    let within = |text: &[u8]| {
        let (all, at) = (bytes.as_ptr_range(), text.as_ptr_range());
        assert!(text.is_empty() || (all.start <= at.start && at.end <= all.end));
    };
    let latest = (u64::from(u32::MAX) + 1) * 1_000_000_000;
    for sip in [Sip::udp(bytes), Sip::tcp(bytes)].into_iter().flatten() {
        within(sip.message);
        within(sip.call_id);
        assert!(sip.message.len() + sip.call_id.len() + sip.beyond <= bytes.len());
        assert!(sip.unix_ns().is_none_or(|ns| ns < latest));
    }
    if let Ok(qos) = Qos::parse(bytes) {
        qos.realms.iter().chain(&qos.call_ids).for_each(|text| within(text));
        assert!(qos.end_ns().is_none_or(|ns| ns < latest));
    }
}
