//! `cargo xtask demo`: real calls over a mirror port, recorded live, and checked.
//!
//! Set-up and build; then sipp calls sipp in private network namespaces (`lab.rs`), `tc` mirrors
//! both directions into a SPAN port, one of them twice, and ringtap records there with native
//! XDP. Every number is then compared with what sipp counted and with what tshark says about
//! the same mirror. The records and packets stay in `.ringtap/demo` for a further look; nothing
//! else stays.

mod audio;
mod check;
mod ledger;
mod mirror;
mod sensor;
mod traffic;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::{self, Lab};
use crate::{build_ebpf, command, setup};
use check::Findings;
use mirror::Capture;
use sensor::{Files, Sensor};

/// `cargo xtask demo`
#[derive(Debug, Default, clap::Args)]
pub(crate) struct DemoArgs {
    /// Everything is installed and built already
    #[arg(long)]
    prepared: bool,
}

/// Prepares, runs and checks the demo.
pub(crate) fn run(arguments: &DemoArgs) -> Result<()> {
    if !arguments.prepared {
        setup::run().context("the set-up failed")?;
        build_ebpf::run().context("the kernel program does not build")?;
        build()?;
    }
    command::become_root(&["demo", "--prepared"])?;
    let folder = fresh_folder()?;
    let result = play(&folder);
    command::give_back(&command::root().join(".ringtap"));
    result
}

/// The demo as the last step of the tests, which have done the set-up. In a process of its own,
/// because it may have to become root.
pub(crate) fn from_test() -> Result<()> {
    build()?;
    let me = std::env::current_exe().context("cannot find my own executable")?;
    command::run(command::program(me).args(["demo", "--prepared"]))
}

fn build() -> Result<()> {
    eprintln!("xtask: building ringtap (release)");
    command::run(command::cargo().args(["build", "--release", "--package", "ringtap"]))
}

/// Where cargo puts the release build.
fn binary() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    command::root().join(target).join("release/ringtap")
}

/// An empty folder for the demo's files.
fn fresh_folder() -> Result<PathBuf> {
    let folder = command::root().join(".ringtap/demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The demo itself.
fn play(folder: &Path) -> Result<()> {
    eprintln!("xtask: network namespaces, links and mirror");
    let lab = Lab::start()?;
    let files = Files::write(binary(), folder)?;
    eprintln!("xtask: ringtap at the mirror port, native XDP");
    let sensor = Sensor::start(&lab, &files)?;
    let capture = Capture::start(&lab, folder)?;
    eprintln!("xtask: {} calls, sipp to sipp", traffic::total());
    let counted = traffic::run(&lab, folder)?;
    let mirror = capture.stop()?;
    let (ledger, ledger_text) = sensor.quiet_ledger()?;
    sensor.stop()?;
    drop(lab);

    eprintln!("xtask: comparing with sipp and tshark");
    let opinion = mirror::judge(&mirror, sensor::WINDOW_MS)?;
    let records = files.calls()?;
    let mut findings = Findings::default();
    check::calls(&counted, &records, &mut findings);
    check::streams(&opinion.streams, &records, &mut findings);
    check::copies(&opinion, ledger::duplicates(&ledger)?, &mut findings);
    check::ledger(&ledger, &mut findings)?;
    let example = records.iter().find(|record| record["called"] == "1000");
    if let Some(record) = example {
        let file = extract(&files, folder, record)?;
        check::extracted(&mirror::streams(&file)?, record, &mut findings);
    }
    report(&files, &ledger_text, example)?;
    findings.print();
    findings.verdict()
}

/// Writes one call's packets out of the spool.
fn extract(files: &Files, folder: &Path, record: &Value) -> Result<PathBuf> {
    let file = folder.join("one-call.pcapng");
    command::output(files.command("pcap").arg(id(record)).arg("-o").arg(&file))?;
    Ok(file)
}

fn id(record: &Value) -> &str {
    record["ID"].as_str().unwrap_or_default()
}

/// What the newcomer came to see.
fn report(files: &Files, ledger: &str, example: Option<&Value>) -> Result<()> {
    println!("\nThe calls\n");
    print!("{}", command::text(&mut files.command("calls"))?);
    if let Some(record) = example {
        println!("\nOne of them\n");
        print!("{}", command::text(files.command("call").arg(id(record)))?);
    }
    println!("\nThe ledger while everything was quiet\n");
    print!("{ledger}");
    let root = command::root();
    let short = |path: &Path| path.strip_prefix(&root).unwrap_or(path).display().to_string();
    let (ringtap, config) = (short(&files.ringtap), short(&files.config));
    println!("\nThe packets   {}", short(&files.spool));
    println!("The records   {}", short(&files.database));
    println!("The mirror    {}", short(&files.config.with_file_name("mirror.pcapng")));
    println!("\nLook further\n");
    println!("  {ringtap} calls -c {config} --response 486");
    println!("  {ringtap} calls -c {config} --mos-below 4.3 --format json");
    let id = example.map_or("ID", id);
    println!("  {ringtap} call -c {config} {id}");
    println!("  {ringtap} pcap -c {config} {id} -o call.pcapng && tshark -r call.pcapng");
    println!("  cargo xtask lab    # the same network with {}, to play with\n", lab::SPAN);
    Ok(())
}
