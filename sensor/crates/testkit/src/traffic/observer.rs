//! Counts what arrives of one stream at the capture point, knowing every packet's number.

use super::truth::BURSTS;

/// What has been seen of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Observer {
    pub(super) received: u64,
    pub(super) reordered: u64,
    pub(super) duplicate: u64,
    pub(super) mirror_copies: u64,
    pub(super) first_ns: Option<u64>,
    pub(super) last_ns: Option<u64>,
    pub(super) bursts: [u64; BURSTS],
    pub(super) digits_seen: u32,
    lowest: Option<u32>,
    highest: u32,
    run: u64,
    any_passed: bool,
    jitter: Jitter,
}

/// The estimator of RFC 3550 section 6.4.1, in ms.
#[derive(Clone, Debug, Default)]
struct Jitter {
    last: Option<(u64, u32)>,
    now: f64,
    max: f64,
    sum: f64,
    count: u64,
}

/// An arriving packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) ts_ns: u64,
    /// Number since the stream's start.
    pub(super) index: u32,
    /// Sent again by its sender.
    pub(super) again: bool,
    /// RTP timestamp of an audio packet.
    pub(super) audio_timestamp: Option<u32>,
    /// Which dialled digit it carries.
    pub(super) digit: Option<u32>,
}

impl Observer {
    /// The network lets the stream's next packet through, or not. Called in order of sending.
    pub(super) fn sent(&mut self, lost: bool) {
        if lost {
            self.run += 1;
            return;
        }
        if self.any_passed && self.run > 0 {
            let at = (self.run as usize).min(BURSTS) - 1;
            self.bursts[at] += 1;
        }
        self.any_passed = true;
        self.run = 0;
    }

    /// A packet arrives. Called in the order of the file.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        self.first_ns.get_or_insert(arrival.ts_ns);
        self.last_ns = Some(arrival.ts_ns);
        if arrival.again {
            self.duplicate += 1;
            return;
        }
        if self.lowest.is_some() && arrival.index < self.highest {
            self.reordered += 1;
        }
        self.received += 1;
        self.lowest = Some(self.lowest.map_or(arrival.index, |low| low.min(arrival.index)));
        self.highest = self.highest.max(arrival.index);
        if let Some(timestamp) = arrival.audio_timestamp {
            self.jitter.packet(arrival.ts_ns, timestamp);
        }
        if let Some(digit) = arrival.digit {
            self.digits_seen |= 1 << digit;
        }
    }

    /// Packets from the lowest to the highest that arrived.
    pub(super) fn expected(&self) -> u64 {
        self.lowest.map_or(0, |low| u64::from(self.highest - low) + 1)
    }

    /// Packets missing among them.
    pub(super) fn lost_inside(&self) -> u64 {
        self.expected() - self.received
    }

    /// Number of the highest packet that arrived.
    pub(super) fn highest(&self) -> u32 {
        self.highest
    }

    /// The estimator now, in timestamp units of 8000 Hz.
    pub(super) fn jitter_units(&self) -> u32 {
        (self.jitter.now * 8.0) as u32
    }

    /// Mean and maximum of the estimator, in ms.
    pub(super) fn jitter_ms(&self) -> (f64, f64) {
        let count = self.jitter.count.max(1) as f64;
        (self.jitter.sum / count, self.jitter.max)
    }
}

impl Jitter {
    fn packet(&mut self, ts_ns: u64, timestamp: u32) {
        if let Some((last_ns, last_timestamp)) = self.last {
            let arrival_ms = (ts_ns - last_ns) as f64 / 1e6;
            let media_ms = f64::from(timestamp.wrapping_sub(last_timestamp) as i32) / 8.0;
            let difference = (arrival_ms - media_ms).abs();
            self.now += (difference - self.now) / 16.0;
            self.max = self.max.max(self.now);
            self.sum += self.now;
            self.count += 1;
        }
        self.last = Some((ts_ns, timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Observer};

    fn arrival(index: u32, again: bool) -> Arrival {
        let ts_ns = 1_000 * u64::from(index);
        Arrival { ts_ns, index, again, audio_timestamp: None, digit: None }
    }

    #[test]
    fn losses_at_the_edges_are_no_bursts() {
        let mut observer = Observer::default();
        for lost in [true, false, true, true, false, true] {
            observer.sent(lost);
        }
        observer.arrived(arrival(1, false));
        observer.arrived(arrival(4, false));
        assert_eq!(observer.lost_inside(), 2);
        assert_eq!(observer.bursts[..3], [0, 1, 0]);
    }

    #[test]
    fn an_overtaken_packet_is_reordered_once_and_its_duplicate_never() {
        let mut observer = Observer::default();
        for (index, again) in [(0, false), (2, false), (1, false), (1, true), (3, false)] {
            observer.arrived(arrival(index, again));
        }
        assert_eq!((observer.received, observer.reordered, observer.duplicate), (4, 1, 1));
        assert_eq!(observer.lost_inside(), 0);
    }

    #[test]
    fn jitter_follows_the_formula() {
        let mut observer = Observer::default();
        // 20 ms of media arrive after 24 ms, then after 16 ms: differences of 4 ms both times.
        for (ts_ms, index) in [(0u64, 0u32), (24, 1), (40, 2)] {
            let audio_timestamp = Some(index * 160);
            let ts_ns = ts_ms * 1_000_000;
            let packet = Arrival { ts_ns, audio_timestamp, ..arrival(index, false) };
            observer.arrived(packet);
        }
        let second = 0.25 + (4.0 - 0.25) / 16.0;
        assert_eq!(observer.jitter_ms(), ((0.25 + second) / 2.0, second));
    }
}
