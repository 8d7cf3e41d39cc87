//! What the process may do, against what the configuration asks for.

use std::fs;

use ringtap_capture::Method;
use ringtap_capture::nic::Nic;
use rustix::process::{Resource, getrlimit};

use super::finding::{Finding, State};
use crate::config::Config;

const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;
const IPC_LOCK: u32 = 14;
const SYS_ADMIN: u32 = 21;
const SYS_NICE: u32 = 23;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// A page of a socket's memory.
const BUFFER: u64 = 4096;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let Some(held) = effective(&status) else {
        let what = "the kernel does not tell what this process may do";
        return vec![Finding::new(State::Note, "privileges", what)];
    };
    let mut found = vec![capabilities(config, held)];
    let lockable = getrlimit(Resource::Memlock).current;
    found.extend(memory(config, held, lockable, queues(config)));
    let priority = getrlimit(Resource::Rtprio).current;
    found.extend(priorities(config.worker_priority, held, priority));
    found
}

/// Capabilities in effect, a bit each.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn has(held: u64, capability: u32) -> bool {
    let of = |capability: u32| held >> capability & 1 == 1;
    // What these two allow was its once, and still is.
    of(capability) || matches!(capability, BPF | PERFMON) && of(SYS_ADMIN)
}

fn capabilities(config: &Config, held: u64) -> Finding {
    let mut wanted = Vec::new();
    if !config.interface.is_empty() {
        wanted.push((NET_RAW, "CAP_NET_RAW (sockets that see frames)"));
        if config.capture != Method::Packet {
            wanted.push((NET_ADMIN, "CAP_NET_ADMIN (attach the program)"));
            wanted.push((BPF, "CAP_BPF (load the program)"));
            wanted.push((PERFMON, "CAP_PERFMON (pointers in the program)"));
        }
    }
    let count = wanted.len();
    let missing = wanted.into_iter().filter(|(capability, _)| !has(held, *capability));
    let missing: Vec<&str> = missing.map(|(_, name)| name).collect();
    if missing.is_empty() {
        let what = format!("all {count} capabilities that are needed");
        return Finding::new(State::Ok, "privileges", what);
    }
    let what = format!("missing: {}", missing.join(", "));
    if config.takes_nothing() && config.capture == Method::Auto && has(held, NET_RAW) {
        return Finding::new(State::Warning, "privileges", what)
            .means("a packet socket is taken, and what is not VoIP is filtered late")
            .advice("run as root, or with AmbientCapabilities as in the systemd unit");
    }
    Finding::new(State::Problem, "privileges", what)
        .means("`ringtap run` cannot capture")
        .advice("run as root, or with AmbientCapabilities as in the systemd unit")
}

/// Receive queues of all interfaces.
fn queues(config: &Config) -> u64 {
    let of = |name: &String| Nic::open(name).and_then(|nic| nic.basics());
    config.interface.iter().filter_map(|name| of(name).ok()).map(|b| u64::from(b.queues)).sum()
}

/// Memory of AF_XDP sockets counts against a limit.
fn memory(config: &Config, held: u64, limit: Option<u64>, queues: u64) -> Option<Finding> {
    if !config.tries_xdp() || has(held, IPC_LOCK) {
        return None;
    }
    let need = u64::from(config.xdp_buffers.next_power_of_two()) * BUFFER * queues;
    let limit = limit.filter(|limit| *limit < need)?;
    let (need, limit) = (need >> 20, limit >> 20);
    let what = format!("may lock {limit} MiB of memory, the sockets need {need} MiB");
    Some(
        Finding::new(State::Problem, "privileges", what)
            .means("no capture by XDP")
            .advice("CAP_IPC_LOCK, LimitMEMLOCK=infinity, or less `xdp_buffers`"),
    )
}

fn priorities(wanted: u8, held: u64, limit: Option<u64>) -> Option<Finding> {
    let allowed = limit.is_none_or(|limit| limit >= u64::from(wanted));
    if wanted == 0 || allowed || has(held, SYS_NICE) {
        return None;
    }
    let what = format!("`worker_priority = {wanted}` is not allowed");
    Some(
        Finding::new(State::Warning, "privileges", what)
            .means("under overload more frames are lost than need be")
            .advice(format!("CAP_SYS_NICE, or LimitRTPRIO={wanted}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(capture: Method) -> Config {
        Config::with(|c| (c.interface, c.capture) = (vec!["eth0".into()], capture))
    }

    fn bits(capabilities: &[u32]) -> u64 {
        capabilities.iter().map(|capability| 1 << capability).sum()
    }

    #[test]
    fn capabilities_are_read_and_compared() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("CapEff:\tmany\n"), None);
        let unit = bits(&[NET_ADMIN, NET_RAW, PERFMON, BPF]);
        assert_eq!(capabilities(&wants(Method::Auto), unit).state, State::Ok);
        let admin = bits(&[NET_ADMIN, NET_RAW, SYS_ADMIN]);
        assert_eq!(capabilities(&wants(Method::Xdp), admin).state, State::Ok);
        let raw = bits(&[NET_RAW]);
        assert_eq!(capabilities(&wants(Method::Packet), raw).state, State::Ok);
        let found = capabilities(&wants(Method::Auto), raw);
        assert_eq!(found.state, State::Problem);
        assert!(found.what.contains("CAP_BPF") && !found.what.contains("NET_RAW"), "{found:?}");
        assert_eq!(capabilities(&Config::default(), 0).state, State::Ok);
    }

    #[test]
    fn memory_and_priorities_have_limits() {
        let auto = wants(Method::Auto);
        let found = memory(&auto, 0, Some(8 << 20), 4).unwrap();
        assert!(found.what.contains("8 MiB") && found.what.contains("128 MiB"), "{found:?}");
        assert_eq!(memory(&auto, 0, Some(128 << 20), 4), None);
        assert_eq!(memory(&auto, 0, None, 4), None);
        assert_eq!(memory(&auto, bits(&[IPC_LOCK]), Some(0), 4), None);
        assert_eq!(memory(&wants(Method::Packet), 0, Some(0), 4), None);
        assert_eq!(priorities(0, 0, Some(0)), None);
        assert_eq!(priorities(10, 0, Some(10)), None);
        assert_eq!(priorities(10, bits(&[SYS_NICE]), Some(0)), None);
        assert_eq!(priorities(10, 0, Some(9)).map(|one| one.state), Some(State::Warning));
    }
}
