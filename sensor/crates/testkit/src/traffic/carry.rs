//! The same traffic with its SIP carried otherwise: over TCP, over WebSocket, in IP fragments.
//!
//! Stands between the generator and a sink, and leaves everything but SIP datagrams (port 5060,
//! no VLAN) as it is. Each message is complete at the time at which its datagram would have come,
//! so the truth about the traffic stays the truth. Mirror copies and senders' repetitions are
//! new messages to it: plans that have them make other records.

use super::FrameSink;
use crate::packet::{Packet, TCP_ACK, TCP_PSH, TCP_SYN};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a segment where messages are cut.
const PIECE: usize = 100;
/// Sequence numbers begin here, shortly before they wrap.
const FIRST_SEQ: u32 = u32::MAX - 300;
/// The browser's mask.
const MASK: [u8; 4] = [0x11, 0xfe, 0, 0x83];

/// How SIP is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// One segment a message.
    Tcp,
    /// Short segments, after a handshake that is not seen and in the middle of a message.
    TcpMidstream,
    /// Short segments, the last one first, each of them twice.
    TcpShuffled,
    /// One WebSocket frame a message, masked towards the port 5060 of a server.
    WebSocket,
    /// Short segments of WebSocket frames: messages continued over three frames, with a ping
    /// between them.
    WebSocketPieces,
    /// WebSocket connections whose beginning is not seen.
    WebSocketMidstream,
    /// IP fragments of the datagram, the last one first.
    Fragments,
}

impl Carry {
    fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketPieces | Self::WebSocketMidstream)
    }

    fn is_midstream(self) -> bool {
        matches!(self, Self::TcpMidstream | Self::WebSocketMidstream)
    }
}

/// Carries SIP otherwise on its way to a sink.
pub struct Carrier<'a> {
    sink: &'a mut dyn FrameSink,
    how: Carry,
    /// Next sequence number of each direction.
    next: HashMap<(SocketAddr, SocketAddr), u32>,
    ip_id: u32,
    /// Type of service of the datagram that is carried.
    tos: u8,
}

impl std::fmt::Debug for Carrier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").field("how", &self.how).finish_non_exhaustive()
    }
}

impl<'a> Carrier<'a> {
    /// Before this sink.
    pub fn new(sink: &'a mut dyn FrameSink, how: Carry) -> Self {
        Self { sink, how, next: HashMap::new(), ip_id: 1, tos: 0 }
    }

    fn segment(
        &mut self,
        ts_ns: u64,
        (src, dst): (SocketAddr, SocketAddr),
        seq: u32,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        self.ip_id += 1;
        let packet = Packet::tcp(src, dst, seq, 1, flags, payload).ip_id(self.ip_id).tos(self.tos);
        self.sink.frame(ts_ns, &packet.build())
    }

    /// Both directions' beginnings, or what is seen of them.
    fn open(&mut self, ts_ns: u64, way: (SocketAddr, SocketAddr)) -> io::Result<()> {
        let back = (way.1, way.0);
        if self.how.is_midstream() {
            self.next.insert(way, FIRST_SEQ);
            self.next.insert(back, FIRST_SEQ);
            let rest: &[u8] = if self.how.is_websocket() {
                &[0x13, 0x9b, 0, 0x42]
            } else {
                b"nd: 1\r\n\r\nv=0\r\n"
            };
            self.send(ts_ns, way, rest)?;
            return self.send(ts_ns, back, rest);
        }
        self.segment(ts_ns, way, FIRST_SEQ, TCP_SYN, b"")?;
        self.segment(ts_ns, back, FIRST_SEQ, TCP_SYN | TCP_ACK, b"")?;
        self.next.insert(way, FIRST_SEQ.wrapping_add(1));
        self.next.insert(back, FIRST_SEQ.wrapping_add(1));
        if self.how.is_websocket() {
            self.send(
                ts_ns,
                way,
                b"GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )?;
            self.send(
                ts_ns,
                back,
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
            )?;
        }
        Ok(())
    }

    /// Bytes in one segment.
    fn send(&mut self, ts_ns: u64, way: (SocketAddr, SocketAddr), bytes: &[u8]) -> io::Result<()> {
        let next = self.next.entry(way).or_insert(FIRST_SEQ);
        let seq = *next;
        *next = seq.wrapping_add(bytes.len() as u32);
        self.segment(ts_ns, way, seq, TCP_ACK | TCP_PSH, bytes)
    }

    fn message(
        &mut self,
        ts_ns: u64,
        way: (SocketAddr, SocketAddr),
        text: &[u8],
    ) -> io::Result<()> {
        if !self.next.contains_key(&way) {
            self.open(ts_ns, way)?;
        }
        // Only one side is a browser.
        let mask = (way.1.port() == 5060).then_some(MASK);
        let bytes = match self.how {
            Carry::WebSocket | Carry::WebSocketMidstream => websocket_frame(0x81, mask, text),
            Carry::WebSocketPieces => {
                let (first, rest) = text.split_at(text.len() / 3);
                let (second, third) = rest.split_at(rest.len() / 2);
                [
                    websocket_frame(0x01, mask, first),
                    websocket_frame(0x89, mask, b"still there?"),
                    websocket_frame(0x00, mask, second),
                    websocket_frame(0x80, mask, third),
                ]
                .concat()
            }
            _ => text.to_vec(),
        };
        match self.how {
            Carry::TcpMidstream | Carry::WebSocketPieces => {
                bytes.chunks(PIECE).try_for_each(|piece| self.send(ts_ns, way, piece))
            }
            Carry::TcpShuffled => {
                let first = self.next.get(&way).copied().unwrap_or(FIRST_SEQ);
                self.next.insert(way, first.wrapping_add(bytes.len() as u32));
                for (at, piece) in bytes.chunks(PIECE).enumerate().rev() {
                    let seq = first.wrapping_add((at * PIECE) as u32);
                    self.segment(ts_ns, way, seq, TCP_ACK, piece)?;
                    self.segment(ts_ns, way, seq, TCP_ACK, piece)?;
                }
                Ok(())
            }
            _ => self.send(ts_ns, way, &bytes),
        }
    }

    fn fragments(
        &mut self,
        ts_ns: u64,
        (src, dst): (SocketAddr, SocketAddr),
        text: &[u8],
    ) -> io::Result<()> {
        self.ip_id += 1;
        let fragments = Packet::udp(src, dst, text).ip_id(self.ip_id).tos(self.tos).fragments(200);
        fragments.iter().rev().try_for_each(|frame| self.sink.frame(ts_ns, frame))
    }
}

impl FrameSink for Carrier<'_> {
    fn frame(&mut self, ts_ns: u64, bytes: &[u8]) -> io::Result<()> {
        let Some((way, text)) = sip(bytes) else { return self.sink.frame(ts_ns, bytes) };
        self.tos = tos(bytes).unwrap_or(0);
        if self.how == Carry::Fragments {
            self.fragments(ts_ns, way, text)
        } else {
            self.message(ts_ns, way, text)
        }
    }
}

/// A WebSocket frame (RFC 6455 section 5.2) with the shortest length field.
#[must_use]
pub fn websocket_frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    if payload.len() < 126 {
        out.push(masked | payload.len() as u8);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        out.push(masked | 126);
        out.extend(length.to_be_bytes());
    } else {
        out.push(masked | 127);
        out.extend((payload.len() as u64).to_be_bytes());
    }
    out.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Type of service, or traffic class, of a generated frame.
fn tos(frame: &[u8]) -> Option<u8> {
    match frame.get(14..16)? {
        [first, second] if first >> 4 == 6 => Some(first << 4 | second >> 4),
        [_, second] => Some(*second),
        _ => None,
    }
}

/// Addresses and payload of a generated SIP datagram.
fn sip(frame: &[u8]) -> Option<((SocketAddr, SocketAddr), &[u8])> {
    let ip = frame.get(14..)?;
    let (src, dst, udp): (std::net::IpAddr, std::net::IpAddr, _) = match frame.get(12..14)? {
        [0x08, 0x00] if ip.get(9) == Some(&17) => {
            let place = |at: usize| Some(Ipv4Addr::from(*ip.get(at..)?.first_chunk::<4>()?));
            (place(12)?.into(), place(16)?.into(), ip.get(20..)?)
        }
        [0x86, 0xdd] if ip.get(6) == Some(&17) => {
            let place = |at: usize| Some(Ipv6Addr::from(*ip.get(at..)?.first_chunk::<16>()?));
            (place(8)?.into(), place(24)?.into(), ip.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(*udp.get(at..)?.first_chunk()?));
    let way = (SocketAddr::new(src, port(0)?), SocketAddr::new(dst, port(2)?));
    let is_sip = way.0.port() == 5060 || way.1.port() == 5060;
    is_sip.then_some((way, udp.get(8..)?))
}
