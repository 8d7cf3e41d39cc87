//! A kind of tunnel, or one tunnel of it.

use std::str::FromStr;

/// `TYPE` or `TYPE:NUMBER`, as records have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelFilter {
    /// The kind.
    pub kind: String,
    /// The tunnel's number; `None`: any.
    pub id: Option<u32>,
}

impl TunnelFilter {
    /// What is accepted, for messages.
    pub const ACCEPTED: &'static str = "a kind of tunnel (vxlan), or one of its tunnels (vxlan:42)";

    /// Is it this tunnel?
    pub fn finds(&self, kind: &str, id: u32) -> bool {
        kind == self.kind && self.id.is_none_or(|asked| asked == id)
    }
}

/// Not of that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not TYPE or TYPE:NUMBER")]
pub struct TunnelFilterError;

impl FromStr for TunnelFilter {
    type Err = TunnelFilterError;

    fn from_str(text: &str) -> Result<Self, TunnelFilterError> {
        let (kind, id) = match text.split_once(':') {
            None => (text, None),
            Some((kind, id)) => (kind, Some(id.parse().map_err(|_| TunnelFilterError)?)),
        };
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if kind.is_empty() || !kind.chars().all(known) {
            return Err(TunnelFilterError);
        }
        Ok(Self { kind: kind.to_owned(), id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_numbers() {
        let finds = |text: &str| text.parse::<TunnelFilter>().unwrap().finds("vxlan", 42);
        assert!(finds("vxlan") && finds("vxlan:42"));
        assert!(!finds("vxlan:4") && !finds("gre_udp") && !finds("gre:42"));
        for text in ["", ":", "vxlan:", ":42", "vxlan:-1", "vxlan:4294967296", "VXLAN", "v xlan"] {
            assert_eq!(text.parse::<TunnelFilter>(), Err(TunnelFilterError), "{text}");
        }
    }
}
