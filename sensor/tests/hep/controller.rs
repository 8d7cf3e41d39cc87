//! A session border controller: what it has seen and measured, as IPFIX.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::agent::Seen;

/// A message around sets.
pub(crate) fn message(sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    let len = u16::try_from(16 + body.len()).unwrap();
    let words = [1_700_000_000_u32, 1, 42].map(u32::to_be_bytes);
    [&[0, 10][..], &len.to_be_bytes(), words.as_flattened(), &body].concat()
}

pub(crate) fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + body.len()).unwrap();
    [[id, len].map(u16::to_be_bytes).as_flattened(), body].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&[255][..], &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn v4(end: SocketAddr) -> [u8; 4] {
    let IpAddr::V4(ip) = end.ip() else { panic!("IPv4 only") };
    ip.octets()
}

fn start(seen: &Seen) -> Vec<u8> {
    let time = [u32::try_from(seen.at.as_secs()).unwrap(), seen.at.subsec_micros()];
    [time.map(u32::to_be_bytes).as_flattened(), &[0, 1, 0, 7]].concat()
}

/// A SIP message over UDP, as received, or with its Call-ID as sent.
pub(crate) fn sip_udp(seen: &Seen, call_id: Option<&str>) -> Vec<u8> {
    in_packet([258, 259], seen, call_id)
}

/// The same of media.
pub(crate) fn media(seen: &Seen, call_id: Option<&str>) -> Vec<u8> {
    in_packet([266, 267], seen, call_id)
}

fn in_packet([received, sent]: [u16; 2], seen: &Seen, call_id: Option<&str>) -> Vec<u8> {
    let (src, dst) = seen.way;
    let len = u16::try_from(8 + seen.payload.len()).unwrap();
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0];
    packet.extend([v4(src), v4(dst)].as_flattened());
    packet.extend([src.port(), dst.port(), len, 0].map(u16::to_be_bytes).as_flattened());
    packet.extend(&seen.payload);
    finish(if call_id.is_some() { sent } else { received }, start(seen), call_id, &packet)
}

/// The same over TCP.
pub(crate) fn sip_tcp(seen: &Seen, call_id: Option<&str>) -> Vec<u8> {
    let (src, dst) = seen.way;
    let mut body = start(seen);
    body.extend([v4(dst), v4(src)].as_flattened());
    body.extend([dst.port(), src.port(), 0, 9].map(u16::to_be_bytes).as_flattened());
    finish(if call_id.is_some() { 261 } else { 260 }, body, call_id, &seen.payload)
}

fn finish(id: u16, mut body: Vec<u8>, call_id: Option<&str>, last: &[u8]) -> Vec<u8> {
    if let Some(call_id) = call_id {
        body.push(u8::try_from(call_id.len()).unwrap());
        body.extend(call_id.as_bytes());
    }
    body.extend(long(last));
    set(id, &body)
}

/// What it has measured of a call that has these Call-IDs on its two sides.
pub(crate) fn quality(ended: Duration, call_ids: [&str; 2]) -> Vec<u8> {
    // RTP: bytes, packets, lost, jitter and the largest; RTCP: the same, delay and the largest;
    // R, MOS.
    let incoming = [16_000, 99, 1, 5, 9, 400, 40, 10, 6, 8, 30, 50, 9_000, 431];
    let outgoing = [8000, 50, 0, 2, 3, 0, 0, 0, u32::MAX, 0, u32::MAX, 0, 0, 0];
    let mut body = [incoming, outgoing].concat().into_iter().flat_map(u32::to_be_bytes).collect();
    let body: &mut Vec<u8> = &mut body;
    body.push(0);
    body.extend([0; 4 * 12 + 2 * 4]);
    let end = u32::try_from(ended.as_secs()).unwrap();
    body.extend([end - 6, 0, end, ended.subsec_micros()].map(u32::to_be_bytes).as_flattened());
    for text in ["access", "core"].iter().chain(&call_ids) {
        body.extend(long(text.as_bytes()));
    }
    set(268, body)
}

/// Begins a connection: the sensor must answer with the same bytes as set 257.
pub(crate) fn greeted(at: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hello = b"\0\x01\0\x01\0\0\x0fa controller";
    stream.write_all(&message(&[set(256, hello)])).unwrap();
    let wanted = message(&[set(257, hello)]);
    let mut answer = vec![0; wanted.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, wanted);
    stream
}
