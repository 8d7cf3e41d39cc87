//! Long times and many keys, in slices of time: only one slice's chunks are known at once.
//!
//! A slice is halved until few enough chunks lie in it, and grows again where little lies. What
//! merging needs beside that are the chunks that overlap in time, which came out of a writer's
//! pool of limited size.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::read::export::{BUFFER_BYTES, Exported, Packet, each};
use crate::read::output::{Format, Output};
use crate::read::roots::merged;
use crate::read::{Times, Wanted, find_up_to};

/// Chunks that one slice takes in.
const SLICE_CHUNKS: usize = if cfg!(test) { 20 } else { 200_000 };
/// A slice is no shorter than this; then it takes in what there is.
const SLICE_NS_MIN: u64 = 1_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Packets of these keys.
    These(&'a [Wanted]),
    /// All packets between two times, both included, UNIX ns.
    Between(u64, u64),
}

/// Hands over all packets of all roots that are asked for, in the order of their time stamps. With
/// several roots, one that fails or does not answer is named in the log and left out.
///
/// # Errors
/// As [`crate::read::find`]; what `take` answers.
pub fn packets_in_slices(
    roots: &[PathBuf],
    asked: Asked<'_>,
    take: &mut dyn FnMut(&Packet<'_>) -> io::Result<()>,
) -> Result<Exported, SpoolError> {
    let times = match asked {
        Asked::These(wanted) => Times::of(wanted),
        Asked::Between(from_ns, to_ns) => Times::all(from_ns, to_ns),
    };
    match roots {
        [root] => sliced(root, &times, take),
        roots => merged(roots, &times, take),
    }
}

/// The same of one root.
pub(super) fn sliced(
    root: &Path,
    times: &Times,
    take: &mut dyn FnMut(&Packet<'_>) -> io::Result<()>,
) -> Result<Exported, SpoolError> {
    let mut sum = Exported::default();
    let Some((from_ns, to_ns)) = times.span(None) else { return Ok(sum) };
    let (mut from_ns, mut slice_ns) = (from_ns, to_ns.saturating_sub(from_ns));
    loop {
        let until_ns = from_ns.saturating_add(slice_ns).min(to_ns);
        let most = if slice_ns <= SLICE_NS_MIN { usize::MAX } else { SLICE_CHUNKS };
        let part = times.within(from_ns, until_ns);
        let Some(hits) = find_up_to(root, &part, most)? else {
            slice_ns = (slice_ns / 2).max(SLICE_NS_MIN);
            continue;
        };
        let few = hits.chunks.len() < SLICE_CHUNKS / 4;
        sum.add(&each(&hits, part, take)?);
        if until_ns >= to_ns {
            return Ok(sum);
        }
        from_ns = until_ns + 1;
        if few {
            slice_ns = slice_ns.saturating_mul(2);
        }
    }
}

/// Writes all packets of all roots that are asked for, in the order of their time stamps.
///
/// # Errors
/// As [`packets_in_slices`]; output that takes nothing; several link types for [`Format::Pcap`],
/// which is noticed at the first packet of the second.
pub fn export_in_slices(
    roots: &[PathBuf],
    asked: Asked<'_>,
    out: &mut dyn Write,
    format: Format,
) -> Result<Exported, SpoolError> {
    let out = io::BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut output = Output::lazy(out, format);
    let mut mixed = false;
    let done =
        packets_in_slices(roots, asked, &mut |packet| match output.interface(packet.link)? {
            Some(interface) => output.packet(interface, packet),
            None => {
                mixed = true;
                Err(io::ErrorKind::InvalidInput.into())
            }
        });
    if mixed {
        return Err(SpoolError::MixedLinks(2));
    }
    let done = done?;
    output.finish().map_err(SpoolError::Output)?;
    Ok(done)
}
