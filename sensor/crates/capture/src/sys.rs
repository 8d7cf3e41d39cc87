//! The few system calls that the live sources share, made safe.
//!
//! Rings and mapped memory are not here: they belong to the sources that read them.
#![expect(unsafe_code, reason = "system calls that neither std nor the chosen crates offer")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// CLOCK_MONOTONIC, ns: the clock of `bpf_ktime_get_ns`.
pub(crate) fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME, ns since 1970.
pub(crate) fn unix_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// Gives the calling thread a real-time priority (SCHED_FIFO).
pub(crate) fn real_time(priority: u8) -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: the structure is read during the call; thread 0 is the caller.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) }).map(drop)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec for the call to write; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Values that socket options take and give: plain bytes, every pattern of which is valid.
///
/// # Safety
/// Only for `repr(C)` types made of integers.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: each is an integer or a C structure of integers.
unsafe impl Plain for libc::c_int {}
// SAFETY: as above.
unsafe impl Plain for libc::packet_mreq {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: as above.
unsafe impl Plain for libc::tpacket_stats_v3 {}
// SAFETY: as above.
unsafe impl Plain for [u32; 9] {}

/// `setsockopt`.
pub(crate) fn set_option<T: Plain>(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let (data, len) = (std::ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: `data` is readable for `len` bytes; a wrong descriptor is an error, no harm.
    check(unsafe { libc::setsockopt(fd, level, name, data, len) }).map(drop)
}

/// `getsockopt`.
pub(crate) fn get_option<T: Plain>(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which has that many.
    check(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut len) })?;
    // SAFETY: all bytes are zero or written by the kernel, and every pattern is a valid `T`.
    Ok(unsafe { value.assume_init() })
}

/// Waits until `fd` can be read; `false` after `timeout`, or when a signal came.
pub(crate) fn wait_readable(fd: RawFd, timeout: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let time = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: one pollfd, a timespec to read, and no signal mask.
    let ready = unsafe { libc::ppoll(&raw mut poll, 1, &raw const time, std::ptr::null()) };
    match check(ready) {
        Ok(_) if poll.revents & libc::POLLERR != 0 => {
            let code: libc::c_int = get_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)?;
            if code == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(code)) }
        }
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Memory for what the kernel says beside a datagram: the larger of two kinds of address.
#[repr(C, align(8))]
struct Beside([u8; 64]);

/// Receives a datagram: its length in the buffer, who sent it, and which address of this host it
/// was sent to where the socket tells that.
pub(crate) fn receive(
    fd: RawFd,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    // SAFETY: both are structures of integers and pointers, for which zeros are valid.
    let (mut from, mut message): (libc::sockaddr_storage, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut beside = Beside([0; 64]);
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut beside).cast();
    message.msg_controllen = size_of::<Beside>() as _;
    // SAFETY: every pointer in `message` is to memory of this function or of `buffer`, writable
    // for the length that stands beside it.
    let len = unsafe { libc::recvmsg(fd, &raw mut message, 0) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    let from = address(&from).ok_or(io::ErrorKind::InvalidData)?;
    Ok((len, from, destination(&message)))
}

/// The address in what the kernel has written.
fn address(from: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let from_ptr = std::ptr::from_ref(from);
    match libc::c_int::from(from.ss_family) {
        libc::AF_INET => {
            // SAFETY: the storage is larger and as strictly aligned; its family says what it holds.
            let v4 = unsafe { &*from_ptr.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some((ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*from_ptr.cast::<libc::sockaddr_in6>() };
            Some((Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port)).into())
        }
        _ => None,
    }
}

/// What the kernel says about the address that a datagram was sent to.
fn destination(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: `message` is as `recvmsg` has left it, and its control memory is alive.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: these give headers that lie whole within the control memory, or null.
    while let Some(header) = unsafe { next.as_ref() } {
        // SAFETY: the data behind a header that the kernel wrote.
        let data = unsafe { libc::CMSG_DATA(header) };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: the kernel writes this structure for this type, perhaps unaligned.
                let info: libc::in_pktinfo =
                    unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: as above.
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
        // SAFETY: `next` is a header of `message`.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    None
}

/// Lets the kernel do the receive work of a busy-polling socket now.
pub(crate) fn drive(fd: RawFd) {
    // SAFETY: nothing is written: no buffer, no address. The result tells nothing of use.
    unsafe {
        libc::recvfrom(
            fd,
            std::ptr::null_mut(),
            0,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
}

/// A socket that is closed with its owner.
pub(crate) fn socket(domain: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds a packet socket to an interface, for frames of every protocol.
pub(crate) fn bind_packet(fd: RawFd, index: u32) -> io::Result<()> {
    // SAFETY: a C structure of integers, for which zero is a valid value.
    let mut to: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    to.sll_family = libc::AF_PACKET as libc::c_ushort;
    to.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    to.sll_ifindex = index as libc::c_int;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: an address of `len` bytes to read.
    check(unsafe { libc::bind(fd, (&raw const to).cast(), len) }).map(drop)
}

/// Makes a socket take no frames at all, or every frame again.
pub(crate) fn deafen(fd: RawFd, deaf: bool) -> io::Result<()> {
    let mut nothing =
        [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
    let program = libc::sock_fprog { len: 1, filter: nothing.as_mut_ptr() };
    let name = if deaf { libc::SO_ATTACH_FILTER } else { libc::SO_DETACH_FILTER };
    let len = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: a filter program of one instruction, which the kernel copies.
    let done =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const program).cast(), len) };
    check(done).map(drop)
}

/// The index of an interface; `None` if it is not there.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string to read.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

/// All interfaces of the caller's network namespace: index and name.
pub(crate) fn interfaces() -> io::Result<Vec<(u32, String)>> {
    // SAFETY: takes nothing; the list is ours until it is freed.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut entry = list;
    // SAFETY: the list ends with an entry of index 0; until then names are C strings.
    unsafe {
        while (*entry).if_index != 0 {
            let name = CStr::from_ptr((*entry).if_name).to_string_lossy().into_owned();
            found.push(((*entry).if_index, name));
            entry = entry.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(found)
}

/// What an interface is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    /// `ARPHRD_` number.
    pub(crate) hardware: u16,
    /// Receive queues.
    pub(crate) queues: u32,
}

/// Asks the kernel about an interface, in the caller's network namespace.
pub(crate) fn facts(name: &str) -> io::Result<Facts> {
    let control = socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    let fd = control.as_raw_fd();
    let mut request = request(name)?;
    // SAFETY: each request reads and writes one `ifreq`, and afterwards the member that belongs
    // to the request is the one that the kernel wrote.
    let (flags, mtu, hardware) = unsafe {
        check(libc::ioctl(fd, libc::SIOCGIFFLAGS as _, &raw mut request))?;
        let flags = libc::c_int::from(request.ifr_ifru.ifru_flags);
        check(libc::ioctl(fd, libc::SIOCGIFMTU as _, &raw mut request))?;
        let mtu = request.ifr_ifru.ifru_mtu;
        check(libc::ioctl(fd, libc::SIOCGIFHWADDR as _, &raw mut request))?;
        (flags, mtu, request.ifr_ifru.ifru_hwaddr.sa_family)
    };
    let queues = channels(fd, name).or_else(|| listed_queues(name)).unwrap_or(1);
    let up = flags & libc::IFF_UP != 0;
    Ok(Facts { up, mtu: u32::try_from(mtu).unwrap_or(0), hardware, queues })
}

pub(crate) fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a C structure of integers and a union of such, for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// `struct ethtool_channels` of `linux/ethtool.h`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    max: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// Receive queues by the driver's own account.
fn channels(fd: RawFd, name: &str) -> Option<u32> {
    const ETHTOOL_GCHANNELS: u32 = 0x3c;
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    let mut request = request(name).ok()?;
    request.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // SAFETY: the kernel reads and writes one `ethtool_channels`, which outlives the call.
    check(unsafe { libc::ioctl(fd, libc::SIOCETHTOOL as _, &raw mut request) }).ok()?;
    Some(channels.rx.saturating_add(channels.combined)).filter(|&queues| queues > 0)
}

/// Receive queues by the folder that stands for each.
fn listed_queues(name: &str) -> Option<u32> {
    let folder = std::fs::read_dir(format!("/sys/class/net/{name}/queues")).ok()?;
    let queues = folder.flatten().filter(|e| e.file_name().as_encoded_bytes().starts_with(b"rx-"));
    u32::try_from(queues.count()).ok().filter(|&queues| queues > 0)
}

/// Interfaces that get their frames through this one: bridges, VLANs, bonds and the like, and
/// theirs in turn.
pub(crate) fn uppers(name: &str) -> Vec<String> {
    const UPPERS_MAX: usize = 4096;
    let mut found: Vec<String> = Vec::new();
    let mut asked = 0;
    let mut lower = name.to_owned();
    loop {
        for entry in std::fs::read_dir(format!("/sys/class/net/{lower}")).into_iter().flatten() {
            let entry = entry.map(|entry| entry.file_name()).unwrap_or_default();
            let upper = entry.to_str().and_then(|entry| entry.strip_prefix("upper_"));
            let is_new =
                |upper: &&str| found.len() < UPPERS_MAX && found.iter().all(|f| f != upper);
            if let Some(upper) = upper.filter(is_new) {
                found.push(upper.to_owned());
            }
        }
        let Some(next) = found.get(asked) else { return found };
        lower.clone_from(next);
        asked += 1;
    }
}

/// An address of this host on the interface: IPv4, or IPv6 that is not link-local.
pub(crate) fn own_address(name: &str) -> io::Result<Option<IpAddr>> {
    let mut found = None;
    each_address(&mut |interface, address| {
        let usable = match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        };
        if found.is_none() && usable && interface == name.as_bytes() {
            found = Some(address);
        }
    })?;
    Ok(found)
}

/// All addresses of this host, on whatever interface.
pub(crate) fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let mut all = Vec::new();
    each_address(&mut |_, address| all.push(address))?;
    Ok(all)
}

fn each_address(take: &mut dyn FnMut(&[u8], IpAddr)) -> io::Result<()> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: on success `list` points to a list that is ours until `freeifaddrs`.
    check(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut entry = list;
    // SAFETY: every entry of the list, its name and its address stay valid until it is freed; an
    // address of family AF_INET or AF_INET6 is a `sockaddr_in` or `sockaddr_in6`.
    unsafe {
        while let Some(interface) = entry.as_ref() {
            if let Some(address) = host_address(interface.ifa_addr) {
                take(CStr::from_ptr(interface.ifa_name).to_bytes(), address);
            }
            entry = interface.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    Ok(())
}

/// # Safety
/// `address` is null or points to a socket address as long as its family says.
unsafe fn host_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: the caller's promise; reads are unaligned.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

/// Keeps an interface promiscuous while it lives; the kernel undoes it when the process dies.
#[derive(Debug)]
pub(crate) struct Promiscuous(#[expect(dead_code, reason = "kept open")] OwnedFd);

impl Promiscuous {
    pub(crate) fn on(index: u32) -> io::Result<Promiscuous> {
        let socket = socket(libc::AF_PACKET, libc::SOCK_DGRAM)?;
        set_promiscuous(socket.as_raw_fd(), index)?;
        Ok(Promiscuous(socket))
    }
}

/// Makes the interface promiscuous for as long as the packet socket is open.
pub(crate) fn set_promiscuous(fd: RawFd, index: u32) -> io::Result<()> {
    let member = libc::packet_mreq {
        mr_ifindex: index as libc::c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &member)
}

pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
