//! The kernel program: keeps VoIP, drops mirrored copies, counts every frame under one verdict.
//!
//! It is policy only. How a frame is read, recognised and compared stands in `ringtap-common`,
//! where user space runs the same code; nothing here is parsed a second time.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod bounds;
mod maps;

mod filter;

mod dedup;

mod steer;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use bounds::Packet;
use ringtap_common::maps::Mode;
use ringtap_common::verdict::{Fate, Verdict};

/// One frame's whole way.
#[xdp(frags)]
pub fn ringtap(ctx: XdpContext) -> u32 {
    let packet = Packet::new(&ctx);
    let (verdict, fate) = match filter::sift(&packet) {
        Err(verdict) => (verdict.index(), verdict.fate()),
        Ok(wanted) => {
            let now_ns = maps::clock_ns();
            if dedup::is_duplicate(&packet.afresh(&ctx), &wanted.headers, now_ns) {
                (Verdict::Duplicate.index(), Verdict::Duplicate.fate())
            } else if steer::redirect(&ctx, now_ns) {
                (wanted.verdict, Fate::Redirected)
            } else {
                (Verdict::NoSocket.index(), Verdict::NoSocket.fate())
            }
        }
    };
    if maps::count(verdict) == 1 {
        tell_first(&ctx, verdict);
    }
    match fate {
        Fate::Redirected => XDP_REDIRECT,
        Fate::Dropped => XDP_DROP,
        Fate::Rest if maps::mode() == Mode::Span as u8 => XDP_DROP,
        Fate::Rest => XDP_PASS,
    }
}

/// What somebody should hear about, once for each processor; the counter tells the rest.
#[inline(always)]
fn tell_first(ctx: &XdpContext, verdict: u32) {
    if verdict == Verdict::NoSocket.index() {
        warn!(ctx, "queue {} has no socket: its VoIP is lost", ctx.rx_queue_index());
    } else if verdict == Verdict::TooDeep.index() {
        warn!(ctx, "a frame on queue {} has too many headers", ctx.rx_queue_index());
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
