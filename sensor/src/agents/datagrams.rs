//! Messages in datagrams: one each.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringtap_capture::datagram;
use rustix::net::sockopt;

use super::counts::Event;
use super::stream::Taker;
use super::{House, LOOK, Way};

/// No datagram is longer.
const DATAGRAM_MAX: usize = 65_535;

/// Bytes that the kernel may keep for us; without privilege it grants what its limit allows.
const BUFFER: usize = 8 << 20;

/// Datagrams that are still taken at the end.
const LAST_MAX: usize = 10_000;

/// A socket, and who reads what it brings.
struct Mouth<'a, T> {
    socket: UdpSocket,
    /// Its own address, where a datagram's is not told.
    own: SocketAddr,
    house: &'a House,
    taker: T,
    buffer: Vec<u8>,
    /// Answers go nowhere.
    answer: Vec<u8>,
    /// Datagrams that it has lost.
    lost: u64,
}

/// Receives until the end, then what the socket still holds.
pub(crate) fn run(socket: UdpSocket, house: &House, taker: impl Taker) {
    if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
    }
    let _ = socket.set_read_timeout(Some(LOOK));
    let _ = datagram::tell_destination(socket.as_fd());
    let Ok(own) = socket.local_addr() else { return };
    let (buffer, answer) = (vec![0; DATAGRAM_MAX], Vec::new());
    let mut mouth = Mouth { socket, own, house, taker, buffer, answer, lost: 0 };
    let mut asked = Instant::now();
    while !house.stopped() {
        mouth.receive();
        if asked.elapsed() >= LOOK {
            asked = Instant::now();
            mouth.count_drops();
        }
    }
    let _ = mouth.socket.set_nonblocking(true);
    for _ in 0..LAST_MAX {
        if !mouth.receive() {
            break;
        }
    }
    mouth.count_drops();
}

impl<T: Taker> Mouth<'_, T> {
    /// One datagram; false: there was none.
    fn receive(&mut self) -> bool {
        let Ok(came) = datagram::receive(self.socket.as_fd(), &mut self.buffer) else {
            return false;
        };
        let to = came.to.map_or(self.own, |ip| SocketAddr::new(ip, self.own.port()));
        let bytes = self.buffer.get(..came.len).unwrap_or_default();
        self.taker.message(bytes, Way { from: came.from, to }, Duration::ZERO, &mut self.answer);
        self.answer.clear();
        true
    }

    fn count_drops(&mut self) {
        let Some(lost) = datagram::dropped(self.socket.as_fd()) else { return };
        let more = lost.saturating_sub(self.lost);
        self.lost = lost;
        self.house.events.note(Event::SocketDropped, more);
        self.house.lanes.lost(more);
    }
}
