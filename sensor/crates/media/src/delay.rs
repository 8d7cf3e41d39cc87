//! Delay variation: how much later than usual packets came, as a histogram.
//!
//! "Usual" is an exponential mean over about 30 packets. Clock drift moves that mean and is
//! therefore not counted. Absolute delay cannot be seen at one point of the network.

/// Lower edges of the buckets in ms, as the database columns `d50` to `d300` name them.
pub const EDGES_MS: [u16; 7] = [50, 70, 90, 120, 150, 200, 300];

const MEAN_WEIGHT: f64 = 1.0 / 30.0;
const FIRST_EDGE_NS: f64 = 50e6;

/// The usual transit time, relative to the section's first packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delay {
    mean_ns: f64,
}

impl Delay {
    /// Takes a packet's transit time; its bucket when it came 50 ms or more later than usual.
    #[inline]
    pub fn push(&mut self, transit_ns: f64) -> Option<usize> {
        let late_ns = transit_ns - self.mean_ns;
        self.mean_ns += late_ns * MEAN_WEIGHT;
        if late_ns < FIRST_EDGE_NS { None } else { bucket(late_ns) }
    }

    /// Begins anew at a transit time, as after a pause.
    pub fn anchor(&mut self, transit_ns: f64) {
        self.mean_ns = transit_ns;
    }

    /// The usual transit time, ns.
    #[must_use]
    #[inline]
    pub fn mean_ns(&self) -> f64 {
        self.mean_ns
    }
}

#[cold]
fn bucket(late_ns: f64) -> Option<usize> {
    EDGES_MS.iter().rposition(|edge| late_ns >= f64::from(*edge) * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_by_hand() {
        for (late_ms, expected) in [
            (0.0, None),
            (49.9, None),
            (50.0, Some(0)),
            (69.9, Some(0)),
            (70.0, Some(1)),
            (119.0, Some(2)),
            (120.0, Some(3)),
            (199.0, Some(4)),
            (200.0, Some(5)),
            (300.0, Some(6)),
            (5000.0, Some(6)),
            (-80.0, None),
        ] {
            assert_eq!(Delay::default().push(late_ms * 1e6), expected, "{late_ms} ms");
        }
    }

    #[test]
    fn drift_is_not_variation() {
        let mut delay = Delay::default();
        // 100 ppm over an hour of 20 ms packets: 360 ms in all.
        let late = (0..180_000).filter(|i| delay.push(f64::from(*i) * 2000.0).is_some()).count();
        assert_eq!(late, 0);
        assert!(delay.mean_ns() > 359e6);
    }
}
