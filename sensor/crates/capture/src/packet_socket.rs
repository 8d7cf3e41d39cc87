//! The packet socket: frames through a ring of blocks (TPACKET_V3), spread over several sockets
//! by a symmetric hash of their flow. Where XDP cannot be had, and on hosts that must keep their
//! frames: nothing is taken away from anybody here.
//!
//! Frames come whole; the kernel takes a VLAN tag out of a frame before it gives it here, and it
//! is put back in place. On a host's own interfaces a kernel program lets only those through that
//! may be VoIP; elsewhere that is for others to decide.
//!
//! <https://docs.kernel.org/networking/packet_mmap.html>
#![expect(unsafe_code, reason = "a ring of memory shared with the kernel")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use crate::batch::{Batch, Desc, Link};
use crate::clock::LiveClock;
use crate::hardware::{self, LOOPBACK};
use crate::open::ANY;
use crate::source::{CaptureError, Source, SourceStats};
use crate::sys;

mod filter;

pub use filter::Filter;

/// A block holds many frames, and the longest (64 KiB of a segmenting host) with ease.
const BLOCK_BYTES: usize = 1 << 18;
/// A block that is not full is given after so long.
const BLOCK_WAIT_MS: u32 = 5;
/// Length of the ring's slots, which TPACKET_V3 asks for and does not use.
const SLOT_BYTES: usize = 1 << 11;
/// Room in front of each frame in which a VLAN tag can be put back.
const RESERVE_BYTES: libc::c_int = 16;
const VLAN_BYTES: usize = 4;
const ADDRESSES_BYTES: usize = 12;
const ETHERTYPE_VLAN: u16 = 0x8100;
/// Sockets that can share an interface.
const SOCKETS_MAX: usize = 256;

/// How to open an interface by packet sockets.
#[derive(Clone, Debug)]
pub struct PacketOptions {
    /// Name of the interface; [`ANY`]: all of them, also those that come later.
    pub interface: String,
    /// Number of sockets, one for each worker.
    pub sockets: usize,
    /// Size of each socket's ring, bytes.
    pub ring_bytes: usize,
    /// Whether to take frames that are not addressed to this host.
    pub promiscuous: bool,
    /// Whether to take frames that this host sends.
    pub outgoing: bool,
    /// What frames carry as their origin.
    pub origin: u16,
}

impl PacketOptions {
    /// A mirror port read by one socket: promiscuous, incoming frames only, a ring of 32 MiB.
    pub fn new(interface: &str) -> Self {
        PacketOptions {
            interface: interface.to_owned(),
            sockets: 1,
            ring_bytes: 32 << 20,
            promiscuous: true,
            outgoing: false,
            origin: 0,
        }
    }
}

/// One packet socket with its ring.
#[derive(Debug)]
pub struct PacketSource {
    socket: OwnedFd,
    ring: Ring,
    /// The block that comes next.
    next: usize,
    descs: Vec<Desc>,
    clock: LiveClock,
    stats: SourceStats,
    /// `None`: each frame's own, as its interface has it.
    link: Option<Link>,
    origin: u16,
    outgoing: bool,
    interface: String,
    about: String,
}

/// Opens an interface; the sources share its frames.
pub fn open(options: &PacketOptions) -> Result<Vec<PacketSource>, CaptureError> {
    open_filtered(options, None)
}

/// The same with a kernel program that lets VoIP through, and nothing else.
pub fn open_filtered(
    options: &PacketOptions,
    filter: Option<&Filter>,
) -> Result<Vec<PacketSource>, CaptureError> {
    let place = Place::of(&options.interface, options.outgoing)?;
    let (group, count) = (fanout_group(), options.sockets.clamp(1, SOCKETS_MAX));
    let mut sources = Vec::with_capacity(count);
    for number in 0..count {
        sources.push(open_one(options, &place, (number, count, group))?);
    }
    // Only now, when all have joined the group: until then they would all get the same frames.
    for source in &sources {
        let listening = match filter {
            Some(filter) => filter.attach(&source.socket),
            None => sys::deafen(source.socket.as_raw_fd(), false),
        };
        listening.map_err(|error| {
            CaptureError::system(&options.interface, "listen on a packet socket", error)
        })?;
    }
    Ok(sources)
}

/// What there is to listen to.
struct Place {
    /// 0: every interface.
    index: u32,
    link: Option<Link>,
    outgoing: bool,
}

impl Place {
    fn of(name: &str, outgoing: bool) -> Result<Self, CaptureError> {
        if name == ANY {
            return Ok(Self { index: 0, link: None, outgoing });
        }
        let index =
            sys::interface_index(name).ok_or_else(|| CaptureError::NoInterface(name.to_owned()))?;
        let facts = sys::facts(name)
            .map_err(|error| CaptureError::system(name, "ask about the interface", error))?;
        if !facts.up {
            return Err(CaptureError::Down(name.to_owned()));
        }
        let hardware = facts.hardware;
        let link = hardware::link(hardware)
            .ok_or_else(|| CaptureError::UnknownLink { interface: name.to_owned(), hardware })?;
        // The loopback interface gives each frame twice, as sent and as received.
        let outgoing = outgoing && hardware != LOOPBACK;
        Ok(Self { index, link: Some(link), outgoing })
    }
}

fn open_one(
    options: &PacketOptions,
    &Place { index, link, outgoing }: &Place,
    (number, count, group): (usize, usize, u16),
) -> Result<PacketSource, CaptureError> {
    let name = &options.interface;
    let failed = |what| move |error| CaptureError::system(name, what, error);
    let socket =
        sys::socket(libc::AF_PACKET, libc::SOCK_RAW).map_err(failed("open a packet socket"))?;
    let fd = socket.as_raw_fd();
    let packet = |option, value: libc::c_int| sys::set_option(fd, libc::SOL_PACKET, option, &value);
    sys::deafen(fd, true).map_err(failed("filter a packet socket"))?;
    packet(libc::PACKET_VERSION, libc::tpacket_versions::TPACKET_V3 as libc::c_int)
        .map_err(failed("use TPACKET_V3"))?;
    packet(libc::PACKET_RESERVE, RESERVE_BYTES).map_err(failed("reserve room for VLAN tags"))?;
    if !outgoing {
        // Older kernels do not know it; frames are then told apart one by one.
        let _ = packet(libc::PACKET_IGNORE_OUTGOING, 1);
    }
    let ring = Ring::new(fd, options.ring_bytes).map_err(failed("map a packet ring"))?;
    sys::bind_packet(fd, index).map_err(failed("bind a packet socket"))?;
    if options.promiscuous {
        for index in each(index).map_err(failed("list the interfaces"))? {
            sys::set_promiscuous(fd, index).map_err(failed("make the interface promiscuous"))?;
        }
    }
    if count > 1 {
        let hash = (libc::PACKET_FANOUT_HASH << 16) as libc::c_int;
        packet(libc::PACKET_FANOUT, hash | libc::c_int::from(group))
            .map_err(failed("share the interface between packet sockets"))?;
    }
    let about = format!(
        "{name} socket {number} of {count}: packet socket (TPACKET_V3), ring of {} MiB{}{}",
        ring.len >> 20,
        if options.promiscuous { ", promiscuous" } else { "" },
        if outgoing { ", both directions" } else { ", incoming frames" },
    );
    Ok(PacketSource {
        socket,
        ring,
        next: 0,
        descs: Vec::new(),
        clock: LiveClock::new(),
        stats: SourceStats::default(),
        link,
        origin: options.origin,
        outgoing,
        interface: name.clone(),
        about,
    })
}

/// The index of one interface, or those of all.
fn each(index: u32) -> io::Result<Vec<u32>> {
    if index > 0 {
        return Ok(vec![index]);
    }
    Ok(sys::interfaces()?.into_iter().map(|(index, _)| index).collect())
}

/// A number of its own for each group of sockets that share an interface.
fn fanout_group() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = std::process::id();
    (process as u16 ^ (process >> 16) as u16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Source for PacketSource {
    fn receive(
        &mut self,
        timeout: Duration,
        f: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<(), CaptureError> {
        if !self.ring.is_ours(self.next) {
            let waited = sys::wait_readable(self.socket.as_raw_fd(), timeout);
            waited.map_err(|error| match error.raw_os_error() {
                Some(libc::ENETDOWN) => CaptureError::Down(self.interface.clone()),
                _ => CaptureError::system(&self.interface, "wait for frames", error),
            })?;
            if !self.ring.is_ours(self.next) {
                self.clock.begin();
                f(&Batch::empty());
                return Ok(());
            }
        }
        self.clock.begin();
        self.descs.clear();
        self.read_block();
        self.stats.received += self.descs.len() as u64;
        // SAFETY: `read_block` checked that each descriptor lies inside a block that is ours, and
        // the block goes back to the kernel only after the call.
        f(&unsafe { Batch::lend(&self.descs) });
        self.ring.give_back(self.next);
        self.next = (self.next + 1) % self.ring.blocks;
        Ok(())
    }

    fn stats(&mut self) -> SourceStats {
        // The kernel starts again from zero each time.
        let fd = self.socket.as_raw_fd();
        if let Ok(now) =
            sys::get_option::<libc::tpacket_stats_v3>(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS)
        {
            self.stats.packet_dropped += u64::from(now.tp_drops);
            self.stats.packet_freezes += u64::from(now.tp_freeze_q_cnt);
        }
        self.stats.clock_clamped = self.clock.clamped();
        self.stats
    }

    fn describe(&self) -> String {
        self.about.clone()
    }
}

impl PacketSource {
    /// Describes the frames of the next block, which is ours.
    fn read_block(&mut self) {
        const HEADER: usize = size_of::<libc::tpacket3_hdr>();
        let block = self.ring.block(self.next);
        let Some(head) = block.read::<libc::tpacket_block_desc>(0) else { return };
        // SAFETY: the union has one member.
        let head = unsafe { head.hdr.bh1 };
        let mut at = head.offset_to_first_pkt as usize;
        for _ in 0..head.num_pkts {
            let Some(frame) = block.read::<libc::tpacket3_hdr>(at) else {
                self.stats.unusable += 1;
                return;
            };
            let from = block.read::<libc::sockaddr_ll>(at + HEADER);
            let (kind, hardware) = from.map_or((0, 0), |from| (from.sll_pkttype, from.sll_hatype));
            let outgoing = kind == libc::PACKET_OUTGOING;
            if !outgoing || (self.outgoing && hardware != LOOPBACK) {
                let link = self.link.or_else(|| hardware::link(hardware));
                match link.and_then(|link| self.describe_frame(&block, at, &frame, link)) {
                    Some(desc) => {
                        self.stats.outgoing += u64::from(outgoing);
                        self.descs.push(desc);
                    }
                    None => self.stats.unusable += 1,
                }
            }
            at = match frame.tp_next_offset as usize {
                0 => return,
                next => at.saturating_add(next),
            };
        }
    }

    fn describe_frame(
        &mut self,
        block: &Piece,
        at: usize,
        frame: &libc::tpacket3_hdr,
        link: Link,
    ) -> Option<Desc> {
        let mut start = at.checked_add(usize::from(frame.tp_mac))?;
        let mut len = frame.tp_snaplen as usize;
        let mut wire_len = frame.tp_len.max(frame.tp_snaplen);
        block.range(start, len)?;
        if frame.tp_status & libc::TP_STATUS_VLAN_VALID != 0
            && link == Link::Ethernet
            && len >= ADDRESSES_BYTES
        {
            let known = frame.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
            let tpid = if known { frame.hv1.tp_vlan_tpid } else { ETHERTYPE_VLAN };
            start = start.checked_sub(VLAN_BYTES)?;
            block.insert_tag(start, tpid, frame.hv1.tp_vlan_tci as u16)?;
            len += VLAN_BYTES;
            wire_len = wire_len.saturating_add(VLAN_BYTES as u32);
        }
        let unix = u64::from(frame.tp_sec) * 1_000_000_000 + u64::from(frame.tp_nsec);
        let (ts, clock) = self.clock.place_unix(unix);
        Some(Desc {
            ptr: block.range(start, len)?,
            len: u32::try_from(len).ok()?,
            wire_len,
            ts,
            clock,
            order: clock,
            origin: self.origin,
            link,
        })
    }
}

/// The memory that is shared with the kernel: blocks that belong to one side at a time.
#[derive(Debug)]
struct Ring {
    memory: *mut u8,
    len: usize,
    blocks: usize,
}

// SAFETY: the mapping is reached through this owner alone.
unsafe impl Send for Ring {}

impl Ring {
    fn new(fd: libc::c_int, bytes: usize) -> io::Result<Ring> {
        let blocks = (bytes / BLOCK_BYTES).clamp(2, 1 << 14);
        let len = blocks * BLOCK_BYTES;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: SLOT_BYTES as u32,
            tp_frame_nr: (len / SLOT_BYTES) as u32,
            tp_retire_blk_tov: BLOCK_WAIT_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, fd, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Ring { memory: memory.cast(), len, blocks })
    }

    /// The block's status word; `index` is taken modulo the number of blocks.
    fn status(&self, index: usize) -> &AtomicU32 {
        const AT: usize = std::mem::offset_of!(libc::tpacket_block_desc, hdr);
        let start = (index % self.blocks) * BLOCK_BYTES + AT;
        // SAFETY: inside the mapping, aligned to four bytes, and only ever read and written as
        // this word, by the kernel and here.
        unsafe { AtomicU32::from_ptr(self.memory.add(start).cast()) }
    }

    fn is_ours(&self, index: usize) -> bool {
        self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    fn give_back(&mut self, index: usize) {
        self.status(index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    fn block(&self, index: usize) -> Piece {
        // SAFETY: inside the mapping, which holds `blocks` blocks.
        let memory = unsafe { self.memory.add((index % self.blocks) * BLOCK_BYTES) };
        Piece { memory }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, and nobody borrows from it any more.
        unsafe { libc::munmap(self.memory.cast(), self.len) };
    }
}

/// One block, while it is ours.
struct Piece {
    memory: *mut u8,
}

impl Piece {
    /// Where `len` bytes from `start` lie, if they are inside the block.
    fn range(&self, start: usize, len: usize) -> Option<*mut u8> {
        if start.checked_add(len)? > BLOCK_BYTES {
            return None;
        }
        // SAFETY: `start` is inside the block.
        Some(unsafe { self.memory.add(start) })
    }

    /// A structure of the kernel's at `start`.
    fn read<T: Copy>(&self, start: usize) -> Option<T> {
        let from = self.range(start, size_of::<T>())?;
        // SAFETY: inside the block; the types read are C structures of integers.
        Some(unsafe { from.cast::<T>().read_unaligned() })
    }

    /// Moves the addresses at the front of a frame ahead and puts a VLAN tag behind them. `start`
    /// is where the longer frame begins.
    fn insert_tag(&self, start: usize, tpid: u16, tci: u16) -> Option<()> {
        let to = self.range(start, ADDRESSES_BYTES + VLAN_BYTES)?;
        let [a, b] = tpid.to_be_bytes();
        let [c, d] = tci.to_be_bytes();
        // SAFETY: all inside the block, which is ours; `copy` allows the overlap.
        unsafe {
            std::ptr::copy(to.add(VLAN_BYTES), to, ADDRESSES_BYTES);
            to.add(ADDRESSES_BYTES).cast::<[u8; 4]>().write_unaligned([a, b, c, d]);
        }
        Some(())
    }
}
