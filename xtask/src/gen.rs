//! `cargo xtask gen`: telephone traffic as a capture file, and the truth about it.
//!
//! It turns options into a plan; the traffic itself is the test kit's work.

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use ringtap_testkit::pcap::{Kind, Options, Writer};
use ringtap_testkit::traffic::{self, Duration, IpId, Loss, MirrorShape, Plan, Shares};
use ringtap_testkit::traffic::{Totals, TruthSink, TruthWriter};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Write generated calls (SIP, RTP, RTCP, DTMF) to a capture file.
///
/// The same options and the same seed give the same bytes. The audio is noise, never silence.
/// Percentages may have decimals. Loss, jitter and reordering hit RTP only; loss before a
/// stream's first or after its last packet in the file is listed apart, since nobody can see it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cargo xtask gen -o calls.pcap --truth calls.jsonl --calls 50 --seconds 20 --loss 1 --jitter 5
  cargo xtask gen -o big.pcap --calls 1000 --seconds 40
  cargo xtask gen -o mirror.pcap --mirror 100 --mirror-routed --mirror-vlan 200 --duplicates 1
  cargo xtask gen -o - --calls 5 --busy 20 --auth 50 | tshark -r -

The truth file has one JSON object a line: each call with its streams as it ends, then one with
\"type\":\"totals\".")]
pub(crate) struct GenArgs {
    /// Capture file to write; `-` for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// File for the truth, as JSON lines
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// File format
    #[arg(long, value_enum, default_value_t = Format::Pcap)]
    format: Format,
    /// Stamps with nanoseconds instead of microseconds
    #[arg(long)]
    nano: bool,
    /// File headers in big-endian byte order
    #[arg(long)]
    big_endian: bool,
    /// Number that decides everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time of the first INVITE, in UNIX seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1_767_225_600)]
    start: u64,

    #[command(flatten)]
    calls: CallArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Calls and what becomes of them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Calls")]
struct CallArgs {
    /// Calls in all
    #[arg(long, value_name = "N", default_value_t = 10)]
    calls: u64,
    /// Calls at one moment [default: all]
    #[arg(long, value_name = "N")]
    concurrent: Option<u32>,
    /// Mean talk time of an answered call
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds: f64,
    /// Distribution of the talk time
    #[arg(long, value_enum, default_value_t = Spread::Fixed)]
    duration: Spread,
    /// Time over which the first calls begin, in seconds
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    ramp: f64,
    /// Percentage of calls that are busy (486)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    busy: f64,
    /// Percentage of calls that the caller cancels (487)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    cancelled: f64,
    /// Percentage of calls that nobody answers (480)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    no_answer: f64,
    /// Percentage of calls to unknown numbers (404)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    rejected: f64,
    /// Percentage of calls challenged with 407
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    auth: f64,
    /// Percentage of answered calls with a re-INVITE
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    reinvite: f64,
    /// Percentage of ringing calls with 183 and early media
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    early_media: f64,
    /// Percentage of answered calls that the called side ends
    #[arg(long, value_name = "P", default_value_t = 25.0)]
    called_hangs_up: f64,
    /// Percentage of answered calls whose BYE stays without answer
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    unconfirmed: f64,
    /// Percentage of answered calls without BYE
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    abandoned: f64,
    /// Percentage of calls whose INVITE is sent again after 500 ms
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    retransmitted: f64,
    /// Percentage of calls whose caller dials digits (RFC 4733)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    dtmf: f64,
    /// Percentage of calls with A-law instead of µ-law
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pcma: f64,
    /// Seconds between RTCP reports of a direction; 0 for no RTCP
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    rtcp: f64,
    /// All streams carry one SSRC
    #[arg(long)]
    ssrc_reuse: bool,
    /// Sequence numbers and timestamps wrap within the first seconds
    #[arg(long)]
    wrap: bool,
    /// A new call takes the addresses and ports of the one that ended in its place
    #[arg(long)]
    reuse_ports: bool,
}

/// What the network and the mirror do to packets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network and mirror")]
struct NetworkArgs {
    /// Percentage of RTP packets lost
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    loss: f64,
    /// Loss comes in bursts of so many packets on average (Gilbert) [default: independent]
    #[arg(long, value_name = "N")]
    burst: Option<f64>,
    /// Standard deviation of the delay, in ms; never changes the order
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    jitter: f64,
    /// Percentage of RTP packets that later ones overtake
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    reorder: f64,
    /// By how many packets at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    reorder_depth: u32,
    /// Percentage of RTP packets that their sender sends twice (another IP id)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    duplicates: f64,
    /// Percentage of frames that the mirror delivers twice
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    mirror: f64,
    /// Longest time until the copy, in ms
    #[arg(long, value_name = "MS", default_value_t = 5.0)]
    mirror_delay: f64,
    /// Copies come from behind a router: other MAC addresses, TTL one less
    #[arg(long)]
    mirror_routed: bool,
    /// Copies carry this VLAN id
    #[arg(long, value_name = "ID")]
    mirror_vlan: Option<u16>,
    /// VLAN id; several for stacked tags, outermost first
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    vlan: Vec<u16>,
    /// Percentage of calls over IPv6
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    ipv6: f64,
    /// IPv4 identification is always 0
    #[arg(long)]
    zero_ip_id: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The classic format
    Pcap,
    /// The newer format with blocks
    Pcapng,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spread {
    /// All calls last equally long
    Fixed,
    /// Evenly between half and one and a half of the mean
    Uniform,
    /// As telephone traffic is
    Exponential,
}

/// Runs the command.
pub(crate) fn run(args: GenArgs) -> anyhow::Result<()> {
    let plan = args.plan();
    plan.validate()?;
    let piped = args.output == Path::new("-");
    ensure!(args.truth.as_ref() != Some(&args.output), "--truth and --output are the same file");
    let begin = Instant::now();
    let options = Options {
        kind: match args.format {
            Format::Pcap => Kind::Pcap,
            Format::Pcapng => Kind::Pcapng,
        },
        nanos: args.nano,
        big_endian: args.big_endian,
        ..Options::default()
    };
    let totals = if piped {
        write(&plan, options, io::stdout().lock(), args.truth.as_deref())
    } else {
        let file = create(&args.output)?;
        write(&plan, options, file, args.truth.as_deref())
    };
    let totals = totals.with_context(|| format!("cannot write {}", args.output.display()))?;
    eprintln!(
        "{} calls (at most {} at once), {} frames: {} SIP, {} RTP, {} RTCP, {} mirror copies; \
         {:.1} s of traffic, {:.1} MB, written in {:.2} s",
        totals.calls,
        totals.concurrent,
        totals.frames,
        totals.sip,
        totals.rtp,
        totals.rtcp,
        totals.mirror_copies,
        (totals.last_ns - totals.first_ns) as f64 / 1e9,
        totals.bytes as f64 / 1e6,
        begin.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn write<W: Write>(
    plan: &Plan,
    options: Options,
    out: W,
    truth: Option<&Path>,
) -> anyhow::Result<Totals> {
    let mut frames = Writer::new(out, options)?;
    let totals = match truth {
        None => traffic::generate_to(plan, &mut frames, &mut Nowhere)?,
        Some(path) => {
            let mut calls = TruthWriter::new(BufWriter::new(create(path)?));
            let totals = traffic::generate_to(plan, &mut frames, &mut calls)?;
            calls.finish(&totals).with_context(|| format!("cannot write {}", path.display()))?;
            totals
        }
    };
    frames.finish()?.flush()?;
    Ok(totals)
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Forgets the truth.
struct Nowhere;

impl TruthSink for Nowhere {
    fn call(&mut self, _call: traffic::CallTruth) -> io::Result<()> {
        Ok(())
    }
}

impl GenArgs {
    fn plan(&self) -> Plan {
        let (calls, network) = (&self.calls, &self.network);
        let share = |percent: f64| percent / 100.0;
        let ms = |seconds: f64| (seconds * 1000.0) as u64;
        let lost = share(network.loss);
        Plan {
            seed: self.seed,
            start_ns: self.start.saturating_mul(1_000_000_000),
            resolution_ns: if self.nano { 1 } else { 1000 },
            calls: calls.calls,
            concurrent: calls
                .concurrent
                .unwrap_or_else(|| calls.calls.min(u64::from(u32::MAX)) as u32),
            ramp_ms: ms(calls.ramp),
            talk_ms: ms(calls.seconds),
            duration: match calls.duration {
                Spread::Fixed => Duration::Fixed,
                Spread::Uniform => Duration::Uniform(0.5),
                Spread::Exponential => Duration::Exponential,
            },
            shares: self.shares(),
            rtcp_ms: ms(calls.rtcp),
            loss: match network.burst {
                None => Loss::Independent(lost),
                Some(burst) => Loss::Burst { share: lost, burst },
            },
            jitter_ms: network.jitter,
            reorder: share(network.reorder),
            reorder_depth: network.reorder_depth,
            duplicates: share(network.duplicates),
            mirror: share(network.mirror),
            mirror_shapes: network.shapes(),
            mirror_delay_us: ms(network.mirror_delay),
            ssrc_reuse: calls.ssrc_reuse,
            wrap: calls.wrap,
            vlans: network.vlan.clone(),
            reuse_ports: calls.reuse_ports,
            ip_id: if network.zero_ip_id { IpId::Zero } else { IpId::Counter },
            ..Plan::default()
        }
    }

    fn shares(&self) -> Shares {
        let calls = &self.calls;
        let share = |percent: f64| percent / 100.0;
        Shares {
            busy: share(calls.busy),
            cancelled: share(calls.cancelled),
            no_answer: share(calls.no_answer),
            rejected: share(calls.rejected),
            auth: share(calls.auth),
            reinvite: share(calls.reinvite),
            early_media: share(calls.early_media),
            called_hangs_up: share(calls.called_hangs_up),
            unconfirmed: share(calls.unconfirmed),
            abandoned: share(calls.abandoned),
            retransmitted: share(calls.retransmitted),
            dtmf: share(calls.dtmf),
            ipv6: share(self.network.ipv6),
            pcma: share(calls.pcma),
        }
    }
}

impl NetworkArgs {
    fn shapes(&self) -> Vec<MirrorShape> {
        if self.mirror_routed || self.mirror_vlan.is_some() {
            vec![MirrorShape { routed: self.mirror_routed, vlan: self.mirror_vlan }]
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GenArgs, Plan};
    use clap::{Args, Command, FromArgMatches};
    use ringtap_testkit::traffic::{IpId, Loss, MirrorShape};

    fn plan(line: &str) -> Plan {
        let command = GenArgs::augment_args(Command::new("gen"));
        let words = ["gen", "-o", "x"].into_iter().chain(line.split_whitespace());
        let matches = command.try_get_matches_from(words).unwrap();
        GenArgs::from_arg_matches(&matches).unwrap().plan()
    }

    #[test]
    fn options_are_sound_and_their_defaults_are_a_sound_plan() {
        GenArgs::augment_args(Command::new("gen")).debug_assert();
        let plan = plan("");
        assert_eq!(plan.validate(), Ok(()));
        assert_eq!((u64::from(plan.concurrent), plan.loss), (plan.calls, Loss::NONE));
    }

    #[test]
    fn percentages_become_shares() {
        let plan = plan("--loss 1 --burst 3 --busy 20 --mirror 50 --calls 7 --concurrent 3");
        assert_eq!(plan.loss, Loss::Burst { share: 0.01, burst: 3.0 });
        assert_eq!((plan.shares.busy, plan.mirror), (0.2, 0.5));
        assert_eq!((plan.calls, plan.concurrent), (7, 3));
    }

    #[test]
    fn mirror_vlan_and_time_options_reach_the_plan() {
        let line = "--mirror-vlan 9 --vlan 5,6 --zero-ip-id --nano --seconds 1.5 --rtcp 0";
        let plan = plan(line);
        assert_eq!(plan.mirror_shapes, [MirrorShape { routed: false, vlan: Some(9) }]);
        assert_eq!((plan.vlans, plan.ip_id), (vec![5, 6], IpId::Zero));
        assert_eq!((plan.resolution_ns, plan.talk_ms, plan.rtcp_ms), (1, 1500, 0));
    }
}
