//! Into a ring: the whole frame, with the time and a VLAN tag that the kernel keeps beside it.
//!
//! Nobody is woken: the reader looks by itself, a thousand times a second.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use ringtap_common::maps::{Address, RINGS_MAX};
use ringtap_common::record::{self, FRAME_MAX, HEAD_LEN};
use ringtap_common::walk::{Fragment, Headers};

use crate::fixed::fixed;

#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(RINGS_MAX as u32, 0);

/// Declares the rings; the loader makes those larger that are used.
macro_rules! rings {
    ($($name:ident)*) => {
        $(#[map]
        static $name: RingBuf = RingBuf::with_byte_size(4096, 0);)*
    };
}

rings! { RING_0 RING_1 RING_2 RING_3 RING_4 RING_5 RING_6 RING_7 }

/// How many rings are used. Overwritten by the loader, read-only from then on.
#[unsafe(no_mangle)]
static RINGS_USED: u32 = 1;

const NO_WAKEUP: u64 = 1;
/// Where a VLAN tag belongs: behind the two addresses.
const TAG_AT: usize = 12;
const TAG_LEN: usize = 4;

/// The ring of a packet: the same for both directions, and for the pieces of a packet.
#[inline(always)]
pub(crate) fn of(h: &Headers) -> u32 {
    // SAFETY: a plain read of an initialised static, through a pointer made from it.
    let used = unsafe { (&raw const RINGS_USED).read_volatile() };
    if used < 2 {
        return 0;
    }
    let ports = match h.fragment {
        Fragment::Whole => u64::from(h.sport) + u64::from(h.dport),
        Fragment::First | Fragment::Later => 0,
    };
    let sum = Address::new(h.src).sum().wrapping_add(Address::new(h.dst).sum());
    let mixed = sum.wrapping_add(ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32 % used
}

/// Puts a frame into a ring, or counts that there was no room.
#[inline(always)]
pub(crate) fn put(skb: *mut __sk_buff, flags: u8, number: u32) {
    // SAFETY: the helper takes no argument and reads a clock.
    let clock_ns = unsafe { bpf_ktime_get_ns() };
    // SAFETY: the kernel gives every program of this kind a context that it can read.
    let (wire_len, tagged, tag) = unsafe {
        let tag = [(*skb).vlan_proto as u16, ((*skb).vlan_tci as u16).to_be()];
        ((*skb).len as usize, (*skb).vlan_present != 0, tag)
    };
    let most = FRAME_MAX - TAG_LEN;
    let len = fixed(if wire_len < most { wire_len } else { most });
    let frame = Frame { skb, clock_ns, flags, wire_len, len, tagged, tag };
    let ring = ring(number);
    let room = len + TAG_LEN;
    let done = if room <= Frame::room::<248>() {
        frame.put::<248>(ring)
    } else if room <= Frame::room::<504>() {
        frame.put::<504>(ring)
    } else if room <= Frame::room::<1016>() {
        frame.put::<1016>(ring)
    } else if room <= Frame::room::<2040>() {
        frame.put::<2040>(ring)
    } else if room <= Frame::room::<16_376>() {
        frame.put::<16_376>(ring)
    } else {
        frame.put::<{ HEAD_LEN + FRAME_MAX }>(ring)
    };
    if !done {
        count_lost(number);
    }
}

/// Counts a frame for which a ring had no room.
#[inline(always)]
fn count_lost(ring: u32) {
    let Some(counter) = LOST.get_ptr_mut(ring) else { return };
    // SAFETY: the slot belongs to this processor, and no program here is interrupted by another.
    unsafe { *counter += 1 };
}

/// A ring by its number. The verifier must know which one it is, so each has a way of its own.
#[inline(always)]
fn ring(number: u32) -> &'static RingBuf {
    let at = |ring: &'static RingBuf| fixed(core::ptr::from_ref(ring) as usize);
    let ring = match number {
        1 => at(&RING_1),
        2 => at(&RING_2),
        3 => at(&RING_3),
        4 => at(&RING_4),
        5 => at(&RING_5),
        6 => at(&RING_6),
        7 => at(&RING_7),
        _ => at(&RING_0),
    };
    // SAFETY: the address of one of the statics above.
    unsafe { &*(ring as *const RingBuf) }
}

struct Frame {
    skb: *mut __sk_buff,
    clock_ns: u64,
    flags: u8,
    wire_len: usize,
    len: usize,
    /// Whether it has a tag. This is no `Option`: what one without content holds is not written,
    /// and the verifier sees it read.
    tagged: bool,
    /// EtherType and content of the tag, as on the wire.
    tag: [u16; 2],
}

impl Frame {
    /// Longest frame in a record of a size.
    const fn room<const SIZE: usize>() -> usize {
        SIZE - HEAD_LEN
    }

    #[inline(always)]
    fn put<const SIZE: usize>(&self, ring: &RingBuf) -> bool {
        let Some(mut record) = ring.reserve::<Record<SIZE>>(0) else { return false };
        let start = record.as_mut_ptr().cast::<u8>();
        let done = self.copy::<SIZE>(start);
        if done {
            record.submit(NO_WAKEUP)
        } else {
            record.discard(NO_WAKEUP)
        }
        done
    }

    #[inline(always)]
    fn copy<const SIZE: usize>(&self, start: *mut u8) -> bool {
        let len = fixed(self.len);
        // What the verifier should know; it always holds.
        if len <= TAG_AT || len > Self::room::<SIZE>() - TAG_LEN {
            return false;
        }
        let added = if self.tagged { TAG_LEN } else { 0 };
        let head = record::Head {
            clock_ns: self.clock_ns,
            wire_len: (self.wire_len + added) as u32,
            len: (len + added) as u32,
            flags: u64::from(self.flags),
        };
        let skb = self.skb.cast();
        // SAFETY: a record has `SIZE` bytes and is aligned to eight: the head and `len` bytes of
        // the frame, with a tag, fit.
        unsafe {
            start.cast::<record::Head>().write(head);
            let frame = start.add(HEAD_LEN);
            if !self.tagged {
                return bpf_skb_load_bytes(skb, 0, frame.cast(), len as u32) == 0;
            }
            let behind = frame.add(TAG_AT + TAG_LEN).cast();
            frame.add(TAG_AT).cast::<[u16; 2]>().write(self.tag);
            bpf_skb_load_bytes(skb, 0, frame.cast(), TAG_AT as u32) == 0
                && bpf_skb_load_bytes(skb, TAG_AT as u32, behind, (len - TAG_AT) as u32) == 0
        }
    }
}

#[repr(C, align(8))]
struct Record<const SIZE: usize>([u8; SIZE]);
