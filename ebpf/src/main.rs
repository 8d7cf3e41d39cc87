//! The kernel program of a mirror port: keeps VoIP, drops mirrored copies, counts every frame
//! under one verdict. That of a host's own interfaces is in `host`.
//!
//! It is policy only. How a frame is read, recognised and compared stands in `ringtap-common`,
//! where user space runs the same code; nothing here is parsed a second time.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod bounds;
mod fixed;
mod maps;

mod filter;

mod dedup;

mod steer;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::warn;
use bounds::Packet;
use filter::{Step, Wanted};
use ringtap_common::maps::{Mode, Place};
use ringtap_common::verdict::{Fate, Verdict};
use ringtap_common::walk::Layer;

/// One frame's whole way, but for what is in a tunnel.
#[xdp(frags)]
pub fn ringtap(ctx: XdpContext) -> u32 {
    let packet = Packet::new(&ctx);
    let step = filter::sift(&packet, Layer::ethernet(0));
    finish(&ctx, &packet, step, 0)
}

/// The way on inside of a tunnel: a program of its own, so that the verifier follows one layer at
/// a time, however many there are.
#[xdp(frags)]
pub fn ringtap_inner(ctx: XdpContext) -> u32 {
    let packet = Packet::new(&ctx);
    let Some(Place { at, ethertype, depth }) = maps::place() else { return XDP_DROP };
    let step = match filter::sift(&packet, Layer { ethertype, at: at as usize }) {
        // What cannot be read may be no tunnel at all: user space reads it once more.
        Step::Not(Verdict::NotIp | Verdict::Truncated | Verdict::TooDeep | Verdict::Tunnel)
        | Step::Not(Verdict::BadIp | Verdict::BadUdp | Verdict::BadTcp) => Step::Whole,
        step => step,
    };
    finish(&ctx, &packet, step, depth)
}

/// Does what a look at the frame has come to.
#[inline(always)]
fn finish(ctx: &XdpContext, packet: &Packet, step: Step, depth: u16) -> u32 {
    let (verdict, fate) = match step {
        Step::Not(Verdict::Tunnel) | Step::Whole => whole(ctx),
        Step::Not(verdict) => (verdict.index(), verdict.fate()),
        Step::Enter(layer) if depth < maps::tunnel_depth() => {
            steer::go_on(ctx, layer, depth);
            whole(ctx)
        }
        Step::Enter(_) => (Verdict::TooDeep.index(), Verdict::TooDeep.fate()),
        Step::Wanted(wanted) => take(ctx, packet, &wanted, depth),
    };
    if maps::count(verdict) == 1 {
        tell_first(ctx, verdict);
    }
    match fate {
        Fate::Redirected => XDP_REDIRECT,
        Fate::Dropped => XDP_DROP,
        Fate::Rest if maps::mode() == Mode::Span as u8 => XDP_DROP,
        // What a mirror sends is nothing for the host.
        Fate::Rest if maps::is_shared() && depth > 0 => XDP_DROP,
        Fate::Rest => XDP_PASS,
    }
}

/// Hands over what user space wants, unless it is a copy, or this host's own.
#[inline(always)]
fn take(ctx: &XdpContext, packet: &Packet, wanted: &Wanted, depth: u16) -> (u32, Fate) {
    let verdict = if maps::is_shared() && depth == 0 && filter::is_own(wanted) {
        Verdict::OwnVoip
    } else {
        let now_ns = maps::clock_ns();
        if dedup::is_duplicate(&packet.afresh(ctx), &wanted.headers, now_ns) {
            Verdict::Duplicate
        } else if steer::redirect(ctx, now_ns) {
            return (wanted.verdict, Fate::Redirected);
        } else {
            Verdict::NoSocket
        }
    };
    (verdict.index(), verdict.fate())
}

/// A tunnel's packet that is handed over as it is: copies are told where it is opened.
#[inline(always)]
fn whole(ctx: &XdpContext) -> (u32, Fate) {
    let verdict =
        if steer::redirect(ctx, maps::clock_ns()) { Verdict::Tunnel } else { Verdict::NoSocket };
    (verdict.index(), verdict.fate())
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
