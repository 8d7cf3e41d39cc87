//! The HEP listener: capture agents send SIP, RTCP and RTP here, and it goes the packets' way.
//!
//! In the order of the way: what all listeners have in common ([`crate::agents`]) receives
//! messages, `reader` checks and unpacks them (`payload`, `report`,
//! `quality`, `log`) and sends them on.
//! `counts` has one end for every message. What packets mean is the workers' business; what HEP
//! looks like is `wire`'s.

mod counts;
mod log;
mod payload;
mod quality;
mod reader;
mod report;

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

pub use counts::{Counts, Event, Outcome};

use crate::agents::stream::{self, Door};
use crate::agents::{
    House, Lanes, ListenError, Listener, Report, Threads, datagrams, listen, object,
};
use reader::Reader;

/// Its name.
const WHO: &str = "HEP";

/// Where two sockets are to share a port that the system chooses, so many are tried.
const TRIES: usize = 16;

/// What is listened to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Address to listen at; `None`: all of them.
    pub address: Option<IpAddr>,
    /// Port of TCP and UDP; 0: any that is free.
    pub port: u16,
    /// UDP is listened to.
    pub udp: bool,
    /// TLS, and its port.
    pub tls: Option<Tls>,
    /// Agents must send this key.
    pub key: Option<Secret>,
    /// Numbers of Kamailio in place of IP protocols are understood.
    pub kamailio: bool,
    /// The agents' time is not used.
    pub system_time: bool,
    /// Nor is one that is further off than this.
    pub skew_max: Duration,
    /// Lines of logs are kept.
    pub log: bool,
    /// Connections at once.
    pub connections: usize,
    /// The realm of its calls.
    pub realm: u32,
}

/// What only those know who are to know it: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Where TLS is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its port; 0: any that is free.
    pub port: u16,
    /// The certificate and those that vouch for it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// What all threads of the listener share.
#[derive(Debug)]
struct Shared {
    options: Options,
    counts: Counts,
    lines: log::Lines,
    house: Arc<House>,
}

/// A listener that runs.
#[derive(Debug)]
pub struct Hep {
    shared: Arc<Shared>,
    threads: Threads,
}

impl Hep {
    /// Listens; what comes goes into `lanes`.
    ///
    /// # Errors
    /// A port is taken, or a certificate is not usable.
    pub fn open(options: Options, lanes: Lanes) -> Result<Self, ListenError> {
        let context = options.tls.as_ref().map(stream::tls::context).transpose()?;
        let (tcp, udp) = bind(&options)?;
        let tls = match &options.tls {
            Some(tls) => Some(listen(WHO, options.address, tls.port)?),
            None => None,
        };
        let house = House::new(WHO, (options.system_time, options.skew_max), lanes);
        let mut threads = Threads::new(Arc::clone(&house));
        let table = Arc::new(stream::Table::new(options.connections));
        let shared = Arc::new(Shared {
            options,
            counts: Counts::default(),
            lines: log::Lines::default(),
            house,
        });
        if let Some(socket) = udp {
            let reader = Reader::new(Arc::clone(&shared));
            let (at, house) = (socket.local_addr(), Arc::clone(&shared.house));
            threads.start(("udp", at), move || datagrams::run(socket, &house, reader))?;
        }
        for (means, listener, context) in [("tcp", Some(tcp), None), ("tls", tls, context)] {
            let Some(listener) = listener else { continue };
            let (at, shared) = (listener.local_addr(), Arc::clone(&shared));
            let (house, table) = (Arc::clone(&shared.house), Arc::clone(&table));
            let reader = move || Reader::new(Arc::clone(&shared));
            let door = Door { listener, context, table, house, reader };
            threads.start((means, at), move || door.run())?;
        }
        Ok(Self { shared, threads })
    }
}

impl Listener for Hep {
    fn stop(&mut self) {
        self.threads.stop();
    }

    fn report(&self) -> Report {
        let Counts { outcomes, events } = &self.shared.counts;
        let house = &self.shared.house;
        let json = json!({
            "listening": self.threads.json(),
            "messages": outcomes.sum(),
            "became": object(outcomes.pairs()),
            "events": object(events.pairs().chain(house.events.pairs())),
            "sources": house.sources.json(),
        });
        Report { key: "hep", delivered: outcomes.of(Outcome::Delivered), json }
    }
}

/// The sockets of TCP and UDP, on one port.
fn bind(options: &Options) -> Result<(TcpListener, Option<UdpSocket>), ListenError> {
    let mut tries = 1;
    loop {
        let tcp = listen(WHO, options.address, options.port)?;
        if !options.udp {
            return Ok((tcp, None));
        }
        let at = tcp.local_addr().map_err(|error| ListenError::Thread(WHO, error))?;
        match UdpSocket::bind(at) {
            Ok(udp) => return Ok((tcp, Some(udp))),
            Err(_) if options.port == 0 && tries < TRIES => tries += 1,
            Err(source) => return Err(ListenError::Bind { who: WHO, at, source }),
        }
    }
}
