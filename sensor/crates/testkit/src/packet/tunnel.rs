//! Frames inside of tunnels: every encapsulation that mirrors, clouds and providers use, in each
//! of its shapes.
//!
//! [`Wrap::wrap`] puts an Ethernet frame into one more layer and gives an Ethernet frame again, so
//! that layers can be nested. What carries IP only loses the frame's own Ethernet header.

use std::net::SocketAddr;

use super::Packet;

macro_rules! wraps {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {
        /// One shape of an encapsulation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Wrap {
            $($(#[$doc])* $name,)*
        }

        impl Wrap {
            /// Every shape.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// What it is called in tables.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

wraps! {
    /// IP in IPv4.
    InIpv4 = "IP in IPv4";
    /// IP in IPv6.
    InIpv6 = "IP in IPv6";
    /// GRE without any option.
    Gre = "GRE";
    /// GRE with a checksum.
    GreChecksum = "GRE, checksum";
    /// GRE with a key.
    GreKey = "GRE, key";
    /// GRE with a sequence number.
    GreSequence = "GRE, sequence";
    /// GRE with everything.
    GreAll = "GRE, all three";
    /// GRE over IPv6.
    GreIpv6 = "GRE over IPv6";
    /// Ethernet in GRE.
    GreEthernet = "GRE, Ethernet";
    /// NVGRE.
    Nvgre = "NVGRE";
    /// MPLS in GRE.
    GreMpls = "GRE, MPLS";
    /// PPP in GRE.
    Pptp = "GRE, PPP (PPTP)";
    /// ERSPAN without a header.
    Erspan1 = "ERSPAN I";
    /// ERSPAN type II.
    Erspan2 = "ERSPAN II";
    /// ERSPAN type III.
    Erspan3 = "ERSPAN III";
    /// ERSPAN type III with a platform header.
    Erspan3Platform = "ERSPAN III, platform header";
    /// Two labels.
    Mpls = "MPLS";
    /// A label behind a VLAN tag.
    MplsVlan = "MPLS under VLAN";
    /// An Ethernet pseudowire.
    MplsEthernet = "MPLS, Ethernet";
    /// MPLS in IP.
    MplsIp = "MPLS in IP";
    /// MPLS in UDP.
    MplsUdp = "MPLS in UDP";
    /// PPPoE.
    Pppoe = "PPPoE";
    /// PPPoE behind two VLAN tags.
    PppoeVlan = "PPPoE under QinQ";
    /// VXLAN.
    Vxlan = "VXLAN";
    /// VXLAN with a group policy.
    VxlanGroup = "VXLAN, GBP";
    /// VXLAN on the port of Linux's first versions.
    VxlanOther = "VXLAN, other port";
    /// VXLAN-GPE with Ethernet.
    VxlanGpe = "VXLAN-GPE";
    /// VXLAN-GPE with IP.
    VxlanGpeIp = "VXLAN-GPE, IP";
    /// VXLAN-GPE with a service header.
    VxlanGpeNsh = "VXLAN-GPE, NSH";
    /// A service header on Ethernet.
    Nsh = "NSH";
    /// Geneve.
    Geneve = "Geneve";
    /// Geneve with options, of IP.
    GeneveOptions = "Geneve, options, IP";
    /// TZSP with no tag but the end.
    Tzsp = "TZSP";
    /// TZSP with tags that hold what looks like the end.
    TzspTags = "TZSP, tags";
    /// L2TP version 2.
    L2tp = "L2TPv2";
    /// L2TP version 2 with every optional field.
    L2tpAll = "L2TPv2, all fields";
    /// L2TP version 2 with PPP's compressions.
    L2tpCompressed = "L2TPv2, PPP compressed";
    /// L2TP version 3 over UDP with Ethernet.
    L2tp3 = "L2TPv3";
    /// The same with a cookie and a sublayer.
    L2tp3Cookie = "L2TPv3, cookie, sublayer";
    /// L2TP version 3 over IP.
    L2tp3Ip = "L2TPv3 over IP";
    /// GRE in UDP.
    GreUdp = "GRE in UDP";
    /// Ethernet in IP.
    EtherIp = "EtherIP";
    /// HP's remote mirroring.
    HpErm = "HP ERM";
    /// A VN-Tag.
    VnTag = "VN-Tag";
    /// AudioCodes debug recording of a whole packet.
    AudioCodes = "AudioCodes";
}

/// Ends of the outer packets.
pub const OUTER: (&str, &str) = ("192.0.2.1:40001", "192.0.2.2:0");
/// Ends of the outer packets where they are IPv6.
pub const OUTER6: (&str, &str) = ("[2001:db8::1]:40001", "[2001:db8::2]:0");
/// The number of every tunnel that has one.
pub const ID: u32 = 0x1234;
/// The port of [`Wrap::AudioCodes`].
pub const AUDIOCODES_PORT: u16 = 925;
/// The port of [`Wrap::VxlanOther`].
pub const VXLAN_OTHER_PORT: u16 = 8472;

impl Wrap {
    /// Whether nothing but IP can be in it.
    #[must_use]
    pub fn carries_only_ip(self) -> bool {
        match self {
            Self::InIpv4 | Self::InIpv6 | Self::Pptp | Self::GreMpls | Self::VxlanGpeIp => true,
            Self::L2tp | Self::L2tpAll | Self::L2tpCompressed | Self::AudioCodes => true,
            Self::MplsIp | Self::MplsUdp => true,
            _ => self.is_on_ethernet() && self != Self::MplsEthernet && self != Self::VnTag,
        }
    }

    /// Whether it stands on Ethernet, and has no addresses of its own.
    #[must_use]
    pub fn is_on_ethernet(self) -> bool {
        let is_mpls = matches!(self, Self::Mpls | Self::MplsVlan | Self::MplsEthernet);
        is_mpls || matches!(self, Self::Pppoe | Self::PppoeVlan | Self::Nsh | Self::VnTag)
    }

    /// The number that it has.
    #[must_use]
    pub fn id(self) -> u32 {
        match self {
            Self::InIpv4 | Self::InIpv6 | Self::Gre | Self::GreChecksum | Self::GreSequence => 0,
            Self::GreIpv6 | Self::GreEthernet | Self::Erspan1 | Self::GreUdp | Self::GreMpls => 0,
            Self::Tzsp | Self::TzspTags | Self::EtherIp | Self::HpErm | Self::VnTag => 0,
            Self::Erspan2 | Self::Erspan3 | Self::Erspan3Platform => 0x34,
            _ => ID,
        }
    }

    /// The frame in one more layer.
    #[must_use]
    pub fn wrap(self, frame: &[u8]) -> Vec<u8> {
        let inner = Inner::of(frame);
        match self {
            Self::InIpv4 => over_ip(inner.proto(), inner.ip),
            Self::InIpv6 => over_ipv6(inner.proto(), inner.ip),
            Self::Gre => gre(&[0, 0], inner.ethertype, &[], inner.ip),
            Self::GreChecksum => gre(&[0x80, 0], inner.ethertype, &[0; 4], inner.ip),
            Self::GreKey => gre(&[0x20, 0], inner.ethertype, &ID.to_be_bytes(), inner.ip),
            Self::GreSequence => gre(&[0x10, 0], inner.ethertype, &[0, 0, 0, 9], inner.ip),
            Self::GreAll => {
                let options = [[0; 4], ID.to_be_bytes(), [0, 0, 0, 9]].concat();
                gre(&[0xb0, 0], inner.ethertype, &options, inner.ip)
            }
            Self::GreIpv6 => over_ipv6(47, &with_type(&[0, 0], inner.ethertype, &[], inner.ip)),
            Self::GreEthernet => gre(&[0, 0], ETHERNET, &[], frame),
            Self::Nvgre => gre(&[0x20, 0], ETHERNET, &(ID << 8 | 7).to_be_bytes(), frame),
            Self::GreMpls => gre(&[0, 0], MPLS, &[], &[&LABELS, inner.ip].concat()),
            Self::Pptp => {
                let header = [0x30, 0x81, 0x88, 0x0b, 0, 99, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2];
                over_ip(47, &[&header[..], &[0xff, 3], &inner.ppp(), inner.ip].concat())
            }
            Self::Erspan1 => gre(&[0, 0], ERSPAN, &[], frame),
            Self::Erspan2 => {
                gre(&[0x10, 0], ERSPAN, &[0, 0, 0, 9], &[&ERSPAN2[..], frame].concat())
            }
            Self::Erspan3 => gre(&[0x10, 0], ERSPAN3, &[0; 4], &erspan3(0, &[], frame)),
            Self::Erspan3Platform => gre(&[0x10, 0], ERSPAN3, &[0; 4], &erspan3(1, &[7; 8], frame)),
            Self::Mpls => on_ethernet(&[], MPLS, &[&LABELS, inner.ip].concat()),
            Self::MplsVlan => on_ethernet(&[(0x8100, 5)], MPLS, &[&LABELS[4..], inner.ip].concat()),
            Self::MplsEthernet => {
                on_ethernet(&[], MPLS, &[&LABELS[..], &[0, 0, 0, 9], frame].concat())
            }
            Self::MplsIp => over_ip(137, &[&LABELS, inner.ip].concat()),
            Self::MplsUdp => over_udp(6635, &[&LABELS, inner.ip].concat()),
            Self::Pppoe => on_ethernet(&[], 0x8864, &inner.pppoe()),
            Self::PppoeVlan => on_ethernet(&[(0x88a8, 3), (0x8100, 4)], 0x8864, &inner.pppoe()),
            Self::Vxlan => over_udp(4789, &[&vni(&[8, 0, 0, 0])[..], frame].concat()),
            Self::VxlanGroup => over_udp(4789, &[&vni(&[0x88, 0, 0, 5])[..], frame].concat()),
            Self::VxlanOther => {
                over_udp(VXLAN_OTHER_PORT, &[&vni(&[8, 0, 0, 0])[..], frame].concat())
            }
            Self::VxlanGpe => over_udp(4790, &[&vni(&[0x0c, 0, 0, 3])[..], frame].concat()),
            Self::VxlanGpeIp => {
                over_udp(4790, &[&vni(&[0x0c, 0, 0, inner.next()])[..], inner.ip].concat())
            }
            Self::VxlanGpeNsh => {
                let service = nsh(3);
                over_udp(4790, &[&vni(&[0x0c, 0, 0, 4])[..], &service, frame].concat())
            }
            Self::Nsh => on_ethernet(&[], 0x894f, &[&nsh(inner.next()), inner.ip].concat()),
            Self::Geneve => over_udp(6081, &[&vni(&[0, 0, 0x65, 0x58])[..], frame].concat()),
            Self::GeneveOptions => {
                let [high, low] = inner.ethertype.to_be_bytes();
                let options = [1, 2, 0x80, 1, 0xde, 0xad, 0xbe, 0xef];
                over_udp(6081, &[&vni(&[2, 0, high, low])[..], &options, inner.ip].concat())
            }
            Self::Tzsp => over_udp(37_008, &[&[1, 0, 0, 1, 1], frame].concat()),
            Self::TzspTags => {
                // Padding, a length and a value of 1, six bytes of address.
                let tags = [0, 10, 1, 1, 60, 6, 1, 1, 1, 1, 1, 1, 0, 1];
                over_udp(37_008, &[&[1, 1, 0, 1], &tags[..], frame].concat())
            }
            Self::L2tp => {
                over_udp(1701, &[&l2tp(0x0002, &[], &[]), &inner.ppp()[..], inner.ip].concat())
            }
            Self::L2tpAll => {
                let (length, numbers) = ([0, 0], [0, 1, 0, 2, 0, 3, 0xee, 0xee, 0xee]);
                let ppp = [&[0xff, 3], &inner.ppp()[..]].concat();
                over_udp(1701, &[&l2tp(0x4b02, &length, &numbers), &ppp, inner.ip].concat())
            }
            Self::L2tpCompressed => {
                over_udp(1701, &[&l2tp(0x0002, &[], &[]), &inner.ppp()[1..], inner.ip].concat())
            }
            Self::L2tp3 => over_udp(1701, &[&l2tp3(&[]), frame].concat()),
            Self::L2tp3Cookie => over_udp(1701, &[&l2tp3(&COOKIE), frame].concat()),
            Self::L2tp3Ip => over_ip(115, &[&ID.to_be_bytes(), &COOKIE[..4], frame].concat()),
            Self::GreUdp => over_udp(4754, &with_type(&[0, 0], inner.ethertype, &[], inner.ip)),
            Self::EtherIp => over_ip(97, &[&[0x30, 0], frame].concat()),
            Self::HpErm => over_udp(7932, &[&[0x55; 12], frame].concat()),
            Self::VnTag => on_ethernet(&[], 0x8926, &inner.behind(&[0x80, 0, 0, 1])),
            Self::AudioCodes => over_udp(AUDIOCODES_PORT, &[&audiocodes(), inner.ip].concat()),
        }
    }
}

const ETHERNET: u16 = 0x6558;
const MPLS: u16 = 0x8847;
const ERSPAN: u16 = 0x88be;
const ERSPAN3: u16 = 0x22eb;
/// A label, and the last one, which is [`ID`].
const LABELS: [u8; 8] = [0, 1, 0x10, 64, 0x01, 0x23, 0x41, 64];
/// Version 1, session 0x34.
const ERSPAN2: [u8; 8] = [0x10, 0, 0, 0x34, 0, 0, 0, 1];
/// A cookie of eight bytes, and a sublayer with the flag of a sequence number.
const COOKIE: [u8; 12] = [0xc0, 0x0c, 0x1e, 0xc0, 0x0c, 0x1e, 0xc0, 0x0c, 0x40, 0, 0, 9];

/// The frame's network layer.
struct Inner<'a> {
    ethertype: u16,
    ip: &'a [u8],
}

impl<'a> Inner<'a> {
    fn of(frame: &'a [u8]) -> Self {
        let mut at = 12;
        loop {
            let ethertype = u16::from_be_bytes([frame[at], frame[at + 1]]);
            if !matches!(ethertype, 0x8100 | 0x88a8) {
                return Self { ethertype, ip: &frame[at + 2..] };
            }
            at += 4;
        }
    }

    fn is_ipv4(&self) -> bool {
        self.ethertype == 0x0800
    }

    /// As IP protocol.
    fn proto(&self) -> u8 {
        if self.is_ipv4() { 4 } else { 41 }
    }

    /// As "next protocol".
    fn next(&self) -> u8 {
        if self.is_ipv4() { 1 } else { 2 }
    }

    /// As PPP protocol.
    fn ppp(&self) -> [u8; 2] {
        if self.is_ipv4() { [0, 0x21] } else { [0, 0x57] }
    }

    fn pppoe(&self) -> Vec<u8> {
        let length = (self.ip.len() + 2) as u16;
        let [high, low] = (ID as u16).to_be_bytes();
        let header = [0x11, 0, high, low];
        [&header[..], &length.to_be_bytes(), &self.ppp(), self.ip].concat()
    }

    /// A tag, the EtherType, the packet.
    fn behind(&self, tag: &[u8]) -> Vec<u8> {
        [tag, &self.ethertype.to_be_bytes(), self.ip].concat()
    }
}

fn end(text: &str, port: u16) -> SocketAddr {
    let mut end: SocketAddr = text.parse().unwrap_or_else(|_| SocketAddr::from(([0; 4], 0)));
    if end.port() == 0 {
        end.set_port(port);
    }
    end
}

fn over_ip(proto: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (end(OUTER.0, 0).ip(), end(OUTER.1, 0).ip());
    Packet::ip(src, dst, proto, payload).build()
}

fn over_ipv6(proto: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (end(OUTER6.0, 0).ip(), end(OUTER6.1, 0).ip());
    Packet::ip(src, dst, proto, payload).build()
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    // L2TP has one port at both ends.
    let from = if port == 1701 { "192.0.2.1:1701" } else { OUTER.0 };
    let mut packet = Packet::udp(end(from, port), end(OUTER.1, port), payload);
    packet.zero_checksum = true;
    packet.build()
}

fn on_ethernet(tags: &[(u16, u16)], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8];
    for (tpid, tci) in tags {
        out.extend(tpid.to_be_bytes());
        out.extend(tci.to_be_bytes());
    }
    out.extend(ethertype.to_be_bytes());
    out.extend(payload);
    out
}

fn with_type(flags: &[u8], ethertype: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    [flags, &ethertype.to_be_bytes(), options, payload].concat()
}

fn gre(flags: &[u8], ethertype: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    over_ip(47, &with_type(flags, ethertype, options, payload))
}

fn erspan3(last: u8, platform: &[u8], frame: &[u8]) -> Vec<u8> {
    let header = [0x20, 0, 0, 0x34, 0, 0, 0, 0, 0, 0, 0, last];
    [&header[..], platform, frame].concat()
}

/// Four bytes, and [`ID`] in three more.
fn vni(first: &[u8; 4]) -> [u8; 8] {
    let [_, a, b, c] = ID.to_be_bytes();
    let [f0, f1, f2, f3] = *first;
    [f0, f1, f2, f3, a, b, c, 0]
}

/// Metadata of type 1.
fn nsh(next: u8) -> Vec<u8> {
    let [_, a, b, c] = ID.to_be_bytes();
    let mut out = vec![0, 6, 1, next, a, b, c, 255];
    out.resize(24, 0);
    out
}

fn l2tp(flags: u16, length: &[u8], numbers: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes(), length, &ID.to_be_bytes(), numbers].concat()
}

fn l2tp3(cookie: &[u8]) -> Vec<u8> {
    [&[0, 3, 0, 0], &ID.to_be_bytes()[..], cookie].concat()
}

/// Version 0.9, an IP packet from the network, no extension.
fn audiocodes() -> Vec<u8> {
    let mut header = vec![9, 0, 0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0x08, 0, 1, 0];
    header.extend([0, 0, 1, 3, 0]);
    header.extend(ID.to_be_bytes());
    header
}
