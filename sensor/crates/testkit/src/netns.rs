//! Network namespaces for tests: made with `ip`, named after their owner, removed when dropped.
//!
//! ```no_run
//! use ringtap_testkit::netns::Namespace;
//!
//! # fn main() -> std::io::Result<()> {
//! let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
//! left.veth("eth0", &right, "eth0", 4)?;
//! left.address("eth0", "10.9.0.1/24")?;
//! right.address("eth0", "10.9.0.2/24")?;
//! let socket = right.run(|| std::net::UdpSocket::bind("10.9.0.2:5060"))??;
//! assert!(left.command("ping").args(["-c1", "10.9.0.2"]).status()?.success());
//! # Ok(())
//! # }
//! ```
//!
//! Names are `rtk-PID-START-N-label`: process id and start time of the owner, and a counter.
//! What a killed process leaves behind is thus known as an orphan, and [`sweep`] removes it. A
//! signal kills without dropping: who handles Ctrl-C must drop its guards or call
//! [`remove_own`]. It needs root (or CAP_SYS_ADMIN and CAP_NET_ADMIN) and touches nothing
//! outside its own namespaces.
#![expect(unsafe_code, reason = "entering a namespace is a system call")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Where `ip netns` keeps its names.
const DIRECTORY: &str = "/run/netns";
/// First part of all names.
const PREFIX: &str = "rtk";
/// Queues of a veth end.
const QUEUES_MAX: u32 = 64;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace that goes when this value goes.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: Arc<OwnedFd>,
}

impl Namespace {
    /// Makes a namespace with its loopback up. `label` is for the reader of a listing; of its
    /// characters only letters and digits are kept, at most 16.
    pub fn new(label: &str) -> io::Result<Self> {
        let label: String = label.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{label}", own_prefix()?);
        ip(&["netns", "add", &name])?;
        let file = match File::open(Path::new(DIRECTORY).join(&name)) {
            Ok(file) => Arc::new(OwnedFd::from(file)),
            Err(error) => {
                remove(&name)?;
                return Err(error);
            }
        };
        // From here on the guard removes it, whatever fails.
        let namespace = Self { name, file };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its path, for programs that open it themselves.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs `ip` inside it.
    pub fn ip(&self, args: &[&str]) -> io::Result<()> {
        let mut all = vec!["-n", &self.name];
        all.extend_from_slice(args);
        ip(&all)
    }

    /// Lays a veth pair with `queues` receive and transmit queues at both ends: `here` in this
    /// namespace, `there` in `other`. Both ends come up, without addresses; names have at most
    /// 15 characters.
    pub fn veth(&self, here: &str, other: &Self, there: &str, queues: u32) -> io::Result<()> {
        let queues = queues.clamp(1, QUEUES_MAX).to_string();
        let ends = ["numtxqueues", &queues, "numrxqueues", &queues];
        let mut args = vec!["link", "add", here];
        args.extend(ends);
        args.extend(["type", "veth", "peer", "name", there, "netns", &other.name]);
        args.extend(ends);
        self.ip(&args)?;
        self.ip(&["link", "set", here, "up"])?;
        other.ip(&["link", "set", there, "up"])
    }

    /// Gives an interface an address with its prefix length.
    pub fn address(&self, interface: &str, address: &str) -> io::Result<()> {
        // Without "nodad" an IPv6 address cannot be used for a second or two.
        let args = ["addr", "add", address, "dev", interface];
        if address.contains(':') {
            return self.ip(&[&args[..], &["nodad"]].concat());
        }
        self.ip(&args)
    }

    /// Removes an interface, and the other end of a veth pair with it.
    pub fn remove_interface(&self, interface: &str) -> io::Result<()> {
        self.ip(&["link", "del", interface])
    }

    /// Runs `work` on a thread inside the namespace and waits for it. Sockets opened there stay
    /// in the namespace, wherever they are used later. The calling thread does not move. An
    /// error says that the namespace could not be entered; a panic goes on in the caller.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> io::Result<R> {
        let inside = || {
            enter(&self.file)?;
            Ok(work())
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// A command that will run inside the namespace. The command may outlive the guard.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        // SAFETY: between fork and exec only `setns` is called, which is async-signal-safe; the
        // closure owns its descriptor, so it is open, and an error is made without allocating.
        unsafe {
            command.pre_exec(move || enter(&file));
        }
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing can be done here about a failure; `sweep` finds what stays.
        let _ = remove(&self.name);
    }
}

/// Removes namespaces of this kind whose owners have died, and says how many.
pub fn sweep() -> io::Result<usize> {
    remove_where(|name| owner(name).is_some_and(|(pid, start)| start_time(pid) != Some(start)))
}

/// Removes this process's namespaces at once, for the way out that drops nothing.
pub fn remove_own() -> io::Result<usize> {
    let prefix = own_prefix()? + "-";
    remove_where(|name| name.starts_with(&prefix))
}

/// Whether this process may make namespaces: effective user is root.
#[must_use]
pub fn privileged() -> bool {
    // SAFETY: takes nothing, touches nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: takes two integers; the descriptor is open as long as it is borrowed, and the
    // kernel refuses one that is no network namespace.
    match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn ip(args: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(args).stdin(Stdio::null()).output().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot run ip (package iproute2): {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().next().unwrap_or("no reason given");
    Err(io::Error::other(format!("ip {}: {reason}", args.join(" "))))
}

fn remove(name: &str) -> io::Result<()> {
    ip(&["netns", "del", name])
}

fn remove_where(chosen: impl Fn(&str) -> bool) -> io::Result<usize> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if chosen(name) && remove(name).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

fn own_prefix() -> io::Result<String> {
    let pid = std::process::id();
    let start = start_time(pid).ok_or_else(|| io::Error::other("cannot read /proc/self/stat"))?;
    Ok(format!("{PREFIX}-{pid}-{start}"))
}

/// Process id and start time in a name of ours.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.split('-');
    if parts.next() != Some(PREFIX) {
        return None;
    }
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// When a process began, in clock ticks since boot; `None` if there is none. Together with the
/// id it names a process for good, while ids alone are used again.
fn start_time(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, may hold blanks and brackets itself.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Namespace, ip, own_prefix, owner, privileged, start_time, sweep};
    use std::net::UdpSocket;
    use std::time::Duration;

    fn skipped() -> bool {
        if !privileged() {
            println!("skipped: needs root");
        }
        !privileged()
    }

    #[test]
    fn a_name_tells_its_owner() {
        let pid = std::process::id();
        let prefix = own_prefix().unwrap();
        assert_eq!(owner(&format!("{prefix}-0-x")), Some((pid, start_time(pid).unwrap())));
        assert_eq!(owner("other-1-2-3-x"), None);
        assert_eq!(owner("rtk-x"), None);
    }

    #[test]
    fn a_veth_pair_carries_packets_and_goes_with_its_guard() {
        if skipped() {
            return;
        }
        let (left, right) = (Namespace::new("le/ft").unwrap(), Namespace::new("right").unwrap());
        left.veth("a0", &right, "b0", 4).unwrap();
        left.address("a0", "10.9.0.1/24").unwrap();
        right.address("b0", "10.9.0.2/24").unwrap();
        let receiver = right.run(|| UdpSocket::bind("10.9.0.2:5060")).unwrap().unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let sent = left.run(|| UdpSocket::bind("10.9.0.1:0")?.send_to(b"hi", "10.9.0.2:5060"));
        assert_eq!(sent.unwrap().unwrap(), 2);
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 2);
        let queues = "ls -d /sys/class/net/b0/queues/rx-* | wc -l";
        let script = format!("mount -t sysfs none /sys && {queues}");
        let output = right.command("unshare").args(["-m", "sh", "-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4", "{output:?}");
        let paths = [left.path(), right.path()];
        assert!(paths.iter().all(|p| p.exists()));
        drop((left, right));
        assert!(!paths.iter().any(|p| p.exists()));
    }

    #[test]
    fn a_dead_owners_namespace_is_swept_and_ours_stays() {
        if skipped() {
            return;
        }
        let ours = Namespace::new("ours").unwrap();
        // The start time is not that of the process: such an owner is dead.
        let orphan = format!("rtk-{}-1-0-orphan", std::process::id());
        ip(&["netns", "add", &orphan]).unwrap();
        assert!(sweep().unwrap() >= 1);
        assert!(ours.path().exists());
        assert!(!ours.path().with_file_name(&orphan).exists());
    }

    #[test]
    fn the_calling_thread_stays_where_it_is() {
        if skipped() {
            return;
        }
        let before = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let namespace = Namespace::new("in").unwrap();
        let inside = namespace.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap());
        assert_ne!(inside.unwrap(), before);
        assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), before);
    }
}
