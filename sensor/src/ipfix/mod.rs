//! The IPFIX listener: Oracle's session border controllers send SIP and call quality here.
//!
//! In the order of the way: what all listeners have in common ([`crate::agents`]) receives
//! messages over TCP, `reader` answers handshakes and takes their sets, `quality` makes records of
//! figures. `counts` has one end for every set. What IPFIX looks like is `wire`'s.

mod counts;
mod quality;
mod reader;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

pub use counts::{Counts, Event, Kind, Outcome};

use crate::agents::stream::{Door, Table};
use crate::agents::{House, Lanes, ListenError, Listener, Report, Threads, listen, object};
use reader::Reader;

/// Its name.
const WHO: &str = "IPFIX";

/// What is listened to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Address to listen at; `None`: all of them.
    pub address: Option<IpAddr>,
    /// Port of TCP; 0: any that is free.
    pub port: u16,
    /// The controllers' time is not used.
    pub system_time: bool,
    /// Nor is one that is further off than this.
    pub skew_max: Duration,
    /// Connections at once.
    pub connections: usize,
    /// The realm of its calls.
    pub realm: u32,
}

/// What all threads of the listener share.
#[derive(Debug)]
struct Shared {
    realm: u32,
    counts: Counts,
    house: Arc<House>,
}

/// A listener that runs.
#[derive(Debug)]
pub struct Ipfix {
    shared: Arc<Shared>,
    threads: Threads,
}

impl Ipfix {
    /// Listens; what comes goes into `lanes`.
    ///
    /// # Errors
    /// The port is taken.
    pub fn open(options: Options, lanes: Lanes) -> Result<Self, ListenError> {
        let listener = listen(WHO, options.address, options.port)?;
        let house = House::new(WHO, (options.system_time, options.skew_max), lanes);
        let mut threads = Threads::new(Arc::clone(&house));
        let counts = Counts::default();
        let shared = Arc::new(Shared { realm: options.realm, counts, house: Arc::clone(&house) });
        let (at, own) = (listener.local_addr(), Arc::clone(&shared));
        let table = Arc::new(Table::new(options.connections));
        let reader = move || Reader::new(Arc::clone(&own));
        let door = Door { listener, context: None, table, house, reader };
        threads.start(("tcp", at), move || door.run())?;
        Ok(Self { shared, threads })
    }
}

impl Listener for Ipfix {
    fn stop(&mut self) {
        self.threads.stop();
    }

    fn report(&self) -> Report {
        let Counts { sets, outcomes, events } = &self.shared.counts;
        let house = &self.shared.house;
        let json = json!({
            "listening": self.threads.json(),
            "messages": events.of(Event::Messages),
            "sets": object(sets.pairs()),
            "became": object(outcomes.pairs()),
            "events": object(events.pairs().skip(1).chain(house.events.pairs())),
            "sources": house.sources.json(),
        });
        Report { key: "ipfix", delivered: outcomes.of(Outcome::Delivered), json }
    }
}
