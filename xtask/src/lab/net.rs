//! Network namespaces by the `ip` program: made, entered, removed, and swept when the process
//! that made them is gone.
//!
//! A namespace's name carries its owner's process id (`rt4711-uac`), which is all that a sweep
//! needs to know. Links live and die with their namespaces.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::process::{registry, watch_signals};
use crate::command;

/// What names of our namespaces begin with.
const PREFIX: &str = "rt";

/// A namespace that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, without IPv6 (its neighbour discovery would be noise on a mirror),
    /// with its loopback up.
    pub(super) fn new(role: &str) -> Result<Self> {
        watch_signals()?;
        let name = format!("{PREFIX}{}-{role}", std::process::id());
        let namespace = {
            // Under the lock, so that a signal cannot come between the making and the entry.
            let mut registry = registry();
            command::output(Command::new("ip").args(["netns", "add", &name]))?;
            registry.namespaces.push(name.clone());
            Self { name }
        };
        let no_ipv6 = "for i in all default; do \
             if [ -e /proc/sys/net/ipv6 ]; then \
             echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; fi; done";
        command::output(namespace.enter("sh").args(["-c", no_ipv6]))?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The namespace's name, as `ip netns` knows it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs `program` inside. It becomes the program itself: its process id is
    /// the program's.
    pub(super) fn enter(&self, program: &str) -> Command {
        let mut command = command::program("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `ip` on the namespace.
    pub(super) fn ip(&self, arguments: &[&str]) -> Result<()> {
        command::output(Command::new("ip").args(["-n", &self.name]).args(arguments)).map(drop)
    }

    /// Runs `tc` on the namespace.
    pub(super) fn tc(&self, arguments: &[&str]) -> Result<()> {
        command::output(Command::new("tc").args(["-n", &self.name]).args(arguments)).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
        registry().namespaces.retain(|name| name != &self.name);
    }
}

/// Ends what still runs in the namespace, then removes it. Says what it cannot do.
pub(super) fn remove(name: &str) {
    for signal in ["TERM", "KILL"] {
        let pids = command::text(Command::new("ip").args(["netns", "pids", name]));
        let pids = pids.unwrap_or_default();
        let pids: Vec<&str> = pids.split_whitespace().collect();
        if pids.is_empty() {
            break;
        }
        let script = format!("kill -s {signal} {} 2>/dev/null; true", pids.join(" "));
        if let Err(error) = command::output(Command::new("sh").args(["-c", &script])) {
            eprintln!("xtask: {error:#}");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    if let Err(error) = command::output(Command::new("ip").args(["netns", "del", name])) {
        eprintln!("xtask: {error:#}");
    }
}

/// Removes the namespaces of owners that are gone. Gives how many.
pub(super) fn sweep() -> Result<usize> {
    let list = command::text(Command::new("ip").args(["netns", "list"]))?;
    let mut swept = 0;
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        if owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(name);
            swept += 1;
        }
    }
    Ok(swept)
}

/// The owner's process id, if the name is one of ours.
fn owner(name: &str) -> Option<u32> {
    let (pid, role) = name.strip_prefix(PREFIX)?.split_once('-')?;
    if super::ROLES.contains(&role) { pid.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn only_our_own_names_have_an_owner() {
        assert_eq!(owner("rt4711-uac"), Some(4711));
        assert_eq!(owner("rt4711-mon"), Some(4711));
        for stranger in ["rt4711-db", "rtx-uac", "rt-uac", "uac", "rt4711", "prt1-uac", ""] {
            assert_eq!(owner(stranger), None, "{stranger}");
        }
    }
}
