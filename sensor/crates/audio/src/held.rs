//! Packets that wait for those they have overtaken: in the order of their positions, each once.

use std::collections::BTreeMap;

use crate::codec::Coding;

/// Packets that wait at most; what there is more of leaves early.
const PACKETS_MAX: usize = 8192;
/// The same for their bytes.
const BYTES_MAX: usize = 16 << 20;

/// The order: position in frames, number of the stream, sequence number.
pub(crate) type Key = (i64, usize, u16);

/// A packet that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) coding: Coding,
    pub(crate) payload: Box<[u8]>,
}

/// All packets that wait.
#[derive(Debug, Default)]
pub(crate) struct Held {
    packets: BTreeMap<Key, Waiting>,
    bytes: usize,
}

impl Held {
    /// Takes a packet. False: it is there already.
    pub(crate) fn insert(&mut self, key: Key, coding: Coding, payload: &[u8]) -> bool {
        if self.packets.contains_key(&key) {
            return false;
        }
        self.bytes += payload.len();
        self.packets.insert(key, Waiting { coding, payload: payload.into() });
        true
    }

    /// The earliest position.
    pub(crate) fn first(&self) -> Option<i64> {
        self.packets.first_key_value().map(|((position, ..), _)| *position)
    }

    /// Whether more wait than may.
    pub(crate) fn is_full(&self) -> bool {
        self.packets.len() > PACKETS_MAX || self.bytes > BYTES_MAX
    }

    /// The earliest packet, if it stands before `before` or too many wait.
    pub(crate) fn pop(&mut self, before: i64) -> Option<(Key, Waiting)> {
        if !self.is_full() && self.first()? >= before {
            return None;
        }
        let (key, waiting) = self.packets.pop_first()?;
        self.bytes -= waiting.payload.len();
        Some((key, waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    #[test]
    fn packets_leave_in_order_once_and_early_when_there_are_too_many() {
        let coding = Coding::new(Codec::Pcmu, 8000).unwrap();
        let mut held = Held::default();
        assert!(held.insert((320, 0, 3), coding, &[3]));
        assert!(held.insert((160, 0, 2), coding, &[2]));
        assert!(!held.insert((160, 0, 2), coding, &[9]));
        assert_eq!(held.pop(200).map(|(key, one)| (key.2, one.payload[0])), Some((2, 2)));
        assert!(held.pop(200).is_none());
        let large = vec![0; 1 << 20];
        for n in 0..16 {
            assert!(held.insert((1000 + n, 0, 0), coding, &large));
        }
        assert_eq!(held.pop(0).map(|(key, _)| key.0), Some(320));
        assert!(held.pop(0).is_none());
        for n in 0..PACKETS_MAX as i64 {
            held.insert((9000 + n, 1, 0), coding, &[]);
        }
        assert_eq!(held.pop(0).map(|(key, _)| key.0), Some(1000));
    }
}
