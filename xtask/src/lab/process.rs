//! Child processes, namespaces and folders that must not outlive us.
//!
//! Every child, namespace and scratch folder is entered in one registry while it exists. A guard's
//! `Drop` removes it on the normal way out, on an error and on a panic; on SIGINT, SIGTERM and
//! SIGHUP the signal thread clears the whole registry and ends the process. After `kill -9`
//! nothing of this runs: the next start sweeps (`net.rs`).

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::net;

/// How long a child may take to end after SIGTERM before SIGKILL, in general.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a waiting thread looks.
const LOOK: Duration = Duration::from_millis(20);

/// What has to go when we go.
#[derive(Debug)]
pub(super) struct Registry {
    /// A signal has come: nothing new may be started.
    closed: bool,
    children: Vec<Entry>,
    pub(super) namespaces: Vec<String>,
    folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    pid: u32,
    group: bool,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    closed: false,
    children: Vec::new(),
    namespaces: Vec::new(),
    folders: Vec::new(),
});

/// The registry, open: waits for ever once a signal has closed it, because the signal thread
/// is about to end the process.
pub(super) fn registry() -> MutexGuard<'static, Registry> {
    let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    if registry.closed {
        drop(registry);
        loop {
            thread::park();
        }
    }
    registry
}

/// Waits for ever when a signal is being handled; otherwise returns at once. Called before an
/// error is printed that may only be the consequence of the signal.
pub(crate) fn yield_to_signal() {
    drop(registry());
}

/// Starts the thread that clears up on a signal. Later calls do nothing.
pub(crate) fn watch_signals() -> Result<()> {
    static STARTED: Once = Once::new();
    let mut result = Ok(());
    STARTED.call_once(|| match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(mut signals) => {
            thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    clear_up(signal);
                }
            });
        }
        Err(error) => result = Err(error).context("cannot watch signals"),
    });
    result
}

/// The signal thread's last act.
fn clear_up(signal: i32) -> ! {
    let (children, namespaces, folders) = {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        registry.closed = true;
        let Registry { children, namespaces, folders, .. } = &*registry;
        (children.clone(), namespaces.clone(), folders.clone())
    };
    eprintln!("\nxtask: signal {signal}, cleaning up");
    for child in &children {
        kill("TERM", *child);
    }
    let end = Instant::now() + PATIENCE;
    while children.iter().any(|child| alive(child.pid)) && Instant::now() < end {
        thread::sleep(LOOK);
    }
    for child in children.iter().filter(|child| alive(child.pid)) {
        kill("KILL", *child);
    }
    for name in &namespaces {
        net::remove(name);
    }
    for folder in &folders {
        let _ = std::fs::remove_dir_all(folder);
    }
    std::process::exit(128 + signal);
}

/// Whether the process exists and is more than a zombie that nobody has waited for.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Sends a signal to a child that has not been waited for, so that its id is still its own.
fn kill(signal: &str, entry: Entry) {
    let target = if entry.group { format!("-{}", entry.pid) } else { entry.pid.to_string() };
    let script = format!("kill -s {signal} -- {target}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stderr(Stdio::null());
    if let Err(error) = shell.status() {
        eprintln!("xtask: cannot signal process {}: {error}", entry.pid);
    }
}

/// A folder that is removed, with what is in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder.
    pub(crate) fn new(path: PathBuf) -> Result<Self> {
        watch_signals()?;
        let mut registry = registry();
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        registry.folders.push(path.clone());
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        registry().folders.retain(|path| path != &self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A child that is terminated when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    entry: Entry,
    name: String,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a child in a process group of its own, out of reach of the terminal's Ctrl-C.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        command.process_group(0).stdin(Stdio::null());
        Self::enter(command, true)
    }

    /// Starts a child that shares our terminal.
    pub(crate) fn attached(command: &mut Command) -> Result<Self> {
        Self::enter(command, false)
    }

    fn enter(command: &mut Command, group: bool) -> Result<Self> {
        watch_signals()?;
        let name = crate::command::shown(command);
        // Under the lock, so that a signal cannot come between the start and the entry.
        let mut registry = registry();
        let child = command.spawn().with_context(|| format!("cannot start `{name}`"))?;
        let entry = Entry { pid: child.id(), group };
        registry.children.push(entry);
        Ok(Self { child, entry, name, ended: None })
    }

    /// The pipe from the child's standard output, if it was started with one.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe from the child's standard error, if it was started with one.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// The exit status, if it has ended.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            // Waiting frees the id, so it leaves the registry under the same lock.
            let mut registry = registry();
            self.ended = self.child.try_wait().context("cannot wait for a child")?;
            if self.ended.is_some() {
                registry.children.retain(|entry| entry.pid != self.entry.pid);
            }
        }
        Ok(self.ended)
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until it ends, but not beyond `limit`.
    pub(crate) fn wait_for(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= end {
                bail!("`{}` has not ended after {} s", self.name, limit.as_secs());
            }
            thread::sleep(LOOK);
        }
    }

    /// SIGTERM, then waits for its exit, but not beyond `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait_for(limit)
    }

    /// Sends a signal by name, unless it has ended.
    pub(crate) fn signal(&mut self, signal: &str) -> Result<()> {
        if self.try_wait()?.is_none() {
            kill(signal, self.entry);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.terminate(PATIENCE).is_ok() {
            return;
        }
        kill("KILL", self.entry);
        if self.wait_for(PATIENCE).is_err() {
            eprintln!("xtask: `{}` (process {}) does not end", self.name, self.entry.pid);
        }
    }
}
