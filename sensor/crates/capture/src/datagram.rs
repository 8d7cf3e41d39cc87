//! What a UDP socket of this host has lost: the one thing of it that std does not tell.

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
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
