//! Simulated jitter buffers: which packets would have come too late to be played.
//!
//! Transit times are relative: a packet's arrival minus its timestamp, counted from the first
//! packet of its section. Each buffer has an anchor, the transit time that it plays by, and a
//! depth. A packet is played when `transit - anchor <= depth`.
//!
//! * The anchor begins at the first packet, as a receiver's does, and creeps towards the usual
//!   transit time by at most [`SLEW`], which follows any crystal and levels out the luck of the
//!   first packet within a minute or two.
//! * When [`RESYNC_PACKETS`] packets in a row are off the anchor by more than the buffer's resync
//!   distance, late or early, the last of them becomes the new anchor: the path has changed.
//! * `f1` has 50 ms and resyncs at 100 ms, `f2` has 200 ms and resyncs at 200 ms.
//! * `adapt` has one and a half times the worst recent lateness, between 40 and 500 ms. Lateness
//!   is forgotten by 1/2048 a packet. A packet is judged by the depth before it came.
//!
//! Lost packets are no concern of this file: it judges only those that came.

/// Greatest creep of the anchor, as a part of elapsed time.
pub const SLEW: f64 = 200e-6;
/// Packets in a row that move the anchor.
pub const RESYNC_PACKETS: u8 = 25;

/// Depth of the fixed buffers, ms.
pub const DEPTHS_MS: [f32; 2] = [50.0, 200.0];
const DEPTHS_NS: [f64; 2] = [50e6, 200e6];
const RESYNC_NS: [f64; 3] = [100e6, 200e6, 500e6];
const ADAPT_MIN_NS: f64 = 40e6;
const ADAPT_MAX_NS: f64 = 500e6;
const ADAPT_KEPT: f64 = 1.0 - 1.0 / 2048.0;

/// In time for the 50 ms buffer.
pub const F1: u8 = 1;
/// In time for the 200 ms buffer.
pub const F2: u8 = 2;
/// In time for the adaptive buffer.
pub const ADAPT: u8 = 4;
/// In time for all of them.
pub const ALL: u8 = F1 | F2 | ADAPT;

/// The three buffers of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buffers {
    anchors_ns: [f64; 3],
    lateness_ns: f64,
    off: [u8; 3],
}

impl Buffers {
    /// Anchors all buffers at a transit time, as at the start of a talkspurt.
    pub fn anchor(&mut self, transit_ns: f64) {
        self.anchors_ns = [transit_ns; 3];
        self.off = [0; 3];
    }

    /// Depth of the adaptive buffer as it stands, ms.
    #[must_use]
    pub fn adapt_depth_ms(&self) -> f32 {
        ((self.lateness_ns * 1.5).clamp(ADAPT_MIN_NS, ADAPT_MAX_NS) / 1e6) as f32
    }

    /// Takes a packet; the bits of the buffers that can play it.
    ///
    /// `usual_ns` is the usual transit time, `elapsed_ns` the time since the packet before.
    #[inline]
    pub fn push(&mut self, transit_ns: f64, usual_ns: f64, elapsed_ns: f64) -> u8 {
        let creep = elapsed_ns * SLEW;
        let adapt_ns = (self.lateness_ns * 1.5).clamp(ADAPT_MIN_NS, ADAPT_MAX_NS);
        let depths = [DEPTHS_NS[0], DEPTHS_NS[1], adapt_ns];
        let mut played = 0;
        let mut off = false;
        let mut late_ns = 0.0;
        for buffer in 0..3 {
            let anchor = &mut self.anchors_ns[buffer];
            *anchor += (usual_ns - *anchor).clamp(-creep, creep);
            late_ns = transit_ns - *anchor;
            played |= u8::from(late_ns <= depths[buffer]) << buffer;
            off |= late_ns.abs() > RESYNC_NS[buffer] || self.off[buffer] != 0;
        }
        self.lateness_ns = (self.lateness_ns * ADAPT_KEPT).max(late_ns);
        if off { played | self.resync(transit_ns) } else { played }
    }

    /// Counts packets far off the anchors; the bits of buffers that moved to this one.
    #[cold]
    fn resync(&mut self, transit_ns: f64) -> u8 {
        let mut moved = 0;
        let buffers = self.anchors_ns.iter_mut().zip(&mut self.off).zip(RESYNC_NS);
        for (buffer, ((anchor_ns, off), resync_ns)) in buffers.enumerate() {
            let far = (transit_ns - *anchor_ns).abs() > resync_ns;
            *off = if far { *off + 1 } else { 0 };
            if *off >= RESYNC_PACKETS {
                *anchor_ns = transit_ns;
                *off = 0;
                moved |= 1 << buffer;
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f64 = 1e6;

    /// Transit times in ms, 20 ms apart, the usual one being 0.
    fn played(transits_ms: &[f64]) -> Vec<u8> {
        let mut buffers = Buffers::default();
        transits_ms.iter().map(|ms| buffers.push(ms * MS, 0.0, 20.0 * MS)).collect()
    }

    #[test]
    fn fixed_depths_by_hand() {
        let late = [0.0, 40.0, 50.0, 51.0, 199.0, 200.0, 201.0, 0.0];
        let f1: Vec<bool> = played(&late).iter().map(|mask| mask & F1 != 0).collect();
        let f2: Vec<bool> = played(&late).iter().map(|mask| mask & F2 != 0).collect();
        assert_eq!(f1, [true, true, true, false, false, false, false, true]);
        assert_eq!(f2, [true, true, true, true, true, true, false, true]);
    }

    #[test]
    fn the_adaptive_one_learns_from_one_loss() {
        // Depth 40; 60 is lost and makes 90, so 80 is played and makes 120; 121 is lost.
        let masks = played(&[0.0, 40.0, 61.0, 80.0, 121.0, 180.0, 0.0]);
        let adapt: Vec<bool> = masks.iter().map(|mask| mask & ADAPT != 0).collect();
        assert_eq!(adapt, [true, true, false, true, false, true, true]);
        // Never more than 500 ms.
        let masks = played(&[0.0, 450.0, 499.0, 501.0, 700.0]);
        let adapt: Vec<bool> = masks.iter().map(|mask| mask & ADAPT != 0).collect();
        assert_eq!(adapt, [true, false, true, false, false]);
    }

    #[test]
    fn a_new_path_is_followed_after_25_packets() {
        let mut transits = vec![0.0; 10];
        transits.extend([150.0; 40]);
        let lost = played(&transits).iter().filter(|mask| *mask & F1 == 0).count();
        assert_eq!(lost, 24);
        // A backlog after a stall of 300 ms is no new path: 280, 260 … 60 ms are lost.
        let mut transits = vec![0.0; 10];
        transits.extend((0..15).map(|i| 280.0 - 20.0 * f64::from(i)));
        transits.extend([0.0; 30]);
        let masks = played(&transits);
        assert_eq!(masks.iter().filter(|mask| *mask & F1 == 0).count(), 12);
        assert_eq!(masks.iter().filter(|mask| *mask & F2 == 0).count(), 4);
    }

    #[test]
    fn crystals_may_differ() {
        let mut buffers = Buffers::default();
        let mut lost = 0;
        for packet in 0..180_000 {
            // 150 ppm: 540 ms in the hour.
            let transit = f64::from(packet) * 3000.0;
            lost += u32::from(buffers.push(transit, transit, 20.0 * MS) != ALL);
        }
        assert_eq!(lost, 0);
    }
}
