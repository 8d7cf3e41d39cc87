//! The treaty between the kernel program and user space: one walk over a frame's headers, one
//! classification, one duplicate rule, one list of verdicts, and the maps that both sides share.
//!
//! Everything here is total: any bytes in, a value or a `Copy` reason out. There is no I/O, no
//! allocation and no clock, so that the same code passes the kernel's verifier.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod cursor;
pub mod walk;

pub mod classify;

pub mod tunnel;

pub mod peel;

pub mod fingerprint;

pub mod verdict;

pub mod maps;

pub mod record;

#[cfg(test)]
mod sample;
