//! One call's packets, merged by time, as a capture file or handed over one by one.
//!
//! Equal packets stay equal packets: nothing is deduplicated here.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::SpoolError;
use crate::format::next_record;
use crate::read::merge::Merge;
use crate::read::output::{Format, Output};
use crate::read::{Hits, Times, Wanted, find};

pub(super) const BUFFER_BYTES: usize = 256 * 1024;

/// What an export has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Packets.
    pub packets: u64,
    /// Bytes of the packets, without any headers of the file.
    pub bytes: u64,
    /// Earliest time stamp, UNIX ns; 0 without packets.
    pub first_ns: u64,
    /// Latest time stamp, UNIX ns; 0 without packets.
    pub last_ns: u64,
    /// Chunks that are damaged on disk or vanished; their packets are missing.
    pub damaged: u64,
    /// Of several roots: those that did not answer.
    pub silent_roots: u64,
    /// Packets of such roots that came too late for their place.
    pub late: u64,
}

impl Exported {
    /// Adds what was written after it.
    pub(super) fn add(&mut self, later: &Self) {
        if self.packets == 0 {
            self.first_ns = later.first_ns;
        }
        if later.packets > 0 {
            self.last_ns = later.last_ns;
        }
        self.packets += later.packets;
        self.bytes += later.bytes;
        self.damaged += later.damaged;
    }
}

/// A packet out of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// UNIX ns.
    pub ts_ns: u64,
    /// LINKTYPE of the frame.
    pub link: u16,
    /// Length on the wire.
    pub wire_len: u32,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// Writes all packets that are wanted, in the order of their time stamps.
///
/// # Errors
/// As [`find`]; output that takes nothing; several link types for [`Format::Pcap`], which is
/// noticed before anything is written.
pub fn export(
    root: &Path,
    wanted: &[Wanted],
    out: &mut dyn Write,
    format: Format,
) -> Result<Exported, SpoolError> {
    let hits = find(root, wanted)?;
    let mut links: Vec<u16> = hits.chunks.iter().map(|chunk| chunk.key.link).collect();
    links.sort_unstable();
    links.dedup();
    if format == Format::Pcap && links.len() > 1 {
        return Err(SpoolError::MixedLinks(links.len()));
    }
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut output = Output::begin(out, format, &links).map_err(SpoolError::Output)?;
    let done = each(&hits, Times::of(wanted), &mut |packet| {
        let interface = links.iter().position(|link| *link == packet.link).unwrap_or(0);
        output.packet(interface as u32, packet)
    })?;
    output.finish().map_err(SpoolError::Output)?;
    Ok(done)
}

/// Hands over all packets that are wanted, in the order of their time stamps.
///
/// # Errors
/// As [`find`]; what `take` answers.
pub fn packets(
    root: &Path,
    wanted: &[Wanted],
    take: &mut dyn FnMut(&Packet<'_>) -> io::Result<()>,
) -> Result<Exported, SpoolError> {
    each(&find(root, wanted)?, Times::of(wanted), take)
}

pub(super) fn each(
    hits: &Hits,
    times: Times,
    take: &mut dyn FnMut(&Packet<'_>) -> io::Result<()>,
) -> Result<Exported, SpoolError> {
    let mut merge = Merge::new(hits, times)?;
    let mut done = Exported::default();
    while let Some((cursor, at)) = merge.next() {
        let mut records = cursor.records.get(at..).unwrap_or_default();
        let Some(record) = next_record(&mut records) else { continue };
        let (ts_ns, wire_len, bytes) = (record.ts_ns, record.wire_len, record.bytes);
        take(&Packet { ts_ns, link: cursor.link, wire_len, bytes }).map_err(SpoolError::Output)?;
        if done.packets == 0 {
            done.first_ns = ts_ns;
        }
        done.last_ns = ts_ns;
        done.packets += 1;
        done.bytes += bytes.len() as u64;
    }
    done.damaged = merge.damaged;
    Ok(done)
}
