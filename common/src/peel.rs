//! Through all tunnels to the innermost packet.
//!
//! For user space: the kernel program goes the same steps one by one, because its verifier
//! follows every turn of a loop.

use crate::classify::{Class, Ports};
use crate::cursor::Cursor;
use crate::tunnel::{Entry, Inner, Kind, Told, by_port, enter, shim};
use crate::walk::{Headers, Ip, Layer, PROTO_TCP, PROTO_UDP, Stop, network_of, walk_layer};

/// Tunnels in tunnels that are entered, unless something else is asked for.
pub const DEPTH: u8 = 4;

/// Stands for the EtherType of a packet of which only the payload is in the frame.
pub const TOLD: u16 = 0;

/// The way that a packet came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// The outermost tunnel's kind.
    pub kind: Kind,
    /// Its number, or that of its customer; 0 where it has none.
    pub id: u32,
    /// Who sent the outermost packet; zeros where the tunnel has no addresses (MPLS, PPPoE).
    pub src: Ip,
    /// Whom to.
    pub dst: Ip,
}

/// A packet, and what was around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// Its own headers; offsets count from the start of the frame.
    pub headers: Headers,
    /// The outermost tunnel, if there was one.
    pub tunnel: Option<Tunnel>,
    /// Its outermost header inside of all tunnels; EtherType [`TOLD`] where it has none.
    pub layer: Layer,
    /// What it carries, where the tunnel tells that.
    pub class: Option<Class>,
    /// One of the tunnels is of a kind that the kernel program hands over unopened, so that it
    /// has not told copies of this packet.
    pub unopened: bool,
}

/// Walks from `layer` through at most `depth_max` tunnels.
///
/// A datagram that only looks like a tunnel by its port and has nothing sound in it is what it
/// is: a datagram.
///
/// # Errors
/// The reason why no UDP or TCP payload was reached.
#[inline(always)]
pub fn peel<C, P>(c: &C, layer: Layer, ports: &P, depth_max: u8) -> Result<Peeled, Stop>
where
    C: Cursor,
    P: Ports,
{
    match walk_layer(c, layer) {
        Ok(headers) if is_plain(&headers, ports) => Ok(plain(headers, layer)),
        walked => tunnelled(c, layer, walked, ports, depth_max),
    }
}

/// Whether no tunnel is to be looked for, as with nearly all packets.
#[inline(always)]
fn is_plain<P: Ports>(headers: &Headers, ports: &P) -> bool {
    match headers.proto {
        PROTO_UDP => by_port(headers, ports).is_none(),
        proto => proto == PROTO_TCP,
    }
}

#[inline(always)]
const fn plain(headers: Headers, layer: Layer) -> Peeled {
    Peeled { headers, tunnel: None, layer, class: None, unopened: false }
}

#[cold]
#[inline(never)]
fn tunnelled<C, P>(
    c: &C,
    layer: Layer,
    walked: Result<Headers, Stop>,
    ports: &P,
    depth_max: u8,
) -> Result<Peeled, Stop>
where
    C: Cursor,
    P: Ports,
{
    let (entry, vlan, outer) = match walked {
        Err(Stop::Wrapped) => {
            let (inner, vlan) = behind_shim(c, layer)?;
            (Entry::Layer(inner), vlan, None)
        }
        Err(stop) => return Err(stop),
        Ok(headers) => match enter(c, &headers, ports) {
            None if !headers.is_tunnel() => return Ok(plain(headers, layer)),
            None => return Err(Stop::OtherProto),
            Some(entry) => (entry, headers.vlan, Some(headers)),
        },
    };
    let way = Way { tunnel: first(&entry, outer.as_ref()), vlan, depth_max };
    // Where the way ends in nonsense, the last datagram on it is the packet.
    through(c, ports, &way, entry, outer.map(|headers| plain(headers, layer)))
}

/// What is known from the first tunnel on.
struct Way {
    tunnel: Tunnel,
    /// VLAN of the outermost header, which holds for a packet without one of its own.
    vlan: u16,
    depth_max: u8,
}

/// The rest of the way, once there is a tunnel.
fn through<C, P>(
    c: &C,
    ports: &P,
    way: &Way,
    mut entry: Entry,
    mut packet: Option<Peeled>,
) -> Result<Peeled, Stop>
where
    C: Cursor,
    P: Ports,
{
    let mut stop = Stop::TooDeep;
    let mut unopened = false;
    for _ in 0..way.depth_max {
        let Inner { kind, layer, .. } = match entry {
            Entry::Layer(inner) => inner,
            Entry::Told(told) => return Ok(as_told(&told, way)),
        };
        unopened |= !kind.is_cheap();
        let next = match walk_layer(c, layer) {
            Err(Stop::Wrapped) => behind_shim(c, layer).map(|(inner, _)| Entry::Layer(inner)),
            Err(why) => Err(why),
            Ok(mut headers) => {
                if headers.vlan == 0 {
                    headers.vlan = way.vlan;
                }
                let tunnel = Some(way.tunnel);
                let here = Peeled { headers, tunnel, layer, class: None, unopened };
                match enter(c, &headers, ports) {
                    None if !headers.is_tunnel() => return Ok(here),
                    None => Err(Stop::OtherProto),
                    Some(next) => {
                        packet = Some(here);
                        Ok(next)
                    }
                }
            }
        };
        match next {
            Ok(next) => entry = next,
            Err(why) => {
                stop = why;
                break;
            }
        }
    }
    // The kernel program hands over what it cannot read.
    let packet = packet.map(|packet| Peeled { unopened: true, ..packet });
    packet.filter(|packet| packet.headers.proto == PROTO_UDP).ok_or(stop)
}

/// A packet of which only the payload is there.
fn as_told(told: &Told, way: &Way) -> Peeled {
    let headers = Headers { vlan: way.vlan, ..told.headers };
    let layer = Layer { ethertype: TOLD, at: usize::from(headers.payload) };
    Peeled { headers, tunnel: Some(way.tunnel), layer, class: told.class, unopened: true }
}

fn first(entry: &Entry, outer: Option<&Headers>) -> Tunnel {
    let nobody = [0; 16];
    let (src, dst) = outer.map_or((nobody, nobody), |headers| (headers.src, headers.dst));
    let (kind, id) = match entry {
        Entry::Layer(inner) => (inner.kind, inner.id),
        Entry::Told(told) => (told.kind, told.id),
    };
    Tunnel { kind, id, src, dst }
}

fn behind_shim<C: Cursor>(c: &C, layer: Layer) -> Result<(Inner, u16), Stop> {
    let (network, vlan) = network_of(c, layer)?;
    Ok((shim(c, network).ok_or(Stop::NotIp)?, vlan))
}

#[cfg(test)]
mod tests;
