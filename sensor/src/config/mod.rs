//! The configuration: a file of `key = value` lines, read into types.
//!
//! In the order of the way: `lines` takes the file apart, `keys` says which keys there are and
//! puts their values into a [`Config`], `check` judges a whole file for people. Nobody else reads
//! configuration; what it means for each crate is not known here.

mod check;
mod error;
mod hep;
mod ipfix;
mod keys;
mod lines;
mod names;
mod side_tables;
#[cfg(test)]
mod tests;
mod tunnels;
mod value;

use std::io::Read;
use std::path::{Path, PathBuf};

use ringtap_capture::Method;
use ringtap_capture::open::ANY;
use ringtap_cdr::MysqlOptions;

pub use check::{Report, check};
pub use error::ConfigError;
pub use hep::Hep;
pub use ipfix::Ipfix;
pub use lines::Fault;
pub use side_tables::{SaveSdp, SipHistory};
pub use tunnels::{Listen, TunnelPorts};
pub use value::PortRange;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/ringtap/ringtap.conf";

/// What the product is told; every field under its key's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Interfaces to capture on.
    pub interface: Vec<String>,
    /// By which means.
    pub capture: Method,
    /// What becomes of frames that are not VoIP.
    pub mode: Mode,
    /// Frames that are not addressed to this host are taken too.
    pub promisc: bool,
    /// An interface may be taken that carries this host's own address.
    pub allow_own_address: bool,
    /// Time is taken in the kernel program.
    pub kernel_timestamps: bool,
    /// The driver is asked for zero-copy.
    pub zero_copy: bool,
    /// Huge pages are asked for.
    pub huge_pages: bool,
    /// The reading thread does the kernel's receive work,
    pub busy_poll: bool,
    /// for so many µs at a time.
    pub busy_poll_us: u32,
    /// Buffers of 4 KiB for each queue of an interface (XDP).
    pub xdp_buffers: u32,
    /// Ring of each packet socket, MiB.
    pub ringbuffer_mb: u32,
    /// Packet sockets of an interface, and workers at least; `None`: one a processor, or a queue.
    pub workers: Option<u16>,
    /// Which frames go to the worker of their flow.
    pub spread: Spread,
    /// Where workers are pinned, in turn; empty: on the processors that the process may use.
    pub cpus: Vec<usize>,
    /// Real-time priority of workers, 0 for none.
    pub worker_priority: u8,
    /// Ports of SIP.
    pub sipport: Vec<PortRange>,
    /// Ports on which media is looked for.
    pub media_ports: Vec<PortRange>,
    /// Ports of tunnels.
    pub tunnel_ports: TunnelPorts,
    /// Debug recordings by AudioCodes are opened.
    pub audiocodes: bool,
    /// Tunnels in tunnels that are opened at most; 0: none is.
    pub tunnel_depth: u8,
    /// The listener for tunnels.
    pub listen: Listen,
    /// What agents send is received.
    pub hep: Hep,
    /// What Oracle's session border controllers send is received.
    pub ipfix: Ipfix,
    /// How media is told from other datagrams.
    pub media_filter: MediaFilter,
    /// Mirrored duplicates are dropped.
    pub deduplicate: bool,
    /// How far apart in time duplicates are.
    pub deduplicate_window_ms: u32,
    /// The sensor's number, 0 for none.
    pub id_sensor: u16,
    /// Keeps equal Call-IDs and addresses of different sites apart; the sensor's number unless
    /// it is given.
    pub realm: u32,
    realm_given: bool,
    /// Calls at once, for each worker.
    pub calls_max: usize,
    /// RTP streams at once, over all workers.
    pub streams_max: usize,
    /// Timeouts and limits of calls; see [`ringtap_call::Options`] for each.
    pub absolute_timeout: u32,
    /// Silence of media and signalling after media was seen, seconds.
    pub rtptimeout: u32,
    /// A call without media, seconds.
    pub sipwithoutrtptimeout: u32,
    /// An INVITE that nobody answers, seconds.
    pub onewaytimeout: u32,
    /// A BYE that nobody answers, seconds.
    pub bye_timeout: u32,
    /// A 3xx that nobody acknowledges, seconds.
    pub redirect_response_300_timeout: u32,
    /// Another final response that nobody acknowledges, seconds.
    pub response_default_timeout: u32,
    /// A 401 or 407 that no credentials follow, seconds.
    pub challenge_timeout: u32,
    /// An acknowledged refusal that asks for another INVITE, seconds.
    pub retry_timeout: u32,
    /// A CANCEL without the INVITE's final response, seconds.
    pub cancel_timeout: u32,
    /// An INVITE without ringing, answer or media, seconds.
    pub zombie_timeout: u32,
    /// Messages of one call.
    pub max_sip_packets_in_call: u32,
    /// INVITEs of one call.
    pub max_invite_packets_in_call: u32,
    /// Response times count from the first INVITE.
    pub response_time_from_first_invite: bool,
    /// The different responses of each call are stored.
    pub save_sip_responses: bool,
    /// Which messages of each call are stored.
    pub save_sip_history: SipHistory,
    /// Which announced media endpoints are stored.
    pub save_sdp_ipport: SaveSdp,
    /// Where the INVITE went besides is stored.
    pub cdrproxy: bool,
    /// Remote-Party-ID names the caller.
    pub remotepartyid: bool,
    /// P-Asserted-Identity names the caller.
    pub passertedidentity: bool,
    /// P-Preferred-Identity names the caller.
    pub ppreferredidentity: bool,
    /// Remote-Party-ID goes before the other two.
    pub remotepartypriority: bool,
    /// Headers whose values tie the legs of one call together.
    pub matchheader: Vec<String>,
    /// The same: legs are joined by it, and stay records of their own.
    pub callidmerge_header: Vec<String>,
    /// Headers whose values are kept of calls,
    pub custom_headers_cdr: Vec<String>,
    /// and of MESSAGEs;
    pub custom_headers_message: Vec<String>,
    /// of several values the last, not the first,
    pub custom_headers_last_value: bool,
    /// up to so many bytes.
    pub custom_headers_max_size: usize,
    /// REGISTER becomes records of registrations.
    pub sip_register: bool,
    /// MESSAGE outside of calls becomes records,
    pub sip_message: bool,
    /// without what it says.
    pub hide_message_content: bool,
    /// OPTIONS outside of calls becomes records.
    pub sip_options: bool,
    /// SUBSCRIBE outside of calls becomes records.
    pub sip_subscribe: bool,
    /// NOTIFY outside of calls becomes records.
    pub sip_notify: bool,
    /// Any other request outside of calls becomes records.
    pub sip_other: bool,
    /// Equal requests with equal outcome become one record in so many seconds; 0: one each.
    pub sip_msg_repeat_seconds: u32,
    /// A REGISTER that nobody answers, seconds.
    pub sip_register_timeout: u32,
    /// Failures of a registration in a row become one record in so many seconds.
    pub sip_register_state_timeout: u32,
    /// Requests outside of calls that are waited on at once, for each worker.
    pub transactions_max: usize,
    /// Registrations that are remembered at once, for each worker.
    pub registrations_max: usize,
    /// Where records go.
    pub store: Option<String>,
    /// The server of a store that is one.
    pub mysql: MysqlOptions,
    /// The root of the spool.
    pub spooldir: PathBuf,
    /// Further roots, which are only read.
    pub spooldir_more: Vec<PathBuf>,
    /// SIP is kept.
    pub savesip: bool,
    /// How much of RTP is kept.
    pub savertp: SaveRtp,
    /// RTCP is kept.
    pub savertcp: bool,
    /// SIP is compressed.
    pub tar_compress_sip: bool,
    /// RTP and RTCP are compressed.
    pub tar_compress_rtp: bool,
    /// zstd's level for SIP.
    pub tar_sip_level_zstd: i32,
    /// zstd's level for RTP.
    pub tar_rtp_level_zstd: i32,
    /// Memory of the spool's chunks, MiB.
    pub spool_pool_mb: u32,
    /// A chunk is written at this age.
    pub spool_chunk_ms: u32,
    /// A segment is sealed at this size, MiB.
    pub spool_segment_mb: u64,
    /// A segment is sealed at this age, seconds.
    pub spool_segment_s: u32,
    /// Old segments of the spool are removed,
    pub cleanspool: bool,
    /// by these limits.
    pub retention: ringtap_spool::Retention,
    /// Where a running sensor answers `ringtap status` and `ringtap calls --live`.
    pub status_socket: PathBuf,
}

/// How much of RTP is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveRtp {
    /// Whole packets.
    Yes,
    /// Nothing.
    No,
    /// Up to the end of the RTP header.
    Header,
}

/// How media is told from other datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaFilter {
    /// By port and first bytes.
    Default,
    /// From and to endpoints that calls have named.
    Learned,
}

/// Which frames go from the worker that reads them to the one of their flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All where there are several interfaces, or more workers than queues; else as `Tunnels`.
    Auto,
    /// Those in tunnels.
    Tunnels,
    /// All.
    All,
    /// None.
    No,
}

/// What becomes of frames that are not VoIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A mirror port: they are dropped.
    Span,
    /// They go on to the host.
    PassRest,
    /// Those in a mirror's tunnels are dropped; all others go on to the host, as does VoIP that
    /// is addressed to it.
    Tunnel,
    /// All frames are the host's own, and nothing is taken from it.
    Host,
}

impl Default for Config {
    fn default() -> Self {
        let call = ringtap_call::Options::default();
        Self {
            interface: Vec::new(),
            capture: Method::Auto,
            mode: Mode::Span,
            promisc: true,
            allow_own_address: false,
            kernel_timestamps: true,
            zero_copy: true,
            huge_pages: true,
            busy_poll: false,
            busy_poll_us: 20,
            xdp_buffers: 8192,
            ringbuffer_mb: 50,
            workers: None,
            spread: Spread::Auto,
            cpus: Vec::new(),
            worker_priority: 0,
            sipport: vec![(5060, 5060)],
            media_ports: vec![(1024, u16::MAX)],
            tunnel_ports: TunnelPorts::default(),
            audiocodes: false,
            tunnel_depth: ringtap_common::peel::DEPTH,
            listen: Listen::default(),
            hep: Hep::default(),
            ipfix: Ipfix::default(),
            media_filter: MediaFilter::Default,
            deduplicate: true,
            deduplicate_window_ms: 20,
            id_sensor: 0,
            realm: 0,
            realm_given: false,
            calls_max: call.calls_max,
            streams_max: 262_144,
            absolute_timeout: call.absolute_timeout,
            rtptimeout: call.rtptimeout,
            sipwithoutrtptimeout: call.sipwithoutrtptimeout,
            onewaytimeout: call.onewaytimeout,
            bye_timeout: call.bye_timeout,
            redirect_response_300_timeout: call.redirect_response_300_timeout,
            response_default_timeout: call.response_default_timeout,
            challenge_timeout: call.challenge_timeout,
            retry_timeout: call.retry_timeout,
            cancel_timeout: call.cancel_timeout,
            zombie_timeout: call.zombie_timeout,
            max_sip_packets_in_call: call.max_sip_packets_in_call,
            max_invite_packets_in_call: call.max_invite_packets_in_call,
            response_time_from_first_invite: call.response_time_from_first_invite,
            save_sip_responses: false,
            save_sip_history: SipHistory::default(),
            save_sdp_ipport: SaveSdp::Last,
            cdrproxy: true,
            remotepartyid: false,
            passertedidentity: false,
            ppreferredidentity: false,
            remotepartypriority: false,
            matchheader: Vec::new(),
            callidmerge_header: Vec::new(),
            custom_headers_cdr: Vec::new(),
            custom_headers_message: Vec::new(),
            custom_headers_last_value: true,
            custom_headers_max_size: 0,
            sip_register: call.recorded.register,
            sip_message: call.recorded.message,
            hide_message_content: true,
            sip_options: call.recorded.options,
            sip_subscribe: call.recorded.subscribe,
            sip_notify: call.recorded.notify,
            sip_other: call.recorded.other,
            sip_msg_repeat_seconds: 600,
            sip_register_timeout: call.sip_register_timeout,
            sip_register_state_timeout: call.sip_register_state_timeout,
            transactions_max: call.transactions_max,
            registrations_max: call.registrations_max,
            store: None,
            mysql: MysqlOptions::default(),
            spooldir: PathBuf::from("/var/spool/ringtap"),
            spooldir_more: Vec::new(),
            savesip: false,
            savertp: SaveRtp::No,
            savertcp: false,
            tar_compress_sip: true,
            tar_compress_rtp: false,
            tar_sip_level_zstd: 1,
            tar_rtp_level_zstd: 1,
            spool_pool_mb: 64,
            spool_chunk_ms: 2000,
            spool_segment_mb: 128,
            spool_segment_s: 300,
            cleanspool: true,
            retention: ringtap_spool::Retention::default(),
            status_socket: PathBuf::from("/run/ringtap/status.sock"),
        }
    }
}

impl Config {
    /// Whether anything is listened to.
    pub fn listens(&self) -> bool {
        self.hep.on || self.ipfix.on || self.listen.is_on()
    }

    /// Whether frames are only looked at, and nothing is taken from the host.
    pub fn takes_nothing(&self) -> bool {
        self.mode == Mode::Host || self.takes_any()
    }

    /// Whether XDP is tried.
    pub fn tries_xdp(&self) -> bool {
        self.capture != Method::Packet && !self.takes_nothing()
    }

    /// Whether all interfaces are meant.
    pub fn takes_any(&self) -> bool {
        self.interface.iter().any(|name| name == ANY)
    }

    /// What contradicts itself, so that capture cannot start.
    pub fn contradiction(&self) -> Option<&'static str> {
        let takes = matches!(self.capture, Method::Xdp | Method::XdpGeneric);
        if self.takes_any() && self.interface.len() > 1 {
            Some("interface = any means all of them: name no others beside it")
        } else if self.takes_any() && !matches!(self.mode, Mode::Span | Mode::Host) {
            Some("interface = any goes with mode = host or span: the others take from the host")
        } else if self.takes_nothing() && takes {
            Some(
                "XDP takes frames from the host: with mode = host or interface = any, capture is \
                 auto, tcx or packet",
            )
        } else if !self.takes_nothing() && self.capture == Method::Tcx {
            Some("capture = tcx takes nothing from the host: it goes with mode = host")
        } else {
            None
        }
    }
}

#[cfg(test)]
impl Config {
    /// The defaults, changed.
    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut config = Self::default();
        change(&mut config);
        config
    }
}

/// The defaults, changed by the file (or by [`DEFAULT_FILE`], if there is one), with what is to
/// be warned of. The first error ends it.
pub fn load(file: Option<&Path>) -> Result<(Config, Vec<ConfigError>), ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    if file.is_none() && !path.exists() {
        return Ok((Config::default(), Vec::new()));
    }
    let read = read(path)?;
    match read.errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok((read.config, read.warnings)),
    }
}

/// A file with all that is wrong with it.
struct ReadFile {
    config: Config,
    keys: usize,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

fn read(path: &Path) -> Result<ReadFile, ConfigError> {
    let file = path.display().to_string();
    let bytes = bytes(path).map_err(|why| ConfigError::File { file: file.clone(), why })?;
    let mut read =
        ReadFile { config: Config::default(), keys: 0, errors: Vec::new(), warnings: Vec::new() };
    let mut begun = keys::Begun::default();
    for line in lines::lines(&bytes) {
        let origin = format!("{file}:{}", line.number);
        let result = match line.content {
            Ok((key, value)) => {
                read.keys += 1;
                keys::put(&mut read.config, &mut begun, &origin, key, value)
            }
            Err(why) => Err(ConfigError::Line { origin, why }),
        };
        match result {
            Ok(()) => {}
            Err(error) if error.is_warning() => read.warnings.push(error),
            Err(error) => read.errors.push(error),
        }
    }
    Ok(read)
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let mut bytes = Vec::new();
    file.take(lines::FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > lines::FILE_MAX {
        return Err(format!("larger than {} bytes: no configuration", lines::FILE_MAX));
    }
    Ok(bytes)
}
