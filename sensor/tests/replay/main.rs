//! `ringtap replay`, as its users run it, in the order of a packet's way: files and their clocks,
//! transports, who calls, what headers say, how long calls are waited on, what is outside of
//! calls, the truth about calls and streams, which streams are told apart, quality, and what
//! endpoints report.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod apart;
mod clocks;
mod files;
mod headers;
mod identity;
mod outside;
mod quality;
mod reports;
mod transports;
mod truth;
mod waits;
