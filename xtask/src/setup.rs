//! `cargo xtask setup`: what building and testing need beyond a Rust toolchain.
//!
//! It says what it installs, installs only what is missing, and asks nothing. It changes no
//! setting of the machine.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{build_ebpf, command};

/// Compiler for the kernel program; not needed where rustup's nightly has `rust-src`.
const KERNEL_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];

/// For bpf-linker, the native libraries of capture and spool, and the tools of the tests.
const PACKAGES: [&str; 20] = [
    "llvm-22-dev",
    "libpolly-22-dev",
    "libzstd-dev",
    "zlib1g-dev",
    "libelf-dev",
    "libpcap-dev",
    "m4",
    "make",
    "gcc",
    "g++",
    "pkg-config",
    "clang",
    "libclang-dev",
    "iproute2",
    "ethtool",
    "kamailio",
    "mariadb-server",
    "rtpengine-daemon",
    "sip-tester",
    "tshark",
];

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LINKER_VERSION: &str = "0.13.0";

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    let mut wanted = PACKAGES.to_vec();
    if !build_ebpf::has_nightly_source() {
        wanted.extend(KERNEL_PACKAGES);
    }
    packages(&wanted)?;
    linker()
}

fn packages(wanted: &[&str]) -> Result<()> {
    if !command::have("dpkg-query") || !command::have("apt-get") {
        bail!("this is not Debian: install what stands for {}", wanted.join(" "));
    }
    let missing = missing(wanted)?;
    if missing.is_empty() {
        eprintln!("xtask: all {} packages are installed", wanted.len());
        return Ok(());
    }
    eprintln!("xtask: installing {}", missing.join(" "));
    if !command::is_root() && !command::have("sudo") {
        bail!("installing packages needs root, and there is no sudo: run this as root");
    }
    // Lists that are absent or out of date make the first try fail; only then they are fetched.
    if install(&missing, Stdio::null()).is_err() {
        eprintln!("xtask: fetching the package lists first");
        succeed(as_root().args(["apt-get", "update", "-q"]).stdout(Stdio::null()))?;
        install(&missing, Stdio::inherit())?;
    }
    Ok(())
}

/// Which of these packages are not installed.
fn missing<'a>(wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${db:Status-Abbrev}\n"]).args(wanted);
    // It fails when one of them is unknown, and tells of the others all the same.
    let output = query.stderr(Stdio::null()).output().context("cannot start dpkg-query")?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_installed = |package: &&str| {
        listed.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(package) && words.next().is_some_and(|s| s.ends_with('i'))
        })
    };
    Ok(wanted.iter().copied().filter(|package| !is_installed(package)).collect())
}

/// Installs packages. Those that are servers (kamailio, mariadb-server, rtpengine) are not started:
/// Debian asks `policy-rc.d` before, and where a machine has none of its own, one that refuses is
/// there for as long as the installation takes.
fn install(packages: &[&str], errors: Stdio) -> Result<()> {
    const UNSTARTED: &str = "p=/usr/sbin/policy-rc.d
        if ! test -e $p; then
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            printf '#!/bin/sh\\nexit 101\\n' > $p && chmod 755 $p
        fi
        apt-get \"$@\"";
    let mut apt = as_root();
    apt.args(["sh", "-c", UNSTARTED, "apt-get"]);
    apt.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
    succeed(apt.stdout(Stdio::null()).stderr(errors))
}

/// A command as root, in which apt-get asks no question.
fn as_root() -> Command {
    let mut root = if command::is_root() {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    root.arg("DEBIAN_FRONTEND=noninteractive").stdin(Stdio::null());
    root
}

fn succeed(run: &mut Command) -> Result<()> {
    let line = command::shown(run);
    let status = run.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// bpf-linker is not packaged: it is compiled here, against Debian's LLVM.
fn linker() -> Result<()> {
    if let Some(linker) = build_ebpf::find_linker() {
        let version = command::text(Command::new(&linker).arg("--version"))?;
        if is_recent(&version) {
            eprintln!("xtask: {} is installed", version.trim());
            return Ok(());
        }
        eprintln!("xtask: {} is too old", version.trim());
    }
    eprintln!("xtask: installing bpf-linker {LINKER_VERSION} (some minutes)");
    let mut cargo = command::cargo();
    cargo.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--quiet"]);
    cargo.args(["--no-default-features", "--features", "llvm-22"]);
    cargo.env("LLVM_PREFIX", LLVM_PREFIX).env_remove("CARGO_TARGET_DIR");
    succeed(&mut cargo)
}

/// Whether `bpf-linker X.Y.Z` is at least the version that knows unaligned loads.
fn is_recent(version: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    numbers(version) >= numbers(LINKER_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_recent("bpf-linker 0.13.0\n"));
        assert!(is_recent("bpf-linker 0.14.1"));
        assert!(is_recent("bpf-linker 1.0.0"));
        assert!(!is_recent("bpf-linker 0.9.15"));
        assert!(!is_recent("something else"));
    }
}
