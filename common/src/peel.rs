//! Through all tunnels to the innermost packet.
//!
//! For user space: the kernel program goes the same steps one by one, because its verifier
//! follows every turn of a loop.

use crate::classify::Ports;
use crate::cursor::Cursor;
use crate::tunnel::{Inner, Kind, enter, shim};
use crate::walk::{Headers, Ip, Layer, PROTO_UDP, Stop, network_of, walk_layer};

/// Tunnels in tunnels that are entered, unless something else is asked for.
pub const DEPTH: u8 = 4;

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
    /// Its outermost header inside of all tunnels.
    pub layer: Layer,
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
    let (inner, vlan, outer) = match walk_layer(c, layer) {
        Err(Stop::Wrapped) => {
            let (inner, vlan) = behind_shim(c, layer)?;
            (inner, vlan, None)
        }
        Err(stop) => return Err(stop),
        Ok(headers) => match enter(c, &headers, ports) {
            None if !headers.is_tunnel() => {
                return Ok(Peeled { headers, tunnel: None, layer, unopened: false });
            }
            None => return Err(Stop::OtherProto),
            Some(inner) => (inner, headers.vlan, Some(headers)),
        },
    };
    let way = Way { tunnel: first(&inner, outer.as_ref()), vlan, depth_max };
    // Where the way ends in nonsense, the last datagram on it is the packet.
    let packet = outer.map(|headers| Peeled { headers, tunnel: None, layer, unopened: false });
    through(c, ports, &way, inner, packet)
}

/// What is known from the first tunnel on.
struct Way {
    tunnel: Tunnel,
    /// VLAN of the outermost header, which holds for a packet without one of its own.
    vlan: u16,
    depth_max: u8,
}

/// The rest of the way, once there is a tunnel.
#[cold]
fn through<C, P>(
    c: &C,
    ports: &P,
    way: &Way,
    mut inner: Inner,
    mut packet: Option<Peeled>,
) -> Result<Peeled, Stop>
where
    C: Cursor,
    P: Ports,
{
    let mut stop = Stop::TooDeep;
    let mut unopened = false;
    for _ in 0..way.depth_max {
        let layer = inner.layer;
        unopened |= !inner.kind.is_cheap();
        let next = match walk_layer(c, layer) {
            Err(Stop::Wrapped) => behind_shim(c, layer).map(|(inner, _)| inner),
            Err(why) => Err(why),
            Ok(mut headers) => {
                if headers.vlan == 0 {
                    headers.vlan = way.vlan;
                }
                let here = Peeled { headers, tunnel: Some(way.tunnel), layer, unopened };
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
            Ok(next) => inner = next,
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

fn first(inner: &Inner, outer: Option<&Headers>) -> Tunnel {
    let nobody = [0; 16];
    let (src, dst) = outer.map_or((nobody, nobody), |headers| (headers.src, headers.dst));
    Tunnel { kind: inner.kind, id: inner.id, src, dst }
}

fn behind_shim<C: Cursor>(c: &C, layer: Layer) -> Result<(Inner, u16), Stop> {
    let (network, vlan) = network_of(c, layer)?;
    Ok((shim(c, network).ok_or(Stop::NotIp)?, vlan))
}

#[cfg(test)]
mod tests;
