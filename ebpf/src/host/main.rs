//! The programs of a host's own interfaces: they look at what comes in and what goes out, and let
//! all of it pass, unchanged.
//!
//! VoIP is copied into rings. Copies are not told here, because comparing every packet would cost
//! the host more than copying the few that come twice: user space tells them. How a packet is
//! sifted is the mirror port's program's way, from the same files.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

#[path = "../fixed.rs"]
mod fixed;
mod head;
#[path = "../maps.rs"]
#[expect(dead_code, reason = "some settings are those of mirror ports")]
mod maps;

#[path = "../filter.rs"]
#[expect(dead_code, reason = "what is the host's own is asked for beside a mirror's tunnels")]
mod filter;

mod ring;

use aya_ebpf::bindings::{__sk_buff, TC_ACT_UNSPEC};
use aya_ebpf::macros::{classifier, map, socket_filter};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::{SkBuffContext, TcContext};
use filter::Step;
use head::Packet;
use ringtap_common::maps::{BARE_MAX, Claim, Place};
use ringtap_common::record::{BARE, SENT};
use ringtap_common::verdict::Verdict;
use ringtap_common::walk::Layer;


#[map]
static BARE_LINKS: HashMap<u32, Claim> = HashMap::with_max_entries(BARE_MAX, 0);

/// Whatever the program has seen: the next one's turn, or the host's.
const GO_ON: i32 = TC_ACT_UNSPEC;

/// The next program is told the depth and, above it, what this one knew of the frame.
const DEPTH: u16 = 0xff;
const FLAGS_AT: u16 = 8;

/// What an Ethernet interface takes in.
#[classifier]
pub fn ringtap_in(ctx: TcContext) -> i32 {
    look(&ctx, 0)
}

/// What an Ethernet interface sends.
#[classifier]
pub fn ringtap_out(ctx: TcContext) -> i32 {
    look(&ctx, SENT)
}

/// What an interface without Ethernet headers takes in.
#[classifier]
pub fn ringtap_ip_in(ctx: TcContext) -> i32 {
    look(&ctx, BARE)
}

/// What an interface without Ethernet headers sends.
#[classifier]
pub fn ringtap_ip_out(ctx: TcContext) -> i32 {
    look(&ctx, BARE | SENT)
}

/// The way on inside of a tunnel.
#[classifier]
pub fn ringtap_host_inner(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    let Some(Place { at, ethertype, depth }) = maps::place() else { return GO_ON };
    let (depth, flags) = (depth & DEPTH, (depth >> FLAGS_AT) as u8);
    match Packet::new(skb) {
        Some(packet) => {
            let step = match filter::sift(&packet, Layer { ethertype, at: at as usize }) {
                // What cannot be read may be no tunnel at all: user space reads it once more.
                Step::Not(Verdict::NotIp | Verdict::Truncated | Verdict::TooDeep)
                | Step::Not(Verdict::BadIp | Verdict::BadUdp | Verdict::BadTcp) => Step::Whole,
                step => step,
            };
            finish(&ctx, step, depth, flags)
        }
        None => count(Verdict::Truncated.index()),
    }
    GO_ON
}

/// For packet sockets: VoIP and what may hold some is taken, whole.
#[socket_filter]
pub fn ringtap_socket(ctx: SkBuffContext) -> i64 {
    const LOOPBACK: u32 = 1;
    const OUTGOING: u32 = 4;
    const ALL: i64 = u32::MAX as i64;
    let skb = ctx.skb.skb;
    // SAFETY: the kernel gives every program of this kind a context that it can read.
    let (kind, interface) = unsafe { ((*skb).pkt_type, (*skb).ifindex) };
    // The loopback interface brings each packet as sent and as received: the latter counts.
    if kind == OUTGOING && interface == LOOPBACK {
        return 0;
    }
    let flags = if BARE_LINKS.get_ptr(interface).is_some() { BARE } else { 0 };
    let verdict = match sift(skb, flags) {
        Step::Wanted(wanted) => wanted.verdict,
        // Tunnels are opened by user space.
        Step::Enter(_) | Step::Whole | Step::Not(Verdict::Tunnel) => Verdict::Tunnel.index(),
        Step::Not(verdict) => {
            count(verdict.index());
            return 0;
        }
    };
    count(verdict);
    ALL
}

#[inline(always)]
fn look(ctx: &TcContext, flags: u8) -> i32 {
    let step = sift(ctx.skb.skb, flags);
    finish(ctx, step, 0, flags);
    GO_ON
}

#[inline(always)]
fn sift(skb: *mut __sk_buff, flags: u8) -> Step {
    let Some(packet) = Packet::new(skb) else { return Step::Not(Verdict::Truncated) };
    let layer = if flags & BARE == 0 {
        Layer::ethernet(0)
    } else {
        // SAFETY: the kernel gives every program of this kind a context that it can read.
        Layer { ethertype: u16::from_be(unsafe { (*skb).protocol } as u16), at: 0 }
    };
    filter::sift(&packet, layer)
}

/// Does what a look at the frame has come to.
#[inline(always)]
fn finish(ctx: &TcContext, step: Step, depth: u16, flags: u8) {
    let skb = ctx.skb.skb;
    let (verdict, ring) = match step {
        Step::Wanted(wanted) => (wanted.verdict, ring::of(&wanted.headers)),
        Step::Enter(layer) if depth < maps::tunnel_depth() => {
            let Layer { ethertype, at } = layer;
            let depth = (depth + 1) | u16::from(flags) << FLAGS_AT;
            let place = Place { at: at as u32, ethertype, depth };
            if maps::set_place(place) {
                // SAFETY: nothing of this program lives on: it holds no value that must be dropped.
                unsafe { maps::PROGRAMS.tail_call(ctx, 0) };
            }
            (Verdict::Tunnel.index(), 0)
        }
        Step::Whole | Step::Not(Verdict::Tunnel) => (Verdict::Tunnel.index(), 0),
        Step::Enter(_) => return count(Verdict::TooDeep.index()),
        Step::Not(verdict) => return count(verdict.index()),
    };
    ring::put(skb, flags, ring);
    count(verdict);
}

#[inline(always)]
fn count(verdict: u32) {
    maps::count(verdict);
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
