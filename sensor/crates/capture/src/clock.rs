//! The two times of a frame: what is reported (UNIX) and what orders (never goes back).
//!
//! [`FileClock`] makes an order out of the packet times of capture files, [`LiveClock`] relates
//! the kernel's monotonic stamps to UNIX time. Neither is read per packet.

use crate::sys;

const SECOND_NS: u64 = 1_000_000_000;
/// A frame this far behind the clock, or nearer, is merely out of order.
const BACK_MAX_NS: u64 = SECOND_NS;
/// A frame further ahead than this is not believed at once, and never moves the clock by more.
const FORWARD_MAX_NS: u64 = 3600 * SECOND_NS;
/// So many frames in a row far ahead are a gap in the capture, fewer are wrong stamps.
const FORWARD_BELIEVED: usize = 3;
/// So many frames in a row far behind are a step of the capturing clock, or files joined end to
/// end; fewer are two capturing clocks that differ.
const BACK_BELIEVED: usize = 64;

/// What happened to the times of a file's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockCounts {
    /// Frames a little behind an earlier one; the clock stood still for them.
    pub back: u64,
    /// Frames far from the clock that were not believed; the clock stood still for them.
    pub held: u64,
    /// Steps of the capturing clock, or gaps over an hour, that were believed.
    pub steps: u64,
}

/// Where a frame stands on a [`FileClock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There.
    At(u64),
    /// Where the clock stands. The frame is far from it and not believed, unless those that
    /// follow agree with it.
    Held(u64),
    /// So many held frames before this one, and this one, agree with each other: each of them, in
    /// their order, has its place by [`FileClock::believe`].
    Step(usize),
}

/// Packet times made into a clock that never goes back and is not led astray by a few stamps.
///
/// A frame up to a second behind leaves the clock where it is. Frames far behind, or more than an
/// hour ahead, do too, until several in a row agree: then the clock follows them from the first of
/// them on, without going back and by an hour at most.
#[derive(Clone, Debug, Default)]
pub struct FileClock {
    now_ns: u64,
    shift_ns: i64,
    begun: bool,
    joined: bool,
    /// Frames in a row, the latest the last one, that are held and agree with each other.
    streak: usize,
    streak_ts: u64,
    counts: ClockCounts,
}

impl FileClock {
    /// Moves the clock by a frame's time (UNIX ns) and returns the frame's place on it.
    #[inline]
    pub fn place(&mut self, ts: u64) -> Place {
        let at = ts.saturating_add_signed(self.shift_ns);
        if self.begun && !self.joined && at >= self.now_ns && at - self.now_ns <= FORWARD_MAX_NS {
            self.now_ns = at;
            self.streak = 0;
            return Place::At(at);
        }
        self.place_odd(ts, at)
    }

    /// The place of a frame of a step: the clock follows it wherever it stands.
    pub fn believe(&mut self, ts: u64) -> u64 {
        let at = ts.saturating_add_signed(self.shift_ns);
        let ahead = at > self.now_ns.saturating_add(FORWARD_MAX_NS);
        if ahead || at < self.now_ns.saturating_sub(BACK_MAX_NS) {
            self.follow(ts, at);
        } else {
            self.now_ns = self.now_ns.max(at);
        }
        self.now_ns
    }

    /// The next frame is another file's first: wherever it stands in time, the clock goes on.
    pub fn join(&mut self) {
        self.joined = self.begun;
        self.streak = 0;
    }

    /// So many of the latest frames are held and may yet be believed; below 64.
    pub const fn waiting(&self) -> usize {
        self.streak
    }

    /// Where the clock stands.
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// What happened so far.
    pub const fn counts(&self) -> ClockCounts {
        self.counts
    }

    #[cold]
    fn place_odd(&mut self, ts: u64, at: u64) -> Place {
        if !self.begun {
            self.begun = true;
            self.now_ns = ts;
        } else if self.joined {
            self.joined = false;
            self.follow(ts, at);
        } else if at <= self.now_ns && self.now_ns - at <= BACK_MAX_NS {
            self.counts.back += 1;
            self.streak = 0;
        } else {
            return self.hold(ts, if at > self.now_ns { FORWARD_BELIEVED } else { BACK_BELIEVED });
        }
        Place::At(self.now_ns)
    }

    /// A frame far from the clock: one of `believed` in a row, or not believed.
    fn hold(&mut self, ts: u64, believed: usize) -> Place {
        if ts.abs_diff(self.streak_ts) > FORWARD_MAX_NS {
            self.streak = 0;
        }
        self.streak_ts = ts;
        if self.streak + 1 < believed {
            self.streak += 1;
            self.counts.held += 1;
            return Place::Held(self.now_ns);
        }
        let held = std::mem::take(&mut self.streak);
        self.counts.held -= held as u64;
        self.counts.steps += 1;
        Place::Step(held)
    }

    /// From here on `ts` is the clock's own time, moved forward by an hour at most.
    fn follow(&mut self, ts: u64, at: u64) {
        self.now_ns = at.clamp(self.now_ns, self.now_ns.saturating_add(FORWARD_MAX_NS));
        let shift = i128::from(self.now_ns) - i128::from(ts);
        self.shift_ns = i64::try_from(shift).unwrap_or(if shift < 0 { i64::MIN } else { i64::MAX });
    }
}

/// How often the distance between monotonic and UNIX time is measured.
const MEASURE_NS: u64 = SECOND_NS;
/// A stamp so far ahead of the present is wrong; less is the difference between processors.
const AHEAD_MAX_NS: u64 = 1_000_000;
/// The best of so many samples is taken: the one that was interrupted least.
const SAMPLES: usize = 5;

/// The clock of a live source: the kernel's monotonic clock, with the distance to UNIX time.
///
/// The system's clock may step; then what is reported steps, and what orders does not.
#[derive(Clone, Debug)]
pub struct LiveClock {
    /// UNIX minus monotonic, ns.
    offset_ns: i64,
    measured_ns: u64,
    now_ns: u64,
    last_ns: u64,
    clamped: u64,
}

impl LiveClock {
    /// Measures the distance for the first time.
    pub fn new() -> Self {
        let now_ns = sys::monotonic_ns();
        let offset_ns = measure();
        LiveClock { offset_ns, measured_ns: now_ns, now_ns, last_ns: 0, clamped: 0 }
    }

    /// Reads the clock for a batch, and measures the distance anew every second. Returns now.
    pub fn begin(&mut self) -> u64 {
        self.now_ns = sys::monotonic_ns().max(self.now_ns);
        if self.now_ns - self.measured_ns >= MEASURE_NS {
            self.measure();
        }
        self.now_ns
    }

    /// `(ts, clock)` of a frame that arrived at a monotonic time.
    #[inline]
    pub fn place(&mut self, arrived_ns: u64) -> (u64, u64) {
        let mut at = arrived_ns;
        if at < self.last_ns || at > self.now_ns + AHEAD_MAX_NS {
            self.clamped += 1;
            at = at.clamp(self.last_ns, self.last_ns.max(self.now_ns));
        }
        self.last_ns = at;
        (at.saturating_add_signed(self.offset_ns), at)
    }

    /// `(ts, clock)` of a frame that carries UNIX time, whose distance may have stepped.
    #[inline]
    pub fn place_unix(&mut self, ts: u64) -> (u64, u64) {
        let mut at = ts.saturating_add_signed(self.offset_ns.saturating_neg());
        if at > self.now_ns + AHEAD_MAX_NS || at + MEASURE_NS < self.last_ns {
            self.measure();
            at = ts.saturating_add_signed(self.offset_ns.saturating_neg());
        }
        (ts, self.place(at).1)
    }

    /// Frames whose time had to be put right.
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    #[cold]
    fn measure(&mut self) {
        self.offset_ns = measure();
        self.measured_ns = self.now_ns;
    }
}

impl Default for LiveClock {
    fn default() -> Self {
        Self::new()
    }
}

/// UNIX minus monotonic time, ns.
fn measure() -> i64 {
    let sample = || {
        let before = sys::monotonic_ns();
        let unix = sys::unix_ns();
        let width = sys::monotonic_ns().saturating_sub(before);
        (width, unix.wrapping_sub(before + width / 2).cast_signed())
    };
    (0..SAMPLES).map(|_| sample()).min().map_or(0, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_700_000_000 * SECOND_NS;

    /// The places of frames, each as it is once all of them have come.
    fn placed(clock: &mut FileClock, stamps: &[u64]) -> Vec<u64> {
        let mut places = Vec::new();
        for (at, &ts) in stamps.iter().enumerate() {
            match clock.place(ts) {
                Place::At(place) | Place::Held(place) => places.push(place),
                Place::Step(held) => {
                    places.truncate(at - held);
                    places.extend(stamps[at - held..=at].iter().map(|&ts| clock.believe(ts)));
                }
            }
        }
        places
    }

    #[test]
    fn small_steps_back_stand_still_and_are_counted() {
        let mut clock = FileClock::default();
        assert_eq!(placed(&mut clock, &[T, T + 20, T + 10, T + 30]), [T, T + 20, T + 20, T + 30]);
        assert_eq!(clock.counts(), ClockCounts { back: 1, held: 0, steps: 0 });
    }

    #[test]
    fn one_wrong_stamp_in_either_direction_moves_nothing() {
        let mut clock = FileClock::default();
        assert_eq!(placed(&mut clock, &[T, T * 2, 0, u64::MAX, T + 1]), [T, T, T, T, T + 1]);
        assert_eq!(clock.counts(), ClockCounts { back: 0, held: 3, steps: 0 });
    }

    #[test]
    fn a_long_gap_is_believed_from_its_first_frame_and_counts_as_an_hour() {
        let mut clock = FileClock::default();
        let (later, hour) = (T + 10 * FORWARD_MAX_NS, T + FORWARD_MAX_NS);
        let places = placed(&mut clock, &[T, later, later + 1, later + 2, later + 5]);
        assert_eq!(places, [T, hour, hour + 1, hour + 2, hour + 5]);
        assert_eq!(clock.counts(), ClockCounts { back: 0, held: 0, steps: 1 });
    }

    #[test]
    fn frames_of_a_step_may_be_out_of_order_and_far_apart() {
        let mut clock = FileClock::default();
        let (later, hour) = (T + 10 * FORWARD_MAX_NS, T + FORWARD_MAX_NS);
        let behind = later - FORWARD_MAX_NS / 2;
        let stamps = [T, later, later - 9, behind, behind + 7];
        assert_eq!(placed(&mut clock, &stamps), [T, hour, hour, hour, hour + 7]);
    }

    #[test]
    fn a_clock_set_back_goes_on_from_where_it_was() {
        let mut clock = FileClock::default();
        let back = T - 7 * FORWARD_MAX_NS;
        let mut stamps = vec![T];
        stamps.extend((0..BACK_BELIEVED as u64).map(|i| back + i));
        let places = placed(&mut clock, &stamps);
        let expected: Vec<u64> = (0..BACK_BELIEVED as u64).map(|i| T + i).collect();
        assert_eq!(places[1..], expected);
        assert_eq!(placed(&mut clock, &[back + 1000]), [T + 1000]);
        assert_eq!(clock.counts(), ClockCounts { back: 0, held: 0, steps: 1 });
    }

    #[test]
    fn two_capturing_clocks_five_seconds_apart_do_not_run_away() {
        let mut clock = FileClock::default();
        for i in 0..10_000 {
            clock.place(T + i * 1000);
            clock.place(T + i * 1000 - 5 * SECOND_NS);
        }
        assert_eq!(clock.now_ns(), T + 9_999_000);
        assert_eq!(clock.counts().steps, 0);
    }

    #[test]
    fn a_file_from_another_day_goes_on_at_once() {
        let mut clock = FileClock::default();
        placed(&mut clock, &[T]);
        clock.join();
        assert_eq!(placed(&mut clock, &[T / 2, T / 2 + 9]), [T, T + 9]);
        clock.join();
        let hour = T + 9 + FORWARD_MAX_NS;
        assert_eq!(placed(&mut clock, &[T, T + 1]), [hour, hour + 1]);
    }

    #[test]
    fn frames_held_at_the_end_of_a_file_do_not_count_in_the_next() {
        let mut clock = FileClock::default();
        placed(&mut clock, &[T, T * 2, T * 2]);
        assert_eq!(clock.waiting(), 2);
        clock.join();
        assert_eq!(clock.waiting(), 0);
        assert_eq!(placed(&mut clock, &[T + 1, T * 2]), [T + 1, T + 1]);
        assert_eq!(clock.counts(), ClockCounts { back: 0, held: 3, steps: 0 });
    }

    #[test]
    fn live_frames_are_ordered_and_dated() {
        let mut clock = LiveClock::new();
        let now = clock.begin();
        let (ts, at) = clock.place(now - 500);
        assert_eq!(at, now - 500);
        assert!(ts.abs_diff(sys::unix_ns()) < SECOND_NS, "{ts}");
        assert_eq!(clock.place(now - 600).1, now - 500, "never back");
        assert_eq!(clock.place(now + SECOND_NS).1, now, "never ahead of the present");
        assert_eq!(clock.place(now + 1).1, now + 1);
        assert_eq!(clock.clamped(), 2);
    }

    #[test]
    fn unix_stamps_become_monotonic_even_after_a_step() {
        let mut clock = LiveClock::new();
        let now = clock.begin();
        let unix = now.saturating_add_signed(clock.offset_ns);
        let (ts, at) = clock.place_unix(unix - 1000);
        assert_eq!((ts, at), (unix - 1000, now - 1000));
        // The clock was an hour behind when the distance was last measured.
        clock.offset_ns -= 3600 * 1_000_000_000;
        let (ts, at) = clock.place_unix(unix);
        assert_eq!(ts, unix);
        assert!(at.abs_diff(now) < SECOND_NS, "{at} {now}");
    }

    proptest::proptest! {
        #[test]
        fn it_never_goes_back(
            stamps in proptest::collection::vec(proptest::num::u64::ANY, 0..300),
        ) {
            let places = placed(&mut FileClock::default(), &stamps);
            proptest::prop_assert_eq!(places.len(), stamps.len());
            proptest::prop_assert!(places.is_sorted());
        }
    }
}
