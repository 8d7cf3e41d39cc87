//! The first bytes of a packet of the host's own, copied out: the packet itself may lie in pieces,
//! and stays as it is.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use ringtap_common::cursor::Cursor;
use ringtap_common::record::LOOK_LEN;

use crate::fixed::fixed;

#[map]
static HEAD: PerCpuArray<[u8; LOOK_LEN]> = PerCpuArray::with_max_entries(1, 0);

/// What is looked at of a packet.
pub(crate) struct Packet {
    start: usize,
    /// Bytes that were copied out.
    here: usize,
    len: usize,
}

impl Packet {
    /// Copies it out; `None` for a packet without any byte.
    #[inline(always)]
    pub(crate) fn new(skb: *mut __sk_buff) -> Option<Self> {
        let start = HEAD.get_ptr_mut(0)?;
        // SAFETY: the kernel gives every program of this kind a context that it can read.
        let len = unsafe { (*skb).len } as usize;
        let here = fixed(if len < LOOK_LEN { len } else { LOOK_LEN });
        if here == 0 || here > LOOK_LEN {
            return None;
        }
        // SAFETY: `here` bytes of this processor's slot, which nobody else writes meanwhile.
        if unsafe { bpf_skb_load_bytes(skb.cast(), 0, start.cast(), here as u32) } != 0 {
            return None;
        }
        Some(Self { start: start as usize, here, len })
    }
}

impl Cursor for Packet {
    const BLOCKS_MAX: usize = LOOK_LEN / ringtap_common::fingerprint::BLOCK;

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let at = fixed(at);
        if at > LOOK_LEN - N || at + N > self.here {
            return None;
        }
        // SAFETY: `at..at + N` was just checked to lie inside of the slot.
        Some(unsafe { ((self.start + at) as *const [u8; N]).read_unaligned() })
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn forget(&self, number: usize) -> usize {
        // The verifier does not know `len`, and does not relate the two steps.
        fixed(number + self.len) - self.len
    }
}
