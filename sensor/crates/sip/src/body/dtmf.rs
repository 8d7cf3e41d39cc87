//! Digits in the body of an INFO: `application/dtmf-relay`, `application/dtmf` and plain text.
//!
//! None of them is a standard; what devices send is taken: `Signal=5` with `Duration=160` on
//! lines of their own, or the digit alone. Events may be numbers of RFC 4733 §3.2 (10 for `*`).

use super::{Part, media_type};
use crate::text::{number, split_or_all, trim};

/// Digits taken of one body.
const DIGITS_MAX: usize = 32;

/// One digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`, or `!` for a flash of the hook.
    pub digit: char,
    /// How long it lasted, where that is said.
    pub duration_ms: Option<u16>,
}

/// The digits of one part of a body.
pub(crate) fn digits<'a>(part: Part<'a>) -> impl Iterator<Item = Digit> + 'a {
    let kind = media_type(part.content_type);
    let relay = kind.is("application/dtmf-relay");
    let events = relay || kind.is("application/dtmf");
    let content = trim(part.content);
    let mut single = None;
    let mut text: &[u8] = &[];
    if events && let Some(signal) = field(content, b"signal") {
        single = event(signal).map(|digit| Digit { digit, duration_ms: duration(content) });
    } else if events && let Some(digit) = event(content) {
        single = Some(Digit { digit, duration_ms: None });
    } else if (events || kind.is("text/plain")) && content.len() <= DIGITS_MAX {
        text = content;
    }
    // Text that is no row of digits is somebody's words.
    let all = text.iter().all(|byte| key(*byte).is_some());
    let row = if all { text } else { &[] };
    let row = row.iter().filter_map(|byte| key(*byte));
    single.into_iter().chain(row.map(|digit| Digit { digit, duration_ms: None }))
}

/// The value of a line `name=value`.
fn field<'a>(content: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    content.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = split_or_all(line, b'=');
        trim(name).eq_ignore_ascii_case(wanted).then(|| trim(value))
    })
}

fn duration(content: &[u8]) -> Option<u16> {
    u16::try_from(number(field(content, b"duration")?)?).ok()
}

/// A key, or the number of an event.
fn event(value: &[u8]) -> Option<char> {
    if let [one] = value {
        return key(*one);
    }
    match number(value)? {
        10 => Some('*'),
        11 => Some('#'),
        16 => Some('!'),
        n @ 12..=15 => {
            char::from_digit(u32::try_from(n).ok()? - 2, 16).map(|c| c.to_ascii_uppercase())
        }
        _ => None,
    }
}

fn key(byte: u8) -> Option<char> {
    match byte.to_ascii_uppercase() {
        key @ (b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'!') => Some(char::from(key)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(kind: &str, content: &str) -> String {
        let part = Part { content_type: kind.as_bytes(), content: content.as_bytes() };
        digits(part).map(|d| d.digit).collect()
    }

    #[test]
    fn what_devices_send() {
        let relay = "application/dtmf-relay";
        assert_eq!(of(relay, "Signal=5\r\nDuration=160\r\n"), "5");
        assert_eq!(of(relay, "Signal= *\nDuration= 250"), "*");
        assert_eq!(of(relay, "signal=11\r\n"), "#");
        assert_eq!(of(relay, "Signal=12\r\nDuration=x"), "A");
        assert_eq!(of(relay, "Signal=15"), "D");
        assert_eq!(of(relay, "Signal=16"), "!");
        assert_eq!(of(relay, "Signal=17"), "");
        assert_eq!(of(relay, "5"), "5");
        assert_eq!(of("application/dtmf; x=1", "#\r\n"), "#");
        assert_eq!(of("application/DTMF", "10"), "*");
        assert_eq!(of("application/dtmf", "123"), "123");
        assert_eq!(of("text/plain", "12#b"), "12#B");
        assert_eq!(of("text/plain", "12 please"), "");
        assert_eq!(of("text/plain", ""), "");
        assert_eq!(of("application/xml", "5"), "");
    }

    #[test]
    fn how_long() {
        let content = b"Signal=5\r\nDuration=160\r\n";
        let part = Part { content_type: b"application/dtmf-relay", content };
        let found = digits(part).next();
        assert_eq!(found, Some(Digit { digit: '5', duration_ms: Some(160) }));
    }

    proptest! {
        #[test]
        fn any_bytes_give_few_digits(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for kind in ["application/dtmf-relay", "application/dtmf", "text/plain", ""] {
                let part = Part { content_type: kind.as_bytes(), content: &bytes };
                prop_assert!(digits(part).count() <= DIGITS_MAX);
            }
        }
    }
}
