//! A voice quality report as a record, and whether it is one that was sent before.
//!
//! A PUBLISH is sent again when its answer is late, and again with credentials when it is
//! challenged; the report in it is the same. So a report is known by the Call-ID of what brought
//! it, its hop and its text, and not by a number that credentials change.

use std::hash::BuildHasher;

use compact_str::{CompactString, ToCompactString};
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use ringtap_call::Meta;
use ringtap_cdr::{VqMetrics, VqReport};
use ringtap_sip::vq::{Metrics, Report};
use ringtap_sip::{Message, Text};

/// Bytes that are kept of a text.
const TEXT_MAX: usize = 255;

/// A report that comes again within this time is the same (RFC 3261, 64 × T1).
const AGAIN_NS: u64 = 32_000_000_000;

/// Reports remembered in each of two generations.
const HEARD_MAX: usize = 8192;

/// Reports of a while.
#[derive(Debug, Default)]
pub(in crate::worker) struct Heard {
    seed: RandomState,
    /// When each was heard first, on the ordering clock.
    young: HashMap<u64, u64, RandomState>,
    old: HashMap<u64, u64, RandomState>,
    turned_clock_ns: u64,
    /// Reports forgotten before their time, for want of room.
    pub(in crate::worker) forgotten: u64,
}

impl Heard {
    /// Whether the report in this message is heard for the first time.
    pub(in crate::worker) fn is_news(&mut self, meta: &Meta, message: &Message<'_>) -> bool {
        let hop = (meta.src.ip(), meta.dst.ip());
        let name = self.seed.hash_one((message.call_id(), hop, message.body()));
        let now_ns = meta.clock_ns;
        let first = self.young.get(&name).or_else(|| self.old.get(&name));
        if first.is_some_and(|first| now_ns.saturating_sub(*first) < AGAIN_NS) {
            return false;
        }
        let full = self.young.len() >= HEARD_MAX;
        if full || now_ns.saturating_sub(self.turned_clock_ns) >= AGAIN_NS {
            std::mem::swap(&mut self.young, &mut self.old);
            let early = |first: &&u64| now_ns.saturating_sub(**first) < AGAIN_NS;
            self.forgotten += self.young.values().filter(early).count() as u64;
            self.young.clear();
            self.turned_clock_ns = now_ns;
        }
        self.young.insert(name, now_ns);
        true
    }
}

/// The record of a report about the call with this key.
pub(super) fn record(id_sensor: u16, call_key: u64, meta: &Meta, report: &Report<'_>) -> VqReport {
    VqReport {
        id: 0,
        id_sensor,
        ts_us: meta.ts_ns / 1000,
        reporter: Some(meta.src),
        call_key,
        callid: text(report.call_id),
        kind: CompactString::const_new(report.kind.label()),
        local_id: text(report.local_id),
        remote_id: text(report.remote_id),
        codec: report.local.codec.or(report.remote.codec).map(text).unwrap_or_default(),
        local: metrics(&report.local),
        remote: metrics(&report.remote),
    }
}

fn text(text: Text<'_>) -> CompactString {
    let mut kept = text.to_compact_string();
    kept.truncate(kept.floor_char_boundary(TEXT_MAX));
    kept
}

fn metrics(side: &Metrics<'_>) -> VqMetrics {
    VqMetrics {
        loss_percent: side.loss_percent,
        discard_percent: side.discard_percent,
        round_trip_ms: side.round_trip_ms,
        end_system_ms: side.end_system_ms,
        buffer_ms: side.buffer_ms,
        jitter_ms: side.jitter_ms,
        r_lq: side.r_lq,
        r_cq: side.r_cq,
        mos_lq: side.mos_lq,
        mos_cq: side.mos_cq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(heard: &mut Heard, clock_ns: u64, call_id: &str, cseq: u32, body: &str) -> bool {
        let text = format!(
            "PUBLISH sip:c SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: {cseq} PUBLISH\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let meta = Meta {
            ts_ns: clock_ns,
            clock_ns,
            src: ([10, 0, 0, 1], 5060).into(),
            dst: ([10, 0, 0, 9], 5060).into(),
            origin: 0,
            vlan: 0,
            tunnel: None,
            tcp: false,
            dscp: 0,
        };
        heard.is_news(&meta, &Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_report_is_news_once_in_its_time() {
        let mut all = Heard::default();
        assert!(heard(&mut all, 0, "a", 1, "one"));
        assert!(!heard(&mut all, 500_000_000, "a", 1, "one"));
        assert!(!heard(&mut all, 600_000_000, "a", 2, "one"), "with credentials");
        assert!(heard(&mut all, 600_000_000, "a", 3, "two"));
        assert!(heard(&mut all, 600_000_000, "b", 1, "one"));
        // To the nanosecond, whatever other reports have turned the generations meanwhile.
        assert!(heard(&mut all, AGAIN_NS - 1, "c", 1, "one"));
        assert!(!heard(&mut all, AGAIN_NS - 1, "a", 1, "one"));
        assert!(heard(&mut all, AGAIN_NS, "a", 1, "one"));
        assert!(!heard(&mut all, 2 * AGAIN_NS - 2, "c", 1, "one"));
        assert_eq!(all.forgotten, 0);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_counted() {
        let mut all = Heard::default();
        for n in 0..3 * HEARD_MAX {
            assert!(heard(&mut all, 1 + n as u64, "a", 1, &n.to_string()));
        }
        assert_eq!((all.young.len(), all.old.len()), (HEARD_MAX, HEARD_MAX));
        assert_eq!(all.forgotten, HEARD_MAX as u64);
        assert!(!heard(&mut all, AGAIN_NS, "a", 1, &HEARD_MAX.to_string()));
        assert!(heard(&mut all, AGAIN_NS, "a", 1, "0"), "one too many, rather than none");
    }
}
