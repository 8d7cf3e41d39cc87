//! The median, and how figures are printed.

/// The middle of these values; the mean of the middle two when their number is even.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => f64::NAN,
        (1, Some(one)) => *one,
        (_, Some(one)) => (one + values[middle - 1]) / 2.0,
    }
}

/// The least and the greatest of these values.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let each = || values.iter().copied();
    (each().fold(f64::INFINITY, f64::min), each().fold(f64::NEG_INFINITY, f64::max))
}

/// Packets as `1.23 M` or `456 k`.
pub(crate) fn packets(number: f64) -> String {
    if number >= 1e6 { format!("{:.2} M", number / 1e6) } else { format!("{:.0} k", number / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::{median, packets, spread};

    #[test]
    fn the_middle_is_found() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }

    #[test]
    fn packets_are_readable() {
        assert_eq!((packets(2_345_000.0).as_str(), packets(45_600.0).as_str()), ("2.35 M", "46 k"));
    }
}
