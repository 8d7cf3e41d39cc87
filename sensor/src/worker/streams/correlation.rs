//! What agents say belongs together: the correlation id of a flow, and of SIP messages.
//!
//! An id is a token, hashed with the realm like a Call-ID; mostly it is one. A worker that takes a
//! flow's packet tells the token's shard now and then; the shard knows the call, or has been told
//! whose the token is by those who took SIP messages that bear it, and sends the news on to the
//! call's shard. There the flow's ends become claims of the call like those of a description,
//! except that they take nothing from another call.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ringtap_call::CallKey;
use ringtap_wire::flow::FlowKey;

/// Flows that are remembered in each of two halves; the older half is forgotten.
const FLOWS_MAX: usize = 1 << 14;

/// Tokens that are remembered in each of two halves.
const TOKENS_MAX: usize = 1 << 16;

/// A flow's token is told again after this time: the call may have begun meanwhile.
const AGAIN_NS: u64 = 1_000_000_000;

/// A flow belongs to the call of a token.
#[derive(Clone, Copy, Debug)]
pub struct Correlated {
    /// The token.
    pub token: CallKey,
    /// The flow of media.
    pub flow: FlowKey,
    /// When it was said.
    pub clock_ns: u64,
    /// A shard has found the call: the token is its key.
    pub found: bool,
}

/// A bounded table of two halves.
#[derive(Debug)]
struct Halves<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    max: usize,
    forgotten: u64,
}

impl<K: std::hash::Hash + Eq, V: Copy> Halves<K, V> {
    fn new(max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), max, forgotten: 0 }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.max && !self.young.contains_key(&key) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.forgotten += self.young.len() as u64;
            self.young.clear();
        }
        self.young.insert(key, value);
    }
}

/// The flows of one worker that bear tokens, and when that was last told.
#[derive(Debug)]
pub(in crate::worker) struct Flows(Halves<(FlowKey, CallKey), u64>);

impl Default for Flows {
    fn default() -> Self {
        Self(Halves::new(FLOWS_MAX))
    }
}

impl Flows {
    /// Whether a flow's token is to be told now.
    pub(in crate::worker) fn is_due(
        &mut self,
        flow: FlowKey,
        token: CallKey,
        clock_ns: u64,
    ) -> bool {
        let told_ns = self.0.get(&(flow, token));
        let due = told_ns.is_none_or(|told_ns| clock_ns >= told_ns.saturating_add(AGAIN_NS));
        if due {
            self.0.put((flow, token), clock_ns);
        }
        due
    }
}

/// Whose the tokens of one shard are that are no Call-IDs.
#[derive(Debug)]
pub(in crate::worker) struct Tokens(Halves<CallKey, CallKey>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Halves::new(TOKENS_MAX))
    }
}

impl Tokens {
    /// A message of this call bears the token.
    pub(in crate::worker) fn learn(&mut self, token: CallKey, call: CallKey) {
        self.0.put(token, call);
    }

    /// The call of a token.
    pub(in crate::worker) fn call_of(&self, token: CallKey) -> Option<CallKey> {
        self.0.get(&token)
    }

    /// Tokens forgotten for newer ones.
    pub(in crate::worker) fn forgotten(&self) -> u64 {
        self.0.forgotten
    }
}

/// The media flow of a flow of RTCP: it comes one port above (RFC 3550 §11), or on the same.
pub(in crate::worker) fn media_of(rtcp: FlowKey) -> FlowKey {
    let media = |port: u16| port & !1;
    FlowKey { sport: media(rtcp.sport), dport: media(rtcp.dport), ..rtcp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_told_now_and_then_and_both_tables_are_bounded() {
        let flow = |port: u16| FlowKey { src: [1; 16], dst: [2; 16], sport: port, dport: 2 };
        let mut flows = Flows::default();
        assert!(flows.is_due(flow(1), CallKey(1), 5));
        assert!(!flows.is_due(flow(1), CallKey(1), 4 + AGAIN_NS));
        assert!(flows.is_due(flow(1), CallKey(2), 6), "another token");
        assert!(flows.is_due(flow(1), CallKey(1), 5 + AGAIN_NS));
        let mut tokens = Tokens::default();
        for n in 0..3 * TOKENS_MAX as u64 {
            tokens.learn(CallKey(n), CallKey(7));
        }
        assert_eq!(tokens.forgotten(), TOKENS_MAX as u64);
        assert_eq!(tokens.call_of(CallKey(0)), None);
        assert_eq!(tokens.call_of(CallKey(TOKENS_MAX as u64)), Some(CallKey(7)));
        assert_eq!(media_of(flow(4001)), FlowKey { sport: 4000, ..flow(4001) });
    }
}
