//! A place for one test: two namespaces, a veth with four queues between them, and a folder.
//!
//! The near end sends, the far end is the mirror port. Which queue a frame takes follows the
//! processor of its sender.

use std::fs;
use std::path::Path;

use ringtap_testkit::netns::{self, Namespace};
use serde_json::Value;
use tempfile::TempDir;

/// The end that sends.
pub(crate) const NEAR: &str = "near0";
/// The end that is captured.
pub(crate) const FAR: &str = "far0";
/// Queues of either end.
pub(crate) const QUEUES: u32 = 4;

/// The place; all of it goes when this value goes.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
    folder: TempDir,
}

impl Lab {
    /// Makes the place; `None`, and a printed line, without root.
    pub(crate) fn new() -> Option<Self> {
        if !netns::privileged() {
            println!("skipped: needs root for network namespaces and XDP");
            return None;
        }
        netns::sweep().expect("namespaces can be listed");
        let near = Namespace::new("near").expect("namespaces can be made");
        let far = Namespace::new("far").expect("namespaces can be made");
        for place in [&near, &far] {
            // Interfaces that talk of themselves (neighbour discovery) would be counted too.
            let quiet = || fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            let _ = place.run(quiet).expect("the namespace can be entered");
        }
        near.veth(NEAR, &far, FAR, QUEUES).expect("a veth can be made");
        Some(Self { near, far, folder: TempDir::new().expect("a folder can be made") })
    }

    /// The test's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Queues 0 and 2 are for senders on the first processor, 1 and 3 for those on the second.
    pub(crate) fn queues_by_processor(&self, cpus: [usize; 2]) {
        self.queues(|queue| 1 << cpus[queue as usize % 2]);
    }

    /// All that senders on this processor send takes one queue.
    pub(crate) fn one_queue(&self, cpu: usize) {
        self.queues(|queue| if queue == 1 { 1 << cpu } else { 0 });
    }

    /// Which processors may send by a queue.
    fn queues(&self, mask: impl Fn(u32) -> u64) {
        for queue in 0..QUEUES {
            let mask = mask(queue);
            let path = format!("/sys/class/net/{NEAR}/queues/tx-{queue}/xps_cpus");
            let script = format!("echo {mask:x} > {path}");
            // `ip netns exec` mounts the namespace's own /sys.
            let done = std::process::Command::new("ip")
                .args(["netns", "exec", self.near.name(), "sh", "-c", &script])
                .output()
                .expect("ip can be run");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// Frames that the far end's driver has received.
    pub(crate) fn received(&self) -> u64 {
        let done = std::process::Command::new("ip")
            .args(["-n", self.far.name(), "-s", "-j", "link", "show", FAR])
            .output()
            .expect("ip can be run");
        let links: Value = serde_json::from_slice(&done.stdout).expect("ip prints JSON");
        links[0]["stats64"]["rx"]["packets"].as_u64().expect("ip prints counters")
    }
}
