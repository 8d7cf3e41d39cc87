//! The frame as the kernel hands it over: the only pointer arithmetic on packet bytes.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::XdpContext;
use ringtap_common::cursor::Cursor;

use crate::fixed::fixed;

/// Highest offset that is read. The verifier wants a bound that it can see; a linear part is one
/// page at most.
const REACH_MAX: usize = 0x1fff;

/// The linear part of a frame.
pub(crate) struct Packet {
    start: usize,
    end: usize,
    len: usize,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Self {
        // SAFETY: the helper only reads the context that the kernel passed to this program.
        let len = unsafe { bpf_xdp_get_buff_len(ctx.as_ptr().cast()) };
        Self { start: ctx.data(), end: ctx.data_end(), len: len as usize }
    }

    /// The same frame, with pointers about which the verifier has learned nothing yet. A helper
    /// must have been called since [`Packet::new`], or the optimiser keeps the old pointers.
    #[inline(always)]
    pub(crate) fn afresh(&self, ctx: &XdpContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end(), len: self.len }
    }
}

impl Cursor for Packet {
    const BLOCKS_MAX: usize = 4096 / ringtap_common::fingerprint::BLOCK;

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let at = fixed(at);
        if at > REACH_MAX {
            return None;
        }
        let from = fixed(self.start + at);
        if from + N > self.end {
            return None;
        }
        // SAFETY: `start..end` is the frame's linear part, readable until the frame is changed,
        // which happens only after the last load; `from..from + N` was just checked to lie inside.
        Some(unsafe { (from as *const [u8; N]).read_unaligned() })
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
