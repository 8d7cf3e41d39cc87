//! A look at traffic: what is there, what of it the sensor would take, and what it would miss.
//!
//! Frames go the first steps of the sensor's own way (walk, tunnels, class, copies); what the
//! configuration leaves aside is looked at once more. Nothing is kept of a packet, and every table
//! has its limit. What the counts mean is said in `findings`.

mod elsewhere;
mod findings;
mod hidden;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU64;

use foldhash::fast::RandomState;
use ringtap_capture::Frame;
use ringtap_common::classify::{Class, Ports};
use ringtap_common::fingerprint::{Fingerprint, Table, WINDOW_NS_MAX};
use ringtap_common::tunnel::Kind;
use ringtap_common::walk::{
    Fragment, PROTO_ETHERIP, PROTO_GRE, PROTO_IPIP, PROTO_IPV6, PROTO_TCP, PROTO_UDP, Stop,
};
use ringtap_sip::looks_like_sip;

use crate::config::Config;
use crate::plant::{SharedPorts, opening, options};
use crate::worker::decode::copies::{Copies, Memory};
use crate::worker::decode::{Decoded, Decoder};
use crate::worker::signalling::{Directions, Heard};
use elsewhere::PortPairs;
use hidden::Hidden;
use streams::Streams;

pub use findings::{Place, directions, findings};

/// Copies of RTP that come later than the sensor recognises them are looked for so long.
const LATE_NS: u64 = 1_000_000_000;

/// Packets whose late copies can be recognised.
const LATE_SLOTS: usize = 1 << 16;

/// Where TLS carries SIP, unless somebody has another idea (RFC 3261 §19.1.2).
const SIPS_PORT: u16 = 5061;

/// What was seen. Frames are counted once, copies only as such.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Frames.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Datagrams with SIP, and segments that hold a part of it.
    pub sip: u64,
    /// Segments of TLS on ports of SIP, and on 5061.
    pub tls: u64,
    /// Bytes on the wire of what would be kept: SIP, RTP and RTCP.
    pub voip_bytes: u64,
    /// What looks like RTP, on the ports of media.
    pub rtp: u64,
    /// RTCP, on the ports of media.
    pub rtcp: u64,
    /// STUN and DTLS.
    pub beside: u64,
    /// Copies of frames within the window.
    pub copies: u64,
    /// Copies of RTP that came later.
    pub late_copies: u64,
    /// Pieces of packets.
    pub pieces: u64,
    /// … of tunnels' packets.
    pub tunnel_pieces: u64,
    /// Frames that are not whole.
    pub cut: u64,
    /// … with SIP.
    pub cut_sip: u64,
    /// Bytes of the longest of those.
    pub cut_at: u64,
    /// Bytes of the longest frame on the wire.
    pub longest: u32,
    /// Packets out of tunnels, by the outermost one.
    pub tunnels: [u64; Kind::ALL.len()],
    /// Packets in more tunnels than are opened.
    pub too_deep: u64,
    /// GTP, which is not opened.
    pub gtp: u64,
    /// Messages of capture agents on their way to somebody.
    pub hep: u64,
    /// Frames that contradict themselves.
    pub malformed: u64,
    /// UNIX times of the first and the last frame, ns.
    pub first_ns: u64,
    /// See `first_ns`.
    pub last_ns: u64,
}

/// A look.
pub struct Look {
    ports: SharedPorts,
    decoder: Decoder<SharedPorts>,
    late: Option<Table<Box<[AtomicU64]>>>,
    origin: u16,
    counts: Counts,
    directions: Directions,
    streams: Streams,
    sip_elsewhere: PortPairs,
    hidden: Hidden,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Look {
    /// A look with the eyes of this configuration at the interface of this number.
    pub fn new(config: &Config, origin: u16) -> Self {
        use std::hash::BuildHasher as _;
        let opening = opening(config);
        let told = options::dedup_window_ns(config);
        let window_ns =
            told.unwrap_or(u64::from(Config::default().deduplicate_window_ms) * 1_000_000);
        let seed = RandomState::default().hash_one(origin);
        let slots = (0..LATE_SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self {
            ports: opening.ports.clone(),
            decoder: Decoder::new(opening, Memory::new(Copies::Told, window_ns, seed, 1)),
            late: Table::new(slots, LATE_NS.min(WINDOW_NS_MAX), false),
            origin,
            counts: Counts::default(),
            directions: Directions::default(),
            streams: Streams::default(),
            sip_elsewhere: PortPairs::default(),
            hidden: Hidden::default(),
        }
    }

    /// What was seen so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number of its interface.
    pub fn origin(&self) -> u16 {
        self.origin
    }

    /// Which hosts were heard to send SIP, and which to be sent some.
    pub fn heard(&mut self) -> Vec<Heard> {
        // At this moment nothing has faded.
        self.directions.heard(0)
    }

    /// Looks at a frame.
    pub fn frame(&mut self, frame: Frame<'_>) {
        let counts = &mut self.counts;
        if counts.frames == 0 {
            (counts.first_ns, counts.last_ns) = (frame.ts, frame.ts);
        }
        counts.frames += 1;
        counts.bytes += u64::from(frame.wire_len);
        counts.first_ns = counts.first_ns.min(frame.ts);
        counts.last_ns = counts.last_ns.max(frame.ts);
        counts.longest = counts.longest.max(frame.wire_len);
        let is_cut = frame.wire_len as usize > frame.bytes.len();
        if is_cut {
            counts.cut += 1;
            counts.cut_at = counts.cut_at.max(frame.bytes.len() as u64);
        }
        let decoded = match self.decoder.walk(frame) {
            Ok(decoded) => decoded,
            Err(Stop::NotIp | Stop::OtherProto) => return,
            Err(Stop::TooDeep) => return counts.too_deep += 1,
            // A frame that is cut ends too early without a fault of its own.
            Err(_) if is_cut => return,
            Err(_) => return counts.malformed += 1,
        };
        if let Some(of) = decoded.tunnel.and_then(|t| counts.tunnels.get_mut(t.kind as usize)) {
            *of += 1;
        }
        let print = self.decoder.fingerprint(&decoded);
        if self.decoder.is_duplicate(print.as_ref(), frame.clock) {
            counts.copies += 1;
        } else if decoded.is_piece() {
            self.piece(&decoded);
        } else {
            self.packet(&decoded, print.as_ref(), is_cut);
        }
    }

    fn piece(&mut self, decoded: &Decoded<'_>) {
        let headers = &decoded.headers;
        let is_tunnel =
            matches!(headers.proto, PROTO_GRE | PROTO_IPIP | PROTO_IPV6 | PROTO_ETHERIP)
                || headers.fragment == Fragment::First && self.is_tunnel_port(headers.dport);
        self.counts.pieces += 1;
        self.counts.tunnel_pieces += u64::from(is_tunnel);
    }

    fn is_tunnel_port(&self, port: u16) -> bool {
        self.ports.tunnel(port).is_some()
    }

    fn packet(&mut self, decoded: &Decoded<'_>, print: Option<&Fingerprint>, is_cut: bool) {
        if matches!(decoded.class, Class::Sip | Class::Rtp | Class::Rtcp) {
            self.counts.voip_bytes += u64::from(decoded.frame.wire_len);
        }
        match decoded.class {
            Class::Sip => self.sip(decoded, is_cut),
            Class::Rtp => {
                self.counts.rtp += 1;
                self.streams.packet(decoded, true);
                let clock_ns = decoded.frame.clock;
                let late = print.zip(self.late.as_ref());
                let is_copy = late.is_some_and(|(print, late)| late.is_duplicate(print, clock_ns));
                self.counts.late_copies += u64::from(is_copy);
            }
            Class::Rtcp => self.counts.rtcp += 1,
            Class::Stun | Class::Dtls => self.counts.beside += 1,
            Class::Other => self.other(decoded),
        }
    }

    fn sip(&mut self, decoded: &Decoded<'_>, is_cut: bool) {
        let payload = decoded.payload();
        if decoded.headers.proto == PROTO_TCP && elsewhere::is_tls(payload) {
            self.counts.tls += 1;
        } else if looks_like_sip(payload) {
            self.counts.sip += 1;
            self.counts.cut_sip += u64::from(is_cut);
            self.directions.note(self.origin, decoded.headers.src, decoded.headers.dst);
        }
    }

    /// What the sensor leaves aside with this configuration.
    fn other(&mut self, decoded: &Decoded<'_>) {
        let (headers, payload) = (&decoded.headers, decoded.payload());
        let ports = (headers.sport, headers.dport);
        if elsewhere::begins_sip(payload) {
            self.sip_elsewhere.note(headers.proto, ports);
        } else if elsewhere::is_hep(payload) {
            self.counts.hep += 1;
        } else if headers.proto == PROTO_TCP {
            let is_sips = ports.0 == SIPS_PORT || ports.1 == SIPS_PORT;
            self.counts.tls += u64::from(is_sips && elsewhere::is_tls(payload));
        } else if headers.proto == PROTO_UDP {
            if elsewhere::is_gtp(headers.dport, payload) {
                self.counts.gtp += 1;
            } else if !self.streams.packet(decoded, false) {
                self.hidden.packet(decoded);
            }
        }
    }
}
