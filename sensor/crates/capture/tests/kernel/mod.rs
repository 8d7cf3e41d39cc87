//! The kernel program on the bench: loaded, with a socket on queue 0, fed frame by frame.
#![expect(unsafe_code, reason = "an AF_XDP socket that is never bound, by system calls")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ringtap_capture::xdp::load::trial::Outcome;
use ringtap_capture::xdp::load::{Options, Program};
use ringtap_common::verdict::Verdict;

/// The program under test. Nothing is sent: redirects are decided, not carried out.
pub(crate) struct Bench {
    pub(crate) program: Program,
    _socket: OwnedFd,
}

impl Bench {
    /// Loads the program after `change` had its way with the options; `None`, with a line, when
    /// we are not root. As root, a program that is missing or refused is a failure.
    pub(crate) fn new(change: impl FnOnce(&mut Options)) -> Option<Self> {
        if !is_root() {
            eprintln!("skipped: loading a kernel program needs root");
            return None;
        }
        let mut options = Options { dedup_slots: 1024, ..Options::default() };
        change(&mut options);
        let mut program = Program::load(&options).unwrap_or_else(|error| panic!("{error}"));
        let socket = socket();
        program.set_socket(0, &socket.as_raw_fd()).unwrap();
        Some(Self { program, _socket: socket })
    }

    /// Feeds one frame: what the program did, and the one verdict it counted.
    pub(crate) fn feed(&self, frame: &[u8]) -> (Verdict, Outcome) {
        let before = self.program.counts().unwrap();
        let outcome = self.program.try_frame(frame, 1).unwrap();
        let counted = self.program.counts().unwrap().since(&before);
        assert_eq!(counted.total(), 1, "a frame is counted once: {counted:?}");
        let verdict = counted.iter().find(|(_, frames)| *frames == 1).unwrap().0;
        (verdict, outcome)
    }

    /// Feeds one frame and gives its verdict.
    pub(crate) fn verdict(&self, frame: &[u8]) -> Verdict {
        self.feed(frame).0
    }
}

/// Whether programs may be loaded.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    uids.split_whitespace().nth(1) == Some("0")
}

/// A socket that the socket map accepts: it has an RX ring.
fn socket() -> OwnedFd {
    // SAFETY: no pointer is passed; the descriptor is new and owned by nobody else.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    };
    let entries = 64u32;
    // SAFETY: the kernel reads the four bytes of `entries`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_RX_RING,
            (&raw const entries).cast(),
            4,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    socket
}

/// An address for a test packet.
pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// RTP with 160 bytes of audio.
pub(crate) fn rtp(sequence: u16) -> Vec<u8> {
    let mut rtp = vec![0x80, 0];
    rtp.extend(sequence.to_be_bytes());
    rtp.extend([0, 0, 1, 0, 0xca, 0xfe, 0xba, 0xbe]);
    rtp.extend((0..160).map(|i| i ^ sequence as u8));
    rtp
}
