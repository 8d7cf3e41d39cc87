//! Running other programs: where the project lies, who we are, and one clear line when a
//! program fails.
//!
//! Long-running children and what happens to them on a signal are in `lab/process.rs`.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::lab::process::Process;

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The triple that the compiler builds for by itself.
pub(crate) fn host() -> Result<String> {
    let version = text(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// Processors that we may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `program` in the project's root.
pub(crate) fn program(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that started us, in the project's root.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end with our own standard streams; fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let mut child = Process::attached(command).with_context(|| format!("cannot start `{line}`"))?;
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a short program to the end and gives what it wrote; fails, with its last error line,
/// unless it exits with 0.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let line = shown(command);
    // A process group of its own: the terminal's Ctrl-C must not stop it half way.
    let output = command
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no message");
        bail!("`{line}` failed ({}): {}", output.status, last.trim());
    }
    Ok(output)
}

/// As [`output`], but only what went to standard output, as text.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&output(command)?.stdout).into_owned())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Whether a program of this name can be found.
pub(crate) fn have(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Whether we run as root.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .is_some_and(|effective| effective == "0")
}

/// Where root's programs (`tc`, `ethtool`) lie, which a user's `PATH` does not have.
const ROOT_PATHS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Continues as root, with root's programs in reach, in a new process with these arguments, and
/// ends with its exit code. Does nothing when all that is so.
pub(crate) fn become_root(arguments: &[&str]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = ROOT_PATHS.iter().map(PathBuf::from).filter(|folder| !folders.contains(folder));
    let missing: Vec<PathBuf> = missing.collect();
    if is_root() && missing.len() < ROOT_PATHS.len() {
        return Ok(());
    }
    let mut again = if is_root() {
        program("env")
    } else if have("sudo") {
        eprintln!("xtask: network namespaces need root, continuing with sudo");
        let mut sudo = program("sudo");
        sudo.args(["-E", "env"]);
        sudo
    } else {
        bail!("network namespaces need root, and there is no sudo: run this as root");
    };
    folders.extend(missing);
    let mut line = std::ffi::OsString::from("PATH=");
    line.push(std::env::join_paths(folders).context("PATH cannot be extended")?);
    let me = std::env::current_exe().context("cannot find my own executable")?;
    again.arg(line).arg(me).args(arguments);
    let status = Process::attached(&mut again).context("cannot continue as root")?.wait()?;
    std::process::exit(status.code().unwrap_or(1));
}

/// Gives a folder back to the user who called sudo.
pub(crate) fn give_back(folder: &Path) {
    let id = |name| std::env::var(name).ok().filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
    if let (Some(user), Some(group)) = (id("SUDO_UID"), id("SUDO_GID")) {
        let mut chown = program("chown");
        chown.arg("-R").arg(format!("{user}:{group}")).arg(folder);
        if let Err(error) = output(&mut chown) {
            eprintln!("xtask: {error:#}");
        }
    }
}
