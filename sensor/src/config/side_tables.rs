//! What goes to side tables of the schema.
//!
//! The tables themselves are the store's business.

use ringtap_sip::Method;

use super::value::yes_no;

/// Which messages of a call the store keeps as its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipHistory {
    /// Requests: a bit for each [`Method`], in their order.
    pub requests: u32,
    /// All responses.
    pub responses: bool,
}

impl SipHistory {
    /// Whether requests of this method are kept.
    pub fn keeps(self, method: Method) -> bool {
        self.requests & 1 << method as u32 != 0
    }
}

impl Default for SipHistory {
    fn default() -> Self {
        Self { requests: 1 << Method::Bye as u32, responses: false }
    }
}

/// Which announced media endpoints of a call the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveSdp {
    /// The last of either side.
    Last,
    /// All of them.
    All,
    /// None.
    No,
}

/// Names of methods and groups; `None` where one is unknown.
pub(super) fn sip_history(text: &str) -> Option<SipHistory> {
    let mut history = SipHistory { requests: 0, responses: false };
    for name in text.split([',', ';', ' ']).filter(|name| !name.is_empty()) {
        match name.to_ascii_uppercase().as_str() {
            "NO" | "NONE" => {}
            "ALL" => history = SipHistory { requests: u32::MAX, responses: true },
            "REQUESTS" => history.requests = u32::MAX,
            "RESPONSES" => history.responses = true,
            method => match Method::of(method.as_bytes()) {
                Method::Other => return None,
                known => history.requests |= 1 << known as u32,
            },
        }
    }
    Some(history)
}

/// `last`, `all`, `no`.
pub(super) fn save_sdp(text: &str) -> Option<SaveSdp> {
    match (text.to_ascii_lowercase().as_str(), yes_no(text)) {
        ("last", _) => Some(SaveSdp::Last),
        ("all", _) => Some(SaveSdp::All),
        (_, Some(yes)) => Some(if yes { SaveSdp::Last } else { SaveSdp::No }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories() {
        let bits = |text| sip_history(text).map(|h| (h.requests.count_ones(), h.responses));
        assert_eq!(sip_history("bye"), Some(SipHistory::default()));
        assert_eq!(bits("invite;BYE, cancel"), Some((3, false)));
        assert_eq!(bits("RESPONSES,invite"), Some((1, true)));
        assert_eq!(bits("ALL"), Some((32, true)));
        assert_eq!((bits("no"), bits("")), (Some((0, false)), Some((0, false))));
        assert_eq!(bits("invites"), None);
        assert!(sip_history("refer").unwrap().keeps(Method::Refer));
    }

    #[test]
    fn endpoints() {
        assert_eq!(save_sdp("last"), Some(SaveSdp::Last));
        assert_eq!(save_sdp("ALL"), Some(SaveSdp::All));
        assert_eq!(save_sdp("no"), Some(SaveSdp::No));
        assert_eq!(save_sdp("yes"), Some(SaveSdp::Last));
        assert_eq!(save_sdp("some"), None);
    }
}
