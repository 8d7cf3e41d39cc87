//! The listener for tunnels: mirrors, clouds and gateways send them to this host, and they are
//! received by its own sockets instead of from an interface.
//!
//! In the order of the way: what all listeners have in common ([`crate::agents`]) receives
//! datagrams, and over TCP recordings by AudioCodes; `reader` builds the outer packet again, so
//! that it goes the way of a frame, to the worker of the hosts inside. What is no VoIP ends here,
//! as it does in the kernel where an interface brings it. What tunnels look like is `common`'s.

mod counts;
mod reader;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringtap_common::tunnel::Kind;
use serde_json::json;

use crate::agents::stream::{Door, Table};
use crate::agents::{
    Counters, House, Lanes, ListenError, Listener, Report, Threads, datagrams, listen, object,
    socket,
};
use crate::plant::SharedPorts;
use crate::worker::decode::Opening;
pub use counts::{Event, Outcome};
use reader::Reader;

/// Its name.
const WHO: &str = "tunnels";

/// What is listened to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen at; `None`: all of them.
    pub address: Option<IpAddr>,
    /// Kinds of tunnels over UDP, each with a port that is known for it.
    pub udp: Vec<(Kind, u16)>,
    /// Recordings by AudioCodes over TCP.
    pub tcp: Option<Tcp>,
    /// Connections at once.
    pub connections: usize,
    /// How packets are opened.
    pub opening: Opening<SharedPorts>,
}

/// Where connections are listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The port; 0: any that is free.
    pub port: u16,
    /// The UDP port that is known for the same.
    pub udp_port: u16,
}

/// What all threads of the listener share.
#[derive(Debug)]
struct Shared {
    opening: Opening<SharedPorts>,
    outcomes: Counters<Outcome>,
    events: Counters<Event>,
    house: Arc<House>,
}

/// A listener that runs.
#[derive(Debug)]
pub struct Tunnels {
    shared: Arc<Shared>,
    threads: Threads,
}

impl Tunnels {
    /// Listens; what comes goes into `lanes`.
    ///
    /// # Errors
    /// A port is taken.
    pub fn open(options: Options, lanes: Lanes) -> Result<Self, ListenError> {
        let Options { address, udp, tcp, connections, opening } = options;
        // Nobody tells a time: that of arrival holds, as on an interface.
        let house = House::new(WHO, (true, Duration::ZERO), lanes);
        let mut threads = Threads::new(Arc::clone(&house));
        let (outcomes, events) = (Counters::default(), Counters::default());
        let house = Arc::clone(&house);
        let shared = Arc::new(Shared { opening, outcomes, events, house });
        for (kind, port) in udp {
            let socket = socket(WHO, address, port)?;
            let reader = Reader::new(Arc::clone(&shared), port);
            let (at, house) = (socket.local_addr(), Arc::clone(&shared.house));
            threads.start((kind.label(), at), move || datagrams::run(socket, &house, reader))?;
        }
        if let Some(Tcp { port, udp_port }) = tcp {
            let listener = listen(WHO, address, port)?;
            let (at, own) = (listener.local_addr(), Arc::clone(&shared));
            let (table, house) = (Arc::new(Table::new(connections)), Arc::clone(&shared.house));
            let reader = move || Reader::new(Arc::clone(&own), udp_port);
            let door = Door { listener, context: None, table, house, reader };
            threads.start(("audiocodes_tcp", at), move || door.run())?;
        }
        Ok(Self { shared, threads })
    }
}

impl Listener for Tunnels {
    fn stop(&mut self) {
        self.threads.stop();
    }

    fn report(&self) -> Report {
        let Shared { outcomes, events, house, .. } = &*self.shared;
        let json = json!({
            "listening": self.threads.json(),
            "messages": outcomes.sum(),
            "became": object(outcomes.pairs()),
            "events": object(events.pairs().chain(house.events.pairs())),
            "sources": house.sources.json(),
        });
        Report { key: "tunnels", delivered: outcomes.of(Outcome::Delivered), json }
    }
}
