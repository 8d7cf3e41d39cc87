//! Values of the configuration as types.
//!
//! `None` from a reader means that the text is not such a value; what is accepted is told by the
//! key. It knows no keys.

use std::path::PathBuf;

/// Port ranges of one value at most.
const RANGES_MAX: usize = 1024;

/// Ports from the first to the last, both included.
pub type PortRange = (u16, u16);

/// Yes or no.
pub(super) fn yes_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "on" | "1" => Some(true),
        "no" | "n" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number between two limits.
pub(super) fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = text.parse().ok()?;
    if !(least..=most).contains(&number) {
        return None;
    }
    T::try_from(number).ok()
}

/// Parts between commas, semicolons or white space.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty())
}

/// Ports and ranges: `5060`, `5060,5070-5080`.
pub(super) fn ports(text: &str) -> Option<Vec<PortRange>> {
    let ranges = list(text).map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range: PortRange = (number(first, 0, 65_535)?, number(last, 0, 65_535)?);
        (range.0 <= range.1).then_some(range)
    });
    let ranges: Vec<PortRange> = ranges.take(RANGES_MAX + 1).collect::<Option<_>>()?;
    (!ranges.is_empty() && ranges.len() <= RANGES_MAX).then_some(ranges)
}

/// Processors: `0-3,6`.
pub(super) fn processors(text: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for (first, last) in ports(text)? {
        if last > 4095 {
            return None;
        }
        all.extend(usize::from(first)..=usize::from(last));
    }
    Some(all)
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// An interface's name, as Linux takes it.
pub(super) fn interface(text: &str) -> Option<&str> {
    let fits = (1..=15).contains(&text.len());
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    (fits && !text.contains(bad) && text != "." && text != "..").then_some(text)
}

/// A SIP header's name: a token (RFC 3261 §25.1).
pub(super) fn header(text: &str) -> Option<&str> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    ((1..=64).contains(&text.len()) && text.bytes().all(token)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_limits() {
        assert_eq!(number::<u16>("65535", 0, 65_535), Some(65_535));
        for text in ["65536", "-1", "+1", "1.0", "", "0x10", "99999999999999999999", "١"] {
            assert_eq!(number::<u16>(text, 0, 65_535), None, "{text}");
        }
        assert_eq!(number::<u8>("300", 0, 1000), None);
    }

    #[test]
    fn port_lists() {
        assert_eq!(
            ports("5060, 5070-5080 6000"),
            Some(vec![(5060, 5060), (5070, 5080), (6000, 6000)])
        );
        assert_eq!(ports("0,5060"), Some(vec![(0, 0), (5060, 5060)]));
        for text in ["", ",", "5080-5070", "1-2-3", "70000", "sip", "5060-"] {
            assert_eq!(ports(text), None, "{text}");
        }
        assert_eq!(ports(&"1,".repeat(RANGES_MAX + 1)), None);
    }

    #[test]
    fn processor_lists() {
        assert_eq!(processors("0-2,6"), Some(vec![0, 1, 2, 6]));
        assert_eq!(processors("0-65535"), None);
    }

    #[test]
    fn header_names() {
        assert_eq!(header("X-Call-ID"), Some("X-Call-ID"));
        for text in ["", "a:b", "a b", "é", &"x".repeat(65)] {
            assert_eq!(header(text), None, "{text}");
        }
    }

    #[test]
    fn interface_names() {
        assert_eq!(interface("eth0.100"), Some("eth0.100"));
        for text in ["", "..", "a/b", "name-that-is-too-long", "a b"] {
            assert_eq!(interface(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (yes_no(&text), ports(&text), processors(&text), interface(&text));
            prop_assert!(list(&text).all(|part| !part.is_empty()));
        }
    }
}
