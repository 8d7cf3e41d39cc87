//! The command line: what can be asked, and how it is explained.
//!
//! It turns words into values and does nothing else; `main.rs` acts on them.

mod outside;
mod spool;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ringtap_common::tunnel::Kind;

pub use outside::{OutsideArgs, RegistersArgs, RequestsArgs, State};
pub use spool::{SpoolArgs, SpoolCommand, SpoolFormat};

/// VoIP monitoring sensor: SIP and RTP from a mirror port into call records and PCAP.
#[derive(Debug, Parser)]
#[command(name = "ringtap", version, about, long_about = None, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 it failed (one line says why), 2 wrong usage.\n\
    Log level: RINGTAP_LOG=error|warn|info|debug|trace (default info, to standard error).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Capture live until SIGTERM or SIGINT; then finish calls, seal the spool and exit 0.
    Run(RunArgs),
    /// Read capture files and print or store the records of their calls.
    Replay(ReplayArgs),
    /// List recorded calls, or with --live those that run.
    Calls(CallsArgs),
    /// Sum up recorded calls: answered, ASR, NER, the ratios and delays of RFC 6076, MOS.
    Summary(SummaryArgs),
    /// Show one call, also one that still runs: its ladder, its streams, its quality.
    Call(CallArgs),
    /// List registrations: each change of their state.
    Registers(RegistersArgs),
    /// List SIP MESSAGEs.
    Messages(OutsideArgs),
    /// List other SIP requests outside of calls (OPTIONS, SUBSCRIBE, …), malformed ones included.
    Requests(RequestsArgs),
    /// Write packets (SIP, RTP, RTCP, in order of time) to a capture file: one call's, those of all
    /// calls that filters find, or all between two times.
    Pcap(PcapArgs),
    /// Write one call's audio to a WAV file: the caller left, the callee right.
    Audio(AudioArgs),
    /// List, verify or rebuild the spool's segments and indexes.
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Print the ledger of the running sensor: what became of every frame.
    Status(StatusArgs),
    /// Examine the kernel, the interfaces, the disk and live traffic, before a sensor runs here.
    Doctor(DoctorArgs),
    /// Check a configuration file and say what is wrong, line by line.
    CheckConfig(CheckConfigArgs),
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Configuration file (`key = value` lines) [default: /etc/ringtap/ringtap.conf if it exists]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one configuration key, over what the file says; may be repeated
    #[arg(short = 'O', long = "option", value_name = "KEY=VALUE")]
    pub options: Vec<String>,
}

/// `ringtap run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Interface to capture on, or any; may be repeated. None is needed with `-O hep=yes`,
    /// `-O ipfix=yes` or `-O listen_udp_tunnels=…`, which listen for what capture agents, session
    /// border controllers and mirrors send
    #[arg(short, long, value_name = "IFACE")]
    pub interface: Vec<String>,
    /// How to capture: auto, xdp, xdp-generic, packet, or tcx with `-O mode=host`
    #[arg(long, value_name = "HOW")]
    pub capture: Option<String>,
    /// Where records go: sqlite:PATH, mysql or mysql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Where packets go; what savesip, savertp and savertcp say, or all if they say nothing
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Capture on an interface that carries this host's own address (its own traffic is then
    /// taken from the host where it looks like VoIP)
    #[arg(long)]
    pub allow_own_address: bool,
}

/// How `replay` and the lists print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

/// `ringtap replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Capture files (pcap or pcapng; `-` is standard input), read one after the other
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Worker threads; records are the same for any number [default: one a core, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// How to print the records
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also keep packets in a spool below this folder: what savesip, savertp and savertcp say, or
    /// all if they say nothing
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Also store the records: sqlite:PATH, mysql or mysql://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Write the ledger as JSON to this file (`-`: standard error)
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// With JSON: the course of each stream over time, too
    #[arg(long)]
    pub intervals: bool,
    /// Print no records (only store them, or measure)
    #[arg(long)]
    pub quiet: bool,
    /// Say what is in the files instead, and what a sensor would miss of it, one line a finding;
    /// nothing is stored. Exit code 1 if there is a problem
    #[arg(long, conflicts_with_all = ["store", "spool", "quiet", "intervals"])]
    pub explain: bool,
}

/// `ringtap doctor`
#[derive(Debug, Args)]
#[command(after_help = "Each line is a finding: ok, note, warning or problem; what it is about; \
    what is,\nwhat it means, what to do. Exit codes: 0 no problem, 1 a problem, 2 wrong usage.\n\
    Nothing is changed, and no frame is taken from anybody.")]
pub struct DoctorArgs {
    /// What would be run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Look at live traffic for so many seconds; 0: not at all
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(0..=3600))]
    pub seconds: u16,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: FindingFormat,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FindingFormat {
    /// A line for each, for people.
    #[default]
    Table,
    /// A JSON object for each, with state, about, what, means and do.
    Json,
}

/// Which store to ask.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The store to ask: sqlite:PATH, mysql or mysql://USER@HOST/DATABASE [default: the
    /// configuration's]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
}

/// Which calls are asked for; everything that is given must hold.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Calls that began at or after T: RFC 3339, `YYYY-MM-DD HH:MM:SS`, UNIX seconds, or -1h
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Calls that began before T
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Caller's number begins with P
    #[arg(long, value_name = "P")]
    pub caller: Option<String>,
    /// Called number begins with P
    #[arg(long, value_name = "P")]
    pub called: Option<String>,
    /// SIP or media address lies in CIDR
    #[arg(long, value_name = "CIDR")]
    pub ip: Option<String>,
    /// Recorded by sensor N
    #[arg(long, value_name = "N")]
    pub sensor: Option<u16>,
    /// Final SIP response is N
    #[arg(long, value_name = "N")]
    pub response: Option<u16>,
    /// Lowest MOS is below X
    #[arg(long, value_name = "X")]
    pub mos_below: Option<f32>,
    /// One of its streams has codec C
    #[arg(long, value_name = "C")]
    pub codec: Option<String>,
    /// A user agent contains A
    #[arg(long, value_name = "A")]
    pub agent: Option<String>,
    /// A header that custom_headers_cdr names has this value (X-Tenant=acme, X-Tenant=ac*)
    #[arg(long, value_name = "NAME=VALUE")]
    pub header: Option<String>,
    /// Its first message came through such a tunnel (vxlan, gre, erspan2; vxlan:42)
    #[arg(long, value_name = "TYPE[:NUMBER]", value_parser = tunnel)]
    pub tunnel: Option<String>,
}

/// A tunnel's kind must be one that records can have.
fn tunnel(text: &str) -> Result<String, String> {
    let kind = text.split(':').next().unwrap_or_default();
    if Kind::from_label(kind).is_none() {
        let kinds = Kind::ALL.map(Kind::label).join(", ");
        return Err(format!("there is no such kind of tunnel; there are {kinds}"));
    }
    Ok(text.to_owned())
}

/// `ringtap calls`
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Which calls.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Put the legs of one call together (joined by Session-ID, Replaces or `matchheader`), also
    /// legs that the filters do not find; at most 10000 calls
    #[arg(long, conflicts_with = "live")]
    pub legs: bool,
    /// List the calls that the running sensor has in progress, the latest first, with their
    /// quality and whose loss it was so far (at most 1000)
    #[arg(long)]
    pub live: bool,
    /// The running sensor's status socket, for --live [default: the configuration's]
    #[arg(long, value_name = "PATH", requires = "live")]
    pub socket: Option<PathBuf>,
    /// At most N calls, the newest
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How `summary` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SumFormat {
    /// A line for each figure, for people.
    #[default]
    Table,
    /// One JSON object.
    Json,
}

/// `ringtap summary`
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Which calls.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only the newest N of them
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: SumFormat,
}

/// `ringtap call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The record's ID, or a Call-ID
    #[arg(value_name = "ID")]
    pub id: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The running sensor's status socket, for a call without a record yet [default: the
    /// configuration's]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// With JSON: the course of each stream over time, too
    #[arg(long)]
    pub intervals: bool,
}

/// `ringtap pcap`
#[derive(Debug, Args)]
#[command(after_help = "--since and --until alone take every packet between both, of calls that \
    run and of\nnone, and need no store. With another filter, whole recorded calls are taken: \
    those that\n`ringtap calls` lists with the same filters.")]
pub struct PcapArgs {
    /// The record's ID, or a Call-ID; without one, filters say which calls
    #[arg(value_name = "ID|CALL-ID")]
    pub id: Option<String>,
    /// Whole calls that pass. Times alone: every packet in between, whether of a call or not.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// With filters: at most N calls, the newest
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: usize,
    /// All recorded legs of the call, in one file
    #[arg(long)]
    pub legs: bool,
    /// Leave out the tunnels (GRE, VXLAN …) that the packets were mirrored in: Ethernet frames of
    /// the calls themselves
    #[arg(long)]
    pub decapsulate: bool,
    /// The file to write: pcapng, or pcap if it ends in .pcap (`-`: standard output, pcapng)
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The running sensor's status socket, for a call without a record yet [default: the
    /// configuration's]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The spool's root, or several between colons [default: the configuration's spooldir]
    #[arg(long, value_name = "DIR[:DIR]")]
    pub spool: Option<PathBuf>,
}

/// `ringtap audio`
#[derive(Debug, Args)]
#[command(after_help = "Decoded are G.711 (PCMU, PCMA), G.722 and Opus; other codecs, encrypted \
    audio,\ncomfort noise, DTMF events and missing packets are silence. 8 kHz, 16 kHz with \
    G.722,\n48 kHz with Opus. The file is readable for its owner alone.")]
pub struct AudioArgs {
    /// The record's ID, or a Call-ID
    #[arg(value_name = "ID|CALL-ID")]
    pub id: String,
    /// The WAV file to write (`-`: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The spool's root, or several between colons [default: the configuration's spooldir]
    #[arg(long, value_name = "DIR[:DIR]")]
    pub spool: Option<PathBuf>,
}

/// `ringtap status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The running sensor's status socket [default: the configuration's]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ringtap check-config`
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// The file to check [default: /etc/ringtap/ringtap.conf]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn relative_times_are_not_taken_for_options() {
        let cli = Cli::try_parse_from(["ringtap", "calls", "--since", "-1h"]).unwrap();
        let Command::Calls(args) = cli.command else { unreachable!() };
        assert_eq!(args.filter.since.as_deref(), Some("-1h"));
    }
}
