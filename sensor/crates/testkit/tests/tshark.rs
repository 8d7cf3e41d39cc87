//! What tshark finds in a generated file, against the truth. Skipped where tshark is absent.
//!
//! Two habits of tshark's `rtp,streams` decide how it can be compared (version 4.0):
//! * It takes for the expected number the span from the first to the last packet of the file
//!   (not to the highest), and for the received number *all* packets of the stream; lost is the
//!   difference. A duplicate or a mirror copy therefore hides a lost packet, and lost can become
//!   negative. So either there are none, or they are subtracted as below. A late last packet
//!   would be counted wrong as well; the generator makes none, but a mirror copy can be one
//!   where jitter lets packets come close together.
//! * Its jitter counts telephone events, which repeat a timestamp. So streams with digits are
//!   left out there.
#![expect(clippy::unwrap_used, reason = "helpers of tests, not only the tests themselves")]

use ringtap_testkit::pcap::{Kind, Options, Writer};
use ringtap_testkit::traffic::{self, Loss, Plan, Shares, StreamTruth, Truth};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file that goes when the test is over.
struct Capture(PathBuf);

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn capture(name: &str, plan: &Plan, options: Options) -> (Capture, Truth) {
    let name = format!("ringtap-testkit-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut writer = Writer::new(File::create(&path).unwrap(), options).unwrap();
    let truth = traffic::generate(plan, &mut writer).unwrap();
    writer.finish().unwrap();
    (Capture(path), truth)
}

/// tshark's standard output; `None` where there is no tshark.
fn tshark(file: &Path, args: &[&str]) -> Option<String> {
    match Command::new("tshark").arg("-r").arg(file).args(args).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: no tshark");
            None
        }
        Err(error) => panic!("tshark: {error}"),
    }
}

/// One line of `rtp,streams`.
#[derive(Debug)]
struct Line {
    src: String,
    sport: u16,
    dst: String,
    dport: u16,
    ssrc: u32,
    packets: u64,
    lost: i64,
    jitter_avg: f64,
    jitter_max: f64,
}

fn lines(text: &str) -> Vec<Line> {
    let rows = text.lines().filter(|line| line.contains("0x"));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let percent = words.iter().position(|w| w.starts_with('(')).unwrap();
        let number = |at: usize| words[at].parse().unwrap();
        Line {
            src: words[2].into(),
            sport: words[3].parse().unwrap(),
            dst: words[4].into(),
            dport: words[5].parse().unwrap(),
            ssrc: u32::from_str_radix(&words[6][2..], 16).unwrap(),
            packets: words[percent - 2].parse().unwrap(),
            lost: words[percent - 1].parse().unwrap(),
            jitter_avg: number(percent + 5),
            jitter_max: number(percent + 6),
        }
    })
    .collect()
}

fn pairs<'a>(truth: &'a Truth, lines: &'a [Line]) -> Vec<(&'a StreamTruth, &'a Line)> {
    let streams = truth.calls.iter().flat_map(|c| &c.streams);
    let same = |s: &StreamTruth, l: &Line| {
        (l.sport, l.dport, l.ssrc) == (s.src.port(), s.dst.port(), s.ssrc)
            && (l.src == s.src.ip().to_string() && l.dst == s.dst.ip().to_string())
    };
    let pairs: Vec<_> = streams
        .map(|s| (s, lines.iter().find(|l| same(s, l)).unwrap_or_else(|| panic!("{s:?}"))))
        .collect();
    assert_eq!(pairs.len(), lines.len(), "tshark finds streams that were not made");
    pairs
}

fn plan() -> Plan {
    let shares = Shares {
        dtmf: 0.3,
        ipv6: 0.3,
        pcma: 0.3,
        auth: 0.3,
        reinvite: 0.3,
        busy: 0.1,
        early_media: 0.2,
        cancelled: 0.1,
        ..Shares::default()
    };
    Plan { calls: 20, concurrent: 10, talk_ms: 4000, rtcp_ms: 1000, shares, ..Plan::default() }
}

#[test]
fn lost_counts_agree() {
    let losses = [
        Loss::NONE,
        Loss::Independent(0.01),
        Loss::Independent(0.2),
        Loss::Burst { share: 0.05, burst: 3.0 },
    ];
    for (at, loss) in losses.into_iter().enumerate() {
        let plan = Plan { loss, jitter_ms: 5.0, reorder: 0.02, wrap: at == 1, ..plan() };
        let (file, truth) = capture(&format!("lost{at}"), &plan, Options::default());
        let Some(text) = tshark(&file.0, &["-q", "-z", "rtp,streams"]) else { return };
        for (stream, line) in pairs(&truth, &lines(&text)) {
            assert_eq!(line.packets, stream.received, "{line:?}");
            assert_eq!(line.lost, stream.lost_inside as i64, "{line:?}");
        }
    }
}

#[test]
fn duplicates_and_copies_hide_losses_from_tshark_by_their_number() {
    let loss = Loss::Independent(0.03);
    let plan = Plan { loss, duplicates: 0.02, mirror: 0.05, ..plan() };
    let (file, truth) = capture("again", &plan, Options::default());
    let Some(text) = tshark(&file.0, &["-q", "-z", "rtp,streams"]) else { return };
    for (stream, line) in pairs(&truth, &lines(&text)) {
        let again = stream.duplicate + stream.mirror_copies;
        assert_eq!(line.packets, stream.received + again, "{line:?}");
        assert_eq!(line.lost, stream.lost_inside as i64 - again as i64, "{line:?}");
    }
}

#[test]
fn jitter_agrees() {
    let mut plan = Plan { jitter_ms: 6.0, reorder: 0.01, ..plan() };
    plan.shares.dtmf = 0.0;
    let (file, truth) = capture("jitter", &plan, Options::default());
    let Some(text) = tshark(&file.0, &["-q", "-z", "rtp,streams"]) else { return };
    for (stream, line) in pairs(&truth, &lines(&text)) {
        let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= 0.01 * theirs + 0.001;
        let (avg, max) = (stream.jitter_ms_avg, stream.jitter_ms_max);
        assert!(near(max, line.jitter_max), "{max} {line:?}");
        assert!(near(avg, line.jitter_avg), "{avg} {line:?}");
    }
}

#[test]
fn nothing_is_malformed_and_all_checksums_are_good_in_every_format() {
    let every = [
        Options::default(),
        Options { nanos: true, big_endian: true, ..Options::default() },
        Options { kind: Kind::Pcapng, ..Options::default() },
        Options { kind: Kind::Pcapng, nanos: true, big_endian: true, ..Options::default() },
    ];
    for (at, options) in every.into_iter().enumerate() {
        let vlans = if at % 2 == 0 { vec![] } else { vec![100, 7] };
        let plan = Plan { calls: 12, vlans, seed: at as u64, ..plan() };
        let (file, truth) = capture(&format!("sound{at}"), &plan, options);
        let check = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
        let fields = ["-T", "fields", "-e", "udp.checksum.status", "-e", "ip.checksum.status"];
        let more = ["-e", "_ws.malformed", "-e", "frame.time_epoch"];
        let args = [&check[..], &fields, &more].concat();
        let Some(text) = tshark(&file.0, &args) else { return };
        assert_eq!(text.lines().count() as u64, truth.totals.frames);
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[0], "1", "{line}");
            assert!(matches!(fields[1], "1" | ""), "{line}");
            assert_eq!(fields[2], "", "{line}");
        }
        let first = text.lines().next().and_then(|l| l.rsplit('\t').next()).unwrap();
        assert_eq!(first.replace('.', ""), truth.totals.first_ns.to_string());
    }
}

#[test]
fn sip_statistics_agree() {
    let mut plan = plan();
    plan.shares.rejected = 0.1;
    plan.shares.no_answer = 0.1;
    let (file, truth) = capture("sip", &plan, Options::default());
    let Some(text) = tshark(&file.0, &["-q", "-z", "sip,stat"]) else { return };
    let count = |label: &str| {
        let row = text.lines().find(|l| l.contains(label)).unwrap_or_default();
        let number = row.split(':').nth(1).and_then(|r| r.split_whitespace().next());
        number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    assert_eq!(count("Number of SIP messages"), truth.totals.sip);
    assert_eq!(count("Number of resent SIP messages"), 0);
    let calls = |chosen: &dyn Fn(&traffic::CallTruth) -> bool| {
        truth.calls.iter().filter(|call| chosen(call)).count() as u64
    };
    for status in [404, 480, 486, 487] {
        assert_eq!(count(&format!("SIP {status}")), calls(&|c| c.response == status), "{status}");
    }
    assert_eq!(count("SIP 407"), calls(&|c| c.auth));
    assert_eq!(count("BYE  "), calls(&|c| c.bye_ns.is_some()));
}
