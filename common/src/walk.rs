//! The walk over a frame's headers: Ethernet, VLAN tags, IPv4 or IPv6, UDP or TCP.
//!
//! It finds where everything is and says why it stopped; it verifies no checksum (frames of the
//! local host carry partial ones), reassembles nothing and does not look into the payload. It
//! walks one layer of addresses: what lies in a tunnel is the next layer (see [`crate::tunnel`]).
//! Formats: IEEE 802.1Q, RFC 791, RFC 8200, RFC 4302, RFC 768, RFC 9293.

use crate::cursor::Cursor;

/// An address; IPv4 is stored as the v4-mapped `::ffff:a.b.c.d`.
pub type Ip = [u8; 16];

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// EtherType of an Ethernet frame inside of something else (transparent Ethernet bridging).
pub const ETHERTYPE_ETHERNET: u16 = 0x6558;
/// EtherTypes of MPLS, for one receiver and for several (RFC 3032 §5).
pub const ETHERTYPE_MPLS: [u16; 2] = [0x8847, 0x8848];
/// EtherType of PPPoE sessions (RFC 2516 §4).
pub const ETHERTYPE_PPPOE: u16 = 0x8864;
/// EtherType of a Network Service Header (RFC 8300 §2).
pub const ETHERTYPE_NSH: u16 = 0x894f;
/// EtherType of a VN-Tag (IEEE 802.1BR's forerunner).
pub const ETHERTYPE_VNTAG: u16 = 0x8926;
/// IP protocol number of TCP.
pub const PROTO_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const PROTO_UDP: u8 = 17;
/// IP protocol number of IPv4 in IP (RFC 2003).
pub const PROTO_IPIP: u8 = 4;
/// IP protocol number of IPv6 in IP (RFC 4213).
pub const PROTO_IPV6: u8 = 41;
/// IP protocol number of GRE (RFC 2784).
pub const PROTO_GRE: u8 = 47;
/// IP protocol number of Ethernet in IP (RFC 3378).
pub const PROTO_ETHERIP: u8 = 97;
/// IP protocol number of L2TPv3 (RFC 3931).
pub const PROTO_L2TP: u8 = 115;
/// IP protocol number of MPLS in IP (RFC 4023).
pub const PROTO_MPLS: u8 = 137;
/// VLAN tags that are stepped over before the walk gives up.
pub const VLAN_DEPTH_MAX: usize = 4;
/// IPv6 extension headers that are stepped over before the walk gives up.
pub const EXTENSIONS_MAX: usize = 6;

const ETHERNET_LEN: usize = 14;
const VLAN_LEN: usize = 4;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
const TCP_LEN: usize = 20;

/// Whether a packet is a piece of a larger one.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// The packet is complete.
    Whole = 0,
    /// The first piece: its transport header is readable.
    First = 1,
    /// A later piece: it has no transport header, ports are 0.
    Later = 2,
}

/// What the walk found; offsets count from the start of the frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub src: Ip,
    /// Destination address.
    pub dst: Ip,
    /// Source port; 0 in a later fragment.
    pub sport: u16,
    /// Destination port; 0 in a later fragment.
    pub dport: u16,
    /// Offset of the IP header.
    pub l3: u16,
    /// Offset of the transport header (of the data in a later fragment, of the tunnel's header
    /// where the protocol is a tunnel's).
    pub l4: u16,
    /// Offset of the transport's payload; never beyond the frame. That of a tunnel's protocol
    /// begins with the tunnel's header.
    pub payload: u16,
    /// Payload bytes by the IP and UDP lengths, not beyond the captured frame.
    pub payload_len: u32,
    /// IPv4 identification, or the id of an IPv6 fragment header, else 0.
    pub ip_id: u32,
    /// Whether this is a piece of a larger packet.
    pub fragment: Fragment,
    /// IP version, 4 or 6.
    pub version: u8,
    /// Transport protocol: 17 (UDP), 6 (TCP), or one that is a tunnel's. A later IPv6 fragment may
    /// instead name an extension header that stood in the first piece.
    pub proto: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Outermost VLAN id, 0 if there is none.
    pub vlan: u16,
    /// Offset of this fragment's data in the whole packet, in bytes.
    pub fragment_offset: u16,
    /// TCP flags (FIN is bit 0), else 0.
    pub flags: u8,
}

impl Headers {
    /// Whether this is a whole packet of a protocol that carries others' packets. Such a one has
    /// no ports.
    #[inline(always)]
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        is_tunnel(self.proto) && matches!(self.fragment, Fragment::Whole)
    }

    /// The same headers for a frame of which the first `bytes` are taken away. They must stand
    /// before all headers.
    #[must_use]
    pub fn without(self, bytes: usize) -> Self {
        let earlier = |at: u16| at.saturating_sub(bytes as u16);
        let (l3, l4, payload) = (earlier(self.l3), earlier(self.l4), earlier(self.payload));
        Self { l3, l4, payload, ..self }
    }
}

/// Why the walk stopped before it reached a transport payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The frame ends inside a header.
    Truncated,
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// An IP header that contradicts itself.
    BadIp,
    /// A UDP header that contradicts itself or its IP header.
    BadUdp,
    /// A TCP header that contradicts itself or its IP header.
    BadTcp,
    /// More VLAN tags or extension headers than the walk follows.
    TooDeep,
    /// Sound IP, but neither UDP nor TCP, nor a tunnel.
    OtherProto,
    /// The network layer stands behind MPLS, PPPoE or the like, see [`crate::tunnel::shim`].
    Wrapped,
}

/// A header to walk from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is; [`ETHERTYPE_ETHERNET`] for an Ethernet header.
    pub ethertype: u16,
    /// Where it begins in the frame.
    pub at: usize,
}

impl Layer {
    /// An Ethernet header at an offset.
    #[inline(always)]
    #[must_use]
    pub const fn ethernet(at: usize) -> Self {
        Self { ethertype: ETHERTYPE_ETHERNET, at }
    }
}

/// Walks an Ethernet frame.
///
/// # Errors
/// The reason why no UDP or TCP payload was reached.
#[inline(always)]
pub fn walk_ethernet<C: Cursor>(c: &C) -> Result<Headers, Stop> {
    walk_layer(c, Layer::ethernet(0))
}

/// Walks from any header.
///
/// # Errors
/// The reason why no UDP or TCP payload, and no tunnel, was reached.
#[inline(always)]
pub fn walk_layer<C: Cursor>(c: &C, layer: Layer) -> Result<Headers, Stop> {
    let (network, vlan) = network_of(c, layer)?;
    if is_shim(network.ethertype) {
        return Err(Stop::Wrapped);
    }
    let mut headers = walk_network(c, network.ethertype, c.forget(network.at))?;
    headers.vlan = vlan;
    Ok(headers)
}

/// The header behind an Ethernet header and VLAN tags, and the outermost VLAN id.
#[inline(always)]
pub(crate) fn network_of<C: Cursor>(c: &C, layer: Layer) -> Result<(Layer, u16), Stop> {
    let Layer { mut ethertype, mut at } = layer;
    if ethertype == ETHERTYPE_ETHERNET {
        let Some(next) = load_u16(c, at + ETHERNET_LEN - 2) else { return Err(Stop::Truncated) };
        ethertype = next;
        at += ETHERNET_LEN;
    }
    let mut vlan = 0;
    let mut tags = 0;
    while is_vlan(ethertype) {
        if tags == VLAN_DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        let Some(tag) = c.load::<VLAN_LEN>(at) else { return Err(Stop::Truncated) };
        if tags == 0 {
            vlan = u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff;
        }
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        at += VLAN_LEN;
        tags += 1;
    }
    Ok((Layer { ethertype, at }, vlan))
}

#[inline(always)]
pub(crate) fn is_shim(ethertype: u16) -> bool {
    matches!(ethertype, 0x8847 | 0x8848 | ETHERTYPE_PPPOE | ETHERTYPE_NSH | ETHERTYPE_VNTAG)
}

/// Whether an IP protocol carries frames or packets of others.
#[inline(always)]
pub(crate) fn is_tunnel(proto: u8) -> bool {
    matches!(proto, PROTO_IPIP | PROTO_IPV6 | PROTO_GRE | PROTO_ETHERIP | PROTO_L2TP | PROTO_MPLS)
}

/// Walks from a network header at offset `at`, for links without an Ethernet header.
///
/// # Errors
/// The reason why no UDP or TCP payload was reached.
#[inline(always)]
pub fn walk_network<C: Cursor>(c: &C, ethertype: u16, at: usize) -> Result<Headers, Stop> {
    // Offsets are stored in 16 bits; a header never starts as far out as this.
    if at > 0x0fff {
        return Err(Stop::TooDeep);
    }
    match ethertype {
        ETHERTYPE_IPV4 => walk_ipv4(c, at),
        ETHERTYPE_IPV6 => walk_ipv6(c, at),
        _ => Err(Stop::NotIp),
    }
}

#[inline(always)]
fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

#[inline(always)]
fn load_u16<C: Cursor>(c: &C, at: usize) -> Option<u16> {
    c.load::<2>(at).map(u16::from_be_bytes)
}

/// How far a packet reaches: by its own lengths, and by the frame that carries it.
#[derive(Clone, Copy)]
struct Extent {
    /// End by the IP length; later than `frame` in a captured frame that was cut.
    stated: usize,
    /// End of the frame.
    frame: usize,
}

impl Extent {
    /// `stated_len` 0 stands for "to the end of the frame": offloads leave it empty when the
    /// packet is too large for the field.
    #[inline(always)]
    fn new<C: Cursor>(c: &C, stated_len: usize, at: usize) -> Self {
        let frame = c.len();
        Self { stated: if stated_len == 0 { frame } else { at + stated_len }, frame }
    }

    #[inline(always)]
    fn end(self) -> usize {
        if self.stated < self.frame { self.stated } else { self.frame }
    }

    /// Checks that a header ending at `end` lies inside; `bad` if the lengths contradict it.
    #[inline(always)]
    fn holds(self, end: usize, bad: Stop) -> Result<(), Stop> {
        if end > self.stated {
            return Err(bad);
        }
        if end > self.frame {
            return Err(Stop::Truncated);
        }
        Ok(())
    }
}

#[inline(always)]
fn walk_ipv4<C: Cursor>(c: &C, at: usize) -> Result<Headers, Stop> {
    let Some(ip) = c.load::<IPV4_LEN>(at) else { return Err(Stop::Truncated) };
    let header_len = usize::from(ip[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    if ip[0] >> 4 != 4 || header_len < IPV4_LEN || (total != 0 && total < header_len) {
        return Err(Stop::BadIp);
    }
    let extent = Extent::new(c, total, at);
    extent.holds(at + header_len, Stop::BadIp)?;
    let piece = u16::from_be_bytes([ip[6], ip[7]]);
    let fragment_offset = (piece & 0x1fff) << 3;
    let headers = Headers {
        src: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ip[12], ip[13], ip[14], ip[15]],
        dst: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ip[16], ip[17], ip[18], ip[19]],
        sport: 0,
        dport: 0,
        l3: at as u16,
        l4: (at + header_len) as u16,
        payload: 0,
        payload_len: 0,
        ip_id: u32::from(u16::from_be_bytes([ip[4], ip[5]])),
        fragment: fragment(fragment_offset, piece & 0x2000 != 0),
        version: 4,
        proto: ip[9],
        ttl: ip[8],
        tos: ip[1],
        vlan: 0,
        fragment_offset,
        flags: 0,
    };
    walk_transport(c, headers, extent)
}

#[inline(always)]
fn fragment(offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

#[inline(always)]
fn walk_ipv6<C: Cursor>(c: &C, at: usize) -> Result<Headers, Stop> {
    let Some(ip) = c.load::<IPV6_LEN>(at) else { return Err(Stop::Truncated) };
    if ip[0] >> 4 != 6 {
        return Err(Stop::BadIp);
    }
    let stated = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
    let extent = Extent::new(c, if stated == 0 { 0 } else { IPV6_LEN + stated }, at);
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    src.copy_from_slice(&ip[8..24]);
    dst.copy_from_slice(&ip[24..40]);
    let mut headers = Headers {
        src,
        dst,
        sport: 0,
        dport: 0,
        l3: at as u16,
        l4: (at + IPV6_LEN) as u16,
        payload: 0,
        payload_len: 0,
        ip_id: 0,
        fragment: Fragment::Whole,
        version: 6,
        proto: ip[6],
        ttl: ip[7],
        tos: (ip[0] << 4) | (ip[1] >> 4),
        vlan: 0,
        fragment_offset: 0,
        flags: 0,
    };
    step_extensions(c, &mut headers, extent)?;
    walk_transport(c, headers, extent)
}

/// Steps over IPv6 extension headers; RFC 8200 §4, RFC 4302 §2.2 for the length of AH.
#[inline(always)]
fn step_extensions<C: Cursor>(c: &C, h: &mut Headers, extent: Extent) -> Result<(), Stop> {
    let mut at = usize::from(h.l4);
    let mut steps = 0;
    let mut fragmented = false;
    while is_extension(h.proto) && !matches!(h.fragment, Fragment::Later) {
        if steps == EXTENSIONS_MAX {
            return Err(Stop::TooDeep);
        }
        extent.holds(at + 8, Stop::BadIp)?;
        let Some(ext) = c.load::<8>(at) else { return Err(Stop::Truncated) };
        let units = usize::from(ext[1]);
        let len = match h.proto {
            EXT_FRAGMENT => 8,
            EXT_AUTH => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        if h.proto == EXT_FRAGMENT {
            // A piece of a piece exists nowhere but in attacks.
            if fragmented {
                return Err(Stop::BadIp);
            }
            fragmented = true;
            let piece = u16::from_be_bytes([ext[2], ext[3]]);
            h.fragment_offset = piece & 0xfff8;
            h.fragment = fragment(h.fragment_offset, piece & 1 != 0);
            h.ip_id = u32::from_be_bytes([ext[4], ext[5], ext[6], ext[7]]);
        }
        at = c.forget(at + len);
        extent.holds(at, Stop::BadIp)?;
        h.proto = ext[0];
        steps += 1;
    }
    h.l4 = at as u16;
    Ok(())
}

const EXT_FRAGMENT: u8 = 44;
const EXT_AUTH: u8 = 51;

/// Hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, shim6.
#[inline(always)]
fn is_extension(proto: u8) -> bool {
    matches!(proto, 0 | 43 | EXT_FRAGMENT | EXT_AUTH | 60 | 135 | 139 | 140)
}

#[inline(always)]
fn walk_transport<C: Cursor>(c: &C, mut h: Headers, extent: Extent) -> Result<Headers, Stop> {
    let at = c.forget(usize::from(h.l4));
    h.l4 = at as u16;
    if matches!(h.fragment, Fragment::Later) {
        if h.proto != PROTO_UDP
            && h.proto != PROTO_TCP
            && !is_tunnel(h.proto)
            && !(h.version == 6 && is_extension(h.proto))
        {
            return Err(Stop::OtherProto);
        }
        h.payload = h.l4;
        h.payload_len = extent.end().saturating_sub(at) as u32;
        return Ok(h);
    }
    match h.proto {
        PROTO_UDP => walk_udp(c, h, extent),
        PROTO_TCP => walk_tcp(c, h, extent),
        proto if is_tunnel(proto) => {
            h.payload = h.l4;
            h.payload_len = extent.end().saturating_sub(at) as u32;
            Ok(h)
        }
        _ => Err(Stop::OtherProto),
    }
}

#[inline(always)]
fn walk_udp<C: Cursor>(c: &C, mut h: Headers, extent: Extent) -> Result<Headers, Stop> {
    let at = usize::from(h.l4);
    extent.holds(at + UDP_LEN, Stop::BadUdp)?;
    let Some(udp) = c.load::<UDP_LEN>(at) else { return Err(Stop::Truncated) };
    let stated = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    // 0 is "too large for the field", as in IP.
    if stated != 0 && stated < UDP_LEN {
        return Err(Stop::BadUdp);
    }
    let room = extent.end() - at;
    let len = if stated == 0 || stated > room { room } else { stated };
    h.sport = u16::from_be_bytes([udp[0], udp[1]]);
    h.dport = u16::from_be_bytes([udp[2], udp[3]]);
    h.payload = c.forget(at + UDP_LEN) as u16;
    h.payload_len = (len - UDP_LEN) as u32;
    Ok(h)
}

#[inline(always)]
fn walk_tcp<C: Cursor>(c: &C, mut h: Headers, extent: Extent) -> Result<Headers, Stop> {
    let at = usize::from(h.l4);
    extent.holds(at + TCP_LEN, Stop::BadTcp)?;
    let Some(tcp) = c.load::<TCP_LEN>(at) else { return Err(Stop::Truncated) };
    let header_len = usize::from(tcp[12] >> 4) * 4;
    if header_len < TCP_LEN {
        return Err(Stop::BadTcp);
    }
    extent.holds(at + header_len, Stop::BadTcp)?;
    h.sport = u16::from_be_bytes([tcp[0], tcp[1]]);
    h.dport = u16::from_be_bytes([tcp[2], tcp[3]]);
    h.flags = tcp[13];
    h.payload = c.forget(at + header_len) as u16;
    h.payload_len = (extent.end() - (at + header_len)) as u32;
    Ok(h)
}

#[cfg(test)]
mod tests;
