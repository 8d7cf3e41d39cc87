//! Instants and spans as text: RFC 3339 and the database's form out; what a user types in.
//!
//! All text without an offset is UTC, as the records are. It reads no clock.

use std::fmt::Write;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The last instant that is written, 9999-12-31T23:59:59.999999Z in UNIX microseconds.
const TEXT_MAX_US: u64 = 253_402_300_799_999_999;

fn parts(us: u64) -> (OffsetDateTime, u64) {
    let us = us.min(TEXT_MAX_US);
    let whole = OffsetDateTime::from_unix_timestamp((us / 1_000_000) as i64);
    (whole.unwrap_or(OffsetDateTime::UNIX_EPOCH), us % 1_000_000)
}

fn push(out: &mut String, us: u64, between: char, end: &str) {
    let (at, micros) = parts(us);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}.{micros:06}{end}"
    );
}

/// RFC 3339 with microseconds, UTC: `2026-11-22T21:17:18.123456Z`.
pub fn push_rfc3339(out: &mut String, us: u64) {
    push(out, us, 'T', "Z");
}

/// As a database's `datetime(6)` has it: `2026-11-22 21:17:18.123456`.
pub fn database(us: u64) -> String {
    let mut out = String::with_capacity(26);
    push(&mut out, us, ' ', "");
    out
}

/// A span in seconds with three digits, rounded: `12.346`.
pub fn push_seconds(out: &mut String, us: u64) {
    let ms = milliseconds(us);
    let _ = write!(out, "{}.{:03}", ms / 1000, ms % 1000);
}

/// Microseconds to milliseconds, rounded.
pub fn milliseconds(us: u64) -> u64 {
    us / 1000 + u64::from(us % 1000 >= 500)
}

/// What a time may be, for messages.
pub const ACCEPTED: &str =
    "RFC 3339, `YYYY-MM-DD[ HH:MM[:SS[.f]]]` (UTC), UNIX seconds, or `-1h`, `30m`, `2d` ago";

/// Reads a time that a user typed, as UNIX microseconds: RFC 3339 (any offset), a date with or
/// without a time (UTC), UNIX seconds, or a span back from `now_us` with or without the minus
/// (`-1h`, `30m`, `90s`, `2d`, `1w`).
pub fn parse_when(text: &str, now_us: u64) -> Option<u64> {
    let text = text.trim();
    if text.len() > 64 || !text.is_ascii() {
        return None;
    }
    if text.eq_ignore_ascii_case("now") {
        return Some(now_us);
    }
    if let Some(span) = parse_span(text.strip_prefix('-').unwrap_or(text)) {
        return now_us.checked_sub(span);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<u64>().ok()?.checked_mul(1_000_000).filter(|&us| us <= TEXT_MAX_US);
    }
    let full = complete(text)?;
    let at = OffsetDateTime::parse(&full, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    u64::try_from(at.unix_timestamp_nanos() / 1000).ok()
}

/// Fills up what RFC 3339 asks for: the time of day, its seconds, the offset.
fn complete(text: &str) -> Option<String> {
    let date = text.get(..10)?;
    let Some(rest) = text.get(11..) else {
        return (text.len() == 10).then(|| format!("{date}T00:00:00Z"));
    };
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let offset = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (day, zone) = rest.split_at_checked(offset)?;
    let seconds = if day.len() == 5 { ":00" } else { "" };
    let zone = if zone.is_empty() { "Z" } else { zone };
    Some(format!("{date}T{day}{seconds}{zone}"))
}

/// `90s`, `30m`, `1h`, `2d`, `1w` in microseconds.
pub fn parse_span(text: &str) -> Option<u64> {
    let unit_s = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_s)?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: u64 = 1_795_382_238_123_456; // 2026-11-22T21:17:18.123456Z

    #[test]
    fn instants_as_text() {
        let mut out = String::new();
        push_rfc3339(&mut out, US);
        assert_eq!(out, "2026-11-22T21:17:18.123456Z");
        assert_eq!(database(US), "2026-11-22 21:17:18.123456");
        assert_eq!(database(0), "1970-01-01 00:00:00.000000");
        assert_eq!(database(u64::MAX), "9999-12-31 23:59:59.999999");
    }

    #[test]
    fn spans_are_rounded_to_milliseconds() {
        let seconds = |us| {
            let mut out = String::new();
            push_seconds(&mut out, us);
            out
        };
        assert_eq!(seconds(0), "0.000");
        assert_eq!(seconds(12_345_678), "12.346");
        assert_eq!(seconds(999_499), "0.999");
        assert_eq!(seconds(999_500), "1.000");
        assert!(!seconds(u64::MAX).is_empty());
    }

    #[test]
    fn what_a_user_may_type() {
        let second = US / 1_000_000 * 1_000_000;
        for text in [
            "2026-11-22T21:17:18Z",
            "2026-11-22 21:17:18",
            "2026-11-22T23:17:18+02:00",
            "2026-11-22 16:47:18-04:30",
            "1795382238",
        ] {
            assert_eq!(parse_when(text, 0), Some(second), "{text}");
        }
        assert_eq!(parse_when("2026-11-22 21:17:18.123456", 0), Some(US));
        assert_eq!(parse_when("2026-11-22 21:17", 0), Some(second - 18_000_000));
        assert_eq!(parse_when("2026-11-22", 0), Some(1_795_305_600_000_000));
        assert_eq!(parse_when("-1h", US), Some(US - 3_600_000_000));
        assert_eq!(parse_when("30m", US), Some(US - 1_800_000_000));
        assert_eq!(parse_when("now", US), Some(US));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "-",
            "h",
            "-h",
            "yesterday",
            "2026-13-01",
            "2026-11-31",
            "2026-11-22x10:00",
            "2026-11-22 25:00",
            "20h30",
            "99999999999999999999",
            "1e9",
            "١٢",
        ] {
            assert_eq!(parse_when(text, US), None, "{text}");
        }
        assert_eq!(parse_when("9999w", US), None, "before 1970");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = parse_when(&text, US);
        }

        #[test]
        fn what_is_written_is_read_again(us in 0_u64..=TEXT_MAX_US) {
            let mut text = String::new();
            push_rfc3339(&mut text, us);
            prop_assert_eq!(parse_when(&text, 0), Some(us));
            prop_assert_eq!(parse_when(&database(us), 0), Some(us));
        }
    }
}
