//! Header values with a grammar of their own: `CSeq`, Via, Reason, credentials, Replaces,
//! Session-ID.
//!
//! Addresses are in [`crate::address`].

use crate::address::host_port;
use crate::start::Method;
use crate::text::{Params, Text, is_space, number, split_or_all, trim, unquote};

/// A `CSeq` value (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number; `u32::MAX` where it does not fit.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method's name as sent.
    pub name: &'a [u8],
}

impl<'a> CSeq<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|b| !b.is_ascii_digit())?;
        let (digits, name) = value.split_at_checked(end)?;
        let name = trim(name);
        if digits.is_empty() || name.is_empty() {
            return None;
        }
        let number = number(digits).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
        Some(Self { number, method: Method::of(name), name })
    }
}

/// The first value of the top Via header (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, …
    pub transport: Text<'a>,
    /// Host of sent-by.
    pub host: Text<'a>,
    /// Port of sent-by.
    pub port: Option<u16>,
    params: &'a [u8],
}

impl<'a> Via<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        // Nothing before the parameters can hold a comma or a quote.
        let (protocol, rest) = split_or_all(value, b'/');
        let (_, rest) = split_or_all(rest, b'/');
        if protocol.is_empty() {
            return None;
        }
        let rest = trim(rest);
        let end = rest.iter().position(|b| is_space(*b))?;
        let (transport, rest) = rest.split_at_checked(end)?;
        let rest = trim(rest);
        let end = rest.iter().position(|b| matches!(b, b';' | b',')).unwrap_or(rest.len());
        let (place, rest) = rest.split_at_checked(end)?;
        let (host, port) = host_port(place);
        if host.is_empty() {
            return None;
        }
        let end = crate::text::find_outside(rest, b',').unwrap_or(rest.len());
        let params = rest.get(..end).unwrap_or_default();
        Some(Self { transport: Text::new(transport), host, port, params })
    }

    /// The parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params, b';')
    }

    /// The branch: with the method, the transaction's name.
    pub fn branch(&self) -> Option<&'a [u8]> {
        let branch = self.params().get("branch")?.as_bytes();
        (!branch.is_empty()).then_some(branch)
    }

    /// The address the next hop saw, where it differs from sent-by.
    pub fn received(&self) -> Option<Text<'a>> {
        self.params().get("received")
    }
}

/// One value of a Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause<'a> {
    /// `SIP`, `Q.850`, …
    pub protocol: Text<'a>,
    /// The cause code.
    pub cause: Option<u16>,
    /// The text, without quotes.
    pub text: Text<'a>,
}

impl<'a> Cause<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Self {
        let (protocol, params) = split_or_all(value, b';');
        let params = Params::new(params, b';');
        let cause = params.get("cause").and_then(|c| number(c.as_bytes()));
        Self {
            protocol: Text::new(protocol),
            cause: cause.and_then(|c| u16::try_from(c).ok()),
            text: params.get("text").unwrap_or_default(),
        }
    }
}

/// Credentials or a challenge (RFC 3261 §22): the scheme and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `Digest`, `Basic`, …
    pub scheme: Text<'a>,
    params: &'a [u8],
}

impl<'a> Credentials<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Self {
        let value = trim(value);
        let end = value.iter().position(|b| is_space(*b)).unwrap_or(value.len());
        let (scheme, params) = value.split_at_checked(end).unwrap_or((value, &[]));
        Self { scheme: Text::new(scheme), params }
    }

    /// A parameter, without quotes.
    pub fn param(&self, name: &str) -> Option<Text<'a>> {
        Params::new(self.params, b',').get(name)
    }

    /// The user name.
    pub fn username(&self) -> Option<Text<'a>> {
        self.param("username")
    }

    /// The realm.
    pub fn realm(&self) -> Option<Text<'a>> {
        self.param("realm")
    }
}

/// A Replaces header (RFC 3891): the dialog that this one takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// Call-ID of the dialog to be replaced.
    pub call_id: &'a [u8],
    /// Its to-tag.
    pub to_tag: Option<Text<'a>>,
    /// Its from-tag.
    pub from_tag: Option<Text<'a>>,
}

impl<'a> Replaces<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let (call_id, params) = split_or_all(value, b';');
        let call_id = trim(call_id);
        let params = Params::new(params, b';');
        let view = Self { call_id, to_tag: params.get("to-tag"), from_tag: params.get("from-tag") };
        (!call_id.is_empty()).then_some(view)
    }
}

/// A Session-ID header (RFC 7989).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId<'a> {
    /// The sender's own identifier.
    pub local: Text<'a>,
    /// The other side's, where it is known.
    pub remote: Option<Text<'a>>,
}

impl<'a> SessionId<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Self {
        let (local, params) = split_or_all(value, b';');
        Self { local: unquote(local), remote: Params::new(params, b';').get("remote") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq() {
        let view = CSeq::parse(b" 0009 \t INVITE ").unwrap();
        assert_eq!((view.number, view.method), (9, Method::Invite));
        assert_eq!(CSeq::parse(b"36893488147419103232 REGISTER").unwrap().number, u32::MAX);
        assert_eq!(CSeq::parse(b"7FOO").unwrap().method, Method::Other);
        for bad in ["", "7", "INVITE", "-1 INVITE", "7 "] {
            assert_eq!(CSeq::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn via() {
        let view =
            Via::parse(b"SIP / 2.0 / UDP [2001:db8::9]:5090;rport;branch=z9hG4bKa, SIP/2.0/TCP b")
                .unwrap();
        assert!(view.transport.is("udp"));
        assert_eq!((view.host.to_string().as_str(), view.port), ("2001:db8::9", Some(5090)));
        assert_eq!(view.branch(), Some(&b"z9hG4bKa"[..]));
        assert_eq!(Via::parse(b"SIP/2.0/UDP 192.0.2.15;;,;,,").unwrap().branch(), None);
        assert_eq!(Via::parse(b"SIP/2.0/UDP"), None);
        assert_eq!(Via::parse(b""), None);
    }

    #[test]
    fn others() {
        let cause = Cause::parse(br#"Q.850 ;cause=16;text="Normal; \"clear\"""#);
        assert_eq!((cause.protocol.is("q.850"), cause.cause), (true, Some(16)));
        assert_eq!(cause.text.to_string(), "Normal; \"clear\"");
        let digest = Credentials::parse(br#"Digest username="a,b", realm=x, uri="sip:y""#);
        assert_eq!(digest.username().unwrap().to_string(), "a,b");
        assert_eq!(digest.realm().unwrap().to_string(), "x");
        let replaces = Replaces::parse(b"98@h;from-tag=1 ; to-tag=2").unwrap();
        assert_eq!(
            (replaces.call_id, replaces.to_tag.unwrap().as_bytes()),
            (&b"98@h"[..], &b"2"[..])
        );
        let session = SessionId::parse(b"ab;remote=cd");
        assert_eq!(
            (session.local.to_string(), session.remote.unwrap().to_string()),
            ("ab".into(), "cd".into())
        );
    }
}
