//! What std does not tell of a UDP socket of this host: which of the host's addresses a datagram
//! was sent to, and how many the socket has lost.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::sys;

/// Numbers of `SO_MEMINFO`, of which the last is `SK_MEMINFO_DROPS`.
const MEMINFO: usize = 9;

/// Datagrams for which the socket had no room since it was opened; `None`: the system does not
/// tell.
pub fn dropped(socket: BorrowedFd<'_>) -> Option<u64> {
    let numbers: [u32; MEMINFO] =
        sys::get_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO).ok()?;
    numbers.last().copied().map(u64::from)
}

/// A datagram that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes of it that the buffer holds.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// To which address; `None`: the socket does not tell, see [`tell_destination`].
    pub to: Option<IpAddr>,
}

/// From now on the socket tells to which address each datagram was sent.
///
/// # Errors
/// It is no socket of IP.
pub fn tell_destination(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (fd, yes): (_, libc::c_int) = (socket.as_raw_fd(), 1);
    // A socket of IPv6 may receive IPv4 too.
    let of_both = sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &yes);
    of_both.or_else(|_| sys::set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, &yes))
}

/// Receives a datagram, within the time that the socket's options allow.
///
/// # Errors
/// None came, or something else that the system says.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    let (len, from, to) = sys::receive(socket.as_raw_fd(), buffer)?;
    Ok(Datagram { len, from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_socket_for_all_addresses_tells_which_one_was_meant() {
        for (all, one) in [("0.0.0.0:0", "127.0.0.3"), ("[::]:0", "::1"), ("[::]:0", "127.0.0.3")] {
            let socket = UdpSocket::bind(all).unwrap();
            let here = "127.0.0.2:0".parse().unwrap();
            let one: IpAddr = one.parse().unwrap();
            let peer = UdpSocket::bind(if one.is_ipv4() { here } else { SocketAddr::new(one, 0) });
            let peer = peer.unwrap();
            let at = SocketAddr::new(one, socket.local_addr().unwrap().port());
            let mut buffer = [0; 10];
            peer.send_to(b"untold", at).unwrap();
            let came = receive(socket.as_fd(), &mut buffer).unwrap();
            assert_eq!((came.len, came.to), (6, None));
            tell_destination(socket.as_fd()).unwrap();
            peer.send_to(b"longer than that", at).unwrap();
            let came = receive(socket.as_fd(), &mut buffer).unwrap();
            assert_eq!((came.len, came.to.map(|to| to.to_canonical())), (10, Some(one)));
            let from = SocketAddr::new(came.from.ip().to_canonical(), came.from.port());
            assert_eq!(from, peer.local_addr().unwrap());
        }
    }
    use std::os::fd::AsFd;

    #[test]
    fn a_full_socket_says_what_it_lost() {
        let full = UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(dropped(full.as_fd()), Some(0));
        let at = full.local_addr().unwrap();
        let sent = 4000;
        for _ in 0..sent {
            peer.send_to(&[0; 1000], at).unwrap();
        }
        full.set_nonblocking(true).unwrap();
        let received = std::iter::from_fn(|| full.recv(&mut [0; 1000]).ok()).count() as u64;
        assert!(received < sent);
        assert_eq!(dropped(full.as_fd()), Some(sent - received));
    }
}
