//! Receive and drop: the least that a program can do, by three means, each in a process of its
//! own.
//!
//! Says `ready` when frames are received, then answers every line on standard input with the
//! frames it has been given and those it knows as lost. Ends with its input.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use ringtap_capture::packet_socket::PacketOptions;
use ringtap_capture::xdp::XdpOptions;
use ringtap_capture::{Method, open};

const WAIT: Duration = Duration::from_millis(10);
const RING_BYTES: i32 = 32 << 20;

/// `ringtap-bench receive`
#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    /// By what
    #[arg(long, value_enum)]
    by: By,
    /// Interface
    #[arg(long)]
    interface: String,
    /// AF_XDP: no duplicate table and no time stamps
    #[arg(long)]
    bare: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// AF_XDP behind the kernel program
    Xdp,
    /// A packet socket with a TPACKET_V3 ring
    Packet,
    /// libpcap
    Libpcap,
}

/// Receives until standard input ends.
pub(crate) fn run(arguments: &ReceiveArgs) -> anyhow::Result<()> {
    match arguments.by {
        By::Xdp => sources(arguments, Method::Xdp),
        By::Packet => sources(arguments, Method::Packet),
        By::Libpcap => libpcap(&arguments.interface),
    }
}

fn sources(arguments: &ReceiveArgs, method: Method) -> anyhow::Result<()> {
    let interface = &arguments.interface;
    let mut xdp = XdpOptions::new(interface);
    if arguments.bare {
        xdp.program.settings.dedup_window_ns = 0;
        xdp.program.settings.kernel_timestamps = 0;
    }
    let mut opened = open(method, &xdp, &PacketOptions::new(interface))?;
    let lines = ready();
    eprintln!("{}", opened.line);
    let mut frames = 0_u64;
    while let Some(asked) = asked(&lines) {
        for source in &mut opened.sources {
            source.receive(WAIT, &mut |batch| frames += batch.len() as u64)?;
        }
        if asked {
            let lost = opened.sources.iter_mut().map(|source| source.stats().lost()).sum();
            answer(frames, lost)?;
        }
    }
    Ok(())
}

fn libpcap(interface: &str) -> anyhow::Result<()> {
    let mut capture = pcap::Capture::from_device(interface)?
        .promisc(true)
        .snaplen(65_535)
        .buffer_size(RING_BYTES)
        .timeout(WAIT.as_millis() as i32)
        .open()
        .context("libpcap cannot open the interface")?
        .setnonblock()?;
    let lines = ready();
    let mut frames = 0_u64;
    while let Some(asked) = asked(&lines) {
        let mut idle = false;
        for _ in 0..4096 {
            match capture.next_packet() {
                Ok(_) => frames += 1,
                Err(_) => {
                    idle = true;
                    break;
                }
            }
        }
        if asked {
            answer(frames, u64::from(capture.stats()?.dropped))?;
        }
        if idle {
            wait(&capture);
        }
    }
    Ok(())
}

/// Waits until libpcap has frames.
fn wait(capture: &pcap::Capture<pcap::Active>) {
    crate::sys::wait_readable(capture, WAIT);
}

/// Says that frames are received; the questions to come.
fn ready() -> Receiver<()> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || sender.send(()).is_err() {
                return;
            }
        }
    });
    println!("ready");
    lines
}

/// Whether there is a question; `None`: there will be none any more.
fn asked(lines: &Receiver<()>) -> Option<bool> {
    match lines.try_recv() {
        Ok(()) => Some(true),
        Err(TryRecvError::Empty) => Some(false),
        Err(TryRecvError::Disconnected) => None,
    }
}

fn answer(frames: u64, lost: u64) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{frames} {lost}")?;
    Ok(out.flush()?)
}
