//! What names a transaction, a conversation, a registration: hashes, the same for the same input.
//!
//! No state.

use std::net::{IpAddr, SocketAddr};

use ringtap_sip::{Header, Message, Method, StartLine, Uri};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::key::{CallKey, check_of};
use crate::side::Reading;

/// Names are hashed up to here.
const NAME_MAX: usize = 512;

/// One request and its responses on one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TransactionId(pub(super) u64);

/// Requests of one method with one Call-ID on one hop: a request with credentials is of the same
/// conversation as the one that was challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conversation(pub(super) u64);

/// The names of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) transaction: TransactionId,
    pub(super) conversation: Conversation,
}

impl Names {
    pub(super) fn of(key: CallKey, call_id: &[u8], reading: &Reading<'_>) -> Self {
        Self::with_method(key, call_id, reading, method_name(reading))
    }

    /// The names of the INVITE that an ACK belongs to.
    pub(super) fn of_invite(key: CallKey, call_id: &[u8], reading: &Reading<'_>) -> Self {
        Self::with_method(key, call_id, reading, b"INVITE")
    }

    fn with_method(key: CallKey, call_id: &[u8], reading: &Reading<'_>, method: &[u8]) -> Self {
        let (from, to) = ends(reading);
        let mut words: SmallVec<[u8; 128]> = SmallVec::new();
        words.extend_from_slice(&key.0.to_le_bytes());
        words.extend_from_slice(&check_of(call_id).to_le_bytes());
        push_ip(&mut words, from.ip());
        push_ip(&mut words, to.ip());
        words.extend(method.iter().copied().take(NAME_MAX));
        let conversation = Conversation(xxh3_64_with_seed(&words, 1));
        words.extend_from_slice(&reading.cseq.to_le_bytes());
        let transaction = TransactionId(xxh3_64_with_seed(&words, 2));
        Self { transaction, conversation }
    }
}

/// Where the request comes from and where it goes, by the request or by its response.
pub(super) fn ends(reading: &Reading<'_>) -> (SocketAddr, SocketAddr) {
    match reading.request {
        Some(_) => (reading.meta.src, reading.meta.dst),
        None => (reading.meta.dst, reading.meta.src),
    }
}

/// The method's name as sent.
pub(super) fn method_name<'a>(reading: &Reading<'a>) -> &'a [u8] {
    match reading.message.start() {
        StartLine::Request { name, .. } => name.as_bytes(),
        StartLine::Response { .. } => reading.message.cseq().map_or(&[], |cseq| cseq.name),
    }
}

/// What a retransmission has in common with what it repeats: branch and credentials.
pub(super) fn fingerprint(reading: &Reading<'_>) -> u64 {
    let message = reading.message;
    let values = [Header::Authorization, Header::ProxyAuthorization];
    let hash = |header| message.known(header).map_or(0, |value| xxh3_64_with_seed(value, 3));
    values.map(hash).iter().fold(reading.branch, |mix, hash| mix.rotate_left(17) ^ hash)
}

/// Where a message that is about a registration has to go, so that all of one address of record
/// come to the same place whatever their Call-IDs: a hash of realm and To. `None`: it is no such
/// message, and goes where its Call-ID says.
pub fn registration_route(realm: u64, message: &Message<'_>) -> Option<u64> {
    let method = message.method().or_else(|| message.cseq().map(|cseq| cseq.method));
    if method != Some(Method::Register) {
        return None;
    }
    Some(address_of_record(realm, message.to()?.uri))
}

/// The hash of an address of record (RFC 3261 §10.3: user and host).
pub(super) fn address_of_record(realm: u64, uri: Uri<'_>) -> u64 {
    let mut bytes: SmallVec<[u8; 128]> = SmallVec::new();
    bytes.extend(uri.user().bytes().take(NAME_MAX));
    bytes.push(b'@');
    bytes.extend(uri.host().as_bytes().iter().take(NAME_MAX).map(u8::to_ascii_lowercase));
    xxh3_64_with_seed(&bytes, realm)
}

/// The registrations of one address of record from one source.
pub(super) fn user_of(address_of_record: u64, source: IpAddr) -> u64 {
    let mut words: SmallVec<[u8; 32]> = SmallVec::new();
    words.extend_from_slice(&address_of_record.to_le_bytes());
    push_ip(&mut words, source);
    xxh3_64_with_seed(&words, 4)
}

/// One of them, by its contact.
pub(super) fn binding_of(user: u64, number: &str, domain: &str) -> u64 {
    let mut bytes: SmallVec<[u8; 128]> = SmallVec::new();
    bytes.extend_from_slice(number.as_bytes());
    bytes.push(b'@');
    bytes.extend(domain.bytes().map(|b| b.to_ascii_lowercase()));
    xxh3_64_with_seed(&bytes, user)
}

fn push_ip<const N: usize>(words: &mut SmallVec<[u8; N]>, ip: IpAddr)
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    match ip.to_canonical() {
        IpAddr::V4(v4) => words.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => words.extend_from_slice(&v6.octets()),
    }
}
