//! `ringtap spool`: the segments listed, verified, rebuilt.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use ringtap_cdr::clock::push_rfc3339;
use ringtap_spool::{Class, IndexState, Segment, SpoolError, list_segments, rebuild, verify};
use serde_json::json;

use super::configuration;
use crate::cli::{SpoolArgs, SpoolCommand, SpoolFormat};

/// Does what was asked.
pub(super) fn spool(command: &SpoolCommand) -> anyhow::Result<ExitCode> {
    match command {
        SpoolCommand::List(args) => tell(args, false),
        SpoolCommand::Verify(args) => tell(args, true),
        SpoolCommand::Rebuild(args) => rebuilt(args),
    }
}

fn root(args: &SpoolArgs) -> anyhow::Result<PathBuf> {
    let root = match &args.spool {
        Some(root) => root.clone(),
        None => configuration(&args.config)?.spooldir,
    };
    if !root.is_dir() {
        bail!("there is no spool at {}: give --spool DIR, or `spooldir`", root.display());
    }
    Ok(root)
}

/// What all segments come to.
#[derive(Debug, Default)]
struct Sum {
    segments: u64,
    packets: u64,
    bytes: u64,
    indexes: u64,
    damages: u64,
    lost_bytes: u64,
    unreadable: u64,
}

impl Sum {
    fn add(&mut self, one: &Segment) {
        self.segments += 1;
        self.packets += one.packets;
        self.bytes += one.bytes;
        self.indexes += u64::from(matches!(one.index, IndexState::Missing | IndexState::Wrong));
        self.damages += one.damages;
        self.lost_bytes += one.lost_bytes;
    }

    fn is_well(&self) -> bool {
        self.indexes + self.damages + self.unreadable == 0
    }
}

fn tell(args: &SpoolArgs, verifying: bool) -> anyhow::Result<ExitCode> {
    let root = root(args)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut sum, mut printed) = (Sum::default(), Ok(()));
    let mut each = |segment: Result<Segment, SpoolError>| match segment {
        Ok(segment) => {
            sum.add(&segment);
            if printed.is_ok() {
                printed = print(&mut out, args.format, &root, &segment);
            }
        }
        Err(error) => {
            sum.unreadable += 1;
            eprintln!("{error}");
        }
    };
    let done = if verifying { verify } else { list_segments };
    done(&root, &mut each).with_context(|| format!("cannot look through {}", root.display()))?;
    printed.and_then(|()| out.flush()).context("cannot print")?;
    let Sum { segments, packets, bytes, indexes, damages, lost_bytes, unreadable } = sum;
    eprintln!("{segments} segments, {packets} packets, {bytes} bytes");
    if !sum.is_well() {
        eprintln!(
            "{indexes} indexes missing or wrong, {damages} damaged places, {lost_bytes} bytes \
             lost, {unreadable} segments unreadable: `ringtap spool rebuild`"
        );
    }
    Ok(if verifying && !sum.is_well() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(out: &mut dyn Write, how: SpoolFormat, root: &Path, one: &Segment) -> io::Result<()> {
    let kind = match one.class {
        Class::Sip => "SIP",
        Class::Media => "RTP",
    };
    let index = match one.index {
        IndexState::Whole => "ok",
        IndexState::Missing => "missing",
        IndexState::Wrong => "wrong",
        IndexState::NotYet => "none yet",
    };
    let state = match (one.busy, one.index) {
        (true, _) => "open",
        (false, IndexState::NotYet) => "left behind",
        _ => "sealed",
    };
    let path = one.path.strip_prefix(root).unwrap_or(&one.path).display();
    let [first, last] = [one.first_ns, one.last_ns].map(|ns| {
        let mut text = String::new();
        push_rfc3339(&mut text, ns / 1000);
        text
    });
    if how == SpoolFormat::Json {
        let object = json!({
            "path": path.to_string(), "kind": kind, "state": state, "first": first, "last": last,
            "chunks": one.chunks, "packets": one.packets, "bytes": one.bytes, "index": index,
            "damages": one.damages, "lost_bytes": one.lost_bytes,
        });
        return writeln!(out, "{object}");
    }
    let (packets, bytes) = (one.packets, one.bytes);
    write!(out, "{first}  {last}  {kind}  {state:<6}  {packets:>9} packets  {bytes:>11} bytes  ")?;
    write!(out, "index {index:<8}  {path}")?;
    if one.damages > 0 {
        write!(out, "  {} damaged places, {} bytes lost", one.damages, one.lost_bytes)?;
    }
    writeln!(out)
}

fn rebuilt(args: &SpoolArgs) -> anyhow::Result<ExitCode> {
    let root = root(args)?;
    let done =
        rebuild(&root).with_context(|| format!("cannot rebuild the spool {}", root.display()))?;
    let object = json!({
        "indexes": done.indexes, "mended": done.segments, "chunks": done.chunks,
        "packets": done.packets, "damages": done.damages, "lost_bytes": done.lost_bytes,
        "removed": done.removed, "busy": done.busy, "failed": done.failed,
    });
    let mut out = io::stdout().lock();
    if args.format == SpoolFormat::Json {
        writeln!(out, "{object}").context("cannot print")?;
    } else {
        writeln!(out, "{} indexes made anew", done.indexes).context("cannot print")?;
        writeln!(
            out,
            "{} segments mended: {} packets kept, {} damaged places, {} bytes lost; {} without a \
             whole chunk removed",
            done.segments, done.packets, done.damages, done.lost_bytes, done.removed
        )
        .context("cannot print")?;
        if done.busy + done.failed > 0 {
            writeln!(out, "{} are being written, {} failed", done.busy, done.failed)
                .context("cannot print")?;
        }
    }
    Ok(if done.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
