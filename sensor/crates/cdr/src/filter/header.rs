//! A header that the configuration names, and the value that is asked for.

use std::str::FromStr;

/// `NAME=VALUE`: a header's name, and its value; a `*` at the value's start or end stands for
/// anything. Names are compared without case, values with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFilter {
    /// The header's name.
    pub name: String,
    /// The value without asterisks.
    pub text: String,
    /// Anything may stand before it.
    pub any_before: bool,
    /// Anything may stand after it.
    pub any_after: bool,
}

impl HeaderFilter {
    /// What is accepted, for messages.
    pub const ACCEPTED: &'static str = "NAME=VALUE, with * for anything before or after the value";

    /// Does this header have such a value?
    pub fn finds(&self, name: &str, value: &str) -> bool {
        let found = match (self.any_before, self.any_after) {
            (false, false) => value == self.text,
            (false, true) => value.starts_with(&self.text),
            (true, false) => value.ends_with(&self.text),
            (true, true) => value.contains(&self.text),
        };
        found && name.eq_ignore_ascii_case(&self.name)
    }
}

/// Not of that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not NAME=VALUE")]
pub struct HeaderFilterError;

impl FromStr for HeaderFilter {
    type Err = HeaderFilterError;

    fn from_str(text: &str) -> Result<Self, HeaderFilterError> {
        let (name, value) = text.split_once('=').ok_or(HeaderFilterError)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || value.is_empty() {
            return Err(HeaderFilterError);
        }
        let after = value.strip_suffix('*');
        let rest = after.unwrap_or(value);
        let before = rest.strip_prefix('*');
        Ok(Self {
            name: name.to_owned(),
            text: before.unwrap_or(rest).to_owned(),
            any_before: before.is_some(),
            any_after: after.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_and_without_asterisks() {
        let finds = |filter: &str, value: &str| {
            filter.parse::<HeaderFilter>().unwrap().finds("X-Tenant", value)
        };
        assert!(finds("x-tenant=acme", "acme") && !finds("X-Tenant=acme", "acme2"));
        assert!(!finds("X-Tenant=acme", "Acme") && !finds("X-Tenants=acme", "acme"));
        assert!(finds("X-Tenant=ac*", "acme") && !finds("X-Tenant=ac*", "tac"));
        assert!(finds("X-Tenant=*me", "acme") && !finds("X-Tenant=*me", "mea"));
        assert!(finds("X-Tenant=*c*", "acme") && !finds("X-Tenant=*c*", "ame"));
        assert!(finds("X-Tenant=*", "") && finds("X-Tenant=a=b", "a=b"));
        for text in ["", "X-Tenant", "=acme", "X-Tenant="] {
            assert_eq!(text.parse::<HeaderFilter>(), Err(HeaderFilterError), "{text}");
        }
    }
}
