//! ringtap: SIP and RTP from a mirror port into call records and PCAP.
//!
//! In the order of the way: `cli` and `config` say what is wanted, `plant` builds the stations,
//! `agents`, `hep`, `ipfix` and `tunnels` receive what others have
//! seen, `worker` carries each packet its whole way, `writer` takes the
//! records, `status` shows that every frame is accounted for, and `live` the calls that run.
//! `doctor` examines a place beforehand, with a `look` at its traffic. The binary is `main.rs`;
//! tests and benchmarks use the rest.

pub mod agents;
pub mod cli;
pub mod command;
pub mod config;
pub mod doctor;
pub mod hep;
pub mod ipfix;
pub mod ledger;
pub mod live;
pub mod logging;
pub mod look;
pub mod plant;
pub mod query;
pub mod show;
pub mod shutdown;
pub mod status;
pub mod tunnels;
pub mod worker;
pub mod writer;
