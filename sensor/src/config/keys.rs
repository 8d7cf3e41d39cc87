//! The keys that there are: for each its name, what it takes, and where that goes.
//!
//! The same way for a line of the file and for an option of the command line. It reads no files.

mod mysql;

use std::time::Duration;

use ringtap_call::CUSTOM_HEADERS_MAX;
use ringtap_common::tunnel::Kind;
use ringtap_spool::read::ROOTS_MAX;

use super::hep::{address, file, secret};
use super::side_tables::{save_sdp, sip_history};
use super::tunnels::udp_kinds;
use super::value::{self, list, number, path, ports, yes_no};
use super::{Config, ConfigError, MediaFilter, Mode, SaveRtp, Spread, names};

/// A key.
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What it takes, for people.
    pub(super) accepted: &'static str,
    /// Puts a value into the configuration; `None` if it is no such value. A list is added to.
    put: fn(&mut Config, &str) -> Option<()>,
    /// For a list: empties it, before the first value.
    clear: Option<fn(&mut Config)>,
}

/// Lists that have been begun: later values of the same source are added.
#[derive(Debug, Default)]
pub(super) struct Begun(Vec<&'static str>);

/// Values are shown up to here.
const SHOWN_MAX: usize = 80;

/// Puts a value into the configuration, or says what is wrong with it.
pub(super) fn put(
    config: &mut Config,
    begun: &mut Begun,
    origin: &str,
    name: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name)) else {
        return Err(unknown(origin, name));
    };
    if let Some(clear) = key.clear
        && !begun.0.contains(&key.name)
    {
        begun.0.push(key.name);
        clear(config);
    }
    (key.put)(config, text).ok_or_else(|| ConfigError::Value {
        origin: origin.to_owned(),
        key: key.name,
        // A store may be named with its password.
        value: shown(&ringtap_cdr::store::without_password(text)),
        accepted: key.accepted,
    })
}

fn unknown(origin: &str, name: &str) -> ConfigError {
    let origin = origin.to_owned();
    if let Some(key) = names::known(name) {
        return match names::moot(key) {
            Some(why) => ConfigError::Moot { origin, key, why },
            None => ConfigError::NotYet { origin, key },
        };
    }
    match names::nearest(name) {
        Some(suggestion) => ConfigError::Misspelt { origin, key: shown(name), suggestion },
        None => ConfigError::Unknown { origin, key: shown(name) },
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

impl Config {
    /// Sets a key from the command line; `origin` is the option it came with. A list is replaced.
    pub fn set(&mut self, key: &str, value: &str, origin: &str) -> Result<(), ConfigError> {
        put(self, &mut Begun::default(), origin, key, value)
    }
}

const YES_NO: &str = "yes or no";
const RECORDED: &str = "yes, no or nodb";
const SECONDS: &str = "seconds (1 to 4000000)";
const COUNT: &str = "a number (1 to 4000000)";
const LEVEL: &str = "a level of zstd (-7 to 22)";
const PORTS: &str = "ports and ranges (5060,5070-5080)";
const TUNNEL_PORTS: &str = "ports and ranges (4789,4790), or no";
const UDP_TUNNELS: &str =
    "kinds of tunnels (vxlan,geneve,tzsp,l2tp,gre_udp,mpls,hperm,audiocodes), or no";
const PORT: &str = "a port (1 to 65535; 0: any that is free)";
const HEADERS: &str = "names of SIP headers (at most 8)";
const HEADERS_MAX: usize = 8;
const CUSTOM_HEADERS: &str = "names of SIP headers (at most 16)";
const POOL_MB: &str = "MiB (0: no limit)";
const POOL_DAYS: &str = "days (0: no limit)";
const MS_MAX: u64 = 10_000;

fn seconds(text: &str) -> Option<u32> {
    number(text, 1, 4_000_000)
}

fn mebibytes(text: &str) -> Option<u64> {
    number::<u64>(text, 0, 1 << 40).map(|mb| mb << 20)
}

fn days(text: &str) -> Option<u32> {
    number(text, 0, 1_000_000)
}

/// How often the spool is looked at.
fn every(text: &str) -> Option<Duration> {
    let seconds = number(text, 0, 86_400)?;
    Some(Duration::from_secs(if seconds == 0 { 60 } else { seconds }))
}

/// The first folder is written, all are read.
fn spooldir(c: &mut Config, text: &str) -> Option<()> {
    let mut all = text.split(':').map(path).collect::<Option<Vec<_>>>()?;
    if all.len() > ROOTS_MAX {
        return None;
    }
    c.spooldir_more = all.split_off(1);
    c.spooldir = all.pop()?;
    Some(())
}

fn port(text: &str) -> Option<u16> {
    number(text, 0, 65_535)
}

fn level(text: &str) -> Option<i32> {
    match text.strip_prefix('-') {
        None => number(text, 0, 22),
        Some(text) => number::<i32>(text, 1, 7).map(|level| -level),
    }
}

/// zstd or not; other ways of packing are read as zstd, the only one there is.
fn zstd(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "zstd" => Some(true),
        other => yes_no(other),
    }
}

/// The names of duplicate hashes mean yes: there is one hash, and it is none of them.
fn deduplicate(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "md5" | "crc32" | "crc64" | "murmur" => Some(true),
        other => yes_no(other),
    }
}

/// Where it is on, several sources are put in order and copies are told; off changes nothing.
fn use_blocks(config: &mut Config, text: &str) -> Option<()> {
    if yes_no(text)? {
        config.deduplicate = true;
        config.spread = Spread::All;
    }
    Some(())
}

/// What would be watched but not stored is not recorded.
fn recorded(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "nodb" => Some(false),
        "old" => Some(true),
        other => yes_no(other),
    }
}

fn save_rtp(text: &str) -> Option<SaveRtp> {
    match (text, yes_no(text)) {
        ("header", _) => Some(SaveRtp::Header),
        (_, Some(true)) => Some(SaveRtp::Yes),
        (_, Some(false)) => Some(SaveRtp::No),
        _ => None,
    }
}

fn sensor(c: &mut Config, text: &str) -> Option<()> {
    c.id_sensor = if text == "-1" { 0 } else { number(text, 0, 65_535)? };
    if !c.realm_given {
        c.realm = c.id_sensor.into();
    }
    Some(())
}

fn realm(c: &mut Config, text: &str) -> Option<()> {
    c.realm = number(text, 0, u32::MAX.into())?;
    c.realm_given = true;
    Some(())
}

fn interfaces(c: &mut Config, text: &str) -> Option<()> {
    for name in list(text) {
        let name = value::interface(name)?;
        if !c.interface.iter().any(|known| known == name) {
            c.interface.push(name.to_owned());
        }
    }
    Some(())
}

fn headers(all: &mut Vec<String>, max: usize, text: &str) -> Option<()> {
    for name in list(text) {
        let name = value::header(name.strip_suffix(':').unwrap_or(name))?;
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name.to_owned());
        }
    }
    (all.len() <= max).then_some(())
}

fn busy_poll(c: &mut Config, text: &str) -> Option<()> {
    match yes_no(text) {
        Some(yes) => c.busy_poll = yes,
        None => (c.busy_poll, c.busy_poll_us) = (true, number(text, 1, 1000)?),
    }
    Some(())
}

fn cpus(c: &mut Config, text: &str) -> Option<()> {
    c.cpus = match text {
        "auto" => Vec::new(),
        text => value::processors(text)?,
    };
    Some(())
}

fn workers(text: &str) -> Option<Option<u16>> {
    number(text, 0, 64).map(|workers| (workers > 0).then_some(workers))
}

fn store(c: &mut Config, text: &str) -> Option<()> {
    c.store = match text {
        "" | "none" | "no" => None,
        url => {
            ringtap_cdr::store::check_url(url).ok()?;
            Some(url.to_owned())
        }
    };
    Some(())
}

macro_rules! keys {
    ($($name:literal $accepted:expr => $put:expr $(, $clear:expr)?;)*) => {
        &[$(Key {
            name: $name,
            accepted: $accepted,
            put: $put,
            clear: keys!(@clear $($clear)?),
        }),*]
    };
    (@clear) => { None };
    (@clear $clear:expr) => { Some($clear) };
}

/// Puts what a reader gives into a field.
macro_rules! set {
    ($field:ident, $read:expr) => {
        |c, text| {
            c.$field = $read(text)?;
            Some(())
        }
    };
}

/// The same for a field of the HEP listener.
macro_rules! hep {
    ($field:ident, $read:expr) => {
        |c, text| {
            c.hep.$field = $read(text)?;
            Some(())
        }
    };
}

/// The same for a field of the IPFIX listener.
macro_rules! ipfix {
    ($field:ident, $read:expr) => {
        |c, text| {
            c.ipfix.$field = $read(text)?;
            Some(())
        }
    };
}

/// The same for a field of the listener for tunnels.
macro_rules! listen {
    ($field:ident, $read:expr) => {
        |c, text| {
            c.listen.$field = $read(text)?;
            Some(())
        }
    };
}

/// The same for a limit of the spool.
macro_rules! keep {
    ($($field:ident).+, $read:expr) => {
        |c, text| {
            c.retention.$($field).+ = $read(text)?;
            Some(())
        }
    };
}

/// Puts ports into those of a kind of tunnel.
macro_rules! tunnel {
    ($kind:ident) => {
        |c, text| c.tunnel_ports.add(Kind::$kind, text)
    };
}

/// All keys, in the order of the sample configuration.
pub(super) static KEYS: &[Key] = keys! {
    "interface" "names of interfaces (eth1,eth2), or any" => interfaces, |c| c.interface.clear();
    "capture" "auto, xdp, xdp-generic, packet or tcx"
        => set!(capture, |text: &str| text.parse().ok());
    "mode" "span, tunnel, pass-rest or host" => set!(mode, |text: &str| match text {
        "span" => Some(Mode::Span),
        "tunnel" => Some(Mode::Tunnel),
        "pass-rest" => Some(Mode::PassRest),
        "host" => Some(Mode::Host),
        _ => None,
    });
    "promisc" YES_NO => set!(promisc, yes_no);
    "allow_own_address" YES_NO => set!(allow_own_address, yes_no);
    "sipport" PORTS => |c, text| {
        c.sipport.extend(ports(text)?);
        Some(())
    }, |c| c.sipport.clear();
    "media_ports" PORTS => |c, text| {
        c.media_ports.extend(ports(text)?);
        Some(())
    }, |c| c.media_ports.clear();
    "udp_port_vxlan" TUNNEL_PORTS => tunnel!(Vxlan), |c| c.tunnel_ports.clear(Kind::Vxlan);
    "udp_port_geneve" TUNNEL_PORTS => tunnel!(Geneve), |c| c.tunnel_ports.clear(Kind::Geneve);
    "udp_port_tzsp" TUNNEL_PORTS => tunnel!(Tzsp), |c| c.tunnel_ports.clear(Kind::Tzsp);
    "udp_port_l2tp" TUNNEL_PORTS => tunnel!(L2tp), |c| c.tunnel_ports.clear(Kind::L2tp);
    "udp_port_gre" TUNNEL_PORTS => tunnel!(GreUdp), |c| c.tunnel_ports.clear(Kind::GreUdp);
    "udp_port_mpls" TUNNEL_PORTS => tunnel!(Mpls), |c| c.tunnel_ports.clear(Kind::Mpls);
    "udp_port_hperm" TUNNEL_PORTS => tunnel!(HpErm), |c| c.tunnel_ports.clear(Kind::HpErm);
    "audiocodes" YES_NO => set!(audiocodes, yes_no);
    "udp_port_audiocodes" TUNNEL_PORTS
        => tunnel!(AudioCodes), |c| c.tunnel_ports.clear(Kind::AudioCodes);
    "tunnel_depth" "a number (0 to 8)" => set!(tunnel_depth, |text| number(text, 0, 8));
    "listen_udp_tunnels" UDP_TUNNELS => |c, text| {
        c.listen.udp.extend(udp_kinds(text)?);
        Some(())
    }, |c| c.listen.udp.clear();
    "listen_tcp_audiocodes" YES_NO => listen!(tcp_audiocodes, yes_no);
    "tcp_port_audiocodes" PORT => listen!(tcp_port_audiocodes, port);
    "listen_bind_ip" "an address; nothing: all of them" => listen!(bind_ip, address);
    "listen_connections_max" "connections (1 to 4096)"
        => listen!(connections, |text| number(text, 1, 4096));
    "listen_memory" "MiB (1 to 65536)" => listen!(memory_mb, |text| number(text, 1, 65_536));
    "hep" YES_NO => hep!(on, yes_no);
    "hep_bind_ip" "an address; nothing: all of them" => hep!(bind_ip, address);
    "hep_bind_port" PORT => hep!(bind_port, port);
    "hep_bind_udp" YES_NO => hep!(bind_udp, yes_no);
    "hep_kamailio_protocol_id_fix" YES_NO => hep!(kamailio, yes_no);
    "hep_use_system_time" YES_NO => hep!(system_time, yes_no);
    "hep_skew_max" SECONDS => hep!(skew_max_s, seconds);
    "hep_auth_key" "what agents must send; nothing: all are heard" => hep!(auth_key, secret);
    "hep_log" YES_NO => hep!(log, yes_no);
    "hep_tls_port" PORT => hep!(tls_port, port);
    "hep_tls_cert" "a file; nothing: no TLS" => hep!(tls_cert, file);
    "hep_tls_key" "a file" => hep!(tls_key, file);
    "hep_connections_max" "connections (1 to 4096)"
        => hep!(connections, |text| number(text, 1, 4096));
    "hep_memory" "MiB (1 to 65536)" => hep!(memory_mb, |text| number(text, 1, 65_536));
    "ipfix" YES_NO => ipfix!(on, yes_no);
    "ipfix_bind_ip" "an address; nothing: all of them" => ipfix!(bind_ip, address);
    "ipfix_bind_port" PORT => ipfix!(bind_port, port);
    "ipfix_use_system_time" YES_NO => ipfix!(system_time, yes_no);
    "ipfix_skew_max" SECONDS => ipfix!(skew_max_s, seconds);
    "ipfix_connections_max" "connections (1 to 4096)"
        => ipfix!(connections, |text| number(text, 1, 4096));
    "ipfix_memory" "MiB (1 to 65536)" => ipfix!(memory_mb, |text| number(text, 1, 65_536));
    "media_filter" "default or learned" => set!(media_filter, |text: &str| match text {
        "default" => Some(MediaFilter::Default),
        "learned" => Some(MediaFilter::Learned),
        _ => None,
    });
    "deduplicate" YES_NO => set!(deduplicate, deduplicate);
    "auto_enable_use_blocks" YES_NO => use_blocks;
    "deduplicate_window_ms" "milliseconds (1 to 400)"
        => set!(deduplicate_window_ms, |text| number(text, 1, 400));
    "id_sensor" "a number (1 to 65535; 0 or -1: none)" => sensor;
    "realm" "a number (0 to 4294967295)" => realm;
    "store" "sqlite:PATH, mysql, mysql://USER@HOST/DATABASE, or none" => store;
    "mysqlhost" "hosts, each HOST or HOST:PORT" => mysql::hosts, |c| c.mysql.hosts.clear();
    "mysqlport" "a port (1 to 65535; 0: 3306)" => mysql::port;
    "mysqlsocket" "a path, or nothing" => |c, text| {
        c.mysql.socket = path(text);
        Some(())
    };
    "mysqldb" "a name" => mysql::database;
    "mysqlusername" "a name" => mysql::user;
    "mysqlpassword" "a password, or nothing" => |c, text| {
        c.mysql.password.0 = text.to_owned();
        Some(())
    };
    "mysqlsslcacert" "a PEM file, or nothing" => |c, text| {
        c.mysql.ca = path(text);
        Some(())
    };
    "mysqlsslcert" "a PEM file, or nothing" => |c, text| {
        c.mysql.identity.0 = path(text);
        Some(())
    };
    "mysqlsslkey" "a PEM file, or nothing" => |c, text| {
        c.mysql.identity.1 = path(text);
        Some(())
    };
    "cdr_partition" YES_NO => |c, text| {
        c.mysql.partition = yes_no(text)?;
        Some(())
    };
    "mysql_connect_timeout" SECONDS => |c, text| {
        c.mysql.connect_timeout_s = seconds(text)?;
        Some(())
    };
    "save_sip_responses" YES_NO => set!(save_sip_responses, yes_no);
    "save_sip_history" "methods (invite,bye), REQUESTS, RESPONSES, ALL, or no"
        => set!(save_sip_history, sip_history);
    "save_sdp_ipport" "last, all or no" => set!(save_sdp_ipport, save_sdp);
    "cdrproxy" YES_NO => set!(cdrproxy, yes_no);
    "spooldir" "a folder, and others to be read, between colons (at most 16)" => spooldir;
    "savesip" YES_NO => set!(savesip, yes_no);
    "savertp" "yes, no or header" => set!(savertp, save_rtp);
    "savertcp" YES_NO => set!(savertcp, yes_no);
    "tar_compress_sip" "zstd or no" => set!(tar_compress_sip, zstd);
    "tar_compress_rtp" "zstd or no" => set!(tar_compress_rtp, zstd);
    "tar_sip_level_zstd" LEVEL => set!(tar_sip_level_zstd, level);
    "tar_rtp_level_zstd" LEVEL => set!(tar_rtp_level_zstd, level);
    "spool_memory" "MiB (1 to 65536)" => set!(spool_pool_mb, |text| number(text, 1, 65_536));
    "spool_chunk_ms" "milliseconds (1 to 10000)"
        => set!(spool_chunk_ms, |text| number(text, 1, MS_MAX));
    "spool_segment" "MiB (1 to 65536)" => set!(spool_segment_mb, |text| number(text, 1, 65_536));
    "spool_segment_seconds" SECONDS => set!(spool_segment_s, seconds);
    "cleanspool" YES_NO => set!(cleanspool, yes_no);
    "cleanspool_interval" "seconds (1 to 86400; 0: 60)" => keep!(every, every);
    "maxpoolsize" POOL_MB => keep!(all.bytes, mebibytes);
    "maxpooldays" POOL_DAYS => keep!(all.days, days);
    "maxpoolsipsize" POOL_MB => keep!(sip.bytes, mebibytes);
    "maxpoolsipdays" POOL_DAYS => keep!(sip.days, days);
    "maxpoolrtpsize" POOL_MB => keep!(media.bytes, mebibytes);
    "maxpoolrtpdays" POOL_DAYS => keep!(media.days, days);
    "autocleanspoolminpercent" "percent (0 to 99; 0: any)"
        => keep!(free_percent, |text| number(text, 0, 99));
    "autocleanmingb" "GiB (0 to 1000000; 0: any)"
        => keep!(free_bytes, |text| number::<u64>(text, 0, 1_000_000).map(|gb| gb << 30));
    "absolute_timeout" SECONDS => set!(absolute_timeout, seconds);
    "rtptimeout" SECONDS => set!(rtptimeout, seconds);
    "sipwithoutrtptimeout" SECONDS => set!(sipwithoutrtptimeout, seconds);
    "onewaytimeout" SECONDS => set!(onewaytimeout, seconds);
    "bye_timeout" SECONDS => set!(bye_timeout, seconds);
    "redirect_response_300_timeout" SECONDS => set!(redirect_response_300_timeout, seconds);
    "response_default_timeout" SECONDS => set!(response_default_timeout, seconds);
    "challenge_timeout" SECONDS => set!(challenge_timeout, seconds);
    "retry_timeout" SECONDS => set!(retry_timeout, seconds);
    "cancel_timeout" SECONDS => set!(cancel_timeout, seconds);
    "zombie_timeout" SECONDS => set!(zombie_timeout, seconds);
    "max_sip_packets_in_call" COUNT => set!(max_sip_packets_in_call, seconds);
    "max_invite_packets_in_call" COUNT => set!(max_invite_packets_in_call, seconds);
    "response_time_from_first_invite" YES_NO => set!(response_time_from_first_invite, yes_no);
    "remotepartyid" YES_NO => set!(remotepartyid, yes_no);
    "passertedidentity" YES_NO => set!(passertedidentity, yes_no);
    "ppreferredidentity" YES_NO => set!(ppreferredidentity, yes_no);
    "remotepartypriority" YES_NO => set!(remotepartypriority, yes_no);
    "matchheader" HEADERS
        => |c, text| headers(&mut c.matchheader, HEADERS_MAX, text), |c| c.matchheader.clear();
    "callidmerge_header" HEADERS
        => |c, text| headers(&mut c.callidmerge_header, HEADERS_MAX, text),
        |c| c.callidmerge_header.clear();
    "custom_headers_cdr" CUSTOM_HEADERS
        => |c, text| headers(&mut c.custom_headers_cdr, CUSTOM_HEADERS_MAX, text),
        |c| c.custom_headers_cdr.clear();
    "custom_headers_message" CUSTOM_HEADERS
        => |c, text| headers(&mut c.custom_headers_message, CUSTOM_HEADERS_MAX, text),
        |c| c.custom_headers_message.clear();
    "custom_headers_last_value" YES_NO => set!(custom_headers_last_value, yes_no);
    "custom_headers_max_size" "bytes (1 to 1024; 0: 255)"
        => set!(custom_headers_max_size, |text| number(text, 0, 1024));
    "sip-register" RECORDED => set!(sip_register, recorded);
    "sip-message" RECORDED => set!(sip_message, recorded);
    "hide_message_content" YES_NO => set!(hide_message_content, yes_no);
    "sip-options" RECORDED => set!(sip_options, recorded);
    "sip-subscribe" RECORDED => set!(sip_subscribe, recorded);
    "sip-notify" RECORDED => set!(sip_notify, recorded);
    "sip-other" RECORDED => set!(sip_other, recorded);
    "sip-msg-repeat-time" "seconds (0 to 4000000; 0: a record for each)"
        => set!(sip_msg_repeat_seconds, |text| number(text, 0, 4_000_000));
    "sip-register-timeout" SECONDS => set!(sip_register_timeout, seconds);
    "sip-register-state-timeout" SECONDS => set!(sip_register_state_timeout, seconds);
    "transactions_max" "requests (1 to 10000000)"
        => set!(transactions_max, |text| number(text, 1, 10_000_000));
    "registrations_max" "registrations (1 to 10000000)"
        => set!(registrations_max, |text| number(text, 1, 10_000_000));
    "calls_max" "calls (1 to 10000000)" => set!(calls_max, |text| number(text, 1, 10_000_000));
    "streams_max" "streams (64 to 20000000)"
        => set!(streams_max, |text| number(text, 64, 20_000_000));
    "workers" "a number (1 to 64; 0: one a processor)" => set!(workers, workers);
    "spread" "auto, tunnels, all or no" => set!(spread, |text: &str| match text {
        "auto" => Some(Spread::Auto),
        "tunnels" => Some(Spread::Tunnels),
        "all" => Some(Spread::All),
        "no" => Some(Spread::No),
        _ => None,
    });
    "cpus" "auto, or processors (0-3,6)" => cpus;
    "worker_priority" "a real-time priority (1 to 99; 0: none)"
        => set!(worker_priority, |text| number(text, 0, 99));
    "ringbuffer" "MiB (1 to 4096)" => set!(ringbuffer_mb, |text| number(text, 1, 4096));
    "xdp_buffers" "buffers of 4 KiB (256 to 1048576)"
        => set!(xdp_buffers, |text| number(text, 256, 1 << 20));
    "kernel_timestamps" YES_NO => set!(kernel_timestamps, yes_no);
    "zero_copy" YES_NO => set!(zero_copy, yes_no);
    "huge_pages" YES_NO => set!(huge_pages, yes_no);
    "busy_poll" "yes, no, or microseconds (1 to 1000)" => busy_poll;
    "status_socket" "a path" => set!(status_socket, path);
};
