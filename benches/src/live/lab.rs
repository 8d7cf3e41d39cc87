//! A private namespace with a veth pair, and a receiver in it whose processor time is known.
//!
//! The kernel's receive work runs in a thread of its own (threaded NAPI), so that it is not
//! charged to the sender; that thread and all of the receiver's share one processor, and what
//! they use is read from the scheduler, in nanoseconds. Interrupts on that processor are in it;
//! the disk's own kernel threads are not. The thread that takes frames goes before the kernel's
//! by real-time priority, ringtap's by its own `worker_priority`: otherwise, when more is offered
//! than can be taken, the kernel spends the processor on frames that nobody will see.

use std::fs::{self, read_to_string};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ringtap_testkit::netns::Namespace;
use serde_json::Value;

use crate::{stop, sys};

/// The processor that sends, and the one that receives.
pub(super) const SENDS: usize = 0;
const RECEIVES: usize = 1;
/// Real-time priorities: of the threads that take frames, and of the kernel's (a disk that is slow
/// must not make it lose what its short queue cannot hold).
const TAKERS: i32 = 2;
const KERNEL: i32 = 1;
/// How long a receiver may take to start or to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// AF_XDP behind the kernel program without duplicate table and time stamps.
    Bare,
    /// AF_XDP behind the kernel program as ringtap has it.
    Xdp,
    /// TPACKET_V3.
    Packet,
    /// libpcap.
    Libpcap,
    /// `ringtap run`.
    Ringtap { spool: bool, urgent: bool },
}

/// The namespace.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) namespace: Namespace,
    pub(super) near: String,
    pub(super) far: String,
}

impl Lab {
    /// Names carry the process id: the kernel's threads are found by them.
    pub(super) fn new() -> anyhow::Result<Self> {
        let namespace = Namespace::new("bench")?;
        let number = std::process::id() % 100_000;
        let (near, far) = (format!("rn{number}"), format!("rf{number}"));
        namespace.veth(&near, &namespace, &far, 1)?;
        for end in [&near, &far] {
            namespace.ip(&["link", "set", end, "addrgenmode", "none"])?;
        }
        Ok(Self { namespace, near, far })
    }

    /// A command in the namespace, with a `/sys` that shows it, on the receiving processor.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.namespace.name()]);
        command.args(["taskset", "-c"]);
        command.arg(RECEIVES.to_string()).arg(program);
        command
    }

    /// Starts a receiver and puts the kernel's receive work into a thread.
    pub(super) fn start(
        &self,
        kind: Kind,
        ringtap: &Path,
        folder: &Path,
    ) -> anyhow::Result<Running> {
        let mut running = match kind {
            Kind::Ringtap { spool, urgent } => self.ringtap(spool, urgent, ringtap, folder)?,
            _ => self.dropping(kind)?,
        };
        self.set("threaded", "1")?;
        let task = kernel_thread(&format!("napi/{}-", self.far))
            .context("the thread of the interface's NAPI is not there")?;
        sys::pin(task, RECEIVES)?;
        if !matches!(kind, Kind::Ringtap { urgent: false, .. }) {
            sys::prioritise(task, KERNEL)?;
        }
        if matches!(running.ask, Ask::Pipe(..)) {
            running.prioritise()?;
        }
        running.kernel_thread = Some(task);
        Ok(running)
    }

    fn dropping(&self, kind: Kind) -> anyhow::Result<Running> {
        let by: &[&str] = match kind {
            Kind::Bare => &["xdp", "--bare"],
            Kind::Packet => &["packet"],
            Kind::Libpcap => &["libpcap"],
            Kind::Xdp | Kind::Ringtap { .. } => &["xdp"],
        };
        if matches!(kind, Kind::Packet | Kind::Libpcap) {
            // Without it a veth interface has no NAPI when no XDP program is attached.
            self.namespace.run(|| sys::turn_gro_on(&self.far))??;
        }
        let mut command = self.command(&std::env::current_exe()?);
        command.args(["receive", "--interface", &self.far, "--by"]).args(by);
        Running::dropping(command)
    }

    fn ringtap(
        &self,
        spool: bool,
        urgent: bool,
        ringtap: &Path,
        folder: &Path,
    ) -> anyhow::Result<Running> {
        let mut command = self.command(ringtap);
        command.args(["run", "-i", &self.far, "--capture", "xdp"]);
        command.arg("--store").arg(format!("sqlite:{}", folder.join("db").display()));
        let socket = folder.join("status");
        command.arg("--option").arg(format!("status_socket={}", socket.display()));
        command.arg("--option").arg(format!("cpus={RECEIVES}"));
        if urgent {
            command.arg("--option").arg(format!("worker_priority={TAKERS}"));
        }
        if spool {
            command.arg("--spool").arg(folder.join("spool"));
        } else {
            for option in ["savesip=no", "savertp=no", "savertcp=no"] {
                command.args(["--option", option]);
            }
        }
        Running::ringtap(command, ringtap, socket)
    }

    /// Sets an attribute of the receiving interface.
    fn set(&self, attribute: &str, value: &str) -> anyhow::Result<()> {
        let write = format!("echo {value} > /sys/class/net/{}/{attribute}", self.far);
        let mut shell = Command::new("ip");
        shell.args(["netns", "exec", self.namespace.name(), "sh", "-c", &write]);
        ensure!(shell.status()?.success(), "{attribute} of the interface cannot be set");
        Ok(())
    }
}

/// A receiver at work.
pub(super) struct Running {
    child: Child,
    ask: Ask,
    kernel_thread: Option<u32>,
}

/// How it is asked.
enum Ask {
    Pipe(ChildStdin, BufReader<ChildStdout>),
    Status { ringtap: PathBuf, socket: PathBuf },
}

impl Running {
    fn dropping(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start a receiver")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.context("a receiver has no pipes")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line.trim() != "ready" {
            let _ = child.wait();
            bail!("a receiver did not start: {command:?}");
        }
        Ok(Self { child, ask: Ask::Pipe(input, output), kernel_thread: None })
    }

    fn ringtap(mut command: Command, ringtap: &Path, socket: PathBuf) -> anyhow::Result<Self> {
        command.env("RINGTAP_LOG", "error").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn().context("cannot start ringtap")?;
        let ask = Ask::Status { ringtap: ringtap.to_owned(), socket };
        let mut running = Self { child, ask, kernel_thread: None };
        let begin = Instant::now();
        while running.received().is_err() {
            ensure!(sys::reap(&running.child)?.is_none(), "ringtap did not start: {command:?}");
            ensure!(begin.elapsed() < PATIENCE, "ringtap does not answer");
            stop::check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    /// Frames that the application took and the spool could not keep; 0 where there is none.
    pub(super) fn unspooled(&self) -> anyhow::Result<u64> {
        let Ask::Status { ringtap, socket } = &self.ask else { return Ok(0) };
        let spool = &ledger(ringtap, socket)?["spool"];
        let lost = ["dropped_pool", "dropped_disk", "dropped_closed"];
        Ok(lost.iter().filter_map(|name| spool[name].as_u64()).sum())
    }

    /// Frames that the application was given since its start.
    pub(super) fn received(&mut self) -> anyhow::Result<u64> {
        match &mut self.ask {
            Ask::Pipe(input, output) => {
                writeln!(input)?;
                let mut line = String::new();
                output.read_line(&mut line)?;
                let count = line.split_whitespace().next().context("a receiver has died")?;
                Ok(count.parse()?)
            }
            Ask::Status { ringtap, socket } => {
                let ledger = ledger(ringtap, socket)?;
                ledger["user"]["received"].as_u64().context("the ledger has no total")
            }
        }
    }

    /// Lets the threads that take frames go before all others.
    fn prioritise(&self) -> anyhow::Result<()> {
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let number = task?.file_name().to_str().and_then(|number| number.parse().ok());
            sys::prioritise(number.context("a task has no number")?, TAKERS)?;
        }
        Ok(())
    }

    /// Processor time of the receiver and of the kernel's receive thread so far, s.
    pub(super) fn cpu_s(&self) -> anyhow::Result<f64> {
        let mut ns = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            ns += run_time_ns(&task?.path().join("schedstat"));
        }
        let kernel = self.kernel_thread.context("no kernel thread")?;
        ns += run_time_ns(&PathBuf::from(format!("/proc/{kernel}/schedstat")));
        Ok(ns as f64 / 1e9)
    }
}

impl Drop for Running {
    /// Asks it to end, and waits until it has.
    fn drop(&mut self) {
        sys::terminate(&self.child);
        let begin = Instant::now();
        while matches!(sys::reap(&self.child), Ok(None)) {
            if begin.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What a running sensor counts.
fn ledger(ringtap: &Path, socket: &Path) -> anyhow::Result<Value> {
    let mut command = Command::new(ringtap);
    command.args(["status", "--json", "--socket"]).arg(socket);
    Ok(serde_json::from_slice(&command.stderr(Stdio::null()).output()?.stdout)?)
}

/// Time that the scheduler gave to a task, ns.
fn run_time_ns(path: &Path) -> u64 {
    let text = read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// The task with a name that begins like this.
fn kernel_thread(prefix: &str) -> Option<u32> {
    // The kernel cuts names after fifteen bytes.
    let prefix = prefix.get(..15).unwrap_or(prefix);
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let task = entry.file_name().to_str()?.parse().ok()?;
        let name = read_to_string(entry.path().join("comm")).ok()?;
        name.starts_with(prefix).then_some(task)
    })
}
