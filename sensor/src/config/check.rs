//! Judges a whole configuration file for people: all that is wrong with it, not only the first.
//!
//! It opens neither interfaces nor stores: a file can be checked on another machine.

use std::path::Path;

use super::{Config, ConfigError, DEFAULT_FILE, MediaFilter, Mode, SaveRtp, read};
use ringtap_capture::Method;

/// What there is to say about a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// One remark a line: errors, warnings, then the sum.
    pub lines: Vec<String>,
    /// How many of them are errors: with any, the product does not start.
    pub errors: usize,
}

/// Checks a file, or the default one.
pub fn check(file: Option<&Path>) -> Result<Report, ConfigError> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let shown = path.display();
    let read = read(path)?;
    let mut lines: Vec<String> = read.errors.iter().map(|e| format!("error: {e}")).collect();
    let errors = lines.len();
    lines.extend(read.warnings.iter().map(|warning| format!("warning: {warning}")));
    if let Some(why) = read.config.contradiction() {
        lines.push(format!("warning: {shown}: {why}; `ringtap run` will not start"));
    }
    lines.extend(doubts(&read.config).map(|doubt| format!("warning: {shown}: {doubt}")));
    let warnings = lines.len() - errors;
    let verdict = if errors == 0 { "OK" } else { "not usable" };
    lines.push(format!(
        "{shown}: {verdict} ({}, {}, {})",
        counted(read.keys, "key"),
        counted(errors, "error"),
        counted(warnings, "warning")
    ));
    Ok(Report { lines, errors })
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What fits its key, but hardly what was meant.
fn doubts(config: &Config) -> impl Iterator<Item = &'static str> {
    let saves = config.savesip || config.savertp != SaveRtp::No || config.savertcp;
    let learned = config.media_filter == MediaFilter::Learned;
    let both = |port: u16| {
        let within = |ranges: &[(u16, u16)]| ranges.iter().any(|r| (r.0..=r.1).contains(&port));
        within(&config.sipport) && port >= 1024
    };
    let wide = (1024..=u16::MAX).filter(|&port| both(port)).count() > 10_000;
    [
        (
            config.interface.is_empty() && !config.listens(),
            "no interface is named: `ringtap run` will want -i",
        ),
        (
            config.hep.tls_cert.is_some() != config.hep.tls_key.is_some(),
            "hep_tls_cert and hep_tls_key go together: `ringtap run` will not start",
        ),
        (config.store.is_none(), "no store is named: records of live calls are kept nowhere"),
        (
            !saves,
            "nothing is saved (savesip, savertp, savertcp): `ringtap pcap` will find no packets",
        ),
        (
            config.savertp == SaveRtp::No && config.savertcp,
            "savertcp without savertp: the spool will have RTCP of calls without their RTP",
        ),
        (
            learned && config.capture == Method::Packet && !config.takes_nothing(),
            "media_filter = learned has no effect with capture = packet",
        ),
        (
            config.mode == Mode::PassRest,
            "mode = pass-rest: VoIP that is addressed to this host will not reach it",
        ),
        (
            config.mode == Mode::Tunnel && config.tunnel_depth == 0,
            "mode = tunnel with tunnel_depth = 0: no tunnel is opened",
        ),
        (
            config.allow_own_address && config.mode == Mode::Span,
            "allow_own_address: if the host is reached by this interface, it will be cut off",
        ),
        (
            config.tunnel_ports.contested().is_some(),
            "two udp_port_… keys name the same port: only one of the two kinds will be found on it",
        ),
        (wide, "sipport covers more than 10,000 ports: RTP on them will be taken for SIP"),
    ]
    .into_iter()
    .filter_map(|(is, doubt)| is.then_some(doubt))
}
