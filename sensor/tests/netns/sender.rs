//! Sends frames by packet sockets: on chosen processors, in real time, faster, or as fast as
//! possible.
#![expect(unsafe_code, reason = "packet sockets and processors are system calls")]

pub(crate) mod session;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringtap_testkit::traffic::Memory;

use crate::lab::{FAR, Lab, NEAR};

/// No test sends longer than this.
const SEND_MAX: Duration = Duration::from_secs(20);

/// Frames that one thread sends.
#[derive(Debug, Default)]
pub(crate) struct Lane<'a> {
    /// The processor the thread stays on.
    pub(crate) cpu: Option<usize>,
    /// The interface, if not the lab's.
    pub(crate) via: Option<&'static str>,
    /// A second one, which every other frame takes.
    pub(crate) also: Option<&'static str>,
    /// The captured host itself sends.
    pub(crate) by_host: bool,
    /// Frames with their times.
    pub(crate) frames: Vec<(u64, &'a [u8])>,
}

/// What a frame carries, by the ports that the generator uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Sip,
    Rtp,
    Rtcp,
}

/// What a generated frame carries (IPv4 without VLAN).
pub(crate) fn load(frame: &[u8]) -> Load {
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    match (port(34), port(36)) {
        (5060, _) | (_, 5060) => Load::Sip,
        (_, to) if to % 2 == 1 => Load::Rtcp,
        _ => Load::Rtp,
    }
}

/// All frames in one lane.
pub(crate) fn one_lane(frames: &Memory) -> [Lane<'_>; 1] {
    [Lane { frames: frames.iter().collect(), ..Lane::default() }]
}

/// The processors that this process may use.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: a set of bits, for which all zeros is a value; the kernel writes no more than its
    // size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set), 0);
        set
    };
    // SAFETY: reads a bit below the set's size.
    (0..64).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
}

/// Sends every frame when it is due, `speed` times as fast as its times say. Ends early when
/// `stop` is set.
pub(crate) fn send(lab: &Lab, lanes: &[Lane<'_>], speed: f64, stop: &AtomicBool) {
    let first_ns = lanes.iter().filter_map(|l| l.frames.first()).map(|f| f.0).min();
    let first_ns = first_ns.expect("there is something to send");
    let begin = Barrier::new(lanes.len());
    let pace = |lane: &Lane<'_>| {
        let via = lane.via.unwrap_or(if lane.by_host { FAR } else { NEAR });
        let open = |via| Socket::open(via).expect("packet sockets can be had");
        let sockets = [open(via), open(lane.also.unwrap_or(via))];
        pin(lane.cpu);
        begin.wait();
        let start = Instant::now();
        for ((ts_ns, frame), socket) in lane.frames.iter().zip(sockets.iter().cycle()) {
            let after_ns = (ts_ns - first_ns) as f64 / speed;
            let due = start + Duration::from_nanos(after_ns as u64);
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(left.min(Duration::from_millis(20)));
            }
            assert!(start.elapsed() < SEND_MAX, "the test sends for too long");
            socket.send(frame).expect("a frame can be sent");
        }
    };
    thread::scope(|scope| {
        for lane in lanes {
            let place = if lane.by_host { &lab.far } else { &lab.near };
            scope.spawn(|| place.run(|| pace(lane)).expect("the namespace can be entered"));
        }
    });
}

/// Sends all frames in real time.
pub(crate) fn send_all(lab: &Lab, lanes: &[Lane<'_>]) {
    send(lab, lanes, 1.0, &AtomicBool::new(false));
}

/// Sends the frames as fast as possible, again and again until `enough` says so or the limit is
/// reached; what the device refuses is not sent again. Gives the number of frames sent.
pub(crate) fn flood(lab: &Lab, frames: &[Vec<u8>], mut enough: impl FnMut() -> bool + Send) -> u64 {
    let mut sent = 0;
    let work = || {
        let socket = Socket::open(NEAR).expect("packet sockets can be had");
        let start = Instant::now();
        while start.elapsed() < SEND_MAX && !enough() {
            for frame in frames {
                sent += u64::from(socket.send(frame).is_ok());
            }
        }
    };
    lab.near.run(work).expect("the namespace can be entered");
    sent
}

fn pin(cpu: Option<usize>) {
    let Some(cpu) = cpu else { return };
    // SAFETY: a set of bits with one bit set, for the calling thread alone.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// A packet socket that sends at the near end.
#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    to: libc::sockaddr_ll,
}

impl Socket {
    /// For the namespace of the calling thread.
    fn open(interface: &str) -> io::Result<Self> {
        let name = std::ffi::CString::new(interface)?;
        // SAFETY: a C string to read, plain numbers, and a structure of numbers made of zeros;
        // the new descriptor is nobody else's.
        unsafe {
            let index = libc::if_nametoindex(name.as_ptr());
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            if index == 0 || fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            let mut to: libc::sockaddr_ll = std::mem::zeroed();
            to.sll_family = libc::AF_PACKET as u16;
            to.sll_ifindex = index as i32;
            to.sll_protocol = (libc::ETH_P_IP as u16).to_be();
            to.sll_halen = 6;
            Ok(Self { fd, to })
        }
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the frame and the address are read, both for their own lengths.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const self.to).cast(),
                size_of_val(&self.to) as u32,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
