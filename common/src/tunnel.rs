//! Tunnels: what carries other hosts' frames and packets, and where these begin.
//!
//! [`enter`] looks behind a transport header, [`shim`] behind what may stand between Ethernet and
//! IP. Both only find the next layer; [`crate::peel`] goes on from there. Nothing here decides by
//! a checksum, and nothing keeps state.
//!
//! Formats: RFC 2003 and 4213 (IP in IP), RFC 2784, 2890 and 7637 (GRE, NVGRE), RFC 2637 (GRE of
//! PPTP), ERSPAN types I to III (draft-foschiano-erspan), RFC 7348 (VXLAN),
//! draft-ietf-nvo3-vxlan-gpe, RFC 8926 (Geneve), RFC 8300 (NSH), RFC 3032, 4023, 4385 and 7510
//! (MPLS), RFC 2516 (PPPoE), RFC 2661 and 3931 (L2TP), RFC 1661 (PPP), RFC 8086 (GRE in UDP), RFC
//! 3378 (EtherIP), TZSP, AudioCodes debug recording.

pub mod audiocodes;
mod gre;
mod l2tp;
mod mpls;
mod udp;

use crate::classify::{Class, Ports};
use crate::cursor::Cursor;
use crate::walk::{
    ETHERTYPE_ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, ETHERTYPE_NSH,
    ETHERTYPE_PPPOE, ETHERTYPE_VNTAG, Fragment, Headers, Layer, PROTO_ETHERIP, PROTO_GRE,
    PROTO_IPIP, PROTO_IPV6, PROTO_L2TP, PROTO_MPLS, PROTO_UDP,
};

pub use gre::gre;
pub use udp::{geneve, vxlan};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $title:literal;)*) => {
        /// What kind of tunnel.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// Its name in records.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// Its name in the ledger.
            #[must_use]
            pub const fn counter(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("tunnel_", $label),)*
                }
            }

            /// What people call it.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

kinds! {
    /// IPv4 or IPv6 in IPv4 or IPv6.
    Ipip = "ipip", "IP in IP";
    /// GRE, NVGRE too.
    Gre = "gre", "GRE";
    /// ERSPAN without a header of its own.
    Erspan1 = "erspan1", "ERSPAN I";
    /// ERSPAN type II.
    Erspan2 = "erspan2", "ERSPAN II";
    /// ERSPAN type III.
    Erspan3 = "erspan3", "ERSPAN III";
    /// VXLAN, also with the extensions for groups (GBP) and for protocols (GPE).
    Vxlan = "vxlan", "VXLAN";
    /// Geneve.
    Geneve = "geneve", "Geneve";
    /// GRE in UDP.
    GreUdp = "gre_udp", "GRE in UDP";
    /// TaZmen Sniffer Protocol.
    Tzsp = "tzsp", "TZSP";
    /// L2TP, versions 2 and 3.
    L2tp = "l2tp", "L2TP";
    /// MPLS, behind Ethernet, IP or UDP.
    Mpls = "mpls", "MPLS";
    /// PPP over Ethernet.
    Pppoe = "pppoe", "PPPoE";
    /// PPP in GRE, as PPTP does it.
    Pptp = "pptp", "PPTP";
    /// A Network Service Header by itself.
    Nsh = "nsh", "NSH";
    /// Ethernet in IP.
    EtherIp = "etherip", "EtherIP";
    /// HP's Encapsulated Remote Mirroring.
    HpErm = "hperm", "HP ERM";
    /// A VN-Tag or another tag between Ethernet and IP.
    VnTag = "vntag", "VN-Tag";
    /// AudioCodes debug recording.
    AudioCodes = "audiocodes", "AudioCodes";
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }

    /// Whether the sender's port tells as much as the receiver's.
    #[inline(always)]
    fn is_both_ways(self) -> bool {
        matches!(self, Self::Tzsp | Self::L2tp | Self::AudioCodes)
    }

    /// Whether the kernel program looks inside. The others are handed over whole.
    #[inline(always)]
    #[must_use]
    pub fn is_cheap(self) -> bool {
        let is_erspan = matches!(self, Self::Erspan1 | Self::Erspan2 | Self::Erspan3);
        is_erspan || matches!(self, Self::Ipip | Self::Gre | Self::Vxlan | Self::Geneve)
    }
}

/// What a tunnel's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// What kind of tunnel.
    pub kind: Kind,
    /// Number of the tunnel or of its customer (VNI, VSID, GRE key, ERSPAN session, label …), 0
    /// where it has none.
    pub id: u32,
    /// What is in it.
    pub layer: Layer,
}

impl Inner {
    #[inline(always)]
    const fn new(kind: Kind, id: u32, ethertype: u16, at: usize) -> Self {
        Self { kind, id, layer: Layer { ethertype, at } }
    }
}

/// A packet of which a tunnel carries the payload only, and tells the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What kind of tunnel.
    pub kind: Kind,
    /// As in [`Inner`].
    pub id: u32,
    /// The packet's headers as they are told. There are none in the frame: the offsets of the
    /// first two are that of the payload.
    pub headers: Headers,
    /// What it carries, where that is told as well.
    pub class: Option<Class>,
}

/// What is in a tunnel's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Another packet or frame.
    Layer(Inner),
    /// A payload.
    Told(Told),
}

/// The tunnel that a UDP datagram is one of by its ports.
#[inline(always)]
pub fn by_port<P: Ports>(h: &Headers, ports: &P) -> Option<Kind> {
    match ports.tunnel(h.dport) {
        Some(kind) => Some(kind),
        None => ports.tunnel(h.sport).filter(|kind| kind.is_both_ways()),
    }
}

/// What the packet carries, if it is a tunnel's. `None`: it is none, or not a sound one.
///
/// A fragment is not entered: its packet is, once it is whole.
#[inline(always)]
pub fn enter<C: Cursor, P: Ports>(c: &C, h: &Headers, ports: &P) -> Option<Entry> {
    if !matches!(h.fragment, Fragment::Whole) {
        return None;
    }
    if h.proto == PROTO_UDP {
        return udp::enter(c, by_port(h, ports)?, h);
    }
    by_protocol(c, h).map(Entry::Layer)
}

#[cold]
fn by_protocol<C: Cursor>(c: &C, h: &Headers) -> Option<Inner> {
    let at = usize::from(h.payload);
    match h.proto {
        PROTO_IPIP => Some(Inner::new(Kind::Ipip, 0, ETHERTYPE_IPV4, at)),
        PROTO_IPV6 => Some(Inner::new(Kind::Ipip, 0, ETHERTYPE_IPV6, at)),
        PROTO_GRE => gre(c, at).or_else(|| gre::pptp(c, at)),
        // Version 3 and twelve bits of nothing.
        PROTO_ETHERIP => (c.load::<2>(at)?[0] == 0x30).then_some(Inner::new(
            Kind::EtherIp,
            0,
            ETHERTYPE_ETHERNET,
            at + 2,
        )),
        PROTO_L2TP => l2tp::session(c, at),
        PROTO_MPLS => mpls::stack(c, at),
        _ => None,
    }
}

/// What stands behind a tag or label between Ethernet and IP (see
/// [`Stop::Wrapped`](crate::walk::Stop::Wrapped)).
#[must_use]
pub fn shim<C: Cursor>(c: &C, layer: Layer) -> Option<Inner> {
    let Layer { ethertype, at } = layer;
    match ethertype {
        ETHERTYPE_PPPOE => {
            // Version 1, type 1, code 0: a session's data.
            let [0x11, 0, high, low, ..] = c.load::<6>(at)? else { return None };
            let (ethertype, at) = l2tp::ppp(c, at + 6)?;
            let id = u32::from(u16::from_be_bytes([high, low]));
            Some(Inner::new(Kind::Pppoe, id, ethertype, at))
        }
        ETHERTYPE_NSH => nsh(c, at),
        ETHERTYPE_VNTAG => {
            let tag = c.load::<6>(at)?;
            let ethertype = u16::from_be_bytes([tag[4], tag[5]]);
            Some(Inner::new(Kind::VnTag, 0, ethertype, at + 6))
        }
        _ if ETHERTYPE_MPLS.contains(&ethertype) => mpls::stack(c, at),
        _ => None,
    }
}

/// A Network Service Header: its length counts four bytes each.
fn nsh<C: Cursor>(c: &C, at: usize) -> Option<Inner> {
    let [first, length, _, next, path @ ..] = c.load::<8>(at)?;
    let length = usize::from(length & 0x3f) * 4;
    // Version 0; the base and the service path header are always there.
    if first >> 6 != 0 || length < 8 {
        return None;
    }
    let path = u32::from_be_bytes(path) >> 8;
    Some(Inner::new(Kind::Nsh, path, ethertype_of_next(next)?, at + length))
}

/// The "next protocol" of VXLAN-GPE and NSH.
#[inline(always)]
fn ethertype_of_next(next: u8) -> Option<u16> {
    Some(match next {
        1 => ETHERTYPE_IPV4,
        2 => ETHERTYPE_IPV6,
        3 => ETHERTYPE_ETHERNET,
        4 => ETHERTYPE_NSH,
        5 => ETHERTYPE_MPLS[0],
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
