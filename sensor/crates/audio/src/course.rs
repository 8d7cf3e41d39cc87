//! Where on the common time line each packet of one stream belongs.
//!
//! Its first packet stands where it arrived; from there on timestamps count. They are left only
//! where they cannot be true, and the arrival of the packet at hand is then the new beginning:
//!
//! * a packet that was there [`OFF_MS_MAX`] before its own timestamp (the clock jumped ahead, or
//!   the first packet had been held up);
//! * one as much behind it that opens a talkspurt, or is the last of such packets for
//!   [`BEHIND_MS_MAX`] (a pause during which the clock stood still). Less is the network's doing:
//!   packets that were held up together still stand where they were spoken;
//! * another clock rate.

/// How far the arrival may be off the timestamp, in ms.
const OFF_MS_MAX: i64 = 500;
/// How long packets may all arrive behind their timestamps, in ms.
const BEHIND_MS_MAX: i64 = 5000;
/// The most that a packet may be behind, in ms; less than the time that packets are held.
const LATE_MS_MAX: i64 = 8000;
/// A packet is out of order, not the first of a new numbering, up to this many behind the newest.
const MISORDER_MAX: i16 = 1000;

/// What places a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Arrival, in frames of the recording.
    pub(crate) arrival: i64,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// Frames of the recording in a second, and in a unit of the timestamp.
    pub(crate) rate: u32,
    pub(crate) unit: u32,
    /// The first of a talkspurt.
    pub(crate) marker: bool,
}

/// A timestamp and where it stands.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    position: i64,
    timestamp: u32,
    unit: u32,
}

impl Anchor {
    fn at(mark: &Mark) -> Self {
        Self { position: mark.arrival, timestamp: mark.timestamp, unit: mark.unit }
    }

    /// Where a timestamp stands that is less than half a turn away.
    fn position(&self, timestamp: u32) -> i64 {
        let ticks = timestamp.wrapping_sub(self.timestamp) as i32;
        self.position.saturating_add(i64::from(ticks) * i64::from(self.unit))
    }
}

/// The course of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    newest: Option<u16>,
    /// Of the newest packet, and of what was before the last new beginning.
    anchor: Option<Anchor>,
    former: Option<Anchor>,
    behind_since: Option<i64>,
    /// New beginnings after the first.
    pub(crate) jumps: u64,
}

impl Course {
    /// A packet without audio: only its number counts.
    pub(crate) fn pass(&mut self, sequence: u16) {
        if self.is_news(sequence) {
            self.newest = Some(sequence);
        }
    }

    /// The position of a packet with audio, in frames.
    pub(crate) fn place(&mut self, mark: &Mark) -> i64 {
        let news = self.is_news(mark.sequence);
        let Some(anchor) = self.anchor else { return self.begin(mark) };
        let position = anchor.position(mark.timestamp);
        if !news {
            return self.late(mark, position);
        }
        let frames = |ms: i64| ms * i64::from(mark.rate) / 1000;
        let off = mark.arrival - position;
        let behind = off > frames(OFF_MS_MAX);
        let since = *self.behind_since.get_or_insert(mark.arrival);
        if !behind {
            self.behind_since = None;
        }
        let for_long = behind && mark.arrival - since > frames(BEHIND_MS_MAX);
        if off < -frames(OFF_MS_MAX)
            || (behind && mark.marker)
            || for_long
            || off > frames(LATE_MS_MAX)
            || anchor.unit != mark.unit
        {
            self.jumps += 1;
            return self.begin(mark);
        }
        self.newest = Some(mark.sequence);
        self.anchor = Some(Anchor { position, timestamp: mark.timestamp, unit: mark.unit });
        position
    }

    /// Ahead of the newest packet, or of another numbering.
    fn is_news(&self, sequence: u16) -> bool {
        let ahead = |newest: u16| sequence.wrapping_sub(newest) as i16;
        self.newest.is_none_or(|newest| !(-MISORDER_MAX..=0).contains(&ahead(newest)))
    }

    fn begin(&mut self, mark: &Mark) -> i64 {
        self.former = self.anchor;
        self.anchor = Some(Anchor::at(mark));
        self.newest = Some(mark.sequence);
        self.behind_since = None;
        mark.arrival
    }

    /// A packet that others have overtaken, perhaps at a new beginning: whichever side of it is
    /// nearer to its arrival.
    fn late(&self, mark: &Mark, position: i64) -> i64 {
        let former = self.former.map(|former| former.position(mark.timestamp));
        let off = |position: i64| (mark.arrival.saturating_sub(position)).unsigned_abs();
        former.filter(|former| off(*former) < off(position)).unwrap_or(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: i64 = 8000;

    /// A packet of 8 kHz that arrives at `ms`.
    fn mark(ms: i64, sequence: u16, timestamp: u32) -> Mark {
        let arrival = ms * RATE / 1000;
        Mark { arrival, sequence, timestamp, rate: RATE as u32, unit: 1, marker: false }
    }

    fn run(marks: &[Mark]) -> (Vec<i64>, u64) {
        let mut course = Course::default();
        let places = marks.iter().map(|mark| course.place(mark) * 1000 / RATE).collect();
        (places, course.jumps)
    }

    #[test]
    fn timestamps_count_and_arrivals_do_not() {
        let top = u32::MAX - 200;
        let ticks = |n: u32| top.wrapping_add(n * 160);
        let given = [
            mark(100, u16::MAX, ticks(0)),
            mark(150, 1, ticks(2)),
            mark(151, 0, ticks(1)),
            mark(400, 2, ticks(3)),
            mark(161, 2, ticks(3)),
        ];
        assert_eq!(run(&given), (vec![100, 140, 120, 160, 160], 0));
    }

    #[test]
    fn packets_held_up_together_stand_where_they_were_spoken() {
        let mut given = vec![mark(0, 1, 0)];
        given.extend((1..=150).map(|n| mark(3000, 1 + n, u32::from(n) * 160)));
        given.extend((151..=300).map(|n| mark(i64::from(n) * 20, 1 + n, u32::from(n) * 160)));
        let (places, jumps) = run(&given);
        assert_eq!(places, (0..=300).map(|n| n * 20).collect::<Vec<i64>>());
        assert_eq!(jumps, 0);
    }

    #[test]
    fn a_clock_that_stood_still_begins_anew() {
        // With the marker at once, without it after five seconds.
        let paused = mark(10_000, 2, 160);
        assert_eq!(run(&[mark(0, 1, 0), paused]).0, [0, 10_000]);
        let spurt = Mark { marker: true, ..mark(2000, 2, 160) };
        assert_eq!(run(&[mark(0, 1, 0), spurt, mark(2020, 3, 320)]), (vec![0, 2000, 2020], 1));
        let mut given = vec![mark(0, 1, 0)];
        given.extend(
            (1..=400).map(|n: u16| mark(2000 + i64::from(n) * 20, n + 1, u32::from(n) * 160)),
        );
        let (places, jumps) = run(&given);
        assert_eq!((places[100], places[400]), (2000, 10_000));
        assert_eq!(jumps, 1);
    }

    #[test]
    fn jumps_of_the_clock_follow_the_arrival() {
        let given = [
            mark(0, 1, 0),
            mark(20, 2, 0x7000_0000),
            mark(40, 3, 0x7000_00a0),
            mark(60, 4, 5),
            mark(61, 0, 0xffff_ff60),
        ];
        assert_eq!(run(&given).0[..4], [0, 20, 40, 60]);
        let wide = Mark { unit: 2, ..mark(80, 5, 99) };
        assert_eq!(run(&[mark(0, 1, 0), mark(60, 4, 5), wide]), (vec![0, 0, 80], 1));
    }

    #[test]
    fn a_packet_overtaken_at_a_new_beginning_keeps_its_place() {
        let given = [mark(0, 1, 0), mark(50, 3, 0x4000_0000), mark(51, 2, 160)];
        assert_eq!(run(&given).0, [0, 50, 20]);
    }
}
