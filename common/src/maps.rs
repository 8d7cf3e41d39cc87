//! The maps of the kernel program: names, keys, values and sizes.
//!
//! The layouts are the same on both sides because this is the only place that states them; the
//! asserts below fail the build if a compiler lays them out otherwise. What the values mean to
//! the program stands in the program.

use crate::classify::{MEDIA_PORT_MIN, Ports};
use crate::fingerprint::Seed;
use crate::tunnel::Kind;
use crate::walk::Ip;

/// Name of the program.
pub const PROGRAM: &str = "ringtap";
/// Name of the program that goes on inside of a tunnel.
pub const INNER_PROGRAM: &str = "ringtap_inner";
/// Names of the programs that look at what an Ethernet interface takes in, and sends.
pub const HOST_PROGRAMS: [&str; 2] = ["ringtap_in", "ringtap_out"];
/// The same for interfaces whose frames begin with the IP header.
pub const HOST_IP_PROGRAMS: [&str; 2] = ["ringtap_ip_in", "ringtap_ip_out"];
/// Name of the program that goes on for them inside of a tunnel.
pub const HOST_INNER_PROGRAM: &str = "ringtap_host_inner";
/// Name of the program that filters for a packet socket.
pub const SOCKET_PROGRAM: &str = "ringtap_socket";
/// Name of the global that holds the [`Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// Map of one [`PortSets`].
pub const PORTS: &str = "PORTS";
/// Map from [`Endpoint`] to [`Claim`].
pub const LEARNED: &str = "LEARNED";
/// Map of duplicate slots (`u64`, see [`crate::fingerprint::Slot`]), one for all processors.
pub const DEDUP: &str = "DEDUP";
/// Map of counters (`u64`) for each verdict and processor.
pub const VERDICTS: &str = "VERDICTS";
/// Map from RX queue to AF_XDP socket.
pub const SOCKETS: &str = "SOCKETS";

/// Map from 0 to the program [`INNER_PROGRAM`], or [`HOST_INNER_PROGRAM`].
pub const PROGRAMS: &str = "PROGRAMS";
/// Map of one [`Place`] for each processor: where that program goes on.
pub const PLACE: &str = "PLACE";

/// Maps that carry frames of the host's own interfaces, see [`crate::record`].
pub const RINGS: [&str; RINGS_MAX] =
    ["RING_0", "RING_1", "RING_2", "RING_3", "RING_4", "RING_5", "RING_6", "RING_7"];
/// How many of [`RINGS`] there can be.
pub const RINGS_MAX: usize = 8;
/// Name of the global that says how many of [`RINGS`] are used (`u32`).
pub const RINGS_USED: &str = "RINGS_USED";
/// Map of counters (`u64`) for each ring and processor: frames for which it had no room.
pub const LOST: &str = "LOST";
/// Map of the first bytes of a frame, for each processor.
pub const HEAD: &str = "HEAD";
/// Map from the index of an interface whose frames begin with the IP header, for
/// [`SOCKET_PROGRAM`].
pub const BARE: &str = "BARE_LINKS";
/// Size of [`BARE`].
pub const BARE_MAX: u32 = 1024;

/// Map from this host's own addresses, each an [`Address`].
pub const OWN: &str = "OWN";
/// Map from the addresses of hosts that have sent a tunnel's packet, each an [`Address`].
pub const SENDERS: &str = "SENDERS";

/// Size of [`OWN`].
pub const OWN_MAX: u32 = 1024;
/// Size of [`SENDERS`]: the longest silent are forgotten.
pub const SENDERS_MAX: u32 = 4096;
/// Default size of [`LEARNED`], in endpoints.
pub const LEARNED_MAX: u32 = 65_536;
/// Default size of [`DEDUP`], in slots: 4 × 5.25 Mpps × 20 ms, rounded up to a power of two.
pub const DEDUP_SLOTS: u32 = 1 << 19;
/// Largest size of [`DEDUP`], in slots.
pub const DEDUP_SLOTS_MAX: u32 = 1 << 26;
/// Default size of [`SOCKETS`], in queues.
pub const SOCKETS_MAX: u32 = 256;
/// Default duplicate window, ns.
pub const DEDUP_WINDOW_NS: u64 = 20_000_000;

/// What becomes of frames that are not VoIP.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A dedicated mirror port: they are dropped.
    Span = 0,
    /// They go on to the host.
    PassRest = 1,
    /// A host that receives a mirror's tunnels beside its own traffic: what is in tunnels and is
    /// not VoIP is dropped; what is not in tunnels goes on to the host, and so does VoIP that is
    /// addressed to it.
    Tunnel = 2,
}

/// How media is told from other datagrams.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaFilter {
    /// By port class and first bytes: loses no packet at a call's start.
    ByContent = 0,
    /// Only from or to endpoints in [`LEARNED`].
    Learned = 1,
}

/// What the program is told when it is loaded; constant from then on.
///
/// Choices are plain bytes and not enums because the kernel side reads them as they come.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Keys of the duplicate fingerprint, random for each run.
    pub seed: Seed,
    /// First half of a [`stamp`], random for each run.
    pub stamp_magic: u64,
    /// Duplicate window, ns; 0 switches the duplicate table off.
    pub dedup_window_ns: u64,
    /// Slots of [`DEDUP`] minus one; the slots are a power of two.
    pub dedup_mask: u32,
    /// A [`Mode`].
    pub mode: u8,
    /// A [`MediaFilter`].
    pub media: u8,
    /// 1 if redirected frames carry a [`stamp`].
    pub kernel_timestamps: u8,
    /// Tunnels in tunnels that are entered at most.
    pub tunnel_depth: u8,
}

impl Settings {
    /// The defaults, with keys made from 64 random bits.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self {
            seed: Seed::new(random),
            stamp_magic: random.rotate_left(17) ^ 0x7269_6e67_7461_7000 | 1,
            dedup_window_ns: DEDUP_WINDOW_NS,
            dedup_mask: DEDUP_SLOTS - 1,
            mode: Mode::Span as u8,
            media: MediaFilter::ByContent as u8,
            kernel_timestamps: 1,
            tunnel_depth: crate::peel::DEPTH,
        }
    }
}

/// Bytes of metadata in front of a stamped frame.
pub const STAMP_LEN: usize = 16;

/// The metadata in front of a redirected frame: magic, then CLOCK_MONOTONIC in ns.
///
/// Some drivers have no room for metadata, and an AF_XDP descriptor does not tell whether there is
/// any. So the bytes in front of a frame are only believed when they start with the run's magic,
/// and whoever reads a stamp must overwrite it (one byte is enough) before the buffer goes back to
/// the kernel: otherwise an old stamp could be taken for a new frame's.
#[inline(always)]
#[must_use]
pub fn stamp(magic: u64, clock_ns: u64) -> [u64; 2] {
    [magic, clock_ns]
}

/// The time of a stamp in the machine's byte order, or `None` if the bytes are none of this run's.
#[inline(always)]
#[must_use]
pub fn stamped_ns(bytes: [u8; STAMP_LEN], magic: u64) -> Option<u64> {
    let [a, b, c, d, e, f, g, h, ns @ ..] = bytes;
    let found = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    if found == magic { Some(u64::from_ne_bytes(ns)) } else { None }
}

/// The UDP ports of tunnels, unless others are asked for.
pub const TUNNEL_PORTS: [(u16, Kind); 8] = [
    (1701, Kind::L2tp),
    (4754, Kind::GreUdp),
    (4789, Kind::Vxlan),
    (4790, Kind::Vxlan),
    (6081, Kind::Geneve),
    (6635, Kind::Mpls),
    (7932, Kind::HpErm),
    (37_008, Kind::Tzsp),
];

/// A set of ports, one bit each.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSet {
    words: [u64; 1024],
}

impl PortSet {
    /// The empty set.
    pub const EMPTY: Self = Self { words: [0; 1024] };

    /// Adds every port from `first` to `last`, both included.
    pub fn insert_range(&mut self, first: u16, last: u16) {
        for port in first..=last {
            self.words[usize::from(port >> 6)] |= 1 << (port & 63);
        }
    }

    /// Adds one port.
    pub fn insert(&mut self, port: u16) {
        self.insert_range(port, port);
    }

    /// Whether a port is in the set.
    #[inline(always)]
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.words[usize::from(port >> 6)] >> (port & 63) & 1 != 0
    }
}

/// The value of [`PORTS`]; 96 KiB.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSets {
    /// SIP over UDP.
    pub sip_udp: PortSet,
    /// SIP over TCP.
    pub sip_tcp: PortSet,
    /// Media.
    pub media: PortSet,
    /// Tunnels.
    tunnel: PortSet,
    /// What kind of tunnel, for the ports of [`PortSets::tunnel`]; read for those only.
    kinds: [u8; 65_536],
}

impl PortSets {
    /// No port at all.
    pub const EMPTY: Self = Self {
        sip_udp: PortSet::EMPTY,
        sip_tcp: PortSet::EMPTY,
        media: PortSet::EMPTY,
        tunnel: PortSet::EMPTY,
        kinds: [0; 65_536],
    };

    /// Tunnels of that kind live on this UDP port.
    pub fn insert_tunnel(&mut self, port: u16, kind: Kind) {
        self.tunnel.insert(port);
        self.kinds[usize::from(port)] = kind as u8;
    }
}

impl Default for PortSets {
    /// SIP on 5060, media from 1024 up, tunnels on the ports that are theirs.
    fn default() -> Self {
        let mut sets = Self::EMPTY;
        for (port, kind) in TUNNEL_PORTS {
            sets.insert_tunnel(port, kind);
        }
        sets.sip_udp.insert(5060);
        sets.sip_tcp.insert(5060);
        sets.media.insert_range(MEDIA_PORT_MIN, u16::MAX);
        sets
    }
}

impl Ports for PortSets {
    #[inline(always)]
    fn sip(&self, port: u16) -> bool {
        self.sip_udp.contains(port)
    }

    #[inline(always)]
    fn sip_tcp(&self, port: u16) -> bool {
        self.sip_tcp.contains(port)
    }

    #[inline(always)]
    fn media(&self, port: u16) -> bool {
        self.media.contains(port)
    }

    #[inline(always)]
    fn tunnel(&self, port: u16) -> Option<Kind> {
        if !self.tunnel.contains(port) {
            return None;
        }
        Kind::from_number(self.kinds[usize::from(port)])
    }
}

/// The value of [`PLACE`]: where a program handed the frame over to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of the header to walk from.
    pub at: u32,
    /// What it is, see [`crate::walk::Layer`].
    pub ethertype: u16,
    /// Tunnels entered so far.
    pub depth: u16,
}

/// An address as a key: the key of [`OWN`] and [`SENDERS`].
///
/// It is two words, and not bytes: the kernel refuses a program that writes its stack in pieces
/// across their borders, as the compiler does with bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address([u64; 2]);

impl Address {
    /// The key of an address.
    #[inline(always)]
    #[must_use]
    pub const fn new(ip: Ip) -> Self {
        let [a, b, c, d, e, f, g, h, low @ ..] = ip;
        Self([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(low)])
    }

    /// Both words as one number, for a hash.
    #[inline(always)]
    #[must_use]
    pub const fn sum(self) -> u64 {
        self.0[0].wrapping_add(self.0[1])
    }
}

/// The key of [`LEARNED`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    address: Address,
    /// UDP port, in the machine's byte order.
    port: u64,
}

impl Endpoint {
    /// The endpoint of an address and a port.
    #[inline(always)]
    #[must_use]
    pub const fn new(ip: Ip, port: u16) -> Self {
        Self { address: Address::new(ip), port: port as u64 }
    }
}

/// The value of [`LEARNED`]; the program only asks whether there is one.
pub type Claim = u32;

const _: () = {
    use crate::walk::Headers;
    assert!(size_of::<Headers>() <= 64);
    assert!(size_of::<Settings>() == 56);
    assert!(size_of::<PortSets>() == 4 * 8192 + 65_536);
    assert!(size_of::<Place>() == 8);
    assert!(size_of::<Endpoint>() == 24 && size_of::<Address>() == 16);
    assert!(DEDUP_SLOTS.is_power_of_two() && DEDUP_SLOTS_MAX.is_power_of_two());
    assert!(DEDUP_SLOTS as u64 >= 4 * 5_250_000 * DEDUP_WINDOW_NS / 1_000_000_000);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_inclusive() {
        let mut set = PortSet::EMPTY;
        set.insert_range(63, 130);
        set.insert(65_535);
        for port in 0..=u16::MAX {
            assert_eq!(set.contains(port), (63..=130).contains(&port) || port == 65_535, "{port}");
        }
    }

    #[test]
    fn only_this_runs_stamp_is_believed() {
        let settings = Settings::new(7);
        let [magic, ns] = stamp(settings.stamp_magic, 1234);
        let mut bytes = [0; STAMP_LEN];
        bytes[..8].copy_from_slice(&magic.to_ne_bytes());
        bytes[8..].copy_from_slice(&ns.to_ne_bytes());
        assert_eq!(stamped_ns(bytes, settings.stamp_magic), Some(1234));
        assert_eq!(stamped_ns(bytes, Settings::new(8).stamp_magic), None);
        bytes[3] ^= 1;
        assert_eq!(stamped_ns(bytes, settings.stamp_magic), None);
    }
}
