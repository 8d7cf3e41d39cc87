//! Values of headers that the configuration names, as messages carry them.
//!
//! What they mean is their owner's business: they are kept as text.

use compact_str::CompactString;
use ringtap_sip::{Message, Text};

use crate::summary::clip;

/// Headers whose values are kept at most.
pub const CUSTOM_HEADERS_MAX: usize = 16;

/// A header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHeader {
    /// The header's name, as it was configured.
    pub name: CompactString,
    /// Its value, never empty.
    pub value: CompactString,
}

/// Which headers' values are kept, and of several values, which.
#[derive(Clone, Debug, Default)]
pub struct CustomHeaders {
    names: Vec<CompactString>,
    last: bool,
    value_max: usize,
}

impl CustomHeaders {
    /// The values of these headers, of which [`CUSTOM_HEADERS_MAX`] are taken, each up to
    /// `value_max` bytes: the last that a message carries, or the first.
    pub fn new(mut names: Vec<CompactString>, last: bool, value_max: usize) -> Self {
        names.truncate(CUSTOM_HEADERS_MAX);
        Self { names, last, value_max }
    }

    /// Takes what a message carries. Of several lines of one header, the first counts.
    pub(crate) fn learn(&self, message: &Message<'_>, known: &mut Vec<CustomHeader>) {
        for name in &self.names {
            let place = known.iter().position(|one| one.name == *name);
            if place.is_some() && !self.last {
                continue;
            }
            let says_something = |value: &Text<'_>| !value.as_bytes().trim_ascii().is_empty();
            let Some(value) = message.header(name).find(says_something) else { continue };
            let value = clip(value, self.value_max);
            match place.and_then(|place| known.get_mut(place)) {
                Some(one) => one.value = value,
                None => known.push(CustomHeader { name: name.clone(), value }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(headers: &CustomHeaders, messages: &[&str]) -> Vec<String> {
        let mut known = Vec::new();
        for lines in messages {
            let text = format!("INVITE sip:b SIP/2.0\r\n{lines}\r\n");
            headers.learn(&Message::parse(text.as_bytes()).unwrap(), &mut known);
        }
        known.iter().map(|one| format!("{}={}", one.name, one.value)).collect()
    }

    #[test]
    fn the_last_value_or_the_first() {
        let names = || vec!["X-Tenant".into(), "Refer-To".into()];
        let messages = [
            "x-tenant: one\r\nX-Tenant: other\r\nX-Tenants: none\r\n",
            "X-Tenant:  \r\nr: short form\r\n",
            "X-Tenant: two\r\n",
        ];
        let last = CustomHeaders::new(names(), true, 100);
        assert_eq!(learnt(&last, &messages), ["X-Tenant=two", "Refer-To=short form"]);
        let first = CustomHeaders::new(names(), false, 100);
        assert_eq!(learnt(&first, &messages), ["X-Tenant=one", "Refer-To=short form"]);
        assert_eq!(learnt(&CustomHeaders::default(), &messages), [""; 0]);
    }

    #[test]
    fn values_and_their_number_are_bounded() {
        let names = (0..100).map(|n| format!("X-{n}").into()).collect();
        let lines: String = (0..100).map(|n| format!("X-{n}: äöü\r\n")).collect();
        let found = learnt(&CustomHeaders::new(names, true, 3), &[&lines]);
        assert_eq!((found.len(), found[0].as_str()), (CUSTOM_HEADERS_MAX, "X-0=ä"));
    }
}
