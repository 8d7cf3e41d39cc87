//! The second opinion: the same mirror, captured by dumpcap and judged by tshark.
//!
//! The sensor's XDP program takes frames away before a packet socket on the SPAN port could see
//! them, so dumpcap listens at the other end of that link, where every mirrored frame leaves,
//! both copies included. Copies are byte for byte equal; `editcap` drops those within the
//! sensor's own window, and tshark sees what is left.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command;
use crate::lab::process::Process;
use crate::lab::{self, Lab, Place};

/// A running capture of the mirror.
#[derive(Debug)]
pub(super) struct Capture {
    dumpcap: Process,
    file: PathBuf,
    messages: PathBuf,
}

/// What tshark says about the mirror.
#[derive(Debug)]
pub(super) struct Opinion {
    /// UDP frames on the mirror that were further copies of a frame.
    pub(super) copies: u64,
    /// RTP streams, copies removed.
    pub(super) streams: Vec<Stream>,
}

/// One line of `tshark -z rtp,streams`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) received: u64,
    pub(super) lost: i64,
}

/// What tells one stream from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StreamKey {
    pub(super) saddr: String,
    pub(super) sport: u64,
    pub(super) daddr: String,
    pub(super) dport: u64,
    pub(super) ssrc: u64,
}

impl Capture {
    /// Starts dumpcap and waits until it captures.
    pub(super) fn start(lab: &Lab, folder: &Path) -> Result<Self> {
        let file = folder.join("mirror.pcapng");
        let messages = folder.join("dumpcap.messages");
        let log = File::create(&messages)
            .with_context(|| format!("cannot write {}", messages.display()))?;
        let mut dumpcap = lab.enter(Place::Callers, "dumpcap");
        dumpcap.args(["-q", "-i", lab::TAP, "-f", "udp", "-B", "16", "-w"]).arg(&file);
        dumpcap.stderr(log.try_clone().context("cannot share a file")?).stdout(log);
        let mut capture = Self { dumpcap: Process::spawn(&mut dumpcap)?, file, messages };
        let end = Instant::now() + Duration::from_secs(10);
        while !capture.messages()?.contains("File: ") {
            if capture.dumpcap.try_wait()?.is_some() || Instant::now() > end {
                bail!("dumpcap does not capture: {}", capture.messages()?.trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(capture)
    }

    fn messages(&self) -> Result<String> {
        std::fs::read_to_string(&self.messages).context("cannot read dumpcap's messages")
    }

    /// Ends the capture; fails if it has lost frames, as no comparison would mean anything.
    pub(super) fn stop(mut self) -> Result<PathBuf> {
        self.dumpcap.terminate(Duration::from_secs(10))?;
        let messages = self.messages()?;
        let loss = messages.lines().find_map(|line| line.split_once("received/dropped"));
        let dropped = loss
            .and_then(|(_, rest)| rest.split_once(": "))
            .and_then(|(_, counts)| counts.split('/').nth(1))
            .and_then(|rest| rest.split_whitespace().next())
            .with_context(|| format!("dumpcap says nothing of its losses: {}", messages.trim()))?;
        if dropped != "0" {
            bail!("dumpcap lost {dropped} frames: nothing to compare with, please run it again");
        }
        Ok(self.file)
    }
}

/// Judges a capture of the mirror. `window_ms` is the sensor's duplicate window.
pub(super) fn judge(file: &Path, window_ms: u32) -> Result<Opinion> {
    let single = file.with_file_name("mirror-without-copies.pcapng");
    let mut editcap = command::program("editcap");
    editcap.arg("-w").arg(format!("{:.3}", f64::from(window_ms) / 1e3)).args([file, &single]);
    command::output(&mut editcap)?;
    Ok(Opinion { copies: frames(file)? - frames(&single)?, streams: streams(&single)? })
}

/// The RTP streams in a capture file, as tshark sees them.
pub(super) fn streams(file: &Path) -> Result<Vec<Stream>> {
    let mut tshark = command::program("tshark");
    tshark.arg("-r").arg(file).args(["-n", "-q", "-z", "rtp,streams"]);
    parse(&command::text(&mut tshark)?)
}

/// Frames in a capture file.
fn frames(file: &Path) -> Result<u64> {
    let mut capinfos = command::program("capinfos");
    capinfos.args(["-c", "-M", "-T", "-r"]).arg(file);
    let text = command::text(&mut capinfos)?;
    let count = text.split_whitespace().next_back();
    count.and_then(|n| n.parse().ok()).context("capinfos gives no count")
}

/// The table that `tshark -z rtp,streams` prints.
fn parse(text: &str) -> Result<Vec<Stream>> {
    let mut streams = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, saddr, sport, daddr, dport, ssrc, _, received, lost, ..] = words[..] else {
            continue;
        };
        let Some(ssrc) = ssrc.strip_prefix("0x") else { continue };
        let number = |word: &str| word.parse::<u64>().with_context(|| format!("tshark: `{line}`"));
        streams.push(Stream {
            key: StreamKey {
                saddr: saddr.to_owned(),
                sport: number(sport)?,
                daddr: daddr.to_owned(),
                dport: number(dport)?,
                ssrc: u64::from_str_radix(ssrc, 16).with_context(|| format!("tshark: `{line}`"))?,
            },
            received: number(received)?,
            lost: lost.parse().with_context(|| format!("tshark: `{line}`"))?,
        });
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_streams_is_read() {
        let text = "\
            ========================= RTP Streams ========================\n   \
            Start time      End time     Src IP addr  Port    Dest IP addr  Port       SSRC \
            Payload  Pkts         Lost   Min Delta(ms) Problems?\n     \
            1.012345      7.000000       10.77.0.11 20000       10.77.0.2 30000 0x0CA11E12 \
            g711U    300     8 (2.7%)          19.500 X\n\
            ==============================================================\n";
        let streams = parse(text).unwrap();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].key.sport, 20000);
        assert_eq!(streams[0].key.daddr, "10.77.0.2");
        assert_eq!(streams[0].key.ssrc, 0x0ca1_1e12);
        assert_eq!((streams[0].received, streams[0].lost), (300, 8));
    }
}
