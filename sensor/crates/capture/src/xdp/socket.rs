//! One AF_XDP socket: the frames of one RX queue, in memory shared with the kernel.
//!
//! The socket has buffers of its own, as many as its rings have places, so that a buffer can
//! always be given back. Frames longer than a buffer come in several pieces, which are copied
//! together. Every descriptor is checked before it is followed.
//!
//! <https://docs.kernel.org/networking/af_xdp.html>
#![expect(unsafe_code, reason = "rings and buffers shared with the kernel")]

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use ringtap_common::maps::Settings;
use xsk_rs::config::{BindFlags, FrameSize, Interface, LibxdpFlags, QueueSize};
use xsk_rs::config::{SocketConfig, UmemConfig};
use xsk_rs::socket::Fd;
use xsk_rs::umem::frame::FrameDesc;
use xsk_rs::{CompQueue, FillQueue, RxQueue, Socket, TxQueue, Umem};

use super::attach::XdpOptions;
use super::buffers::{BUFFER_BYTES, Buffers, Piece};
use super::load::AttachMode;
use crate::batch::{Batch, Desc, Link};
use crate::clock::LiveClock;
use crate::source::{CaptureError, Source, SourceStats};
use crate::sys;

/// Frames in a batch at most.
pub const BATCH_MAX: usize = 256;
/// The kernel keeps so much of a buffer for itself, in front of the frame.
const KERNEL_ROOM_BYTES: u32 = 256;
const BUFFERS_MIN: u32 = 512;
const BUFFERS_MAX: u32 = 1 << 20;
/// Nothing is sent, but the library wants the rings.
const UNUSED_RING: u32 = 64;

const SOL_XDP: libc::c_int = 283;
const XDP_OPTIONS: libc::c_int = 8;
const XDP_OPTIONS_ZEROCOPY: libc::c_int = 1;

/// How a thread that reads does the kernel's receive work too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPoll {
    /// How long to look for frames at a time, µs.
    pub time_us: u32,
    /// Frames to take at a time.
    pub budget: u32,
}

impl Default for BusyPoll {
    fn default() -> Self {
        BusyPoll { time_us: 20, budget: 64 }
    }
}

/// What the sockets of an interface have in common.
pub(super) struct SocketPlan<'a> {
    pub(super) interface: &'a str,
    pub(super) mode: AttachMode,
    pub(super) why_not_native: Option<&'a str>,
    pub(super) mtu: u32,
    pub(super) settings: Settings,
    pub(super) options: &'a XdpOptions,
}

/// The frames of one RX queue.
#[derive(Debug)]
pub struct XdpSource {
    rx: RxQueue,
    fill: FillQueue,
    /// Descriptors as they were consumed.
    taken: Vec<FrameDesc>,
    /// Those that the fill ring had no room for; it should always have.
    owed: Vec<FrameDesc>,
    descs: Vec<Desc>,
    buffers: Buffers,
    clock: LiveClock,
    stats: SourceStats,
    busy_poll: bool,
    origin: u16,
    interface: String,
    about: String,
    // Kept for as long as the rings above: the library frees them together.
    _tx: TxQueue,
    _completion: CompQueue,
    _umem: Umem,
}

impl XdpSource {
    /// Opens the socket of a queue. Zero-copy is asked for in native mode; whatever the driver
    /// cannot do is left out and told in [`Source::describe`].
    pub(super) fn open(
        plan: &SocketPlan<'_>,
        queue: u32,
        attempts: &mut Attempts,
    ) -> Result<XdpSource, CaptureError> {
        let name = plan.interface;
        let buffers = plan.options.buffers.clamp(BUFFERS_MIN, BUFFERS_MAX).next_power_of_two();
        while let Some(&flags) = attempts.left.first() {
            match Parts::open(plan, queue, buffers, flags) {
                Ok(parts) => {
                    let why = attempts.why.as_deref();
                    return Ok(parts.into_source(plan, queue, buffers, flags, why));
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EBUSY) => return Err(CaptureError::Taken(name.to_owned(), queue)),
                    Some(libc::EPERM | libc::EACCES | libc::ENOBUFS) => {
                        return Err(CaptureError::NotAllowed { what: "open an AF_XDP socket" });
                    }
                    _ => {
                        attempts.why.get_or_insert_with(|| error.to_string());
                        attempts.left.remove(0);
                    }
                },
            }
        }
        let why = format!("no AF_XDP socket: {}", attempts.why.as_deref().unwrap_or_default());
        Err(CaptureError::NoXdp { interface: name.to_owned(), why })
    }

    /// The socket, for the map that leads the queue's frames here.
    pub(super) fn fd(&self) -> &Fd {
        self.rx.fd()
    }

    /// Takes descriptors off the ring, waiting if there are none.
    fn consume(&mut self, timeout: Duration) -> Result<usize, CaptureError> {
        // SAFETY: every descriptor goes back to this socket's fill ring and nowhere else.
        let consume = |rx: &mut RxQueue, to: &mut [FrameDesc]| unsafe { rx.consume(to) };
        let got = consume(&mut self.rx, &mut self.taken);
        if got > 0 {
            return Ok(got);
        }
        let fd = self.rx.fd().as_raw_fd();
        if self.busy_poll {
            let until = Instant::now() + timeout;
            loop {
                sys::drive(fd);
                let got = consume(&mut self.rx, &mut self.taken);
                if got > 0 || Instant::now() >= until {
                    return Ok(got);
                }
            }
        }
        sys::wait_readable(fd, timeout).map_err(|error| match error.raw_os_error() {
            Some(libc::ENETDOWN) => CaptureError::Down(self.interface.clone()),
            _ => CaptureError::system(&self.interface, "wait for frames", error),
        })?;
        Ok(consume(&mut self.rx, &mut self.taken))
    }

    /// Makes frames out of descriptors.
    fn describe_frames(&mut self, count: usize) {
        let now_ns = self.clock.begin();
        self.descs.clear();
        self.buffers.begin();
        for taken in self.taken.iter().take(count) {
            let (addr, more) = (taken.addr(), taken.has_more_frames());
            match self.buffers.take(addr, taken.lengths().data(), more, self.descs.len()) {
                Piece::Frame { ptr, len, stamp } => {
                    self.stats.unstamped += u64::from(stamp.is_none());
                    let (ts, clock) = self.clock.place(stamp.unwrap_or(now_ns));
                    let (order, origin, link) = (clock, self.origin, Link::Ethernet);
                    self.descs.push(Desc {
                        ptr,
                        len,
                        wire_len: len,
                        ts,
                        clock,
                        order,
                        origin,
                        link,
                    });
                }
                Piece::Part => {}
                Piece::Unusable => self.stats.unusable += 1,
            }
        }
        self.buffers.settle(&mut self.descs);
    }

    /// Gives consumed buffers back to the kernel.
    fn give_back(&mut self, count: usize) {
        // SAFETY: these buffers were consumed from this socket, are given back once, and nothing
        // borrows from them any more.
        let mut produce = |descs: &[FrameDesc]| unsafe { self.fill.produce(descs) };
        if !self.owed.is_empty() && produce(&self.owed) == self.owed.len() {
            self.owed.clear();
        }
        let taken = self.taken.get(..count).unwrap_or_default();
        if !taken.is_empty() && produce(taken) != taken.len() {
            self.owed.extend_from_slice(taken);
        }
        if self.fill.needs_wakeup() {
            // A failed wake-up shows as an error of the next wait.
            let _ = self.rx.poll(0);
        }
    }
}

impl Source for XdpSource {
    fn receive(
        &mut self,
        timeout: Duration,
        f: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<(), CaptureError> {
        let count = self.consume(timeout)?;
        self.describe_frames(count);
        self.stats.received += self.descs.len() as u64;
        // SAFETY: each descriptor was checked to lie inside the buffers, or points into the side
        // buffer; both stay untouched until the call is over.
        f(&unsafe { Batch::lend(&self.descs) });
        self.give_back(count);
        Ok(())
    }

    fn stats(&mut self) -> SourceStats {
        if let Ok(kernel) = self.rx.fd().xdp_statistics() {
            self.stats.rx_dropped = kernel.rx_dropped();
            self.stats.rx_ring_full = kernel.rx_ring_full();
            self.stats.fill_ring_empty = kernel.rx_fill_ring_empty_descs();
        }
        self.stats.clock_clamped = self.clock.clamped();
        self.stats
    }

    fn describe(&self) -> String {
        self.about.clone()
    }
}

/// What the library made for one socket.
struct Parts {
    umem: Umem,
    base: *mut u8,
    huge: bool,
    tx: TxQueue,
    rx: RxQueue,
    fill: FillQueue,
    completion: CompQueue,
}

/// The kinds of socket to try, best first. What one queue could not have, the others are not
/// asked for.
#[derive(Debug)]
pub(super) struct Attempts {
    left: Vec<BindFlags>,
    /// Why the first one failed.
    why: Option<String>,
}

impl Attempts {
    pub(super) fn new(plan: &SocketPlan<'_>) -> Self {
        let wakeup = BindFlags::XDP_USE_NEED_WAKEUP;
        let several = BindFlags::XDP_USE_SG;
        let mut left = Vec::with_capacity(4);
        if plan.mode == AttachMode::Native && plan.options.zero_copy {
            left.push(wakeup | BindFlags::XDP_ZEROCOPY | several);
            if plan.mtu + KERNEL_ROOM_BYTES + 64 <= BUFFER_BYTES as u32 {
                left.push(wakeup | BindFlags::XDP_ZEROCOPY);
            }
        }
        left.push(wakeup | BindFlags::XDP_COPY | several);
        left.push(wakeup | BindFlags::XDP_COPY);
        Attempts { left, why: None }
    }
}

impl Parts {
    fn open(
        plan: &SocketPlan<'_>,
        queue: u32,
        buffers: u32,
        flags: BindFlags,
    ) -> io::Result<Parts> {
        let size = |size| QueueSize::new(size).map_err(invalid);
        let config = UmemConfig::builder()
            .frame_size(FrameSize::new(BUFFER_BYTES as u32).map_err(invalid)?)
            .fill_queue_size(size(buffers)?)
            .comp_queue_size(size(UNUSED_RING)?)
            .build()
            .map_err(invalid)?;
        let count = NonZeroU32::new(buffers).ok_or_else(|| invalid("no buffers"))?;
        let huge = plan.options.huge_pages.then(|| Umem::new(config, count, true).ok()).flatten();
        let is_huge = huge.is_some();
        let (umem, descs) = match huge {
            Some(made) => made,
            None => Umem::new(config, count, false).map_err(|error| system(&error))?,
        };
        let config = SocketConfig::builder()
            .rx_queue_size(size(buffers)?)
            .tx_queue_size(size(UNUSED_RING)?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(flags)
            .build();
        let interface: Interface = plan.interface.parse().map_err(invalid)?;
        // SAFETY: the UMEM is new and shared with no other socket.
        let made = unsafe { Socket::new(config, &umem, &interface, queue) };
        let (tx, rx, rings) = made.map_err(|error| system(&error))?;
        let (mut fill, completion) = rings.ok_or_else(|| invalid("no fill ring"))?;
        let first = descs.first().ok_or_else(|| invalid("no buffers"))?;
        // SAFETY: a descriptor of this UMEM, at its very beginning and of length 0.
        let base = unsafe { umem.data(first) }.contents().as_ptr().cast_mut();
        let base = base.wrapping_sub(first.addr());
        // SAFETY: descriptors of this UMEM, each given to the kernel for the first time.
        let given = unsafe { fill.produce(&descs) };
        if given != descs.len() {
            return Err(invalid("the fill ring is smaller than asked for"));
        }
        Ok(Parts { umem, base, huge: is_huge, tx, rx, fill, completion })
    }

    fn into_source(
        self,
        plan: &SocketPlan<'_>,
        queue: u32,
        buffers: u32,
        flags: BindFlags,
        why_not_better: Option<&str>,
    ) -> XdpSource {
        let fd = self.rx.fd().as_raw_fd();
        let busy_poll = plan.options.busy_poll.map(|busy| set_busy_poll(fd, busy));
        let zero_copy = sys::get_option::<libc::c_int>(fd, SOL_XDP, XDP_OPTIONS)
            .is_ok_and(|got| got & XDP_OPTIONS_ZEROCOPY != 0);
        let about = describe(&About {
            plan,
            queue,
            buffers,
            zero_copy,
            huge: self.huge,
            several: flags.contains(BindFlags::XDP_USE_SG),
            busy_poll: busy_poll.as_ref(),
            why_not_better,
        });
        let stamps = plan.settings.kernel_timestamps != 0;
        let len = buffers as usize * BUFFER_BYTES;
        let magic = stamps.then_some(plan.settings.stamp_magic);
        // SAFETY: the UMEM's whole memory, kept beside it; a buffer is the kernel's until its
        // descriptor is consumed, and again once it was given back.
        let buffers = unsafe { Buffers::new(self.base, len, magic) };
        XdpSource {
            buffers,
            rx: self.rx,
            fill: self.fill,
            taken: vec![FrameDesc::default(); BATCH_MAX],
            owed: Vec::new(),
            descs: Vec::with_capacity(BATCH_MAX),
            clock: LiveClock::new(),
            stats: SourceStats::default(),
            busy_poll: matches!(busy_poll, Some(Ok(()))),
            origin: plan.options.origin,
            interface: plan.interface.to_owned(),
            about,
            _tx: self.tx,
            _completion: self.completion,
            _umem: self.umem,
        }
    }
}

fn set_busy_poll(fd: libc::c_int, busy: BusyPoll) -> io::Result<()> {
    let number = |value: u32| libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL, &1)?;
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &number(busy.time_us))?;
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL_BUDGET, &number(busy.budget))
}

struct About<'a> {
    plan: &'a SocketPlan<'a>,
    queue: u32,
    buffers: u32,
    zero_copy: bool,
    huge: bool,
    several: bool,
    busy_poll: Option<&'a io::Result<()>>,
    why_not_better: Option<&'a str>,
}

/// The line that says what a socket got and why not better.
fn describe(about: &About<'_>) -> String {
    let plan = about.plan;
    let mut line = format!("{} queue {}: {} XDP", plan.interface, about.queue, plan.mode);
    if let Some(why) = plan.why_not_native {
        line += &format!(" ({why})");
    }
    line += match (about.zero_copy, about.why_not_better) {
        (true, _) => ", zero-copy".to_owned(),
        (false, Some(why)) if plan.mode == AttachMode::Native => {
            format!(", copy (zero-copy: {why})")
        }
        (false, _) => ", copy".to_owned(),
    }
    .as_str();
    line += &format!(", need_wakeup, {} buffers of 4 KiB", about.buffers);
    if plan.options.huge_pages {
        line += if about.huge { " in huge pages" } else { " (no huge pages are free)" };
    }
    if !about.several {
        line += ", no frames longer than a buffer";
    }
    match about.busy_poll {
        Some(Ok(())) => line += ", busy-poll",
        Some(Err(error)) => line += &format!(", no busy-poll ({error})"),
        None => {}
    }
    line
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

/// The system's answer inside one of the library's errors.
fn system(error: &(dyn Error + 'static)) -> io::Error {
    let inner = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}
