//! Interarrival jitter, RFC 3550 §6.4.1, in nanoseconds.
//!
//! The running estimate takes every media packet in the order of arrival, duplicates and late
//! ones too, each against the one that arrived before it. Its mean and maximum leave out what
//! Wireshark leaves out, so that figures can be compared: packets with the marker bit, comfort
//! noise and the packet after it. Events (digits) repeat one timestamp and take no part at all.
//!
//! Against Wireshark 4.0: the mean is equal to four digits, with loss, duplicates and reordering
//! too; with many marker packets or noise it differs by some 0.5 %, because Wireshark divides by
//! packets that it did not add. Its later versions measure from the last packet in sequence, not
//! the last that arrived, so that heavy reordering differs there; RFC 3550 says arrival. One
//! difference remains on purpose: Wireshark measures the first packet after a digit from the
//! digit's arrival, but from the timestamp before the digit, and sees a jump where there is none.
//! Old versions show the mean of the differences `|D|` under the same name; that sum is kept too.

/// The running estimate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter {
    estimate_ns: f64,
}

impl Jitter {
    /// Takes one difference in transit time and returns the new estimate, ns.
    #[inline]
    pub fn push(&mut self, difference_ns: f64) -> f64 {
        self.estimate_ns += (difference_ns.abs() - self.estimate_ns) / 16.0;
        self.estimate_ns
    }
}

/// Sum, count and maximum of the estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterSum {
    /// Sum of the estimates, ns.
    pub estimates_ns: f64,
    /// Sum of the differences, ns.
    pub differences_ns: f64,
    /// Packets counted.
    pub count: u32,
    /// Greatest estimate, ns.
    pub max_ns: f32,
}

impl JitterSum {
    /// Counts one packet.
    #[inline]
    pub fn push(&mut self, estimate_ns: f64, difference_ns: f64) {
        self.estimates_ns += estimate_ns;
        self.differences_ns += difference_ns.abs();
        self.count += 1;
        self.max_ns = self.max_ns.max(estimate_ns as f32);
    }

    /// Adds a later part of the stream.
    pub fn merge(&mut self, later: &Self) {
        self.estimates_ns += later.estimates_ns;
        self.differences_ns += later.differences_ns;
        self.count += later.count;
        self.max_ns = self.max_ns.max(later.max_ns);
    }

    /// Mean of the running estimate, ms.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f32> {
        (self.count > 0).then(|| (self.estimates_ns / f64::from(self.count) / 1e6) as f32)
    }

    /// Mean of the differences, ms.
    #[must_use]
    pub fn mean_difference_ms(&self) -> Option<f32> {
        (self.count > 0).then(|| (self.differences_ns / f64::from(self.count) / 1e6) as f32)
    }

    /// Greatest running estimate, ms.
    #[must_use]
    pub fn max_ms(&self) -> Option<f32> {
        (self.count > 0).then_some(self.max_ns / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // |D| 16, 0, 32 ms: J = 1, 0.9375, 2.87890625 ms.
        let mut jitter = Jitter::default();
        let mut sum = JitterSum::default();
        let estimates: Vec<f64> = [16e6, 0.0, -32e6]
            .into_iter()
            .map(|difference| {
                let estimate = jitter.push(difference);
                sum.push(estimate, difference);
                estimate / 1e6
            })
            .collect();
        assert_eq!(estimates, [1.0, 0.9375, 2.878_906_25]);
        assert_eq!(sum.mean_difference_ms(), Some(16.0));
        assert!((sum.mean_ms().unwrap() - 4.816_406_3 / 3.0).abs() < 1e-6);
        assert!((sum.max_ms().unwrap() - 2.878_906_3).abs() < 1e-6);
        assert_eq!(JitterSum::default().mean_ms(), None);
    }
}
