//! Ports that agents and controllers send to: free, or taken, and by whom.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use super::finding::{Finding, State};
use crate::agents::{ListenError, listen};
use crate::config::Config;
use crate::plant::options;

/// Processes and their descriptors that are looked through for a port's owner, at most.
const PROCESSES_MAX: usize = 50_000;
const DESCRIPTORS_MAX: usize = 4096;

/// Bytes of the kernel's lists of sockets that are read.
const LIST_MAX: u64 = 16 << 20;

/// A transport, as the kernel's lists are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let (hep, ipfix) = (&config.hep, &config.ipfix);
    let mut wanted = Vec::new();
    if hep.on {
        wanted.push(("HEP", Transport::Tcp, hep.bind_ip, hep.bind_port));
        if hep.bind_udp {
            wanted.push(("HEP", Transport::Udp, hep.bind_ip, hep.bind_port));
        }
        if hep.tls_cert.is_some() {
            wanted.push(("HEP over TLS", Transport::Tcp, hep.bind_ip, hep.tls_port));
        }
    }
    if ipfix.on {
        wanted.push(("IPFIX", Transport::Tcp, ipfix.bind_ip, ipfix.bind_port));
    }
    let tunnels = options::tunnels(config);
    if let Ok(Some(tunnels)) = &tunnels {
        let at = tunnels.address;
        wanted.extend(tunnels.udp.iter().map(|(kind, p)| (kind.title(), Transport::Udp, at, *p)));
        wanted.extend(tunnels.tcp.map(|tcp| ("AudioCodes", Transport::Tcp, at, tcp.port)));
    }
    let mut found: Vec<Finding> =
        wanted.into_iter().map(|(who, by, at, port)| port_of(who, by, at, port)).collect();
    if let Err(error) = tunnels {
        found.push(
            Finding::new(State::Problem, "listener", error.to_string())
                .means("`ringtap run` does not start"),
        );
    }
    if hep.on {
        found.extend([&hep.tls_cert, &hep.tls_key].into_iter().flatten().filter_map(|f| file(f)));
        if hep.tls_cert.is_some() != hep.tls_key.is_some() {
            let what = "hep_tls_cert and hep_tls_key go together: give both, or neither";
            found.push(Finding::new(State::Problem, "listener", what));
        }
    }
    found
}

fn file(path: &Path) -> Option<Finding> {
    let error = fs::File::open(path).err()?;
    let what = format!("{} cannot be read ({error})", path.display());
    Some(
        Finding::new(State::Problem, "listener", what)
            .means("`ringtap run` does not start")
            .advice("name another file, or let the sensor's user read it"),
    )
}

fn port_of(who: &'static str, by: Transport, address: Option<IpAddr>, port: u16) -> Finding {
    let name = by.name();
    let about = format!("{who} {name}");
    let new = |state, what: String| Finding::new(state, about.clone(), what);
    let Err(error) = try_out(who, by, address, port) else {
        return new(State::Ok, format!("port {port} is free"));
    };
    if error.kind() != io::ErrorKind::AddrInUse {
        return new(State::Problem, format!("port {port} cannot be had ({error})"))
            .means("`ringtap run` does not start")
            .advice("another address or port, or CAP_NET_BIND_SERVICE below 1024");
    }
    match owner(by, port) {
        Some((pid, name)) if name == "ringtap" => {
            new(State::Ok, format!("port {port} is served by ringtap, process {pid}"))
        }
        other => {
            let by = other.map_or_else(
                || "somebody".to_owned(),
                |(pid, name)| format!("{name}, process {pid}"),
            );
            new(State::Problem, format!("port {port} is taken by {by}"))
                .means("`ringtap run` does not start")
                .advice("stop that, or choose another port")
        }
    }
}

/// Listens for a moment, as the sensor would.
fn try_out(who: &'static str, by: Transport, address: Option<IpAddr>, port: u16) -> io::Result<()> {
    match by {
        Transport::Tcp => match listen(who, address, port) {
            Ok(_) => Ok(()),
            Err(ListenError::Bind { source, .. }) => Err(source),
            Err(other) => Err(io::Error::other(other.to_string())),
        },
        Transport::Udp => {
            let at = SocketAddr::new(address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
            UdpSocket::bind(at).map(drop)
        }
    }
}

/// The process that has a port, where we may know it.
fn owner(by: Transport, port: u16) -> Option<(u32, String)> {
    let lists = ["", "6"].map(|version| format!("/proc/self/net/{}{version}", by.name()));
    let sockets: Vec<String> =
        lists.iter().filter_map(|list| inode(&text(list)?, by, port)).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().take(PROCESSES_MAX);
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let held = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let has = held.take(DESCRIPTORS_MAX).any(|descriptor| {
            let link = fs::read_link(descriptor.path()).unwrap_or_default();
            sockets.iter().any(|socket| link.as_os_str() == socket.as_str())
        });
        if has {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

fn text(path: &str) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LIST_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The socket that waits at a port, as descriptors name it, out of the kernel's list.
fn inode(list: &str, by: Transport, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let line = list.lines().skip(1).find(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().and_then(|at| at.rsplit_once(':'));
        let is_port = local.is_some_and(|(_, p)| u16::from_str_radix(p, 16) == Ok(port));
        is_port && (by == Transport::Udp || words.nth(1) == Some(LISTENS))
    })?;
    line.split_whitespace().nth(9).map(|inode| format!("socket:[{inode}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_kernels_list_is_read() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n\
            \x20  0: 0100007F:2364 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 \
            0        0 41 1 0000000000000000 20 4 30 10 -1\n\
            \x20  1: 00000000:2364 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
            0        0 42 1 0000000000000000 100 0 0 10 0\n";
        assert_eq!(inode(list, Transport::Tcp, 9060).as_deref(), Some("socket:[42]"));
        assert_eq!(inode(list, Transport::Tcp, 9061), None);
        assert_eq!(inode("garbage\n x", Transport::Udp, 1), None);
    }

    #[test]
    fn a_taken_port_has_an_owner() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let taken = TcpListener::bind((local, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = port_of("HEP", Transport::Tcp, Some(local), port);
        assert_eq!(found.state, State::Problem);
        let own = format!("process {}", std::process::id());
        assert!(found.what.contains(&own), "{found:?}");
        drop(taken);
        assert_eq!(port_of("HEP", Transport::Tcp, Some(local), port).state, State::Ok);
        assert_eq!(examine(&Config::default()), []);
    }

    #[test]
    fn ports_of_tunnels_are_looked_at_like_others() {
        let mut config = Config::default();
        for (key, value) in [
            ("listen_udp_tunnels", "vxlan"),
            ("listen_tcp_audiocodes", "yes"),
            ("listen_bind_ip", "192.0.2.1"),
        ] {
            config.set(key, value, "-O").unwrap();
        }
        let found = examine(&config);
        let about: Vec<&str> = found.iter().map(|one| one.about.as_ref()).collect();
        assert_eq!(about, ["VXLAN udp", "VXLAN udp", "AudioCodes tcp"]);
        config.set("tunnel_depth", "0", "-O").unwrap();
        assert!(examine(&config)[0].what.contains("tunnel_depth"));
    }

    #[test]
    fn an_address_of_somebody_else_cannot_be_had() {
        let other = IpAddr::from([192, 0, 2, 1]);
        let found = port_of("HEP", Transport::Udp, Some(other), 9060);
        assert!(found.state == State::Problem && found.what.contains("cannot be had"), "{found:?}");
    }
}
