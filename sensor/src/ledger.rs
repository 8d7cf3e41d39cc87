//! The ledger of user space: every frame a worker receives ends in exactly one disposition.
//!
//! Workers count in plain integers of their own and publish them once a loop; readers see sums
//! that are at most one loop old, and exact once traffic is quiet. What the kernel counted is
//! not here: see `status.rs`, which puts both sides next to each other.

use std::sync::atomic::{AtomicU64, Ordering};

use ringtap_common::tunnel::Kind;

/// What became of one received frame. Closed: the index is the counter, the label the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Disposition {
    /// A SIP message in a datagram of its own.
    SipUdp,
    /// A TCP segment of a SIP connection (whole, partial or several messages).
    SipTcp,
    /// On a SIP port, but no SIP message could be made of it (keep-alives too).
    SipUnreadable,
    /// RTP that belongs to a stream.
    Rtp,
    /// Looked like RTP, but no stream of three consistent packets came of it.
    RtpUnconfirmed,
    /// RTP of a stream whose call has already been closed.
    RtpAfterEnd,
    /// RTP that found no room in the stream table.
    RtpTableFull,
    /// RTCP.
    Rtcp,
    /// STUN.
    Stun,
    /// DTLS.
    Dtls,
    /// A piece of a fragmented datagram, held or used for reassembly.
    Fragment,
    /// A piece that could not be used: overlap, limit, or its other parts never came.
    FragmentLost,
    /// The mirror's second copy of a frame.
    Duplicate,
    /// Belonged to another worker, which had no room for it.
    SpreadLost,
    /// Neither SIP nor media by port and first bytes.
    NotVoip,
    /// Not IP.
    NotIp,
    /// Shorter than its own headers say, or headers that contradict each other.
    Malformed,
}

/// Number of dispositions.
pub const DISPOSITIONS: usize = Disposition::Malformed as usize + 1;

/// All dispositions in the order of their counters.
pub const ALL: [Disposition; DISPOSITIONS] = [
    Disposition::SipUdp,
    Disposition::SipTcp,
    Disposition::SipUnreadable,
    Disposition::Rtp,
    Disposition::RtpUnconfirmed,
    Disposition::RtpAfterEnd,
    Disposition::RtpTableFull,
    Disposition::Rtcp,
    Disposition::Stun,
    Disposition::Dtls,
    Disposition::Fragment,
    Disposition::FragmentLost,
    Disposition::Duplicate,
    Disposition::SpreadLost,
    Disposition::NotVoip,
    Disposition::NotIp,
    Disposition::Malformed,
];

impl Disposition {
    /// The name in `status`, `--stats` and the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::SipUdp => "sip_udp",
            Self::SipTcp => "sip_tcp",
            Self::SipUnreadable => "sip_unreadable",
            Self::Rtp => "rtp",
            Self::RtpUnconfirmed => "rtp_unconfirmed",
            Self::RtpAfterEnd => "rtp_after_end",
            Self::RtpTableFull => "rtp_table_full",
            Self::Rtcp => "rtcp",
            Self::Stun => "stun",
            Self::Dtls => "dtls",
            Self::Fragment => "fragment",
            Self::FragmentLost => "fragment_lost",
            Self::Duplicate => "duplicate",
            Self::SpreadLost => "spread_lost",
            Self::NotVoip => "not_voip",
            Self::NotIp => "not_ip",
            Self::Malformed => "malformed",
        }
    }
}

/// Happenings beside the frame count: limits reached, messages late, records made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Event {
    /// SIP messages handed to a call table.
    SipMessages,
    /// SIP messages that came to their call table after its clock had passed them.
    SipLate,
    /// SIP messages lost because a ring between workers stayed full.
    SipRingFull,
    /// SIP messages with a malformation that was recorded all the same.
    SipMalformed,
    /// Claims of media endpoints received from call tables.
    Claims,
    /// Claims beyond the limit of endpoints.
    ClaimsRefused,
    /// Streams that a later claim had to cut where no natural edge was.
    InexactSplits,
    /// Datagrams put together from their fragments.
    Reassembled,
    /// Fragments that no limit would have kept: contradicting lengths, overlaps, too many pieces.
    FragmentsUnusable,
    /// Datagrams given up because some of their fragments never came.
    DatagramsExpired,
    /// Datagrams given up for room: too many, or too many bytes, were incomplete at once.
    DatagramsEvicted,
    /// Directions of SIP connections whose beginning was not seen.
    TcpMidstream,
    /// Segments that brought nothing new.
    TcpRetransmissions,
    /// Segments that came before their time and waited.
    TcpReordered,
    /// Holes in connections that were stepped over.
    TcpHoles,
    /// Sequence numbers that jumped: ports used again.
    TcpJumps,
    /// Connections forgotten because they were silent.
    TcpIdle,
    /// Connections pushed out by a limit of their number or bytes.
    TcpEvicted,
    /// Bytes of connections that belong to no message.
    TcpGarbageBytes,
    /// Times a message's start had to be searched for in a connection.
    TcpResyncs,
    /// Messages of connections without a readable Content-Length, taken to have no body.
    TcpNoLength,
    /// Messages of connections whose body is shorter than they say, or lost its end.
    TcpCut,
    /// Messages of connections beyond the limit of length.
    TcpOversized,
    /// Messages of connections that are no SIP.
    TcpUnreadable,
    /// Segments of unfinished messages forgotten before their message was known.
    TcpUnspooled,
    /// HTTP upgrades to WebSocket, each direction counted.
    WebsocketUpgrades,
    /// Directions of WebSocket connections recognised in their middle.
    WebsocketMidstream,
    /// Messages out of WebSocket frames.
    WebsocketMessages,
    /// Compressed WebSocket messages, which are not read.
    WebsocketCompressed,
    /// WebSocket messages that lost a part.
    WebsocketBroken,
    /// Times a WebSocket frame's start had to be searched for.
    WebsocketResyncs,
    /// Streams confirmed.
    Streams,
    /// Call records made.
    CallRecords,
    /// Records of streams without signalling.
    StreamRecords,
    /// Records of voice quality reports made.
    VqReports,
    /// Voice quality reports that were sent again, which have no record of their own.
    VqRepeats,
    /// Voice quality reports forgotten too early to tell one that is sent again.
    VqForgotten,
    /// Records of lines of logs made.
    LogRecords,
    /// Records of changes of registrations made.
    RegisterRecords,
    /// Records of MESSAGEs made.
    MessageRecords,
    /// Other requests outside of calls that are over: records, but for repetitions.
    SipRecords,
    /// … of them repetitions with equal outcome, which have no record of their own.
    SipRepeats,
    /// Requests outside of calls, and registrations, that found no room.
    SipRefused,
    /// SIP messages outside of calls of methods that are not to be recorded.
    SipUnwanted,
    /// Flows with DTLS that were forgotten for newer ones.
    DtlsForgotten,
    /// Media endpoints of calls forgotten too soon after the call's end to tell RTP behind it.
    EndedForgotten,
    /// Gaps that could not be counted with others of their moment, for want of room.
    BlameOmitted,
    /// Media endpoints that could not be told to the kernel's map.
    LearnedLost,
    /// Flows of media that belong to a call because an agent said so.
    CorrelatedFlows,
    /// Such flows for which their call had no room.
    CorrelatedRefused,
    /// Streams of which only RTCP is known, as agents tell it.
    RtcpStreams,
    /// Such streams for which there was no room.
    RtcpStreamsRefused,
    /// Correlation ids forgotten for newer ones.
    CorrelationsForgotten,
    /// Records lost because the writer could not keep up.
    RecordsLost,
    /// Ties of calls to others beyond what one call keeps.
    TiesOmitted,
    /// Calls with ties that ended too long ago for later legs to be joined with them at once.
    LegsForgotten,
    /// Calls and RTCP flows beyond the spool's table of open chunks: stored in chunks of one.
    SpoolTableFull,
}

/// Number of events.
pub const EVENTS: usize = Event::SpoolTableFull as usize + 1;

const EVENT_LABELS: [&str; EVENTS] = [
    "sip_messages",
    "sip_late",
    "sip_ring_full",
    "sip_malformed",
    "claims",
    "claims_refused",
    "inexact_splits",
    "reassembled",
    "fragments_unusable",
    "datagrams_expired",
    "datagrams_evicted",
    "tcp_midstream",
    "tcp_retransmissions",
    "tcp_reordered",
    "tcp_holes",
    "tcp_jumps",
    "tcp_idle",
    "tcp_evicted",
    "tcp_garbage_bytes",
    "tcp_resyncs",
    "tcp_no_length",
    "tcp_cut",
    "tcp_oversized",
    "tcp_unreadable",
    "tcp_unspooled",
    "websocket_upgrades",
    "websocket_midstream",
    "websocket_messages",
    "websocket_compressed",
    "websocket_broken",
    "websocket_resyncs",
    "streams",
    "call_records",
    "stream_records",
    "vq_reports",
    "vq_repeats",
    "vq_forgotten",
    "log_records",
    "register_records",
    "message_records",
    "sip_records",
    "sip_repeats",
    "sip_refused",
    "sip_unwanted",
    "dtls_forgotten",
    "ended_forgotten",
    "blame_omitted",
    "learned_lost",
    "correlated_flows",
    "correlated_refused",
    "rtcp_streams",
    "rtcp_streams_refused",
    "correlations_forgotten",
    "records_lost",
    "ties_omitted",
    "legs_forgotten",
    "spool_table_full",
];

/// Kinds of tunnels.
const TUNNELS: usize = Kind::ALL.len();

/// Sources whose copies are told apart; the last counts for all beyond.
const SOURCES: usize = 17;

/// One worker's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Frames taken from sources.
    pub received: u64,
    /// Bytes on the wire of those frames.
    pub bytes: u64,
    dispositions: [u64; DISPOSITIONS],
    events: [u64; EVENTS],
    tunnels: [u64; TUNNELS],
    copies: [u64; SOURCES],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            received: 0,
            bytes: 0,
            dispositions: [0; DISPOSITIONS],
            events: [0; EVENTS],
            tunnels: [0; TUNNELS],
            copies: [0; SOURCES],
        }
    }
}

impl Tally {
    /// Counts one frame.
    pub fn count(&mut self, what: Disposition) {
        self.dispositions[what as usize] += 1;
    }

    /// Moves frames from one disposition to another, when later packets told what they were.
    pub fn recount(&mut self, from: Disposition, to: Disposition, frames: u64) {
        let moved = frames.min(self.dispositions[from as usize]);
        self.dispositions[from as usize] -= moved;
        self.dispositions[to as usize] += moved;
    }

    /// Counts an event.
    pub fn note(&mut self, what: Event) {
        self.note_many(what, 1);
    }

    /// Counts an event several times.
    pub fn note_many(&mut self, what: Event, times: u64) {
        self.events[what as usize] += times;
    }

    /// Counts a packet that came through a tunnel; the outermost one counts.
    pub fn note_tunnel(&mut self, kind: Kind) {
        self.tunnels[kind as usize] += 1;
    }

    /// Counts a copy by the source that brought it.
    pub fn note_copy(&mut self, origin: u16) {
        self.copies[usize::from(origin).min(SOURCES - 1)] += 1;
    }

    /// Copies that this source brought.
    pub fn copies_of(&self, origin: usize) -> u64 {
        self.copies[origin.min(SOURCES - 1)]
    }

    /// Sets an event's counter, for what another part counts.
    pub fn set(&mut self, what: Event, value: u64) {
        self.events[what as usize] = value;
    }

    /// Frames with this disposition.
    pub fn of(&self, what: Disposition) -> u64 {
        self.dispositions[what as usize]
    }

    /// How often an event happened.
    pub fn events_of(&self, what: Event) -> u64 {
        self.events[what as usize]
    }

    /// Frames received but not yet counted anywhere: 0 when the ledger balances.
    pub fn in_flight(&self) -> i64 {
        let counted: u64 = self.dispositions.iter().sum();
        i64::try_from(self.received).unwrap_or(i64::MAX)
            - i64::try_from(counted).unwrap_or(i64::MAX)
    }

    /// Adds another worker's counters.
    pub fn add(&mut self, other: &Tally) {
        self.received += other.received;
        self.bytes += other.bytes;
        for (mine, theirs) in self.dispositions.iter_mut().zip(other.dispositions) {
            *mine += theirs;
        }
        for (mine, theirs) in self.events.iter_mut().zip(other.events) {
            *mine += theirs;
        }
        for (mine, theirs) in self.tunnels.iter_mut().zip(other.tunnels) {
            *mine += theirs;
        }
        for (mine, theirs) in self.copies.iter_mut().zip(other.copies) {
            *mine += theirs;
        }
    }

    /// Label and count of every disposition.
    pub fn dispositions(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ALL.iter().map(|d| (d.label(), self.of(*d)))
    }

    /// Label and count of every event, and of every kind of tunnel that was seen.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let tunnels = Kind::ALL.iter().map(|kind| kind.counter()).zip(self.tunnels);
        let seen = tunnels.filter(|(_, packets)| *packets > 0);
        EVENT_LABELS.iter().copied().zip(self.events).chain(seen)
    }
}

/// A worker's counters where other threads can read them.
#[derive(Debug)]
pub struct Published {
    received: AtomicU64,
    bytes: AtomicU64,
    dispositions: [AtomicU64; DISPOSITIONS],
    events: [AtomicU64; EVENTS],
    tunnels: [AtomicU64; TUNNELS],
    copies: [AtomicU64; SOURCES],
}

impl Default for Published {
    fn default() -> Self {
        Self {
            received: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dispositions: [const { AtomicU64::new(0) }; DISPOSITIONS],
            events: [const { AtomicU64::new(0) }; EVENTS],
            tunnels: [const { AtomicU64::new(0) }; TUNNELS],
            copies: [const { AtomicU64::new(0) }; SOURCES],
        }
    }
}

impl Published {
    /// Stores a worker's counters; called once a loop, not per packet.
    pub fn publish(&self, tally: &Tally) {
        for (shared, own) in self.dispositions.iter().zip(tally.dispositions) {
            shared.store(own, Ordering::Relaxed);
        }
        for (shared, own) in self.events.iter().zip(tally.events) {
            shared.store(own, Ordering::Relaxed);
        }
        for (shared, own) in self.tunnels.iter().zip(tally.tunnels) {
            shared.store(own, Ordering::Relaxed);
        }
        for (shared, own) in self.copies.iter().zip(tally.copies) {
            shared.store(own, Ordering::Relaxed);
        }
        self.bytes.store(tally.bytes, Ordering::Relaxed);
        self.received.store(tally.received, Ordering::Release);
    }

    /// The counters as last published.
    pub fn read(&self) -> Tally {
        let mut tally = Tally {
            received: self.received.load(Ordering::Acquire),
            bytes: self.bytes.load(Ordering::Relaxed),
            ..Tally::default()
        };
        for (own, shared) in tally.dispositions.iter_mut().zip(&self.dispositions) {
            *own = shared.load(Ordering::Relaxed);
        }
        for (own, shared) in tally.events.iter_mut().zip(&self.events) {
            *own = shared.load(Ordering::Relaxed);
        }
        for (own, shared) in tally.tunnels.iter_mut().zip(&self.tunnels) {
            *own = shared.load(Ordering::Relaxed);
        }
        for (own, shared) in tally.copies.iter_mut().zip(&self.copies) {
            *own = shared.load(Ordering::Relaxed);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct_and_in_order() {
        for (index, disposition) in ALL.iter().enumerate() {
            assert_eq!(*disposition as usize, index);
        }
        let mut labels: Vec<_> = ALL.iter().map(|d| d.label()).chain(EVENT_LABELS).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), DISPOSITIONS + EVENTS);
    }

    #[test]
    fn a_frame_counted_once_balances_and_recounting_keeps_the_balance() {
        let mut tally = Tally { received: 3, ..Tally::default() };
        assert_eq!(tally.in_flight(), 3);
        tally.count(Disposition::RtpUnconfirmed);
        tally.count(Disposition::RtpUnconfirmed);
        tally.count(Disposition::Rtp);
        assert_eq!(tally.in_flight(), 0);
        tally.recount(Disposition::RtpUnconfirmed, Disposition::Rtp, 2);
        assert_eq!((tally.of(Disposition::Rtp), tally.in_flight()), (3, 0));
        tally.recount(Disposition::RtpUnconfirmed, Disposition::Rtp, 9);
        assert_eq!(tally.in_flight(), 0, "never moves more than there is");
    }

    #[test]
    fn published_counters_are_read_back_whole() {
        let mut tally = Tally { received: 7, bytes: 9, ..Tally::default() };
        tally.count(Disposition::Stun);
        tally.note_many(Event::Claims, 4);
        tally.note_tunnel(Kind::Geneve);
        tally.note_copy(2);
        tally.note_copy(900);
        let shared = Published::default();
        shared.publish(&tally);
        assert_eq!(shared.read(), tally);
        let seen: Vec<_> = tally.events().filter(|(label, _)| label.starts_with("tun")).collect();
        assert_eq!(seen, [("tunnel_geneve", 1)], "kinds that were not seen are not told");
    }
}
