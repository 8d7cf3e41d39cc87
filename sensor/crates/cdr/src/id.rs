//! Record IDs: 63 bits, 31 of seconds since 2020, 16 of sensor, 16 of sequence, so that every
//! sensor names its records by itself and IDs sort by time.
//!
//! It reads no clock (the caller gives the time) and asks no database.

/// 2020-01-01T00:00:00Z in UNIX seconds: where the IDs begin to count.
pub const EPOCH_S: u64 = 1_577_836_800;

/// The last second that fits (year 2088).
pub const SECONDS_MAX: u64 = (1 << 31) - 1;

/// Gives out IDs in growing order, at most 65,536 for one second; more borrow from the next.
#[derive(Clone, Debug)]
pub struct IdSource {
    sensor: u16,
    next: u64,
}

impl IdSource {
    /// IDs of the sensor `sensor` (0: none). None of them is 0, which stands for no ID.
    pub fn new(sensor: u16) -> Self {
        Self { sensor, next: 1 }
    }

    /// The next ID at UNIX time `now_us`; never one that this source gave before, also when the
    /// time stands still or goes back.
    pub fn next(&mut self, now_us: u64) -> u64 {
        let second = (now_us / 1_000_000).saturating_sub(EPOCH_S).min(SECONDS_MAX);
        // 47 bits: the second, then the sequence; the sensor is put between them.
        let place = self.next.max(second << 16);
        self.next = place + 1;
        compose(place >> 16, self.sensor, place as u16)
    }
}

/// The ID of its parts; seconds since 2020, clamped to 31 bits.
pub fn compose(second: u64, sensor: u16, sequence: u16) -> u64 {
    (second.min(SECONDS_MAX) << 32) | (u64::from(sensor) << 16) | u64::from(sequence)
}

/// The ID after `id` for the same sensor: the next sequence number, or the next second's first.
pub fn successor(id: u64) -> u64 {
    let (second, sensor, sequence) = parts(id);
    match sequence.checked_add(1) {
        Some(sequence) => compose(second, sensor, sequence),
        None => compose(second + 1, sensor, 0),
    }
}

/// Seconds since 2020, sensor and sequence of an ID.
pub fn parts(id: u64) -> (u64, u16, u16) {
    ((id >> 32) & SECONDS_MAX, (id >> 16) as u16, id as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_795_382_238_123_456;

    #[test]
    fn an_id_holds_its_parts_and_fits_a_signed_column() {
        let id = IdSource::new(65_535).next(NOW_US);
        assert_eq!(parts(id), (NOW_US / 1_000_000 - EPOCH_S, 65_535, 0));
        assert!(i64::try_from(compose(u64::MAX, u16::MAX, u16::MAX)).is_ok());
    }

    #[test]
    fn ids_grow_past_a_full_second_and_through_a_clock_that_goes_back() {
        let mut source = IdSource::new(7);
        let mut last = source.next(NOW_US);
        for n in 0..200_000_u64 {
            let id = source.next(if n % 3 == 0 { NOW_US - 5_000_000 } else { NOW_US });
            assert!(id > last);
            assert_eq!(parts(id).1, 7);
            last = id;
        }
        assert_eq!(parts(last).0, NOW_US / 1_000_000 - EPOCH_S + 3);
    }

    #[test]
    fn a_time_before_2020_is_the_first_second() {
        assert_eq!(IdSource::new(1).next(0), compose(0, 1, 1));
    }

    #[test]
    fn the_successor_keeps_the_sensor() {
        assert_eq!(successor(compose(9, 3, 4)), compose(9, 3, 5));
        assert_eq!(successor(compose(9, 3, u16::MAX)), compose(10, 3, 0));
    }
}
