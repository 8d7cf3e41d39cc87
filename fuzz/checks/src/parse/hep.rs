//! A message of a capture agent.

use ringtap_wire::hep::{self, Chunks, Message};

/// What a message says lies within it, its time is a time, and a stream of messages is cut where
/// they end.
pub fn hep(bytes: &[u8]) {
    let framed = hep::frame(bytes);
    let read = Message::parse(bytes);
    if let Ok(message) = read {
        let texts = [
            message.auth,
            message.payload,
            message.compressed,
            message.correlation,
            message.group,
            message.place,
            message.transaction,
            message.json_keys,
            message.tags,
        ];
        let range = bytes.as_ptr_range();
        for text in texts.into_iter().flatten() {
            let at = text.as_ptr_range();
            assert!(range.start <= at.start && at.end <= range.end);
        }
        let latest = (u64::from(u32::MAX) + 1) * 1_000_000_000;
        assert!(message.unix_ns().is_none_or(|ns| ns < latest));
    }
    if let (Ok(message), true) = (read, bytes.starts_with(&hep::MAGIC)) {
        assert_eq!(message.version, 3);
        let len = framed.ok().flatten().unwrap_or_default();
        assert!((hep::HEADER_LEN..=bytes.len()).contains(&len), "a message is a frame");
        let whole = bytes.get(..len).unwrap_or_default();
        assert_eq!(Message::parse(whole), Ok(message), "what stands behind does not count");
        let chunks = Chunks::new(whole).into_iter().flatten().flatten();
        let sum: usize = chunks.map(|chunk| hep::CHUNK_LEN + chunk.body.len()).sum();
        assert_eq!(sum + hep::HEADER_LEN, len, "the chunks are the message");
    }
}
