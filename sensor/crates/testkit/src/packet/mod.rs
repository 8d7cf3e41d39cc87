//! Frames built byte by byte: Ethernet, VLAN stacks, IPv4 and IPv6 with options, extension
//! headers and fragments, UDP and TCP, with the right checksums.
//!
//! [`Packet`] says what is wanted, [`Packet::build_into`] writes it. Broken frames are made by
//! building a right one and damaging it: nothing here checks that a packet makes sense.

pub mod checksum;
pub mod rtp;
pub mod tunnel;

mod fragment;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

/// TCP flag FIN.
pub const TCP_FIN: u8 = 0x01;
/// TCP flag SYN.
pub const TCP_SYN: u8 = 0x02;
/// TCP flag RST.
pub const TCP_RST: u8 = 0x04;
/// TCP flag PSH.
pub const TCP_PSH: u8 = 0x08;
/// TCP flag ACK.
pub const TCP_ACK: u8 = 0x10;

/// Tag protocol of a customer VLAN tag (802.1Q).
pub const TPID_CUSTOMER: u16 = 0x8100;
/// Tag protocol of a service VLAN tag (802.1ad).
pub const TPID_SERVICE: u16 = 0x88a8;

/// VLAN tags a packet can carry.
pub const TAGS_MAX: usize = 4;

/// What follows the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    /// UDP with these ports.
    Udp,
    /// TCP with these ports.
    Tcp {
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// Flags, as in the header's byte.
        flags: u8,
        /// Options, a multiple of four bytes, at most 40.
        options: &'a [u8],
    },
    /// Any other IP protocol: the payload follows the IP header directly.
    Other(u8),
}

/// One VLAN tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Tag protocol, e.g. [`TPID_CUSTOMER`].
    pub tpid: u16,
    /// Priority, drop eligibility and VLAN id, as in the tag.
    pub tci: u16,
}

/// One IPv6 extension header: its protocol number and what follows its first two bytes. The
/// writer pads it to a multiple of eight bytes.
pub type Extension<'a> = (u8, &'a [u8]);

/// A packet to be built. Addresses of both ends must be of one family.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Source MAC address.
    pub src_mac: [u8; 6],
    /// Destination MAC address.
    pub dst_mac: [u8; 6],
    /// VLAN tags, outermost first; unused ones have TPID 0.
    pub tags: [Tag; TAGS_MAX],
    /// Source address and port.
    pub src: SocketAddr,
    /// Destination address and port.
    pub dst: SocketAddr,
    /// Type of service byte, or IPv6 traffic class.
    pub tos: u8,
    /// Time to live, or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 identification; IPv6 has one only when fragmented.
    pub ip_id: u32,
    /// IPv4 "don't fragment".
    pub dont_fragment: bool,
    /// IPv4 options, a multiple of four bytes, at most 40.
    pub options: &'a [u8],
    /// IPv6 extension headers in order.
    pub extensions: &'a [Extension<'a>],
    /// Transport header.
    pub transport: Transport<'a>,
    /// UDP checksum field 0, as IPv4 allows.
    pub zero_checksum: bool,
    /// Bytes after the transport header.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A UDP datagram.
    #[must_use]
    pub fn udp(src: SocketAddr, dst: SocketAddr, payload: &'a [u8]) -> Self {
        Self {
            src_mac: [2, 0, 0, 0, 0, 1],
            dst_mac: [2, 0, 0, 0, 0, 2],
            tags: [Tag::default(); TAGS_MAX],
            src,
            dst,
            tos: 0,
            ttl: 64,
            ip_id: 0,
            dont_fragment: false,
            options: &[],
            extensions: &[],
            transport: Transport::Udp,
            zero_checksum: false,
            payload,
        }
    }

    /// A TCP segment.
    #[must_use]
    pub fn tcp(
        src: SocketAddr,
        dst: SocketAddr,
        seq: u32,
        ack: u32,
        flags: u8,
        payload: &'a [u8],
    ) -> Self {
        let transport = Transport::Tcp { seq, ack, flags, options: &[] };
        Self { transport, ..Self::udp(src, dst, payload) }
    }

    /// An IP packet of any protocol; `payload` follows the IP header.
    #[must_use]
    pub fn ip(src: IpAddr, dst: IpAddr, proto: u8, payload: &'a [u8]) -> Self {
        let transport = Transport::Other(proto);
        Self { transport, ..Self::udp(SocketAddr::new(src, 0), SocketAddr::new(dst, 0), payload) }
    }

    /// With these MAC addresses.
    #[must_use]
    pub fn macs(mut self, src: [u8; 6], dst: [u8; 6]) -> Self {
        (self.src_mac, self.dst_mac) = (src, dst);
        self
    }

    /// With one more VLAN tag inside those it has. Tags beyond [`TAGS_MAX`] are left out.
    #[must_use]
    pub fn tag(mut self, tpid: u16, tci: u16) -> Self {
        if let Some(free) = self.tags.iter_mut().find(|t| t.tpid == 0) {
            *free = Tag { tpid, tci };
        }
        self
    }

    /// With one more customer VLAN tag inside those it has.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.tag(TPID_CUSTOMER, id)
    }

    /// With this time to live.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// With this type of service.
    #[must_use]
    pub fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// With this identification.
    #[must_use]
    pub fn ip_id(mut self, id: u32) -> Self {
        self.ip_id = id;
        self
    }

    /// With these IPv4 options.
    #[must_use]
    pub fn options(mut self, options: &'a [u8]) -> Self {
        self.options = options;
        self
    }

    /// With these IPv6 extension headers.
    #[must_use]
    pub fn extensions(mut self, extensions: &'a [Extension<'a>]) -> Self {
        self.extensions = extensions;
        self
    }

    /// The whole Ethernet frame.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.payload.len());
        self.build_into(&mut out);
        out
    }

    /// The packet from its IP header on, for link types without Ethernet.
    #[must_use]
    pub fn build_network(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.payload.len());
        write::network(self, &mut out);
        out
    }

    /// Writes the whole Ethernet frame over what `out` held. Allocates only when `out` is too
    /// small.
    pub fn build_into(&self, out: &mut Vec<u8>) {
        out.clear();
        write::link(self, out);
        write::network(self, out);
    }

    /// The packet as Ethernet frames with at most `mtu` bytes of IP each. Fragments carry
    /// `ip_id`. One frame if it fits.
    #[must_use]
    pub fn fragments(&self, mtu: usize) -> Vec<Vec<u8>> {
        fragment::split(self, mtu)
    }

    /// Protocol number of the transport.
    #[must_use]
    pub fn proto(&self) -> u8 {
        match self.transport {
            Transport::Udp => 17,
            Transport::Tcp { .. } => 6,
            Transport::Other(proto) => proto,
        }
    }

    /// Ethernet type of the network layer.
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        if self.src.is_ipv4() { 0x0800 } else { 0x86dd }
    }
}
