//! `cargo xtask build-ebpf`: the kernel program, from its Rust source to `target/ebpf`.
//!
//! The program is for the machine in the kernel, which needs a `core` of its own: a nightly
//! toolchain with `rust-src` builds it on the spot, Debian's `rustc-web` comes with one. Either
//! may be there; neither is downloaded here (see `setup`). Nothing is built when no source has
//! changed. This does not load the program.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// Where Debian keeps its own compiler, beside rustup's.
const DEBIAN_BIN: &str = "/usr/bin";
const DEBIAN_TARGET: &str = "/usr/lib/rustlib/bpfel-unknown-none";
const TARGET: &str = "bpfel-unknown-none";

/// What the compiler is told. Debug information becomes the BTF that the kernel wants; version 3
/// of the instruction set has the atomic exchange; a frame's fields are not aligned, and machines
/// that run this do not mind.
const FLAGS: [&str; 4] = [
    "-Cdebuginfo=2",
    "-Ctarget-cpu=v3",
    "-Clink-arg=--btf",
    "-Clink-arg=--cpu-features=+alu32,+allows-misaligned-mem-access",
];

/// The programs: for mirror ports, and for a host's own interfaces.
const PROGRAMS: [&str; 2] = ["ringtap", "ringtap-host"];

/// Builds the programs if a source is newer, and gives the folder of their objects.
pub(crate) fn run() -> Result<PathBuf> {
    let root = command::root();
    let folder = root.join("target/ebpf");
    let stamp = folder.join("sources");
    let sources = sources_hash(&root)?;
    let objects = PROGRAMS.map(|name| folder.join(format!("{name}.bpf.o")));
    let here = objects.iter().all(|object| object.is_file());
    if here && fs::read_to_string(&stamp).is_ok_and(|old| old == sources) {
        return Ok(folder);
    }
    let Some(linker) = find_linker() else {
        bail!("bpf-linker is not installed: run `cargo xtask setup`");
    };
    let built = build(&root, &linker)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, object) in PROGRAMS.into_iter().zip(&objects) {
        let part = object.with_extension("o.part");
        strip(&built.join(name), &part)?;
        // An object that came out the same keeps its time, so that nothing else is built again.
        if fs::read(&part).ok() == fs::read(object).ok() {
            fs::remove_file(&part).ok();
        } else {
            let moved = fs::rename(&part, object);
            moved.with_context(|| format!("cannot write {}", object.display()))?;
        }
    }
    fs::write(&stamp, sources).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(folder)
}

/// A compiler that can make code for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toolchain {
    /// rustup's nightly, which compiles `core` from its source.
    Nightly,
    /// Debian's rustc, with a `core` that is compiled already.
    Debian,
}

impl Toolchain {
    fn name(self) -> &'static str {
        match self {
            Self::Nightly => "rustup's nightly (with rust-src)",
            Self::Debian => "Debian's rustc-web",
        }
    }

    fn cargo(self) -> Command {
        match self {
            Self::Nightly => {
                let mut cargo = Command::new("rustup");
                cargo.args(["run", "nightly", "cargo"]);
                cargo.env_remove("RUSTC_BOOTSTRAP").env_remove("RUSTC");
                cargo
            }
            Self::Debian => {
                let mut cargo = Command::new(Path::new(DEBIAN_BIN).join("cargo"));
                cargo.env("RUSTC", Path::new(DEBIAN_BIN).join("rustc"));
                cargo.env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        }
    }
}

/// Whether rustup's nightly has the source of `core`.
pub(crate) fn has_nightly_source() -> bool {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", "nightly", "rustc", "--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN");
    rustc.output().is_ok_and(|out| {
        let sysroot = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        out.status.success()
            && Path::new(&sysroot).join("lib/rustlib/src/rust/library/core").is_dir()
    })
}

fn has_debian() -> bool {
    Path::new(DEBIAN_BIN).join("cargo").is_file() && Path::new(DEBIAN_TARGET).is_dir()
}

/// Tries the toolchains that are there; a nightly may be too new for the linker.
fn build(root: &Path, linker: &Path) -> Result<PathBuf> {
    let mut toolchains = Vec::new();
    if has_nightly_source() {
        toolchains.push(Toolchain::Nightly);
    }
    if has_debian() {
        toolchains.push(Toolchain::Debian);
    }
    for toolchain in &toolchains {
        eprintln!("xtask: building the kernel program with {}", toolchain.name());
        match build_with(*toolchain, root, linker) {
            Ok(built) => return Ok(built),
            Err(error) => eprintln!("xtask: {error:#}"),
        }
    }
    if toolchains.is_empty() {
        bail!(
            "no compiler for the kernel program: `cargo xtask setup` installs Debian's rustc-web; \
             elsewhere `rustup toolchain install nightly --component rust-src`"
        );
    }
    bail!("the kernel program does not build (messages above)");
}

fn build_with(toolchain: Toolchain, root: &Path, linker: &Path) -> Result<PathBuf> {
    let out = root.join("target/ebpf-build");
    let mut cargo = toolchain.cargo();
    cargo.current_dir(root.join("ebpf"));
    cargo.args(["build", "--release", "--locked", "--quiet", "--target", TARGET]);
    if toolchain == Toolchain::Nightly {
        cargo.arg("-Zbuild-std=core");
    }
    cargo.arg("--target-dir").arg(&out);
    // The cargo that runs us has left its own choices behind.
    for name in [
        "RUSTUP_TOOLCHAIN",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "CARGO",
    ] {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root));
    // Not among the flags, where the path would change the names of symbols.
    cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
    let status = cargo.status().with_context(|| format!("cannot start {}", toolchain.name()))?;
    if !status.success() {
        bail!("{} cannot build the kernel program ({status})", toolchain.name());
    }
    Ok(out.join(TARGET).join("release"))
}

/// The flags, with this machine's folders taken out of what is compiled in.
fn flags(root: &Path) -> OsString {
    let mut flags = OsString::from(FLAGS.join("\x1f"));
    let mut remap = |from: &Path, to: &str| {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}"));
    };
    remap(root, "ringtap");
    if let Some(home) = cargo_home() {
        remap(&home, "cargo");
    }
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// bpf-linker, in the path or where cargo installs programs.
pub(crate) fn find_linker() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(cargo_home().map(|home| home.join("bin")));
    folders.into_iter().map(|folder| folder.join("bpf-linker")).find(|file| file.is_file())
}

/// Takes the debug information out, which the kernel does not read; BTF stays. Without the tool
/// the object is larger, and as good.
fn strip(from: &Path, to: &Path) -> Result<()> {
    for tool in ["/usr/lib/llvm-22/bin/llvm-objcopy", "llvm-objcopy"] {
        let mut objcopy = Command::new(tool);
        objcopy.arg("--strip-debug").arg(from).arg(to);
        if objcopy.status().is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// A hash over everything that the object is made from; in no way a protection.
fn sources_hash(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for folder in ["ebpf/src", "common/src"] {
        collect(&root.join(folder), &mut files)?;
    }
    for file in ["ebpf/Cargo.toml", "ebpf/Cargo.lock", "common/Cargo.toml"] {
        files.push(root.join(file));
    }
    files.sort();
    let mut hash = DefaultHasher::new();
    FLAGS.hash(&mut hash);
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        file.strip_prefix(root).unwrap_or(&file).hash(&mut hash);
        bytes.hash(&mut hash);
    }
    Ok(format!("{:016x}\n", hash.finish()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}
