//! Sums over many calls: how many were answered, the ratios of RFC 6076 and of ITU-T E.425, and
//! how delays, durations and scores are spread.
//!
//! It takes one [`Fact`] a call, from whoever has them. All ratios are in percent of calls, not of
//! INVITEs: a call with authentication, redirection or forks counts once (RFC 6076 §5.2, §5.3).

/// What the sums need to know of one call. Spans are microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fact {
    /// From the answer to the end; `None`: not answered.
    pub connect_duration_us: Option<u64>,
    /// How it ended, in the code of the schema.
    pub bye: u8,
    /// The last response's number.
    pub response: Option<u16>,
    /// From the first INVITE to the first 18x or 200.
    pub progress_time_us: Option<u64>,
    /// Session Request Delay of a call that was not refused.
    pub srd_us: Option<u64>,
    /// Session Request Delay of one that was.
    pub srd_failed_us: Option<u64>,
    /// Session Disconnect Delay.
    pub sdd_us: Option<u64>,
    /// Session Duration Time.
    pub sdt_us: Option<u64>,
    /// The same where nobody answered the BYE.
    pub sdt_failed_us: Option<u64>,
    /// Mean MOS of its streams behind a fixed buffer of 50 ms.
    pub mos: Option<f32>,
    /// The lowest MOS of any of them.
    pub mos_min: Option<f32>,
}

/// Values that one [`Spread`] keeps for its percentiles at most.
pub const SAMPLES_MAX: usize = 4_000_000;

/// How one quantity is spread.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    count: u64,
    sum: f64,
    samples: Vec<f32>,
}

impl Spread {
    fn add(&mut self, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        self.count += 1;
        self.sum += value;
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(value as f32);
        }
    }

    /// How many calls have it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The smallest values below or at which so many percent lie (nearest rank), of the first
    /// [`SAMPLES_MAX`] calls.
    pub fn percentiles<const N: usize>(&mut self, percents: [f64; N]) -> [Option<f64>; N] {
        self.samples.sort_unstable_by(f32::total_cmp);
        percents.map(|percent| {
            let rank = (percent / 100.0 * self.samples.len() as f64).ceil() as usize;
            self.samples.get(rank.max(1) - 1).map(|value| f64::from(*value))
        })
    }
}

/// Sums over calls.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Calls.
    pub calls: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that ended with a redirection.
    pub redirected: u64,
    /// Calls that came through to the other user: answered, busy, not answered, declined.
    pub effective: u64,
    /// Calls whose last response is one of those that speak of a user (480, 486, 600, 603).
    pub refused_by_user: u64,
    /// Calls that failed for the network's sake (408, 500, 503, 504).
    pub ineffective: u64,
    /// Calls that were answered and ended by a BYE that was confirmed.
    pub completed: u64,
    /// First INVITE to first 18x or 200, seconds.
    pub pdd: Spread,
    /// Session Request Delay, seconds.
    pub srd: Spread,
    /// Session Request Delay of refused calls, seconds.
    pub srd_failed: Spread,
    /// Session Disconnect Delay, seconds.
    pub sdd: Spread,
    /// Session Duration Time, seconds.
    pub sdt: Spread,
    /// Session Duration Time without an answer to the BYE, seconds.
    pub sdt_failed: Spread,
    /// Duration of answered calls, seconds.
    pub duration: Spread,
    /// Mean MOS.
    pub mos: Spread,
    /// Lowest MOS.
    pub mos_min: Spread,
}

impl Totals {
    /// One more call.
    pub fn add(&mut self, call: &Fact) {
        let answered = call.connect_duration_us.is_some();
        let response = call.response.filter(|_| !answered).unwrap_or_default();
        let by_user = matches!(response, 480 | 486 | 600 | 603);
        self.calls += 1;
        self.answered += u64::from(answered);
        self.redirected += u64::from((300..400).contains(&response));
        self.refused_by_user += u64::from(by_user);
        // A call that its caller gave up (487) has rung in vain: nobody answered.
        self.effective += u64::from(answered || by_user || response == 487);
        self.ineffective += u64::from(matches!(response, 408 | 500 | 503 | 504));
        self.completed += u64::from(answered && call.bye == 3);
        let seconds = |us: Option<u64>| us.map(|us| us as f64 / 1e6);
        self.pdd.add(seconds(call.progress_time_us));
        self.srd.add(seconds(call.srd_us));
        self.srd_failed.add(seconds(call.srd_failed_us));
        self.sdd.add(seconds(call.sdd_us));
        self.sdt.add(seconds(call.sdt_us));
        self.sdt_failed.add(seconds(call.sdt_failed_us));
        self.duration.add(seconds(call.connect_duration_us));
        self.mos.add(call.mos.map(f64::from));
        self.mos_min.add(call.mos_min.map(f64::from));
    }

    /// Answer-Seizure Ratio (ITU-T E.425): answered of all.
    pub fn asr(&self) -> Option<f64> {
        percent(self.answered, self.calls)
    }

    /// Network Effectiveness Ratio (ITU-T E.425): answered, user busy (486, 600), no answer (480,
    /// 487) or declined (603) of all. E.425 has the outcomes; the codes for them are our reading.
    pub fn ner(&self) -> Option<f64> {
        percent(self.effective, self.calls)
    }

    /// Session Establishment Ratio (RFC 6076 §4.6): answered, of all but redirected ones.
    pub fn ser(&self) -> Option<f64> {
        percent(self.answered, self.calls - self.redirected)
    }

    /// Session Establishment Effectiveness Ratio (RFC 6076 §4.7): answered or refused by a user
    /// (480, 486, 600, 603), of all but redirected ones.
    pub fn seer(&self) -> Option<f64> {
        percent(self.answered + self.refused_by_user, self.calls - self.redirected)
    }

    /// Ineffective Session Attempts (RFC 6076 §4.8): 408, 500, 503 and 504 of all.
    pub fn isa(&self) -> Option<f64> {
        percent(self.ineffective, self.calls)
    }

    /// Session Completion Ratio (RFC 6076 §4.9): set up and ended in order, of all.
    pub fn scr(&self) -> Option<f64> {
        percent(self.completed, self.calls)
    }
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(response: u16) -> Fact {
        Fact { response: Some(response), ..Fact::default() }
    }

    fn answered(bye: u8) -> Fact {
        let response = Some(200);
        Fact { connect_duration_us: Some(60_000_000), bye, response, ..Fact::default() }
    }

    #[test]
    fn ratios() {
        let mut totals = Totals::default();
        assert_eq!((totals.asr(), totals.ser(), totals.scr()), (None, None, None));
        let failed = [302, 404, 408, 480, 486, 487, 503, 603].map(refused);
        for call in failed.iter().chain(&[answered(3), answered(2)]) {
            totals.add(call);
        }
        // 10 calls: 2 answered (1 in order), 1 redirected, 3 refused by a user, 1 given up.
        assert_eq!((totals.asr(), totals.ner()), (Some(20.0), Some(60.0)));
        assert_eq!(totals.ser().map(|p| (p * 9.0).round()), Some(200.0));
        assert_eq!(totals.seer().map(|p| (p * 9.0).round()), Some(500.0));
        assert_eq!((totals.isa(), totals.scr()), (Some(20.0), Some(10.0)));
        assert_eq!(totals.duration.mean(), Some(60.0));
        // Only redirections: nothing to be established.
        let mut totals = Totals::default();
        totals.add(&refused(301));
        assert_eq!((totals.ser(), totals.asr()), (None, Some(0.0)));
    }

    #[test]
    fn spreads() {
        let mut spread = Spread::default();
        assert_eq!((spread.mean(), spread.percentiles([50.0])), (None, [None]));
        for value in (1..=100).rev() {
            spread.add(Some(f64::from(value)));
        }
        spread.add(None);
        spread.add(Some(f64::NAN));
        assert_eq!((spread.count(), spread.mean()), (100, Some(50.5)));
        let found = spread.percentiles([0.0, 50.0, 95.0, 100.0]);
        assert_eq!(found, [Some(1.0), Some(50.0), Some(95.0), Some(100.0)]);
    }
}
