//! What the listeners (HEP, IPFIX, tunnels) have in common.
//!
//! In the order of the way: `datagrams` receives by UDP, `stream` lets connections in (TCP, TLS)
//! and cuts what they bring into messages, which the listener reads; `sources` judges their time,
//! `packet` builds the packet that an agent saw, `post` sends it by a `lane` to the worker of its
//! hosts. `counts` is how all of it is counted. What messages look like is not known here.

pub(crate) mod counts;
pub(crate) mod datagrams;
mod lane;
pub(crate) mod packet;
pub(crate) mod post;
mod sources;
pub(crate) mod stream;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use compact_str::CompactString;
use serde_json::{Value, json};

pub use counts::{Counted, Counters, Event};
pub use lane::{Capsule, Inbox, Lanes, Parcel};

use sources::Sources;

/// How often threads look whether they are to end.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Why nothing can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port cannot be had.
    #[error("{who}: cannot listen at {at}: {source}; {}", advice(.source))]
    Bind {
        /// Which listener.
        who: &'static str,
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
    #[error("{0}: cannot start a thread: {1}")]
    Thread(&'static str, io::Error),
}

/// What is to be done where a port cannot be had.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "name an address that this host has",
        _ => "is another program there?",
    }
}

/// What all threads of one listener share.
#[derive(Debug)]
pub(crate) struct House {
    /// Its name, as people write it.
    pub(crate) who: &'static str,
    pub(crate) events: Counters<Event>,
    pub(crate) sources: Sources,
    pub(crate) lanes: Lanes,
    stop: AtomicBool,
}

impl House {
    /// Of a listener that does not use the agents' time, or none that is further off than that.
    pub(crate) fn new(
        who: &'static str,
        (system_time, skew_max): (bool, Duration),
        lanes: Lanes,
    ) -> Arc<Self> {
        let sources = Sources::new(system_time, skew_max);
        Arc::new(Self {
            who,
            events: Counters::default(),
            sources,
            lanes,
            stop: AtomicBool::new(false),
        })
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// The threads of one listener, and where they listen.
#[derive(Debug)]
pub(crate) struct Threads {
    house: Arc<House>,
    threads: Vec<JoinHandle<()>>,
    at: Vec<(&'static str, SocketAddr)>,
}

impl Threads {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self { house, threads: Vec::new(), at: Vec::new() }
    }

    /// Starts one that listens there by this means.
    pub(crate) fn start(
        &mut self,
        (means, at): (&'static str, io::Result<SocketAddr>),
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), ListenError> {
        let who = self.house.who;
        let name = format!("{}-{means}", who.to_ascii_lowercase());
        let thread = std::thread::Builder::new().name(name).spawn(run);
        self.threads.push(thread.map_err(|error| ListenError::Thread(who, error))?);
        if let Ok(at) = at {
            tracing::info!("{who}: {means} is listened to at {at}");
            self.at.push((means, at));
        }
        Ok(())
    }

    /// Ends all; what they have received is in the inboxes then.
    pub(crate) fn stop(&mut self) {
        self.house.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the {} listener has died", self.house.who);
            }
        }
    }

    /// Where they listen, by means: an address, or several.
    pub(crate) fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        for (means, at) in &self.at {
            let at = Value::from(at.to_string());
            match all.get_mut(*means) {
                None => drop(all.insert((*means).to_owned(), at)),
                Some(Value::Array(several)) => several.push(at),
                Some(one) => *one = Value::Array(vec![one.take(), at]),
            }
        }
        Value::Object(all)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A listener that runs.
pub trait Listener: std::fmt::Debug {
    /// Ends all its threads; what they have received is in the inboxes then.
    fn stop(&mut self);

    /// What it has done so far.
    fn report(&self) -> Report;
}

/// What a listener has done so far.
#[derive(Clone, Debug)]
pub struct Report {
    /// The listener's name in the ledger.
    pub key: &'static str,
    /// Packets that went to workers.
    pub delivered: u64,
    /// The whole, for the ledger.
    pub json: Value,
}

/// Bytes that are kept of a text.
const TEXT_MAX: usize = 255;

/// A text that an agent tells, as far as it is kept.
pub(crate) fn clipped(bytes: &[u8]) -> CompactString {
    let bytes = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    let mut kept = CompactString::from_utf8_lossy(bytes);
    kept.truncate(kept.floor_char_boundary(TEXT_MAX));
    kept
}

/// Counts by name.
pub(crate) fn object(pairs: impl Iterator<Item = (&'static str, u64)>) -> Value {
    let pairs: serde_json::Map<_, _> = pairs.map(|(k, v)| (k.to_owned(), json!(v))).collect();
    Value::Object(pairs)
}

/// A way that something comes: from a peer to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

/// A socket for connections, at one address or all.
pub(crate) fn listen(
    who: &'static str,
    address: Option<IpAddr>,
    port: u16,
) -> Result<TcpListener, ListenError> {
    bind(who, address, port, TcpListener::bind)
}

/// A socket for datagrams, at one address or all.
pub(crate) fn socket(
    who: &'static str,
    address: Option<IpAddr>,
    port: u16,
) -> Result<UdpSocket, ListenError> {
    bind(who, address, port, UdpSocket::bind)
}

fn bind<T>(
    who: &'static str,
    address: Option<IpAddr>,
    port: u16,
    open: impl Fn(SocketAddr) -> io::Result<T>,
) -> Result<T, ListenError> {
    // All addresses: of both families, where the system has both.
    let any = [IpAddr::from(Ipv6Addr::UNSPECIFIED), Ipv4Addr::UNSPECIFIED.into()];
    let mut wanted = match address {
        Some(one) => vec![one],
        None => any.to_vec(),
    }
    .into_iter();
    loop {
        let at = SocketAddr::new(wanted.next().unwrap_or(any[1]), port);
        match open(at) {
            Ok(socket) => return Ok(socket),
            Err(error) if wanted.len() > 0 && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(ListenError::Bind { who, at, source }),
        }
    }
}
