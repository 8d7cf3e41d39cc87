//! To the socket of the frame's queue, with the time of arrival in front; or to the next program.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_meta;
use aya_ebpf::programs::XdpContext;
use ringtap_common::maps::{Place, STAMP_LEN, stamp};
use ringtap_common::walk::Layer;

use crate::maps;

/// Goes on inside of a tunnel. Comes back only if there is no program for it.
#[inline(always)]
pub(crate) fn go_on(ctx: &XdpContext, layer: Layer, depth: u16) {
    let Layer { ethertype, at } = layer;
    if maps::set_place(Place { at: at as u32, ethertype, depth: depth + 1 }) {
        // SAFETY: nothing of this program lives on: it holds no value that must be dropped.
        unsafe { maps::PROGRAMS.tail_call(ctx, 0) };
    }
}

/// Redirects a frame; false if its queue has no socket.
#[inline(always)]
pub(crate) fn redirect(ctx: &XdpContext, now_ns: u64) -> bool {
    if maps::SOCKETS.redirect(ctx.rx_queue_index(), 0).is_err() {
        return false;
    }
    if let Some(magic) = maps::stamp_magic() {
        write_stamp(ctx, magic, now_ns);
    }
    true
}

/// Where a driver has no room for metadata the frame goes without: user space sees no magic and
/// takes its own time.
#[inline(always)]
fn write_stamp(ctx: &XdpContext, magic: u64, now_ns: u64) {
    // SAFETY: the helper moves the start of the metadata or fails; all packet pointers made before
    // are dead from here on.
    let moved = unsafe { bpf_xdp_adjust_meta(ctx.as_ptr().cast(), -(STAMP_LEN as i32)) };
    if moved != 0 {
        return;
    }
    let (start, end) = (ctx.metadata(), ctx.metadata_end());
    if start + STAMP_LEN > end {
        return;
    }
    // SAFETY: `start..end` is the metadata area, just checked to hold a stamp; a program may write
    // it, and the kernel allows any alignment there.
    unsafe { (start as *mut [u64; 2]).write_unaligned(stamp(magic, now_ns)) };
}
