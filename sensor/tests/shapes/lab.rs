//! Two telephones for every shape, on one link, and the mirror port where the sensor listens.
//!
//! ```text
//!  callers (10.78.1.n, fd78::1:n)        called (10.78.2.n, fd78::2:n)
//!    eth0  ──────────────── veth ────────────────  eth0
//!     │ tc: both directions, once
//!    tap0  ── veth ──  far0   in a namespace of its own: the mirror port
//! ```
//!
//! Each shape has addresses of its own, so that replay shares them out among its workers, and so
//! that the live queues do.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use ringtap_testkit::netns::{self, Namespace};
use tempfile::TempDir;

use crate::ladder::Side;
use crate::table::Over;

/// The sending end of the mirror link: every mirrored frame leaves here.
pub(crate) const TAP: &str = "tap0";
/// The mirror port.
pub(crate) const FAR: &str = "far0";
/// Queues of every link.
const QUEUES: u32 = 4;
/// Keeps scenarios, captures, records and messages in a new folder below this one.
const KEEP: &str = "RINGTAP_SHAPES";

/// The place; all of it goes when this value goes.
#[derive(Debug)]
pub(crate) struct Lab {
    phones: [Namespace; 2],
    /// Where the mirror port is.
    pub(crate) far: Namespace,
    folder: Folder,
}

#[derive(Debug)]
enum Folder {
    Passing(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new() -> Self {
        let Some(path) = std::env::var_os(KEEP) else {
            return Self::Passing(TempDir::new().expect("a folder can be made"));
        };
        let folder = TempDir::with_prefix_in("run-", path).expect("a folder can be made there");
        println!("everything is kept in {}", folder.path().display());
        Self::Kept(folder.keep())
    }
}

impl Lab {
    /// Makes the place for so many shapes; `None`, and a printed line, without root or without
    /// the programs.
    pub(crate) fn new(shapes: usize) -> Option<Self> {
        if !netns::privileged() {
            println!("skipped: needs root for network namespaces and XDP");
            return None;
        }
        for program in ["sipp", "dumpcap", "tshark", "tc", "ethtool"] {
            if Command::new(program).arg("-v").output().is_err() {
                println!("skipped: {program} is not installed");
                return None;
            }
        }
        netns::sweep().expect("namespaces can be listed");
        let new = |label| Namespace::new(label).expect("namespaces can be made");
        let lab =
            Self { phones: [new("caller"), new("called")], far: new("far"), folder: Folder::new() };
        lab.wire(shapes);
        lab.mirror();
        Some(lab)
    }

    /// The test's folder.
    pub(crate) fn folder(&self) -> &Path {
        match &self.folder {
            Folder::Passing(folder) => folder.path(),
            Folder::Kept(path) => path,
        }
    }

    /// The namespace where this side's telephones are.
    pub(crate) fn phones(&self, side: Side) -> &Namespace {
        &self.phones[side as usize]
    }

    fn wire(&self, shapes: usize) {
        // The mirror link must not talk of itself (neighbour discovery) to the mirror port.
        let quiet = || fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        let _ = self.far.run(quiet).expect("the namespace can be entered");
        let [callers, called] = &self.phones;
        callers.veth("eth0", called, "eth0", QUEUES).expect("a veth can be made");
        callers.veth(TAP, &self.far, FAR, QUEUES).expect("a veth can be made");
        for (namespace, link) in [(callers, "eth0"), (called, "eth0"), (callers, TAP)] {
            // Whole checksums, nothing glued together: frames as on a wire.
            let off = ["tx", "off", "tso", "off", "gso", "off", "gro", "off"];
            let done = namespace.command("ethtool").args(["-K", link]).args(off).output();
            assert!(done.expect("ethtool can be run").status.success(), "ethtool -K {link}");
        }
        for side in Side::BOTH {
            for shape in 0..shapes {
                for (over, prefix) in [(Over::Udp, 16), (Over::Udp6, 64)] {
                    let address = format!("{}/{prefix}", address(over, side, shape));
                    let done = self.phones(side).address("eth0", &address);
                    done.expect("addresses can be given");
                }
            }
        }
    }

    fn mirror(&self) {
        let tc = |words: &str| {
            let done = self.phones(Side::Caller).command("tc").args(words.split(' ')).output();
            let done = done.expect("tc can be run");
            assert!(done.status.success(), "tc {words}: {}", String::from_utf8_lossy(&done.stderr));
        };
        tc("qdisc add dev eth0 clsact");
        for way in ["ingress", "egress"] {
            let all = "prio 1 u32 match u32 0 0 action mirred egress mirror dev";
            tc(&format!("filter add dev eth0 {way} {all} {TAP}"));
        }
    }
}

/// A telephone's address. Shapes are counted from 0.
pub(crate) fn address(over: Over, side: Side, shape: usize) -> IpAddr {
    let number = u8::try_from(shape + 1).expect("fewer than 255 shapes");
    let net = side as u8 + 1;
    if over.is_v6() {
        IpAddr::V6(Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, net.into(), number.into()))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, 78, net, number))
    }
}
