//! A small telephone network of its own, with a mirror port, in private network namespaces.
//!
//! ```text
//!  callers (uac)                              server (uas)
//!    eth0 10.77.0.11 … 10.77.0.17  ── veth ──   eth0 10.77.0.2
//!     │ tc: what comes in, once; what goes out, twice
//!    tap0  ── veth ──  span0   in the monitor (mon): the SPAN port
//! ```
//!
//! All links have several queues; the kernel spreads flows over them by hash, so that a call's
//! SIP and RTP arrive on different queues of `span0`. Nothing of it outlives this process: see
//! `lab/process.rs` for the ways out, and `lab/net.rs` for leftovers of a process that was
//! killed. Traffic and sensor are not started here.

mod net;
pub(crate) mod process;

use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use net::Namespace;

/// RX and TX queues of every link.
pub(crate) const QUEUES: u16 = 4;
/// The SPAN port, in the monitor.
pub(crate) const SPAN: &str = "span0";
/// The sending end of the SPAN link, at the callers: every mirrored frame leaves here.
pub(crate) const TAP: &str = "tap0";
/// The server's address.
pub(crate) const SERVER: &str = "10.77.0.2";
/// How many telephones, each with an address of its own.
pub(crate) const PHONES: u8 = 7;

/// The namespaces' roles, as the end of their names.
const ROLES: [&str; 3] = ["uac", "uas", "mon"];

/// A telephone's address; telephones are counted from 0.
pub(crate) fn phone(number: u8) -> String {
    format!("10.77.0.{}", 11 + number)
}

/// A place in the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the telephones are that call.
    Callers,
    /// Where the server is that they call.
    Server,
    /// Where the mirror port is.
    Monitor,
}

/// The running lab; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Lab {
    callers: Namespace,
    server: Namespace,
    monitor: Namespace,
}

impl Lab {
    /// Sweeps leftovers and sets everything up. Needs root.
    pub(crate) fn start() -> Result<Self> {
        let swept = net::sweep().context("cannot look for namespaces (is iproute2 installed?)")?;
        if swept > 0 {
            eprintln!("xtask: removed {swept} namespaces that a killed run had left");
        }
        let [callers, server, monitor] = ROLES;
        let lab = Self {
            callers: Namespace::new(callers)?,
            server: Namespace::new(server)?,
            monitor: Namespace::new(monitor)?,
        };
        lab.wire().context("cannot wire the lab")?;
        lab.mirror().context("cannot set up the mirror")?;
        Ok(lab)
    }

    /// A command that runs `program` at a place.
    pub(crate) fn enter(&self, place: Place, program: &str) -> Command {
        self.at(place).enter(program)
    }

    fn at(&self, place: Place) -> &Namespace {
        match place {
            Place::Callers => &self.callers,
            Place::Server => &self.server,
            Place::Monitor => &self.monitor,
        }
    }

    /// The two links and the addresses.
    fn wire(&self) -> Result<()> {
        self.link("eth0", &self.server, "eth0")?;
        self.link(TAP, &self.monitor, SPAN)?;
        for number in 0..PHONES {
            let address = format!("{}/24", phone(number));
            self.callers.ip(&["addr", "add", &address, "dev", "eth0"])?;
        }
        self.server.ip(&["addr", "add", &format!("{SERVER}/24"), "dev", "eth0"])
    }

    /// A veth link from the callers to another place, with several queues, up at both ends.
    fn link(&self, here: &str, there: &Namespace, name_there: &str) -> Result<()> {
        let queues = QUEUES.to_string();
        let lanes = ["numtxqueues", &queues, "numrxqueues", &queues];
        let mut line = vec!["link", "add", here];
        line.extend(lanes);
        line.extend(["type", "veth", "peer", "name", name_there, "netns", there.name()]);
        line.extend(lanes);
        self.callers.ip(&line)?;
        for (namespace, name) in [(&self.callers, here), (there, name_there)] {
            plain_frames(namespace, name);
            namespace.ip(&["link", "set", name, "up"])?;
        }
        Ok(())
    }

    /// Both directions of the callers' link go to the SPAN port; what the callers send goes
    /// there twice, as from a switch that mirrors both ports of a conversation.
    fn mirror(&self) -> Result<()> {
        let copy = ["action", "mirred", "egress", "mirror", "dev", TAP];
        let everything = ["prio", "1", "u32", "match", "u32", "0", "0"];
        self.callers.tc(&["qdisc", "add", "dev", "eth0", "clsact"])?;
        let mut once = vec!["filter", "add", "dev", "eth0", "ingress"];
        once.extend(everything);
        once.extend(copy);
        self.callers.tc(&once)?;
        let mut twice = vec!["filter", "add", "dev", "eth0", "egress"];
        twice.extend(everything);
        twice.extend(copy);
        twice.push("pipe");
        twice.extend(copy);
        self.callers.tc(&twice)
    }
}

/// Frames as on a real wire: whole checksums, nothing glued together. Best effort: without
/// ethtool the recorded checksums look wrong to tshark, and nothing else changes.
fn plain_frames(namespace: &Namespace, link: &str) {
    if !command::have("ethtool") {
        return;
    }
    let mut ethtool = namespace.enter("ethtool");
    ethtool.args(["-K", link, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
    if let Err(error) = command::output(&mut ethtool) {
        eprintln!("xtask: {error:#}");
    }
}

/// `cargo xtask lab`: sets it up, says how to enter, and waits for a signal.
pub(crate) fn run() -> Result<()> {
    command::become_root(&["lab"])?;
    let lab = Lab::start()?;
    let [callers, server, monitor] =
        [&lab.callers, &lab.server, &lab.monitor].map(|n| n.name().to_owned());
    println!("The lab is up until Ctrl-C. Enter it with");
    println!("  ip netns exec {callers} sh   # telephones {} … on eth0", phone(0));
    println!("  ip netns exec {server} sh   # server {SERVER} on eth0");
    println!("  ip netns exec {monitor} sh   # mirror port {SPAN}, {QUEUES} queues");
    println!("For example");
    println!("  ip netns exec {monitor} target/release/ringtap run -i {SPAN}");
    println!("  ip netns exec {server} sipp -sn uas -i {SERVER}");
    println!("  ip netns exec {callers} sipp -sn uac -i {} {SERVER}", phone(0));
    loop {
        std::thread::park();
    }
}
