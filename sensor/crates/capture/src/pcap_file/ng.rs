//! The pcapng format: sections of blocks, each block between two copies of its length.
//!
//! Read are section headers, interface descriptions, enhanced, simple and the obsolete packet
//! blocks; all others are passed over. Options other than an interface's resolution and time
//! offset are not looked at.
//!
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>

use super::block::{BLOCK_BYTES, FileDesc};
use super::order::{Found, Order};
use super::{FRAME_BYTES_MAX, Flaw, Taken};
use crate::batch::Link;

/// A section header's block type, the same in either byte order: how a pcapng file starts.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const MARK_LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
const MARK_BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// Type and length in front, length behind.
const FRAME_AROUND: usize = 12;
const INTERFACES_MAX: usize = 4096;
const SECOND_NS: u64 = 1_000_000_000;

/// Where the reader is: the section's byte order and interfaces.
#[derive(Debug, Default)]
pub(super) struct Ng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before this one.
    earlier: usize,
    /// The latest frame's time, for frames that carry none.
    last_ts: u64,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Result<Link, u16>,
    origin: u16,
    snaplen: u32,
    unit: Unit,
    offset_ns: i64,
}

/// What one tick of an interface's stamps is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// So many nanoseconds.
    Times(u64),
    /// The so-many-th part of a nanosecond.
    Parts(u64),
    /// 2 to the power of minus so much, seconds.
    Binary(u32),
}

impl Unit {
    fn from_option(value: u8) -> Unit {
        let power = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            return Unit::Binary(power);
        }
        match 10_u64.checked_pow(power.abs_diff(9)) {
            Some(factor) if power <= 9 => Unit::Times(factor),
            Some(factor) => Unit::Parts(factor),
            None => Unit::Parts(u64::MAX),
        }
    }

    #[inline]
    fn ns(self, ticks: u64) -> u64 {
        match self {
            Unit::Times(ns) => ticks.saturating_mul(ns),
            Unit::Parts(parts) => ticks / parts,
            Unit::Binary(power) => {
                let ns = (u128::from(ticks) * u128::from(SECOND_NS)).checked_shr(power);
                u64::try_from(ns.unwrap_or(0)).unwrap_or(u64::MAX)
            }
        }
    }
}

impl Interface {
    #[inline]
    fn ts(&self, high: u32, low: u32) -> u64 {
        let ticks = u64::from(high) << 32 | u64::from(low);
        self.unit.ns(ticks).saturating_add_signed(self.offset_ns)
    }
}

/// A frame inside its block's body.
struct Packet {
    interface: u32,
    /// The stamp's two halves; a simple packet has none.
    stamp: Option<(u32, u32)>,
    len: u32,
    wire_len: u32,
    /// Where its bytes begin in the body.
    at: usize,
}

impl Ng {
    /// Takes all whole blocks.
    pub(super) fn take(
        &mut self,
        buf: &[u8],
        descs: &mut Vec<FileDesc>,
        order: &mut Order,
    ) -> Taken {
        let mut used = 0;
        while let Some(head) = buf.get(used..).and_then(<[u8]>::first_chunk::<8>) {
            let rest = &buf[used..];
            let kind_bytes = [head[0], head[1], head[2], head[3]];
            if kind_bytes == SECTION {
                let Some(mark) = rest.get(8..12) else { break };
                self.big_endian = mark == MARK_BIG;
                if !self.big_endian && mark != MARK_LITTLE {
                    return Taken { used, skip: 0, flaw: Some(Flaw::BadByteOrder) };
                }
            }
            let kind = self.number(kind_bytes);
            let total = self.number([head[4], head[5], head[6], head[7]]);
            let size = total as usize;
            if size < FRAME_AROUND || !size.is_multiple_of(4) {
                return Taken { used, skip: 0, flaw: Some(Flaw::BadLength(total)) };
            }
            if size > rest.len() {
                return Self::incomplete(used, kind, total);
            }
            let end = self.at(rest, size - 4);
            if end != Some(total) {
                let flaw = Flaw::LengthsDiffer(total, end.unwrap_or(0));
                return Taken { used, skip: 0, flaw: Some(flaw) };
            }
            let body = &rest[8..size - 4];
            if let Err(flaw) = self.block(kind, body, used + 8, descs, order) {
                return Taken { used, skip: 0, flaw: Some(flaw) };
            }
            used += size;
        }
        Taken { used, skip: 0, flaw: None }
    }

    /// A block goes on beyond the buffer: wait for the rest, or pass over it.
    fn incomplete(used: usize, kind: u32, total: u32) -> Taken {
        let wanted = matches!(kind, INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
            || kind.to_le_bytes() == SECTION;
        let (skip, flaw) = match (total as usize > BLOCK_BYTES, wanted) {
            (false, _) => (0, None),
            (true, true) => (0, Some(Flaw::BadLength(total))),
            (true, false) => (u64::from(total), None),
        };
        Taken { used, skip, flaw }
    }

    fn block(
        &mut self,
        kind: u32,
        body: &[u8],
        at: usize,
        descs: &mut Vec<FileDesc>,
        order: &mut Order,
    ) -> Result<(), Flaw> {
        let packet = match kind {
            ENHANCED_PACKET => self.enhanced(body),
            SIMPLE_PACKET => self.simple(body),
            OBSOLETE_PACKET => self.obsolete(body),
            INTERFACE => return self.interface(body, order),
            _ if kind.to_le_bytes() == SECTION => {
                self.earlier += self.interfaces.len();
                self.interfaces.clear();
                return Ok(());
            }
            _ => return Ok(()),
        };
        let packet = packet.ok_or(Flaw::BadLength(size_of_block(body)))?;
        let interface = usize::try_from(packet.interface)
            .ok()
            .and_then(|id| self.interfaces.get(id))
            .ok_or(Flaw::NoInterface(packet.interface))?;
        if packet.len as usize > FRAME_BYTES_MAX {
            return Err(Flaw::FrameTooLong(packet.len));
        }
        if body.len() < packet.at + packet.len as usize {
            return Err(Flaw::BadLength(size_of_block(body)));
        }
        if let Some((high, low)) = packet.stamp {
            self.last_ts = interface.ts(high, low);
        }
        let found = Found {
            ts: self.last_ts,
            offset: at + packet.at,
            len: packet.len,
            wire_len: packet.wire_len,
        };
        order.push(descs, &found, interface.origin, interface.link);
        Ok(())
    }

    #[inline]
    fn enhanced(&self, body: &[u8]) -> Option<Packet> {
        let head = body.first_chunk::<20>()?;
        Some(Packet {
            interface: self.at(head, 0)?,
            stamp: Some((self.at(head, 4)?, self.at(head, 8)?)),
            len: self.at(head, 12)?,
            wire_len: self.at(head, 16)?,
            at: 20,
        })
    }

    fn simple(&self, body: &[u8]) -> Option<Packet> {
        let wire_len = self.at(body, 0)?;
        let snaplen = match self.interfaces.first()?.snaplen {
            0 => u32::MAX,
            limit => limit,
        };
        let room = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
        let len = wire_len.min(snaplen).min(room);
        Some(Packet { interface: 0, stamp: None, len, wire_len, at: 4 })
    }

    fn obsolete(&self, body: &[u8]) -> Option<Packet> {
        let id = *body.first_chunk::<2>()?;
        Some(Packet {
            interface: u32::from(self.short(id)),
            stamp: Some((self.at(body, 4)?, self.at(body, 8)?)),
            len: self.at(body, 12)?,
            wire_len: self.at(body, 16)?,
            at: 20,
        })
    }

    fn interface(&mut self, body: &[u8], order: &mut Order) -> Result<(), Flaw> {
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(Flaw::TooManyInterfaces);
        }
        let head = body.first_chunk::<8>().ok_or(Flaw::BadLength(size_of_block(body)))?;
        let dlt = self.short([head[0], head[1]]);
        let mut interface = Interface {
            link: Link::from_dlt(dlt).ok_or(dlt),
            origin: order.origin(self.earlier + self.interfaces.len()),
            snaplen: self.number([head[4], head[5], head[6], head[7]]),
            unit: Unit::Times(1000),
            offset_ns: 0,
        };
        let mut rest = &body[8..];
        while let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() {
            let (code, len) = (self.short([a, b]), usize::from(self.short([c, d])));
            let Some(value) = behind.get(..len) else { break };
            match (code, value) {
                (OPTION_END, _) => break,
                (OPTION_RESOLUTION, &[resolution, ..]) => {
                    interface.unit = Unit::from_option(resolution);
                }
                (OPTION_OFFSET, _) => {
                    let seconds = value.first_chunk::<8>().map_or(0, |v| self.offset(*v));
                    interface.offset_ns = seconds.saturating_mul(1_000_000_000);
                }
                _ => {}
            }
            rest = behind.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    #[inline]
    fn at(&self, bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map(|four| self.number(*four))
    }

    #[inline]
    fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn short(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn offset(&self, bytes: [u8; 8]) -> i64 {
        if self.big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }
    }
}

/// The length that a block with this body carries.
fn size_of_block(body: &[u8]) -> u32 {
    u32::try_from(body.len() + FRAME_AROUND).unwrap_or(u32::MAX)
}
