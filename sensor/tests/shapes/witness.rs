//! The independent witness: dumpcap on the sending end of the mirror link, and tshark's counts.
//!
//! The sensor's XDP program takes frames away before a packet socket on the mirror port could
//! see them; so dumpcap listens where they leave.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::lab::{Lab, TAP, address};
use crate::ladder::Side;
use crate::sensor::wait_for;
use crate::table::Over;

const LIMIT: Duration = Duration::from_secs(15);
/// What the last frame of a capture says.
const MARK: &[u8] = b"all timeouts have passed";

/// A running capture. It is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Capture {
    dumpcap: Child,
    file: PathBuf,
    said: PathBuf,
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.dumpcap.kill();
        let _ = self.dumpcap.wait();
    }
}

impl Capture {
    /// Starts dumpcap and waits until it captures.
    pub(crate) fn start(lab: &Lab) -> Self {
        let file = lab.folder().join("mirror.pcapng");
        let said = lab.folder().join("dumpcap.said");
        let log = File::create(&said).expect("a file can be made");
        let mut dumpcap = lab.phones(Side::Caller).command("dumpcap");
        dumpcap.args(["-q", "-i", TAP, "-B", "16", "-a", "duration:300", "-w"]).arg(&file);
        dumpcap.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let dumpcap = dumpcap.spawn().expect("dumpcap can be run");
        let capture = Self { dumpcap, file, said };
        wait_for("dumpcap captures", LIMIT, || capture.said().contains("File: ").then_some(()));
        capture
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Sends a last frame, so that the capture's time goes on to this moment, and ends the
    /// capture. Lost frames are a failure: no comparison would mean anything.
    pub(crate) fn stop(mut self, lab: &Lab) -> PathBuf {
        let to = (address(Over::Udp, Side::Callee, 0), 9);
        let mark = || std::net::UdpSocket::bind("0.0.0.0:0")?.send_to(MARK, to);
        let sent = lab.phones(Side::Caller).run(mark).expect("the namespace can be entered");
        assert_eq!(sent.expect("a frame can be sent"), MARK.len());
        wait_for("the last frame in the capture", LIMIT, || {
            let bytes = fs::read(&self.file).unwrap_or_default();
            bytes.windows(MARK.len()).any(|w| w == MARK).then_some(())
        });
        let pid = self.dumpcap.id().to_string();
        let ended = Command::new("kill").args(["-s", "TERM", &pid]).status().expect("kill runs");
        assert!(ended.success(), "dumpcap has ended before: {}", self.said());
        wait_for("dumpcap ends", LIMIT, || self.dumpcap.try_wait().expect("it can be waited for"));
        let said = self.said();
        let lost = said.split_once("received/dropped").and_then(|(_, rest)| {
            rest.split_once(": ")?.1.split('/').nth(1)?.split_whitespace().next()
        });
        assert_eq!(lost, Some("0"), "frames lost by dumpcap: {said}");
        self.file.clone()
    }
}

/// How often each method (of requests) and each status was seen.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What `tshark -z sip,stat` counts.
pub(crate) fn sip_counts(file: &Path) -> Counts {
    let text = tshark(file, &["-q", "-z", "sip,stat"]);
    let mut counts = Counts::new();
    for line in text.lines() {
        // "  SIP 180 Ringing            : 20 Packets", "    INVITE        :     48 Packets"
        let Some((what, count)) = line.split_once(':') else { continue };
        let Some(count) = count.trim().strip_suffix("Packets") else { continue };
        let what = what.trim();
        let name = what.strip_prefix("SIP ").unwrap_or(what).split_whitespace().next();
        let (Some(name), Ok(count)) = (name, count.trim().parse::<u64>()) else { continue };
        *counts.entry(name.to_owned()).or_default() += count;
    }
    counts
}

/// How many frames were fragments.
pub(crate) fn fragments(file: &Path) -> u64 {
    let filter = "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr.offset >= 0";
    tshark(file, &["-n", "-Y", filter]).lines().count() as u64
}

/// RTP streams: addresses and ports, SSRC, packets, lost.
pub(crate) type Stream = (String, u64, String, u64, u64, u64, i64);

/// What `tshark -z rtp,streams` says.
pub(crate) fn rtp_streams(file: &Path) -> Vec<Stream> {
    let text = tshark(file, &["-n", "-q", "-z", "rtp,streams"]);
    let mut streams: Vec<Stream> = text.lines().filter_map(stream).collect();
    streams.sort();
    streams
}

fn stream(line: &str) -> Option<Stream> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, _, src, sport, dst, dport, ssrc, rest @ ..] = &words[..] else {
        return None;
    };
    // Names of codecs, with commas between; packets; lost.
    let names = rest.iter().position(|word| !word.ends_with(','))? + 1;
    let [received, lost, ..] = rest.get(names..)? else { return None };
    let ssrc = u64::from_str_radix(ssrc.strip_prefix("0x")?, 16).ok()?;
    let number = |word: &str| word.parse::<u64>().ok();
    let (sport, dport) = (number(sport)?, number(dport)?);
    Some((
        src.to_string(),
        sport,
        dst.to_string(),
        dport,
        ssrc,
        number(received)?,
        lost.parse().ok()?,
    ))
}

fn tshark(file: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    let done = command.arg("-r").arg(file).args(arguments).output().expect("tshark can be run");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}
