//! What ties a call to other calls: Session-ID (RFC 7989), Replaces (RFC 3891), and headers that
//! the configuration names.
//!
//! Each tie is a token, hashed like a Call-ID: two calls belong together where they carry the same
//! token, or where one carries the other's Call-ID. Who else carries it is not known here.

use compact_str::CompactString;
use ringtap_sip::{Header, Message, Method};
use smallvec::SmallVec;

use crate::key::CallKey;
use crate::side::Reading;
use crate::summary::{LONG_TEXT_MAX, clip};

/// Tokens kept of one call.
pub const TIES_MAX: usize = 8;
/// Values looked at in one header that is a list.
const VALUES_MAX: usize = 8;
/// Longest Refer-To that is read; what is longer is not read for Replaces.
const REFER_TO_MAX: usize = 2048;

/// What ties a call to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// The tokens, in the order in which they came.
    pub tokens: SmallVec<[CallKey; 2]>,
    /// The first value of a configured header.
    pub match_header: CompactString,
    /// How often a token beyond [`TIES_MAX`] was seen.
    pub omitted: u32,
}

impl Ties {
    /// Takes what a message says; gives the number of tokens that found no room.
    pub(crate) fn learn(
        &mut self,
        reading: &Reading<'_>,
        realm: u64,
        headers: &[CompactString],
    ) -> u64 {
        let (message, before) = (reading.message, self.omitted);
        let mut add = |token: &[u8]| self.add(CallKey::of(realm, token));
        if let Some(id) = message.session_id() {
            let remote = id.remote.unwrap_or_default();
            for part in [id.local, remote] {
                if let Some(uuid) = uuid(part.as_bytes()) {
                    add(&uuid);
                }
            }
        }
        match reading.request {
            Some(Method::Invite) => {
                if let Some(replaces) = message.replaces() {
                    add(replaces.call_id);
                }
            }
            Some(Method::Refer) => {
                if let Some(call_id) = referred(message) {
                    add(&call_id);
                }
            }
            _ => {}
        }
        for name in headers {
            let list = name.eq_ignore_ascii_case("In-Reply-To");
            for value in message.header(name).take(VALUES_MAX) {
                for one in value.as_bytes().split(|byte| list && *byte == b',').take(VALUES_MAX) {
                    let one = one.trim_ascii();
                    if !one.is_empty() {
                        self.add(CallKey::of(realm, one));
                    }
                }
                if self.match_header.is_empty() {
                    self.match_header = clip(value, LONG_TEXT_MAX);
                }
            }
        }
        u64::from(self.omitted - before)
    }

    fn add(&mut self, token: CallKey) {
        if self.tokens.contains(&token) {
            return;
        }
        if self.tokens.len() < TIES_MAX {
            self.tokens.push(token);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
}

/// A session's UUID: 32 hexadecimal digits, here in lower case; all zeros stand for none
/// (RFC 7989 §5).
fn uuid(text: &[u8]) -> Option<[u8; 32]> {
    let mut uuid: [u8; 32] = text.try_into().ok()?;
    uuid.make_ascii_lowercase();
    let hex = uuid.iter().all(u8::is_ascii_hexdigit);
    (hex && uuid.iter().any(|digit| *digit != b'0')).then_some(uuid)
}

/// The Call-ID in the Replaces of a Refer-To: the call that a transfer is going to replace
/// (RFC 3891 §7.1: a header of the URI, escaped).
fn referred(message: &Message<'_>) -> Option<SmallVec<[u8; 64]>> {
    let target = message.addresses(Header::ReferTo).next()?.uri.as_bytes();
    let target = target.get(..REFER_TO_MAX).unwrap_or(target);
    let headers = target.splitn(2, |byte| *byte == b'?').nth(1)?;
    let replaces = headers.split(|byte| *byte == b'&').find_map(|header| {
        let (name, value) = header.split_at_checked(9)?;
        name.eq_ignore_ascii_case(b"Replaces=").then_some(value)
    })?;
    let mut call_id = SmallVec::new();
    let mut rest = replaces;
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        let byte = match more {
            [high, low, after @ ..] if byte == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => byte,
            },
            _ => byte,
        };
        if byte == b';' {
            break;
        }
        call_id.push(byte);
    }
    (!call_id.is_empty()).then_some(call_id)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
