//! A network namespace with a veth pair of four queues, for one test, and frames to send there.
#![expect(unsafe_code, reason = "enters namespaces and sends by packet sockets")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringtap_capture::{Batch, Frame, Source, SourceStats};

/// The end that sends.
pub(crate) const NEAR: &str = "near0";
/// The end that captures.
pub(crate) const FAR: &str = "far0";
pub(crate) const QUEUES: usize = 4;

/// Deletes the namespace, and with it the interfaces, however the test ends.
pub(crate) struct Lab {
    name: String,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Runs a test inside a namespace of its own, on a thread of its own. Without root it says so and
/// returns.
pub(crate) fn inside(test: impl FnOnce(&Lab) + Send + 'static) {
    // SAFETY: no argument, no effect.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: needs root for network namespaces");
        return;
    }
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static SWEPT: Once = Once::new();
    SWEPT.call_once(sweep);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let lab = Lab { name: format!("rtcap-{}-{number}", std::process::id()) };
    run("ip", &["netns", "add", &lab.name]);
    let queues = QUEUES.to_string();
    let q = queues.as_str();
    lab.ip(&[
        "link",
        "add",
        NEAR,
        "numrxqueues",
        q,
        "numtxqueues",
        q,
        "type",
        "veth",
        "peer",
        "name",
        FAR,
        "numrxqueues",
        q,
        "numtxqueues",
        q,
    ]);
    for end in [NEAR, FAR] {
        lab.ip(&["link", "set", end, "addrgenmode", "none", "mtu", "9000", "up"]);
    }
    let outcome = thread::scope(|scope| {
        scope
            .spawn(|| {
                let place =
                    File::open(format!("/run/netns/{}", lab.name)).expect("the namespace was made");
                // SAFETY: moves this thread, which is ours, into the namespace.
                let moved = unsafe { libc::setns(place.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(moved, 0, "{}", io::Error::last_os_error());
                see_own_interfaces();
                test(&lab);
            })
            .join()
    });
    drop(lab);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Deletes what test processes left that were killed.
fn sweep() {
    for entry in std::fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("rtcap-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            drop(Lab { name });
        }
    }
}

/// Gives the calling thread a `/sys` that shows the namespace it is in, as `ip netns exec` does.
fn see_own_interfaces() {
    let none: *const libc::c_char = std::ptr::null();
    let private = libc::MS_REC | libc::MS_SLAVE;
    // SAFETY: C strings to read; the mounts are this thread's alone and end with it.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(c"none".as_ptr(), c"/".as_ptr(), none, private, none.cast()) == 0
            && libc::mount(c"net".as_ptr(), c"/sys".as_ptr(), c"sysfs".as_ptr(), 0, none.cast())
                == 0
    };
    assert!(done, "{}", io::Error::last_os_error());
}

impl Lab {
    /// `ip` inside the namespace; gives what it prints.
    pub(crate) fn ip(&self, args: &[&str]) -> String {
        run("ip", &[&["-n", self.name.as_str()], args].concat())
    }

    /// What `ip` tells about the end that captures.
    pub(crate) fn far(&self) -> String {
        self.ip(&["-d", "link", "show", FAR])
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().expect("the program is installed");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// An Ethernet frame with an IPv4 UDP datagram.
pub(crate) fn datagram(flow: u16, ip_id: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let udp_len = 8 + payload.len() as u16;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((20 + udp_len).to_be_bytes());
    frame.extend(ip_id.to_be_bytes());
    frame.extend([0, 0, 64, 17, 0, 0, 10, 1, (flow >> 8) as u8, flow as u8, 10, 2, 0, 1]);
    let sum: u32 = frame[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend((20_000 + flow).to_be_bytes());
    frame.extend(dport.to_be_bytes());
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// A G.711 packet of one of many streams.
pub(crate) fn rtp(flow: u16, sequence: u16) -> Vec<u8> {
    let mut payload = vec![0x80, 0];
    payload.extend(sequence.to_be_bytes());
    payload.extend((u32::from(sequence) * 160).to_be_bytes());
    payload.extend((0x1000_0000 + u32::from(flow)).to_be_bytes());
    payload.extend([0x55; 160]);
    datagram(flow, sequence, 30_000, &payload)
}

/// Sends frames out of the end that sends, the way an ordinary program does: the queue is chosen
/// by the flow.
pub(crate) fn send(frames: impl IntoIterator<Item = Vec<u8>>) {
    // SAFETY: a name to read; a new descriptor that is owned at once; a structure of integers for
    // which zero is valid; and each frame is readable for its length.
    unsafe {
        let index = libc::if_nametoindex(c"near0".as_ptr());
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        assert!(fd >= 0 && index > 0);
        let socket = OwnedFd::from_raw_fd(fd);
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = index as i32;
        to.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        to.sll_halen = 6;
        for frame in frames {
            let sent = libc::sendto(
                socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const to).cast(),
                size_of_val(&to) as u32,
            );
            assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
        }
    }
}

/// Takes the effective rights of root from the calling thread only.
pub(crate) fn become_nobody() {
    const KEEP: libc::c_long = -1;
    // SAFETY: the raw call changes this thread and no other.
    let done = unsafe { libc::syscall(libc::SYS_setresuid, KEEP, 65_534 as libc::c_long, KEEP) };
    assert_eq!(done, 0);
}

/// Reads all sources in turn until so many frames have come, or for five seconds; `f` is told
/// which source a frame came from.
pub(crate) fn receive(
    sources: &mut [Box<dyn Source>],
    wanted: usize,
    mut f: impl FnMut(usize, &Frame<'_>),
) -> usize {
    let until = Instant::now() + Duration::from_secs(5);
    let mut got = 0;
    while got < wanted && Instant::now() < until {
        got += receive_once(sources, &mut f);
    }
    got
}

/// Asks every source once.
fn receive_once(sources: &mut [Box<dyn Source>], f: &mut dyn FnMut(usize, &Frame<'_>)) -> usize {
    let mut got = 0;
    for (number, source) in sources.iter_mut().enumerate() {
        let batch = &mut |batch: &Batch<'_>| {
            got += batch.len();
            batch.iter().for_each(|frame| f(number, &frame));
        };
        source.receive(Duration::from_millis(1), batch).expect("a source works");
    }
    got
}

/// Reads until so many frames were received or counted as lost, or for five seconds.
pub(crate) fn drain(sources: &mut [Box<dyn Source>], wanted: u64) -> SourceStats {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        receive_once(sources, &mut |_, _| {});
        let mut sum = SourceStats::default();
        sources.iter_mut().for_each(|source| sum.add(&source.stats()));
        if sum.received + sum.lost() >= wanted || Instant::now() > until {
            return sum;
        }
    }
}
