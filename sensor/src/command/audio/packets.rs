//! The RTP packets of one call out of the spool, each with the number of its stream.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use ringtap_capture::Link;
use ringtap_cdr::{CallRecord, StreamRecord};
use ringtap_spool::read::{Asked, Exported, Packet, Wanted, packets_in_slices};
use ringtap_spool::{Kind, SpoolError};
use ringtap_wire::flow::FlowKey;
use ringtap_wire::rtp::View;

use crate::command::pcap;
use crate::plant::SharedPorts;
use crate::worker::decode::Opening;
use crate::worker::endpoints::endpoint;

/// Payload types that RTCP on the same port would have (RFC 5761 §4).
const RTCP: std::ops::Range<u8> = 64..96;

/// One RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct One<'a> {
    /// Number of its stream in the call's record.
    pub(super) stream: usize,
    /// Arrival, UNIX ns.
    pub(super) ts_ns: u64,
    /// The packet.
    pub(super) rtp: View<'a>,
    /// Only its headers were kept.
    pub(super) bare: bool,
}

/// Where a call's RTP is.
#[derive(Debug)]
pub(super) struct Packets<'a> {
    roots: &'a [PathBuf],
    wanted: Vec<Wanted>,
    /// The streams of a flow and SSRC.
    streams: HashMap<(FlowKey, u32), Vec<Ran>>,
    opening: Opening<SharedPorts>,
}

/// When a stream ran, UNIX ns, and its number in the call's record.
#[derive(Clone, Copy, Debug)]
struct Ran {
    from_ns: u64,
    to_ns: u64,
    number: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn of(
        roots: &'a [PathBuf],
        call: &CallRecord,
        realm: u32,
        opening: Opening<SharedPorts>,
    ) -> Self {
        let mut streams: HashMap<_, Vec<_>> = HashMap::new();
        for (number, stream) in call.streams.iter().enumerate() {
            let (from_ns, to_ns) = (stream.first_us * 1000, stream.last_us * 1000 + 999);
            let ran = Ran { from_ns, to_ns, number };
            streams.entry((flow(stream), stream.ssrc)).or_default().push(ran);
        }
        let mut wanted = pcap::wanted(call, realm);
        wanted.retain(|one| one.kind == Kind::Rtp);
        Self { roots, wanted, streams, opening }
    }

    /// Gives every packet of the call's streams, in the order of arrival.
    pub(super) fn each(
        &self,
        take: &mut dyn FnMut(&One<'_>) -> io::Result<()>,
    ) -> Result<Exported, SpoolError> {
        let asked = Asked::These(&self.wanted);
        packets_in_slices(self.roots, asked, &mut |packet| {
            self.one(packet).map_or(Ok(()), |one| take(&one))
        })
    }

    fn one<'p>(&self, packet: &Packet<'p>) -> Option<One<'p>> {
        let headers = self.opening.read(Link::from_dlt(packet.link)?, packet.bytes).ok()?.headers;
        let start = usize::from(headers.payload);
        let end = start.saturating_add(headers.payload_len as usize);
        let rtp = View::parse(packet.bytes.get(start..end)?).ok()?;
        if RTCP.contains(&rtp.payload_type()) {
            return None;
        }
        let ts_ns = packet.ts_ns;
        let same = self.streams.get(&(FlowKey::from_headers(&headers), rtp.ssrc()))?;
        let stream = same.iter().find(|ran| (ran.from_ns..=ran.to_ns).contains(&ts_ns))?.number;
        let bare = rtp.payload().is_empty() && packet.wire_len as usize > packet.bytes.len();
        Some(One { stream, ts_ns, rtp, bare })
    }
}

fn flow(stream: &StreamRecord) -> FlowKey {
    let ((src, sport), (dst, dport)) = (endpoint(stream.src), endpoint(stream.dst));
    FlowKey { src, dst, sport, dport }
}
