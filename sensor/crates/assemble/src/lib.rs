//! Whole messages from pieces: IP datagrams from fragments, SIP messages from TCP segments, plain
//! or in WebSocket frames, recordings by AudioCodes from a connection.
//!
//! Everything here is pure and bounded: bytes and a clock go in, whole messages come out, and
//! every limit has a counter. The same input gives the same output on every machine. It reads no
//! packet headers but those it has to rebuild (see `ringtap-common` for the walk), and it does
//! not look into a SIP message further than its length.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod fragments;
mod framer;
pub mod recording;
pub mod sip_frame;
pub mod stream;
pub mod websocket;

pub use fragments::{Fragments, Outcome, Whole};
pub use sip_frame::SipFramer;
pub use stream::{Flow, Segment, Streams};
