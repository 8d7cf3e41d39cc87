//! The ladder of a call: its messages in short, and which of them were seen before.
//!
//! It keeps the first ones and the last ones; what is between is counted.

use std::net::IpAddr;

use compact_str::format_compact;
use ringtap_sip::StartLine;

use super::{Call, SEEN_MAX};
use crate::counters::Counters;
use crate::side::Reading;
use crate::summary::{LADDER_MAX, LADDER_TAIL, LadderEntry, clip};

/// Longest text of a ladder entry.
const LADDER_TEXT_MAX: usize = 48;

impl Call {
    /// Adds the message to the ladder.
    pub(super) fn draw(&mut self, reading: &Reading<'_>, sdp: bool, counters: &mut Counters) {
        let retransmission = self.is_repeated(reading);
        let request = reading.request.is_some();
        let summary = &mut self.summary;
        if retransmission {
            let counts = &mut summary.counts;
            *(if request { &mut counts.requests_again } else { &mut counts.responses_again }) += 1;
        }
        if summary.ladder.len() >= LADDER_MAX {
            summary.ladder.remove(LADDER_MAX - LADDER_TAIL);
            summary.ladder_omitted += 1;
            counters.ladder_omitted += 1;
        }
        let text = match reading.message.start() {
            StartLine::Request { name, .. } => clip(name, LADDER_TEXT_MAX),
            StartLine::Response { status, phrase } if phrase.is_empty() => {
                format_compact!("{status}")
            }
            StartLine::Response { status, phrase } => {
                format_compact!("{status} {}", clip(phrase, LADDER_TEXT_MAX))
            }
        };
        let (src, dst) = (reading.meta.src, reading.meta.dst);
        summary.ladder.push(LadderEntry {
            ts_ns: reading.meta.ts_ns,
            src,
            dst,
            text,
            sdp,
            request,
            retransmission,
        });
    }

    fn is_repeated(&mut self, reading: &Reading<'_>) -> bool {
        let mut mix = reading.branch ^ u64::from(reading.cseq).rotate_left(32);
        let ends = [reading.meta.src, reading.meta.dst];
        let words = ends.iter().flat_map(|a| {
            let ip = match a.ip().to_canonical() {
                IpAddr::V4(v4) => u128::from(v4.to_bits()),
                IpAddr::V6(v6) => v6.to_bits(),
            };
            [ip as u64, (ip >> 64) as u64, u64::from(a.port())]
        });
        let kind = [u64::from(reading.status), reading.method as u64, reading.to_tag];
        let request = u64::from(reading.request.is_some());
        for word in words.chain(kind).chain([request]) {
            mix = (mix ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        if self.seen.contains(&mix) {
            return true;
        }
        if self.seen.len() < SEEN_MAX {
            self.seen.push(mix);
        } else if let Some(place) = self.seen.get_mut(self.seen_next % SEEN_MAX) {
            *place = mix;
            self.seen_next += 1;
        }
        false
    }
}
