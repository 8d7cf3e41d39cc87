//! Digits sent as RTP events, RFC 4733 §2.
//!
//! All packets of one event carry the timestamp of its begin; the last ones are repeated. Digits
//! that are sent as sound or by SIP INFO are not seen here.

use smallvec::SmallVec;

/// Events kept for one stream; later ones are counted only.
pub const EVENTS_MAX: usize = 256;
/// Bytes of an event payload.
pub const PAYLOAD_LEN: u16 = 4;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfEvent {
    /// Arrival of its first packet, UNIX ns.
    pub ts_ns: u64,
    /// Event number: 0 to 9, 10 for `*`, 11 for `#`, 12 to 15 for `A` to `D`, 16 for flash.
    pub event: u8,
    /// The last packet said that the key was released.
    pub ended: bool,
    /// How long it was held, ms.
    pub duration_ms: u16,
}

impl DtmfEvent {
    /// The key; `None` for tones that are no key.
    #[must_use]
    pub fn digit(&self) -> Option<char> {
        // Flash is written R, as on telephones that have such a key.
        b"0123456789*#ABCDR".get(usize::from(self.event)).map(|digit| char::from(*digit))
    }
}

/// The events of one stream.
#[derive(Clone, Debug, Default)]
pub struct Dtmf {
    events: SmallVec<[DtmfEvent; 4]>,
    /// Timestamp of the newest event.
    timestamp: u32,
    dropped: u32,
}

impl Dtmf {
    /// Takes an event packet: its RTP timestamp, the clock in Hz and the payload's first 4 bytes.
    pub fn push(&mut self, ts_ns: u64, timestamp: u32, clock_rate: u32, head: u32) {
        let [event, flags, ..] = head.to_be_bytes();
        let duration = u64::from(head & 0xffff) * 1000 / u64::from(clock_rate.max(1));
        let duration_ms = duration.min(u64::from(u16::MAX)) as u16;
        let ended = flags & 0x80 != 0;
        if let Some(newest) = self.events.last_mut() {
            let ahead = timestamp.wrapping_sub(self.timestamp) as i32;
            if ahead == 0 {
                newest.duration_ms = newest.duration_ms.max(duration_ms);
                newest.ended |= ended;
            }
            if ahead <= 0 {
                // A late packet of an event before adds nothing.
                return;
            }
        }
        if self.events.len() >= EVENTS_MAX {
            self.dropped += u32::from(timestamp != self.timestamp);
            self.timestamp = timestamp;
            return;
        }
        self.timestamp = timestamp;
        self.events.push(DtmfEvent { ts_ns, event, ended, duration_ms });
    }

    /// The events, oldest first.
    #[must_use]
    pub fn events(&self) -> &[DtmfEvent] {
        &self.events
    }

    /// Events beyond [`EVENTS_MAX`].
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Drops those before `ts_ns`.
    pub fn forget_before(&mut self, ts_ns: u64) {
        self.events.retain(|event| event.ts_ns >= ts_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(event: u8, end: bool, duration: u16) -> u32 {
        let [high, low] = duration.to_be_bytes();
        u32::from_be_bytes([event, if end { 0x8a } else { 0x0a }, high, low])
    }

    #[test]
    fn two_digits_with_repeated_ends() {
        let mut dtmf = Dtmf::default();
        for (at, timestamp, event, end, duration) in [
            (1, 1600, 5, false, 160),
            (2, 1600, 5, false, 320),
            (3, 1600, 5, true, 800),
            (4, 1600, 5, true, 800),
            (5, 8000, 11, false, 160),
            (6, 1600, 5, true, 800),
            (7, 8000, 11, true, 400),
        ] {
            dtmf.push(at, timestamp, 8000, head(event, end, duration));
        }
        let found: Vec<_> = dtmf
            .events()
            .iter()
            .map(|event| (event.ts_ns, event.digit(), event.duration_ms, event.ended))
            .collect();
        assert_eq!(found, [(1, Some('5'), 100, true), (5, Some('#'), 50, true)]);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut dtmf = Dtmf::default();
        for at in 0..300u32 {
            dtmf.push(u64::from(at), at * 1000, 8000, head(20, true, 1));
            dtmf.push(u64::from(at), at * 1000, 8000, head(20, true, 1));
        }
        assert_eq!((dtmf.events().len(), dtmf.dropped()), (EVENTS_MAX, 44));
        assert_eq!(dtmf.events()[0].digit(), None);
        dtmf.forget_before(250);
        assert_eq!(dtmf.events().len(), 6);
    }
}
