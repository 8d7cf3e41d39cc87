//! The network between a sender and the capture point: loss and delay of one direction.

use super::plan::{Loss, Plan};
use crate::rng::Rng;

/// Standard deviations at which the delay is cut off.
const CUT: f64 = 3.0;
/// Least distance of two packets that keep their order.
const GAP_NS: u64 = 2_000;

/// State of one direction's way.
#[derive(Clone, Debug)]
pub(super) struct Path {
    rng: Rng,
    loss: Loss,
    in_burst: bool,
    jitter_ns: f64,
    last_ns: u64,
}

/// Longest delay of any packet.
pub(super) fn delay_max_ns(plan: &Plan) -> u64 {
    (2.0 * CUT * plan.jitter_ms * 1e6) as u64
}

impl Path {
    pub(super) fn new(plan: &Plan, rng: Rng) -> Self {
        let jitter_ns = plan.jitter_ms * 1e6;
        Self { rng, loss: plan.loss, in_burst: false, jitter_ns, last_ns: 0 }
    }

    /// Whether the next packet gets lost.
    pub(super) fn loses(&mut self) -> bool {
        match self.loss {
            Loss::Independent(share) => self.rng.chance(share),
            Loss::Burst { share, burst } => {
                // Two states (Gilbert): a burst ends with 1/length after each packet, and begins
                // so often that the share comes out. A start probability above one is capped.
                let change =
                    if self.in_burst { 1.0 / burst } else { share / ((1.0 - share) * burst) };
                if self.rng.chance(change) {
                    self.in_burst = !self.in_burst;
                }
                self.in_burst
            }
        }
    }

    /// When a packet sent at `sent_ns` arrives, behind all that were asked for before.
    pub(super) fn arrival_ns(&mut self, sent_ns: u64) -> u64 {
        if self.jitter_ns == 0.0 {
            return sent_ns;
        }
        let deviation = loop {
            let n = self.rng.normal();
            if n.abs() <= CUT {
                break n;
            }
        };
        let delay = ((CUT + deviation) * self.jitter_ns) as u64;
        self.last_ns = (sent_ns + delay).max(self.last_ns + GAP_NS);
        self.last_ns
    }
}

#[cfg(test)]
mod tests {
    use super::{Loss, Path, Plan, delay_max_ns};
    use crate::rng::Rng;

    fn path(plan: &Plan) -> Path {
        Path::new(plan, Rng::new(1))
    }

    #[test]
    fn bursts_have_the_wanted_share_and_length() {
        let loss = Loss::Burst { share: 0.05, burst: 4.0 };
        let mut path = path(&Plan { loss, ..Plan::default() });
        let (mut lost, mut bursts, mut before) = (0u32, 0u32, false);
        for _ in 0..1_000_000 {
            let now = path.loses();
            lost += u32::from(now);
            bursts += u32::from(now && !before);
            before = now;
        }
        let share = f64::from(lost) / 1e6;
        let length = f64::from(lost) / f64::from(bursts);
        assert!((share - 0.05).abs() < 0.003, "{share}");
        assert!((length - 4.0).abs() < 0.2, "{length}");
    }

    #[test]
    fn delay_is_bounded_and_keeps_the_order() {
        let plan = Plan { jitter_ms: 30.0, ..Plan::default() };
        let mut path = path(&plan);
        let mut last = 0;
        for tick in 0..10_000u64 {
            let sent = tick * 20_000_000;
            let arrival = path.arrival_ns(sent);
            assert!(arrival > last && arrival >= sent);
            assert!(arrival - sent <= delay_max_ns(&plan) + 1_000_000);
            last = arrival;
        }
    }
}
