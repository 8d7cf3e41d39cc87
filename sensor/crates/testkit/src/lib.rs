//! Everything a test or a benchmark of the sensor needs from outside the sensor.
//!
//! Frames byte by byte ([`packet`], [`pcap`]), SIP text ([`sip`]), whole telephone traffic with
//! the truth about it ([`traffic`]), and the surroundings: a counting allocator ([`alloc`]), a
//! clock moved by hand ([`clock`]), network namespaces that clean up after themselves ([`netns`])
//! and a database server ([`mariadb`]).
//!
//! It uses none of the sensor's own parsers: what the sensor is measured against must not share
//! its mistakes. It is never part of the shipped binary.
#![deny(missing_docs)]

pub mod rng;

pub mod packet;
pub mod pcap;
pub mod sip;
pub mod traffic;

pub mod alloc;
pub mod clock;
pub mod mariadb;
pub mod netns;
