//! The live sensor, as its users run it: the built binary on a veth, in namespaces of its own.
//!
//! In the order of reading: `lab` is the place, `sender` the traffic, `sensor` the process under
//! test, `compare` the truth against the records; then the tests. They need root, say so and
//! return without it, and leave nothing behind. What the sources do by themselves is tested by
//! the capture crate.

mod compare;
mod lab;
#[path = "../support/running.rs"]
mod running;
mod sender;
mod sensor;

mod doctor;
mod interfaces;
mod learned;
mod ledger;
mod live_call;
mod modes;
mod run;
mod spread;
mod transports;
