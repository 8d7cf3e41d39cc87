//! The system's clock: records are only as true as it is.

use std::time::Duration;

use ringtap_capture::timekeeping::{Timekeeping, timekeeping};

use super::finding::{Finding, State};

/// An error from which on calls of two sensors no longer fit together.
const ERROR_MAX: Duration = Duration::from_millis(100);

pub(super) fn examine() -> Vec<Finding> {
    match timekeeping() {
        Ok(told) => vec![judge(&told)],
        Err(error) => {
            let what = format!("the kernel does not tell its state ({error})");
            vec![Finding::new(State::Note, "clock", what)]
        }
    }
}

fn judge(told: &Timekeeping) -> Finding {
    let advice = "run chrony or another NTP client";
    if !told.synchronised {
        return Finding::new(State::Warning, "clock", "nothing keeps it right")
            .means("times of records drift, and do not fit those of agents and other sensors")
            .advice(advice);
    }
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (error, most) = (millis(told.error), millis(told.error_max));
    let what = format!("synchronised, error {error:.1} ms, {most:.1} ms at most");
    if told.error > ERROR_MAX {
        return Finding::new(State::Warning, "clock", what)
            .means("times of records do not fit those of agents and other sensors")
            .advice("choose nearer time servers, or wait until it has settled");
    }
    Finding::new(State::Ok, "clock", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_if_something_keeps_it_so() {
        let told = |synchronised, error_ms| Timekeeping {
            synchronised,
            error: Duration::from_millis(error_ms),
            error_max: Duration::from_secs(1),
        };
        assert_eq!(judge(&told(true, 1)).state, State::Ok);
        assert_eq!(judge(&told(true, 101)).state, State::Warning);
        assert_eq!(judge(&told(false, 0)).state, State::Warning);
    }
}
