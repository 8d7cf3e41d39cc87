//! A thousand G.711 streams out of one frame: the kernel runs a small program on it over and over
//! and carries out its redirects (PROG_TEST_RUN with live frames).
//!
//! The program is the pace: it looks at the clock and drops the frame when none is due, else it
//! writes port, sequence number, timestamp and SSRC for the next one and redirects it. Frames
//! come in short bursts, as from a network card that moderates its interrupts. No two are alike,
//! and streams look like real ones whose packets are shorter than 20 ms: their timestamps advance
//! by the time between packets.
#![expect(unsafe_code, reason = "bpf(2) takes addresses")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context;
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;

use super::assembler::{Assembler, R, Width};
use crate::sys::{self, BpfAttr};

/// Streams.
pub(super) const STREAMS: i32 = 1000;
const FIRST_PORT: i32 = 20_000;
const FIRST_SSRC: i32 = 0x1000_0000;
const FRAME_BYTES: i32 = 214;
/// Where in the frame the fields are.
const AT_SPORT: i16 = 34;
const AT_SEQ: i16 = 44;
const AT_TIMESTAMP: i16 = 46;
const AT_SSRC: i16 = 50;
/// Runs of the program in one call: a few tenths of a second. The kernel needs some ten
/// milliseconds to get ready for each call.
const REPEAT: u32 = 4_000_000;
/// Frames in a burst.
const BURST: i32 = 32;
/// Frames between two looks of the kernel at its queues.
const BATCH: u32 = 64;
/// G.711's clock.
const TICKS_PER_S: f64 = 8000.0;

const MAP_CREATE: i32 = 0;
const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const PROG_LOAD: i32 = 5;
const PROG_TEST_RUN: i32 = 10;
const MAP_TYPE_ARRAY: u32 = 2;
const PROG_TYPE_XDP: u32 = 6;
const LIVE_FRAMES: u32 = 1 << 1;
const KTIME_GET_NS: i32 = 5;
const REDIRECT: i32 = 23;
const XDP_DROP: i32 = 1;

/// What the program and we share.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Shared {
    next_ns: u64,
    interval_ns: u64,
    sent: u64,
    timestamp_step: u64,
    /// Frames of the burst that are still to come.
    left: u64,
}

/// The program, loaded.
#[derive(Debug)]
pub(super) struct Sender {
    map: OwnedFd,
    program: OwnedFd,
    frame: Vec<u8>,
}

impl Sender {
    /// A sender out of this interface; it must be used in the interface's namespace.
    pub(super) fn new(interface: i32) -> anyhow::Result<Self> {
        let attr = BpfAttr::new().u32(0, MAP_TYPE_ARRAY).u32(4, 4).u32(12, 1);
        let mut attr = attr.u32(8, size_of::<Shared>() as u32);
        // SAFETY: no address is given; the new descriptor is owned at once.
        let map = unsafe { OwnedFd::from_raw_fd(sys::bpf(MAP_CREATE, &mut attr)?) };
        let code = program(map.as_raw_fd(), interface);
        let mut log = vec![0_u8; 1 << 16];
        let mut attr = BpfAttr::new()
            .u32(0, PROG_TYPE_XDP)
            .u32(4, code.len() as u32)
            .address(8, code.as_ptr())
            .address(16, c"GPL".as_ptr())
            .u32(24, 1)
            .u32(28, log.len() as u32)
            .address(32, log.as_mut_ptr());
        // SAFETY: code, licence and log live until the call returns, with the lengths given; the
        // new descriptor is owned at once.
        let loaded = unsafe { sys::bpf(PROG_LOAD, &mut attr).map(|fd| OwnedFd::from_raw_fd(fd)) };
        let program = loaded.with_context(|| {
            let said = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
            format!("the sending program is refused: {said}")
        })?;
        Ok(Self { map, program, frame: template()? })
    }

    /// Sends for a time at a pace, `None`: as fast as it goes. The frames sent.
    pub(super) fn send(&self, pace_pps: Option<f64>, time: Duration) -> io::Result<u64> {
        let mut shared = self.shared()?;
        let before = shared.sent;
        let pace = pace_pps.unwrap_or(2e6);
        shared.interval_ns = pace_pps.map_or(0, |pps| (f64::from(BURST) * 1e9 / pps) as u64);
        shared.timestamp_step = ((TICKS_PER_S * f64::from(STREAMS) / pace) as u64).max(1);
        self.set(&shared)?;
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.run()?;
        }
        Ok(self.shared()?.sent - before)
    }

    fn run(&self) -> io::Result<()> {
        let mut attr = BpfAttr::new()
            .u32(0, self.program.as_raw_fd() as u32)
            .u32(8, self.frame.len() as u32)
            .address(16, self.frame.as_ptr())
            .u32(32, REPEAT)
            .u32(64, LIVE_FRAMES)
            .u32(72, BATCH);
        // SAFETY: the frame lives on, with the length given, and is only read.
        match unsafe { sys::bpf(PROG_TEST_RUN, &mut attr) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            done => done.map(drop),
        }
    }

    fn shared(&self) -> io::Result<Shared> {
        let (key, mut value) = (0_u32, Shared::default());
        let mut attr = BpfAttr::new()
            .u32(0, self.map.as_raw_fd() as u32)
            .address(8, &raw const key)
            .address(16, &raw mut value);
        // SAFETY: key and value live until the call returns and have the map's sizes.
        unsafe { sys::bpf(MAP_LOOKUP, &mut attr)? };
        Ok(value)
    }

    fn set(&self, value: &Shared) -> io::Result<()> {
        let key = 0_u32;
        let mut attr = BpfAttr::new()
            .u32(0, self.map.as_raw_fd() as u32)
            .address(8, &raw const key)
            .address(16, &raw const *value);
        // SAFETY: key and value live until the call returns, have the map's sizes and are read.
        unsafe { sys::bpf(MAP_UPDATE, &mut attr).map(drop) }
    }
}

/// The frame that the program writes into: audio is noise.
fn template() -> anyhow::Result<Vec<u8>> {
    let mut rtp = Vec::with_capacity(172);
    Rtp { payload_type: 0, marker: false, seq: 0, timestamp: 0, ssrc: 0 }.write(&mut rtp);
    rtp.extend((0..160_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let (from, to) = ("10.1.0.1:20000".parse()?, "10.2.0.1:30000".parse()?);
    Ok(Packet { zero_checksum: true, ..Packet::udp(from, to, &rtp) }.build())
}

/// Registers 6 to 9 survive calls: context, frame, shared value, end of the frame.
fn program(map: i32, interface: i32) -> Vec<u64> {
    let (context, data, shared, end) = (R(6), R(7), R(8), R(9));
    let mut code = Assembler::default();
    code.copy(context, R(1));
    code.map_value(shared, map);
    code.load(Width::U64, R(1), shared, 32);
    code.set(R(2), 0);
    code.jump_if_greater(R(1), R(2), "due");
    code.call(KTIME_GET_NS);
    // Is a burst due? Who lags by more than 100 µs does not make up for it.
    code.load(Width::U64, R(1), shared, 0);
    code.jump_if_less(R(0), R(1), "drop");
    code.load(Width::U64, R(2), shared, 8);
    code.add_register(R(1), R(2));
    code.add(R(0), -100_000);
    code.jump_if_greater(R(1), R(0), "on time");
    code.copy(R(1), R(0));
    code.here("on time");
    code.store(Width::U64, shared, 0, R(1));
    code.set(R(1), BURST);
    code.here("due");
    code.add(R(1), -1);
    code.store(Width::U64, shared, 32, R(1));
    code.load(Width::U32, data, context, 0);
    code.load(Width::U32, end, context, 4);
    code.copy(R(1), data);
    code.add(R(1), FRAME_BYTES);
    code.jump_if_greater(R(1), end, "drop");
    code.load(Width::U64, R(2), shared, 16);
    code.copy(R(1), R(2));
    code.add(R(1), 1);
    code.store(Width::U64, shared, 16, R(1));
    // The stream is the number's remainder, its sequence number the quotient.
    code.copy(R(3), R(2));
    code.modulo(R(3), STREAMS);
    code.divide(R(2), STREAMS);
    code.copy(R(4), R(3));
    code.add_register(R(4), R(3));
    code.add(R(4), FIRST_PORT);
    code.big_endian(R(4), 16);
    code.store(Width::U16, data, AT_SPORT, R(4));
    code.copy(R(4), R(2));
    code.big_endian(R(4), 16);
    code.store(Width::U16, data, AT_SEQ, R(4));
    code.load(Width::U64, R(5), shared, 24);
    code.multiply(R(5), R(2));
    code.big_endian(R(5), 32);
    code.store(Width::U32, data, AT_TIMESTAMP, R(5));
    code.add(R(3), FIRST_SSRC);
    code.big_endian(R(3), 32);
    code.store(Width::U32, data, AT_SSRC, R(3));
    code.set(R(1), interface);
    code.set(R(2), 0);
    code.call(REDIRECT);
    code.exit();
    code.here("drop");
    code.set(R(0), XDP_DROP);
    code.exit();
    code.finish()
}
