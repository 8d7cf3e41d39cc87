//! Pieces of a message as they stood on the wire, and the byte searches everything here uses.
//!
//! A [`Text`] is not decoded until it is displayed: folding, quoting and percent escapes are
//! undone while writing, so a view costs nothing until somebody wants to read it.

use core::fmt::{self, Write};

/// How a [`Text`] has to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// As it stands; only line folds become one space.
    #[default]
    None,
    /// Inside of a quoted string: a backslash hides the next byte.
    Quoted,
    /// URI text: `%HH` stands for a byte; escapes of control bytes are left as they are.
    Percent,
}

/// A borrowed piece of text. Displays as UTF-8, wrong bytes as U+FFFD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escape: Escape,
}

impl<'a> Text<'a> {
    /// The text of `raw`, white space at both ends removed.
    pub fn new(raw: &'a [u8]) -> Self {
        Self { raw: trim(raw), escape: Escape::None }
    }

    /// As [`Text::new`], with escapes that `Display` undoes.
    pub fn escaped(raw: &'a [u8], escape: Escape) -> Self {
        Self { raw, escape }
    }

    /// The bytes as they stood on the wire.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// No bytes at all.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Compares the raw bytes without regard to ASCII case.
    pub fn is(&self, other: &str) -> bool {
        self.raw.eq_ignore_ascii_case(other.as_bytes())
    }

    /// The text as it stands, where no decoding is needed and it is valid UTF-8.
    pub fn plain(&self) -> Option<&'a str> {
        let special = match self.escape {
            Escape::None => 0,
            Escape::Quoted => b'\\',
            Escape::Percent => b'%',
        };
        if self.raw.iter().any(|&b| b == b'\n' || b == b'\r' || (special != 0 && b == special)) {
            return None;
        }
        core::str::from_utf8(self.raw).ok()
    }

    /// The decoded bytes, one at a time.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + 'a {
        Decoded { rest: self.raw, escape: self.escape }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = self.plain() {
            return f.write_str(plain);
        }
        let mut pending = [0u8; 4];
        let mut held = 0usize;
        for byte in self.bytes() {
            let Some(place) = pending.get_mut(held) else { return Err(fmt::Error) };
            *place = byte;
            held += 1;
            held = write_ready(f, &mut pending, held)?;
        }
        if held > 0 {
            f.write_char(char::REPLACEMENT_CHARACTER)?;
        }
        Ok(())
    }
}

/// Writes what is complete in `pending[..held]`; gives the number of bytes still held.
fn write_ready(
    f: &mut fmt::Formatter<'_>,
    pending: &mut [u8; 4],
    held: usize,
) -> Result<usize, fmt::Error> {
    let bytes = pending.get(..held).unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(text) => {
            f.write_str(text)?;
            Ok(0)
        }
        // An unfinished sequence: wait for its next byte.
        Err(error) if error.error_len().is_none() => Ok(held),
        Err(_) => {
            f.write_char(char::REPLACEMENT_CHARACTER)?;
            // The byte that broke the sequence may begin the next one.
            match bytes.split_last() {
                Some((&last, before)) if !before.is_empty() => {
                    pending[0] = last;
                    write_ready(f, pending, 1)
                }
                _ => Ok(0),
            }
        }
    }
}

struct Decoded<'a> {
    rest: &'a [u8],
    escape: Escape,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match (first, self.escape) {
            (b'\\', Escape::Quoted) => match rest.split_first() {
                Some((&next, after)) => {
                    self.rest = after;
                    Some(next)
                }
                None => Some(first),
            },
            (b'%', Escape::Percent) => match rest {
                [high, low, after @ ..] => match (hex(*high), hex(*low)) {
                    (Some(h), Some(l)) if !(h * 16 + l).is_ascii_control() => {
                        self.rest = after;
                        Some(h * 16 + l)
                    }
                    _ => Some(first),
                },
                _ => Some(first),
            },
            (b'\r' | b'\n', _) => {
                let skip = rest.iter().take_while(|b| is_space(**b)).count();
                self.rest = rest.get(skip..).unwrap_or_default();
                Some(b' ')
            }
            _ => Some(first),
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Linear white space of SIP, line ends included.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without white space at both ends.
#[inline]
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Index of the first `needle`, eight bytes a step.
#[inline]
pub(crate) fn find(hay: &[u8], needle: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let pattern = ONES.wrapping_mul(u64::from(needle));
    let (words, tail) = hay.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ pattern;
        let zero = differing.wrapping_sub(ONES) & !differing & HIGHS;
        if zero != 0 {
            return Some(index * 8 + (zero.trailing_zeros() / 8) as usize);
        }
    }
    tail.iter().position(|b| *b == needle).map(|at| words.len() * 8 + at)
}

/// The parts before and after the first `separator`.
pub(crate) fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = find(text, separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The part before the first `separator` (all, where there is none) and the part after it.
pub(crate) fn split_or_all(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    split(text, separator).unwrap_or((text, &[]))
}

/// First line of `text` without its line end, and what follows the line end.
pub(crate) fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = split_or_all(text, b'\n');
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Index of the first `stop` that is outside of quoted strings and angle brackets.
pub(crate) fn find_outside(text: &[u8], stop: u8) -> Option<usize> {
    let first = find(text, stop)?;
    let before = text.get(..first).unwrap_or_default();
    if find(before, b'"').is_none() && find(before, b'<').is_none() {
        return Some(first);
    }
    let (mut quoted, mut angle, mut hidden) = (false, false, false);
    for (at, &byte) in text.iter().enumerate() {
        if hidden {
            hidden = false;
        } else if quoted {
            hidden = byte == b'\\';
            quoted = byte != b'"';
        } else if !angle && byte == stop {
            return Some(at);
        } else {
            match byte {
                b'"' => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                _ => {}
            }
        }
    }
    None
}

/// White-space separated words.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| is_space(*b)).filter(|word| !word.is_empty())
}

/// A decimal number and nothing else; `None` for an overflow too.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let text = trim(text);
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A name-value parameter list: `name=value` pieces between `separator`s, quotes respected.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
    separator: u8,
}

impl<'a> Params<'a> {
    pub(crate) fn new(rest: &'a [u8], separator: u8) -> Self {
        Self { rest, separator }
    }

    /// Value of the first parameter of that name; empty where it has none.
    pub fn get(self, name: &str) -> Option<Text<'a>> {
        self.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], Text<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = find_outside(self.rest, self.separator).unwrap_or(self.rest.len());
            let piece = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if piece.is_empty() {
                continue;
            }
            let (name, value) = split_or_all(piece, b'=');
            return Some((trim(name), unquote(value)));
        }
    }
}

/// A value without its quotes, if it has any.
pub(crate) fn unquote(value: &[u8]) -> Text<'_> {
    let value = trim(value);
    match value.strip_prefix(b"\"") {
        Some(inner) => Text::escaped(inner.strip_suffix(b"\"").unwrap_or(inner), Escape::Quoted),
        None => Text::new(value),
    }
}

/// Comma-separated values of one header line, quotes and brackets respected.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = find_outside(self.rest, b',').unwrap_or(self.rest.len());
            let value = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn displays_decoded() {
        let quoted = Text::escaped(br#"A \"B\" \\"#, Escape::Quoted);
        assert_eq!(quoted.to_string(), r#"A "B" \"#);
        let percent = Text::escaped(b"%75se%72%00%c3%a9%", Escape::Percent);
        assert_eq!(percent.to_string(), "user%00\u{e9}%");
        assert_eq!(Text::new(b" a\r\n  b ").to_string(), "a b");
        assert_eq!(
            Text::new(b"a\xff\xc3b\xe2\x82\xac\xc3").to_string(),
            "a\u{fffd}\u{fffd}b\u{20ac}\u{fffd}"
        );
    }

    #[test]
    fn separators_inside_quotes_do_not_count() {
        let values: Vec<_> = Values::new(br#""a, \"b" <sip:x,y@z>, , <sip:q>"#).collect();
        assert_eq!(values, [&br#""a, \"b" <sip:x,y@z>"#[..], b"<sip:q>"]);
        let params = Params::new(br#"; a=1; B="x;y" ;c"#, b';');
        assert_eq!(params.get("b").unwrap().to_string(), "x;y");
        assert_eq!(params.get("c").unwrap().to_string(), "");
        assert!(params.get("d").is_none());
    }

    proptest! {
        #[test]
        fn find_is_position(hay in proptest::collection::vec(0u8..4, 0..100), needle in 0u8..4) {
            prop_assert_eq!(find(&hay, needle), hay.iter().position(|b| *b == needle));
        }

        #[test]
        fn display_never_fails(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            for escape in [Escape::None, Escape::Quoted, Escape::Percent] {
                let _ = Text::escaped(&raw, escape).to_string();
            }
            let lossy = Text::escaped(&raw, Escape::Quoted).bytes().count();
            prop_assert!(lossy <= raw.len());
        }
    }
}
