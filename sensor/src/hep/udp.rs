//! HEP in datagrams: one message each.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringtap_capture::datagram;

use super::counts::Event;
use super::reader::Reader;
use crate::agents::LOOK;

/// No datagram is longer.
const DATAGRAM_MAX: usize = 65_535;

/// Bytes that the kernel may keep for us; it grants what its own limit allows.
const BUFFER: usize = 8 << 20;

/// Datagrams that are still taken at the end.
const LAST_MAX: usize = 10_000;

/// Receives until the end, then what the socket still holds.
pub(super) fn run(socket: &UdpSocket, mut reader: Reader) {
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, BUFFER);
    let _ = socket.set_read_timeout(Some(LOOK));
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut asked = Instant::now();
    while !reader.post.house.stopped() {
        receive(socket, &mut buffer, &mut reader);
        if asked.elapsed() >= LOOK {
            asked = Instant::now();
            count_drops(socket, &reader);
        }
    }
    let _ = socket.set_nonblocking(true);
    for _ in 0..LAST_MAX {
        if !receive(socket, &mut buffer, &mut reader) {
            break;
        }
    }
    count_drops(socket, &reader);
}

/// One datagram; false: there was none.
fn receive(socket: &UdpSocket, buffer: &mut [u8], reader: &mut Reader) -> bool {
    let Ok((len, from)) = socket.recv_from(buffer) else { return false };
    reader.message(buffer.get(..len).unwrap_or_default(), from.ip(), Duration::ZERO);
    true
}

fn count_drops(socket: &UdpSocket, reader: &Reader) {
    if let Some(dropped) = datagram::dropped(socket.as_fd()) {
        reader.shared.counts.events.set(Event::SocketDropped, dropped);
    }
}
