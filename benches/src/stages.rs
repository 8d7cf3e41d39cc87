//! What each stage of the kernel program costs, by running it on single frames (PROG_TEST_RUN).
//!
//! The kernel times a loop over one frame, all in cache. Two stages change what they meet and
//! cannot be repeated: a time stamp makes the frame longer, and a new packet is no longer new
//! the second time. They are run once at a time on frames of their own, and what is told is
//! their distance from the same frames without that stage. A redirect is decided, not carried
//! out.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::Context;
use ringtap_capture::tcx::load::Rings;
use ringtap_capture::tcx::trial::Trial;
use ringtap_capture::xdp::load::{Options, Program};
use ringtap_testkit::packet::Packet;
use ringtap_testkit::packet::rtp::Rtp;
use ringtap_testkit::packet::tunnel::Wrap;
use serde_json::{Value, json};

use crate::median::median;
use crate::{stop, sys};

/// Runs of a frame that is the same each time.
const REPEAT: u32 = 500_000;
/// Frames that are met once.
const ONCE: u16 = 20_000;
const ROUNDS: usize = 5;
/// Copies that a ring holds before it is emptied, and how often it is filled.
const FILL: u32 = 5000;
const FILLS: usize = 60;

/// The program with a socket on queue 0.
struct Loaded {
    program: Program,
    _socket: OwnedFd,
}

impl Loaded {
    fn new(change: impl FnOnce(&mut Options)) -> anyhow::Result<Self> {
        let mut options = Options::default();
        options.settings.kernel_timestamps = 0;
        options.settings.dedup_window_ns = 0;
        change(&mut options);
        let mut program = Program::load(&options).context("cannot load the kernel program")?;
        let socket = sys::unbound_xdp_socket().context("cannot make an AF_XDP socket")?;
        program.set_socket(0, &socket.as_raw_fd())?;
        Ok(Self { program, _socket: socket })
    }

    fn ns(&self, frame: &[u8], repeat: u32) -> anyhow::Result<f64> {
        Ok(self.program.try_frame(frame, repeat)?.duration.as_nanos() as f64)
    }

    /// Median over frames that each come once.
    fn once_ns(&self, frames: &[Vec<u8>]) -> anyhow::Result<f64> {
        let each: anyhow::Result<Vec<f64>> = frames.iter().map(|frame| self.ns(frame, 1)).collect();
        Ok(median(each?))
    }
}

/// The programs for a host's own interfaces.
struct Host(Trial);

impl Host {
    fn new() -> anyhow::Result<Self> {
        let rings = Rings { count: 1, bytes: 8 << 20 };
        let trial = Trial::new(&Options::default(), rings);
        trial.map(Self).context("cannot load the host's kernel programs")
    }

    /// Median over fills of the ring, each of which is emptied before the next.
    fn ns(&mut self, frame: &[u8]) -> anyhow::Result<f64> {
        let mut each = Vec::with_capacity(FILLS);
        for _ in 0..FILLS {
            each.push(self.0.try_frame(frame, false, FILL)?.duration.as_nanos() as f64);
            self.0.records(|_, _| ());
        }
        anyhow::ensure!(self.0.lost() == 0, "the ring is too small for what is measured");
        Ok(median(each))
    }
}

/// Measures; the figures, and a table.
pub(crate) fn run(quick: bool) -> anyhow::Result<(Value, String)> {
    let rounds = if quick { 1 } else { ROUNDS };
    let repeat = if quick { REPEAT / 20 } else { REPEAT };
    let plain = Loaded::new(|_| ())?;
    let stamping = Loaded::new(|options| options.settings.kernel_timestamps = 1)?;
    let window = |options: &mut Options| options.settings.dedup_window_ns = 1_000_000_000;
    let comparing = Loaded::new(window)?;
    let mut host = Host::new()?;
    let call = Call::new()?;
    let mut stages: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut add = |name, ns| match stages.iter_mut().find(|(known, _)| *known == name) {
        Some((_, all)) => all.push(ns),
        None => stages.push((name, vec![ns])),
    };
    for round in 0..rounds {
        stop::check()?;
        eprintln!("stages: round {} of {rounds}", round + 1);
        add("drop what is not IP", plain.ns(&call.arp, repeat)?);
        add("parse, and drop by port", plain.ns(&call.other, repeat)?);
        add("parse, SIP port, redirect", plain.ns(&call.sip, repeat)?);
        add("parse, media class, redirect", plain.ns(&call.rtp(0, 0), repeat)?);
        add("media with fingerprint, duplicate dropped", comparing.ns(&call.rtp(0, 0), repeat)?);
        let inside = Wrap::Vxlan.wrap(&call.rtp(0, 0));
        add("media in VXLAN, redirect", plain.ns(&inside, repeat)?);
        let deep = Wrap::GreEthernet.wrap(&inside);
        add("media in VXLAN in GRE, redirect", plain.ns(&deep, repeat)?);
        add("other tunnel, redirect whole", plain.ns(&Wrap::Tzsp.wrap(&call.rtp(0, 0)), repeat)?);
        add("host: what is not IP passes", host.ns(&call.arp)?);
        add("host: what is not VoIP by its ports passes", host.ns(&call.other)?);
        add("host: SIP of 542 bytes, copied", host.ns(&call.sip)?);
        add("host: media of 214 bytes, copied with its time", host.ns(&call.rtp(0, 0))?);
        let count = if quick { ONCE / 20 } else { ONCE };
        let frames: Vec<_> = (0..count).map(|n| call.rtp(round as u32 + 1, n)).collect();
        let without = plain.once_ns(&frames)?;
        add("the time stamp adds", stamping.once_ns(&frames)? - without);
        add("fingerprint of a new packet adds", comparing.once_ns(&frames)? - without);
    }
    let (size, inner) = (plain.program.size()?, plain.program.inner_size()?);
    let of_host = host.0.size()?;
    let mut text = format!(
        "### The kernel program, by stage\n\nPROG_TEST_RUN, in cache, without the driver; {} \
         instructions, {} verified; inside of tunnels {} and {}; on a host's own interfaces {} and \
         {}. The last two are differences of single runs.\n\n\
         | stage | ns a frame |\n|---|---|\n",
        size.instructions,
        size.verified,
        inner.instructions,
        inner.verified,
        of_host.instructions,
        of_host.verified
    );
    let mut figures = Vec::new();
    for (name, all) in stages {
        let ns = median(all);
        text += &format!("| {name} | {ns:.0} |\n");
        figures.push(json!({ "stage": name, "ns": ns }));
    }
    Ok((Value::Array(figures), text + "\n"))
}

/// Frames to show to the program.
struct Call {
    from: SocketAddr,
    to: SocketAddr,
    arp: Vec<u8>,
    other: Vec<u8>,
    sip: Vec<u8>,
}

impl Call {
    fn new() -> anyhow::Result<Self> {
        let (from, to) = ("10.0.0.1:20000".parse()?, "10.0.0.2:30000".parse()?);
        let (low, sip) = ("10.0.0.1:53".parse()?, "10.0.0.2:5060".parse()?);
        let mut arp = Packet::udp(from, to, &[0; 30]).build();
        arp[13] = 6;
        let other = Packet::udp(low, "10.0.0.2:53".parse()?, &[1; 172]).build();
        let sip = Packet::udp(from, sip, &[b'O'; 500]).build();
        Ok(Self { from, to, arp, other, sip })
    }

    /// A packet of G.711.
    fn rtp(&self, ssrc: u32, seq: u16) -> Vec<u8> {
        let timestamp = u32::from(seq) * 160;
        let mut bytes = Vec::with_capacity(172);
        Rtp { payload_type: 0, marker: false, seq, timestamp, ssrc }.write(&mut bytes);
        bytes.extend((0..160_u16).map(|n| (n ^ seq) as u8));
        Packet::udp(self.from, self.to, &bytes).build()
    }
}
