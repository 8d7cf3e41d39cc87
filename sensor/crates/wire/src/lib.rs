//! Zero-copy views of binary protocols: any bytes in, a view or a reason out, never a panic.
//!
//! Does no I/O, keeps no state between packets and judges nothing about quality. The header
//! walk itself is shared with the kernel program and lives in the common crate.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod flow;
pub mod hep;
pub mod ipfix;
pub mod link;
pub mod rtcp;
pub mod rtp;

mod read;
