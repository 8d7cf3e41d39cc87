//! The HEP listener: capture agents send SIP, RTCP and RTP here, and it goes the packets' way.
//!
//! In the order of the way: `udp` and `stream` (TCP, TLS) receive messages, `reader` checks and
//! unpacks them (`payload`, `report`), `sources` judges their time, `packet` builds the packet
//! that the agent saw, `lane` takes it to the worker of its hosts. `counts` has one end for every
//! message. What packets mean is the workers' business; what HEP looks like is `wire`'s.

mod counts;
mod lane;
mod packet;
mod payload;
mod reader;
mod report;
mod sources;
mod stream;
mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

pub use counts::{Counts, Event, Outcome};
pub use lane::{Capsule, Inbox};

use lane::{Lanes, lanes};
use reader::Reader;
use sources::Sources;

/// How often threads look whether they are to end.
const LOOK: Duration = Duration::from_millis(100);

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
    /// Connections at once.
    pub connections: usize,
    /// The realm of its calls.
    pub realm: u32,
    /// Bytes that wait for workers at most.
    pub memory: usize,
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

/// Why nothing can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum HepError {
    /// The port cannot be had.
    #[error("hep: cannot listen at {at}: {source}; is another program there?")]
    Bind {
        /// Where.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Something about the certificate.
    #[error("hep: {file}: {why}")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A thread cannot be started.
    #[error("hep: cannot start a thread: {0}")]
    Thread(io::Error),
}

/// What all threads of the listener share.
#[derive(Debug)]
struct Shared {
    options: Options,
    counts: Counts,
    sources: Sources,
    lanes: Lanes,
    stop: AtomicBool,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// A listener that runs.
#[derive(Debug)]
pub struct Hep {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    at: Vec<(&'static str, SocketAddr)>,
}

impl Hep {
    /// Listens; what comes goes to `workers` inboxes.
    ///
    /// # Errors
    /// A port is taken, or a certificate is not usable.
    pub fn open(options: Options, workers: usize) -> Result<(Self, Vec<Inbox>), HepError> {
        let context = options.tls.as_ref().map(stream::tls::context).transpose()?;
        let (tcp, udp) = bind(&options)?;
        let tls = match &options.tls {
            Some(tls) => Some(listen(options.address, tls.port)?),
            None => None,
        };
        let (lanes, inboxes) = lanes(workers, options.memory);
        let shared = Arc::new(Shared {
            sources: Sources::new(options.system_time, options.skew_max),
            options,
            counts: Counts::default(),
            lanes,
            stop: AtomicBool::new(false),
        });
        let mut hep = Self { shared, threads: Vec::new(), at: Vec::new() };
        if let Some(socket) = udp {
            hep.at.extend(socket.local_addr().map(|at| ("udp", at)));
            let reader = Reader::new(Arc::clone(&hep.shared));
            hep.start("hep-udp", move || udp::run(&socket, reader))?;
        }
        let table = Arc::new(stream::Table::new(hep.shared.options.connections));
        for (name, listener, context) in [("tcp", Some(tcp), None), ("tls", tls, context)] {
            let Some(listener) = listener else { continue };
            hep.at.extend(listener.local_addr().map(|at| (name, at)));
            let door = stream::Door {
                listener,
                context,
                table: Arc::clone(&table),
                shared: Arc::clone(&hep.shared),
            };
            hep.start("hep-accept", move || door.run())?;
        }
        for (name, at) in &hep.at {
            tracing::info!("HEP is listened to by {name} at {at}");
        }
        Ok((hep, inboxes))
    }

    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), HepError> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        self.threads.push(thread.map_err(HepError::Thread)?);
        Ok(())
    }

    /// Ends all threads; what they have received is in the inboxes then.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the HEP listener has died");
            }
        }
    }

    /// What it has done so far.
    pub fn report(&self) -> Report {
        Report { delivered: self.shared.counts.of(Outcome::Delivered), json: self.json() }
    }

    fn json(&self) -> Value {
        let object = |pairs: Vec<(&'static str, u64)>| -> Value {
            pairs.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect()
        };
        let at = |(name, at): &(&'static str, SocketAddr)| {
            ((*name).to_owned(), Value::from(at.to_string()))
        };
        json!({
            "listening": self.at.iter().map(at).collect::<Value>(),
            "messages": self.shared.counts.messages(),
            "became": object(self.shared.counts.outcomes().collect()),
            "events": object(self.shared.counts.events().collect()),
            "sources": self.shared.sources.json(),
        })
    }
}

impl Drop for Hep {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a listener has done so far.
#[derive(Clone, Debug)]
pub struct Report {
    /// Messages that went to workers.
    pub delivered: u64,
    /// The whole, for the ledger.
    pub json: Value,
}

/// The sockets of TCP and UDP, on one port.
fn bind(options: &Options) -> Result<(TcpListener, Option<UdpSocket>), HepError> {
    let mut tries = 1;
    loop {
        let tcp = listen(options.address, options.port)?;
        if !options.udp {
            return Ok((tcp, None));
        }
        let at = tcp.local_addr().map_err(HepError::Thread)?;
        match UdpSocket::bind(at) {
            Ok(udp) => return Ok((tcp, Some(udp))),
            Err(_) if options.port == 0 && tries < TRIES => tries += 1,
            Err(source) => return Err(HepError::Bind { at, source }),
        }
    }
}

fn listen(address: Option<IpAddr>, port: u16) -> Result<TcpListener, HepError> {
    // All addresses: of both families, where the system has both.
    let any = [IpAddr::from(Ipv6Addr::UNSPECIFIED), Ipv4Addr::UNSPECIFIED.into()];
    let mut wanted = match address {
        Some(one) => vec![one],
        None => any.to_vec(),
    }
    .into_iter();
    loop {
        let at = SocketAddr::new(wanted.next().unwrap_or(any[1]), port);
        match TcpListener::bind(at) {
            Ok(listener) => return Ok(listener),
            Err(error) if wanted.len() > 0 && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(HepError::Bind { at, source }),
        }
    }
}
