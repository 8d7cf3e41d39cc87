//! SIP and RTP as a border controller has received or sent them.
//!
//! All six sets begin with seconds, microseconds (32 bits each), slot, port (a byte each) and
//! VLAN of the interface. Then, of variable length (RFC 7011 §7) where not said otherwise:
//!
//! | set | |
//! |---|---|
//! | 258, 266 | an IP packet |
//! | 259, 267 | Call-ID, or nothing; an IP packet |
//! | 260 | two IPv4 addresses, two ports, a context of 32 bits (the receiver's first); a message |
//! | 261 | the same; Call-ID, or nothing; a message |
//!
//! The checksum of the packet's UDP header is not one; some take it for the length of the message.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Cursor, Reject, unix_ns};

const UDP: u8 = 17;
const UDP_LEN: usize = 8;
const IPV4_LEN: usize = 20;

/// Offset and "more fragments" of IPv4's flags.
const FRAGMENT: u16 = 0x3fff;

/// Sets may be filled up with fewer bytes than that.
const PADDING: usize = 4;

/// A message, and between whom it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sip<'a> {
    /// When: UNIX time, s and µs.
    pub time: (u32, u32),
    /// Slot and port of the interface.
    pub interface: (u8, u8),
    /// VLAN of the interface.
    pub vlan: u16,
    /// What the controller calls the call; mostly empty.
    pub call_id: &'a [u8],
    /// Source address and port.
    pub src: (IpAddr, u16),
    /// Destination address and port.
    pub dst: (IpAddr, u16),
    /// Type of service, 0 over TCP.
    pub tos: u8,
    /// The message, or what else the packet carries.
    pub message: &'a [u8],
    /// Bytes of the set behind it.
    pub beyond: usize,
}

impl<'a> Sip<'a> {
    /// Reads the body of a set 258, 259, 266 or 267.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn udp(body: &'a [u8]) -> Result<Self, Reject> {
        let mut fields = Cursor { rest: body };
        let start = Start::read(&mut fields)?;
        let first = fields.variable()?;
        // No Call-ID is a packet: those have bytes that no text has.
        let (call_id, packet) = match Packet::read(first) {
            Err(_) if fields.rest.len() >= PADDING => (first, Packet::read(fields.variable()?)),
            read => (Default::default(), read),
        };
        let Packet { src, dst, tos, message } = packet?;
        Ok(start.with(call_id, (src, dst, tos), message, fields.rest.len()))
    }

    /// Reads the body of a set 260 or 261.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn tcp(body: &'a [u8]) -> Result<Self, Reject> {
        let mut fields = Cursor { rest: body };
        let start = Start::read(&mut fields)?;
        let (dst, src) = (fields.array::<4>()?, fields.array::<4>()?);
        let (dport, sport) = (fields.u16()?, fields.u16()?);
        fields.u32()?;
        let (call_id, message) = last(&mut fields)?;
        let (src, dst) = ((Ipv4Addr::from(src).into(), sport), (Ipv4Addr::from(dst).into(), dport));
        Ok(start.with(call_id, (src, dst, 0), message, fields.rest.len()))
    }

    /// When it passed: UNIX time, ns. `None`: it is no time.
    #[must_use]
    pub fn unix_ns(&self) -> Option<u64> {
        unix_ns(self.time)
    }
}

/// A Call-ID, if there is one, and what follows it.
fn last<'a>(fields: &mut Cursor<'a>) -> Result<(&'a [u8], &'a [u8]), Reject> {
    let first = fields.variable()?;
    if fields.rest.len() < PADDING { Ok((&[], first)) } else { Ok((first, fields.variable()?)) }
}

/// What all sets begin with.
struct Start {
    time: (u32, u32),
    interface: (u8, u8),
    vlan: u16,
}

impl Start {
    fn read(fields: &mut Cursor<'_>) -> Result<Self, Reject> {
        let time = (fields.u32()?, fields.u32()?);
        Ok(Self { time, interface: (fields.u8()?, fields.u8()?), vlan: fields.u16()? })
    }

    fn with<'a>(
        self,
        call_id: &'a [u8],
        (src, dst, tos): ((IpAddr, u16), (IpAddr, u16), u8),
        message: &'a [u8],
        beyond: usize,
    ) -> Sip<'a> {
        let Self { time, interface, vlan } = self;
        Sip { time, interface, vlan, call_id, src, dst, tos, message, beyond }
    }
}

/// A packet that carries UDP.
struct Packet<'a> {
    src: (IpAddr, u16),
    dst: (IpAddr, u16),
    tos: u8,
    message: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The lengths that the packet tells of itself are taken where they are shorter than the
    /// field that holds it.
    fn read(packet: &'a [u8]) -> Result<Self, Reject> {
        let mut fields = Cursor { rest: packet };
        let first = fields.u8()?;
        let (tos, src, dst): (u8, IpAddr, IpAddr) = match first >> 4 {
            4 => {
                let tos = fields.u8()?;
                fields.take(4)?;
                let flags = fields.u16()?;
                fields.u8()?;
                let protocol = fields.u8()?;
                fields.u16()?;
                let (src, dst) = (fields.array::<4>()?, fields.array::<4>()?);
                fields.take((usize::from(first & 15) * 4).saturating_sub(IPV4_LEN))?;
                if protocol != UDP {
                    return Err(Reject::Protocol);
                }
                if flags & FRAGMENT != 0 {
                    return Err(Reject::Fragment);
                }
                (tos, Ipv4Addr::from(src).into(), Ipv4Addr::from(dst).into())
            }
            6 => {
                let second = fields.u8()?;
                fields.take(4)?;
                let protocol = fields.u8()?;
                fields.u8()?;
                let (src, dst) = (fields.array::<16>()?, fields.array::<16>()?);
                if protocol != UDP {
                    return Err(Reject::Protocol);
                }
                (first << 4 | second >> 4, Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into())
            }
            _ => return Err(Reject::Family),
        };
        let (sport, dport, len) = (fields.u16()?, fields.u16()?, usize::from(fields.u16()?));
        fields.u16()?;
        let told = len.checked_sub(UDP_LEN).and_then(|len| fields.rest.get(..len));
        Ok(Self { src: (src, sport), dst: (dst, dport), tos, message: told.unwrap_or(fields.rest) })
    }
}
