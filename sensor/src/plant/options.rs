//! The configuration as each crate wants it: here, and nowhere else, settings become options.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use compact_str::CompactString;
use ringtap_call::CustomHeaders;
use ringtap_capture::affinity::processors;
use ringtap_capture::open::{ANY, HostOptions};
use ringtap_capture::packet_socket::PacketOptions;
use ringtap_capture::tcx::TcxOptions;
use ringtap_capture::tcx::load::Rings;
use ringtap_capture::xdp::{BusyPoll, XdpOptions};
use ringtap_common::maps::{self, PortSet, PortSets};
use ringtap_common::tunnel::Kind;
use ringtap_sip::Header;
use ringtap_spool::Compression;

use super::opening;
use crate::config::{Config, MediaFilter, Mode, SaveRtp, Spread};
use crate::worker::record::dialog::Kept;
use crate::worker::spooling::{self, Saving};
use crate::worker::spread::Which;
use crate::worker::streams;
use crate::{hep, ipfix, tunnels};

/// UDP ports at which tunnels are listened to, at most: each has a thread.
const SOCKETS_MAX: usize = 16;

/// How much of a MESSAGE's text is kept, in bytes.
const MESSAGE_TEXT_MAX: usize = 4096;

/// Which ports mean what.
pub fn ports(config: &Config) -> PortSets {
    let mut sets = PortSets::EMPTY;
    let fill = |set: &mut PortSet, ranges: &[(u16, u16)]| {
        ranges.iter().for_each(|(first, last)| set.insert_range(*first, *last));
    };
    fill(&mut sets.sip_udp, &config.sipport);
    fill(&mut sets.sip_tcp, &config.sipport);
    fill(&mut sets.media, &config.media_ports);
    config.tunnel_ports.fill(&mut sets, config.audiocodes || config.listen.audiocodes());
    sets
}

/// How long copies of a frame are recognised; `None`: they are not.
pub fn dedup_window_ns(config: &Config) -> Option<u64> {
    config.deduplicate.then(|| u64::from(config.deduplicate_window_ms) * 1_000_000)
}

/// Slots of the kernel's duplicate table: as many more as the window is longer than usual.
fn dedup_slots(config: &Config) -> u32 {
    let times = dedup_window_ns(config).unwrap_or(0).div_ceil(maps::DEDUP_WINDOW_NS).max(1);
    let slots = u64::from(maps::DEDUP_SLOTS).saturating_mul(times.next_power_of_two());
    u32::try_from(slots).unwrap_or(u32::MAX).min(maps::DEDUP_SLOTS_MAX)
}

/// Which frames go to the worker of their flow, with interfaces of so many queues each.
pub fn spread(config: &Config, queues: &[usize], workers: usize) -> Option<Which> {
    let all = queues.len() > 1 || queues.iter().any(|queues| *queues < workers);
    match config.spread {
        Spread::Auto if all => Some(Which::All),
        Spread::All => Some(Which::All),
        Spread::Auto | Spread::Tunnels if workers > 1 => Some(Which::Tunnels),
        Spread::Auto | Spread::Tunnels | Spread::No => None,
    }
}

/// The call table.
pub fn calls(config: &Config) -> ringtap_call::Options {
    ringtap_call::Options {
        realm: u64::from(config.realm),
        calls_max: config.calls_max,
        absolute_timeout: config.absolute_timeout,
        rtptimeout: config.rtptimeout,
        sipwithoutrtptimeout: config.sipwithoutrtptimeout,
        onewaytimeout: config.onewaytimeout,
        bye_timeout: config.bye_timeout,
        redirect_response_300_timeout: config.redirect_response_300_timeout,
        response_default_timeout: config.response_default_timeout,
        challenge_timeout: config.challenge_timeout,
        retry_timeout: config.retry_timeout,
        cancel_timeout: config.cancel_timeout,
        zombie_timeout: config.zombie_timeout,
        max_sip_packets_in_call: config.max_sip_packets_in_call,
        max_invite_packets_in_call: config.max_invite_packets_in_call,
        response_time_from_first_invite: config.response_time_from_first_invite,
        caller_headers: caller_headers(config),
        recorded: ringtap_call::Recorded {
            register: config.sip_register,
            message: config.sip_message,
            options: config.sip_options,
            subscribe: config.sip_subscribe,
            notify: config.sip_notify,
            other: config.sip_other,
        },
        transactions_max: config.transactions_max,
        registrations_max: config.registrations_max,
        sip_register_timeout: config.sip_register_timeout,
        sip_register_state_timeout: config.sip_register_state_timeout,
        message_text_max: if config.hide_message_content { 0 } else { MESSAGE_TEXT_MAX },
        ..ringtap_call::Options::default()
    }
}

/// Which side tables of the schema are filled.
pub fn side_tables(config: &Config) -> Kept {
    Kept {
        responses: config.save_sip_responses,
        history: config.save_sip_history,
        sdp: config.save_sdp_ipport,
        proxies: config.cdrproxy,
    }
}

/// Headers that name the caller. The network's word goes before the caller's own; Remote-Party-ID,
/// which came before both, goes first where that is wanted.
fn caller_headers(config: &Config) -> [Option<Header>; 3] {
    let asserted = config.passertedidentity.then_some(Header::PAssertedIdentity);
    let preferred = config.ppreferredidentity.then_some(Header::PPreferredIdentity);
    let remote = config.remotepartyid.then_some(Header::RemotePartyId);
    if config.remotepartypriority {
        [remote, asserted, preferred]
    } else {
        [asserted, preferred, remote]
    }
}

/// Headers whose values tie the legs of one call together.
pub fn match_headers(config: &Config) -> Vec<CompactString> {
    let names = config.matchheader.iter().chain(&config.callidmerge_header);
    names.map(|name| name.as_str().into()).collect()
}

/// Headers whose values are kept, of calls and of MESSAGEs.
pub fn custom_headers(config: &Config) -> [CustomHeaders; 2] {
    const VALUE_MAX: usize = 255;
    let value_max = match config.custom_headers_max_size {
        0 => VALUE_MAX,
        given => given,
    };
    [&config.custom_headers_cdr, &config.custom_headers_message].map(|names| {
        let names = names.iter().map(|name| name.as_str().into()).collect();
        CustomHeaders::new(names, config.custom_headers_last_value, value_max)
    })
}

/// The stream table of one of `workers` workers.
pub fn streams(config: &Config, workers: usize, seed: u64) -> streams::Options {
    streams::Options {
        streams_max: config.streams_max.div_ceil(workers.max(1)),
        idle_ns: u64::from(config.rtptimeout) * 1_000_000_000,
        seed,
    }
}

/// What is kept of the packets.
pub fn saving(config: &Config) -> Saving {
    Saving {
        sip: config.savesip,
        rtp: match config.savertp {
            SaveRtp::Yes => spooling::SaveRtp::Whole,
            SaveRtp::Header => spooling::SaveRtp::Header,
            SaveRtp::No => spooling::SaveRtp::No,
        },
        rtcp: config.savertcp,
        realm: config.realm,
    }
}

/// The spool; `None`: nothing is kept.
pub fn spool(config: &Config, lossless: bool) -> Option<ringtap_spool::Options> {
    if !config.savesip && !config.savertcp && config.savertp == SaveRtp::No {
        return None;
    }
    let packing = |zstd, level| if zstd { Compression::Zstd(level) } else { Compression::None };
    let mut options = ringtap_spool::Options::new(config.spooldir.clone());
    options.sensor = u32::from(config.id_sensor);
    options.lossless = lossless;
    options.compression_sip = packing(config.tar_compress_sip, config.tar_sip_level_zstd);
    options.compression_rtp = packing(config.tar_compress_rtp, config.tar_rtp_level_zstd);
    options.pool_bytes = (config.spool_pool_mb as usize) << 20;
    options.chunk_age_ns = u64::from(config.spool_chunk_ms) * 1_000_000;
    options.segment_bytes = config.spool_segment_mb << 20;
    options.segment_age = Duration::from_secs(u64::from(config.spool_segment_s));
    // What is read from files may be old, and is wanted all the same.
    options.retention = (config.cleanspool && !lossless).then(|| config.retention.clone());
    Some(options)
}

/// How to open an interface, by XDP or by packet sockets.
pub fn capture(config: &Config, interface: &str, origin: u16) -> (XdpOptions, PacketOptions) {
    let mut xdp = XdpOptions::new(interface);
    xdp.promiscuous = config.promisc;
    xdp.allow_own_address = config.allow_own_address;
    xdp.buffers = config.xdp_buffers;
    xdp.zero_copy = config.zero_copy;
    xdp.huge_pages = config.huge_pages;
    xdp.busy_poll =
        config.busy_poll.then(|| BusyPoll { time_us: config.busy_poll_us, ..BusyPoll::default() });
    xdp.origin = origin;
    *xdp.program.ports = ports(config);
    xdp.program.dedup_slots = dedup_slots(config);
    let settings = &mut xdp.program.settings;
    settings.dedup_window_ns = dedup_window_ns(config).unwrap_or(0);
    settings.kernel_timestamps = u8::from(config.kernel_timestamps);
    settings.tunnel_depth = config.tunnel_depth;
    settings.mode = match config.mode {
        Mode::Span => maps::Mode::Span as u8,
        Mode::PassRest => maps::Mode::PassRest as u8,
        Mode::Tunnel => maps::Mode::Tunnel as u8,
        // Programs that take nothing do not ask.
        Mode::Host => maps::Mode::PassRest as u8,
    };
    settings.media = match config.media_filter {
        MediaFilter::Default => maps::MediaFilter::ByContent as u8,
        MediaFilter::Learned => maps::MediaFilter::Learned as u8,
    };
    let mut packet = PacketOptions::new(interface);
    packet.promiscuous = config.promisc;
    packet.origin = origin;
    packet.sockets = workers(config);
    packet.ring_bytes = (config.ringbuffer_mb as usize) << 20;
    (xdp, packet)
}

/// How to open interfaces from which nothing is taken.
pub fn host(config: &Config) -> HostOptions {
    let any = config.takes_any();
    // Promiscuity brings nothing of the host's own.
    let promiscuous = config.promisc && config.mode != Mode::Host;
    let workers = config.workers.map_or(1, usize::from);
    let bytes = (config.ringbuffer_mb as usize) << 20;
    let (origin, rings) = (0, Rings { count: workers, bytes });
    let interfaces = if any { Vec::new() } else { config.interface.clone() };
    let (xdp, _) = capture(config, ANY, origin);
    let mut program = xdp.program;
    // Copies are told in user space, and time is always taken.
    program.settings.dedup_window_ns = 0;
    let packet = (0..).zip(&config.interface).map(|(origin, name)| {
        let (_, packet) = capture(config, name, origin);
        PacketOptions { sockets: workers, promiscuous, outgoing: true, ..packet }
    });
    let packet = packet.collect();
    HostOptions { tcx: TcxOptions { interfaces, program, rings, promiscuous, origin }, packet }
}

/// Whether media passes the kernel only from and to endpoints that calls have announced.
pub fn learned_media(config: &Config) -> bool {
    config.media_filter == MediaFilter::Learned
}

/// The processor that a worker is pinned to: those named, else all in turn.
pub fn processor_of(config: &Config, worker: usize) -> Option<usize> {
    let all = if config.cpus.is_empty() { processors() } else { config.cpus.clone() };
    all.get(worker % all.len().max(1)).copied()
}

/// What the configuration says is kept below `folder`; everything, if it says nothing.
pub fn save_all(config: &mut Config, folder: &Path) {
    config.spooldir = folder.to_owned();
    if !config.savesip && !config.savertcp && config.savertp == SaveRtp::No {
        (config.savesip, config.savertp, config.savertcp) = (true, SaveRtp::Yes, true);
    }
}

/// Nothing is kept.
pub fn save_nothing(config: &mut Config) {
    (config.savesip, config.savertp, config.savertcp) = (false, SaveRtp::No, false);
}

/// The HEP listener; `None`: there is none.
pub fn hep(config: &Config) -> anyhow::Result<Option<hep::Options>> {
    let told = &config.hep;
    let tls = match (&told.tls_cert, &told.tls_key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (certificate.clone(), key.clone());
            Some(hep::Tls { port: told.tls_port, certificate, key })
        }
        (None, None) => None,
        _ => anyhow::bail!("hep_tls_cert and hep_tls_key go together: give both, or neither"),
    };
    Ok(told.on.then(|| hep::Options {
        address: told.bind_ip,
        port: told.bind_port,
        udp: told.bind_udp,
        tls,
        key: told.auth_key.clone(),
        kamailio: told.kamailio,
        system_time: told.system_time,
        skew_max: Duration::from_secs(told.skew_max_s.into()),
        log: told.log,
        connections: told.connections,
        realm: config.realm,
    }))
}

/// The IPFIX listener; `None`: there is none.
pub fn ipfix(config: &Config) -> Option<ipfix::Options> {
    let told = &config.ipfix;
    told.on.then(|| ipfix::Options {
        address: told.bind_ip,
        port: told.bind_port,
        system_time: told.system_time,
        skew_max: Duration::from_secs(told.skew_max_s.into()),
        connections: told.connections,
        realm: config.realm,
    })
}

/// The listener for tunnels; `None`: there is none.
pub fn tunnels(config: &Config) -> anyhow::Result<Option<tunnels::Options>> {
    let (told, ports) = (&config.listen, &config.tunnel_ports);
    if !told.is_on() {
        return Ok(None);
    }
    if config.tunnel_depth == 0 {
        anyhow::bail!(
            "tunnels are listened to, and tunnel_depth = 0 opens none: set it to 1 or more"
        );
    }
    let first = |kind: Kind| {
        let name = if kind == Kind::GreUdp { "gre" } else { kind.label() };
        let wanted = format!("{} is listened to: udp_port_{name} must name its port", kind.title());
        ports.of(kind).find(|port| *port > 0).context(wanted)
    };
    let mut udp: Vec<(Kind, u16)> = Vec::new();
    for kind in &told.udp {
        first(*kind)?;
        udp.extend(ports.of(*kind).take(SOCKETS_MAX + 1).map(|port| (*kind, port)));
    }
    udp.sort_unstable();
    udp.dedup();
    if udp.len() > SOCKETS_MAX {
        anyhow::bail!("tunnels are listened to at {SOCKETS_MAX} UDP ports at most: name fewer");
    }
    let tcp = if told.tcp_audiocodes {
        let (port, udp_port) = (told.tcp_port_audiocodes, first(Kind::AudioCodes)?);
        Some(tunnels::Tcp { port, udp_port })
    } else {
        None
    };
    let (address, connections) = (told.bind_ip, told.connections);
    let opening = opening(config);
    Ok(Some(tunnels::Options { address, udp, tcp, connections, opening }))
}

/// Workers, where no interface says how many.
pub fn workers(config: &Config) -> usize {
    config.workers.map_or_else(|| processors().len().max(1), usize::from)
}
