//! System calls that have no safe wrapper here: resource usage of a child, processor affinity of
//! another task, GRO of an interface, an AF_XDP socket that is never bound, `bpf(2)`.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Child;

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// It exited with 0.
    pub(crate) success: bool,
    /// Processor time of all its threads, user and system, s.
    pub(crate) cpu_s: f64,
}

/// Looks whether a child has ended, and reaps it if so: no other wait may follow.
pub(crate) fn reap(child: &Child) -> io::Result<Option<Ended>> {
    let pid = pid(child.id());
    let mut status = 0;
    // SAFETY: a structure of integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { zeroed() };
    // SAFETY: both pointers are to live variables of the types that the call fills.
    let done = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    match done {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => {
            let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
            let success = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
            Ok(Some(Ended { success, cpu_s }))
        }
    }
}

/// Asks a child to end.
pub(crate) fn terminate(child: &Child) {
    // SAFETY: two integers; the child has not been reaped, so the number is still its own.
    unsafe { libc::kill(pid(child.id()), libc::SIGTERM) };
}

/// Pins a task, 0 for the calling thread, to a processor.
pub(crate) fn pin(task: u32, processor: usize) -> io::Result<()> {
    // SAFETY: a set of bits, for which zero is valid; CPU_SET ignores numbers out of range.
    let set = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(processor, &mut set);
        set
    };
    // SAFETY: the call reads the set, whose size it is told.
    let done =
        unsafe { libc::sched_setaffinity(pid(task), size_of::<libc::cpu_set_t>(), &raw const set) };
    checked(done).map(drop)
}

/// Sets the niceness of a task, 0 for the calling thread.
pub(crate) fn prefer(task: u32, niceness: libc::c_int) -> io::Result<()> {
    // SAFETY: three integers.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, task, niceness) }).map(drop)
}

/// Gives a task a real-time priority (SCHED_FIFO).
pub(crate) fn prioritise(task: u32, priority: libc::c_int) -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: priority };
    // SAFETY: the structure is read during the call.
    let done =
        unsafe { libc::sched_setscheduler(pid(task), libc::SCHED_FIFO, &raw const priority) };
    checked(done).map(drop)
}

/// Turns generic receive offload on, with which a veth interface has NAPI instances. Works in the
/// caller's network namespace.
pub(crate) fn turn_gro_on(interface: &str) -> io::Result<()> {
    const ETHTOOL_SGRO: u32 = 0x2c;
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    let mut request = [ETHTOOL_SGRO, 1];
    // SAFETY: a structure of integers and pointers, for which zero is valid.
    let mut ask: libc::ifreq = unsafe { zeroed() };
    // The last byte stays 0 and ends the name.
    for (to, from) in ask.ifr_name.iter_mut().take(15).zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    ask.ifr_ifru.ifru_data = request.as_mut_ptr().cast();
    // SAFETY: the new descriptor is owned at once; the request and what it points to live on.
    unsafe {
        let socket =
            OwnedFd::from_raw_fd(checked(libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0))?);
        checked(libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut ask)).map(drop)
    }
}

/// A socket that the kernel program's socket map takes: it has a receive ring and no interface.
pub(crate) fn unbound_xdp_socket() -> io::Result<OwnedFd> {
    let entries = 64_u32;
    // SAFETY: the new descriptor is owned at once; the option is four readable bytes.
    unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = OwnedFd::from_raw_fd(checked(libc::socket(libc::AF_XDP, kind, 0))?);
        checked(libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_RX_RING,
            (&raw const entries).cast(),
            4,
        ))?;
        Ok(socket)
    }
}

/// Waits until a descriptor can be read, or for a time; why it returned is not told.
pub(crate) fn wait_readable(descriptor: &impl AsRawFd, time: std::time::Duration) {
    let mut ask = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let wait_ms = libc::c_int::try_from(time.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one structure that lives on; the descriptor is open as long as it is borrowed.
    unsafe { libc::poll(&raw mut ask, 1, wait_ms) };
}

/// The index of an interface in the caller's network namespace.
pub(crate) fn interface_index(name: &str) -> io::Result<i32> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: reads a string that ends with 0.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => i32::try_from(index).map_err(io::Error::other),
    }
}

/// The argument of `bpf(2)`, written field by field; see `union bpf_attr` in `linux/bpf.h`.
#[repr(C, align(8))]
#[derive(Debug)]
pub(crate) struct BpfAttr([u8; 128]);

impl BpfAttr {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self([0; 128])
    }

    /// Puts a 32-bit field.
    pub(crate) fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// Puts the address of memory to read or write, which the caller keeps as long as it is used.
    pub(crate) fn address<T>(mut self, at: usize, pointer: *const T) -> Self {
        self.0[at..at + 8].copy_from_slice(&(pointer as u64).to_ne_bytes());
        self
    }
}

/// `bpf(2)`.
///
/// # Safety
/// Every address in `attr` is valid for what `command` does with it.
pub(crate) unsafe fn bpf(command: libc::c_int, attr: &mut BpfAttr) -> io::Result<i32> {
    let size = size_of::<BpfAttr>();
    // SAFETY: the attribute is as long as it says; what it points to is the caller's promise.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, attr.0.as_mut_ptr(), size) };
    checked(done as libc::c_int)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn pid(number: u32) -> libc::pid_t {
    libc::pid_t::try_from(number).unwrap_or(libc::pid_t::MAX)
}
